// Keyboard shortcuts: / for the search box, arrows among pictures, letters for actions.

import { $, $$, closeOnBackdrop, isComposing, isTyping } from "./dom.js";

const dialog = $("#keys");

// The card with the focus, else the one under the pointer.
const getCard = () => document.activeElement?.closest(".card") ?? $(".card:hover");

// --- arrows among the pictures -------------------------------------------------------------------

const centreOf = (box) => box.left + box.width / 2;

// The next picture in a direction in the current layout of the grid.
function findNeighbour(picture, key) {
  const all = $$(".grid .card > a:first-child");
  const at = all.indexOf(picture);
  if (key === "ArrowLeft") return all[at - 1];
  if (key === "ArrowRight") return all[at + 1];
  const from = picture.getBoundingClientRect();
  const down = key === "ArrowDown";
  const boxes = all.map((one) => ({ one, box: one.getBoundingClientRect() }));
  const beyond = boxes.filter(({ box }) =>
    down ? box.top > from.top + 8 : box.top < from.top - 8,
  );
  if (!beyond.length) return null;
  const tops = beyond.map(({ box }) => box.top);
  const row = down ? Math.min(...tops) : Math.max(...tops);
  const near = beyond.filter(({ box }) => Math.abs(box.top - row) < 8);
  near.sort(
    (a, b) =>
      Math.abs(centreOf(a.box) - centreOf(from)) - Math.abs(centreOf(b.box) - centreOf(from)),
  );
  return near[0].one;
}

function focusPicture(picture) {
  picture.focus({ preventScroll: true });
  picture.scrollIntoView({ block: "nearest" });
}

function handleArrow(event) {
  const inBox = event.target.id === "q" && event.key === "ArrowDown";
  const inGrid = event.target.closest(".grid .card");
  if (!inBox && !inGrid && (isTyping(event.target) || event.target !== document.body)) return;
  // Up and down scroll the page until a picture has the focus.
  if (!inBox && !inGrid && (event.key === "ArrowDown" || event.key === "ArrowUp")) return;
  if (!inGrid && !$("#found")) return; // elsewhere, arrows may mean something else
  const pictures = $$(".grid .card > a:first-child");
  const next = inGrid
    ? findNeighbour($("a:first-child", inGrid), event.key)
    : pictures.find((one) => one.getBoundingClientRect().top >= 0);
  if (!next) {
    if (inGrid && event.key === "ArrowUp") focusBox(event);
    return;
  }
  event.preventDefault();
  focusPicture(next);
}

// --- the search box, and going back --------------------------------------------------------------

function focusBox(event) {
  const box = $("#q");
  if (!box) return;
  event.preventDefault();
  box.focus();
  box.select();
}

// The number of searches before this one on this page.
let searchCount = 0;
document.addEventListener("htmx:pushedIntoHistory", () => (searchCount += 1));
addEventListener("popstate", () => (searchCount = Math.max(0, searchCount - 1)));

function handleEscape(event) {
  const menu = $("details:is(.menu, .person, .by-picture)[open]");
  if (menu) {
    event.preventDefault();
    menu.open = false;
    $("summary", menu).focus();
  } else if (event.target.closest(".grid .card") && $("#q")) {
    if (searchCount) history.back();
    else focusBox(event);
  } else if (event.target.id === "q") {
    event.preventDefault(); // which would clear it
    event.target.value = event.target.defaultValue; // of the search shown
    event.target.blur();
  } else if (isTyping(event.target)) {
    if (!event.target.value || event.target.type !== "search") event.target.blur();
  }
}

// --- letters -------------------------------------------------------------------------------------

const LETTERS = { s: ".similar", m: ".more-like", l: ".less-like" };

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isComposing(event)) return;
  if ($("dialog[open]")) return;
  if (event.key.startsWith("Arrow")) handleArrow(event);
  else if (event.key === "Escape") handleEscape(event);
  else if (isTyping(event.target) || event.repeat) return;
  else if (event.key === "/") focusBox(event);
  else if (event.key === "?") dialog.showModal();
  else if (event.key in LETTERS) {
    const use = getCard() && $(LETTERS[event.key], getCard());
    if (!use) return;
    event.preventDefault();
    use.focus({ preventScroll: true });
    use.click();
  }
});

$("#show-keys").addEventListener("click", () => dialog.showModal());
closeOnBackdrop(dialog);
