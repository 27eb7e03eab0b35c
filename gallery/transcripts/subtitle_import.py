"""The way of subtitles into the library: uploaded files, and text tracks inside the film.

Every step can be killed at any point and run again. What an upload gave stays when its film is
imported anew; what came from the film is read anew.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.core.errors import GalleryError, LostClaim
from gallery.core.leases import lease_end
from gallery.films.models import Film
from gallery.media import probing, store
from gallery.media.source_names import readable_name
from gallery.transcripts import dialogue, languages, subtitles, tracks
from gallery.transcripts.models import Line, Subtitles
from gallery.transcripts.subtitle_formats import Cue, UnknownFrameRate
from gallery.transcripts.tracks import Reading

log = logging.getLogger(__name__)

BATCH = 1000  # rows written in one go


# --- uploaded files -----------------------------------------------------------------------------


def add_subtitles(film: Film, name: str, data: bytes, language: str = "") -> tuple[Subtitles, bool]:
    """Keep a subtitle file of a film. Returns its row, and whether it is new.

    `language` is a BCP 47 tag; without it the file's name says it, or the text. The same file twice
    is one. Raises SubtitlesError when it cannot be read, and DiskFull.
    """
    name = readable_name(name)
    cues = _read(film, data)
    for row in film.subtitles.filter(source=Subtitles.Source.UPLOADED):
        with suppress(FileNotFoundError):
            if film.files.subtitles(row.pk).read_bytes() == data:
                return row, False
    text = "\n".join(cue.text for cue in cues)
    row = Subtitles(
        film=film,
        language=language or languages.guess(name, text),
        source=Subtitles.Source.UPLOADED,
        original_name=Path(name).name[-255:],
    )
    with transaction.atomic():
        _write(row, cues)
        path = film.files.new_subtitles(row.pk, name)
        store.write_atomically(path, lambda file: file.write(data))
        transaction.on_commit(partial(publish, film.pk))
    return row, True


def _read(film: Film, data: bytes) -> list[Cue]:
    """The lines of a file. A film is probed here for its frame rate only if the file needs it."""
    try:
        return subtitles.read(data, film.rate or None)
    except UnknownFrameRate:
        try:
            rate = probing.read_rate(film.files.source(), settings.MAX_FILM_PIXELS)
        except (GalleryError, OSError) as error:
            raise UnknownFrameRate from error
        return subtitles.read(data, rate)


def _write(row: Subtitles, cues: Sequence[Cue]) -> None:
    row.line_count = len(cues)
    row.save()
    lines = (
        Line(subtitles=row, number=number, start=cue.start, end=cue.end, text=cue.text)
        for number, cue in enumerate(cues)
    )
    Line.objects.bulk_create(lines, batch_size=BATCH)


def find_files_beside(film: Path) -> list[Path]:
    """Subtitle files that lie beside a film and belong to it by their name: film.en.srt."""
    stem = film.stem.casefold() + "."
    found = (
        path
        for path in film.parent.iterdir()
        if path.name.casefold().startswith(stem) and path.suffix.lower() in subtitles.EXTENSIONS
    )
    return sorted(path for path in found if path.is_file())


def late_lines(row: Subtitles) -> int:
    """How many lines begin after the film's end: they are of another film, or another cut."""
    if not row.film.duration:
        return 0
    return row.lines.filter(start__gte=row.film.duration).count()


# --- tracks inside the film ---------------------------------------------------------------------


def unread(now: datetime) -> QuerySet[Film]:
    """Films whose text tracks have to be read, and that nobody is reading."""
    looked_at = [Film.State.IMPORTING, Film.State.INDEXING, Film.State.READY]
    free = Q(tracks_lease=None) | Q(tracks_lease__lt=now)
    return Film.objects.filter(free, state__in=looked_at).exclude(tracks_run=F("run"))


def read_tracks(film_id: int) -> bool:
    """Read the text tracks inside a film, once a run. True when that was done here.

    What cannot be read is told to the admin, and does not keep the film from being searched.
    """
    claimed = unread(timezone.now()).filter(pk=film_id).values("pk")
    if not Film.objects.filter(pk__in=claimed).update(tracks_lease=lease_end()):
        return False
    film = Film.objects.get(pk=film_id)

    def keep() -> None:
        if not Film.objects.filter(pk=film.pk, run=film.run).update(tracks_lease=lease_end()):
            raise LostClaim

    try:
        path = film.files.source()
        reading = tracks.read_track_lines(path, tracks.list_tracks(path), film.start, keep)
    except LostClaim:
        return False
    except (GalleryError, OSError) as error:
        reading = Reading([], [str(error)])
    return _replace(film, reading)


def give_up(film_id: int, error: Exception) -> None:
    """Note that reading the tracks of a film ended in something unexpected."""
    film = Film.objects.filter(pk=film_id).first()
    if film is not None:
        sentence = _("Unexpected error: %(error)s. See the worker log for details.")
        said = f"{type(error).__name__}: {error}"[:300]
        _replace(film, Reading([], [sentence % {"error": said}]))


def _replace(film: Film, reading: Reading) -> bool:
    """Make these the embedded subtitles of a film. False when it was deleted or restarted."""
    with transaction.atomic():
        changed = Film.objects.filter(pk=film.pk, run=film.run).update(
            tracks_run=film.run, tracks_lease=None, tracks_error="\n".join(reading.complaints)
        )
        if not changed:
            return False
        film.subtitles.filter(source=Subtitles.Source.EMBEDDED).delete()
        for track, cues in reading.lines:
            text = "\n".join(cue.text for cue in cues)
            known = track.language != languages.UNKNOWN
            row = Subtitles(
                film=film,
                language=track.language if known else languages.from_text(text),
                source=Subtitles.Source.EMBEDDED,
                stream=track.stream,
                original_name=track.title[:255],
            )
            _write(row, cues)
        transaction.on_commit(partial(publish, film.pk))
    if reading.complaints:
        log.warning("film %s: %s", film.pk, " ".join(reading.complaints))
    return True


# --- into the index -----------------------------------------------------------------------------


def publish(film_id: int) -> None:
    """Bring a film's lines into the index, or out of it; when that fails, the sweep does it."""
    try:
        if not dialogue.is_current(film_id):
            dialogue.put(film_id)
    except (GalleryError, OSError) as error:
        log.warning("film %s: its lines are put into the index later (%s)", film_id, error)
