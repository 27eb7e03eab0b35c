// The keyboard: / to the search box, arrows among the pictures, letters for what can be done.

import { $, $$, closeOnBackdrop, isTyping } from "./dom.js";

const dialog = $("#keys");

// The card that has the focus, or else the one under the pointer.
const card = () => document.activeElement?.closest(".card") ?? $(".card:hover");

// --- arrows among the pictures -------------------------------------------------------------------

const middle = (box) => box.left + box.width / 2;

// The picture that lies next to another in a direction, as the grid is drawn now.
function beside(picture, key) {
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
    (a, b) => Math.abs(middle(a.box) - middle(from)) - Math.abs(middle(b.box) - middle(from)),
  );
  return near[0].one;
}

function goTo(picture) {
  picture.focus({ preventScroll: true });
  picture.scrollIntoView({ block: "nearest" });
}

function arrow(event) {
  const inBox = event.target.id === "q" && event.key === "ArrowDown";
  const inGrid = event.target.closest(".grid .card");
  if (!inBox && !inGrid && (isTyping(event.target) || event.target !== document.body)) return;
  // Up and down scroll the page until a picture has the focus.
  if (!inBox && !inGrid && (event.key === "ArrowDown" || event.key === "ArrowUp")) return;
  if (!inGrid && !$("#found")) return; // elsewhere, arrows may mean something else
  const pictures = $$(".grid .card > a:first-child");
  const next = inGrid
    ? beside($("a:first-child", inGrid), event.key)
    : pictures.find((one) => one.getBoundingClientRect().top >= 0);
  if (!next) {
    if (inGrid && event.key === "ArrowUp") toBox(event);
    return;
  }
  event.preventDefault();
  goTo(next);
}

// --- to the search box, and back -----------------------------------------------------------------

function toBox(event) {
  const box = $("#q");
  if (!box) return;
  event.preventDefault();
  box.focus();
  box.select();
}

// How many searches lie behind this one that were made without leaving the page.
let searches = 0;
document.addEventListener("htmx:pushedIntoHistory", () => (searches += 1));
addEventListener("popstate", () => (searches = Math.max(0, searches - 1)));

function goBack(event) {
  const menu = $("details:is(.menu, .person, .by-picture)[open]");
  if (menu) {
    event.preventDefault();
    menu.open = false;
    $("summary", menu).focus();
  } else if (event.target.closest(".grid .card") && $("#q")) {
    if (searches) history.back();
    else toBox(event);
  } else if (isTyping(event.target)) {
    if (!event.target.value || event.target.type !== "search") event.target.blur();
  }
}

// --- letters -------------------------------------------------------------------------------------

const LETTERS = { s: ".similar", m: ".more-like", l: ".less-like" };

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if ($("dialog[open]")) return;
  if (event.key.startsWith("Arrow")) arrow(event);
  else if (event.key === "Escape") goBack(event);
  else if (isTyping(event.target) || event.repeat) return;
  else if (event.key === "/") toBox(event);
  else if (event.key === "?") dialog.showModal();
  else if (event.key in LETTERS) {
    const use = card() && $(LETTERS[event.key], card());
    if (!use) return;
    event.preventDefault();
    use.focus({ preventScroll: true });
    use.click();
  }
});

$("#show-keys").addEventListener("click", () => dialog.showModal());
closeOnBackdrop(dialog);
