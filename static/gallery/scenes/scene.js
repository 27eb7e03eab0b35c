// The page of a scene: playing, trimming, downloading, citing. All of it works without scripts,
// with simpler controls.

import { $, $$, hasModifier, htmx } from "../dom.js";
import { Clock } from "../films/clock.js";
import { setUpFullScreen } from "./full-screen.js";
import { goBack } from "./go-back.js";
import { findTrim, keepTrim, rememberLeaving, reportLeftTrim } from "./kept-trims.js";
import { Peek } from "./peek.js";
import { handlePlayerKey } from "./player-keys.js";
import { Marks } from "./scene-marks.js";
import { Player } from "./scene-player.js";
import { Trim } from "./scene-trim.js";
import { addSpan } from "./scene-url.js";
import { setUpWholeFilm } from "./scene-whole.js";
import { Shuttle } from "./shuttle.js";
import { Subtitles } from "./subtitles.js";
import { TextBoxes } from "./text-boxes.js";
import { setUpTransport } from "./transport.js";
import "./scene-save.js";

const root = $("#scene");
const options = root.dataset;
const screen = $(".screen", root);
const poster = $(".poster", root);
const note = $(".screen-note", root);
const bigPlay = $(".big-play", root);

const UPDATE_DELAY = 350; // milliseconds from the last change to updating the rest of the page
const TAIL_SECONDS = 1.5; // played before the end when it was moved
const MIN_PLAYED_SECONDS = 0.2; // of a scene whose ends are set while it plays
const FILM_JUMP = 5; // seconds that an arrow key moves in the whole film; in a scene it is one

const stage = $(".stage", root);
const clock = new Clock(options);
const filmFrames = Number(options.frames);
const own = { first: Number(options.ownFirst), last: Number(options.ownLast) };
const sceneName = `${location.pathname.match(/films\/\d+/)} ${own.first}-${own.last}`;
let span = { first: Number(options.first), last: Number(options.last) };
const fillUrl = (pattern, { first, last }) =>
  pattern.replace("111111", first).replace("222222", last);

// --- the screen ----------------------------------------------------------------------------------

const video = document.createElement("video");
Object.assign(video, { className: "scene", muted: true, playsInline: true, preload: "auto" });
video.setAttribute("aria-label", poster.alt);
poster.after(video);
const peek = new Peek(video, (frame) => fillUrl(options.still, { first: frame }));

const player = new Player(video, clock, {
  address: (asked) => fillUrl(options.clip, asked),
  sound: Boolean(options.sound),
});
const trim = new Trim($("#trim"), clock, { span, own, most: Number(options.most) });
const videos = [video];
const subtitles = new Subtitles($("#subtitle-choice"), $(".subtitles", screen), videos);
const textBoxes = new TextBoxes($(".text-boxes", screen), () => $("#of-span"));
let at = span.first; // the current frame: the one shown, or about to be

// Passing notes are about loading, and are cleared when the clip is there.
function showNote(text, passing = false) {
  note.textContent = text;
  note.classList.toggle("is-passing", passing);
}

function clearPassingNote() {
  if (note.classList.contains("is-passing")) showNote("");
}

function togglePoster(is) {
  screen.classList.toggle("is-playing", !is);
}

player.addEventListener("loading", ({ detail }) => {
  screen.classList.add("waiting");
  if (options.tracks) subtitles.load(video, fillUrl(options.tracks, detail));
});
player.addEventListener("busy", () => showNote(options.busy, true));
player.addEventListener("failed", () => {
  screen.classList.remove("waiting");
  togglePoster(true);
  bigPlay.hidden = false;
  showNote(options.failed, true);
  if (!player.shouldPlay) goTo(at); // a frame that was asked for while the clip was loading
});
video.addEventListener("loadeddata", () => {
  screen.classList.remove("waiting");
  togglePoster(false);
  clearPassingNote();
});
player.addEventListener("frame", handleFrame);
for (const name of ["timeupdate", "seeked"]) video.addEventListener(name, handleFrame);

let isElsewhere = false; // whether the current frame is outside the loaded clip

// The video shows a frame. During a seek it is not yet the current one.
function handleFrame() {
  if (whole.isPlaying) showFrameText(clock.frame(video.currentTime));
  else if (!isElsewhere && player.loaded) {
    showFrameText(player.shownFrame);
    if (!video.seeking) setPlayhead(player.frame);
  }
}

// Timecode and spoken line are those of the picture, which follows a moved end later.
function showTimecode(frame) {
  $("#playhead-time").textContent = clock.timecode(frame);
  const time = clock.seconds(frame);
  for (const line of $$(".said li")) {
    line.classList.toggle("is-said", line.dataset.start <= time && time < line.dataset.end);
  }
}

// The poster keeps the boxes of its own frame.
function showFrameText(frame) {
  showTimecode(frame);
  textBoxes.show(clock.seconds(frame));
}

// Set the current frame: the playhead and the downloads of stills.
function setPlayhead(frame) {
  at = frame;
  trim.root.style.setProperty("--at", trim.positionOf(frame));
  for (const link of $$(".still-link")) {
    link.href = link.href.replace(/stills\/\d+/, `stills/${frame}`);
  }
}

