"""Starts and restarts child processes, and leaves no orphans behind.

Each child has its own session, so Ctrl-C at the terminal reaches only the launcher, which then
stops them in order. On Linux, the kernel also stops them when the launcher is killed, and makes the
launcher the parent of orphaned grandchildren, so that it can kill them.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from imgsearch.local.terminal import warn

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
MAX_LOG_BYTES = 5_000_000  # per log; one older log per child is kept
MAX_LOG_LINES = 15
RESTART_DELAYS = (
    1.0,
    2.0,
    4.0,
    8.0,
    16.0,
    32.0,
    60.0,
)  # seconds before each restart; then the launcher gives up
MIN_FREE_BYTES_TO_RUN = 1_000_000  # with less, deaths are blamed on the disk and do not count
HEALTHY_SECONDS = 180.0  # uptime after which earlier deaths do not count


class Interrupted(BaseException):
    """Raised in the launcher on SIGINT, SIGTERM and SIGHUP."""


class ChildDied(Exception):  # noqa: N818 - an event
    """A child died too often. The message shows the end of its log."""


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """A process started by the launcher.

    With `stop_last`, it is stopped after all others, which depend on it. A child with a log is
    restarted when it dies; one without is a command that runs once.
    """

    name: str
    command: Sequence[str]
    extra: Mapping[str, str]
    process: subprocess.Popen[bytes]
    log: Path | None = None
    grace: float = 5.0
    stop_last: bool = False
    started_at: float = 0.0
    deaths: int = 0  # in a row
    restart_at: float | None = None  # set while a restart is scheduled


def is_disk_full(folder: Path) -> bool:
    """Return whether the disk of `folder` is full."""
    return shutil.disk_usage(folder).free < MIN_FREE_BYTES_TO_RUN


def rotate_log(log: Path) -> None:
    """Move the content of a long log to `NAME.log.1`, even while a process appends to it.

    On a full disk, the content is dropped. Lines written at the same moment may be lost.
    """
    with contextlib.suppress(OSError):
        if log.stat().st_size <= MAX_LOG_BYTES:
            return
        with contextlib.suppress(OSError):
            shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def open_log(log: Path) -> IO[bytes]:
    """Open a log for appending. On errors, return /dev/null instead."""
    try:
        return log.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def tail(log: Path, lines: int = MAX_LOG_LINES) -> str:
    """Return the last lines of a log, indented."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def describe_exit(code: int) -> str:
    """Describe an exit code."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def descendants(spared: Collection[int] = ()) -> list[int]:
    """Return all descendants of this process except `spared` and their descendants (Linux)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                stat = (entry / "stat").read_text(errors="replace")
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [os.getpid()]
    while todo:
        below = [pid for pid in children.get(todo.pop(), []) if pid not in spared]
        found += below
        todo += below
    return found


def direct_children() -> set[int]:
    """Return the children of this process (Linux); cheap enough for polling."""
    pid = os.getpid()
    try:
        return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return set(descendants())


