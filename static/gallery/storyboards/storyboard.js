// A storyboard: its rows are searched a few at a time, and changed in place. Every change is a form
// that works without this file.

import { showError } from "../boards/collect.js";
import { $, $$, hasModifier, isComposing, isTyping } from "../dom.js";
import { mergeAnswer, savedValuesOf, textOf, valuesOf } from "./rows.js";

const PARALLEL_SEARCHES = 3;
const MIN_WAIT = 5000; // milliseconds after a search that failed, doubled after each further one
const MAX_WAIT = 60_000;
const MAX_ATTEMPTS = 5; // at the search of one row that fails for an unknown reason
const [CONFLICT, TOO_MANY_REQUESTS, UNAVAILABLE] = [409, 429, 503]; // HTTP statuses

// --- requests ------------------------------------------------------------------------------------

class RequestError extends Error {
  // `wait`: milliseconds after which the server wants to be asked again, 0 if it does not say.
  constructor(message, { status, headers }) {
    super(message);
    this.status = status;
    this.wait = 1000 * (Number(headers.get("Retry-After")) || 0);
  }
}

// Send the data of a form in a row, and put the answer into the page. The focus stays where it was.
// `given`: the values of the row's fields that are sent, if it is an edit.
async function send(action, row, body, given) {
  const headers = { "HX-Request": "true" };
  const answer = await fetch(action, { method: "POST", body, headers }).catch(() => {
    throw new Error(document.body.dataset.failed); // the browser's message is in English only
  });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const message = page.getElementById("error-message")?.textContent;
  if (answer.ok || answer.status === CONFLICT) {
    const focused = document.activeElement?.id;
    const place = $$(".row").indexOf(row);
    mergeAnswer([...page.body.children], given);
    restoreFocus(focused, place);
  }
  if (!answer.ok) throw new RequestError(message ?? document.body.dataset.failed, answer);
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
let failures = 0; // one after the other
let pausedUntil = 0;
let timer;

function searchRows() {
  clearTimeout(timer);
  const wait = pausedUntil - Date.now();
  if (wait > 0) {
    timer = setTimeout(searchRows, wait);
    return;
  }
  const waiting = $$(".row[data-search]:not([data-sent])");
  if (!waiting.length && !running) endPause(); // the row that was refused may have been removed
  for (const row of waiting.slice(0, PARALLEL_SEARCHES - running)) searchRow(row);
}

async function searchRow(row) {
  const { search } = row.dataset;
  row.dataset.sent = "1";
  running += 1;
  try {
    await send(search, row, new FormData($(".row-edit", row)));
    // While a row waits that was refused in the meantime, the page keeps saying so.
    if (Date.now() >= pausedUntil) endPause();
  } catch (error) {
    handleFailure(row, error);
  }
  running -= 1;
  searchRows();
}

function endPause() {
  failures = 0;
  showSearchState($(".row[data-given-up]") ? "stopped" : "");
}

// All rows wait: the limit is that of the user, and without the index or the network none is found.
function handleFailure(row, error) {
  const isBusy = error.status === TOO_MANY_REQUESTS;
  failures += 1;
  const wait = error.wait || Math.min(MAX_WAIT, MIN_WAIT * 2 ** (failures - 1));
  pausedUntil = Math.max(pausedUntil, Date.now() + wait);
  if (isBusy || error.status === UNAVAILABLE) {
    delete row.dataset.sent;
    showSearchState(isBusy ? "busy" : "unavailable");
    return;
  }
  showError(error.message);
  const count = (attempts.get(row.dataset.search) ?? 0) + 1;
  attempts.set(row.dataset.search, count);
  if (count < MAX_ATTEMPTS) delete row.dataset.sent;
  else {
    row.dataset.givenUp = "1";
    showSearchState("stopped");
  }
}

// `name`: which of the texts of the element to show, "" for none.
function showSearchState(name) {
  const state = $("#search-state");
  if (!state) return; // somebody else's storyboard
  state.hidden = !name;
  $("span", state).textContent = name && state.dataset[name];
  $("button", state).hidden = name !== "stopped";
}

$("#search-state button")?.addEventListener("click", () => {
  attempts.clear();
  failures = pausedUntil = 0;
  showSearchState("");
  for (const row of $$(".row[data-given-up]")) {
    delete row.dataset.givenUp;
    delete row.dataset.sent;
  }
  searchRows();
});

searchRows();

// --- changes -------------------------------------------------------------------------------------

const pending = new WeakMap(); // the values of a form, as text, while they are sent
const queues = new WeakMap(); // the last request of a row: the next one waits for it

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  const row = form.closest(".rows .row");
  if (!row) return;
  event.preventDefault();
  const action = submitter?.getAttribute("formaction") ?? form.action;
  const body = new FormData(form, submitter);
  const given = valuesOf(form);
  const values = textOf(given);
  pending.set(form, values);
  const request = (queues.get(row) ?? Promise.resolve())
    .then(() => {
      // Each of several quick keys is about the scene to which the one before has led. But only a
      // scene that was seen is rejected.
      if (submitter?.dataset.key !== "x") body.set("shown", $("[name=shown]", row)?.value ?? "");
      return send(action, row, body, given);
    })
    .then(searchRows)
    .catch((error) => showError(error.message))
    .finally(() => {
      if (pending.get(form) === values) pending.delete(form);
      document.documentElement.classList.remove("busy");
    });
  queues.set(row, request);
});

// A field that is submitted by Enter also fires this event, when it loses the focus.
document.addEventListener("change", (event) => {
  const form = event.target.closest(".row-edit");
  if (!form) return;
  const saved = pending.get(form) ?? textOf(savedValuesOf(form));
  if (textOf(valuesOf(form)) !== saved) form.requestSubmit();
});

// --- keys: what can be done with the row that has the focus --------------------------------------

document.addEventListener("keydown", (event) => {
  const row = event.target.closest(".row");
  if (!row || hasModifier(event) || isComposing(event)) return;
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
