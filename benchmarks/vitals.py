"""Web Vitals and page weights of a running installation, in Chromium.

    python -m benchmarks vitals [URL] [--words WORDS] [--runs N]

LCP, CLS and INP are measured on a phone of 390 x 844 with Slow 4G (Lighthouse's: 1.4 Mbit/s,
562 ms) and a processor four times slower: the median of several loads with an empty cache (of CLS
the worst). Weights are what the network carried, at 390 pixels with two densities and at 1440
pixels. It needs the packages of requirements-dev.txt, and Chromium.
"""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SCREENS: dict[str, dict[str, Any]] = {
    "390, density 3": {**PHONE, "device_scale_factor": 3},
    "390, density 2": {**PHONE, "device_scale_factor": 2},
    "1440": {"viewport": {"width": 1440, "height": 900}},
}
# Lighthouse's "Slow 4G" with DevTools throttling.
SLOW_4G = {
    "offline": False,
    "latency": 562.5,
    "downloadThroughput": 1_474_560 / 8,
    "uploadThroughput": 675_000 / 8,
}
CPU_SLOWDOWN = 4
SETTLE = 1500  # milliseconds without requests before a page is considered loaded

OBSERVE = """
window.vitals = {lcp: 0, what: "", cls: 0, inp: 0};
const observe = (type, use, more = {}) =>
  new PerformanceObserver((list) => list.getEntries().forEach(use))
    .observe({type, buffered: true, ...more});
observe("largest-contentful-paint", (one) => {
  vitals.lcp = one.startTime;
  vitals.what = one.element ? `${one.element.tagName} ${one.element.className}`.trim() : "";
});
observe("layout-shift", (one) => { if (!one.hadRecentInput) vitals.cls += one.value; });
observe("event", (one) => {
  if (one.interactionId) vitals.inp = Math.max(vitals.inp, one.duration);
}, {durationThreshold: 16});
"""


@dataclass(frozen=True, slots=True)
class Vitals:
    """LCP and INP in milliseconds, CLS, and the element of the LCP."""

    lcp: float
    cls: float
    inp: float
    what: str


def main(options: Sequence[str] = ()) -> None:
    """Print both tables."""
    # Not installed by `make install`.
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(prog="python -m benchmarks vitals")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--words", default="a dog")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args(options)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        pages = find_pages(browser, given.url.rstrip("/"), given.words)
        print_vitals(browser, pages, given.runs)
        print_weights(browser, pages)
        browser.close()


def find_pages(browser: "Browser", base: str, words: str) -> dict[str, str]:
    """Return the URLs of the pages to measure."""
    with open_page(browser, SCREENS["1440"]) as page:
        results = f"{base}/?q={words.replace(' ', '+')}"
        page.goto(results)
        scene = page.locator(".hits .card a").first.evaluate("(link) => link.href")
        film = f"{scene.split('/frames/')[0]}/?q={words.replace(' ', '+')}"
        return {"home": f"{base}/", "results": results, "scene": scene, "film": film}


@contextmanager
def open_page(browser: "Browser", screen: dict[str, Any]) -> Iterator["Page"]:
    """Yield a tab with an empty cache."""
    context = browser.new_context(**screen, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(120_000)
    yield page
    context.close()


def print_vitals(browser: "Browser", pages: dict[str, str], runs: int) -> None:
    """Measure each page `runs` times; print medians."""
    print("| page | LCP | CLS | INP | largest element |\n|---|---|---|---|---|")
    for name, url in pages.items():
        found = [measure_vitals(browser, url) for _run in range(runs)]
        print(
            f"| {name} | {median(one.lcp for one in found) / 1000:.2f} s"
            f" | {max(one.cls for one in found):.3f}"
            f" | {median(one.inp for one in found):.0f} ms | {found[0].what} |",
            flush=True,
        )


def measure_vitals(browser: "Browser", url: str) -> Vitals:
    """Load a page on a slow phone, scroll it, and use its controls."""
    with open_page(browser, SCREENS["390, density 2"]) as page:
        page.add_init_script(OBSERVE)
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_4G)
        session.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWDOWN})
        page.goto(url, wait_until="load")
        page.wait_for_timeout(SETTLE)
        lcp = page.evaluate("vitals.lcp")  # it is final before the first interaction
        page.mouse.wheel(0, 600)
        page.wait_for_timeout(SETTLE)
        page.locator("button.theme").tap()
        page.keyboard.press("?")
        page.keyboard.press("Escape")
        card = page.locator(".card a").first
        if card.count():
            card.focus()
            page.keyboard.press("x")
        page.wait_for_timeout(SETTLE)
        read = page.evaluate("vitals")
        return Vitals(lcp, read["cls"], read["inp"], read["what"])


def print_weights(browser: "Browser", pages: dict[str, str]) -> None:
    """Print what the first view of each page loads, without scrolling."""
    print("\n| page, screen | requests | thumbnails | all |\n|---|---|---|---|")
    for name, url in pages.items():
        for screen, settings in SCREENS.items():
            with open_page(browser, settings) as page:
                sizes: list[tuple[str, int]] = []
                session = page.context.new_cdp_session(page)
                session.send("Network.enable")
                urls: dict[str, str] = {}
                session.on(
                    "Network.responseReceived",
                    lambda one, urls=urls: urls.update({one["requestId"]: one["response"]["url"]}),
                )
                session.on(
                    "Network.loadingFinished",
                    lambda one, urls=urls, sizes=sizes: sizes.append(
                        (urls.get(one["requestId"], ""), int(one["encodedDataLength"]))
                    ),
                )
                page.goto(url, wait_until="load")
                page.wait_for_timeout(SETTLE)
                pictures = [size for one, size in sizes if "/thumbs/" in one]
                whole = sum(size for _url, size in sizes)
                print(
                    f"| {name}, {screen} | {len(sizes)} | {len(pictures)},"
                    f" {sum(pictures) / 1000:.0f} kB | {whole / 1000:.0f} kB |",
                    flush=True,
                )
