"""The memory of an installation while 20 large pictures are sent at the same time.

The resident memory of the largest web process and of the largest decoder is sampled; their sum is
the cost of a web process together with its decoder.
"""

import tempfile
import threading
import time
import urllib.error
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pillow_heif
from django.conf import settings
from PIL import Image

from benchmarks.common import make_environment
from benchmarks.memory import START_TIMEOUT, is_healthy, run_installation, search_picture
from imgsearch.local.children import descendants

AT_ONCE = 20
SIDE = 7700  # pixels: almost MAX_PICTURE_PIXELS
POLL_SECONDS = 0.03
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "PNG, transparent": ("PNG", "RGBA", {}),
    "PNG, 16 bit grey": ("PNG", "I;16", {}),
    "JPEG, CMYK": ("JPEG", "CMYK", {}),
    "JPEG, CMYK, progressive": ("JPEG", "CMYK", {"progressive": True}),
    "TIFF, transparent": ("TIFF", "RGBA", {"compression": "tiff_lzw"}),
    "HEIC": ("HEIF", "RGB", {}),
    "AVIF": ("AVIF", "RGB", {"speed": 10}),
    "GIF": ("GIF", "P", {}),
    "WebP, transparent": ("WEBP", "RGBA", {"lossless": True, "method": 0}),
}


def main() -> None:
    """Print a line for each kind of picture."""
    pillow_heif.register_heif_opener()
    with tempfile.TemporaryDirectory() as name:
        environment = make_environment(Path(name), settings.DEMO_MODEL_DIR)
        environment["CLIP_PRECISION"] = "fp32"
        with run_installation(environment):
            end = time.monotonic() + START_TIMEOUT
            while not is_healthy(int(environment["PORT"])):
                if time.monotonic() > end:
                    raise SystemExit("The installation does not start.")
                time.sleep(1)
            for title, (kind, mode, how) in KINDS.items():
                buffer = BytesIO()
                Image.new(mode, (SIDE, SIDE)).save(buffer, kind, **how)
                measure(title, f"http://127.0.0.1:{environment['PORT']}", buffer.getvalue())


def measure(title: str, address: str, picture: bytes) -> None:
    """Send a picture many times in parallel, and print the peak memory and the responses."""
    peaks: Counter[str] = Counter()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(POLL_SECONDS):
            web, decoder = (largest(word) for word in (b"imgsearch.wsgi", b"picture_decoder"))
            for name, now in (("web", web), ("decoder", decoder), ("sum", web + decoder)):
                peaks[name] = max(peaks[name], now)

    def send(_number: int) -> int:
        try:
            search_picture(address, picture)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(send, range(AT_ONCE)))
    done.set()
    watcher.join()
    print(
        f"{title:24} {len(picture) / 1000:7.0f} kB  MB: {dict(peaks)}  {dict(answers)}", flush=True
    )


def largest(word: bytes) -> int:
    """Return the memory (MB, resident) of the largest process with a word in its command line."""
    sizes = [0]
    for pid in descendants():
        with suppress(OSError):
            if word in Path(f"/proc/{pid}/cmdline").read_bytes():
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                sizes.append(pages * 4096 // 1_000_000)
    return max(sizes)
