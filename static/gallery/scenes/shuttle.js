// J, K and L as in editing software: L plays, J plays backwards, and each further press doubles the
// speed. Browsers cannot play backwards, so the pictures before are shown one after another.

const MAX_SPEED = 8;
const STEP_INTERVAL = 80; // milliseconds between two pictures shown backwards

export class Shuttle {
  // `getStart`: the earliest time to show, in seconds of the video; `output` shows the speed.
  constructor({ getVideo, play, pause, getStart, output }) {
    Object.assign(this, { getVideo, play, pause, getStart, output });
    this.timer = 0;
    this.speed = 1;
  }

  forward() {
    const video = this.getVideo();
    if (this.timer || video.paused) {
      this.stop();
      this.play();
    } else this.setSpeed(Math.min(video.playbackRate * 2, MAX_SPEED));
  }

  backward() {
    const speed = this.timer ? Math.min(this.speed * 2, MAX_SPEED) : 1;
    this.stop();
    this.pause();
    const video = this.getVideo();
    const from = video.currentTime;
    const begunAt = performance.now();
    this.timer = setInterval(() => {
      if (video.seeking) return;
      const start = this.getStart();
      const time = from - (speed * (performance.now() - begunAt)) / 1000;
      video.currentTime = Math.max(time, start);
      if (time <= start) this.stop();
    }, STEP_INTERVAL);
    this.setSpeed(-speed);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.setSpeed(1);
  }

  setSpeed(speed) {
    this.speed = Math.abs(speed);
    this.getVideo().playbackRate = Math.max(speed, 1);
    this.output.textContent = speed === 1 ? "" : `${speed < 0 ? "−" : ""}${this.speed}×`;
  }
}
