"""Views that play scenes and films, and download clips, animations and stills."""

import json
from collections.abc import Iterable, Iterator
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseForbidden,
    StreamingHttpResponse,
)
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from gallery.core import access, rate_limits
from gallery.core.errors import ClipBusy, FilmAway, GalleryError, TooManyRequests, http_status
from gallery.core.file_names import file_name
from gallery.core.file_responses import is_client_gone, send_file
from gallery.core.pages import View
from gallery.core.waiting import limit_ffmpeg_waits
from gallery.films.models import Film
from gallery.films.shortcuts import film_or_404
from gallery.media import clip_jobs
from gallery.media.clip_jobs import ClipJob, ClipOrder, ClipStream
from gallery.media.source_files import SourceAway
from gallery.scenes import clips, sound_tracks

CONTENT_TYPES = {
    "mp4": "video/mp4",
    "webp": "image/webp",
    "gif": "image/gif",
    "jpg": "image/jpeg",
    "png": "image/png",
}
# The types of film files that browsers may be able to play.
FILM_CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/webm",
    ".ogv": "video/ogg",
    ".ogg": "video/ogg",
}


def film_content_type(film: Film) -> str:
    """Return the content type of a film's file, or "" when no browser plays it."""
    try:
        return FILM_CONTENT_TYPES.get(film.files.playable().suffix, "")
    except FileNotFoundError:
        return ""


def errors_as_text(view: View) -> View:
    """Decorate a view to answer errors with their message, and Retry-After where that may help."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except GalleryError as error:
            if is_client_gone(request):
                # Nobody reads it. A cancelled clip is no failure of the server to be logged.
                return HttpResponse(status=HTTPStatus.NO_CONTENT)
            status = http_status(error)
            if status == HTTPStatus.BAD_REQUEST:
                status = HTTPStatus.NOT_FOUND
            response = HttpResponse(str(error), status=status)
            if isinstance(error, ClipBusy | TooManyRequests):
                response["Retry-After"] = str(getattr(error, "retry_after", 3))
            return response

    return guarded


def _stream(data: Iterable[bytes], content_type: str) -> StreamingHttpResponse:
    """Return a response that is sent as it is made."""
    # X-Accel-Buffering: nginx must not buffer it.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(data, content_type=content_type, headers=headers)


def _cache_privately(response: HttpResponseBase) -> HttpResponseBase:
    """Let browsers keep a response: the URL of a span always names the same file."""
    response["Cache-Control"] = "private, max-age=604800"
    return response


def _render(request: HttpRequest, order: ClipOrder) -> Path:
    """Return the ordered file, rendering it if needed. Raises GalleryError."""
    if clip_jobs.touch_if_cached(order.path):
        return order.path
    with limit_ffmpeg_waits():
        return clip_jobs.get_or_render(
            order, lambda: is_client_gone(request), rate_limits.client_key(request)
        )


def _sound_number(request: HttpRequest) -> int | None:
    return sound_tracks.parse_number(request.GET.get("sound", ""))


def limit_rendering(request: HttpRequest, path: Path) -> None:
    """Count a request whose file is not in the cache. Raises TooManyRequests."""
    if not clip_jobs.touch_if_cached(path):
        rate_limits.check_rate(request, "clip", settings.CLIP_RATE)


# --- playing --------------------------------------------------------------------------------------


@require_safe
@errors_as_text
def clip(request: HttpRequest, film_id: int, first: int, last: int) -> HttpResponseBase:
    """Send a span as a small clip that any browser plays.

    With `?stream` it is sent as fragmented MP4 while FFmpeg renders it; 204 means that the clip is
    finished, to be requested without `?stream`. Without it, the response waits for the whole clip.
    `?sound`: the number of a sound track.
    """
    film = film_or_404(film_id)
    order = clips.playback_order(film, first, last, _sound_number(request))
    limit_rendering(request, order.path)
    if "stream" not in request.GET:
        path = _render(request, order)
        return _cache_privately(send_file(request, path, CONTENT_TYPES["mp4"]))
    finished = HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
    if clip_jobs.touch_if_cached(order.path) or request.method == "HEAD":
        return finished
    job = clip_jobs.join_job(order, rate_limits.client_key(request))
    if job.is_elsewhere:
        # Only the process that renders a clip can stream it; wait here for the whole clip.
        clip_jobs.leave_job(job)
        _render(request, order)
        return finished
    return _stream(ClipStream(job, lambda: is_client_gone(request)), CONTENT_TYPES["mp4"])


@require_safe
def whole_film(request: HttpRequest, film_id: int) -> HttpResponseBase:
    """Send the film's file, for browsers that know its codec."""
    if not access.may_play_films(request.user):
        return HttpResponseForbidden(_("You are not allowed to play whole films."))
    film = film_or_404(film_id)
    try:
        path = film.files.playable()
    except SourceAway:
        return HttpResponse(str(FilmAway()), status=404)
    except FileNotFoundError:
        return HttpResponse(_("The film file is missing from the media store."), status=404)
    kind = film_content_type(film) or "application/octet-stream"
    response = send_file(request, path, kind)
    response["Cache-Control"] = "private, max-age=604800"
    return response


