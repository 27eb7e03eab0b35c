"""Start child processes, watch them, and leave none behind.

Every child has a session of its own, so that Ctrl-C at the terminal reaches only the launcher,
which then stops them in order. On Linux the kernel stops them, too, when the launcher is killed,
and gives it the orphans of its children, so that even those are found.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LOG_LIMIT = 5_000_000  # bytes; a longer log is put aside at the next start
LINES_SHOWN = 15


class Interrupted(BaseException):
    """Ctrl-C, or a request to end: raised wherever the launcher is."""


class ChildDied(Exception):  # noqa: N818 - an event
    """A child that should run for ever has ended. The message shows the end of its log."""


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """A running child. The `foundation` is stopped after all others, which need it to stop well."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None
    grace: float
    foundation: bool


def tail(log: Path, lines: int = LINES_SHOWN) -> str:
    """The last lines of a log, indented."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def descendants() -> list[int]:
    """Every process below this one (Linux)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                stat = (entry / "stat").read_text(errors="replace")
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


class Children:
    """The children of one launcher. Use as a context manager: its end stops them all."""

    def __init__(self, log_dir: Path, environment: Mapping[str, str], folder: Path) -> None:
        self._log_dir = log_dir
        self._environment = dict(environment)
        self._folder = folder
        self._running: list[Child] = []
        self._stopping = False
        self._stop_asked_at = 0.0
        self._forced = False
        self._not_ours: set[int] = set()  # children that this process had before

    # --- signals --------------------------------------------------------------------------------

    def __enter__(self) -> "Children":
        self._log_dir.mkdir(parents=True, exist_ok=True)
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        self._not_ours = set(descendants()) if LINUX else set()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # One Ctrl-C may arrive twice (from the terminal and from make): only a later one forces.
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

    def _spawn(self, command: Sequence[str], extra: Mapping[str, str], log: Path | None) -> Child:
        launcher = os.getpid()

        def in_child() -> None:
            end_with_parent()
            if os.getppid() != launcher:
                os._exit(1)

        if log is not None and log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log is not None else None
            process = subprocess.Popen(
                list(command),
                cwd=self._folder,
                env={**self._environment, **extra},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                preexec_fn=in_child,  # noqa: PLW1509 - the launcher has one thread
            )
        child = Child("", process, log, 5.0, False)
        self._running.append(child)
        return child

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        grace: float = 10.0,
        foundation: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a child that runs until it is stopped; its output goes to a log of its name."""
        child = self._spawn(command, extra or {}, self._log_dir / f"{name}.log")
        child.name, child.grace, child.foundation = name, grace, foundation
        return child

    def run(self, name: str, command: Sequence[str], extra: Mapping[str, str] | None = None) -> int:
        """Run a command to its end with its output on the terminal. Returns its exit code."""
        child = self._spawn(command, extra or {}, None)
        child.name = name
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.process.wait(timeout=0.2)
                self._running.remove(child)
                return code
            self.check()

    # --- watching -------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise ChildDied when one of the children that should be running is not."""
        for child in self._running:
            code = child.process.poll()
            if code is not None and child.log is not None:
                raise ChildDied(
                    f"The {child.name} ended by itself ({describe_exit(code)}). The last lines of "
                    f"{child.log}:\n{tail(child.log)}"
                )

    def wait_until(self, ready: Callable[[], bool], patience: float) -> bool:
        """Ask `ready` until it says yes (True) or the patience is over (False)."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            self.check()
            if ready():
                return True
            time.sleep(0.1)
        return False

    def watch(self) -> None:
        """Wait for ever: until a child dies or somebody wants us to stop."""
        while True:
            self.check()
            time.sleep(0.5)

    # --- stopping -------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop all children, the foundation last, and whatever they left behind."""
        for group in (
            [child for child in reversed(self._running) if not child.foundation],
            [child for child in reversed(self._running) if child.foundation],
        ):
            for child in group:
                with contextlib.suppress(ProcessLookupError):
                    child.process.terminate()
            told_at = time.monotonic()
            for child in sorted(group, key=lambda child: child.grace):
                self._see_off(child, told_at + child.grace)
        self._running.clear()
        self._kill_orphans()

    def _see_off(self, child: Child, end: float) -> None:
        """Wait for a child that was told to stop, and kill its group when it takes too long."""
        while child.process.poll() is None and time.monotonic() < end and not self._forced:
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def _kill_orphans(self) -> None:
        """Kill what children left behind in sessions of their own, a decoder for example."""
        if not LINUX:
            return
        for _ in range(20):
            left = [pid for pid in descendants() if pid not in self._not_ours]
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.05)
