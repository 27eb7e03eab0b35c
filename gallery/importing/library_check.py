"""Compare database, thumbnails, stored vectors and Redis.

The invariant: for each searchable film the numbers of frames in the database, of thumbnails, of
rows in the media store and of hashes in Redis are equal, and so are those of lines of dialogue. All
files and hashes belong to a film.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db.models import Count, F, Q

from gallery.clip import weights
from gallery.films.models import Film
from gallery.importing.models import Segment
from gallery.index import contents, frame_index
from gallery.media.model_vectors import ModelVectors
from gallery.transcripts import dialogue
from gallery.transcripts.models import Subtitles

DRAFT_AGE = 3600.0  # seconds after which a draft or an upload is considered abandoned


@dataclass(frozen=True, slots=True)
class FilmCounts:
    """The frames and lines of a searchable film, counted in each store.

    `frames`: in the database; `thumbnails` and `stored` (vectors): in the media store; `hashes`: in
    Redis; `listed`: in the film's list of seconds in Redis; `indexed`: found by a search.
    """

    film: int
    title: str
    frames: int
    thumbnails: int
    stored: int
    hashes: int
    listed: int
    indexed: int
    lines: int
    line_hashes: int
    lines_indexed: int
    has_source: bool
    is_away: bool

    @property
    def problems(self) -> list[str]:
        """Describe each difference in a phrase."""
        found = [
            f"{count} {name}, not {self.frames}"
            for name, count in (
                ("thumbnails", self.thumbnails),
                ("stored vectors", self.stored),
                ("frames in Redis", self.hashes),
                ("frames listed in Redis", self.listed),
                ("frames in the index", self.indexed),
            )
            if count != self.frames
        ]
        found += [
            f"{count} {name}, not {self.lines}"
            for name, count in (
                ("lines in Redis", self.line_hashes),
                ("lines in the index", self.lines_indexed),
            )
            if count != self.lines
        ]
        if self.is_away:
            found.append("the film's file, in a library folder, cannot be reached")
        elif not self.has_source:
            found.append("the film's file is missing")
        return found


@dataclass(frozen=True, slots=True)
class OtherCounts:
    """The frames of a film in the index of a model other than the active one."""

    film: int
    title: str
    model: str
    frames: int
    stored: int
    hashes: int
    listed: int
    indexed: int

    @property
    def problems(self) -> list[str]:
        """Describe each difference in a phrase."""
        return [
            f"{count} {name} for the model {self.model}, not {self.frames}"
            for name, count in (
                ("stored vectors", self.stored),
                ("frames in Redis", self.hashes),
                ("frames listed in Redis", self.listed),
                ("frames in the index", self.indexed),
            )
            if count != self.frames
        ]


@dataclass(frozen=True, slots=True)
class LibraryCheck:
    """The counts of searchable films, and descriptions of orphans.

    `films` are counts for the active model, `others` for the other one.
    """

    films: list[FilmCounts]
    orphans: list[str] = field(default_factory=list)
    others: list[OtherCounts] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Describe each problem in a sentence."""
        counted: list[FilmCounts | OtherCounts] = [*self.films, *self.others]
        return [
            f"{one.title} (film {one.film}): {problem}."
            for one in counted
            for problem in one.problems
        ] + self.orphans


def check_library(draft_age: float = DRAFT_AGE) -> LibraryCheck:
    """Count everything except films that are being indexed.

    Drafts and uploads not changed for `draft_age` seconds are considered abandoned; use 0 when
    nothing is running. Raises IndexUnavailable.
    """
    model = weights.current().fingerprint
    frame_hashes = {key: len(seconds) for key, seconds in contents.find_frames().items()}
    line_hashes = contents.count_line_hashes()
    films = list(Film.objects.searchable(model).exclude(state=Film.State.INDEXING).order_by("pk"))
    ids = [film.pk for film in films]
    here, lines_here = frame_index.current(), dialogue.current()
    here.ensure()
    lines_here.ensure()
    listed, indexed = here.counts(ids), contents.count_indexed(here.client, here.name, ids)
    lines_indexed = contents.count_indexed(lines_here.client, lines_here.alias, ids)
    lines = dict(
        Subtitles.objects.shown()
        .filter(film__in=ids)
        .values_list("film")
        .annotate(n=Count("lines", filter=Q(lines__start__lt=F("film__duration"))))
    )
    counted = [
        FilmCounts(
            film=film.pk,
            title=film.title,
            frames=film.frame_count,
            thumbnails=film.files.run(film.searchable_run or 0).count_thumbnails(),
            stored=_count_stored(film, model),
            hashes=frame_hashes.pop((model, film.pk), 0),
            listed=listed[film.pk],
            indexed=indexed[film.pk],
            lines=lines.get(film.pk, 0),
            line_hashes=line_hashes.pop(film.pk, 0),
            lines_indexed=lines_indexed[film.pk],
            has_source=film.files.source_size() is not None,
            is_away=film.is_away,
        )
        for film in films
    ]
    others = list(_count_others(frame_hashes))
    orphans = [*_orphan_hashes(frame_hashes, line_hashes), *_orphan_files(draft_age)]
    if stray := Segment.objects.exclude(film__state__in=Film.UNFINISHED).count():
        orphans.append(f"{stray} segments belong to no import.")
    return LibraryCheck(counted, orphans, others)


