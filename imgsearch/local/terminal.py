"""Terminal output of the launcher: a line for each step, messages instead of tracebacks."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class LauncherError(Exception):
    """The launcher cannot continue. The message says why and what to do."""


def say(text: str = "") -> None:
    """Print and flush a line. Errors of the terminal, pipe or disk are ignored."""
    with suppress(OSError):
        print(text, flush=True)


def warn(text: str) -> None:
    """Print a line to stderr; errors are ignored as in `say`."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


class Step:
    """One line of output: a step, and when it has ended, its outcome and duration."""

    def __init__(self, title: str) -> None:
        self._started = time.monotonic()
        self._line_is_open = True
        self.outcome = "done"
        with suppress(OSError):
            print(f"{title} ... ", end="", flush=True)

    def note(self, text: str) -> None:
        """Print a message on its own line while the step runs."""
        self.end_line()
        say(f"  {text}")

    def end_line(self) -> None:
        """End the line, because a child is about to print its progress."""
        if self._line_is_open:
            say()
            self._line_is_open = False

    def finish(self) -> None:
        """Print the outcome and the duration."""
        indent = "" if self._line_is_open else "  "
        say(f"{indent}{self.outcome} ({time.monotonic() - self._started:.1f} s)")


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Print a step and, when the block ends, its outcome."""
    current = Step(title)
    try:
        yield current
    except BaseException:
        current.end_line()
        raise
    current.finish()
