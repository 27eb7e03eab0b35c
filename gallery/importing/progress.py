"""The progress of imports, and estimates of the remaining time."""

from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.films.film_job import MAX_ATTEMPTS
from gallery.films.models import Film
from gallery.importing.models import ShotDetection
from gallery.media import shots
from gallery.transcripts import reading
from gallery.transcripts.models import TextReading

MIN_FRACTION_FOR_ESTIMATE = 0.02  # of the frames, for a useful estimate of the time left


@dataclass(frozen=True, slots=True)
class Progress:
    """State, frames done and expected, and the seconds left (None while unknown).

    `note` is a problem of a searchable film, `activity` a background job that works on it; both are
    sentences for admins.
    """

    state: str
    label: str
    done: int
    expected: int
    seconds_left: float | None
    error: str
    note: str = ""
    activity: str = ""

    @property
    def is_embedding(self) -> bool:
        """Whether frames are left, so that the part that is done says how far the import is."""
        return self.done < self.expected

    @property
    def part(self) -> float:
        """Return the fraction that is done, 0 to 1."""
        if self.state == Film.State.READY:
            return 1.0
        return min(1.0, self.done / self.expected) if self.expected else 0.0


def progress_of(film: Film) -> Progress:
    """Read a film's progress from its rows."""
    if film.state == Film.State.READY:
        done = expected = film.frame_count
    else:
        done, expected = film.frames_done(), film.frames_expected()
    detection, text_reading = _detection(film), _text_reading(film)
    left = None
    if (
        film.state == Film.State.IMPORTING
        and film.started
        and expected * MIN_FRACTION_FOR_ESTIMATE < done < expected
    ):
        spent = (timezone.now() - film.started).total_seconds()
        left = spent / done * max(0, expected - done)
    return Progress(
        state=film.state,
        label=_label(film, done, expected),
        done=done,
        expected=expected,
        seconds_left=left,
        error=film.error,
        note=_note(film, detection, text_reading),
        activity=_activity(detection, text_reading),
    )


def _label(film: Film, done: int, expected: int) -> str:
    """Return what is being done, for admins and visitors."""
    if film.state == Film.State.IMPORTING and done >= expected > 0:
        return _("finding shots")
    return str(film.get_state_display())


def _detection(film: Film) -> ShotDetection | None:
    """Return the running detection of a ready film's shots; None when there is none."""
    if film.state != Film.State.READY or film.shots_version == shots.VERSION:
        return None
    return ShotDetection.objects.filter(
        film=film, run=film.searchable_run or 0, version=shots.VERSION
    ).first()


def _text_reading(film: Film) -> TextReading | None:
    """Return the running reading of text in a ready film's pictures; None when there is none."""
    if film.state != Film.State.READY or not film.reads_text or not settings.READ_TEXT:
        return None
    run = film.searchable_run or 0
    if (film.text_run, film.text_version) == (run, reading.VERSION):
        return None
    found = TextReading.objects.filter(film=film, run=run, version=reading.VERSION)
    return found.select_related("film").first()


def _note(film: Film, detection: ShotDetection | None, text_reading: TextReading | None) -> str:
    """Return a problem of a searchable film, or ""."""
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
    if text_reading is not None and text_reading.attempts >= MAX_ATTEMPTS:
        return _(
            "Reading the text in the pictures failed. What was read before is still searched. "
            "“Read text again” on the film's page in the admin tries again. See the worker log for "
            "details."
        )
    return ""


def _activity(detection: ShotDetection | None, text_reading: TextReading | None) -> str:
    """Return what a background job does with a searchable film, or ""."""
    if detection is not None and detection.attempts < MAX_ATTEMPTS:
        return _("Detecting shots: %(percent)d%%") % {"percent": int(100 * detection.part)}
    if text_reading is not None and text_reading.attempts < MAX_ATTEMPTS:
        return _("Reading text: %(percent)d%%") % {"percent": int(100 * text_reading.part)}
    return ""
