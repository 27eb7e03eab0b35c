// Playing the whole film if the browser supports its codec. A positive answer of the browser is not
// reliable: some play the sound of films whose pictures they cannot decode.

const NO_PICTURE = 4; // MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED

// `link` is the URL of the film's file; null without permission to play it.
export function setUpWholeFilm(link, { video, time, begin, end }) {
  const state = { isPlaying: false };
  if (!link) return state;
  const label = link.querySelector("span");
  const originalLabel = label.textContent;

  function leave(message = "") {
    if (!state.isPlaying) return;
    state.isPlaying = false;
    video.controls = false;
    video.replaceChildren();
    label.textContent = originalLabel;
    end(message);
  }

  function refuse() {
    leave(link.dataset.unknown);
  }

  video.addEventListener("error", () => {
    if (state.isPlaying && video.error?.code === NO_PICTURE) refuse();
  });
  video.addEventListener("loadedmetadata", () => {
    if (state.isPlaying && !video.videoWidth) refuse();
  });

  link.addEventListener("click", (event) => {
    event.preventDefault();
    if (state.isPlaying) {
      leave();
      return;
    }
    begin();
    state.isPlaying = true;
    label.textContent = link.dataset.back;
    if (!link.dataset.type || !video.canPlayType(link.dataset.type)) {
      refuse();
      return;
    }
    const captions = document.getElementById("captions");
    if (captions) video.append(captions.content.cloneNode(true));
    video.controls = true;
    video.src = `${link.href.split("#")[0]}#t=${time().toFixed(3)}`;
    video.muted = false;
    video.play().catch(() => {}); // the error event reports it
  });
  return state;
}
