"""Scenes to play, to save and to send: clips, animations and stills of any span of a film.

A span is given in frames of the film's clock, from `first` up to, not including, `last`. Whatever
codec the film has, clips are H.264 and AAC in MP4. `making.made` makes what is ordered here.
"""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core.errors import FilmError, QueryError
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
from gallery.media.cutting import Cut
from gallery.media.decoding import read_ppm
from gallery.media.store import STILL_QUALITY, write_within_limit
from gallery.media.types import Picture
from gallery.scenes import sound_tracks

Animation = Literal["webp", "gif"]
Still = Literal["jpg", "png"]

ANIMATED_SECONDS = 15  # at most: pictures that move are large
PLAY_LIMIT = 240.0  # seconds of wall clock for a clip to play
EXPORT_LIMIT = 1800.0  # for one to save, in full size
STILL_LIMIT = 60.0
STILL_PATIENCE = 10.0  # seconds that a still waits for its turn
JOIN_LIMIT = 60.0
PNG_EFFORT = 3  # of 9: beyond, it takes seconds and saves little


def cut(
    film: Film,
    first: int,
    last: int,
    most_seconds: float | None = None,
    sound: int | None = None,
) -> Cut:
    """The span of a film, ended with the film, with the sound of this track (None: the default).

    Raises QueryError when it makes no sense or is too long, and FilmError when the film's file is
    gone.
    """
    most = most_seconds or settings.MAX_CLIP_SECONDS
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
    except FileNotFoundError as error:
        raise FilmError(_("The film file is missing from the media store.")) from error
    track = sound_tracks.unusual(film, sound)
    return Cut(source, film.probe, first, last, settings.MAX_FILM_PIXELS, track)


def _path(film: Film, kind: str, name: str) -> Path:
    # Another run may have found that the film looks or sounds otherwise.
    return clip_cache() / film.uid / kind / f"{film.run}-{name}"


def _clip_path(film: Film, kind: str, span: Cut) -> Path:
    track = "" if span.sound is None else f"-sound{span.sound}"
    return _path(film, kind, f"{span.first}-{span.last}{track}.mp4")


def playing(film: Film, first: int, last: int, sound: int | None = None) -> ClipOrder:
    """The small clip that pages play. Raises QueryError, FilmError."""
    span = cut(film, first, last, sound=sound)

    def finish(draft: Path, whole: Path) -> None:
        done = ffmpeg.run(cutting.join_arguments(draft, whole), JOIN_LIMIT)
        if done.status != 0:
            raise FilmError(_("Could not make this clip. The film may be damaged here."))

    return ClipOrder(
        source=span.path,
        path=_clip_path(film, "play", span),
        arguments=lambda _draft: cutting.playback_arguments(span),
        seconds=span.seconds,
        limit=PLAY_LIMIT,
        streams=True,
        has_priority=True,
        finish=finish,
    )


def exact(film: Film, first: int, last: int, sound: int | None = None) -> ClipOrder:
    """The exact clip to save. Raises QueryError, FilmError."""
    span = cut(film, first, last, sound=sound)
    return ClipOrder(
        source=span.path,
        path=_clip_path(film, "exact", span),
        arguments=lambda draft: cutting.export_arguments(span, draft),
        seconds=span.seconds,
        limit=EXPORT_LIMIT,
        frames=span.frames,
    )


def clip(film: Film, start: float, end: float) -> Path:
    """The file of the exact clip between two times (seconds), for one who can wait.

    Raises QueryError, FilmError, ClipBusy, DiskFull.
    """
    order = exact(film, film.clock.frame_from(start), film.clock.frame_from(end))
    return get_or_render(replace(order, patience=EXPORT_LIMIT))


def animation(film: Film, first: int, last: int, kind: Animation) -> ClipOrder:
    """A looping picture of the span. Raises QueryError, FilmError."""
    span = cut(film, first, last, ANIMATED_SECONDS)
    return ClipOrder(
        source=span.path,
        path=_path(film, kind, f"{span.first}-{span.last}.{kind}"),
        arguments=lambda draft: cutting.animation_arguments(span, kind, draft),
        seconds=span.seconds,
        limit=EXPORT_LIMIT,
    )


def still(
    film: Film, frame: int, kind: Still = "jpg", is_gone: IsCancelled = lambda: False
) -> Path:
    """The picture of a frame, at full size. Raises QueryError, FilmError, ClipBusy, DiskFull."""
    span = cut(film, frame, frame + 1)
    path = still_path(film, frame, kind)
    if touch_if_cached(path):
        return path
    with acquire_slot(STILL_PATIENCE, is_gone, has_priority=True):
        read = ffmpeg.run(cutting.still_arguments(span), STILL_LIMIT)
    picture = read_ppm(read.output)
    if picture is None:
        raise FilmError(_("There is no frame at this point in the film."))
    _keep_picture(picture, path, kind)
    drop_orphan(path, span.path)
    return path


def still_path(film: Film, frame: int, kind: Still) -> Path:
    """Where the picture of a frame is kept."""
    return _path(film, "stills", f"{frame}.{kind}")


def indexed_still(film: Film, second: int, is_gone: IsCancelled = lambda: False) -> Path:
    """The picture that stands for a second in the index, at full size.

    Raises FileNotFoundError when there is none, FilmError, ClipBusy, DiskFull.
    """
    path = indexed_still_path(film, second)
    if touch_if_cached(path):
        return path
    data = film.files.run(film.searchable_run or film.run).load()
    times = data.times[data.seconds == second]
    if not len(times):
        raise FileNotFoundError(path)
    source = film.files.source()
    with acquire_slot(STILL_PATIENCE, is_gone, has_priority=True):
        picture = decoding.still(
            film.files.playable(), film.probe, float(times[0]), max_pixels=settings.MAX_FILM_PIXELS
        )
    _keep_picture(picture, path, "jpg")
    drop_orphan(path, source)
    return path


def indexed_still_path(film: Film, second: int) -> Path:
    """Where the full-size picture of a second is kept."""
    return _path(film, "stills", f"run-{film.searchable_run}-{second:06d}.jpg")


def _keep_picture(picture: Picture, path: Path, kind: Still) -> None:
    data = BytesIO()
    if kind == "png":
        picture.save(data, "PNG", compress_level=PNG_EFFORT)
    else:
        picture.save(data, "JPEG", quality=STILL_QUALITY)
    write_within_limit(clip_cache(), settings.CLIP_CACHE_BYTES, path, data.getvalue())
