// A board: reordering scenes by mouse and touch.

import { $$, htmx, isComposing } from "../dom.js";

// --- dragging ------------------------------------------------------------------------------------

const LIFT_DISTANCE = 6; // pixels of movement before a drag starts
const SCROLL_EDGE = 80; // pixels from the window's edge within which the page scrolls

let drag = null;

function getOtherScenes() {
  return $$(".board-scene").filter((scene) => scene !== drag.scene);
}

// The scene nearest to the pointer, and whether the dragged one goes before it.
function findTarget(x, y) {
  let best = null;
  for (const scene of getOtherScenes()) {
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

function moveDragged() {
  const x = drag.x - drag.fromX;
  const y = drag.y - drag.fromY + window.scrollY - drag.scroll;
  drag.scene.style.setProperty("--by-x", `${x}px`);
  drag.scene.style.setProperty("--by-y", `${y}px`);
  clearMarks();
  drag.target = findTarget(drag.x, drag.y);
  drag.target?.scene.classList.add(drag.target.before ? "goes-before" : "goes-after");
}

// How far the pointer is inside the scrolling edge: negative at the top, positive at the bottom.
function measureOverflow() {
  const below = Math.max(0, drag.y - (window.innerHeight - SCROLL_EDGE));
  return below || Math.min(0, drag.y - SCROLL_EDGE);
}

function scrollAtEdge() {
  if (!drag?.lifted) return;
  const far = measureOverflow();
  // A drag that starts at an edge scrolls only after the pointer has left the edge.
  if (far === 0) drag.scrolls = true;
  else if (drag.scrolls) {
    window.scrollBy(0, Math.max(-SCROLL_EDGE, Math.min(far, SCROLL_EDGE)) / 4);
    moveDragged();
  }
  requestAnimationFrame(scrollAtEdge);
}

function lift() {
  drag.lifted = true;
  drag.scene.classList.add("lifted");
  document.documentElement.classList.add("dragging");
  requestAnimationFrame(scrollAtEdge);
}

function drop(scene) {
  clearMarks();
  document.documentElement.classList.remove("dragging");
  scene.classList.remove("lifted");
  scene.style.removeProperty("--by-x");
  scene.style.removeProperty("--by-y");
}

// Move a scene before or after the target, here and on the server.
function sendOrder(scene, target) {
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
  document.activeElement?.blur(); // saves a note before the scenes move
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
  if (!drag.lifted && Math.hypot(drag.x - drag.fromX, drag.y - drag.fromY) > LIFT_DISTANCE) lift();
  if (drag.lifted) moveDragged();
});

function endDrag(keep) {
  if (!drag) return;
  const { scene, target, lifted } = drag;
  drag = null;
  if (!lifted) return;
  drop(scene);
  if (keep && target) sendOrder(scene, target);
}

document.addEventListener("pointerup", () => endDrag(true));
document.addEventListener("pointercancel", () => endDrag(false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") endDrag(false);
});

// --- a note that was typed before htmx was ready is saved, too -----------------------------------

const saveEarlyNotes = () => {
  for (const field of $$(".note-form textarea")) {
    if (field.value !== field.defaultValue) htmx.trigger(field, "change");
  }
};
document.addEventListener("htmx:load", saveEarlyNotes, { once: true });

// --- a typed position is submitted at once -------------------------------------------------------

let isEnterPressed = false; // then the browser submits the form after `change`

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || isComposing(event)) return;
  isEnterPressed = true;
  setTimeout(() => (isEnterPressed = false));
});
document.addEventListener("change", (event) => {
  if (isEnterPressed || !event.target.matches(".place input[type=number]")) return;
  event.target.form.requestSubmit();
});
