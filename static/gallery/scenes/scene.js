// The page of a scene: playing, trimming, downloading, citing. All of it works without scripts,
// with simpler controls.

import { $, $$, hasModifier, htmx, isTyping } from "../dom.js";
import { Clock } from "../films/clock.js";
import { Player } from "./scene-player.js";
import { Trim } from "./scene-trim.js";
import { setUpWholeFilm } from "./scene-whole.js";
import "./scene-save.js";

const root = $("#scene");
const options = root.dataset;
const screen = $(".screen", root);
const poster = $(".poster", root);
const note = $(".screen-note", root);
const bigPlay = $(".big-play", root);

const MODES = ["both", "seen", "said"]; // values of the search's parameter `in`, also in the URL
const UPDATE_DELAY = 350; // milliseconds from the last change to updating the rest of the page
const TAIL_SECONDS = 1.5; // played before the end when it was moved
const PEEK_DELAY = 120; // milliseconds before the still of a frame is requested

const clock = new Clock(options);
const own = { first: Number(options.ownFirst), last: Number(options.ownLast) };
let span = { first: Number(options.first), last: Number(options.last) };
const fillUrl = (pattern, { first, last }) =>
  pattern.replace("111111", first).replace("222222", last);

// --- the screen ----------------------------------------------------------------------------------

const video = document.createElement("video");
Object.assign(video, { className: "scene", muted: true, playsInline: true, preload: "auto" });
video.setAttribute("aria-label", poster.alt);
poster.after(video);
const peek = document.createElement("img");
Object.assign(peek, { className: "peek", alt: "", hidden: true });
video.after(peek);

const player = new Player(video, clock, {
  address: (asked) => fillUrl(options.clip, asked),
  sound: Boolean(options.sound),
});
const trim = new Trim($("#trim"), clock, { span, own, most: Number(options.most) });
let at = span.first; // the current frame

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

player.addEventListener("loading", () => screen.classList.add("waiting"));
player.addEventListener("busy", () => showNote(options.busy, true));
player.addEventListener("failed", () => {
  screen.classList.remove("waiting");
  togglePoster(true);
  bigPlay.hidden = false;
  showNote(options.failed, true);
});
video.addEventListener("loadeddata", () => {
  screen.classList.remove("waiting");
  togglePoster(false);
  clearPassingNote();
});
player.addEventListener("frame", () => whole.isPlaying || handleFrame(player.frame));
video.addEventListener("timeupdate", () => whole.isPlaying || handleFrame(player.frame));

let isElsewhere = false; // whether the current frame is outside the loaded clip

// The video shows a frame, possibly just after it was paused.
function handleFrame(frame) {
  if (!isElsewhere && !video.seeking) setPlayhead(frame);
}

// Set the current frame: the playhead, its timecode, its still, and the line spoken.
function setPlayhead(frame) {
  at = frame;
  trim.root.style.setProperty("--at", trim.positionOf(frame));
  $("#playhead-time").textContent = clock.timecode(frame);
  for (const link of $$(".still-link")) {
    link.href = link.href.replace(/stills\/\d+/, `stills/${frame}`);
  }
  const time = clock.seconds(frame);
  for (const line of $$(".said li")) {
    line.classList.toggle("is-said", line.dataset.start <= time && time < line.dataset.end);
  }
}

// Show any frame of the strip: from the clip, or outside it as a still.
let peekTimer = 0;

function goTo(frame) {
  player.pause();
  setPlayhead(frame);
  clearTimeout(peekTimer);
  isElsewhere = !player.show(frame);
  if (!isElsewhere) {
    peek.hidden = true;
    return;
  }
  peekTimer = setTimeout(async () => {
    const still = new Image();
    still.src = fillUrl(options.still, { first: frame });
    try {
      await still.decode();
    } catch {
      return; // there is no still, or the server is busy: keep the current picture
    }
    if (at !== frame || !video.paused) return;
    peek.src = still.src;
    peek.hidden = false;
    togglePoster(false);
  }, PEEK_DELAY);
}

