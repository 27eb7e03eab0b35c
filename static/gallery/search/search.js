// The search: it answers in place and under its own address, takes pictures and frames from
// anywhere, and brings back what was there. All of it works without this file, page by page.

import { $, $$, hasModifier, htmx } from "../dom.js";

// --- a query is answered in place ----------------------------------------------------------------

const announcer = document.body.appendChild(document.createElement("p"));
announcer.className = "unseen";
announcer.setAttribute("role", "status");

const IN_PLACE = { target: "#found", select: "#found", selectOOB: "#find", swap: "outerHTML" };
let here = location.pathname + location.search; // whose answer is shown
let used = null; // where on the page the query was changed
let sent = ""; // what the search box held when the question was asked
let typed = null; // what was typed into it since

const answersHere = (address) =>
  Boolean($("#found") && htmx && new URL(address, location).pathname === location.pathname);

function ask(method, address, source) {
  keepPlace();
  noteUsed();
  sent = $("#q")?.value;
  $("#found").classList.add("waiting");
  // A question that another one replaced is no failure; others are told where htmx says them.
  htmx.ajax(method, address, { ...IN_PLACE, source, push: "true" }).catch(() => {});
}

let asked = ""; // what is on its way: Enter in a changed field asks twice

function seek(address) {
  if (address === asked) return;
  asked = address;
  ask("get", address, "#found");
}

// The address of a search form; fields that say nothing are left out of it.
function addressOf(form) {
  const given = [...new FormData(form)].filter(([, value]) => value.trim());
  return `${new URL(form.action).pathname}?${new URLSearchParams(given)}`;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swaps]");
  const isPlain = event.button === 0 && !hasModifier(event);
  // The start page has styles of its own: it is a page to go to.
  if (link && !link.search && link.pathname === $(".brand").pathname) return;
  if (!link || !isPlain || event.defaultPrevented || !answersHere(link.href)) return;
  event.preventDefault();
  seek(link.getAttribute("href"));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "get" || !form.matches("[role=search]")) return;
  if (!answersHere(form.action)) return;
  event.preventDefault();
  if (matchMedia("(hover: none)").matches) document.activeElement?.blur(); // lets the keyboard go
  seek(addressOf(form));
});

// An answer that says what is wrong is shown like any other; what is no answer of ours is not.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { detail } = event;
  if (detail.target.id !== "found") return;
  const ours = detail.xhr.responseText.includes('id="found"');
  if (ours && detail.isError) Object.assign(detail, { shouldSwap: true, isError: false });
  if (!ours) {
    detail.shouldSwap = false;
    location.assign(detail.xhr.responseURL || location.href);
  }
  const box = $("#q");
  typed =
    box?.value !== sent && box === document.activeElement
      ? [box.value, box.selectionStart, box.selectionEnd]
      : null;
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.target?.id !== "found") return;
  if (event.detail.pathInfo.requestPath === asked) asked = "";
  if (!asked) $("#found")?.classList.remove("waiting");
});

// --- after an answer, everything is where it was: the filters, the focus, the way back -----------

function noteUsed() {
  const at = document.activeElement;
  used = {
    refine: $("#refine")?.open ?? false,
    films: $("#film-choices")?.scrollTop ?? 0,
    sieve: $("#sieve")?.value ?? "",
    id: at?.id ?? "",
    card: $$(".hits .card").indexOf(at?.closest(".card")),
    part: $$(".part").indexOf(at?.closest(".part")),
  };
}

function restoreUsed() {
  if (!used) return;
  const refine = $("#refine");
  if (refine) refine.open = used.refine;
  const sieve = $("#sieve");
  if (sieve && used.sieve) {
    sieve.value = used.sieve;
    sift(sieve);
  }
  const films = $("#film-choices");
  if (films) films.scrollTop = used.films;
  const again = used.id && document.getElementById(used.id);
  const cards = $$(".hits .card .shown");
  const parts = $$(".part .remove");
  if (again) again.focus({ preventScroll: true });
  else if (used.card >= 0) cards[Math.min(used.card, cards.length - 1)]?.focus();
  else if (used.part >= 0) (parts[Math.min(used.part, parts.length - 1)] ?? $("#q"))?.focus();
  used = null;
}

// The answer brings a search box of its own, in the middle of the next question.
function keepTyping() {
  const box = $("#q");
  const [text, ...selection] = typed;
  box.value = text;
  box.focus({ preventScroll: true });
  box.setSelectionRange(...selection);
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "found") return;
  here = location.pathname + location.search;
  window.scrollTo(0, 0);
  restoreUsed();
  if (typed) keepTyping();
  const next = $(".languages [name=next]");
  if (next) next.value = here;
  announcer.textContent = $("#count")?.textContent || $("#found h2")?.textContent || "";
});

// --- pages that came by scrolling come back with the way back ------------------------------------

const placeName = () => `place ${here}`;
const pagesShown = () => 1 + $$(".hits [data-page-start]").length;
let scrolled = window.scrollY;

function keepPlace() {
  if (!$("#hits")) return;
  const place = { pages: pagesShown(), scroll: scrolled, focus: document.activeElement?.id ?? "" };
  try {
    sessionStorage.setItem(placeName(), JSON.stringify(place));
  } catch {
    // Without it, the way back leads to the first scenes.
  }
}