def _count_stored(film: Film, model: str) -> int:
    """Return how many vectors of a film by a model are in the media store."""
    run = film.files.run(film.searchable_run or 0)
    return run.count_frames() if film.model == model else ModelVectors(run, model).count_frames()


def _count_others(hashes: dict[tuple[str, int], int]) -> Iterator[OtherCounts]:
    """Count the frames in the indexes of other models, and remove them from `hashes`."""
    in_use = weights.current()
    for model in weights.kept():
        if model.fingerprint == in_use.fingerprint:
            continue
        found = Film.objects.searchable(model.fingerprint).exclude(state=Film.State.INDEXING)
        films = list(found.order_by("pk"))
        with weights.use(model):
            index = frame_index.current()
            index.ensure()
            ids = [film.pk for film in films]
            listed = index.counts(ids)
            indexed = contents.count_indexed(index.client, index.name, ids)
        for film in films:
            yield OtherCounts(
                film=film.pk,
                title=film.title,
                model=model.fingerprint,
                frames=film.frame_count,
                stored=_count_stored(film, model.fingerprint),
                hashes=hashes.pop((model.fingerprint, film.pk), 0),
                listed=listed[film.pk],
                indexed=indexed[film.pk],
            )


def _orphan_hashes(frames: dict[tuple[str, int], int], lines: dict[int, int]) -> Iterator[str]:
    """Describe hashes of films that were deleted or that another model embedded."""
    models = dict(Film.objects.values_list("pk", "model"))
    indexing = Q(state=Film.State.INDEXING) | Q(reembedding__isnull=False)
    busy = set(Film.objects.filter(indexing).values_list("pk", flat=True))
    for (model, film), count in sorted(frames.items()):
        if film not in busy and models.get(film) != model:
            yield f"{count} frames in Redis belong to no film (film {film}, model {model})."
    searchable = set(Film.objects.filter(searchable_run__isnull=False).values_list("pk", flat=True))
    for film, count in sorted(lines.items()):
        if film not in busy and film not in searchable:
            yield f"{count} lines in Redis belong to no film (film {film})."


def _orphan_files(draft_age: float) -> Iterator[str]:
    """Describe folders without a film, runs that no film uses, and abandoned drafts."""
    changed_before = time.time() - draft_age
    runs = {
        uid: {str(searchable), str(run)}
        for uid, searchable, run in Film.objects.values_list("uid", "searchable_run", "run")
    }
    for folder in _children(settings.MEDIA_ROOT / "films"):
        if folder.name in runs:
            yield from _orphans_of_film(folder, runs[folder.name], changed_before)
        elif not Film.objects.filter(uid=folder.name).exists():  # added since `runs` was read
            yield f"The folder {folder} belongs to no film."
    for parent in (settings.MEDIA_ROOT / "drafts", settings.FILE_UPLOAD_TEMP_DIR):
        for path in _children(parent):
            if _is_older(path, changed_before):
                yield f"{path} was never finished."


def _orphans_of_film(folder: Path, runs: set[str], changed_before: float) -> Iterator[str]:
    """Describe runs and drafts in a film's folder that are not in use."""
    for path in folder.iterdir():
        if path.name.isdigit() and path.name not in runs:
            yield f"The folder {path} belongs to an import that is no longer used."
    for draft in folder.rglob(".draft-*"):
        if _is_older(draft, changed_before):
            yield f"The file {draft} was never finished."


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_older(path: Path, changed_before: float) -> bool:
    try:
        return path.stat().st_mtime <= changed_before
    except OSError:
        return False  # it was just removed
