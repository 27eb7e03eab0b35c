// Enhancements of all pages, which work without scripts, too.

import { $, $$, failureMessage, REQUEST_FAILURES } from "./dom.js";

// --- theme: system, light, dark -----------------------------------------------------------------

const themeButton = $("button.theme");
const THEMES = ["auto", "light", "dark"];

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  themeButton.title = themeButton.dataset[theme];
  themeButton.setAttribute("aria-label", themeButton.dataset[theme]);
}

showTheme(document.documentElement.dataset.theme);
themeButton.addEventListener("click", () => {
  const current = THEMES.indexOf(document.documentElement.dataset.theme);
  const next = THEMES[(current + 1) % THEMES.length];
  showTheme(next);
  try {
    localStorage.setItem("theme", next);
  } catch {
    // The choice is lost with this page.
  }
});

// --- forms: progress and failures ----------------------------------------------------------------

const setBusy = (is) => document.documentElement.classList.toggle("busy", is);
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented && !event.target.hasAttribute("hx-get")) setBusy(true);
});
window.addEventListener("pageshow", () => setBusy(false));
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!event.detail.elt.closest("[data-quiet]")) setBusy(true);
});
document.addEventListener("htmx:afterRequest", () => setBusy(false));

for (const failure of REQUEST_FAILURES) {
  document.addEventListener(failure, (event) => {
    if (event.detail.elt.closest("[hx-sync], [data-quiet]")) return; // collect.js reports it
    const place = $("#probabilities") ?? $("#count");
    place.textContent = failureMessage(event);
    place.scrollIntoView({ block: "nearest" });
    console.warn(failure, event.detail);
  });
}

// --- a double click sends a form once -------------------------------------------------------------

const RESEND_TIME = 10_000; // milliseconds until a form whose sending was stopped can be sent again
let sent = new WeakSet();

window.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (sent.has(form)) event.preventDefault();
  else setTimeout(() => sent.delete(form), RESEND_TIME);
  sent.add(form);
});
window.addEventListener("pageshow", () => {
  sent = new WeakSet();
});

// --- a form that is sent while a response is pending waits for it ---------------------------------

// The response may replace the form, and htmx drops requests of removed forms, so the click is
// repeated on the new form.
const SYNCED = "[hx-sync^='body:']";
const inFlight = new Map(); // requests to their forms
const delayed = [];

function sendDelayed() {
  if (inFlight.size || !delayed.length) return;
  const { form, button, fields } = delayed.shift();
  const target = form.isConnected ? button : button?.id && document.getElementById(button.id);
  if (!target || target.disabled) {
    sendDelayed();
    return;
  }
  for (const [id, value] of fields) {
    const field = id && document.getElementById(id);
    if (field) field.value = value;
  }
  target.click(); // htmx takes the submitting button from its click
}

document.addEventListener("htmx:beforeSend", ({ detail }) => {
  if (!detail.elt.matches(SYNCED)) return;
  inFlight.set(detail.xhr, detail.elt);
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
    if (form.matches("[data-once]") && [...inFlight.values()].includes(form)) return;
    const changed = [...form.elements].filter((field) => field.value !== field.defaultValue);
    const fields = changed.map((field) => [field.id, field.value]);
    delayed.push({ form, button: event.submitter ?? form.querySelector("button"), fields });
  },
  true,
);

// --- menus close on a click elsewhere ------------------------------------------------------------

document.addEventListener("click", (event) => {
  for (const menu of $$("details:is(.menu, .person, .by-picture)[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// --- a button copies a text ----------------------------------------------------------------------

const COPIED_TIME = 3000; // milliseconds

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copies); // a field, or a text
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
  } catch {
    // The clipboard API needs https or localhost.
    if (source.select) source.select();
    else getSelection().selectAllChildren(source);
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

// --- pictures fade in ----------------------------------------------------------------------------

function fadeIn(inside) {
  for (const picture of inside.querySelectorAll(".still img")) {
    if (picture.complete) continue;
    picture.classList.add("coming");
    const reveal = () => picture.classList.remove("coming");
    picture.addEventListener("load", reveal, { once: true });
    picture.addEventListener("error", reveal, { once: true });
  }
}

fadeIn(document);
document.addEventListener("htmx:load", (event) => fadeIn(event.target));
