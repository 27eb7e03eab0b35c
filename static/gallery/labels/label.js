// A label's threshold: a slider under the histogram, which updates the examples.
// Without scripts, buttons of the form do the same.

import { $, htmx, REQUEST_FAILURES } from "../dom.js";

const PROMPT_DELAY = 500; // milliseconds from the last key press to a new preview
const THRESHOLD_DELAY = 120;

const preview = $("#label-look");
const number = $("#id_threshold");
const prompts = $("#id_prompts");
const getExamples = () => $("#label-shown");
const slider = document.createElement("input");
let chosen = number.value !== "";
let timer = 0;

Object.assign(slider, { type: "range", step: 0.001, className: "label-slider" });
slider.setAttribute("aria-label", preview.dataset.slider);
preview.classList.add("script");

function requestPreview(after) {
  clearTimeout(timer);
  timer = setTimeout(() => htmx.trigger(preview, "look"), after);
}

// The slider is not replaced with the preview, because it may be in use.
function updateSlider() {
  const { threshold, low, high } = getExamples().dataset;
  slider.hidden = threshold === undefined;
  if (threshold === undefined) return;
  if (!chosen) number.value = threshold;
  // Slightly beyond the scores, so that the threshold can exclude or include all.
  slider.min = Math.floor(100 * Math.min(low, threshold) - 1) / 100;
  slider.max = Math.ceil(100 * Math.max(high, threshold) + 1) / 100;
  slider.value = threshold;
}

function chooseThreshold(threshold) {
  chosen = threshold !== "";
  number.value = threshold;
  if (chosen) slider.value = threshold;
  requestPreview(THRESHOLD_DELAY);
}

preview.insertBefore(slider, getExamples());
updateSlider();

slider.addEventListener("input", () => chooseThreshold(slider.value));
number.addEventListener("input", () => chooseThreshold(number.value));
prompts.addEventListener("input", () => requestPreview(PROMPT_DELAY));
preview.addEventListener("click", (event) => {
  const button = event.target.closest("button[name=_take]");
  if (!button) return;
  event.preventDefault();
  chooseThreshold(button.value);
});
preview.addEventListener("htmx:configRequest", (event) => {
  if (!chosen) event.detail.parameters.set("threshold", "");
});
preview.addEventListener("htmx:afterSwap", updateSlider);
for (const failure of REQUEST_FAILURES) {
  preview.addEventListener(failure, () => {
    getExamples().textContent = preview.dataset.failed;
  });
}
