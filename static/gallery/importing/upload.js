// The upload of a film in the admin, with its progress. Without this, the plain form works.

import { $, $$ } from "../dom.js";

const form = $("#film_form");
const panel = $(".film-upload", form);

const bar = $(".film-bar", panel);
const said = $(".film-upload-said", panel);
const say = (name, values = {}) =>
  panel.dataset[name].replace(/\{(\w+)\}/g, (_all, key) => values[key]);
const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
let request = null;

const megabytes = (bytes) => `${number.format(bytes / 1e6)} MB`;

function duration(seconds) {
  if (seconds < 90) return say("seconds", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < 5400) return say("minutes", { n: Math.round(seconds / 60) });
  return say("hours", { n: number.format(seconds / 3600) });
}

function show(part, text) {
  bar.firstElementChild.style.width = `${part * 100}%`;
  bar.setAttribute("aria-valuenow", Math.floor(part * 100));
  said.textContent = text;
}

function working(is) {
  panel.hidden = !is && !said.textContent;
  bar.hidden = !is;
  $(".film-upload-stop", panel).hidden = !is;
  for (const button of $$(".submit-row input", form)) button.disabled = is;
}

function end(text) {
  request = null;
  said.textContent = text;
  said.classList.toggle("film-error", Boolean(text));
  working(false);
}

// The form that the server sent back says what is wrong; the chosen file stays chosen.
function showErrors(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const answer = $("#film_form", page);
  if (!answer) {
    end($("#error-message", page)?.textContent ?? say("refused", { status: request.status }));
    return;
  }
  for (const old of $$(".errornote, .errorlist", form)) old.remove();
  for (const note of $$(".errornote", answer)) $("fieldset", form).before(note);
  for (const list of $$(".errorlist", answer)) {
    const row = list.closest(".form-row");
    const name = row && [...row.classList].find((c) => c.startsWith("field-"));
    const mine = name && $(`.form-row.${name}`, form);
    (mine ?? panel.parentElement).prepend(list);
  }
  end("");
  $(".errornote, .errorlist", form)?.scrollIntoView({ block: "center" });
}

// Title and year are filled in from the file's name, unless they have been edited.
$("#id_file", form).addEventListener("change", async ({ target }) => {
  const name = target.files[0]?.name ?? "";
  const response = await fetch(`${panel.dataset.guess}?${new URLSearchParams({ name })}`);
  if (!response.ok || name !== target.files[0]?.name) return;
  for (const [field, value] of Object.entries(await response.json())) {
    const input = form.elements[field];
    if (input.value !== (input.dataset.guess ?? "")) continue;
    input.value = input.dataset.guess = value ?? "";
  }
});

form.addEventListener("submit", (event) => {
  const file = $("input[type=file]", form)?.files[0];
  if (!file || event.defaultPrevented) return;
  event.preventDefault();
  if (request) return;
  const data = new FormData(form);
  if (event.submitter?.name) data.append(event.submitter.name, event.submitter.value);
  request = new XMLHttpRequest();
  const begun = performance.now();
  said.classList.remove("film-error");
  panel.hidden = false;
  show(0, "");
  working(true);

  request.upload.addEventListener("progress", ({ loaded, total }) => {
    const part = loaded / total;
    const seconds = (performance.now() - begun) / 1000;
    const words = [
      say("sent", {
        sent: megabytes(loaded),
        all: megabytes(total),
        percent: `${Math.floor(part * 100)} %`,
      }),
    ];
    if (seconds > 2)
      words.push(say("left", { time: duration((seconds / loaded) * (total - loaded)) }));
    show(part, words.join(" · "));
  });
  request.upload.addEventListener("load", () => show(1, say("filing")));
  request.addEventListener("load", () => {
    if (request.getResponseHeader("Content-Type")?.startsWith("application/json")) {
      show(1, say("done"));
      const { next } = JSON.parse(request.responseText);
      request = null;
      location.assign(next);
    } else {
      showErrors(request.responseText);
    }
  });
  request.addEventListener("error", () => end(say("broken")));
  request.addEventListener("abort", () => end(say("stopped")));
  request.open("POST", form.getAttribute("action") || location.href);
  // Asks for where to go on instead of being sent there: the next page keeps its messages.
  request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
  request.send(data);
});

$(".film-upload-stop", panel).addEventListener("click", () => request?.abort());

addEventListener("beforeunload", (event) => {
  if (request) event.preventDefault();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) end("");
});
