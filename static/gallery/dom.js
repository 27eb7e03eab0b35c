// What several scripts share: finding elements, telling keys apart, and htmx.

// htmx is a classic script that is loaded before the modules.
export const { htmx } = window;

export const $ = (selector, inside = document) => inside.querySelector(selector);
export const $$ = (selector, inside = document) => [...inside.querySelectorAll(selector)];

// Whether what is typed belongs to the element that has the focus.
export const isTyping = (target) =>
  target.closest(
    "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]",
  ) !== null;

// Whether a click or a key is meant for the browser: open in a new tab, go back, copy.
export const hasModifier = (event) =>
  event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;

export const REQUEST_FAILURES = ["htmx:responseError", "htmx:sendError", "htmx:timeout"];

// Why a request failed: the sentence of the error page that came, if one did.
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
