// The whole film, for browsers that know how it is stored; they are asked, and believed late: some
// play the sound of a film whose pictures they do not know.

const NO_PICTURE = 4; // MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED

// `link` leads to the film's own file; without leave to play it there is none.
export function wholeFilm(link, { video, time, begin, end }) {
  const state = { is: false };
  if (!link) return state;
  const words = link.querySelector("span");
  const offered = words.textContent;

  function leave(message = "") {
    if (!state.is) return;
    state.is = false;
    video.controls = false;
    video.replaceChildren();
    words.textContent = offered;
    end(message);
  }

  function refuse() {
    leave(link.dataset.unknown);
  }

  video.addEventListener("error", () => {
    if (state.is && video.error?.code === NO_PICTURE) refuse();
  });
  video.addEventListener("loadedmetadata", () => {
    if (state.is && !video.videoWidth) refuse();
  });

  link.addEventListener("click", (event) => {
    event.preventDefault();
    if (state.is) {
      leave();
      return;
    }
    begin();
    state.is = true;
    words.textContent = link.dataset.back;
    if (!link.dataset.type || !video.canPlayType(link.dataset.type)) {
      refuse();
      return;
    }
    const captions = document.getElementById("captions");
    if (captions) video.append(captions.content.cloneNode(true));
    video.controls = true;
    video.src = `${link.href.split("#")[0]}#t=${time().toFixed(3)}`;
    video.muted = false;
    video.play().catch(() => {}); // what fails is told by its error event
  });
  return state;
}
