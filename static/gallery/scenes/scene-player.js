// The player of a scene: it plays a clip while FFmpeg is still rendering it.

const TYPE = {
  pictures: 'video/mp4; codecs="avc1.64001f"',
  sound: 'video/mp4; codecs="avc1.64001f,mp4a.40.2"',
};
const RETRY_DELAY = 3000; // milliseconds before retrying a busy server
const MAX_TRIES = 5;
const REPORTS_FRAMES = "requestVideoFrameCallback" in HTMLVideoElement.prototype;

// Loops frames `first` to `last` (exclusive) of the span, and loads the clip as needed.
export class Player extends EventTarget {
  constructor(video, clock, { address, sound }) {
    super();
    Object.assign(this, { video, clock, address, type: sound ? TYPE.sound : TYPE.pictures });
    this.loaded = null; // the span of the loaded clip
    // Counted from the clip's first frame, if known: the current frame, and the one in the picture.
    this.offset = null;
    this.shown = null;
    this.pausedAt = null; // the frame that was asked for while paused, counted likewise
    this.span = null; // the span to play
    this.loading = null;
    this.nextTime = null; // where to seek after the current seek
    video.addEventListener("seeked", () => this.seekNext());
    video.addEventListener("play", () => (this.pausedAt = null));
    // Not if it was paused between its last frame and this event.
    video.addEventListener("ended", () => this.shouldPlay && this.restart());
    video.addEventListener("timeupdate", () => this.stayInSpan());
    video.addEventListener("error", () => this.fail());
    this.watchFrames();
  }

  // --- frames ----------------------------------------------------------------------------------

  get frame() {
    if (!this.loaded) return this.span?.first ?? 0;
    const passed = this.offset ?? Math.floor(this.video.currentTime * this.clock.rate + 0.25);
    return Math.min(this.loaded.first + passed, this.loaded.last - 1);
  }

  // The frame in the picture; during a seek it is an earlier one than `frame`.
  get shownFrame() {
    return this.shown === null
      ? this.frame
      : Math.min(this.loaded.first + this.shown, this.loaded.last - 1);
  }

  hasFrame(frame) {
    return Boolean(this.loaded && frame >= this.loaded.first && frame < this.loaded.last);
  }

  // Show a frame of the loaded clip. Returns false if it is not in it, or not loaded yet.
  show(frame) {
    if (!this.hasFrame(frame)) return false;
    const time = (frame - this.loaded.first + 0.5) / this.clock.rate;
    const { seekable } = this.video;
    if (!seekable.length || time > seekable.end(seekable.length - 1)) return false;
    if (REPORTS_FRAMES) this.offset = frame - this.loaded.first;
    if (this.video.paused) this.pausedAt = frame - this.loaded.first;
    this.seek(time);
    return true;
  }

  // A seek that is cut short by the next one shows no picture: while a key is held, none would come.
  seek(time) {
    this.nextTime = null;
    if (this.video.seeking) this.nextTime = time;
    else this.video.currentTime = time;
  }

  // The event arrives after the seek has ended: another one may have begun since.
  seekNext() {
    if (this.video.seeking) return;
    const time = this.nextTime;
    this.nextTime = null;
    if (time !== null) this.video.currentTime = time;
  }

  // Play a span from its start, or from one of its frames.
  play(span, from = span.first) {
    this.span = span;
    const inside = this.loaded && span.first >= this.loaded.first && span.last <= this.loaded.last;
    if (!inside) this.load(span);
    else this.show(from);
    return this.resume();
  }

  pause() {
    this.shouldPlay = false;
    this.video.pause();
  }

  async resume() {
    this.shouldPlay = true;
    try {
      await this.video.play();
    } catch {
      // The browser requires a click first, or another clip was opened.
    }
  }

  restart() {
    if (!this.span) return;
    this.show(this.span.first);
    this.resume();
  }

  stayInSpan() {
    if (!this.span || !this.loaded || this.video.paused || this.video.seeking) return;
    if (this.frame >= this.span.last || this.frame < this.span.first - 1) this.restart();
  }

  // Loops exactly where the browser reports frames: after the last of the span comes the first.
  watchFrames() {
    if (!REPORTS_FRAMES) return;
    const look = (_now, { mediaTime }) => {
      this.shown = Math.round(mediaTime * this.clock.rate);
      // While paused, a frame from before the last seek may be reported late.
      if (this.pausedAt === null || this.pausedAt === this.shown) this.offset = this.shown;
      this.dispatchEvent(new Event("frame"));
      clearTimeout(this.restartTimer);
      if (this.span && this.loaded && this.frame === this.span.last - 1 && !this.video.paused) {
        this.restartTimer = setTimeout(
          () => this.video.paused || this.restart(),
          900 / this.clock.rate / this.video.playbackRate,
        );
      } else this.stayInSpan();
      this.video.requestVideoFrameCallback(look);
    };
    this.video.requestVideoFrameCallback(look);
  }

  // --- loading ---------------------------------------------------------------------------------

  load(span, tries = MAX_TRIES) {
    this.stop();
    const loading = new AbortController();
    this.loading = loading;
    this.loaded = { ...span };
    this.offset = null;
    this.shown = null;
    this.pausedAt = null;
    this.nextTime = null;
    const address = this.address(span);
    this.dispatchEvent(new CustomEvent("loading", { detail: span }));
    if (!window.MediaSource?.isTypeSupported(this.type)) {
      this.open(address);
      return;
    }
    this.stream(address, span, loading.signal).catch((error) => {
      if (loading.signal.aborted) return;
      if (error.busy && tries > 1) {
        this.dispatchEvent(new Event("busy"));
        setTimeout(() => loading === this.loading && this.load(span, tries - 1), RETRY_DELAY);
      } else this.fail();
    });
  }

  async stream(address, span, signal) {
    const streamed = `${address}${address.includes("?") ? "&" : "?"}stream`;
    const answer = await fetch(streamed, { signal });
    if (answer.status === 503) throw Object.assign(new Error("busy"), { busy: true });
    if (answer.status === 204) {
      this.open(address); // already rendered
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
    if (!buffer.buffered.length) throw new Error("the clip is empty");
    source.endOfStream();
  }

  // A new source is paused.
  open(address) {
    this.video.src = address;
    if (this.shouldPlay) this.resume();
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
