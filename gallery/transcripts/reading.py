"""Reads the text in the pictures of films.

What was read in a part is kept in the media store; at the end, it is joined to lines. It is read
from the thumbnails, so that nothing is decoded, except for films with black bars (thumbnails lack
the bars, where subtitles may stand) and where thumbnails are missing or damaged.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from gallery.clip.runtimes import inference_threads
from gallery.films.catalogue import searchable
from gallery.films.film_job import Check, JobKind
from gallery.films.models import Film, FilmQuerySet
from gallery.films.thumbnails import open_thumbnail
from gallery.media import frame_stream, store
from gallery.media.film_borders import add_bars
from gallery.media.store import RunFiles
from gallery.media.types import Picture, Span
from gallery.ocr.frame_reader import FrameReader
from gallery.ocr.reader import get_reader
from gallery.ocr.types import Box, Text
from gallery.transcripts import languages, picture_tracks, subtitle_import
from gallery.transcripts.models import Subtitles, TextReading
from gallery.transcripts.subtitle_formats import Cue
from gallery.transcripts.tracks import Reading
from gallery.transcripts.written import FilmText, ReadFrame, WrittenLine, join_frames

log = logging.getLogger(__name__)

VERSION = "PP-OCRv6 1"  # increase the number when frames have to be read again


def find_unread() -> FilmQuerySet:
    """Return ready films whose pictures have to be read by this version; none when it is off."""
    if not settings.READ_TEXT:
        return Film.objects.none()
    is_read = Q(text_version=VERSION, text_run=F("searchable_run"))
    return searchable().filter(state=Film.State.READY, reads_text=True).exclude(is_read)


# --- frames ---------------------------------------------------------------------------------------


def _read_part(film: Film, reading: TextReading, position: int, check: Check) -> None:
    end = position + settings.SEGMENT_SECONDS
    span = Span(position, end if end < film.duration else None)
    run = film.files.run(reading.run)
    if position == 0:
        for path in _list_parts(run):
            path.unlink(missing_ok=True)
    reader = FrameReader(get_reader())
    frames = []
    for time, picture in _load_pictures(film, run, span):
        frames.append(ReadFrame(time, reader.read(picture)))
        check()
    reading.check_exists()  # or a folder would be left of a film that was deleted meanwhile
    data = _to_json(frames)
    store.write_atomically(run.folder / f"text-{position:06d}.json", lambda file: file.write(data))
    reading.update(position=span.end, attempts=0)


def _list_parts(run: RunFiles) -> list[Path]:
    """Return the files of what was read in the parts of a film, in time order."""
    return sorted(run.folder.glob("text-*.json"))


def _load_pictures(film: Film, run: RunFiles, span: Span) -> Iterator[tuple[float, Picture]]:
    """Yield the time and the whole picture of each frame of a part.

    If thumbnails are missing or damaged, the film is decoded. Raises FileNotFoundError if its file
    is missing, too.
    """
    if film.probe.inner is not None and film.has_source:
        yield from _decode_pictures(film, span)
        return
    seconds, times = run.load_times(span)
    for second, time in zip(seconds.tolist(), times.tolist(), strict=True):
        try:
            with open_thumbnail(run.thumbnail(second)) as thumbnail:
                picture = thumbnail.convert("RGB")
        except FileNotFoundError:
            if not film.has_source:
                raise
            yield from _decode_pictures(film, Span(second, span.end))
            return
        yield time, add_bars(picture, film.probe.inner)


def _decode_pictures(film: Film, span: Span) -> Iterator[tuple[float, Picture]]:
    with frame_stream.stream_frames(
        film.files.playable(),
        film.probe,
        span,
        width=store.THUMBNAIL_WIDTH,
        max_pixels=settings.MAX_FILM_PIXELS,
        limit=settings.CELERY_TASK_SOFT_TIME_LIMIT,
        threads=inference_threads(),
    ) as (frames, _decoding):
        yield from ((frame.time, frame.picture) for frame in frames)


def _to_json(frames: Sequence[ReadFrame]) -> bytes:
    rows = [
        (f.time, [(t.text, round(t.score, 3), *t.box, t.height, t.angle) for t in f.texts])
        for f in frames
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def _from_json(data: bytes) -> list[ReadFrame]:
    return [
        ReadFrame(time, [Text(row[0], row[1], Box(*row[2:6]), *row[6:]) for row in texts])
        for time, texts in json.loads(data)
    ]


# --- lines ----------------------------------------------------------------------------------------


def _store_lines(film: Film, reading: TextReading, check: Check) -> None:
    """Replace the lines that were read in the pictures of a film and in its picture tracks."""
    parts = _list_parts(film.files.run(reading.run))
    found = join_frames([frame for part in parts for frame in _from_json(part.read_bytes())])
    tracks = _read_tracks(film, check)
    check()
    with transaction.atomic():
        current = Film.objects.filter(pk=film.pk, searchable_run=reading.run, reads_text=True)
        if current.update(text_run=reading.run, text_version=reading.version):
            hidden = subtitle_import.remove_recognized(film, Subtitles.SEEN)
            for source, lines in _sources(found):
                _save(film, source, lines, hidden)
            for track, cues in tracks.lines:
                subtitle_import.save_track(film, Subtitles.Source.DRAWN, track, cues, hidden)
        TextReading.objects.filter(pk=reading.pk).delete()
        transaction.on_commit(partial(subtitle_import.publish, film.pk))
    log.info("film %s: text in its pictures: %d lines", film.pk, _count(found))


def _read_tracks(film: Film, check: Check) -> Reading:
    """Read the picture tracks of a film; none without its file."""
    try:
        return picture_tracks.read_picture_tracks(film.files.source(), film.start, check)
    except FileNotFoundError:
        return Reading([], [])


def _sources(found: FilmText) -> Iterator[tuple[Subtitles.Source, Sequence[WrittenLine]]]:
    for lines in found.subtitles:
        yield Subtitles.Source.BURNED, lines
    if found.others:
        yield Subtitles.Source.SCENE, found.others


def _save(
    film: Film,
    source: Subtitles.Source,
    lines: Sequence[WrittenLine],
    hidden: set[tuple[str, str]],
) -> None:
    language = languages.from_text("\n".join(line.text for line in lines))
    row = Subtitles(
        film=film, language=language, source=source, is_hidden=(source, language) in hidden
    )
    cues = [Cue(line.start, line.end, line.text) for line in lines]
    subtitle_import.save_lines(row, cues, [line.path for line in lines])


def _count(found: FilmText) -> int:
    return len(found.others) + sum(map(len, found.subtitles))


def forget(film: Film) -> None:
    """Remove what was read in the pictures of a film. It is not read again unless it is asked."""
    subtitle_import.remove_recognized(film, Subtitles.SEEN)
    TextReading.objects.filter(film=film).delete()


JOB = JobKind(
    name="reading",
    title="the text in its pictures",
    rows=TextReading,
    version=VERSION,
    find_films=find_unread,
    do_part=_read_part,
    finish=_store_lines,
)
