"""Mixed use for hours while processes are killed; at the end the library must be complete.

It starts an installation as `make run` does, with its own folder, and uses it over HTTP: imports,
searches, clips, boards, exports, deletions. It kills a worker every five minutes, and Redis twice.

    python -m benchmarks soak [--minutes N] [--users N] [--keep FOLDER]
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import soak_load
from benchmarks.common import make_environment
from benchmarks.soak_processes import (
    ROLES,
    find_processes,
    memory_by_role,
    processes_by_role,
)

ROOT = Path(__file__).resolve().parent.parent
DEMO_MODEL = ROOT / "demo" / "model"
START_TIMEOUT = 300.0  # seconds until the installation answers
SETTLE_TIMEOUT = 600.0  # seconds after the load in which all imports and exports must end
SAMPLE_SECONDS = 15.0  # between two samples of the memory
WORKER_KILL_SECONDS = 300.0
REDIS_KILLS = (1 / 3, 2 / 3)  # of the whole time
MAX_GROWTH = 1.05  # of memory, from the second fifth of the time to the last


def main(options: Sequence[str] = ()) -> None:
    """Run it and print the figures; exit with 1 on any problem."""
    given = parse(options)
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = make_environment(folder.absolute(), DEMO_MODEL)
        environment["IMPORT_DEMO"] = "1"
        # All users have the same address.
        environment |= dict.fromkeys(("SEARCH_RATE", "CLIP_RATE", "BOARD_RATE", "API_RATE"), "")
        command = [sys.executable, "-m", "benchmarks.soak", *options]
        sys.exit(subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode)


def parse(options: Sequence[str]) -> argparse.Namespace:
    """Parse the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="the folder of the installation")
    return parser.parse_args(options)


def measure(given: argparse.Namespace) -> int:
    """Start the installation, use it, stop it. Return the exit code."""
    seconds = given.minutes * 60
    log = Path(os.environ["VAR_DIR"]) / "launcher.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with run_installation(log) as launcher:
        wait_until_up(launcher)
        site = soak_load.Site(int(os.environ["PORT"]))
        stop = threading.Event()
        sampler = Sampler(launcher.pid)
        faults = Faults(launcher.pid, site, seconds)
        work: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
            (sampler.run, (stop,)),
            (faults.run, (stop,)),
            (soak_load.import_and_delete, (site, stop)),
            *((soak_load.use, (site, number, stop)) for number in range(given.users)),
        ]
        threads = [threading.Thread(target=do, args=what, daemon=True) for do, what in work]
        for thread in threads:
            thread.start()
        watch(launcher, seconds, site, faults)
        stop.set()
        for thread in threads:
            thread.join(120)
        print("the load has ended; waiting for imports and exports", flush=True)
        wrong = [text for text in [soak_load.settle(SETTLE_TIMEOUT)] if text]
        library = check_library()
        if library.returncode:
            wrong.append("the library is not whole")
        if launcher.poll() is not None:
            wrong.append("the launcher ended")
    left = find_processes(os.environ["VAR_DIR"])
    if left:
        wrong.append(f"processes left: {left}")
    wrong += report(site, faults, sampler)
    print(f"\n{library.stdout.strip()}{library.stderr.strip()}\n")
    print("\n".join(f"WRONG: {one}" for one in wrong) or "All is as it must be.", flush=True)
    return 1 if wrong else 0


