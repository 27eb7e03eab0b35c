// Several scenes at once: select cards with a check, Ctrl or Shift and click, the key x, Shift and
// arrows, or a long press, then add them to a board, download them or search for more like them.

import { $, $$, isTyping } from "../dom.js";

const LONG_PRESS = 450; // milliseconds
const MAX_MOVE = 10; // pixels that a finger may move during a long press

const bar = $("#selection");
const texts = bar.dataset;
const selected = new Map(); // a scene's "FILM SECOND START END" to its card's title
let anchor = null; // the scene from which a range extends

const cards = () => $$(".card[data-pick]");
const cardOf = (target) => target.closest?.(".card[data-pick]") ?? null;

// --- showing the selection -----------------------------------------------------------------------

function showCard(card) {
  const is = selected.has(card.dataset.pick);
  card.classList.toggle("is-selected", is);
  const button = $(".pick", card);
  button.setAttribute("aria-pressed", String(is));
  $(".use-word", button).textContent = is ? texts.selected : texts.select;
}

function decorate(card) {
  if ($(".pick", card)) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "pick";
  button.innerHTML = `<svg class="icon" width="20" height="20" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="m5 12.5 4.5 4.5L19 7.5"/></svg><span class="use-word" aria-hidden="true"></span>`;
  button.setAttribute("aria-label", `${texts.select}: ${$("img", card)?.alt ?? ""}`);
  $("a", card).after(button);
  showCard(card);
}

function decorateAll() {
  for (const card of cards()) {
    decorate(card);
    showCard(card);
  }
}

function show() {
  const scenes = [...selected.keys()];
  const count = scenes.length;
  const wasHidden = bar.hidden;
  bar.hidden = !count;
  document.documentElement.classList.toggle("selecting", count > 0);
  const text = count === 1 ? texts.one : texts.many.replace("{n}", count);
  // A status that appears with its text is not announced everywhere; it is filled afterwards.
  requestAnimationFrame(() => ($(".selection-count", bar).textContent = text));
  for (const field of $$("[name=scene]", bar)) field.remove();
  for (const scene of scenes) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "scene", value: scene });
    bar.append(field);
  }
  const like = $("#selection-like");
  const frames = scenes.slice(-Number(texts.most)).map((scene) => {
    const [film, second] = scene.split(" ");
    return `frame=${film}-${second}`;
  });
  like.href = `${like.pathname}?${frames.join("&")}`;
  if (wasHidden && count) bar.scrollTop = 0;
}

// --- changing it ---------------------------------------------------------------------------------

function select(card, is) {
  const scene = card.dataset.pick;
  if (is) selected.set(scene, true);
  else selected.delete(scene);
  anchor = scene;
  showCard(card);
}

function toggle(card) {
  select(card, !selected.has(card.dataset.pick));
  show();
}

// Select all cards between two, in the order of the page.
function selectRange(from, to) {
  const all = cards();
  const ends = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
  for (const card of all.slice(Math.max(0, ends[0]), ends[1] + 1)) select(card, true);
  anchor = from.dataset.pick;
  show();
}

function clear() {
  const last = cards().find((card) => card.dataset.pick === anchor);
  const hadFocus = bar.contains(document.activeElement);
  selected.clear();
  for (const card of cards()) showCard(card);
  show();
  if (hadFocus) (last ? $("a", last) : $("#main")).focus({ preventScroll: true });
}

const findAnchor = () => cards().find((card) => card.dataset.pick === anchor);

// --- mouse ---------------------------------------------------------------------------------------

document.addEventListener(
  "click",
  (event) => {
    const card = cardOf(event.target);
    if (!card || event.button !== 0) return;
    const onPick = event.target.closest(".pick");
    const onPicture = event.target.closest("a") === $("a", card);
    if (!onPick && !onPicture) return;
    const isKey = event.detail === 0; // Enter opens the scene
    const range = event.shiftKey && !isKey;
    const single = onPick || ((event.ctrlKey || event.metaKey || selected.size > 0) && !isKey);
    if (!range && !single) return;
    event.preventDefault();
    event.stopPropagation();
    if (range) selectRange(findAnchor() ?? card, card);
    else toggle(card);
  },
  true,
);

// --- touch: a long press -------------------------------------------------------------------------

let press = null;

function endPress() {
  if (press) clearTimeout(press.timer);
  press = null;
}

document.addEventListener("pointerdown", (event) => {
  endPress();
  const card =
    event.pointerType === "touch" && event.target.closest(".card a") && cardOf(event.target);
  if (!card) return;
  const timer = setTimeout(() => {
    press.isDone = true;
    toggle(card);
    navigator.vibrate?.(10);
  }, LONG_PRESS);
  press = { timer, x: event.clientX, y: event.clientY, isDone: false };
});
document.addEventListener("pointermove", (event) => {
  if (press && Math.hypot(event.clientX - press.x, event.clientY - press.y) > MAX_MOVE) endPress();
});
document.addEventListener("pointercancel", endPress);
// The browser's own menu of a link, and the click that ends the press.
document.addEventListener("contextmenu", (event) => {
  if (press && cardOf(event.target)) event.preventDefault();
});
window.addEventListener(
  "click",
  (event) => {
    if (press?.isDone) {
      event.preventDefault();
      event.stopPropagation();
    }
    endPress();
  },
  true,
);

// --- keyboard ------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if ($("dialog[open]")) return;
  if (event.key === "x" && !event.repeat) {
    const card = cardOf(document.activeElement) ?? $(".card[data-pick]:hover");
    if (!card) return;
    event.preventDefault();
    toggle(card);
  } else if (event.shiftKey && event.key.startsWith("Arrow")) {
    // keys.js has moved the focus.
    const [from, to] = [cardOf(event.target), cardOf(document.activeElement)];
    if (from && to && from !== to) selectRange(findAnchor() ?? from, to);
  }
});
// While scenes are selected, keys mean all of them: the buttons of the bar name theirs. Before other
// scripts, where they mean one scene, and Esc goes back.
window.addEventListener(
  "keydown",
  (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (!selected.size || $("dialog[open]")) return;
    const button = $(`[aria-keyshortcuts="${event.key}"]`, bar);
    if (!button) return;
    // In the player of a scene, letters are for the player.
    if (event.key === "m" && $("#scene") && !cardOf(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) button.click();
  },
  true,
);

// --- the bar, and pages that change --------------------------------------------------------------

$("#selection-clear").addEventListener("click", clear);
document.addEventListener("htmx:afterSwap", decorateAll);
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful || detail.requestConfig.path !== texts.collect) return;
  $("#chooser").close();
  if (!$("#toast .bad")) clear();
});
window.addEventListener("pageshow", decorateAll);
decorateAll();
