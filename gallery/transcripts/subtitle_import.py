"""Imports subtitles: uploaded files, and text tracks in the film.

Every step can be killed at any point and repeated. A new import of the film keeps uploaded
subtitles and reads the tracks again.
"""

import logging
import mimetypes
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.core.errors import GalleryError, LostClaim, SubtitlesError
from gallery.core.leases import lease_end
from gallery.films.models import Film
from gallery.media import probing, store
from gallery.media.source_names import readable_name
from gallery.transcripts import corrections, dialogue, languages, subtitles, tracks
from gallery.transcripts.box_path import BoxPath
from gallery.transcripts.models import Line, Subtitles
from gallery.transcripts.subtitle_formats import Cue, UnknownFrameRate
from gallery.transcripts.subtitle_text import decode
from gallery.transcripts.tracks import Reading
from gallery.workers.attempts import count_attempt

log = logging.getLogger(__name__)

BATCH = 1000  # rows inserted at once
# Of film files that Python does not know as video on every system.
OTHER_FILM_EXTENSIONS = frozenset(
    (*(".mkv", ".mxf", ".ts", ".m2ts", ".vob", ".flv", ".ogv", ".ogm", ".dv", ".wmv", ".webm"),
     *(".rm", ".rmvb", ".divx", ".asf", ".f4v", ".m4v", ".3gp"))
)  # fmt: skip


# --- uploaded files -----------------------------------------------------------------------------


def add_subtitles(
    film: Film, name: str, data: bytes, language: str = "", corrects: Subtitles | None = None
) -> tuple[Subtitles, bool]:
    """Store a subtitle file of a film. Return its row, and whether it is new.

    `language` is a BCP 47 tag; without it, the file name or the text determines the language. A
    file that the film already has is not stored twice. One that corrects what was read in the
    film's pictures, which is `corrects` or what it says itself, replaces that. Raises
    SubtitlesError when it cannot be read, and DiskFull.
    """
    name = readable_name(name)
    cues = _parse(film, data)
    source = corrections.find_source(decode(data))
    if corrects is not None and source is not None:
        corrections.check_choice(corrects, source)
    elif source is not None:
        corrects = corrections.find_corrected(film, name, source)
    if corrects is not None:
        return _replace_read(corrects, name, cues), True
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
    # A download of another installation, for example: signs stay signs.
    if source is not None:
        row.source = source
        save_lines(row, cues)
        transaction.on_commit(partial(publish, film.pk))
        return row, True
    with transaction.atomic():
        save_lines(row, cues)
        path = film.files.new_subtitles_path(row.pk, name)
        store.write_atomically(path, lambda file: file.write(data))
        transaction.on_commit(partial(publish, film.pk))
    return row, True


def _replace_read(read: Subtitles, name: str, cues: Sequence[Cue]) -> Subtitles:
    """Replace what was read in a film's pictures by corrected lines. Return their row."""
    try:
        read.refresh_from_db()
    except Subtitles.DoesNotExist as error:
        raise SubtitlesError(_("What it corrects was deleted in the meantime.")) from error
    row = Subtitles(
        film=read.film,
        language=read.language,
        source=read.source,
        is_hidden=read.is_hidden and read.line_count > 0,  # without lines, it was just deleted
        original_name=Path(name).name[-255:],
    )
    with transaction.atomic():
        save_lines(row, cues, corrections.find_paths(read, cues))
        read.delete()  # and publishes
    return row


def _parse(film: Film, data: bytes) -> list[Cue]:
    """Parse a file. The film is only probed for its frame rate if the file needs it."""
    try:
        return subtitles.read(data, film.rate or None)
    except UnknownFrameRate:
        try:
            rate = probing.read_rate(film.files.source(), settings.MAX_FILM_PIXELS)
        except (GalleryError, OSError) as error:
            raise UnknownFrameRate from error
        return subtitles.read(data, rate)


def save_lines(row: Subtitles, cues: Sequence[Cue], paths: Sequence[BoxPath | None] = ()) -> None:
    """Store subtitles and their lines; `paths` says where each stands in the picture, if known."""
    row.line_count = len(cues)
    row.save()
    boxes = [path.to_json() if path else None for path in paths]
    lines = (
        Line(
            subtitles=row,
            number=number,
            start=cue.start,
            end=cue.end,
            text=cue.text,
            box=boxes[number] if boxes else None,
        )
        for number, cue in enumerate(cues)
    )
    Line.objects.bulk_create(lines, batch_size=BATCH)


def save_track(
    film: Film,
    source: Subtitles.Source,
    track: tracks.Track,
    cues: Sequence[Cue],
    hidden: Collection[tuple[str, str]] = (),
) -> None:
    """Store the lines of a track in a film; `hidden` are sources and languages to hide."""
    text = "\n".join(cue.text for cue in cues)
    known = track.language != languages.UNKNOWN
    language = track.language if known else languages.from_text(text)
    row = Subtitles(
        film=film,
        language=language,
        is_hidden=(source, language) in hidden,
        source=source,
        stream=track.stream,
        original_name=track.title[:255],
    )
    save_lines(row, cues)


