// Seeks of the player of a scene. As the specification of HTML has it, a video sets `seeking` to
// false before its event "seeked" is handled; a press of a key can come in between.

import assert from "node:assert/strict";
import test from "node:test";

const RATE = 24;

class Video extends EventTarget {
  seeking = false;
  paused = true;
  seekable = { length: 1, end: () => 60 };
  times = [];

  get currentTime() {
    return this.times.at(-1) ?? 0;
  }

  set currentTime(time) {
    this.times.push(time);
    this.seeking = true;
  }

  handleEvents() {
    this.dispatchEvent(new Event("seeked"));
  }
}

globalThis.HTMLVideoElement = class {};
const { Player } = await import("../../static/gallery/scenes/scene-player.js");

function openClip() {
  const video = new Video();
  const player = new Player(video, { rate: RATE }, { address: String, sound: false });
  player.loaded = { first: 0, last: 240 };
  const frames = () => video.times.map((time) => Math.floor(time * RATE));
  return { video, player, frames };
}

test("while a seek runs, only the last frame asked for is kept", () => {
  const { video, player, frames } = openClip();
  for (const frame of [10, 11, 12]) player.show(frame);
  assert.deepEqual(frames(), [10]);
  video.seeking = false;
  video.handleEvents();
  assert.deepEqual(frames(), [10, 12]);
});

test("a frame asked for between the end of a seek and its event stays", () => {
  const { video, player, frames } = openClip();
  player.show(10);
  player.show(11);
  video.seeking = false;
  player.show(12);
  video.handleEvents(); // of the seek to 10
  video.seeking = false;
  video.handleEvents();
  assert.deepEqual(frames(), [10, 12]);
});

test("the late event of a seek does not cut the next one short", () => {
  const { video, player, frames } = openClip();
  player.show(10);
  video.seeking = false;
  player.show(11);
  player.show(12);
  video.handleEvents(); // of the seek to 10
  assert.deepEqual(frames(), [10, 11]);
  video.seeking = false;
  video.handleEvents();
  assert.deepEqual(frames(), [10, 11, 12]);
});
