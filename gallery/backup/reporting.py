"""Shows the progress of a backup or a restore."""

import time
from collections.abc import Mapping
from io import TextIOBase

from tqdm import tqdm

LINE_SECONDS = 10.0  # between two lines of progress without a terminal
MIN_ESTIMATED = 0.01  # the part of a step that must be done before the time left is estimated
UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


class TerminalReporter:
    """Shows a progress bar with the time left; without a terminal, a line every few seconds."""

    def __init__(self, output: TextIOBase, errors: TextIOBase) -> None:
        self._output = output
        self._errors = errors
        self._is_terminal = errors.isatty()
        self._bar: tqdm | None = None
        self._title, self._total, self._done = "", 0, 0
        self._began_at = self._printed_at = 0.0

    def say(self, sentence: str) -> None:
        """Show a sentence."""
        self._output.write(f"{sentence}\n")

    def start(self, title: str, total: int) -> None:
        """Start a step of `total` bytes."""
        self._title, self._total, self._done = title, total, 0
        self._began_at = self._printed_at = time.monotonic()
        if self._is_terminal:
            self._bar = tqdm(total=total, desc=title, unit="B", unit_scale=True, file=self._errors)

    def advance(self, count: int) -> None:
        """Report that `count` more bytes of the step are done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._printed_at > LINE_SECONDS:
            self._printed_at = time.monotonic()
            self.say(self._line())

    def end(self) -> None:
        """End the step."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _line(self) -> str:
        line = f"{self._title}: {format_bytes(self._done)} of {format_bytes(self._total)}"
        left = self._total - self._done
        if left <= 0 or self._done < MIN_ESTIMATED * self._total:
            return line
        seconds = (time.monotonic() - self._began_at) * left / self._done
        return f"{line}, about {format_seconds(seconds)} left"


def format_bytes(count: int) -> str:
    """Format a size: 1.2 GB."""
    for factor, unit in UNITS:
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def format_seconds(seconds: float) -> str:
    """Format a duration: 40 seconds, 3 minutes."""
    if seconds < 100:
        return f"{max(1, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes"


def format_counts(counts: Mapping[str, int]) -> str:
    """Format counts: 1 film, 3 boards."""
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())
