// Helpers of several scripts: finding elements, keyboard events, htmx.

// htmx is a classic script that is loaded before the modules.
export const { htmx } = window;

export const $ = (selector, inside = document) => inside.querySelector(selector);
export const $$ = (selector, inside = document) => [...inside.querySelectorAll(selector)];

// Whether the element takes typed text.
export const isTyping = (target) =>
  target.closest(
    "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]",
  ) !== null;

// Whether a key belongs to an input method (IME): there Enter accepts the words, and arrows choose
// among them. In Safari the composition has already ended at that Enter, which has the code 229.
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

// Whether a click or a key is meant for the browser: open in a new tab, go back, copy.
export const hasModifier = (event) =>
  event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;

export const REQUEST_FAILURES = ["htmx:responseError", "htmx:sendError", "htmx:timeout"];

// Why a request failed: the message of the error page, if there is one.
export function failureMessage({ detail }) {
  const page = new DOMParser().parseFromString(detail.xhr?.responseText ?? "", "text/html");
  return page.getElementById("error-message")?.textContent ?? document.body.dataset.failed;
}

// A click on the backdrop closes a dialog.
export function closeOnBackdrop(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
