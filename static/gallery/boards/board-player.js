// "Play all": the scenes of a board in order. While one plays, the next is loaded.

import { $, $$ } from "../dom.js";

const player = $("#player");
const playAll = $("#play-all");
const SKIP_DELAY = 2500; // milliseconds before a scene that cannot be played is skipped

let playing = null; // {scenes, at, shown, next, skip}

function getText(scene, selector) {
  return $(selector, scene)?.textContent.trim() ?? "";
}

function showDetails(failed) {
  const scene = playing.scenes[playing.at];
  const note = $(".player-note", player);
  const written = $(".note-form textarea", scene)?.value ?? getText(scene, ".note-text");
  $(".player-number", player).textContent = `${playing.at + 1}/${playing.scenes.length}`;
  $(".player-title", player).textContent = getText(scene, ".title");
  $(".player-time", player).textContent = getText(scene, ".in-out span");
  note.textContent = failed ? note.dataset.failed : written;
  $("[data-go='-1']", player).disabled = playing.at === 0;
  $("[data-go='1']", player).disabled = playing.at === playing.scenes.length - 1;
}

function load(video, scene) {
  const address = scene?.dataset.clip;
  if (!address) video.removeAttribute("src");
  else if (video.getAttribute("src") !== address) video.src = address;
}

function show(at) {
  clearTimeout(playing.skip);
  playing.at = at;
  [playing.shown, playing.next] = [playing.next, playing.shown];
  playing.next.pause();
  load(playing.shown, playing.scenes[at]);
  playing.shown.hidden = false;
  playing.next.hidden = true;
  playing.shown.currentTime = 0;
  playing.shown.play().catch(() => {}); // the error event reports it
  load(playing.next, playing.scenes[at + 1]);
  showDetails(Boolean(playing.shown.error));
  if (playing.shown.error) skip();
}

function step(by) {
  const at = playing.at + by;
  if (by === 0 || at >= playing.scenes.length) player.close();
  else if (at >= 0) show(at);
}

function skip() {
  playing.skip = setTimeout(() => step(1), SKIP_DELAY);
}

if (player && playAll) {
  const videos = $$("video", player);

  playAll.addEventListener("click", () => {
    const scenes = $$(".board-scene");
    if (!scenes.length) return;
    playing = { scenes, at: 0, shown: videos[1], next: videos[0], skip: 0 };
    player.showModal();
    show(0);
  });

  for (const video of videos) {
    video.preload = "auto";
    video.addEventListener("ended", () => {
      if (video === playing?.shown) step(1);
    });
    video.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
    video.addEventListener("error", () => {
      if (video !== playing?.shown || !video.getAttribute("src")) return;
      showDetails(true);
      skip();
    });
  }

  player.addEventListener("click", (event) => {
    const button = event.target.closest("[data-go]");
    if (button) step(Number(button.dataset.go));
  });
  player.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      step(event.key === "ArrowLeft" ? -1 : 1);
    } else if (event.key === " " && !event.target.closest("button")) {
      event.preventDefault();
      playing.shown.click();
    }
  });
  player.addEventListener("close", () => {
    clearTimeout(playing.skip);
    for (const video of videos) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
    playing = null;
  });
}
