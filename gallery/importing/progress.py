"""The progress of imports, and estimates of the remaining time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.core.stored_text import translate_stored
from gallery.films.film_job import MAX_ATTEMPTS, FilmJob, JobKind
from gallery.films.models import Film
from gallery.importing import shot_detection
from gallery.media import shots
from gallery.speech import model as speech_model
from gallery.transcripts import listening, reading

MIN_FRACTION_FOR_ESTIMATE = 0.02  # of the frames, for a useful estimate of the time left


@dataclass(frozen=True, slots=True)
class Progress:
    """State, frames done and expected, and the seconds left (None while unknown).

    `note` is a problem of a searchable film, `activity` a background job that works on it; both are
    sentences for admins. `is_away`: `note` says that the file cannot be reached.
    """

    state: str
    label: str
    done: int
    expected: int
    seconds_left: float | None
    error: str
    note: str = ""
    activity: str = ""
    is_away: bool = False

    @property
    def is_embedding(self) -> bool:
        """Whether frames are left to embed, so that `part` shows the progress of the import."""
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
    activities = list(_activities(film))
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
        error=translate_stored(film.error),
        note=_note(film, activities),
        activity=_describe(activities),
        is_away=film.is_away,
    )


def _label(film: Film, done: int, expected: int) -> str:
    """Return what is being done, for admins and visitors."""
    if film.state == Film.State.IMPORTING and done >= expected > 0:
        return _("finding shots")
    return str(film.get_state_display())


@dataclass(frozen=True, slots=True)
class _Activity:
    """A background job on a searchable film, running or failed, and the sentences for it."""

    job: FilmJob
    running: str
    failed: str

    @property
    def has_failed(self) -> bool:
        return self.job.attempts >= MAX_ATTEMPTS


def _activities(film: Film) -> Iterator[_Activity]:
    """Yield the background jobs on a ready film, in the order in which they are done."""
    if film.state != Film.State.READY:
        return
    run = film.searchable_run
    is_unread = film.reads_text and (film.text_run, film.text_version) != (run, reading.VERSION)
    is_unheard = film.hears_speech and (
        (film.speech_run, film.speech_version) != (run, listening.VERSION)
    )
    kinds: list[tuple[JobKind[Any], bool, str, str]] = [
        (
            shot_detection.JOB,
            film.shots_version != shots.VERSION,
            _("Detecting shots: %(percent)d%%"),
            _(
                "Shot detection failed. The film keeps its current shots; re-import it to try "
                "again. See the worker log for details."
            ),
        ),
        (
            reading.JOB,
            settings.READ_TEXT and is_unread,
            _("Reading text: %(percent)d%%"),
            _(
                "Reading the text in the pictures failed. What was read before is still "
                "searched. “Read text again” on the film's page in the admin tries again. See "
                "the worker log for details."
            ),
        ),
        (
            listening.JOB,
            is_unheard and speech_model.is_ready(),
            _("Recognising speech: %(percent)d%%"),
            _(
                "Recognising the speech failed. “Recognise speech again” on the film's page in "
                "the admin tries again. See the worker log for details."
            ),
        ),
    ]
    for kind, is_due, running, failed in kinds:
        job = kind.running_job(film) if is_due else None
        if job is not None:
            yield _Activity(job, running, failed)


def _note(film: Film, activities: Sequence[_Activity]) -> str:
    """Return a problem of a searchable film, or of one that waits for its file, or ""."""
    if film.is_away:
        return _(
            "The film file cannot be reached: the disk or network share of its library folder is "
            "not connected, or the file was removed. Its scenes can be found but not played. "
            "Reconnect the disk; the film then plays again."
        )
    if film.state != Film.State.READY:
        return ""
    if not film.has_source and film.files.is_link:
        return _(
            "The film file in the library folder has changed. The film will be re-imported once "
            "the file no longer changes."
        )
    if not film.has_source:
        return _(
            "The film file is missing. Its scenes can be found but not played. Upload the same "
            "file again to restore it."
        )
    return next((one.failed for one in activities if one.has_failed), "")


def _describe(activities: Sequence[_Activity]) -> str:
    """Return what a background job does with a searchable film, or ""."""
    for one in activities:
        if not one.has_failed:
            return one.running % {"percent": int(100 * one.job.part)}
    return ""
