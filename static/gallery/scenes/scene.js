// The page of a scene: it plays, is trimmed, saved and quoted. All of it is there without scripts,
// in plainer forms.

import { $, $$, hasModifier, htmx, isTyping } from "../dom.js";
import { Clock } from "../films/clock.js";
import { Player } from "./scene-player.js";
import { Trim } from "./scene-trim.js";
import { wholeFilm } from "./scene-whole.js";
import "./scene-save.js";

const root = $("#scene");
const said = root.dataset;
const screen = $(".screen", root);
const poster = $(".poster", root);
const note = $(".screen-note", root);
const bigPlay = $(".big-play", root);

const MODES = ["both", "seen", "said"]; // of a search, whose address has an `in`, too
const SETTLED = 350; // milliseconds after the last change before what depends on it is asked for
const TAIL = 1.5; // seconds played before an end that was moved
const PEEK = 120; // milliseconds on a frame before it is asked for

const clock = new Clock(said);
const own = { first: Number(said.ownFirst), last: Number(said.ownLast) };
let span = { first: Number(said.first), last: Number(said.last) };
const addressOf = (pattern, { first, last }) =>
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
  address: (asked) => addressOf(said.clip, asked),
  sound: Boolean(said.sound),
});
const trim = new Trim($("#trim"), clock, { span, own, most: Number(said.most) });
let at = span.first; // the frame that is looked at

// What is said of loading goes when there is something to see; the rest stays.
function say(text, passing = false) {
  note.textContent = text;
  note.classList.toggle("is-passing", passing);
}

function saidEnough() {
  if (note.classList.contains("is-passing")) say("");
}

function showPoster(is) {
  screen.classList.toggle("is-playing", !is);
}

player.addEventListener("loading", () => screen.classList.add("waiting"));
player.addEventListener("busy", () => say(said.busy, true));
player.addEventListener("failed", () => {
  screen.classList.remove("waiting");
  showPoster(true);
  bigPlay.hidden = false;
  say(said.failed, true);
});
video.addEventListener("loadeddata", () => {
  screen.classList.remove("waiting");
  showPoster(false);
  saidEnough();
});
player.addEventListener("frame", () => whole.is || look(player.frame));
video.addEventListener("timeupdate", () => whole.is || look(player.frame));

let isElsewhere = false; // whether a frame is looked at that the clip in the video has not

// The video shows a frame. The last one comes a moment after it was paused, and counts.
function look(frame) {
  if (!isElsewhere && !video.seeking) mark(frame);
}

// A frame is looked at: the playhead, its time, its still, and the line that is said.
function mark(frame) {
  at = frame;
  trim.root.style.setProperty("--at", trim.part(frame));
  $("#playhead-time").textContent = clock.timecode(frame);
  for (const link of $$(".still-link")) {
    link.href = link.href.replace(/stills\/\d+/, `stills/${frame}`);
  }
  const time = clock.seconds(frame);
  for (const line of $$(".said li")) {
    line.classList.toggle("is-said", line.dataset.start <= time && time < line.dataset.end);
  }
}

// Any frame of the strip: from the clip, or, where that has it not, as a still.
let peeking = 0;

function goTo(frame) {
  player.pause();
  mark(frame);
  clearTimeout(peeking);
  isElsewhere = !player.show(frame);
  if (!isElsewhere) {
    peek.hidden = true;
    return;
  }
  peeking = setTimeout(async () => {
    const still = new Image();
    still.src = addressOf(said.still, { first: frame });
    try {
      await still.decode();
    } catch {
      return; // the place has no picture, or the server is busy: what is shown stays
    }
    if (at !== frame || !video.paused) return;
    peek.src = still.src;
    peek.hidden = false;
    showPoster(false);
  }, PEEK);
}

function play(from) {
  clearTimeout(peeking);
  isElsewhere = false;
  peek.hidden = true;
  bigPlay.hidden = true;
  player.play({ ...span }, from);
}

