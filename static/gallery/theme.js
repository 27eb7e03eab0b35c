// Set the chosen theme before the first paint. The admin uses the same storage key.
try {
  document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";
} catch {
  document.documentElement.dataset.theme = "auto";
}
document.documentElement.classList.add("script");
