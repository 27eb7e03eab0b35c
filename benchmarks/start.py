"""The seconds from a clean clone to the first search, by step.

Clones the last commit of the repository into a new folder and runs `make run` there.
"""

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from benchmarks.common import find_free_port

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 1800.0  # seconds
PHRASE = "a dog in the snow"


def _first_search(address: str) -> int:
    """Return how many hits the page of results shows. Raises OSError without a page."""
    with urllib.request.urlopen(f"{address}/?{urllib.parse.urlencode({'q': PHRASE})}") as page:
        return page.read().decode().count("/frames/")


def main() -> None:
    """Print each line of `make run` with its time, until a search is answered."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        started_at = time.perf_counter()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        port = find_free_port()
        environment = {
            k: v for k, v in os.environ.items() if k not in ("VAR_DIR", "DJANGO_SETTINGS_MODULE")
        }
        process = subprocess.Popen(
            ["make", "run"],
            cwd=clone,
            env=environment | {"PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(
                    f"{time.perf_counter() - started_at:7.1f} s  {line.rstrip()[:110]}", flush=True
                )
                if "Ctrl-C" in line or time.perf_counter() - started_at > START_TIMEOUT:
                    break
            hits = _first_search(f"http://127.0.0.1:{port}")
            seconds = round(time.perf_counter() - started_at, 1)
            print(json.dumps({"seconds to the first search": seconds, "links to frames": hits}))
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
