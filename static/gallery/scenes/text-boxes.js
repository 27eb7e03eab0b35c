// Boxes over the picture, around its text: while a line is shown, and while its entry in the list is
// pointed at or focused. Without scripts, the page has those of its frame.

import { $$ } from "../dom.js";
import { boxAt, parsePath } from "./box-path.js";

export class TextBoxes {
  // `box` covers the picture; `list` is the part of the page with the lines, `[data-path]`.
  constructor(box, getList) {
    Object.assign(this, { box, getList, chosen: null, time: Number(box.dataset.time) });
    for (const name of ["pointerover", "focusin", "pointerout", "focusout"]) {
      document.addEventListener(name, (event) => this.choose(event));
    }
    // An entry may have the focus before the scripts are there.
    this.choose({ type: "focusin", target: document.activeElement });
  }

  choose({ type, target }) {
    const line = target.closest?.("[data-path]") ?? null;
    const isEntered = type === "pointerover" || type === "focusin";
    const chosen = isEntered ? line : this.chosen === line ? null : this.chosen;
    if (chosen === this.chosen) return;
    this.chosen = chosen;
    this.draw();
  }

  show(time) {
    this.time = time;
    this.draw();
  }

  draw() {
    const shown = $$("[data-path]", this.getList()).filter(
      (line) =>
        line === this.chosen ||
        (Number(line.dataset.start) <= this.time && this.time < Number(line.dataset.end)),
    );
    this.box.replaceChildren(...shown.map((line) => this.createBox(line)));
  }

  createBox(line) {
    const [left, top, right, bottom] = boxAt(parsePath(line.dataset.path), this.time);
    const box = document.createElement("span");
    box.className = "text-box";
    box.classList.toggle("is-found", line.classList.contains("is-found"));
    box.classList.toggle("is-chosen", line === this.chosen);
    Object.assign(box.style, {
      left: `${100 * left}%`,
      top: `${100 * top}%`,
      width: `${100 * (right - left)}%`,
      height: `${100 * (bottom - top)}%`,
    });
    return box;
  }
}
