// Collecting: the key `c`, the dialog with boards, and messages.

import { $, closeOnBackdrop, failureMessage, isTyping, REQUEST_FAILURES } from "../dom.js";

const toast = document.getElementById("toast");
const chooser = document.getElementById("chooser");
const TOAST_DURATION = 8000; // milliseconds

// --- c collects the focused scene, else the one under the pointer, else that of the page ---------

function findButton() {
  const card = document.activeElement?.closest(".card") ?? $(".card:hover");
  return (
    card?.querySelector(".collect-button") ??
    $("main .collect:not(.card > .collect) .collect-button")
  );
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "c" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (isTyping(event.target) || chooser.open) return;
  const button = findButton();
  if (!button) return;
  event.preventDefault();
  button.click();
});

// --- messages disappear after a while, unless they are hovered or focused ------------------------

let clearTimer;

function clearLater() {
  clearTimeout(clearTimer);
  clearTimer = setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) clearLater();
    else toast.replaceChildren();
  }, TOAST_DURATION);
}

function show(line, ...actions) {
  line.classList.add("toast-text");
  toast.replaceChildren(line, ...actions);
  clearLater();
}

export function showError(text) {
  show(Object.assign(document.createElement("p"), { className: "bad", textContent: text }));
}

// `link` is {href, text}.
export function showMessage(text, link) {
  const line = Object.assign(document.createElement("p"), { textContent: text });
  const action = Object.assign(document.createElement("a"), { className: "toast-other" });
  show(line, Object.assign(action, { href: link.href, textContent: link.text }));
}

document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target === toast) clearLater();
});

// A failure is reported, and the control is unchanged.
for (const failure of REQUEST_FAILURES) {
  document.addEventListener(failure, (event) => {
    if (event.detail.elt.closest("[hx-sync]")) showError(failureMessage(event));
  });
}

// --- the dialog with boards ----------------------------------------------------------------------

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== chooser) return;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "plain close";
  close.textContent = chooser.dataset.close;
  close.addEventListener("click", () => chooser.close());
  chooser.append(close);
  if (!chooser.open) chooser.showModal();
});

closeOnBackdrop(chooser);
