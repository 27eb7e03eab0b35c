// The search: results are swapped in with their own URL, pictures and frames can be dropped and
// pasted, and the history restores results. Without scripts, pages are loaded as usual.

import { $, $$, hasModifier, htmx, isComposing } from "../dom.js";

// --- results are swapped in ----------------------------------------------------------------------

const announcer = document.body.appendChild(document.createElement("p"));
announcer.className = "unseen";
announcer.setAttribute("role", "status");

const IN_PLACE = { target: "#found", select: "#found", selectOOB: "#find", swap: "outerHTML" };
let currentUrl = location.pathname + location.search; // of the results shown
let controls = null; // the state of controls before the request
let sent = ""; // the search box at the time of the request
let typed = null; // the text and selection typed since then

const canSwap = (address) =>
  Boolean($("#found") && htmx && new URL(address, location).pathname === location.pathname);

function requestResults(method, address, source) {
  savePosition();
  saveControls();
  sent = $("#q")?.value;
  $("#found").classList.add("waiting");
  // A replaced request is no failure; others are reported by the events of htmx.
  htmx.ajax(method, address, { ...IN_PLACE, source, push: "true" }).catch(() => {});
}

let pendingUrl = ""; // avoids a second request for Enter in a changed field

function search(address) {
  if (address === pendingUrl) return;
  pendingUrl = address;
  requestResults("get", address, "#found");
}

// The URL of a search form, without empty fields.
function getFormUrl(form) {
  const given = [...new FormData(form)].filter(([, value]) => value.trim());
  return `${new URL(form.action).pathname}?${new URLSearchParams(given)}`;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swaps]");
  const isPlain = event.button === 0 && !hasModifier(event);
  // The start page has its own styles, so it is loaded as a page.
  if (link && !link.search && link.pathname === $(".brand").pathname) return;
  if (!link || !isPlain || event.defaultPrevented || !canSwap(link.href)) return;
  event.preventDefault();
  search(link.getAttribute("href"));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "get" || !form.matches("[role=search]")) return;
  if (!canSwap(form.action)) return;
  event.preventDefault();
  if (matchMedia("(hover: none)").matches) document.activeElement?.blur(); // hides the on-screen keyboard
  search(getFormUrl(form));
});

// Error pages with results are swapped in as well; for other responses the page is loaded.
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
  if (event.detail.pathInfo.requestPath === pendingUrl) pendingUrl = "";
  if (!pendingUrl) $("#found")?.classList.remove("waiting");
});

// --- filters and focus are restored after a swap -------------------------------------------------

function saveControls() {
  const at = document.activeElement;
  controls = {
    refine: $("#refine")?.open ?? false,
    films: $("#film-choices")?.scrollTop ?? 0,
    sieve: $("#sieve")?.value ?? "",
    id: at?.id ?? "",
    card: $$(".hits .card").indexOf(at?.closest(".card")),
    part: $$(".part").indexOf(at?.closest(".part")),
  };
}

function restoreControls() {
  if (!controls) return;
  const refine = $("#refine");
  if (refine) refine.open = controls.refine;
  const sieve = $("#sieve");
  if (sieve && controls.sieve) {
    sieve.value = controls.sieve;
    filterRows(sieve);
  }
  const films = $("#film-choices");
  if (films) films.scrollTop = controls.films;
  const again = controls.id && document.getElementById(controls.id);
  const cards = $$(".hits .card .shown");
  const parts = $$(".part .remove");
  if (again) again.focus({ preventScroll: true });
  else if (controls.card >= 0) cards[Math.min(controls.card, cards.length - 1)]?.focus();
  else if (controls.part >= 0)
    (parts[Math.min(controls.part, parts.length - 1)] ?? $("#q"))?.focus();
  controls = null;
}

// The response replaces the search box while the next query is being typed.
function restoreTyping() {
  const box = $("#q");
  const [text, ...selection] = typed;
  box.value = text;
  box.focus({ preventScroll: true });
  box.setSelectionRange(...selection);
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "found") return;
  currentUrl = location.pathname + location.search;
  window.scrollTo(0, 0);
  restoreControls();
  if (typed) restoreTyping();
  const next = $(".languages [name=next]");
  if (next) next.value = currentUrl;
  announcer.textContent = $("#count")?.textContent || $("#found h2")?.textContent || "";
});

// --- going back restores the loaded pages and the scroll position --------------------------------

const positionKey = () => `place ${currentUrl}`;
const countPages = () => 1 + $$(".hits [data-page-start]").length;
let scrolled = window.scrollY;

