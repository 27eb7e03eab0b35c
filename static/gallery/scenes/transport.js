// The buttons of a player for playing and for the sound.

import { $ } from "../dom.js";

// `box` holds the buttons. Returns the function that mutes and unmutes.
export function setUpTransport(box, { videos, getVideo, toggle }) {
  const playButton = $("#play", box);
  const sound = $("#sound", box);

  function showPlaying() {
    const { paused } = getVideo();
    playButton.setAttribute("aria-pressed", String(!paused));
    $(".unseen", playButton).textContent = playButton.dataset[paused ? "play" : "pause"];
  }

  function mute() {
    const muted = !getVideo().muted;
    for (const video of videos) video.muted = muted;
  }

  for (const video of videos) {
    for (const name of ["play", "pause", "emptied"]) video.addEventListener(name, showPlaying);
    video.addEventListener("volumechange", () =>
      sound?.setAttribute("aria-pressed", String(!getVideo().muted)),
    );
  }
  playButton.addEventListener("click", toggle);
  sound?.addEventListener("click", mute);
  return mute;
}
