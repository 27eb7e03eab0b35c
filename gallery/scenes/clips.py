"""Clips, animations and stills of any span of a film.

A span is given in frames of the film's clock, from `first` up to but not including `last`. Clips
are H.264 and AAC in MP4, whatever codecs the film has. Functions named *_order describe what
`clip_jobs.get_or_render` makes; functions named render_* return the finished file.
"""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core.errors import FilmAway, FilmError, QueryError
from gallery.films.models import Film
from gallery.media import cutting, decoding, ffmpeg
from gallery.media.clip_jobs import (
    ClipOrder,
    IsCancelled,
    clip_cache,
    drop_orphan,
    get_or_render,
    touch_if_cached,
)
from gallery.media.clip_slots import acquire_slot
from gallery.media.cutting import ClipSpan
from gallery.media.decoding import read_ppm
from gallery.media.source_files import SourceAway
from gallery.media.store import STILL_QUALITY, write_within_limit
from gallery.media.types import Picture
from gallery.scenes import sound_tracks

Animation = Literal["webp", "gif"]
Still = Literal["jpg", "png"]

MAX_ANIMATION_SECONDS = 15  # animated pictures are large files
PLAYBACK_TIMEOUT = 240.0  # seconds of wall clock for rendering a clip to play
EXPORT_TIMEOUT = 1800.0  # for an exact clip
STILL_TIMEOUT = 60.0
STILL_SLOT_TIMEOUT = 10.0  # seconds that a still waits for a rendering slot
JOIN_TIMEOUT = 60.0
PNG_COMPRESSION = 3  # of 9; higher levels take seconds and save little


def make_cut(
    film: Film,
    first: int,
    last: int,
    max_seconds: float | None = None,
    sound: int | None = None,
) -> ClipSpan:
    """Describe a span to cut: clamped to the film, with sound track `sound` (None: the default).

    Raises QueryError when the span is invalid or longer than `max_seconds` (default:
    MAX_CLIP_SECONDS), FilmError when the film's file is missing, and FilmAway when it is away.
    """
    most = max_seconds or settings.MAX_CLIP_SECONDS
    end = film.clock.frame_from(film.duration)
    last = min(last, end)
    if not 0 <= first < last:
        raise QueryError(_("A scene must start before it ends and stay within the film."))
    if last - first > most * film.clock.grid + 1:
        raise QueryError(
            _("This scene is too long. A clip can be up to %(most)d seconds.") % {"most": most}
        )
    try:
        source = film.files.playable()
    except SourceAway as error:
        raise FilmAway from error
    except FileNotFoundError as error:
        raise FilmError(_("The film file is missing from the media store.")) from error
    track = sound_tracks.non_default_track(film, sound)
    return ClipSpan(source, film.probe, first, last, settings.MAX_FILM_PIXELS, track)


def _path(film: Film, kind: str, name: str) -> Path:
    # Named by run: another one may have probed other properties, such as rotation.
    return clip_cache() / film.uid / kind / f"{film.run}-{name}"


def _clip_path(film: Film, kind: str, span: ClipSpan) -> Path:
    track = "" if span.sound is None else f"-sound{span.sound}"
    return _path(film, kind, f"{span.first}-{span.last}{track}.mp4")


def playback_order(film: Film, first: int, last: int, sound: int | None = None) -> ClipOrder:
    """Return the order of the small clip that pages play. Raises QueryError, FilmError."""
    span = make_cut(film, first, last, sound=sound)

    def finish(draft: Path, whole: Path) -> None:
        done = ffmpeg.run(cutting.join_arguments(draft, whole), JOIN_TIMEOUT)
        if done.status != 0:
            raise FilmError(_("Could not make this clip. The film may be damaged here."))

    return ClipOrder(
        source=span.path,
        path=_clip_path(film, "play", span),
        arguments=lambda _draft: cutting.playback_arguments(span),
        seconds=span.seconds,
        limit=PLAYBACK_TIMEOUT,
        streams=True,
        has_priority=True,
        finish=finish,
    )


