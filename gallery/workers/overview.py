"""The status of an installation: its workers, queues, speed and last errors."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from gallery import tasks
from gallery.boards.models import Export
from gallery.clip import weights
from gallery.films.film_job import JobKind
from gallery.films.models import Film
from gallery.importing import reembedding, shot_detection
from gallery.transcripts import listening, reading
from gallery.workers import attempts, installation, records
from gallery.workers.models import Installation
from gallery.workers.records import RunningTask, WorkerRecord
from imgsearch.queues import DEFAULT_KINDS, KINDS

MAX_ERRORS = 10  # of each kind
NAMES_OF_KINDS: dict[str, Promise] = {
    "soon": gettext_lazy("short tasks"),
    "probing": gettext_lazy("checking files"),
    "segments": gettext_lazy("importing frames"),
    "labels": gettext_lazy("labels"),
    "exports": gettext_lazy("exports"),
    "reading": gettext_lazy("text in pictures"),
    "speech": gettext_lazy("speech"),
}
NAMES_OF_TASKS: dict[str, Promise] = {
    "probe": gettext_lazy("Checking the file"),
    "read_tracks": gettext_lazy("Reading text tracks"),
    "segment": gettext_lazy("Importing frames"),
    "finish": gettext_lazy("Indexing"),
    "heal": gettext_lazy("Restoring the index"),
    "find_shots": gettext_lazy("Detecting shots"),
    "read_text": gettext_lazy("Reading text in pictures"),
    "hear_speech": gettext_lazy("Recognising speech"),
    "reembed": gettext_lazy("Embedding with another model"),
    "remake": gettext_lazy("Repairing a film"),
    "labels": gettext_lazy("Preparing labels"),
    "label_film": gettext_lazy("Computing labels"),
    "export": gettext_lazy("Exporting a board"),
    "tidy": gettext_lazy("Cleaning up"),
    "sweep": gettext_lazy("Looking for lost work"),
}
# The background jobs by name.
JOBS: tuple[tuple[str, JobKind], ...] = (
    ("shots", shot_detection.JOB),
    ("reading", reading.JOB),
    ("speech", listening.JOB),
)


@dataclass(frozen=True, slots=True)
class Activity:
    """A running task, its film if known, and when it started."""

    what: str
    film: Film | None
    since: datetime

    @property
    def is_new(self) -> bool:
        """Whether it has been running for less than a minute."""
        return timezone.now() - self.since < timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker as the page shows it.

    `kinds` names the work that it takes, `problem` is a sentence; both may be "". `model` is the
    name of its model.
    """

    record: WorkerRecord
    model: str
    precision: str
    kinds: str
    speed: float
    activities: tuple[Activity, ...]
    problem: str

    @property
    def is_paused(self) -> bool:
        """Whether it takes no tasks."""
        return not self.record.queues

    @property
    def started(self) -> datetime:
        """When it was started."""
        return _moment(self.record.started_at)


