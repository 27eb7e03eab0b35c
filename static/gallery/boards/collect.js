// Collecting: the key `c`, the choice of a board in a dialog, and what is said afterwards.

import { $, closeOnBackdrop, failureMessage, isTyping, REQUEST_FAILURES } from "../dom.js";

const toast = document.getElementById("toast");
const chooser = document.getElementById("chooser");
const TOAST_TIME = 8000; // milliseconds

// --- c collects the scene that has the focus or is under the pointer, or the one of the page -----

function buttonOfScene() {
  const card = document.activeElement?.closest(".card") ?? $(".card:hover");
  return (
    card?.querySelector(".collect-button") ??
    $("main .collect:not(.card > .collect) .collect-button")
  );
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "c" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (isTyping(event.target) || chooser.open) return;
  const button = buttonOfScene();
  if (!button) return;
  event.preventDefault();
  button.click();
});

// --- what is said goes after a while, unless somebody reads it -----------------------------------

let clearing;

function clearLater() {
  clearTimeout(clearing);
  clearing = setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) clearLater();
    else toast.replaceChildren();
  }, TOAST_TIME);
}

function say(text) {
  const line = document.createElement("p");
  line.className = "toast-text bad";
  line.textContent = text;
  toast.replaceChildren(line);
  clearLater();
}

document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target === toast) clearLater();
});

// Nothing is shown as collected that is not: a failure is told, and the control stays as it was.
for (const failure of REQUEST_FAILURES) {
  document.addEventListener(failure, (event) => {
    if (event.detail.elt.closest("[hx-sync]")) say(failureMessage(event));
  });
}

// --- the boards to choose from open in a dialog --------------------------------------------------

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
