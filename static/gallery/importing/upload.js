// The upload of a film in the admin: htmx sends the form, this shows the progress. Several films are
// sent by upload-several.js. Without scripts, the plain form works for both.

import { $, failureMessage, htmx, REQUEST_FAILURES } from "../dom.js";

const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
let startedAt = 0; // of the upload in progress, in milliseconds; 0: none
let hasArrived = false; // the server has the whole file

// The form is replaced when the server finds errors in it.
const panel = () => $(".film-upload");
export const say = (name, values = {}) =>
  panel().dataset[name].replace(/\{(\w+)\}/g, (_all, key) => values[key]);
const megabytes = (bytes) => `${number.format(bytes / 1e6)} MB`;

function duration(seconds) {
  if (seconds < 90) return say("seconds", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < 5400) return say("minutes", { n: Math.round(seconds / 60) });
  return say("hours", { n: number.format(seconds / 3600) });
}

// How much of an upload has been sent, and how long the rest takes.
export function describeProgress(loaded, total, startedAt) {
  const percent = `${Math.floor((loaded / total) * 100)} %`;
  const words = [say("sent", { sent: megabytes(loaded), all: megabytes(total), percent })];
  const seconds = (performance.now() - startedAt) / 1000;
  if (seconds > 2)
    words.push(say("left", { time: duration((seconds / loaded) * (total - loaded)) }));
  return words.join(" · ");
}

// The title and the year that the name of a file suggests.
export async function guessTitle(name) {
  const response = await fetch(`${panel().dataset.guess}?${new URLSearchParams({ name })}`);
  return response.ok ? response.json() : {};
}

function show(text, part = null) {
  const isRunning = part !== null;
  const bar = $(".film-bar", panel());
  const said = $(".film-upload-said", panel());
  panel().hidden = !text && !isRunning;
  bar.hidden = $(".film-upload-stop", panel()).hidden = !isRunning;
  bar.firstElementChild.style.width = `${part * 100}%`;
  bar.setAttribute("aria-valuenow", Math.floor(part * 100));
  said.textContent = text;
  said.classList.toggle("film-error", !isRunning);
}

function end(text) {
  startedAt = 0;
  show(text);
}

const on = (names, listener) => {
  for (const name of names) {
    document.addEventListener(name, (event) => {
      if (event.target.id === "film_form") listener(event);
    });
  }
};

on(["htmx:beforeSend"], () => {
  startedAt = performance.now();
  hasArrived = false;
  show("", 0);
});
on(["htmx:xhr:progress"], ({ detail: { loaded, total } }) => {
  if (!startedAt || hasArrived) return; // the answer makes progress, too
  hasArrived = loaded === total;
  show(hasArrived ? say("filing") : describeProgress(loaded, total, startedAt), loaded / total);
});
on(["htmx:beforeOnLoad"], () => {
  startedAt = 0; // leaving the page is fine now
});
on(["htmx:beforeSwap"], (event) => {
  // Another page, such as the login, is no answer.
  if (event.detail.isError || event.detail.serverResponse.includes('id="film_form"')) return;
  event.detail.shouldSwap = false;
  end(say("refused", { status: event.detail.xhr.status }));
});
on(["htmx:sendAbort"], () => end(say("stopped")));
on(REQUEST_FAILURES, (event) => {
  const { xhr } = event.detail;
  end(xhr.status ? (failureMessage(event) ?? say("refused", xhr)) : say("broken"));
});

// Title and year are filled in from the file's name, unless they have been edited.
document.addEventListener("change", async ({ target }) => {
  if (target.id !== "id_file" || target.files.length > 1) return;
  const name = target.files[0]?.name ?? "";
  const guess = await guessTitle(name);
  if (name !== (target.files[0]?.name ?? "")) return;
  for (const [field, value] of Object.entries(guess)) {
    const input = target.form.elements[field];
    // Not while the user is about to type there.
    if (input === document.activeElement || input.value !== (input.dataset.guess ?? "")) continue;
    input.value = input.dataset.guess = value ?? "";
  }
});

document.addEventListener("click", ({ target }) => {
  if (target.matches(".film-upload-stop")) htmx.trigger(target.form, "htmx:abort");
});
addEventListener("beforeunload", (event) => {
  if (startedAt) event.preventDefault();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) end("");
});
