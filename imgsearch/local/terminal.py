"""What the person at the terminal reads: a line for each step, sentences instead of traces."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Refusal(Exception):  # noqa: N818 - it ends the command in order, with a sentence
    """The command cannot go on. The message says why, and what to type."""


def say(text: str = "") -> None:
    """Print a line at once, also into a pipe. A closed terminal or a full disk is no error."""
    with suppress(OSError):
        print(text, flush=True)


def warn(text: str) -> None:
    """Print a line to where errors go; like `say`, it never fails."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


class Step:
    """One line of the start: what is being done, and when it is, the outcome and the seconds."""

    def __init__(self, title: str) -> None:
        self._started = time.monotonic()
        self._line_is_open = True
        self.outcome = "done"
        with suppress(OSError):
            print(f"{title} ... ", end="", flush=True)

    def note(self, text: str) -> None:
        """Say something in between, on a line of its own."""
        self.let_others_print()
        say(f"  {text}")

    def let_others_print(self) -> None:
        """End the line, because a child is about to print its own progress."""
        if self._line_is_open:
            say()
            self._line_is_open = False

    def finish(self) -> None:
        """Print the outcome and how long it took."""
        indent = "" if self._line_is_open else "  "
        say(f"{indent}{self.outcome} ({time.monotonic() - self._started:.1f} s)")


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Announce a step and, when its block ends, its outcome."""
    current = Step(title)
    try:
        yield current
    except BaseException:
        current.let_others_print()
        raise
    current.finish()
