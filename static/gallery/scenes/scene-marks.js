// The fields with the start and end of the scene, and what is wrong with them.

import { $ } from "../dom.js";

// Event "typed": an end was typed; `typed` are the frames of both.
export class Marks extends EventTarget {
  constructor(form, clock, filmFrames) {
    super();
    Object.assign(this, { clock, filmFrames });
    this.fields = { first: $("#mark-in", form), last: $("#mark-out", form) };
    this.length = $("#mark-length", form);
    this.reset = $("#mark-own", form);
    this.error = $("#mark-error", form);
    for (const [end, field] of Object.entries(this.fields)) {
      field.addEventListener("change", () => this.handleTyped(end));
    }
    form.addEventListener("submit", (event) => event.preventDefault()); // after the change event
  }

  get hasError() {
    return this.error.textContent !== "";
  }

  showError(text) {
    this.error.textContent = text;
  }

  // Show a span; `own` is the one without a trim.
  show(span, own) {
    for (const end of ["first", "last"]) {
      this.fields[end].value = this.clock.timecode(span[end]);
      this.fields[end].removeAttribute("aria-invalid");
    }
    const seconds = ((span.last - span.first) / this.clock.rate).toFixed(2);
    this.length.textContent = this.length.dataset.said.replace("{n}", seconds);
    this.reset.hidden = span.first === own.first && span.last === own.last;
    this.showError("");
  }

  // What cannot be a time stays in its field, to be corrected.
  handleTyped(end) {
    const typed = { first: this.parse("first"), last: this.parse("last") };
    for (const name of ["first", "last"]) {
      if (typed[name] !== null) this.fields[name].removeAttribute("aria-invalid");
      else this.fields[name].setAttribute("aria-invalid", "true");
    }
    if (typed.first === null || typed.last === null) this.showError(this.error.dataset.badTime);
    else this.dispatchEvent(new CustomEvent("typed", { detail: { end, typed } }));
  }

  // The frame in a field; null if the film has none there. The end may be after the last one.
  parse(end) {
    const frame = this.clock.parse(this.fields[end].value);
    const most = end === "first" ? this.filmFrames - 1 : this.filmFrames;
    return frame === null || frame > most ? null : frame;
  }
}
