// A still over the video, for frames outside the loaded clip.

const DELAY = 120; // milliseconds before the still of a frame is requested

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

  async show(frame) {
    const still = new Image();
    still.src = this.getUrl(frame);
    try {
      await still.decode();
    } catch {
      return; // there is no still, or the server is busy: keep the current picture
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
