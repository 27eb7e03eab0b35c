// Frames, seconds and timecodes of one film: the same rules as on the server (timecodes.py).

const GRACE = 0.25; // of a frame: containers round the times of frames

// Seconds as people read them: 1:02 or 1:01:02, as the template filter `clock` writes them.
export function formatSeconds(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const end = two(whole % 60);
  return hours ? `${hours}:${two(minutes)}:${end}` : `${minutes}:${end}`;
}

const fraction = (text) => text.split("/").map(Number);
const two = (number) => String(number).padStart(2, "0");

export class Clock {
  constructor({ rate, phase, nominal }) {
    const [above, below] = fraction(rate);
    const [early, parts] = fraction(phase);
    Object.assign(this, { rate: above / below, phase: early / parts, nominal: Number(nominal) });
  }

  // The number of the frame that is shown at a time.
  frame(seconds) {
    return Math.max(0, Math.floor((seconds - this.phase) * this.rate + GRACE));
  }

  // The number of the first frame that begins at or after a time.
  frameFrom(seconds) {
    return Math.max(0, Math.ceil((seconds - this.phase) * this.rate - GRACE));
  }

  seconds(frame) {
    return Math.max(0, frame / this.rate + this.phase);
  }

  timecode(frame) {
    const whole = Math.floor(frame / this.nominal);
    const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return [...parts, frame % this.nominal].map(two).join(":");
  }

  // The frame that somebody means by 00:01:02:03, 1:02, 62.5 or 300f; null when it is no time.
  parse(text) {
    const typed = text.trim().replaceAll("：", ":").replaceAll("；", ";");
    const counted = /^(\d{1,9})f$/.exec(typed);
    if (counted) return Number(counted[1]);
    const written = /^(\d{1,3}):(\d{1,2}):(\d{1,2})[:;.](\d{1,3})$/.exec(typed);
    if (written) {
      const [hours, minutes, seconds, part] = written.slice(1).map(Number);
      return ((hours * 60 + minutes) * 60 + seconds) * this.nominal + part;
    }
    const time = /^(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,5}(?:\.\d{1,6})?)$/.exec(typed);
    if (!time) return null;
    const [hours, minutes, seconds] = time.slice(1).map((part) => Number(part ?? 0));
    return this.frameFrom((hours * 60 + minutes) * 60 + seconds);
  }
}