// Show any frame of the strip: from the clip, or outside it as a still.
function goTo(frame) {
  shuttle.stop();
  player.pause();
  setPlayhead(frame);
  isElsewhere = !player.show(frame);
  if (isElsewhere) peek.request(frame);
  else peek.hide();
}

peek.addEventListener("shown", ({ detail }) => {
  showFrameText(detail);
  togglePoster(false);
});

function play(from) {
  isElsewhere = false;
  peek.hide();
  player.play({ ...span }, from);
}

// Play on from the current frame.
function resume() {
  if (whole.isPlaying) video.play();
  else play(at >= span.first && at < span.last - 1 ? at : span.first);
}

function pause() {
  if (whole.isPlaying) video.pause();
  else player.pause();
}

function toggle() {
  const isMoving = !video.paused || shuttle.timer;
  shuttle.stop();
  if (isMoving) pause();
  else resume();
}

// Move by a number of frames.
function step(frames) {
  shuttle.stop();
  if (whole.isPlaying) {
    video.pause();
    const frame = Math.max(0, clock.frame(video.currentTime) + frames);
    video.currentTime = clock.seconds(frame) + 0.5 / clock.rate; // the middle of it
  } else goTo(Math.min(Math.max(at + frames, trim.first), trim.last - 1));
}

// The first frames of the shots of the film; they come with the subtitles of the whole film.
let shotStarts = [];

async function loadFilmTracks() {
  const details = await subtitles.load(video, options.filmTracks);
  shotStarts = details ? details.shots.split(" ").map(Number) : [];
}

// Go to the shot before or after the current one: in the film that plays, or to its page.
function goToShot(direction) {
  if (!whole.isPlaying) {
    $(`.strip a[rel=${direction < 0 ? "prev" : "next"}]`)?.click();
    return;
  }
  shuttle.stop();
  const frame = clock.frame(video.currentTime);
  const current = shotStarts.findLastIndex((start) => start <= frame);
  const start = shotStarts[Math.max(0, current + direction)];
  if (start !== undefined) video.currentTime = clock.seconds(start) + 0.5 / clock.rate;
}

function jump(direction) {
  if (whole.isPlaying) {
    video.currentTime = Math.max(0, video.currentTime + direction * FILM_JUMP);
    return;
  }
  const frame = at + direction * clock.nominal;
  if (video.paused) step(frame - at);
  else player.show(Math.min(Math.max(frame, span.first), span.last - 1));
}

// --- the transport -------------------------------------------------------------------------------

const getVideo = () => video;
const mute = setUpTransport(stage, { videos, getVideo, toggle });
const toggleFullScreen = setUpFullScreen(stage, $("#large"), { videos, getVideo, subtitles });
const shuttle = new Shuttle({
  getVideo,
  play: resume,
  pause,
  // The first frame of the scene, if the loaded clip begins before it.
  getStart: () =>
    whole.isPlaying || !player.loaded
      ? 0
      : Math.max(0, span.first - player.loaded.first + 0.5) / clock.rate,
  output: $("#speed"),
});

bigPlay.addEventListener("click", resume);
video.addEventListener("play", () => (bigPlay.hidden = true));
video.addEventListener("click", toggle);
peek.picture.addEventListener("click", toggle);

const whole = setUpWholeFilm($("#whole"), {
  video,
  clock,
  time: () => clock.seconds(at),
  begin: () => {
    showNote(options.defaultSound ?? "");
    shuttle.stop();
    player.stop();
    player.loaded = null;
    peek.hide();
    bigPlay.hidden = true;
    loadFilmTracks();
    togglePoster(false);
    root.classList.add("plays-whole");
  },
  blocked: () => (bigPlay.hidden = false),
  end: (message) => {
    root.classList.remove("plays-whole");
    shuttle.stop();
    play();
    showNote(message);
  },
});

// --- the span ------------------------------------------------------------------------------------

const marks = new Marks($("#marks"), clock, filmFrames);
let updateTimer = 0;

const isTrimmed = () => span.first !== own.first || span.last !== own.last;
const getUrl = () => addSpan(location, isTrimmed() ? span : null);

function updateUrl() {
  const here = getUrl();
  history.replaceState(history.state, "", here);
  const next = $(".languages [name=next]");
  if (next) next.value = here;
  return here;
}

function scheduleUpdate() {
  clearTimeout(updateTimer);
  $("#of-span").inert = true;
  updateTimer = setTimeout(async () => {
    const here = updateUrl();
    try {
      await htmx.ajax("GET", here, { target: "#of-span", source: "#of-span", swap: "outerHTML" });
    } finally {
      $("#of-span").inert = false;
      setPlayhead(at);
    }
  }, UPDATE_DELAY);
}

function handleSpan(next) {
  span = next;
  keepTrim(sceneName, isTrimmed() ? span : null);
  marks.show(span, own);
  scheduleUpdate();
}

function setSpan(next) {
  trim.set(next);
  handleSpan(next);
}

