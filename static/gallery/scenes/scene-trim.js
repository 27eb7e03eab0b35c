// The handles on the strip of the film, which set the start and end of the scene.

import { $ } from "../dom.js";

const SNAP_DISTANCE = 8; // pixels within which a handle snaps to a cut

// Events: "span" (an end was moved by pointer or key), "released" (a drag ended), "seek" (a frame).
export class Trim extends EventTarget {
  constructor(root, clock, { span, own, most }) {
    super();
    Object.assign(this, { root, clock, span, own, most });
    this.first = Number(root.dataset.first);
    this.last = Number(root.dataset.last);
    this.snaps = root.dataset.snaps.split(" ").filter(Boolean).map(Number);
    this.handles = { first: $(".handle.begin", root), last: $(".handle.end", root) };
    for (const end of ["first", "last"]) {
      this.listenToDrag(
        this.handles[end],
        (event) => this.move(end, this.snapFrame(event), "pointer"),
        () => this.emit("released", { end }),
      );
      this.handles[end].addEventListener("keydown", (event) => this.handleKey(event, end));
    }
    const track = $(".track", root);
    this.listenToDrag(
      track,
      (event) => this.emit("seek", { frame: this.frameUnder(event) }),
      () => {},
    );
    this.draw();
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // --- the pointer -----------------------------------------------------------------------------

  listenToDrag(part, moved, done) {
    part.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      part.setPointerCapture(event.pointerId);
      if (part.tabIndex >= 0) part.focus({ preventScroll: true });
      if (part.matches(".track")) moved(event);
      const end = () => {
        part.removeEventListener("pointermove", moved);
        part.removeEventListener("pointerup", end);
        part.removeEventListener("pointercancel", end);
        done();
      };
      part.addEventListener("pointermove", moved);
      part.addEventListener("pointerup", end);
      part.addEventListener("pointercancel", end);
    });
  }

  // The frame under the pointer.
  frameUnder(event) {
    const box = this.root.getBoundingClientRect();
    const part = (event.clientX - box.left) / box.width;
    const frame = Math.round(this.first + part * (this.last - this.first));
    return Math.min(Math.max(frame, this.first), this.last);
  }

  // The frame under the pointer, or a cut near it; Alt disables snapping.
  snapFrame(event) {
    const frame = this.frameUnder(event);
    if (event.altKey) return frame;
    const reach = (SNAP_DISTANCE / this.root.clientWidth) * (this.last - this.first);
    const cuts = this.snaps.filter((cut) => Math.abs(cut - frame) <= reach);
    cuts.sort((a, b) => Math.abs(a - frame) - Math.abs(b - frame));
    return cuts[0] ?? frame;
  }

  // --- the keyboard ----------------------------------------------------------------------------

  handleKey(event, end) {
    const at = this.span[end];
    const edges = [this.first, ...this.snaps, this.last];
    const second = event.shiftKey ? this.clock.nominal : 1;
    const before = edges.filter((edge) => edge < at).at(-1) ?? at;
    const after = edges.find((edge) => edge > at) ?? at;
    const to = {
      ArrowLeft: at - second,
      ArrowDown: at - second,
      ArrowRight: at + second,
      ArrowUp: at + second,
      PageUp: after,
      PageDown: before,
      Home: this.own.first,
      End: this.own.last,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.move(end, to, "key");
  }

  // --- the span --------------------------------------------------------------------------------

  // Move an end to a frame, within the limits of the other end and the longest scene.
  move(end, frame, by) {
    const { first, last } = this.span;
    const inside = Math.min(Math.max(frame, this.first), this.last);
    const to =
      end === "first"
        ? Math.max(Math.min(inside, last - 1), last - this.most)
        : Math.min(Math.max(inside, first + 1), first + this.most);
    if (to === this.span[end]) return;
    this.set({ ...this.span, [end]: to });
    this.emit("span", { end, by, cut: to !== inside && Math.abs(last - first) > 1 });
  }

  set(span) {
    this.span = span;
    this.draw();
  }

  positionOf(frame) {
    return (frame - this.first) / (this.last - this.first);
  }

  draw() {
    const { first, last } = this.span;
    this.root.style.setProperty("--in", this.positionOf(first));
    this.root.style.setProperty("--out", this.positionOf(last));
    const limits = { first: [this.first, last - 1], last: [first + 1, this.last] };
    for (const end of ["first", "last"]) {
      const handle = this.handles[end];
      handle.setAttribute("aria-valuemin", limits[end][0]);
      handle.setAttribute("aria-valuemax", limits[end][1]);
      handle.setAttribute("aria-valuenow", this.span[end]);
      handle.setAttribute("aria-valuetext", this.clock.timecode(this.span[end]));
    }
  }
}
