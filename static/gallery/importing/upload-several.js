// Several films in one upload: each is a request of its own, with its own title, year and progress,
// one after the other. Files can be dropped anywhere on the page.

import { $, $$ } from "../dom.js";
import { describeProgress, guessTitle, say } from "./upload.js";

const SUBTITLES = /\.(srt|vtt|ass|ssa|ttml|dfxp|xml|smi|sami|lrc|sub|mpl|txt)$/i;

let rows = []; // of the files that are listed: { file, item, request, isDone }
let isSending = false;

const form = () => $("#film_form");
const films = () => $("#id_file");
const subtitles = () => $("#id_subtitles");

// --- the list of files ---------------------------------------------------------------------------

function list() {
  const several = films().files.length > 1;
  rows = several ? [...films().files].map(addRow) : [];
  const queue = $(".film-queue");
  queue.hidden = !several;
  queue.replaceChildren(...rows.map(({ item }) => item));
  films().closest(".form-row").append(queue);
  for (const name of ["title", "year"]) $(`.field-${name}`, form()).hidden = several;
}

function addRow(file) {
  const item = $("#film-queue-row").content.firstElementChild.cloneNode(true);
  const row = { file, item, request: null, isDone: false };
  $(".film-queue-name", item).textContent = file.name;
  $("button", item).addEventListener("click", () => remove(row));
  guessTitle(file.name).then(({ title, year }) => {
    for (const [field, value] of Object.entries({ title, year })) {
      const input = $(`[data-field=${field}]`, item);
      if (input !== document.activeElement) input.value ||= value ?? "";
    }
  });
  return row;
}

function remove(row) {
  if (row.request) {
    row.request.abort();
    return;
  }
  const focused = row.item.nextElementSibling ?? row.item.previousElementSibling;
  choose(
    films(),
    [...films().files].filter((file) => file !== row.file),
  );
  ($("button", focused ?? row.item) ?? films()).focus();
}

// Puts files into a field, as if they had been chosen there.
function choose(field, files) {
  const data = new DataTransfer();
  for (const file of files) data.items.add(file);
  field.files = data.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

// --- sending -------------------------------------------------------------------------------------

function show({ item }, text, part = null, isBad = false) {
  const bar = $(".film-bar", item);
  const said = $(".film-upload-said", item);
  bar.hidden = part === null;
  bar.firstElementChild.style.width = `${part * 100}%`;
  bar.setAttribute("aria-valuenow", Math.floor(part * 100));
  said.textContent = text;
  said.classList.toggle("film-error", isBad);
}

function describe({ file, item }) {
  const data = new FormData();
  data.set("csrfmiddlewaretoken", form().elements.csrfmiddlewaretoken.value);
  data.set("title", $("[data-field=title]", item).value);
  data.set("year", $("[data-field=year]", item).value);
  data.set("file", file);
  for (const one of subtitles().files)
    if (findPrefix(one) === prefixOf(file)) data.append("subtitles", one);
  return data;
}

// What the names of a film's subtitles begin with.
const prefixOf = ({ name }) => `${name.replace(/\.[^.]*$/, "")}.`.toLowerCase();

// The prefix of the film that subtitles belong to: of Foo.mp4 and Foo.2.mp4, Foo.2.en.srt belongs
// to the second.
function findPrefix({ name }) {
  const found = rows
    .map(({ file }) => prefixOf(file))
    .filter((prefix) => name.toLowerCase().startsWith(prefix));
  return found.sort((a, b) => b.length - a.length)[0];
}

// Sends one film; resolves when it was saved or refused.
function send(row) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const startedAt = performance.now();
    row.request = request;
    const end = (text, isBad = true) => {
      row.request = null;
      row.isDone = !isBad;
      for (const input of $$("input", row.item)) input.disabled = row.isDone;
      $("button", row.item).hidden = row.isDone;
      show(row, text, null, isBad);
      resolve();
    };
    request.upload.addEventListener("progress", ({ loaded, total }) =>
      show(
        row,
        loaded === total ? say("filing") : describeProgress(loaded, total, startedAt),
        loaded / total,
      ),
    );
    request.addEventListener("load", () => {
      if (request.getResponseHeader("HX-Redirect")) end(say("uploaded"), false);
      else end(findError(request));
    });
    request.addEventListener("error", () => end(say("broken")));
    request.addEventListener("abort", () => end(say("stopped")));
    request.open("POST", form().action || location.href);
    request.setRequestHeader("HX-Request", "true");
    show(row, "", 0);
    request.send(describe(row));
  });
}

// Why the server refused a film: the errors of the form, or the message of an error page.
function findError({ status, responseText }) {
  const page = new DOMParser().parseFromString(responseText, "text/html");
  const errors = $$(".errorlist li, #error-message", page).map((one) => one.textContent.trim());
  return errors.join(" ") || say("refused", { status });
}

async function sendAll(next) {
  isSending = true;
  const buttons = $$(".submit-row input");
  for (const button of buttons) button.disabled = true;
  films().disabled = true;
  for (const row of rows) if (!row.isDone && rows.includes(row)) await send(row);
  isSending = films().disabled = false;
  for (const button of buttons) button.disabled = false;
  if (rows.every((row) => row.isDone)) location.assign(next);
  else $(".film-queue .film-error")?.scrollIntoView({ block: "center" });
}

// Before htmx, which would send the whole form at once.
document.addEventListener(
  "submit",
  (event) => {
    if (event.target !== form() || rows.length < 2) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const again = event.submitter?.name === "_addanother";
    if (!isSending) sendAll(again ? location.href : $(".film-queue").dataset.list);
  },
  true,
);
addEventListener("beforeunload", (event) => {
  if (isSending) event.preventDefault();
});

// --- choosing and dropping -----------------------------------------------------------------------

document.addEventListener("change", ({ target }) => {
  if (target === films()) list();
});

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
const mark = (isOver) => $(".field-file")?.classList.toggle("is-over", isOver);

document.addEventListener("dragover", (event) => {
  if (!hasFiles(event) || isSending) return;
  event.preventDefault();
  mark(true);
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) mark(false);
});
document.addEventListener("drop", (event) => {
  if (!hasFiles(event) || isSending) return;
  event.preventDefault();
  mark(false);
  const dropped = [...event.dataTransfer.files];
  for (const [field, isWanted] of [
    [films(), (file) => !SUBTITLES.test(file.name)],
    [subtitles(), (file) => SUBTITLES.test(file.name)],
  ]) {
    const files = dropped.filter(isWanted);
    if (files.length) choose(field, [...field.files, ...files]);
  }
});