def remove_recognized(film: Film, sources: Collection[str]) -> set[tuple[str, str]]:
    """Remove what a machine read or heard, from some sources, except what was corrected.

    Return which sources, with their languages, were hidden or corrected.
    """
    rows = film.subtitles.filter(source__in=sources)
    is_corrected = Q(source__in=Subtitles.CORRECTABLE) & ~Q(original_name="")
    kept = rows.filter(is_corrected | Q(is_hidden=True))
    hidden = set(kept.values_list("source", "language"))
    rows.exclude(is_corrected).delete()
    return hidden


def find_adjacent_files(film: Path) -> list[Path]:
    """Return subtitle files in a film's folder whose names begin with the film's: film.en.srt.

    Those of another film whose longer name they begin with, such as film.en.mp4, are left out.
    """
    names = sorted(path.name for path in film.parent.iterdir() if path.is_file())
    films = [name for name in names if has_film_type(name)]
    found = (Path(name) for name in names if Path(name).suffix.lower() in subtitles.EXTENSIONS)
    return [film.parent / one for one in found if belongs_to(one.name, film.name, films)]


def has_film_type(name: str) -> bool:
    """Return whether a file's name ends as those of films do."""
    kind, _encoding = mimetypes.guess_type(name)
    return (kind or "").startswith("video/") or Path(name).suffix.lower() in OTHER_FILM_EXTENSIONS


def belongs_to(subtitles_name: str, film_name: str, films: Iterable[str]) -> bool:
    """Return whether subtitles are named after a film's file, and not more exactly after another.

    Of Foo.mp4 and Foo.2.mp4, Foo.2.en.srt belongs to the second. `films`: names of all files.
    """
    matching = [
        prefix
        for name in {film_name, *films}
        if subtitles_name.casefold().startswith(prefix := _prefix(name))
    ]
    return _prefix(film_name) == max(matching, key=len, default="")


def _prefix(film_name: str) -> str:
    """Return what the names of a film's subtitles begin with."""
    return Path(film_name).stem.casefold() + "."


def late_lines(row: Subtitles) -> int:
    """Return how many lines begin after the film's end: they belong to another film or cut."""
    if not row.film.duration:
        return 0
    return row.lines.filter(start__gte=row.film.duration).count()


# --- tracks inside the film ---------------------------------------------------------------------


def films_with_unread_tracks(now: datetime) -> QuerySet[Film]:
    """Return films whose text tracks have to be read and that no worker is reading."""
    probed = [Film.State.IMPORTING, Film.State.INDEXING, Film.State.READY]
    unclaimed = Q(tracks_lease=None) | Q(tracks_lease__lt=now)
    films = Film.objects.reachable().filter(unclaimed, state__in=probed)
    return films.exclude(tracks_run=F("run"))


def read_tracks(film_id: int) -> bool:
    """Read the text tracks of a film, once per run. Return whether this call did it.

    Errors are recorded for the admin, and do not keep the film from being searched.
    """
    claimed = films_with_unread_tracks(timezone.now()).filter(pk=film_id).values("pk")
    if not Film.objects.filter(pk__in=claimed).update(tracks_lease=lease_end()):
        return False
    film = Film.objects.get(pk=film_id)

    def renew_lease() -> None:
        if not Film.objects.filter(pk=film.pk, run=film.run).update(tracks_lease=lease_end()):
            raise LostClaim

    try:
        with count_attempt("read_tracks", film_id):
            path = film.files.source()
            found = tracks.list_tracks(path)
            reading = tracks.read_track_lines(path, found, film.start, renew_lease)
    except LostClaim:
        return False
    except (GalleryError, OSError) as error:
        if film.is_away:
            return False  # they are read when its file is back
        reading = Reading([], [str(error)])
    return _replace_embedded(film, reading)


def give_up(film_id: int, error: Exception) -> None:
    """Record that reading the tracks of a film failed unexpectedly."""
    film = Film.objects.filter(pk=film_id).first()
    if film is not None:
        sentence = _("Unexpected error: %(error)s. See the worker log for details.")
        message = f"{type(error).__name__}: {error}"[:300]
        _replace_embedded(film, Reading([], [sentence % {"error": message}]))


def _replace_embedded(film: Film, reading: Reading) -> bool:
    """Replace the embedded subtitles of a film. Return False when it was deleted or restarted."""
    with transaction.atomic():
        changed = Film.objects.filter(pk=film.pk, run=film.run).update(
            tracks_run=film.run, tracks_lease=None, tracks_error="\n".join(reading.complaints)
        )
        if not changed:
            return False
        film.subtitles.filter(source=Subtitles.Source.EMBEDDED).delete()
        for track, cues in reading.lines:
            save_track(film, Subtitles.Source.EMBEDDED, track, cues)
        transaction.on_commit(partial(publish, film.pk))
    if reading.complaints:
        log.warning("film %s: %s", film.pk, " ".join(reading.complaints))
    return True


# --- indexing -----------------------------------------------------------------------------------


def publish(film_id: int) -> None:
    """Update a film's lines in the index. If that fails, the periodic sweep does it later."""
    try:
        if not dialogue.is_current(film_id):
            dialogue.put(film_id)
    except (GalleryError, OSError) as error:
        log.warning("film %s: its lines will be indexed later (%s)", film_id, error)
