// What makes the pages pleasant. They work without it.

import { $, $$, failureMessage, REQUEST_FAILURES } from "./dom.js";

// --- theme: as the system has it, light, dark ---------------------------------------------------

const themeButton = $("button.theme");
const THEMES = ["auto", "light", "dark"];

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  themeButton.title = themeButton.dataset[theme];
  themeButton.setAttribute("aria-label", themeButton.dataset[theme]);
}

showTheme(document.documentElement.dataset.theme);
themeButton.addEventListener("click", () => {
  const now = THEMES.indexOf(document.documentElement.dataset.theme);
  const next = THEMES[(now + 1) % THEMES.length];
  showTheme(next);
  try {
    localStorage.setItem("theme", next);
  } catch {
    // Kept for this page only.
  }
});

// --- forms: a search shows that it is under way; a failure is told ----------------------

const busy = (is) => document.documentElement.classList.toggle("busy", is);
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented && !event.target.hasAttribute("hx-get")) busy(true);
});
window.addEventListener("pageshow", () => busy(false));
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!event.detail.elt.closest("[data-quiet]")) busy(true);
});
document.addEventListener("htmx:afterRequest", () => busy(false));

for (const failure of REQUEST_FAILURES) {
  document.addEventListener(failure, (event) => {
    if (event.detail.elt.closest("[hx-sync], [data-quiet]")) return; // collect.js tells it
    const place = $("#probabilities") ?? $("#count");
    place.textContent = failureMessage(event);
    place.scrollIntoView({ block: "nearest" });
    console.warn(failure, event.detail);
  });
}

// --- a form sent while an answer is on its way waits for it ---------------------------------------

// That answer may replace the form, and htmx drops requests of forms that are gone: what was
// pressed then counts for the form in its place.
const SYNCED = "[hx-sync^='body:']";
const inFlight = new Set();
const delayed = [];

function sendDelayed() {
  if (inFlight.size || !delayed.length) return;
  const { form, button, fields } = delayed.shift();
  const again = form.isConnected ? button : button?.id && document.getElementById(button.id);
  if (!again || again.disabled) {
    sendDelayed();
    return;
  }
  for (const [id, value] of fields) {
    const field = id && document.getElementById(id);
    if (field) field.value = value;
  }
  again.click(); // htmx notes which button sends a form when it is clicked
}

document.addEventListener("htmx:beforeSend", ({ detail }) => {
  if (!detail.elt.matches(SYNCED)) return;
  inFlight.add(detail.xhr);
  detail.xhr.addEventListener("loadend", () => {
    inFlight.delete(detail.xhr);
    sendDelayed();
  });
});
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!inFlight.size || !form.matches(SYNCED)) return;
    event.preventDefault();
    event.stopPropagation();
    const changed = [...form.elements].filter((field) => field.value !== field.defaultValue);
    const fields = changed.map((field) => [field.id, field.value]);
    delayed.push({ form, button: event.submitter ?? form.querySelector("button"), fields });
  },
  true,
);

// --- menus close when one clicks elsewhere -------------------------------------------------------

document.addEventListener("click", (event) => {
  for (const menu of $$("details:is(.menu, .person, .by-picture)[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// --- a button copies the text of a field ---------------------------------------------------------

const COPIED_TIME = 3000; // milliseconds

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    // Browsers have a clipboard on https and on this machine only.
    field.select();
    document.execCommand("copy");
  }
  button.dataset.copy ??= button.textContent;
  button.textContent = button.dataset.copied;
  setTimeout(() => {
    button.textContent = button.dataset.copy;
  }, COPIED_TIME);
});

document.addEventListener("focusin", ({ target }) => {
  if (target.matches("input[readonly]")) target.select();
});

// --- pictures fade in where they will stand ------------------------------------------------------

function fadeIn(inside) {
  for (const picture of inside.querySelectorAll(".still img")) {
    if (picture.complete) continue;
    picture.classList.add("coming");
    const come = () => picture.classList.remove("coming");
    picture.addEventListener("load", come, { once: true });
    picture.addEventListener("error", come, { once: true });
  }
}

fadeIn(document);
document.addEventListener("htmx:load", (event) => fadeIn(event.target));
