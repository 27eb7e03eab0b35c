// A board: scenes are dragged to their places, by mouse and by touch.

import { $$, htmx } from "../dom.js";

// --- dragging ------------------------------------------------------------------------------------

const LIFT = 6; // pixels that the pointer moves before a scene is lifted
const EDGE = 80; // pixels from the window's edge within which the page scrolls along

let drag = null;

function otherScenes() {
  return $$(".board-scene").filter((scene) => scene !== drag.scene);
}

// The scene nearest to the pointer, and whether the dragged one goes in front of it.
function targetAt(x, y) {
  let best = null;
  for (const scene of otherScenes()) {
    const box = scene.getBoundingClientRect();
    const apart = Math.hypot(
      Math.max(box.left - x, 0, x - box.right),
      Math.max(box.top - y, 0, y - box.bottom),
    );
    if (best && best.apart <= apart) continue;
    const alone = box.width > scene.parentElement.clientWidth * 0.6;
    const before = alone ? y < box.top + box.height / 2 : x < box.left + box.width / 2;
    best = { scene, before, apart };
  }
  return best;
}

function clearMarks() {
  for (const scene of $$(".goes-before, .goes-after")) {
    scene.classList.remove("goes-before", "goes-after");
  }
}

function follow() {
  const x = drag.x - drag.fromX;
  const y = drag.y - drag.fromY + window.scrollY - drag.scroll;
  drag.scene.style.setProperty("--by-x", `${x}px`);
  drag.scene.style.setProperty("--by-y", `${y}px`);
  clearMarks();
  drag.target = targetAt(drag.x, drag.y);
  drag.target?.scene.classList.add(drag.target.before ? "goes-before" : "goes-after");
}

// How far the pointer is beyond the part of the window where nothing scrolls; above is negative.
function beyond() {
  const below = Math.max(0, drag.y - (window.innerHeight - EDGE));
  return below || Math.min(0, drag.y - EDGE);
}

function scrollAlong() {
  if (!drag?.lifted) return;
  const far = beyond();
  // Lifted at an edge, a scene is not meant to go there: only when the pointer comes back.
  if (far === 0) drag.scrolls = true;
  else if (drag.scrolls) {
    window.scrollBy(0, Math.max(-EDGE, Math.min(far, EDGE)) / 4);
    follow();
  }
  requestAnimationFrame(scrollAlong);
}

function lift() {
  drag.lifted = true;
  drag.scene.classList.add("lifted");
  document.documentElement.classList.add("dragging");
  requestAnimationFrame(scrollAlong);
}

function letGoOf(scene) {
  clearMarks();
  document.documentElement.classList.remove("dragging");
  scene.classList.remove("lifted");
  scene.style.removeProperty("--by-x");
  scene.style.removeProperty("--by-y");
}

// The scene goes in front of the one with this id; 0: to the end of the page's scenes.
function send(scene, target) {
  const next = target.before ? target.scene : target.scene.nextElementSibling;
  if (next === scene || target.scene === scene) return;
  const form = scene.querySelector(".place");
  target.scene.insertAdjacentElement(target.before ? "beforebegin" : "afterend", scene);
  const after = next?.dataset.scene ?? form.closest(".storyboard").dataset.next;
  htmx.ajax("POST", form.getAttribute("hx-post"), {
    source: form,
    target: "#scenes",
    swap: "innerHTML",
    values: { before: after },
  });
}

document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest(".grip");
  if (!grip || event.button !== 0) return;
  event.preventDefault();
  document.activeElement?.blur(); // a note that is being written is kept before the scenes move
  grip.setPointerCapture(event.pointerId);
  drag = {
    scene: grip.closest(".board-scene"),
    lifted: false,
    target: null,
    pointer: event.pointerId,
    fromX: event.clientX,
    fromY: event.clientY,
    x: event.clientX,
    y: event.clientY,
    scroll: window.scrollY,
    scrolls: false,
  };
});

document.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drag?.pointer) return;
  drag.x = event.clientX;
  drag.y = event.clientY;
  if (!drag.lifted && Math.hypot(drag.x - drag.fromX, drag.y - drag.fromY) > LIFT) lift();
  if (drag.lifted) follow();
});

function end(keep) {
  if (!drag) return;
  const { scene, target, lifted } = drag;
  drag = null;
  if (!lifted) return;
  letGoOf(scene);
  if (keep && target) send(scene, target);
}

document.addEventListener("pointerup", () => end(true));
document.addEventListener("pointercancel", () => end(false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") end(false);
});

// --- a typed place takes effect at once ----------------------------------------------------------

let byEnter = false; // then the browser sends the form itself, after `change`

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  byEnter = true;
  setTimeout(() => (byEnter = false));
});
document.addEventListener("change", (event) => {
  if (byEnter || !event.target.matches(".place input[type=number]")) return;
  event.target.form.requestSubmit();
});
