// Downloading a clip: its progress and the remaining time.

import { $, hasModifier } from "../dom.js";

let saving = null;

const getPanel = () => $("#of-span .saving");

function showProgress(words, part) {
  const shown = getPanel();
  if (!shown) return;
  shown.hidden = false;
  const line = shown.querySelector(".saving-said");
  line.textContent = words;
  const bar = shown.querySelector("progress");
  bar.hidden = part === undefined;
  shown.querySelector(".stop").hidden = part === undefined;
  if (part) bar.value = part;
  else bar.removeAttribute("value");
}

// Parse a stream of JSON lines.
async function* readLines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

async function follow(href, signal, words) {
  const answer = await fetch(`${href}?progress`, { signal });
  if (!answer.ok) throw new Error(await answer.text());
  for await (const line of readLines(answer)) {
    if (line.error) throw new Error(line.error);
    if (line.done) return;
    const left = line.left && words.left.replace("{n}", Math.max(1, Math.round(line.left)));
    showProgress(left || words.begun, line.part || 0);
  }
  throw new Error(words.failed);
}

async function save(link) {
  saving?.abort();
  const controller = new AbortController();
  saving = controller;
  const words = { ...getPanel().querySelector(".saving-said").dataset };
  showProgress(words.begun, 0);
  try {
    await follow(link.href, controller.signal, words);
    showProgress(words.done);
    const download = document.createElement("a");
    Object.assign(download, { href: link.href, download: "" });
    download.click();
  } catch (error) {
    if (!controller.signal.aborted) showProgress(error.message || words.failed);
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-saves]");
  if (link && !hasModifier(event)) {
    event.preventDefault();
    save(link);
  }
  if (event.target.closest(".saving .stop")) {
    saving?.abort();
    getPanel().hidden = true;
  }
});
