// Saving: how far the clip is, and how long it still takes.

import { $, hasModifier } from "../dom.js";

let saving = null;

const place = () => $("#of-span .saving");

function tell(words, part) {
  const shown = place();
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

// Lines of JSON, one after the other.
async function* lines(answer) {
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
  for await (const line of lines(answer)) {
    if (line.error) throw new Error(line.error);
    if (line.done) return;
    const left = line.left && words.left.replace("{n}", Math.max(1, Math.round(line.left)));
    tell(left || words.begun, line.part || 0);
  }
  throw new Error(words.failed);
}

async function save(link) {
  saving?.abort();
  const mine = new AbortController();
  saving = mine;
  const words = { ...place().querySelector(".saving-said").dataset };
  tell(words.begun, 0);
  try {
    await follow(link.href, mine.signal, words);
    tell(words.done);
    const carrier = document.createElement("a");
    Object.assign(carrier, { href: link.href, download: "" });
    carrier.click();
  } catch (error) {
    if (!mine.signal.aborted) tell(error.message || words.failed);
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
    place().hidden = true;
  }
});
