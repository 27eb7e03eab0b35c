"""How far an import is, and how long it will take."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.films.models import MAX_ATTEMPTS, Film
from gallery.importing.models import ShotDetection
from gallery.media import shots

FIRST_GUESS = 0.02  # of the frames must be done before a guess is worth showing


@dataclass(frozen=True, slots=True)
class Progress:
    """Stage, frames done of how many, and the seconds left (None while nobody can tell).

    `note` is a sentence about something that is wrong with a film that can be searched all the
    same, `activity` one about what is done with such a film."""

    state: str
    label: str
    done: int
    expected: int
    seconds_left: float | None
    error: str
    note: str = ""
    activity: str = ""

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
    detection = _detection(film)
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
        note=_note(film, detection),
        activity=_activity(detection),
    )


def _detection(film: Film) -> ShotDetection | None:
    """How far the search for a ready film's shots is; None when it has not begun, or is done."""
    if film.state != Film.State.READY or film.shots_version == shots.VERSION:
        return None
    return ShotDetection.objects.filter(
        film=film, run=film.searchable_run or 0, version=shots.VERSION
    ).first()


def _note(film: Film, detection: ShotDetection | None) -> str:
    """What an admin should know of a film that can be searched."""
    if film.state != Film.State.READY:
        return ""
    if not film.has_source:
        return _(
            "The film file is missing. Its scenes can be found but not played. Upload the same "
            "file again to restore it."
        )
    if detection is not None and detection.attempts >= MAX_ATTEMPTS:
        return _(
            "Shot detection failed. The film keeps its current shots; re-import it to try "
            "again. See the worker log for details."
        )
    return ""


def _activity(detection: ShotDetection | None) -> str:
    """What is done with a film that can be searched."""
    if detection is None or detection.attempts >= MAX_ATTEMPTS:
        return ""
    return _("Detecting shots: %(percent)d%%") % {"percent": int(100 * detection.part)}