function toggle() {
  if (!video.paused) player.pause();
  else if (whole.is) video.play();
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
video.addEventListener("click", () => whole.is || toggle());
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

const whole = wholeFilm($("#whole"), {
  video,
  time: () => clock.seconds(at),
  begin: () => {
    say("");
    player.stop();
    player.loaded = null;
    peek.hidden = true;
    showPoster(false);
    root.classList.add("plays-whole");
  },
  end: (message) => {
    root.classList.remove("plays-whole");
    play();
    say(message);
  },
});

// --- the span ------------------------------------------------------------------------------------

const marks = { first: $("#mark-in"), last: $("#mark-out") };
const wrong = $("#mark-error");
let settling = 0;

function show() {
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
  wrong.textContent = "";
}

// The page's address with the span in it; that of the search stays.
function address() {
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

function settle() {
  clearTimeout(settling);
  $("#of-span").inert = true;
  settling = setTimeout(async () => {
    const here = address();
    history.replaceState(history.state, "", here);
    const next = $(".languages [name=next]");
    if (next) next.value = here;
    try {
      await htmx.ajax("GET", here, { target: "#of-span", source: "#of-span", swap: "outerHTML" });
    } finally {
      $("#of-span").inert = false;
      mark(at);
    }
  }, SETTLED);
}

function choose(next) {
  span = next;
  trim.set(span);
  show();
  settle();
}

trim.addEventListener("span", ({ detail }) => {
  span = trim.span;
  show();
  settle();
  if (detail.cut) wrong.textContent = said.tooLong;
  goTo(detail.end === "first" ? span.first : span.last - 1);
});
trim.addEventListener("released", ({ detail }) => {
  const tail = Math.round(TAIL * clock.rate);
  play(detail.end === "first" ? span.first : Math.max(span.first, span.last - tail));
});
trim.addEventListener("seek", ({ detail }) => goTo(Math.min(detail.frame, trim.last - 1)));

function typed() {
  const next = { first: clock.parse(marks.first.value), last: clock.parse(marks.last.value) };
  for (const end of ["first", "last"]) {
    if (next[end] === null) marks[end].setAttribute("aria-invalid", "true");
    else marks[end].removeAttribute("aria-invalid");
  }
  const { first, last } = next;
  if (first === null || last === null || first >= last) wrong.textContent = said.badTime;
  else if (last - first > Number(said.most)) wrong.textContent = said.tooLong;
  else if (first < trim.first || last > trim.last) {
    // The strip shows another part of the film: the server draws it.
    span = next;
    location.assign(address());
  } else if (first !== span.first || last !== span.last) {
    choose(next);
    play();
  }
}

for (const field of Object.values(marks)) field.addEventListener("change", typed);
$("#marks").addEventListener("submit", (event) => {
  event.preventDefault();
  typed();
});
$("#mark-sound")?.addEventListener("change", (event) => {
  const here = new URL(address(), location);
  here.searchParams.set("sound", event.target.value);
  location.assign(here);
});
$("#mark-own").addEventListener("click", (event) => {
  event.preventDefault();
  if (own.first < trim.first || own.last > trim.last) return location.assign(event.target.href);
  choose({ ...own });
  play();
});

document.addEventListener("click", (event) => {
  const line = event.target.closest(".said li");
  if (line && !getSelection().toString()) goTo(clock.frameFrom(Number(line.dataset.start)));
});

// --- keys ----------------------------------------------------------------------------------------

const ownsSpace = (target) => target.closest("button, a, input, summary, video[controls]");

function back() {
  const link = $(".trail .back");
  const plain = (url) => {
    const there = new URL(url, location);
    there.searchParams.delete("page");
    return there.pathname + there.search;
  };
  // Going back finds the results scrolled and loaded as they were left.
  if (document.referrer && link && plain(document.referrer) === plain(link.href)) history.back();
  else if (link) location.assign(link.href);
  else if (document.referrer.startsWith(location.origin)) history.back();
  else location.assign($(".about h1 a").href);
}

$(".trail .back")?.addEventListener("click", (event) => {
  if (hasModifier(event)) return;
  event.preventDefault();
  back();
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
  Escape: back,
};

// An end at the frame that is looked at; the other moves away from it where it must.
function setEnd(end, frame) {
  const length = span.last - span.first;
  const next = { ...span, [end]: frame };
  if (next.first >= next.last) {
    if (end === "first") next.last = Math.min(frame + length, trim.last);
    else next.first = Math.max(frame - length, trim.first);
  }
  if (next.last - next.first > Number(said.most)) wrong.textContent = said.tooLong;
  else if (next.first < next.last) choose(next);
}

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.defaultPrevented || hasModifier(event)) return;
  if (!(key in KEYS) || isTyping(target) || $("dialog[open]")) return;
  if (target.closest(".card") || (key === " " && ownsSpace(target))) return;
  if (whole.is && ["i", "o"].includes(key)) return;
  event.preventDefault();
  KEYS[key]();
});

// --- it begins -----------------------------------------------------------------------------------

mark(span.first);
const calm =
  matchMedia("(prefers-reduced-motion: reduce)").matches || navigator.connection?.saveData;
if (calm) bigPlay.hidden = false;
else play();
