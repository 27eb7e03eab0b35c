// The timeline of a film: pointing at it shows a preview and the dialogue, a click opens the frame.
// Without scripts, peaks, shots and pictures are links.

import { $, $$, htmx } from "../dom.js";
import { formatSeconds } from "./clock.js";

const LINE_DELAY = 150; // milliseconds from the last pointer event to scrolling the lines

// --- lines of dialogue ---------------------------------------------------------------------------

const getTranscript = () => $("#transcript");
let lineTimer = 0;

function markLine(time) {
  let shown = null;
  for (const line of $$("#lines .said-line")) {
    const is = Number(line.dataset.start) <= time && time < Number(line.dataset.end);
    line.classList.toggle("is-now", is);
    if (is) shown ??= line;
  }
  return shown;
}

function isLoaded(time) {
  const lines = $$("#lines .said-line");
  if (!lines.length) return false;
  const first = Number(lines[0].dataset.start);
  const last = Number(lines.at(-1).dataset.end);
  const isWhole = (edge) => !$(`#lines [rel=${edge}]`);
  return (time >= first || isWhole("prev")) && (time <= last || isWhole("next"));
}

// Scroll to the line spoken at a time, or the last one before it.
async function showLine(time) {
  const column = getTranscript();
  if (!column || column.clientHeight >= column.scrollHeight) {
    if (column) markLine(time);
    return;
  }
  if (!isLoaded(time)) {
    const address = `${column.dataset.lines}&at=${Math.max(0, Math.floor(time))}`;
    await htmx
      .ajax("get", address, {
        source: column,
        target: "#lines",
        select: "#lines",
        swap: "outerHTML",
      })
      .catch(() => {});
  }
  const said = markLine(time);
  const near =
    said ?? $$("#lines .said-line").findLast((line) => Number(line.dataset.start) <= time);
  if (near)
    column.scrollTop += near.getBoundingClientRect().top - column.getBoundingClientRect().top - 96;
}

function scheduleLine(time) {
  clearTimeout(lineTimer);
  markLine(time);
  lineTimer = setTimeout(() => showLine(time), LINE_DELAY);
}

// --- the pointer ---------------------------------------------------------------------------------

class Scrubber {
  constructor(section) {
    const given = section.dataset;
    this.duration = Number(given.duration);
    this.frame = given.frame;
    this.thumb = given.thumb;
    this.points = given.points
      ? given.points.split(" ").map((one) => one.split(":").map(Number))
      : [];
    this.time = 0;
    this.container = $(".scrubbed", section);
    this.container.insertAdjacentHTML(
      "beforeend",
      `<div class="scrub" role="slider" tabindex="0"></div>
       <div class="pointer" aria-hidden="true" hidden>
         <div class="preview"><span class="still"><img alt="" width="640" height="360"><span
           class="timecode"></span></span><span class="preview-said"></span></div></div>`,
    );
    this.scrub = $(".scrub", section);
    this.pointer = $(".pointer", section);
    this.picture = $(".preview img", section);
    this.scrub.setAttribute("aria-label", given.scrub);
    this.scrub.setAttribute("aria-valuemin", "0");
    this.scrub.setAttribute("aria-valuemax", String(Math.floor(this.duration)));
    this.picture.addEventListener("error", () => (this.picture.style.visibility = "hidden"));
    this.picture.addEventListener("load", () => (this.picture.style.visibility = ""));
    this.updateSlider();
    this.listen();
  }

  listen() {
    const leave = () => (this.pointer.hidden = true);
    this.scrub.addEventListener("pointermove", (event) => this.handlePointer(event));
    this.scrub.addEventListener("pointerdown", (event) => this.handlePointer(event));
    this.scrub.addEventListener("pointerleave", leave);
    this.scrub.addEventListener("blur", leave);
    this.scrub.addEventListener("focus", () => this.scrub.matches(":focus-visible") && this.show());
    this.scrub.addEventListener("click", () => this.openFrame());
    this.scrub.addEventListener("keydown", (event) => this.handleKey(event));
    for (const peak of $$(".peaks a", this.container)) {
      const to = () => this.moveTo(Number(peak.dataset.second));
      peak.addEventListener("pointerenter", to);
      peak.addEventListener("focus", to);
      peak.addEventListener("pointerleave", leave);
      peak.addEventListener("blur", leave);
    }
  }

  handlePointer(event) {
    const box = this.scrub.getBoundingClientRect();
    this.moveTo(((event.clientX - box.left) / box.width) * this.duration);
  }

  moveTo(time) {
    this.time = Math.min(Math.max(0, time), Math.max(0, this.duration - 0.001));
    this.show();
  }

  // The second to open: the most relevant one of the pointed-at part of the curve.
  get second() {
    const whole = Math.floor(this.time);
    if (!this.points.length) return whole;
    const near = this.findNearest(whole);
    const apart = this.duration / this.points.length;
    return Math.abs(near[0] - whole) <= apart ? near[0] : whole;
  }

  findNearest(second) {
    return this.points.reduce((best, one) =>
      Math.abs(one[0] - second) < Math.abs(best[0] - second) ? one : best,
    );
  }

  updateSlider() {
    const part = this.points.length ? `, ${this.findNearest(Math.floor(this.time))[1]} %` : "";
    this.scrub.setAttribute("aria-valuenow", String(Math.floor(this.time)));
    this.scrub.setAttribute("aria-valuetext", formatSeconds(this.time) + part);
    return part;
  }

  show() {
    const { second } = this;
    const part = this.updateSlider();
    const left = (this.time / this.duration) * 100;
    this.pointer.style.setProperty("--at", `${left}%`);
    this.pointer.hidden = false;
    const room = this.scrub.getBoundingClientRect().top - $(".preview", this.pointer).offsetHeight;
    this.pointer.classList.toggle("below", room < 8);
    const wanted = this.thumb.replace(/0\.jpg$/, `${second}-480.jpg`);
    if (this.picture.getAttribute("src") !== wanted) this.picture.src = wanted;
    $(".timecode", this.pointer).textContent = formatSeconds(second);
    $(".preview-said", this.pointer).textContent = part.replace(/^, /, "");
    scheduleLine(this.time);
  }

  handleKey(event) {
    const step = event.shiftKey ? 10 : 1;
    const page = this.duration / 20;
    const moves = {
      ArrowRight: step,
      ArrowUp: step,
      ArrowLeft: -step,
      ArrowDown: -step,
      PageUp: page,
      PageDown: -page,
      Home: -this.duration,
      End: this.duration,
    };
    if (event.key === "Enter") this.openFrame();
    else if (event.key in moves) this.moveTo(this.time + moves[event.key]);
    else return;
    event.preventDefault();
  }

  openFrame() {
    location.assign(this.frame.replace("/frames/0/", `/frames/${this.second}/`));
  }
}

function init() {
  const section = $(".glance");
  if (section && !$(".scrub", section)) new Scrubber(section);
}

init();
document.addEventListener("htmx:afterSwap", init);
