// The chosen theme, before anything is drawn. The admin keeps its own in the same place.
try {
  document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";
} catch {
  document.documentElement.dataset.theme = "auto";
}
document.documentElement.classList.add("script");
