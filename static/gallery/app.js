// What makes the pages pleasant. They work without it.

const $ = (selector, inside = document) => inside.querySelector(selector);
const isTyping = (target) => target.closest("input, textarea, select, video, [contenteditable]");

// --- theme: as the system has it, light, dark ---------------------------------------------------

const themeButton = $("button.theme");
const THEMES = ["auto", "light", "dark"];

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  themeButton.title = themeButton.dataset[theme];
  themeButton.setAttribute("aria-label", themeButton.dataset[theme]);
}

showTheme(document.documentElement.dataset.theme);
themeButton.addEventListener("click", () => {
  const now = THEMES.indexOf(document.documentElement.dataset.theme);
  const next = THEMES[(now + 1) % THEMES.length];
  showTheme(next);
  try {
    localStorage.setItem("theme", next);
  } catch {
    // Kept for this page only.
  }
});

// --- keys: / goes to the search box, arrows to the neighbouring frames ---------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "/") {
    const box = $("#q");
    if (!box) return;
    event.preventDefault();
    box.focus();
    box.select();
  } else if (event.key === "ArrowLeft") {
    $(".strip a[rel=prev]")?.click();
  } else if (event.key === "ArrowRight") {
    $(".strip a[rel=next]")?.click();
  }
});

// --- a picture: dropped anywhere, pasted, or chosen ----------------------------------------------

const pictureForm = $("#picture-form");

function searchWith(files) {
  const picture = [...files].find((file) => file.type.startsWith("image/"));
  if (!picture) return false;
  const carrier = new DataTransfer();
  carrier.items.add(picture);
  $("input[type=file]", pictureForm).files = carrier.files;
  pictureForm.requestSubmit();
  return true;
}

if (pictureForm) {
  const root = document.documentElement;
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  $("input[type=file]", pictureForm).addEventListener("change", () => pictureForm.requestSubmit());
  document.addEventListener("paste", (event) => {
    if (searchWith(event.clipboardData?.files ?? [])) event.preventDefault();
  });
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    root.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) root.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    root.classList.remove("dropping");
    if (!holdsFiles(event)) return;
    event.preventDefault();
    searchWith(event.dataTransfer.files);
  });
}

const byPicture = $(".by-picture");
document.addEventListener("click", (event) => {
  if (byPicture?.open && !byPicture.contains(event.target)) byPicture.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !byPicture?.open) return;
  byPicture.open = false;
  $("summary", byPicture).focus();
});

// --- forms: a choice of film takes effect at once; a search shows that it is under way -----------

$(".narrow select")?.addEventListener("change", (event) => event.target.form.requestSubmit());

const busy = (is) => document.documentElement.classList.toggle("busy", is);
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented && !event.target.hasAttribute("hx-get")) busy(true);
});
window.addEventListener("pageshow", () => busy(false));
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!event.detail.elt.closest("[data-quiet]")) busy(true);
});
document.addEventListener("htmx:afterRequest", () => busy(false));

// --- more hits: the first new one gets the focus; a failure is told ------------------------------

let lastCard = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  lastCard = event.detail.target.matches(".more") ? event.detail.target.previousElementSibling : null;
});
document.addEventListener("htmx:afterSettle", () => {
  const link = lastCard?.nextElementSibling && $("a", lastCard.nextElementSibling);
  lastCard = null;
  if (link && document.activeElement === document.body) link.focus({ preventScroll: true });
});
for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => {
    if (event.detail.elt.closest("[hx-sync], [data-quiet]")) return; // collect.js tells it
    const place = $("#probabilities") ?? $("#count");
    place.textContent = document.body.dataset.failed;
    place.scrollIntoView({ block: "nearest" });
    console.warn(failure, event.detail);
  });
}

// --- pictures fade in where they will stand ------------------------------------------------------

function fadeIn(inside) {
  for (const picture of inside.querySelectorAll(".still img")) {
    if (picture.complete) continue;
    picture.classList.add("coming");
    const come = () => picture.classList.remove("coming");
    picture.addEventListener("load", come, { once: true });
    picture.addEventListener("error", come, { once: true });
  }
}

fadeIn(document);
document.addEventListener("htmx:load", (event) => fadeIn(event.target));

// --- a scene plays where its still was ----------------------------------------------------------

const play = $("a.play");

if (play) {
  play.addEventListener("click", (event) => {
    event.preventDefault();
    const still = $(".screen > img");
    const video = document.createElement("video");
    Object.assign(video, {
      src: play.href, poster: still.currentSrc, controls: true, autoplay: true, loop: true,
      playsInline: true, className: "scene",
    });
    video.setAttribute("style", still.getAttribute("style"));
    video.setAttribute("aria-label", still.alt);
    video.addEventListener("error", () => {
      video.replaceWith(still);
      play.textContent = play.dataset.failed;
      play.hidden = false;
    });
    play.hidden = true;
    still.replaceWith(video);
    video.focus();
  });
}

// --- a citation is copied -----------------------------------------------------------------------

const copy = $("button.copy");

if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText($("#citation").value);
    copy.textContent = copy.dataset.copied;
  });
}