class Children:
    """The children of the launcher, a context manager that stops them at its end."""

    def __init__(
        self,
        log_dir: Path,
        environment: Mapping[str, str],
        folder: Path,
        restart_delays: Sequence[float] = RESTART_DELAYS,
        healthy_seconds: float = HEALTHY_SECONDS,
    ) -> None:
        self._log_dir = log_dir
        self._environment = dict(environment)
        self._folder = folder
        self._restart_delays = restart_delays
        self._healthy_seconds = healthy_seconds
        self._running: list[Child] = []
        self._restarts = False
        self._stopping = False
        self._stop_asked_at = 0.0
        self._forced = False
        self._not_ours: set[int] = set()  # descendants that existed before

    # --- signals --------------------------------------------------------------------------------

    def __enter__(self) -> "Children":
        self._log_dir.mkdir(parents=True, exist_ok=True)
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        self._not_ours = set(descendants()) if LINUX else set()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # One Ctrl-C may arrive twice, from the terminal and from make. Only a later one kills.
        if self._stopping:
            if number == signal.SIGINT and time.monotonic() - self._stop_asked_at > 1:
                self._forced = True
            return
        self._stopping = True
        self._stop_asked_at = time.monotonic()
        raise Interrupted

    def __exit__(self, *_error: object) -> None:
        self._stopping = True
        self.stop()

    # --- starting -------------------------------------------------------------------------------

    def _spawn(
        self, command: Sequence[str], extra: Mapping[str, str], log: Path | None
    ) -> subprocess.Popen[bytes]:
        launcher = os.getpid()

        def in_child() -> None:
            end_with_parent()
            if os.getppid() != launcher:
                os._exit(1)

        with contextlib.ExitStack() as stack:
            output = stack.enter_context(open_log(log)) if log is not None else None
            return subprocess.Popen(
                list(command),
                cwd=self._folder,
                env={**self._environment, **extra},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                preexec_fn=in_child,  # noqa: PLW1509 - the launcher has one thread
            )

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        grace: float = 10.0,
        stop_last: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a child that runs until it is stopped; its output goes to `name`.log."""
        log, extra = self._log_dir / f"{name}.log", extra or {}
        process = self._spawn(command, extra, log)
        child = Child(name, command, extra, process, log, grace, stop_last, time.monotonic())
        self._running.append(child)
        return child

    def run(self, name: str, command: Sequence[str], extra: Mapping[str, str] | None = None) -> int:
        """Run a command with its output on the terminal. Return its exit code."""
        extra = extra or {}
        child = Child(name, command, extra, self._spawn(command, extra, None))
        self._running.append(child)
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.process.wait(timeout=0.2)
                self._running.remove(child)
                return code
            self.check()

    # --- watching -------------------------------------------------------------------------------

    def enable_restarts(self) -> None:
        """Restart children that die from now on. Before, a death means that the start failed."""
        self._restarts = True

    def check(self) -> None:
        """Restart children that died, and rotate logs. Raises ChildDied when one died too often."""
        now = time.monotonic()
        for child in self._running:
            if child.log is not None:
                rotate_log(child.log)
            if child.restart_at is not None:
                if now >= child.restart_at:
                    self._restart(child)
            elif child.log is not None and child.process.poll() is not None:
                self._plan_restart(child, child.log, now)
        self._kill_orphans()

    def _plan_restart(self, child: Child, log: Path, now: float) -> None:
        how = describe_exit(child.process.returncode)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        if not self._restarts:
            raise ChildDied(
                f"The {child.name} process stopped during the start ({how}). The last lines of "
                f"{log}:\n{tail(log)}"
            )
        child.deaths = 1 if now - child.started_at >= self._healthy_seconds else child.deaths + 1
        if is_disk_full(self._log_dir):
            child.deaths = min(child.deaths, len(self._restart_delays))
        if child.deaths > len(self._restart_delays):
            raise ChildDied(
                f"The {child.name} process stopped {child.deaths} times in a row (now: {how}) and "
                f"is not restarted again. The last lines of {log}:\n{tail(log)}"
            )
        pause = self._restart_delays[child.deaths - 1]
        child.restart_at = now + pause
        text = f"The {child.name} process stopped unexpectedly ({how}); restarting in {pause:g} s."
        warn(f"{text} Its log: {log}")
        with contextlib.suppress(OSError), open_log(log) as file:
            file.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode())

    def _restart(self, child: Child) -> None:
        self._kill_orphans()
        try:
            child.process = self._spawn(child.command, child.extra, child.log)
        except OSError as error:  # for example, no memory
            child.restart_at = time.monotonic() + self._restart_delays[-1]
            warn(f"The {child.name} process cannot be started now: {error}. Trying again.")
            return
        child.started_at, child.restart_at = time.monotonic(), None
        warn(f"The {child.name} process has been restarted.")

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> bool:
        """Poll `ready` for up to `timeout` seconds. Return whether it became true."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.check()
            if ready():
                return True
            time.sleep(0.1)
        return False

    def watch(self) -> None:
        """Keep the children running until a signal, or until one died too often."""
        while True:
            self.check()
            time.sleep(0.5)

    # --- stopping -------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop all children in order, then kill the processes they left behind."""
        for group in (
            [child for child in reversed(self._running) if not child.stop_last],
            [child for child in reversed(self._running) if child.stop_last],
        ):
            for child in group:
                with contextlib.suppress(ProcessLookupError):
                    child.process.terminate()
            terminated_at = time.monotonic()
            for child in sorted(group, key=lambda child: child.grace):
                self._wait_or_kill(child, terminated_at + child.grace)
        self._running.clear()
        self._kill_orphans()

    def _wait_or_kill(self, child: Child, end: float) -> None:
        """Wait for a terminated child until `end`, then kill its process group."""
        if child.restart_at is not None:
            return  # it died, and its group was killed then
        while child.process.poll() is None and time.monotonic() < end and not self._forced:
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def _kill_orphans(self) -> None:
        """Kill processes that dead children left in other sessions, FFmpeg for example."""
        if not LINUX:
            return
        spared = self._not_ours | {child.process.pid for child in self._running}
        for _ in range(20):
            if direct_children() <= spared:
                return
            for pid in descendants(spared):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            for pid in direct_children() - spared:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.05)
