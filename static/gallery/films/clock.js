// Frames, seconds and timecodes of one film: the same rules as on the server (timecodes.py).

const TOLERANCE = 0.25; // of a frame: containers round the times of frames

// Format seconds as 1:02 or 1:01:02, like the template filter `clock`.
export function formatSeconds(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const end = pad(whole % 60);
  return hours ? `${hours}:${pad(minutes)}:${end}` : `${minutes}:${end}`;
}

const parseFraction = (text) => text.split("/").map(Number);
const pad = (number) => String(number).padStart(2, "0");

export class Clock {
  constructor({ rate, phase, nominal }) {
    const [above, below] = parseFraction(rate);
    const [early, parts] = parseFraction(phase);
    Object.assign(this, { rate: above / below, phase: early / parts, nominal: Number(nominal) });
  }

  // The number of the frame shown at a time.
  frame(seconds) {
    return Math.max(0, Math.floor((seconds - this.phase) * this.rate + TOLERANCE));
  }

  // The number of the first frame that begins at or after a time.
  frameFrom(seconds) {
    return Math.max(0, Math.ceil((seconds - this.phase) * this.rate - TOLERANCE));
  }

  seconds(frame) {
    return Math.max(0, frame / this.rate + this.phase);
  }

  timecode(frame) {
    const whole = Math.floor(frame / this.nominal);
    const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return [...parts, frame % this.nominal].map(pad).join(":");
  }

  // The frame of a typed time: 00:01:02:03, 1:02, 62.5 or 300f; null if it is invalid.
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
