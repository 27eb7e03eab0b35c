// Choosing a label's threshold by looking: a slider under the histogram, and examples that follow.
// Without it, the form's own buttons do the same.

import { $, htmx, REQUEST_FAILURES } from "../dom.js";

const PROMPTS = 500; // milliseconds without a key, before the library is looked through
const THRESHOLD = 120;

const look = $("#label-look");
const number = $("#id_threshold");
const prompts = $("#id_prompts");
const shown = () => $("#label-shown");
const slider = document.createElement("input");
let chosen = number.value !== "";
let timer = 0;

Object.assign(slider, { type: "range", step: 0.001, className: "label-slider" });
slider.setAttribute("aria-label", look.dataset.slider);
look.classList.add("script");

function ask(after) {
  clearTimeout(timer);
  timer = setTimeout(() => htmx.trigger(look, "look"), after);
}

// The slider stays where it is while what is around it is replaced: it may be in use.
function show() {
  const { threshold, low, high } = shown().dataset;
  slider.hidden = threshold === undefined;
  if (threshold === undefined) return;
  if (!chosen) number.value = threshold;
  // A little farther than the scores go: both ends can be passed.
  slider.min = Math.floor(100 * Math.min(low, threshold) - 1) / 100;
  slider.max = Math.ceil(100 * Math.max(high, threshold) + 1) / 100;
  slider.value = threshold;
}

function choose(threshold) {
  chosen = threshold !== "";
  number.value = threshold;
  if (chosen) slider.value = threshold;
  ask(THRESHOLD);
}

look.insertBefore(slider, shown());
show();

slider.addEventListener("input", () => choose(slider.value));
number.addEventListener("input", () => choose(number.value));
prompts.addEventListener("input", () => ask(PROMPTS));
look.addEventListener("click", (event) => {
  const button = event.target.closest("button[name=_take]");
  if (!button) return;
  event.preventDefault();
  choose(button.value);
});
look.addEventListener("htmx:configRequest", (event) => {
  if (!chosen) event.detail.parameters.set("threshold", "");
});
look.addEventListener("htmx:afterSwap", show);
for (const failure of REQUEST_FAILURES) {
  look.addEventListener(failure, () => {
    shown().textContent = look.dataset.failed;
  });
}
