// Runs before the page is shown. The admin stores the theme under the same key.
try {
  document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";
} catch {
  document.documentElement.dataset.theme = "auto";
}
document.documentElement.classList.add("script");

// Buttons do nothing before the page's modules have run: keep the last click until then.
let clicked;
const keepClick = (event) => {
  const button = event.target.closest?.('button[type="button"]');
  if (!button) return;
  event.stopImmediatePropagation();
  clicked = button;
};
document.addEventListener("click", keepClick, true);
document.addEventListener("DOMContentLoaded", () => {
  document.removeEventListener("click", keepClick, true);
  setTimeout(() => clicked?.click());
});