trim.addEventListener("span", ({ detail }) => {
  handleSpan(trim.span);
  if (detail.cut) marks.showError(options.tooLong);
  goTo(detail.end === "first" ? span.first : span.last - 1);
});
trim.addEventListener("released", ({ detail }) => {
  const tail = Math.round(TAIL_SECONDS * clock.rate);
  play(detail.end === "first" ? span.first : Math.max(span.first, span.last - tail));
});
trim.addEventListener("seek", ({ detail }) => goTo(Math.min(detail.frame, trim.last - 1)));

// The span with an end at a frame. The other end moves if it has to, by the length of the scene.
function withEnd(next, end) {
  if (next.first < next.last) return next;
  const length = span.last - span.first;
  return end === "first"
    ? { ...next, last: Math.min(next.first + length, filmFrames) }
    : { ...next, first: Math.max(next.last - length, 0) };
}

marks.addEventListener("typed", ({ detail: { end, typed } }) => {
  const next = withEnd(typed, end);
  if (next.last - next.first > Number(options.most)) marks.showError(options.tooLong);
  else if (next.first < trim.first || next.last > trim.last) loadAround(next);
  else if (next.first !== span.first || next.last !== span.last) {
    setSpan(next);
    play();
    if (next !== typed) marks.showError(end === "first" ? options.movedEnd : options.movedStart);
  }
});

// Load the page with another part of the film on the strip.
function loadAround(next) {
  span = next;
  keepTrim(sceneName, span);
  location.assign(getUrl());
}

$("#mark-sound")?.addEventListener("change", (event) => {
  const here = new URL(getUrl(), location);
  here.searchParams.set("sound", event.target.value);
  location.assign(here);
});
$("#mark-own").addEventListener("click", (event) => {
  event.preventDefault();
  if (own.first < trim.first || own.last > trim.last) {
    keepTrim(sceneName, null);
    location.assign(event.target.href);
    return;
  }
  setSpan({ ...own });
  play();
});

document.addEventListener("click", (event) => {
  const line = event.target.closest(".said li");
  if (!line || event.target.closest("[data-copies]") || hasModifier(event)) return;
  const isLink = event.target.closest("a") !== null;
  if (isLink) event.preventDefault();
  if (isLink || !getSelection().toString()) goTo(clock.frameFrom(Number(line.dataset.seek)));
});

// --- keys ----------------------------------------------------------------------------------------

// Set an end to the current frame.
function setEnd(end, frame) {
  if (whole.isPlaying) return;
  const next = withEnd({ ...span, [end]: frame }, end);
  const inside = { first: Math.max(next.first, trim.first), last: Math.min(next.last, trim.last) };
  const length = inside.last - inside.first;
  if (length > Number(options.most)) marks.showError(options.tooLong);
  // The out point right after the in point is a slip of the fingers, unless the film stands still.
  else if (!video.paused && length < MIN_PLAYED_SECONDS * clock.rate) {
    marks.showError(options.tooShort);
  } else if (length > 0) setSpan(inside);
}

const KEYS = {
  " ": toggle,
  k: toggle,
  j: () => {
    if (isElsewhere) goTo(Math.min(Math.max(at, span.first), span.last - 1));
    shuttle.backward();
  },
  l: () => shuttle.forward(),
  ",": () => step(-1),
  ".": () => step(1),
  ArrowLeft: () => jump(-1),
  ArrowRight: () => jump(1),
  "Shift+ArrowLeft": () => goToShot(-1),
  "Shift+ArrowRight": () => goToShot(1),
  m: mute,
  f: toggleFullScreen,
  v: () => subtitles.toggle(),
  i: () => setEnd("first", at),
  o: () => setEnd("last", at + 1),
  s: () => $("#all-similar")?.click(),
  p: () => $("#hit-before")?.click(),
  n: () => $("#hit-after")?.click(),
  Escape: goBack,
};

document.addEventListener("keydown", (event) => handlePlayerKey(event, KEYS));

// --- trims are kept ------------------------------------------------------------------------------

// A link may be followed before the address has the latest trim.
document.addEventListener("click", (event) => event.target.closest("a") && updateUrl(), true);
rememberLeaving(sceneName, () => isTrimmed() && { ...span, url: getUrl() }, clock);

function restoreTrim() {
  const kept = findTrim(sceneName);
  const isGiven = new URLSearchParams(location.search).has("out") || marks.hasError;
  if (!kept || isGiven || isTrimmed()) return;
  if (kept.first < trim.first || kept.last > trim.last) {
    span = kept;
    location.replace(getUrl());
    return;
  }
  setSpan(kept);
  showNote(options.restored);
}

// --- start ---------------------------------------------------------------------------------------

restoreTrim();
reportLeftTrim(sceneName, options);
setPlayhead(span.first);
showTimecode(span.first);
const isMotionReduced =
  matchMedia("(prefers-reduced-motion: reduce)").matches || navigator.connection?.saveData;
if (isMotionReduced) bigPlay.hidden = false;
else play();
if (location.hash === "#whole") $("#whole")?.click();
