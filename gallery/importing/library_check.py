"""Is the library whole? Database, thumbnails, stored vectors and Redis, counted and compared.

The invariant: for each searchable film the frames in the database, the thumbnails, the rows in the
media store and the hashes in Redis are equally many, and so are its lines of dialogue; nothing
belongs to no film.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db.models import Count, F, Q

from gallery.clip import weights
from gallery.films.models import Film, Segment
from gallery.index import contents, frame_index
from gallery.transcripts import dialogue
from gallery.transcripts.models import Subtitles

DRAFT_AGE = 3600.0  # seconds after which a draft or an upload is taken for a leftover


@dataclass(frozen=True, slots=True)
class FilmCounts:
    """The frames and lines of a searchable film, counted at each place where they are kept.

    `frames`: by the database; `thumbnails` and `stored` (vectors) in the media store; `hashes` in
    Redis, those that its list names (`listed`), and those that a search finds (`indexed`).
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

    @property
    def problems(self) -> list[str]:
        """What differs, a phrase each."""
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
        if not self.has_source:
            found.append("the film's file is missing")
        return found


@dataclass(frozen=True, slots=True)
class LibraryCheck:
    """What was counted: the searchable films, and what belongs to no film."""

    films: list[FilmCounts]
    orphans: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """All that is wrong, a sentence each; empty when the library is whole."""
        return [
            f"{one.title} (film {one.film}): {problem}."
            for one in self.films
            for problem in one.problems
        ] + self.orphans


def check_library(draft_age: float = DRAFT_AGE) -> LibraryCheck:
    """Count everything. A film that is being put into the index at the moment is left out.

    Drafts and uploads are leftovers when they were last touched more than `draft_age` seconds ago;
    0 counts all, where nothing is under way. Raises IndexUnavailable.
    """
    model = weights.current().fingerprint
    frame_hashes, line_hashes = contents.count_frame_hashes(), contents.count_line_hashes()
    films = list(Film.objects.searchable(model).exclude(state=Film.State.INDEXING).order_by("pk"))
    ids = [film.pk for film in films]
    here, lines_here = frame_index.current(), dialogue.current()
    here.ensure()
    lines_here.ensure()
    listed, indexed = contents.listed_frames(here, ids), contents.indexed_frames(here, ids)
    lines_indexed = contents.indexed_lines(lines_here.client, lines_here.alias, ids)
    lines = dict(
        Subtitles.objects.filter(film__in=ids)
        .values_list("film")
        .annotate(n=Count("lines", filter=Q(lines__start__lt=F("film__duration"))))
    )
    counted = [
        FilmCounts(
            film=film.pk,
            title=film.title,
            frames=film.frame_count,
            thumbnails=film.files.run(film.searchable_run or 0).thumbnails(),
            stored=film.files.run(film.searchable_run or 0).stored_frames(),
            hashes=frame_hashes.pop((model, film.pk), 0),
            listed=listed[film.pk],
            indexed=indexed[film.pk],
            lines=lines.get(film.pk, 0),
            line_hashes=line_hashes.pop(film.pk, 0),
            lines_indexed=lines_indexed[film.pk],
            has_source=film.files.source_size() is not None,
        )
        for film in films
    ]
    orphans = [*_orphan_hashes(frame_hashes, line_hashes), *_orphan_files(draft_age)]
    if stray := Segment.objects.exclude(film__state__in=Film.UNFINISHED).count():
        orphans.append(f"{stray} segments belong to no import.")
    return LibraryCheck(counted, orphans)


def _orphan_hashes(frames: dict[tuple[str, int], int], lines: dict[int, int]) -> Iterator[str]:
    """Hashes of films that are gone, or that another model embeds now."""
    models = dict(Film.objects.values_list("pk", "model"))
    busy = set(Film.objects.filter(state=Film.State.INDEXING).values_list("pk", flat=True))
    for (model, film), count in sorted(frames.items()):
        if film not in busy and models.get(film) != model:
            yield f"{count} frames in Redis belong to no film (film {film}, model {model})."
    searchable = set(Film.objects.filter(searchable_run__isnull=False).values_list("pk", flat=True))
    for film, count in sorted(lines.items()):
        if film not in busy and film not in searchable:
            yield f"{count} lines in Redis belong to no film (film {film})."


def _orphan_files(draft_age: float) -> Iterator[str]:
    """Folders of no film, imports that no film uses, and drafts that nobody writes."""
    limit = time.time() - draft_age
    runs = {
        uid: {str(searchable), str(run)}
        for uid, searchable, run in Film.objects.values_list("uid", "searchable_run", "run")
    }
    folder = settings.MEDIA_ROOT / "films"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in runs:
            # It may have been added since.
            if not Film.objects.filter(uid=path.name).exists():
                yield f"The folder {path} belongs to no film."
            continue
        for inside in path.iterdir():
            if inside.name.isdigit() and inside.name not in runs[path.name]:
                yield f"The folder {inside} belongs to an import that is no longer used."
        for draft in path.rglob(".draft-*"):
            if _is_older(draft, limit):
                yield f"The file {draft} was never finished."
    for place in (settings.MEDIA_ROOT / "drafts", settings.FILE_UPLOAD_TEMP_DIR):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if _is_older(path, limit):
                yield f"{path} was never finished."


def _is_older(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime <= limit
    except OSError:
        return False