@contextlib.contextmanager
def run_installation(log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the installation during the block."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "imgsearch.local"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def wait_until_up(launcher: "subprocess.Popen[bytes]") -> None:
    """Wait until everything has started: the admin's login is created last."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model

    end = time.monotonic() + START_TIMEOUT
    login = Path(os.environ["VAR_DIR"]) / "admin-login.txt"
    admins = get_user_model().objects.filter(is_superuser=True)
    while not (login.exists() and admins.exists()):
        if launcher.poll() is not None or time.monotonic() > end:
            raise SystemExit("The installation does not start.")
        time.sleep(0.5)


def watch(
    launcher: "subprocess.Popen[bytes]", seconds: float, site: soak_load.Site, faults: "Faults"
) -> None:
    """Wait for the end of the load, and print the progress."""
    started_at = time.monotonic()
    while (gone := time.monotonic() - started_at) < seconds and launcher.poll() is None:
        time.sleep(min(60.0, seconds - gone))
        minutes = (time.monotonic() - started_at) / 60
        print(
            f"{minutes:5.1f} of {seconds / 60:.0f} min: {site.total()} requests, "
            f"{site.failed()} failed, {site.imported} films imported, {site.deleted} deleted, "
            f"{len(faults.done)} processes killed",
            flush=True,
        )


class Sampler:
    """Samples the memory of each kind of process."""

    def __init__(self, launcher: int) -> None:
        self.launcher = launcher
        self.samples: list[dict[str, float]] = []

    def run(self, stop: threading.Event) -> None:
        """Sample until stopped."""
        while not stop.wait(SAMPLE_SECONDS):
            self.samples.append(memory_by_role(self.launcher))

    def growth(self, role: str) -> tuple[float, float]:
        """Return the median MiB of a role in the second and in the last fifth of the time."""
        sizes = [sample.get(role, 0.0) for sample in self.samples]
        fifth = max(1, len(sizes) // 5)
        early, late = sorted(sizes[fifth : 2 * fifth] or [0.0]), sorted(sizes[-fifth:] or [0.0])
        return early[len(early) // 2], late[len(late) // 2]


class Faults:
    """Kills a worker every few minutes, and Redis twice."""

    def __init__(self, launcher: int, site: soak_load.Site, seconds: float) -> None:
        self.launcher = launcher
        self.site = site
        workers = [
            ("worker", at * WORKER_KILL_SECONDS)
            for at in range(1, int(seconds / WORKER_KILL_SECONDS) + 1)
        ]
        redis = [("redis", part * seconds) for part in REDIS_KILLS]
        self.plan = sorted(workers + redis, key=lambda item: item[1])
        self.done: list[str] = []

    def run(self, stop: threading.Event) -> None:
        """Follow the plan until stopped."""
        started_at, rng = time.monotonic(), random.Random(0)
        for role, at in self.plan:
            if stop.wait(max(0.0, started_at + at - time.monotonic())):
                return
            found = processes_by_role(self.launcher).get(role, [])
            if not found:
                print(f"no {role} to kill", flush=True)
                continue
            self.site.note_fault()
            victim = rng.choice(found)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            self.done.append(role)


def check_library() -> "subprocess.CompletedProcess[str]":
    """Return the output of the command `check_library`."""
    command = [sys.executable, "manage.py", "check_library", "--draft-age", "30"]
    time.sleep(30)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def report(site: soak_load.Site, faults: Faults, sampler: Sampler) -> list[str]:
    """Print the figures. Return the problems."""
    wrong = [f"{site.failed()} requests failed: {site.failures[:10]}"] if site.failed() else []
    print("\n| request | answers |\n|---|---|")
    for kind, statuses in site.table().items():
        print(f"| {kind} | {', '.join(f'{status}: {n}' for status, n in statuses.items())} |")
    print(f"\nfilms imported: {site.imported}, deleted: {site.deleted}")
    print(f"killed: {', '.join(f'{faults.done.count(role)} {role}' for role in ROLES)}")
    print("\n| memory (PSS, median) | second fifth | last fifth | |\n|---|---|---|---|")
    for role in ROLES:
        early, late = sampler.growth(role)
        print(f"| {role} | {early:.0f} MiB | {late:.0f} MiB | {late / max(early, 1) - 1:+.1%} |")
        if role in ("web", "worker") and late > early * MAX_GROWTH:
            wrong.append(f"memory of {role} grew")
    return wrong


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")
    sys.exit(measure(parse(sys.argv[1:])))