function play(from) {
  clearTimeout(peekTimer);
  isElsewhere = false;
  peek.hidden = true;
  bigPlay.hidden = true;
  player.play({ ...span }, from);
}

function toggle() {
  if (!video.paused) player.pause();
  else if (whole.isPlaying) video.play();
  else play(at >= span.first && at < span.last - 1 ? at : span.first);
}

// --- the transport -------------------------------------------------------------------------------

const playButton = $("#play");
const sound = $("#sound");

for (const event of ["play", "pause"]) {
  video.addEventListener(event, () => {
    playButton.setAttribute("aria-pressed", String(!video.paused));
    $(".unseen", playButton).textContent = playButton.dataset[video.paused ? "play" : "pause"];
  });
}
playButton.addEventListener("click", toggle);
bigPlay.addEventListener("click", () => play());
video.addEventListener("click", () => whole.isPlaying || toggle());
peek.addEventListener("click", toggle);
sound?.addEventListener("click", () => (video.muted = !video.muted));
video.addEventListener("volumechange", () =>
  sound?.setAttribute("aria-pressed", String(!video.muted)),
);
$("#large").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (screen.requestFullscreen) screen.requestFullscreen();
  else video.webkitEnterFullscreen?.();
});

const whole = setUpWholeFilm($("#whole"), {
  video,
  time: () => clock.seconds(at),
  begin: () => {
    showNote("");
    player.stop();
    player.loaded = null;
    peek.hidden = true;
    togglePoster(false);
    root.classList.add("plays-whole");
  },
  end: (message) => {
    root.classList.remove("plays-whole");
    play();
    showNote(message);
  },
});

// --- the span ------------------------------------------------------------------------------------

const marks = { first: $("#mark-in"), last: $("#mark-out") };
const markError = $("#mark-error");
let updateTimer = 0;

function updateMarks() {
  for (const end of ["first", "last"]) {
    marks[end].value = clock.timecode(span[end]);
    marks[end].removeAttribute("aria-invalid");
  }
  const length = $("#mark-length");
  length.textContent = length.dataset.said.replace(
    "{n}",
    ((span.last - span.first) / clock.rate).toFixed(2),
  );
  $("#mark-own").hidden = span.first === own.first && span.last === own.last;
  markError.textContent = "";
}

// The page's URL with the span and the search.
function getUrl() {
  const here = new URL(location);
  const modes = here.searchParams.getAll("in").filter((value) => MODES.includes(value));
  here.searchParams.delete("in");
  here.searchParams.delete("out");
  for (const mode of modes) here.searchParams.append("in", mode);
  if (span.first !== own.first || span.last !== own.last) {
    here.searchParams.append("in", `${span.first}f`);
    here.searchParams.append("out", `${span.last}f`);
  }
  here.hash = "";
  return here.pathname + here.search;
}

function scheduleUpdate() {
  clearTimeout(updateTimer);
  $("#of-span").inert = true;
  updateTimer = setTimeout(async () => {
    const here = getUrl();
    history.replaceState(history.state, "", here);
    const next = $(".languages [name=next]");
    if (next) next.value = here;
    try {
      await htmx.ajax("GET", here, { target: "#of-span", source: "#of-span", swap: "outerHTML" });
    } finally {
      $("#of-span").inert = false;
      setPlayhead(at);
    }
  }, UPDATE_DELAY);
}

function setSpan(next) {
  span = next;
  trim.set(span);
  updateMarks();
  scheduleUpdate();
}

trim.addEventListener("span", ({ detail }) => {
  span = trim.span;
  updateMarks();
  scheduleUpdate();
  if (detail.cut) markError.textContent = options.tooLong;
  goTo(detail.end === "first" ? span.first : span.last - 1);
});
trim.addEventListener("released", ({ detail }) => {
  const tail = Math.round(TAIL_SECONDS * clock.rate);
  play(detail.end === "first" ? span.first : Math.max(span.first, span.last - tail));
});
trim.addEventListener("seek", ({ detail }) => goTo(Math.min(detail.frame, trim.last - 1)));