function savePosition() {
  if (!$("#hits")) return;
  const place = { pages: countPages(), scroll: scrolled, focus: document.activeElement?.id ?? "" };
  try {
    sessionStorage.setItem(positionKey(), JSON.stringify(place));
  } catch {
    // Without storage, going back shows the first page.
  }
}

async function restorePosition() {
  const kind = performance.getEntriesByType("navigation")[0]?.type;
  if (kind !== "back_forward" && kind !== "reload") return;
  let place = null;
  try {
    place = JSON.parse(sessionStorage.getItem(positionKey()));
  } catch {
    return;
  }
  if (!place) return;
  while (countPages() < place.pages && $(".more")) {
    const before = countPages();
    const swapped = waitForSettle();
    // If the link is visible, scrolling requests it, too; then htmx drops one of both.
    loadNextPage($(".more")).catch(() => {});
    await swapped;
    if (countPages() === before) break;
  }
  if (place.pages > 1) window.scrollTo(0, place.scroll);
  if (document.activeElement === document.body) {
    document.getElementById(place.focus)?.focus({ preventScroll: true });
  }
}

// Wait for the next swap, from any request, or a timeout.
const waitForSettle = () =>
  new Promise((done) => {
    document.addEventListener("htmx:afterSettle", done, { once: true });
    setTimeout(done, 5000);
  });

const loadNextPage = (more) =>
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
  savePosition();
  currentUrl = ""; // other results are being loaded
});
window.addEventListener("pagehide", () => currentUrl && savePosition());
restorePosition();

// The first card of a loaded page is marked, and focused if the page was loaded by a click; the
// note that a film has more hits is shown once per film.
let wasPressed = false;
document.addEventListener("click", (event) => {
  wasPressed = Boolean(event.target.closest(".more a"));
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
  if (wasPressed) $(".shown", first).focus({ preventScroll: true });
  wasPressed = false;
  for (const link of $$(".more-here")) {
    const film = link.closest(".card").dataset.film;
    const cards = $$(`.hits .card[data-film="${film}"]`);
    link.hidden = cards.at(-1) !== link.closest(".card");
  }
});

// --- filters are submitted at once ---------------------------------------------------------------

document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.form?.id === "search" && field.closest(".refine")) field.form.requestSubmit();
});

function filterRows(field) {
  const wanted = field.value.trim().toLocaleLowerCase();
  for (const row of document.getElementById(field.dataset.sieves).children) {
    row.hidden = !row.textContent.toLocaleLowerCase().includes(wanted);
  }
}

document.addEventListener("input", (event) => {
  if (event.target.matches(".sieve")) filterRows(event.target);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || isComposing(event)) return;
  if (event.target.matches(".sieve")) event.preventDefault();
});

// --- a picture: dropped anywhere, pasted, or chosen ----------------------------------------------

const getPictureForm = () => $("#picture-form");

function sendPicture() {
  const form = getPictureForm();
  if (!canSwap($("#search").action)) {
    form.requestSubmit();
    return;
  }
  requestResults("post", form.getAttribute("action"), form);
}

// Some systems do not know the MIME types of newer formats.
const isPicture = ({ type, name }) =>
  type.startsWith("image/") || /\.(heic|heif|avif|tiff?)$/i.test(name);

function searchWithPicture(files) {
  const picture = [...files].find(isPicture);
  if (!picture || !getPictureForm()) return false;
  const transfer = new DataTransfer();
  transfer.items.add(picture);
  $("input[type=file]", getPictureForm()).files = transfer.files;
  sendPicture();
  return true;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("#picture")) sendPicture();
});
document.addEventListener("paste", (event) => {
  if (searchWithPicture(event.clipboardData?.files ?? [])) event.preventDefault();
});

// --- frames of this site: dropping a picture on the search box, pasting a frame's URL ------------

const FRAME = /\/films\/\d+\/frames\/\d+/;
let dragged = null; // a frame of this page

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

const hasFiles = (event) => !dragged && event.dataTransfer?.types.includes("Files");
const hasFrame = (event) =>
  (dragged || event.dataTransfer?.types.includes("text/uri-list")) &&
  event.target.closest?.(".box");

document.addEventListener("dragover", (event) => {
  if (!hasFiles(event) && !hasFrame(event)) return;
  event.preventDefault();
  if (hasFiles(event)) document.documentElement.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.documentElement.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  document.documentElement.classList.remove("dropping");
  if (hasFrame(event)) {
    event.preventDefault();
    addFrame(event.dataTransfer.getData("text/uri-list").split(/\s/)[0]);
  } else if (hasFiles(event)) {
    event.preventDefault();
    searchWithPicture(event.dataTransfer.files);
  }
});