async function restorePlace() {
  const kind = performance.getEntriesByType("navigation")[0]?.type;
  if (kind !== "back_forward" && kind !== "reload") return;
  let place = null;
  try {
    place = JSON.parse(sessionStorage.getItem(placeName()));
  } catch {
    return;
  }
  if (!place) return;
  while (pagesShown() < place.pages && $(".more")) {
    const before = pagesShown();
    const stands = settled();
    // The window asks for it, too, if it shows its place: then the second question is dropped.
    nextPage($(".more")).catch(() => {});
    await stands;
    if (pagesShown() === before) break;
  }
  if (place.pages > 1) window.scrollTo(0, place.scroll);
  if (document.activeElement === document.body) {
    document.getElementById(place.focus)?.focus({ preventScroll: true });
  }
}

// Until the next answer stands on the page, however it was asked for; or does not come.
const settled = () =>
  new Promise((done) => {
    document.addEventListener("htmx:afterSettle", done, { once: true });
    setTimeout(done, 5000);
  });

const nextPage = (more) =>
  htmx.ajax("get", more.getAttribute("hx-get"), {
    source: more,
    target: more,
    select: "#hits > li",
    swap: "outerHTML",
  });

document.addEventListener(
  "scroll",
  () => {
    requestAnimationFrame(() => (scrolled = window.scrollY));
  },
  { passive: true },
);
window.addEventListener("popstate", () => {
  keepPlace();
  here = ""; // another answer is on its way
});
window.addEventListener("pagehide", () => here && keepPlace());
restorePlace();

// The first card of a page that came is marked, and gets the focus if a button brought it; a film
// says that it has more only once.
let pressed = false;
document.addEventListener("click", (event) => {
  pressed = Boolean(event.target.closest(".more a"));
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.target.matches(".more")) return;
  event.detail.target.previousElementSibling?.classList.add("last-before");
});
document.addEventListener("htmx:afterSettle", () => {
  const last = $(".last-before");
  if (!last) return;
  last.classList.remove("last-before");
  const first = last.nextElementSibling;
  if (!first?.matches(".card")) return;
  first.dataset.pageStart = "";
  if (pressed) $(".shown", first).focus({ preventScroll: true });
  pressed = false;
  for (const link of $$(".more-here")) {
    const film = link.closest(".card").dataset.film;
    const cards = $$(`.hits .card[data-film="${film}"]`);
    link.hidden = cards.at(-1) !== link.closest(".card");
  }
});

// --- filters take effect at once -----------------------------------------------------------------

document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.form?.id === "search" && field.closest(".refine")) field.form.requestSubmit();
});

function sift(field) {
  const wanted = field.value.trim().toLocaleLowerCase();
  for (const row of document.getElementById(field.dataset.sieves).children) {
    row.hidden = !row.textContent.toLocaleLowerCase().includes(wanted);
  }
}

document.addEventListener("input", (event) => {
  if (event.target.matches(".sieve")) sift(event.target);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches(".sieve")) event.preventDefault();
});

// --- a picture: dropped anywhere, pasted, or chosen ----------------------------------------------

const pictureForm = () => $("#picture-form");

function sendPicture() {
  const form = pictureForm();
  if (!answersHere($("#search").action)) {
    form.requestSubmit();
    return;
  }
  ask("post", form.getAttribute("action"), form);
}

// Not every system knows the types of newer formats.
const isPicture = ({ type, name }) =>
  type.startsWith("image/") || /\.(heic|heif|avif|tiff?)$/i.test(name);

function searchWith(files) {
  const picture = [...files].find(isPicture);
  if (!picture || !pictureForm()) return false;
  const carrier = new DataTransfer();
  carrier.items.add(picture);
  $("input[type=file]", pictureForm()).files = carrier.files;
  sendPicture();
  return true;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("#picture")) sendPicture();
});
document.addEventListener("paste", (event) => {
  if (searchWith(event.clipboardData?.files ?? [])) event.preventDefault();
});

// --- a frame of this site: its picture dropped onto the search box, its address pasted there -----

const FRAME = /\/films\/\d+\/frames\/\d+/;
let dragged = null; // a frame of this very page

function addFrame(address) {
  const box = $("#q");
  box.value = `${box.value} ${address}`.trim();
  box.form.requestSubmit();
}

document.addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (event.target.id !== "q" || !FRAME.test(text) || /\s/.test(text.trim())) return;
  event.preventDefault();
  addFrame(text.trim());
});
document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.(".card .shown, a.framed") ?? null;
  if (!dragged) return;
  const address = new URL(dragged.dataset.frame ?? dragged.href, location);
  event.dataTransfer.setData("text/uri-list", address.href);
  event.dataTransfer.setData("text/plain", address.href);
  document.documentElement.classList.add("dragging-frame");
});
document.addEventListener("dragend", () => {
  dragged = null;
  document.documentElement.classList.remove("dragging-frame");
});

const holdsFiles = (event) => !dragged && event.dataTransfer?.types.includes("Files");
const holdsFrame = (event) =>
  (dragged || event.dataTransfer?.types.includes("text/uri-list")) &&
  event.target.closest?.(".box");

document.addEventListener("dragover", (event) => {
  if (!holdsFiles(event) && !holdsFrame(event)) return;
  event.preventDefault();
  if (holdsFiles(event)) document.documentElement.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.documentElement.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  document.documentElement.classList.remove("dropping");
  if (holdsFrame(event)) {
    event.preventDefault();
    addFrame(event.dataTransfer.getData("text/uri-list").split(/\s/)[0]);
  } else if (holdsFiles(event)) {
    event.preventDefault();
    searchWith(event.dataTransfer.files);
  }
});
