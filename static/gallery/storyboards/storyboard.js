// A storyboard: its rows are searched a few at a time, and changed in place. Every change is a form
// that works without this file.

import { showError } from "../boards/collect.js";
import { $, $$, hasModifier, isTyping } from "../dom.js";

const PARALLEL_SEARCHES = 3;
const RETRY_AFTER = 5000; // milliseconds after a search that failed
const MAX_ATTEMPTS = 5; // at the search of one row

// --- requests ------------------------------------------------------------------------------------

// Send a form. Each part of the answer replaces its own; the focus stays where it was, and so does
// what is being typed into another row. Answers may come in another order than they were made.
async function send(action, form, submitter = null) {
  const answer = await fetch(action, {
    method: "POST",
    body: new FormData(form, submitter),
    headers: { "HX-Request": "true" },
  });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const message = page.getElementById("error-message")?.textContent;
  if (!answer.ok) throw new Error(message ?? document.body.dataset.failed);
  const focused = document.activeElement?.id;
  const place = $$(".row").indexOf(form.closest(".row"));
  for (const part of [...page.body.children]) replace(part, form.closest(".row")?.id);
  restoreFocus(focused, place);
}

function replace(part, current) {
  const old = document.getElementById(part.id);
  if (!old || Number(part.dataset.version) < Number(old.dataset.version)) return;
  if (part.id !== current) {
    for (const field of $$("textarea, input[type=number]", old)) {
      if (field.value !== field.defaultValue) $(`#${field.id}`, part)?.replaceWith(field);
    }
  }
  old.replaceWith(part);
}

function restoreFocus(id, place) {
  if (!id || document.activeElement !== document.body) return;
  // A removed line has no fields any more: the one that took its place gets the focus.
  const rows = $$(".row");
  const field = document.getElementById(id) ?? $("textarea", rows[place] ?? rows.at(-1));
  const usable = field?.disabled ? $(".row-shown", field.closest(".row")) : field;
  usable?.focus({ preventScroll: true });
}

// --- rows are searched as soon as they are there -------------------------------------------------

const attempts = new Map(); // by the address of a row's search
let running = 0;

function searchRows() {
  const waiting = $$(".row[data-search]:not([data-sent])");
  for (const row of waiting.slice(0, PARALLEL_SEARCHES - running)) {
    const { search } = row.dataset;
    row.dataset.sent = "1";
    running += 1;
    send(search, $(".row-edit", row))
      .catch((error) => {
        showError(error.message);
        retry(search, row.id);
      })
      .finally(() => {
        running -= 1;
        searchRows();
      });
  }
}

// The index or the network had no answer, or there were too many requests.
function retry(search, id) {
  const count = (attempts.get(search) ?? 0) + 1;
  attempts.set(search, count);
  if (count === MAX_ATTEMPTS) return;
  setTimeout(() => {
    delete document.getElementById(id)?.dataset.sent;
    searchRows();
  }, RETRY_AFTER);
}

searchRows();

// --- changes -------------------------------------------------------------------------------------

const sent = new WeakMap(); // the values of a form that were sent last

const valuesOf = (form) => new URLSearchParams(new FormData(form)).toString();

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (!form.closest(".rows")) return;
  event.preventDefault();
  const action = submitter?.getAttribute("formaction") ?? form.action;
  sent.set(form, valuesOf(form));
  send(action, form, submitter)
    .then(searchRows)
    .catch((error) => {
      sent.delete(form);
      showError(error.message);
    })
    .finally(() => document.documentElement.classList.remove("busy"));
});

// A field submitted by Enter also fires this event, when the answer replaces it.
document.addEventListener("change", (event) => {
  const form = event.target.closest(".row-edit");
  if (form && sent.get(form) !== valuesOf(form)) form.requestSubmit();
});

// --- keys: what can be done with the row that has the focus --------------------------------------

document.addEventListener("keydown", (event) => {
  const row = event.target.closest(".row");
  if (!row || hasModifier(event)) return;
  if (isTyping(event.target)) {
    if (event.key === "Enter" && event.target.matches("textarea")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
    return;
  }
  if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    const rows = $$(".row");
    const other = rows[rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)];
    const shown = other && ($(".row-shown", other) ?? $("textarea", other));
    if (!shown) return;
    event.preventDefault();
    shown.focus();
    other.scrollIntoView({ block: "nearest" });
    return;
  }
  const button = $(`[data-key="${event.key}"]`, row);
  if (!button || button.disabled) return;
  event.preventDefault();
  button.click();
});
