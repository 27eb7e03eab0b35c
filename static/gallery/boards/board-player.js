// "Play all": the scenes of a board in order. While one plays, the next is loaded.

import { $, $$ } from "../dom.js";
import { Clock, formatSeconds } from "../films/clock.js";
import { setUpFullScreen } from "../scenes/full-screen.js";
import { handlePlayerKey } from "../scenes/player-keys.js";
import { Shuttle } from "../scenes/shuttle.js";
import { Subtitles } from "../scenes/subtitles.js";
import { setUpTransport } from "../scenes/transport.js";

const player = $("#player");
const playAll = $("#play-all");
const SKIP_DELAY = 2500; // milliseconds before a scene that cannot be played is skipped
const USUAL_RATE = 25; // frames per second to step by until the film's own are known

function getText(scene, selector) {
  return $(selector, scene)?.textContent.trim() ?? "";
}

function load(video, scene) {
  const address = scene?.dataset.clip;
  if (!address) video.removeAttribute("src");
  else if (video.getAttribute("src") !== address) video.src = address;
}

class BoardPlayer {
  constructor() {
    this.videos = $$("video", player);
    [this.next, this.shown] = this.videos;
    this.scenes = [];
    this.at = 0;
    this.clock = null; // of the film shown
    this.seek = $("#seek", player);
    const { videos } = this;
    this.subtitles = new Subtitles($("#subtitle-choice", player), $(".subtitles", player), videos);
    const getVideo = () => this.shown;
    this.shuttle = new Shuttle({
      getVideo,
      play: () => this.shown.play(),
      pause: () => this.shown.pause(),
      getStart: () => 0,
      output: $("#speed", player),
    });
    const box = $(".full-screen", player);
    const { subtitles } = this;
    this.mute = setUpTransport(box, { videos, getVideo, toggle: () => this.toggle() });
    this.toggleFullScreen = setUpFullScreen(box, $("#large", player), {
      videos,
      getVideo,
      subtitles,
    });
    for (const video of videos) this.listenTo(video);
    this.seek.addEventListener("input", () => {
      this.shown.currentTime = Number(this.seek.value);
    });
  }

  listenTo(video) {
    const whenShown = (act) => () => video === this.shown && this.scenes.length && act();
    video.preload = "auto";
    video.addEventListener("click", () => this.toggle());
    video.addEventListener(
      "loadeddata",
      whenShown(() => this.showLoading()),
    );
    video.addEventListener(
      "ended",
      whenShown(() => this.go(1)),
    );
    video.addEventListener(
      "error",
      whenShown(() => video.getAttribute("src") && this.skipFailed()),
    );
    for (const name of ["timeupdate", "durationchange"]) {
      video.addEventListener(
        name,
        whenShown(() => this.showTime()),
      );
    }
  }

  open(scenes) {
    this.scenes = scenes;
    this.show(0);
    player.showModal();
    $("#play", player).focus();
  }

  close() {
    this.scenes = [];
    clearTimeout(this.skipTimer);
    this.shuttle.stop();
    this.subtitles.load(this.shown, "");
    for (const video of this.videos) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
  }

  // --- the scenes ------------------------------------------------------------------------------

  show(at) {
    clearTimeout(this.skipTimer);
    this.shuttle.stop();
    this.at = at;
    [this.shown, this.next] = [this.next, this.shown];
    this.next.pause();
    load(this.shown, this.scenes[at]);
    const picture = $("img", this.scenes[at]);
    $(".player-still", player).src = picture.currentSrc || picture.src;
    this.showLoading();
    this.shown.hidden = false;
    this.next.hidden = true;
    this.shown.currentTime = 0;
    this.shown.play().catch(() => {}); // the error event reports it
    load(this.next, this.scenes[at + 1]);
    this.loadDetails();
    this.showDetails(Boolean(this.shown.error));
    if (this.shown.error) this.skipFailed();
  }

