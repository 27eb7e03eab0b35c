// Going back from a scene to where it was opened.

import { $, hasModifier } from "../dom.js";

const link = $(".trail .back");

export function goBack() {
  if (document.fullscreenElement) {
    document.exitFullscreen();
    return;
  }
  const plain = (url) => {
    const there = new URL(url, location);
    there.searchParams.delete("page");
    return there.pathname + there.search;
  };
  // Going back restores the loaded results and the scroll position.
  if (document.referrer && link && plain(document.referrer) === plain(link.href)) history.back();
  else if (link) location.assign(link.href);
  else if (document.referrer.startsWith(location.origin)) history.back();
  else location.assign($(".about h1 a").href);
}

link?.addEventListener("click", (event) => {
  if (hasModifier(event)) return;
  event.preventDefault();
  goBack();
});