def export_order(film: Film, first: int, last: int, sound: int | None = None) -> ClipOrder:
    """Return the order of an exact clip in full size. Raises QueryError, FilmError."""
    span = make_cut(film, first, last, sound=sound)
    return ClipOrder(
        source=span.path,
        path=_clip_path(film, "exact", span),
        arguments=lambda draft: cutting.export_arguments(span, draft),
        seconds=span.seconds,
        limit=EXPORT_TIMEOUT,
        frames=span.frames,
    )


def render_clip(
    film: Film, start: float, end: float, is_cancelled: IsCancelled = lambda: False
) -> Path:
    """Render the exact clip between two times (seconds) and return its file; it may take minutes.

    FFmpeg is killed when `is_cancelled` returns True or raises. Raises QueryError, FilmError,
    ClipBusy, DiskFull.
    """
    order = export_order(film, film.clock.frame_from(start), film.clock.frame_from(end))
    return get_or_render(replace(order, max_wait=EXPORT_TIMEOUT), is_cancelled)


def animation_order(film: Film, first: int, last: int, kind: Animation) -> ClipOrder:
    """Return the order of a looping picture of the span. Raises QueryError, FilmError."""
    span = make_cut(film, first, last, MAX_ANIMATION_SECONDS)
    return ClipOrder(
        source=span.path,
        path=_path(film, kind, f"{span.first}-{span.last}.{kind}"),
        arguments=lambda draft: cutting.animation_arguments(span, kind, draft),
        seconds=span.seconds,
        limit=EXPORT_TIMEOUT,
    )


def render_still(
    film: Film, frame: int, kind: Still = "jpg", is_gone: IsCancelled = lambda: False
) -> Path:
    """Return a frame as a picture in full size.

    Raises QueryError, FilmError, ClipBusy, DiskFull.
    """
    span = make_cut(film, frame, frame + 1)
    path = still_path(film, frame, kind)
    if touch_if_cached(path):
        return path
    with acquire_slot(STILL_SLOT_TIMEOUT, is_gone, has_priority=True):
        read = ffmpeg.run(cutting.still_arguments(span), STILL_TIMEOUT)
    picture = read_ppm(read.output)
    if picture is None:
        raise FilmError(_("There is no frame at this point in the film."))
    _save_picture(picture, path, kind)
    drop_orphan(path, span.path)
    return path


def still_path(film: Film, frame: int, kind: Still) -> Path:
    """Return the cache path of a frame's picture."""
    return _path(film, "stills", f"{frame}.{kind}")


def render_indexed_still(film: Film, second: int, is_gone: IsCancelled = lambda: False) -> Path:
    """Return the indexed frame of a second in full size.

    Raises FileNotFoundError when the second has no frame, FilmError, ClipBusy, DiskFull.
    """
    path = indexed_still_path(film, second)
    if touch_if_cached(path):
        return path
    data = film.files.run(film.searchable_run or film.run).load()
    times = data.times[data.seconds == second]
    if not len(times):
        raise FileNotFoundError(path)
    source = film.files.source()
    with acquire_slot(STILL_SLOT_TIMEOUT, is_gone, has_priority=True):
        picture = decoding.still(
            film.files.playable(), film.probe, float(times[0]), max_pixels=settings.MAX_FILM_PIXELS
        )
    _save_picture(picture, path, "jpg")
    drop_orphan(path, source)
    return path


def indexed_still_path(film: Film, second: int) -> Path:
    """Return the cache path of an indexed frame's picture."""
    return _path(film, "stills", f"run-{film.searchable_run}-{second:06d}.jpg")


def _save_picture(picture: Picture, path: Path, kind: Still) -> None:
    data = BytesIO()
    if kind == "png":
        picture.save(data, "PNG", compress_level=PNG_COMPRESSION)
    else:
        picture.save(data, "JPEG", quality=STILL_QUALITY)
    write_within_limit(clip_cache(), settings.CLIP_CACHE_BYTES, path, data.getvalue())
