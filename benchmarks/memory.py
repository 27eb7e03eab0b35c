"""The memory of an installation started as by `make run`, and how soon it answers.

The model is a ViT-B/16 with random weights. The second start is measured, because the first one
prepares the database, the static files and the model.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import make_environment, random_b16
from benchmarks.film import FILM
from benchmarks.lengthen import lengthen
from benchmarks.soak_processes import mebibytes, read_proc
from imgsearch.local.__main__ import WEB_ENVIRONMENT
from imgsearch.local.children import descendants
from imgsearch.local.port import http_get

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 300.0  # seconds until the web server answers
POLL_SECONDS = 0.05
FILM_SECONDS = 5.0
# The kinds of processes, and a word in their command lines.
PROCESSES = {
    "web (master, servers)": b"gunicorn",
    "worker (main, pool)": b"\0worker\0",
    "beat": b"\0beat\0",
    "Redis": b"redis-server",
    "launcher": b"imgsearch.local",
}
# Ignore proxies of the environment.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main() -> None:
    """Print the figures of both starts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        random_b16(folder / "model")
        environment = make_environment(folder / "var", folder / "model")
        for start in ("first", "second"):
            film = folder / f"{start}.mp4"
            lengthen(FILM, film, FILM_SECONDS + (start == "second"), 480)  # no film twice
            print(f"{start} start", flush=True)
            measure(environment, film)


def measure(environment: dict[str, str], film: Path) -> None:
    """Start the installation, use it, print the figures, and stop it."""
    address = f"http://127.0.0.1:{environment['PORT']}"
    started_at = time.perf_counter()
    with run_installation(environment) as launcher:
        while not is_healthy(int(environment["PORT"])):
            if launcher.poll() is not None or time.perf_counter() - started_at > START_TIMEOUT:
                raise SystemExit("The installation does not start.")
            time.sleep(POLL_SECONDS)
        report("until the web server answers", started_at)
        for which in ("first", "second"):
            started_at = time.perf_counter()
            OPENER.open(f"{address}/?q={which}+dog").read()
            report(f"{which} search for words", started_at)
        started_at = time.perf_counter()
        search_picture(address, (ROOT / "docs" / "frame.png").read_bytes())
        report("search for a picture", started_at)
        command = [sys.executable, "manage.py", "import_film", str(film), "--wait"]
        subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
        print_memory()
        time.sleep(float(WEB_ENVIRONMENT["CLIP_IDLE_SECONDS"]) + 5)
        print("  and when nobody has searched with a picture for a minute:")
        print_memory()


def report(what: str, started_at: float) -> None:
    """Print a duration."""
    print(f"  {what:28} {time.perf_counter() - started_at:6.2f} s", flush=True)


@contextmanager
def run_installation(environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the installation during the block."""
    command = [sys.executable, "-m", "imgsearch.local"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def is_healthy(port: int) -> bool:
    """Return whether an installation answers on this port."""
    try:
        return http_get("127.0.0.1", port, "/healthz")[0] == 200
    except OSError:
        return False


def search_picture(address: str, picture: bytes) -> None:
    """Send a picture and search for similar frames."""
    boundary = "picture"
    head = 'Content-Disposition: form-data; name="picture"; filename="picture.png"'
    body = f"--{boundary}\r\n{head}\r\nContent-Type: image/png\r\n\r\n".encode()
    request = urllib.request.Request(
        f"{address}/api/v1/pictures",
        data=body + picture + f"\r\n--{boundary}--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    token = json.load(OPENER.open(request))["picture"]
    OPENER.open(f"{address}/?picture={token}").read()


def print_memory() -> None:
    """Print the memory of each kind of process: total, main process, others by size."""
    for name, word in PROCESSES.items():
        ids = [pid for pid in descendants() if word in read_proc(pid, "cmdline")]
        main, *others = [mebibytes(pid) for pid in sorted(ids)]
        sizes = [main, *sorted(others, reverse=True)]
        listed = " + ".join(f"{size:.0f}" for size in sizes)
        print(f"  {name:28} {sum(sizes):6.0f} MiB = {listed}", flush=True)
