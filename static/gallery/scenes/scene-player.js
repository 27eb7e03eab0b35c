// The scene plays: a clip that FFmpeg still makes, shown from its first fragment on.

const TYPE = {
  pictures: 'video/mp4; codecs="avc1.64001f"',
  sound: 'video/mp4; codecs="avc1.64001f,mp4a.40.2"',
};
const AGAIN = 3000; // milliseconds before a busy server is asked again
const TRIES = 5;
const TELLS_FRAMES = "requestVideoFrameCallback" in HTMLVideoElement.prototype;

// Plays frames `first` up to `last` of the span, over and over; it loads what it needs.
export class Player extends EventTarget {
  constructor(video, clock, { address, sound }) {
    super();
    Object.assign(this, { video, clock, address, type: sound ? TYPE.sound : TYPE.pictures });
    this.loaded = null; // the frames that the clip in the video has
    this.shown = null; // how many frames after the clip's first is shown, where that is known
    this.span = null; // those that are to be played
    this.loading = null;
    video.addEventListener("ended", () => this.restart());
    video.addEventListener("timeupdate", () => this.keepInside());
    video.addEventListener("error", () => this.fail());
    this.watch();
  }

  // --- what it shows ---------------------------------------------------------------------------

  get frame() {
    if (!this.loaded) return this.span?.first ?? 0;
    const passed = this.shown ?? Math.floor(this.video.currentTime * this.clock.rate + 0.25);
    return Math.min(this.loaded.first + passed, this.loaded.last - 1);
  }

  has(frame) {
    return Boolean(this.loaded && frame >= this.loaded.first && frame < this.loaded.last);
  }

  // Shows a frame of the clip that is loaded; false when it is not in it, or not there yet.
  show(frame) {
    if (!this.has(frame)) return false;
    const time = (frame - this.loaded.first + 0.5) / this.clock.rate;
    const { seekable } = this.video;
    if (!seekable.length || time > seekable.end(seekable.length - 1)) return false;
    if (TELLS_FRAMES) this.shown = frame - this.loaded.first;
    this.video.currentTime = time;
    return true;
  }

  // Plays a span from its beginning, or from a frame of it.
  play(span, from = span.first) {
    this.span = span;
    const inside = this.loaded && span.first >= this.loaded.first && span.last <= this.loaded.last;
    if (!inside) this.load(span);
    else this.show(from);
    return this.resume();
  }

  pause() {
    this.wanted = false;
    this.video.pause();
  }

  async resume() {
    this.wanted = true;
    try {
      await this.video.play();
    } catch {
      // The browser wants a click first, or another clip came in between.
    }
  }

  restart() {
    if (!this.span) return;
    this.show(this.span.first);
    this.resume();
  }

  keepInside() {
    if (!this.span || !this.loaded || this.video.paused || this.video.seeking) return;
    if (this.frame >= this.span.last || this.frame < this.span.first - 1) this.restart();
  }

  // Exact where the browser says which frame it shows: after the last of the span comes the first.
  watch() {
    if (!TELLS_FRAMES) return;
    const look = (_now, { mediaTime }) => {
      this.shown = Math.round(mediaTime * this.clock.rate);
      this.dispatchEvent(new Event("frame"));
      clearTimeout(this.turn);
      if (this.span && this.loaded && this.frame === this.span.last - 1 && !this.video.paused) {
        this.turn = setTimeout(() => this.video.paused || this.restart(), 900 / this.clock.rate);
      } else this.keepInside();
      this.video.requestVideoFrameCallback(look);
    };
    this.video.requestVideoFrameCallback(look);
  }

  // --- how it comes ----------------------------------------------------------------------------

  load(span, tries = TRIES) {
    this.stop();
    const loading = new AbortController();
    this.loading = loading;
    this.loaded = { ...span };
    this.shown = null;
    const address = this.address(span);
    this.dispatchEvent(new Event("loading"));
    if (!window.MediaSource?.isTypeSupported(this.type)) {
      this.open(address);
      return;
    }
    this.stream(address, span, loading.signal).catch((error) => {
      if (loading.signal.aborted) return;
      if (error.busy && tries > 1) {
        this.dispatchEvent(new Event("busy"));
        setTimeout(() => loading === this.loading && this.load(span, tries - 1), AGAIN);
      } else this.fail();
    });
  }

  async stream(address, span, signal) {
    const streamed = `${address}${address.includes("?") ? "&" : "?"}stream`;
    const answer = await fetch(streamed, { signal });
    if (answer.status === 503) throw Object.assign(new Error("busy"), { busy: true });
    if (answer.status === 204) {
      this.open(address); // it is there already
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    const source = new MediaSource();
    const shown = URL.createObjectURL(source);
    this.open(shown);
    await new Promise((opened) => source.addEventListener("sourceopen", opened, { once: true }));
    URL.revokeObjectURL(shown);
    const length = (span.last - span.first) / this.clock.rate;
    const buffer = source.addSourceBuffer(this.type);
    source.duration = length;
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (signal.aborted) return;
      if (done) break;
      await this.append(buffer, value);
    }
    if (!buffer.buffered.length) throw new Error("nothing came");
    source.endOfStream();
  }

  // Another file begins paused, whatever the one before it did.
  open(address) {
    this.video.src = address;
    if (this.wanted) this.resume();
  }

  append(buffer, data) {
    return new Promise((done, failed) => {
      buffer.addEventListener("updateend", done, { once: true });
      buffer.addEventListener("error", failed, { once: true });
      buffer.appendBuffer(data);
    });
  }

  stop() {
    this.loading?.abort();
    this.loading = null;
  }

  fail() {
    if (!this.loaded) return;
    this.stop();
    this.loaded = null;
    this.dispatchEvent(new Event("failed"));
  }
}
