// Full screen with the controls of the page, which hide while a video plays and nothing is touched.

import { $ } from "../dom.js";

const IDLE_DELAY = 3000; // milliseconds

// `box` holds the picture and the controls. Returns the function that enters and leaves full screen.
export function setUpFullScreen(box, button, { videos, getVideo, subtitles }) {
  let idleTimer = 0;

  function toggle() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (box.requestFullscreen) box.requestFullscreen();
    else getVideo().webkitEnterFullscreen?.(); // iPhones have it for videos only
  }

  function wake() {
    clearTimeout(idleTimer);
    box.classList.remove("is-idle");
    if (document.fullscreenElement !== box) return;
    idleTimer = setTimeout(() => {
      box.classList.toggle("is-idle", !getVideo().paused && !box.querySelector(":focus-visible"));
    }, IDLE_DELAY);
  }

  button.addEventListener("click", toggle);
  document.addEventListener("fullscreenchange", () => {
    button.setAttribute("aria-pressed", String(document.fullscreenElement === box));
    box.style.setProperty("--controls", `${$(".controls", box).offsetHeight}px`);
    wake();
  });
  for (const name of ["pointermove", "pointerdown", "keydown"]) {
    document.addEventListener(name, wake);
  }
  for (const video of videos) {
    video.addEventListener("pause", wake);
    video.addEventListener("play", wake);
    video.addEventListener("webkitbeginfullscreen", () => subtitles.showNatively(true));
    video.addEventListener("webkitendfullscreen", () => subtitles.showNatively(false));
  }
  return toggle;
}
