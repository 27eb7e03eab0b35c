// A still over the video, for frames outside the loaded clip.

const DELAY = 120; // milliseconds before the still of a frame is requested
const RETRY_DELAY = 1000; // milliseconds before it is requested again
const MAX_TRIES = 5;

// Event "shown": the still of the frame `detail` is shown.
export class Peek extends EventTarget {
  constructor(video, getUrl) {
    super();
    this.video = video;
    this.getUrl = getUrl;
    this.picture = document.createElement("img");
    Object.assign(this.picture, { className: "peek", alt: "", hidden: true });
    video.after(this.picture);
  }

  request(frame) {
    this.frame = frame;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(frame), DELAY);
  }

  async show(frame, tries = MAX_TRIES) {
    const still = new Image();
    still.src = this.getUrl(frame);
    try {
      await still.decode();
    } catch {
      // There is no still, or the server is busy: keep the current picture.
      if (this.frame === frame && tries > 1) {
        this.timer = setTimeout(() => this.show(frame, tries - 1), RETRY_DELAY);
      }
      return;
    }
    if (this.frame !== frame || !this.video.paused) return;
    this.picture.src = still.src;
    this.picture.hidden = false;
    this.dispatchEvent(new CustomEvent("shown", { detail: frame }));
  }

  hide() {
    this.frame = null;
    clearTimeout(this.timer);
    this.picture.hidden = true;
  }
}
