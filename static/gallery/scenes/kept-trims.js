// The trims of this tab. A scene that is opened again is trimmed as it was left.

import { showMessage } from "../boards/collect.js";

const STORED_AS = "trims";
const LAST_LEFT = "left-trim";
const MAX_TRIMS = 200;

function read(name, missing) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? missing;
  } catch {
    return missing;
  }
}

function write(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Without storage, the addresses in the history have the trims.
  }
}

// `scene` names the untrimmed scene: its film and frames.
export const findTrim = (scene) => Object.fromEntries(read(STORED_AS, []))[scene];

// Keep the trim of a scene; null forgets it.
export function keepTrim(scene, span) {
  const others = read(STORED_AS, []).filter(([name]) => name !== scene);
  write(STORED_AS, span ? [...others, [scene, span]].slice(-MAX_TRIMS) : others);
}

// When the page is left, remember its trimmed scene; `getTrim` returns {first, last, url}.
export function rememberLeaving(scene, getTrim, clock) {
  addEventListener("pagehide", () => {
    const trim = getTrim();
    const times = trim && `${clock.timecode(trim.first)}–${clock.timecode(trim.last)}`;
    write(LAST_LEFT, trim ? { scene, times, url: trim.url } : null);
  });
}

// On the page opened from there, say once that the trim is kept, and how to get back to it.
export function reportLeftTrim(scene, { trimKept, trimBack }) {
  const left = read(LAST_LEFT, null);
  write(LAST_LEFT, null);
  if (!left || left.scene === scene || !document.referrer.endsWith(left.url)) return;
  showMessage(trimKept.replace("{times}", left.times), { href: left.url, text: trimBack });
}
