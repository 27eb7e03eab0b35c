"""How far an import is, and how long it will take."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.models import Film

FIRST_GUESS = 0.02  # of the frames must be done before a guess is worth showing


@dataclass(frozen=True, slots=True)
class Progress:
    """Stage, frames done of how many, and the seconds left (None while nobody can tell).

    `note` is a sentence about a film that can be searched all the same."""

    state: str
    label: str
    done: int
    expected: int
    seconds_left: float | None
    error: str
    note: str = ""

    @property
    def part(self) -> float:
        """How much is done, 0 to 1."""
        if self.state == Film.State.READY:
            return 1.0
        return min(1.0, self.done / self.expected) if self.expected else 0.0


def progress_of(film: Film) -> Progress:
    """Read a film's progress from its rows."""
    if film.state == Film.State.READY:
        done = expected = film.frame_count
    else:
        done, expected = film.frames_done(), film.frames_expected()
    left = None
    if film.state == Film.State.IMPORTING and film.started and done > expected * FIRST_GUESS:
        spent = (timezone.now() - film.started).total_seconds()
        left = spent / done * max(0, expected - done)
    return Progress(
        state=film.state,
        label=str(film.get_state_display()),
        done=done,
        expected=expected,
        seconds_left=left,
        error=film.error,
        note=_note(film),
    )


def _note(film: Film) -> str:
    """What an admin should know of a film that can be searched."""
    if film.state != Film.State.READY or film.has_source:
        return ""
    return _(
        "The film's file is missing. Its scenes can be found but not played. Upload the same file "
        "again: it takes its place."
    )
