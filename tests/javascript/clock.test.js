// The scripts count frames as the server does. `test_javascript.py` writes what the server computes
// for many times, frames and typed texts to the file that CASES names.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Clock, formatSeconds } from "../../static/gallery/films/clock.js";

const { clocks, formatted } = JSON.parse(readFileSync(process.env.CASES, "utf-8"));

for (const { settings, times, frames, texts } of clocks) {
  const clock = new Clock(settings);
  const name = `at ${settings.rate} frames per second, phase ${settings.phase}`;

  test(`times are frames ${name}`, () => {
    for (const { seconds, frame, frameFrom } of times) {
      assert.equal(clock.frame(seconds), frame, `frame at ${seconds}`);
      assert.equal(clock.frameFrom(seconds), frameFrom, `first frame from ${seconds}`);
    }
  });

  test(`frames have a time and a timecode ${name}`, () => {
    for (const { frame, seconds, timecode } of frames) {
      assert.ok(Math.abs(clock.seconds(frame) - seconds) < 1e-6, `time of frame ${frame}`);
      assert.equal(clock.timecode(frame), timecode);
    }
  });

  test(`typed times are frames ${name}`, () => {
    for (const { text, frame } of texts) assert.equal(clock.parse(text), frame, text);
  });
}

test("seconds are written as in the templates", () => {
  for (const { seconds, text } of formatted) assert.equal(formatSeconds(seconds), text);
});