  // While a clip is made, its still is shown.
  showLoading() {
    const isLoading = this.shown.readyState < HTMLMediaElement.HAVE_CURRENT_DATA;
    $(".player-screen", player).classList.toggle("waiting", isLoading && !this.shown.error);
  }

  async loadDetails() {
    this.clock = null;
    const { clip } = this.scenes[this.at].dataset;
    const details = await this.subtitles.load(this.shown, clip.replace(/\.mp4.*/, "/tracks"));
    if (!details) return;
    this.clock = new Clock(details);
    this.first = Number(details.first);
    this.showTime();
  }

  showDetails(failed) {
    const scene = this.scenes[this.at];
    const note = $(".player-note", player);
    const written = $(".note-form textarea", scene)?.value ?? getText(scene, ".note-text");
    $(".player-number", player).textContent = `${this.at + 1}/${this.scenes.length}`;
    $(".player-title", player).textContent = getText(scene, ".title");
    $(".player-time", player).textContent = getText(scene, ".in-out span");
    note.textContent = failed ? note.dataset.failed : written;
    $("[data-go='-1']", player).disabled = this.at === 0;
    $("[data-go='1']", player).disabled = this.at === this.scenes.length - 1;
  }

  // Show another scene; after the last one the player closes.
  go(by) {
    const at = this.at + by;
    if (at >= this.scenes.length) player.close();
    else if (at >= 0) this.show(at);
  }

  skipFailed() {
    this.showLoading();
    this.showDetails(true);
    this.skipTimer = setTimeout(() => this.go(1), SKIP_DELAY);
  }

  // --- within a scene --------------------------------------------------------------------------

  get rate() {
    return this.clock?.rate ?? USUAL_RATE;
  }

  get frame() {
    return Math.floor(this.shown.currentTime * this.rate + 0.25);
  }

  showTime() {
    const { currentTime, duration } = this.shown;
    const time = this.clock
      ? this.clock.timecode(this.first + this.frame)
      : formatSeconds(currentTime);
    $("#playhead-time", player).textContent = time;
    this.seek.max = duration || 1;
    this.seek.value = currentTime;
    this.seek.setAttribute("aria-valuetext", time);
  }

  toggle() {
    const isMoving = !this.shown.paused || this.shuttle.timer;
    this.shuttle.stop();
    if (isMoving) this.shown.pause();
    else this.shown.play();
  }

  step(frames) {
    this.shuttle.stop();
    this.shown.pause();
    const frame = Math.max(0, this.frame + frames);
    this.shown.currentTime = Math.min((frame + 0.5) / this.rate, this.shown.duration || 0);
  }

  jump(seconds) {
    this.shown.currentTime = Math.max(0, this.shown.currentTime + seconds);
  }
}

if (player && playAll) {
  const board = new BoardPlayer();
  const KEYS = {
    " ": () => board.toggle(),
    k: () => board.toggle(),
    j: () => board.shuttle.backward(),
    l: () => board.shuttle.forward(),
    ",": () => board.step(-1),
    ".": () => board.step(1),
    ArrowLeft: () => board.jump(-1),
    ArrowRight: () => board.jump(1),
    "Shift+ArrowLeft": () => board.go(-1),
    "Shift+ArrowRight": () => board.at + 1 < board.scenes.length && board.go(1),
    m: () => board.mute(),
    f: () => board.toggleFullScreen(),
    v: () => board.subtitles.toggle(),
  };
  KEYS.p = KEYS["Shift+ArrowLeft"];
  KEYS.n = KEYS["Shift+ArrowRight"];

  playAll.addEventListener("click", () => {
    const scenes = $$(".board-scene");
    if (scenes.length) board.open(scenes);
  });
  player.addEventListener("click", (event) => {
    const button = event.target.closest("[data-go]");
    if (button?.dataset.go === "0") player.close();
    else if (button) board.go(Number(button.dataset.go));
  });
  // A click on the picture takes the focus out of the dialog.
  document.addEventListener("keydown", (event) => {
    if (player.open) handlePlayerKey(event, KEYS, player);
  });
  player.addEventListener("close", () => board.close());
}
