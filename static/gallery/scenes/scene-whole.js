// Playing the whole film if the browser supports its codec. A positive answer of the browser is not
// reliable: some play the sound of films whose pictures they cannot decode.

import { $ } from "../dom.js";

const NO_PICTURE = 4; // MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED

// `link` is the URL of the film's file; null without permission to play it.
export function setUpWholeFilm(link, { video, clock, time, begin, blocked, end }) {
  const state = { isPlaying: false };
  if (!link) return state;
  const label = $("span", link);
  const originalLabel = label.textContent;
  const seek = $("#seek");

  function setPlaying(is) {
    state.isPlaying = is;
    seek.hidden = !is;
    label.textContent = is ? link.dataset.back : originalLabel;
  }

  function leave(message = "") {
    if (!state.isPlaying) return;
    setPlaying(false);
    end(message);
  }

  const refuse = () => leave(link.dataset.unknown);

  video.addEventListener("error", () => {
    if (state.isPlaying && video.error?.code === NO_PICTURE) refuse();
  });
  video.addEventListener("loadedmetadata", () => {
    if (state.isPlaying && !video.videoWidth) refuse();
  });
  video.addEventListener("timeupdate", () => {
    seek.value = video.currentTime;
    seek.setAttribute("aria-valuetext", clock.timecode(clock.frame(video.currentTime)));
  });
  seek.addEventListener("input", () => {
    video.currentTime = Number(seek.value);
  });

  link.addEventListener("click", (event) => {
    event.preventDefault();
    if (state.isPlaying) {
      leave();
      return;
    }
    begin();
    setPlaying(true);
    if (!link.dataset.type || !video.canPlayType(link.dataset.type)) {
      refuse();
      return;
    }
    video.src = `${link.href.split("#")[0]}#t=${time().toFixed(3)}`;
    video.muted = false;
    // Without a click on the page, browsers play no sound. The error event reports other failures.
    video.play().catch((error) => error.name === "NotAllowedError" && blocked());
  });
  return state;
}
