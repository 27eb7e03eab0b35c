// Pointing at a scene or at a frame of a film strip plays its thumbnails, one a second of film.
// They exist already, so nothing is decoded. Not on touch screens, with reduced motion, or when
// the browser is to save data.

import { $, $$ } from "../dom.js";

const DELAY = 250; // milliseconds of pointing before it starts
const PER_FRAME = 450; // milliseconds
const MAX_FRAMES = 10;

const isWanted = () =>
  matchMedia("(hover: hover) and (prefers-reduced-motion: no-preference)").matches &&
  !navigator.connection?.saveData;

// The start and end in seconds of what a link shows.
function findSpan(link) {
  const scene = link.closest("[data-pick]")?.dataset.pick.split(" ").map(Number);
  if (scene) return [scene[2], scene[3]];
  const strip = $$("a", link.closest(".film-strip"));
  const part = Number(link.closest(".glance").dataset.duration) / strip.length;
  const at = strip.indexOf(link);
  return [at * part, (at + 1) * part];
}

// Whole seconds within a span, evenly spread. A thumbnail is of the first frame in its second.
function pickSeconds([start, end]) {
  const first = Math.ceil(start);
  const count = Math.floor(end - 0.1) - first + 1;
  const shown = Math.min(count, MAX_FRAMES);
  return Array.from(
    { length: Math.max(0, shown) },
    (_, n) => first + Math.floor((n * count) / shown),
  );
}

function load(address) {
  const picture = new Image();
  picture.src = address;
  return picture.decode().then(() => picture);
}

const wait = (time) => new Promise((done) => setTimeout(done, time));

let current = null; // the link that is pointed at

async function play(link) {
  await wait(DELAY);
  const still = $("img", link);
  const base = still?.getAttribute("src").match(/^(.*\/)\d+\.jpg$/)?.[1];
  const seconds = base ? pickSeconds(findSpan(link)) : [];
  if (current !== link || seconds.length < 2) return;
  const layer = still.cloneNode();
  for (const name of ["srcset", "sizes", "loading", "id"]) layer.removeAttribute(name);
  layer.alt = "";
  layer.className = "playing";
  try {
    for (let n = 0; current === link && link.isConnected; n = (n + 1) % seconds.length) {
      const next = await load(`${base}${seconds[n]}-320.jpg`);
      if (current !== link) break;
      layer.src = next.src;
      if (!layer.isConnected) still.after(layer);
      await wait(PER_FRAME);
    }
  } catch {
    // A frame is missing: the scene's own picture stays.
  }
  layer.remove();
}

const findLink = (target) =>
  target.closest?.(".card[data-pick]")?.querySelector("a") ?? target.closest?.(".film-strip a");

document.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "mouse") return;
  const link = findLink(event.target) ?? null;
  if (link === current) return;
  current = link;
  if (link && isWanted()) play(link);
});
document.addEventListener("pointerleave", () => (current = null));