@dataclass(frozen=True, slots=True)
class Queue:
    """A kind of work: its waiting tasks, and whether a worker takes them."""

    kind: str
    name: str
    waiting: int | None
    is_taken: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Work that failed: what it was, its page ("": none), why, and when, if known."""

    what: str
    address: str
    why: str
    failed: datetime | None = None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# --- workers --------------------------------------------------------------------------------------


def list_workers(found: Iterable[WorkerRecord]) -> list[Worker]:
    """Return the live workers with their running tasks, by name."""
    found = list(found)
    speeds, precisions = records.measure_speeds(), records.read_precisions()
    films_of = records.find_films(task for record in found for task in record.tasks)
    films = Film.objects.in_bulk(set(films_of.values()))
    row, chosen = installation.load(), weights.kept_rows()
    return [
        Worker(
            record=record,
            model=chosen[0].name if chosen else record.model_name,
            precision=precisions.get(record.name, ""),
            kinds=pgettext("between kinds of work", ", ").join(
                str(NAMES_OF_KINDS[kind])
                for kind in KINDS
                if settings.QUEUES[kind] in record.queues
            ),
            speed=speeds.get(record.name, 0.0),
            activities=tuple(
                _describe(task, films.get(films_of.get(task.id, 0))) for task in record.tasks
            ),
            problem=_find_problem(record, row, is_chosen=bool(chosen)),
        )
        for record in found
    ]


def _describe(task: RunningTask, film: Film | None) -> Activity:
    what = str(NAMES_OF_TASKS.get(task.name, task.name))
    return Activity(what, film, _moment(task.started_at))


def _find_problem(record: WorkerRecord, row: Installation | None, *, is_chosen: bool) -> str:
    """Return how a worker differs from the installation, which may have been set up again, or "".

    `is_chosen`: the model was chosen with `manage.py reembed`, so every worker uses it.
    """
    if row is None:
        return ""
    if record.version != row.version:
        said = _("Runs version %(version)s, but the installation has %(other)s. Restart it.")
        return said % {"version": record.version, "other": row.version}
    if record.model != row.model and not is_chosen:
        said = _("Uses the model %(model)s, but the installation %(other)s. Restart it.")
        return said % {"model": record.model_name, "other": row.model_name}
    return ""


# --- queues ---------------------------------------------------------------------------------------


def list_queues(found: Iterable[WorkerRecord]) -> list[Queue]:
    """Return the kinds of work; the lengths are unknown if the broker does not respond."""
    taken = {queue for record in found if not record.is_stopping for queue in record.queues}
    lengths = tasks.count_waiting()
    return [
        Queue(kind, str(NAMES_OF_KINDS[kind]), lengths.get(kind), settings.QUEUES[kind] in taken)
        for kind in KINDS
        if kind in DEFAULT_KINDS or settings.QUEUES[kind] in taken or lengths.get(kind)
    ]


# --- failures -------------------------------------------------------------------------------------


def list_failures() -> list[Failure]:
    """Return the last failed films and exports, and the work that was given up."""
    return [*_failed_films(), *_failed_jobs(), *_given_up_work(), *_failed_exports()]


def _address(film: Film) -> str:
    return reverse("admin:gallery_film_change", args=[film.pk])


def _failed_films() -> Iterator[Failure]:
    for film in Film.objects.failed().order_by("-finished")[:MAX_ERRORS]:
        yield Failure(str(film), _address(film), _(film.error) if film.error else "", film.finished)


def _failed_jobs() -> Iterator[Failure]:
    reasons = {
        "shots": _("Shot detection failed three times; see the worker log."),
        "reading": _("Reading text in pictures failed three times; see the worker log."),
        "speech": _("Speech recognition failed three times; see the worker log."),
        "models": _("Embedding with another model failed three times; see the worker log."),
    }
    jobs: list[tuple[str, JobKind]] = [*JOBS]
    jobs += [("models", reembedding.job_of(row)) for row in weights.kept_rows()]
    for name, job in jobs:
        for film in job.find_given_up()[:MAX_ERRORS]:
            yield Failure(str(film), _address(film), reasons[name])


def _given_up_work() -> Iterator[Failure]:
    """Yield poison tasks that have no row of their own."""
    reasons = {
        "label_film": _("Computing the labels was given up: the worker was killed three times."),
        "read_tracks": _("Reading text tracks was given up: the worker was killed three times."),
        "reindex": _("Restoring the index was given up: the worker was killed three times."),
    }
    found = [work for work in attempts.list_given_up() if work[0] in reasons]
    films = Film.objects.in_bulk([number for _kind, number, _at in found])
    known = [(kind, films[number], at) for kind, number, at in found if number in films]
    for kind, film, at in known[:MAX_ERRORS]:
        yield Failure(str(film), _address(film), reasons[kind], _moment(at))


def _failed_exports() -> Iterator[Failure]:
    failed = Export.objects.filter(state=Export.State.FAILED).select_related("board")
    for export in failed[:MAX_ERRORS]:
        what = _("Export of the board %(board)s") % {"board": export.board}
        yield Failure(what, "", export.error, export.requested_at)