function applyTypedTimes() {
  const next = { first: clock.parse(marks.first.value), last: clock.parse(marks.last.value) };
  for (const end of ["first", "last"]) {
    if (next[end] === null) marks[end].setAttribute("aria-invalid", "true");
    else marks[end].removeAttribute("aria-invalid");
  }
  const { first, last } = next;
  if (first === null || last === null || first >= last) markError.textContent = options.badTime;
  else if (last - first > Number(options.most)) markError.textContent = options.tooLong;
  else if (first < trim.first || last > trim.last) {
    // The span is outside the strip: load the page with another part of the film.
    span = next;
    location.assign(getUrl());
  } else if (first !== span.first || last !== span.last) {
    setSpan(next);
    play();
  }
}

for (const field of Object.values(marks)) field.addEventListener("change", applyTypedTimes);
$("#marks").addEventListener("submit", (event) => {
  event.preventDefault();
  applyTypedTimes();
});
$("#mark-sound")?.addEventListener("change", (event) => {
  const here = new URL(getUrl(), location);
  here.searchParams.set("sound", event.target.value);
  location.assign(here);
});
$("#mark-own").addEventListener("click", (event) => {
  event.preventDefault();
  if (own.first < trim.first || own.last > trim.last) return location.assign(event.target.href);
  setSpan({ ...own });
  play();
});

document.addEventListener("click", (event) => {
  const line = event.target.closest(".said li");
  if (line && !getSelection().toString()) goTo(clock.frameFrom(Number(line.dataset.start)));
});

// --- keys ----------------------------------------------------------------------------------------

const ownsSpace = (target) => target.closest("button, a, input, summary, video[controls]");

function goBack() {
  const link = $(".trail .back");
  const plain = (url) => {
    const there = new URL(url, location);
    there.searchParams.delete("page");
    return there.pathname + there.search;
  };
  // Going back restores the loaded results and the scroll position.
  if (document.referrer && link && plain(document.referrer) === plain(link.href)) history.back();
  else if (link) location.assign(link.href);
  else if (document.referrer.startsWith(location.origin)) history.back();
  else location.assign($(".about h1 a").href);
}

$(".trail .back")?.addEventListener("click", (event) => {
  if (hasModifier(event)) return;
  event.preventDefault();
  goBack();
});

const KEYS = {
  " ": toggle,
  i: () => setEnd("first", at),
  o: () => setEnd("last", at + 1),
  s: () => $("#all-similar")?.click(),
  p: () => $("#hit-before")?.click(),
  n: () => $("#hit-after")?.click(),
  ArrowLeft: () => $(".strip a[rel=prev]")?.click(),
  ArrowRight: () => $(".strip a[rel=next]")?.click(),
  Escape: goBack,
};

// Set an end to a frame; the other end moves if it has to.
function setEnd(end, frame) {
  const length = span.last - span.first;
  const next = { ...span, [end]: frame };
  if (next.first >= next.last) {
    if (end === "first") next.last = Math.min(frame + length, trim.last);
    else next.first = Math.max(frame - length, trim.first);
  }
  if (next.last - next.first > Number(options.most)) markError.textContent = options.tooLong;
  else if (next.first < next.last) setSpan(next);
}

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.defaultPrevented || hasModifier(event)) return;
  if (!(key in KEYS) || isTyping(target) || $("dialog[open]")) return;
  if (target.closest(".card") || (key === " " && ownsSpace(target))) return;
  if (whole.isPlaying && ["i", "o"].includes(key)) return;
  event.preventDefault();
  KEYS[key]();
});

// --- start ---------------------------------------------------------------------------------------

setPlayhead(span.first);
const isMotionReduced =
  matchMedia("(prefers-reduced-motion: reduce)").matches || navigator.connection?.saveData;
if (isMotionReduced) bigPlay.hidden = false;
else play();