# --- saving ---------------------------------------------------------------------------------------


def _name(film: Film, first: int, last: int | None, kind: str) -> str:
    """Return the name of a download: Title 00.01.02.03-00.01.04.00.mp4."""
    ends = [film.clock.timecode_of(frame) for frame in (first, last) if frame is not None]
    return f"{file_name(film.title)} {'-'.join(ends).replace(':', '.')}.{kind}"


@require_safe
@errors_as_text
def exact_clip(request: HttpRequest, film_id: int, first: int, last: int) -> HttpResponseBase:
    """Download a span as an exact clip. `?progress`: see `_download`; `?sound`: see `clip`."""
    film = film_or_404(film_id)
    order = clips.export_order(film, first, last, _sound_number(request))
    return _download(request, order, _name(film, first, last, "mp4"))


@require_safe
@errors_as_text
def animation(
    request: HttpRequest, film_id: int, first: int, last: int, kind: clips.Animation
) -> HttpResponseBase:
    """Download a span as a looping picture. `?progress`: see `_download`."""
    film = film_or_404(film_id)
    order = clips.animation_order(film, first, last, kind)
    return _download(request, order, _name(film, first, last, kind))


def _download(request: HttpRequest, order: ClipOrder, name: str) -> HttpResponseBase:
    """Send the ordered file as a download, rendering it if needed.

    With `?progress` the response is lines of JSON while it is rendered: `part` (0 to 1) and `left`
    (seconds or null), at the end `done` or `error`. The file is then requested without it.
    """
    if not access.may_download(request.user):
        return HttpResponseForbidden(_("You are not allowed to download clips."))
    limit_rendering(request, order.path)
    if "progress" in request.GET and request.method == "GET":
        job = None
        if not clip_jobs.touch_if_cached(order.path):
            job = clip_jobs.join_job(order, rate_limits.client_key(request))
        return _stream(_ProgressLines(job, request), "application/x-ndjson")
    path = _render(request, order)
    kind = CONTENT_TYPES[path.suffix[1:]]
    return _cache_privately(send_file(request, path, kind, download_as=name))


class _ProgressLines:
    """Lines of JSON about the progress of a job, until it ends or the client disconnects."""

    def __init__(self, job: ClipJob | None, request: HttpRequest) -> None:
        self.job = job
        self.request = request
        self.language = get_language()
        self.lines = self._lines()

    def _lines(self) -> Iterator[bytes]:
        job = self.job
        while job is not None and not job.wait(0.3):
            if is_client_gone(self.request):
                return
            left = job.remaining_seconds
            state = {"part": round(job.progress, 3), "left": left and round(left, 1)}
            yield json.dumps(state).encode() + b"\n"
        error = job.error if job is not None else None
        # The web server iterates in another thread than the request's, which has its own language.
        with override(self.language):
            yield json.dumps({"error": str(error)} if error else {"done": True}).encode() + b"\n"

    def __iter__(self) -> Iterator[bytes]:
        return self.lines

    def close(self) -> None:
        """Leave the job; further calls do nothing."""
        job, self.job = self.job, None
        if job is not None:
            clip_jobs.leave_job(job)


@require_safe
@errors_as_text
def frame_still(
    request: HttpRequest, film_id: int, number: int, kind: clips.Still
) -> HttpResponseBase:
    """Send a frame in full size; with `?save` as a download, for users who may save scenes."""
    film = film_or_404(film_id)
    if ("save" in request.GET or kind == "png") and not access.may_download(request.user):
        return HttpResponseForbidden(_("You are not allowed to download clips."))
    limit_rendering(request, clips.still_path(film, number, kind))
    with limit_ffmpeg_waits():
        path = clips.render_still(film, number, kind, lambda: is_client_gone(request))
    name = _name(film, number, None, kind) if "save" in request.GET else ""
    return _cache_privately(send_file(request, path, CONTENT_TYPES[kind], download_as=name))
