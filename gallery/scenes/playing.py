"""Scenes and films that play, and what is saved of them: clips, animations, stills."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

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
from gallery.core.errors import ClipBusy, GalleryError, TooManyRequests, status_of
from gallery.core.file_names import file_name
from gallery.core.file_responses import is_client_gone, send_file
from gallery.core.waiting import waiting_for_ffmpeg
from gallery.films.models import Film
from gallery.films.shortcuts import film_or_404
from gallery.media import clip_jobs
from gallery.media.clip_jobs import ClipJob, ClipOrder, ClipStream
from gallery.scenes import clips, sound_tracks

TYPES = {
    "mp4": "video/mp4",
    "webp": "image/webp",
    "gif": "image/gif",
    "jpg": "image/jpeg",
    "png": "image/png",
}
# What browsers call the containers that films come in, where they may play them.
FILM_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/webm",
    ".ogv": "video/ogg",
    ".ogg": "video/ogg",
}


def film_type(film: Film) -> str:
    """What browsers call the kind of file that a film is in, or "" when none plays it."""
    try:
        return FILM_TYPES.get(film.files.playable().suffix, "")
    except FileNotFoundError:
        return ""


def refusal(error: GalleryError) -> HttpResponse:
    """A sentence, and whether trying again may help."""
    status = status_of(error)
    if status == HTTPStatus.BAD_REQUEST:
        return HttpResponse(str(error), status=HTTPStatus.NOT_FOUND)
    response = HttpResponse(str(error), status=status)
    if isinstance(error, ClipBusy | TooManyRequests):
        response["Retry-After"] = str(getattr(error, "wait", 3))
    return response


def _kept_by_browsers(response: HttpResponseBase) -> HttpResponseBase:
    """The same span of the same film is always the same file."""
    response["Cache-Control"] = "private, max-age=604800"
    return response


def _made(request: HttpRequest, order: ClipOrder) -> Path:
    """The file that is ordered. Raises GalleryError."""
    if clip_jobs.touch_if_cached(order.path):
        return order.path
    with waiting_for_ffmpeg():
        return clip_jobs.get_or_render(
            order, lambda: is_client_gone(request), rate_limits.client_of(request)
        )


def limit_making(request: HttpRequest, path: Path) -> None:
    """Count what has to be made because it is not kept. Raises TooManyRequests."""
    if not clip_jobs.touch_if_cached(path):
        rate_limits.check_rate(request, "clip", settings.CLIP_RATE)


# --- playing --------------------------------------------------------------------------------------


@require_safe
def clip(request: HttpRequest, film_id: int, first: int, last: int) -> HttpResponseBase:
    """A span as a small clip that any browser plays.

    With `?stream` it is sent while FFmpeg still makes it, as fragmented MP4; 204 says that it is
    there already and can be had plain. Without it, the answer comes when the clip is whole.
    `?sound`: the number of a sound track.
    """
    film = film_or_404(film_id)
    try:
        order = clips.playing(
            film, first, last, sound_tracks.number_in(request.GET.get("sound", ""))
        )
        limit_making(request, order.path)
        if "stream" not in request.GET:
            path = _made(request, order)
            return _kept_by_browsers(send_file(request, path, TYPES["mp4"]))
        if clip_jobs.touch_if_cached(order.path) or request.method == "HEAD":
            return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
        joined = clip_jobs.join_job(order, rate_limits.client_of(request))
        if joined.is_elsewhere:
            # Another process sends it while it is made; here it can be had when it is whole.
            clip_jobs.leave_job(joined)
            _made(request, order)
            return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
        streamed = ClipStream(joined, lambda: is_client_gone(request))
    except GalleryError as error:
        return refusal(error)
    response = StreamingHttpResponse(streamed, content_type=TYPES["mp4"])
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # a proxy shall not collect it
    return response


@require_safe
def whole_film(request: HttpRequest, film_id: int) -> HttpResponseBase:
    """The film's own file, for browsers that know its codec."""
    if not access.may_play_films(request.user):
        return HttpResponseForbidden(_("You are not allowed to play whole films."))
    film = film_or_404(film_id)
    try:
        path = film.files.playable()
    except FileNotFoundError:
        return HttpResponse(_("The film file is missing from the media store."), status=404)
    kind = film_type(film) or "application/octet-stream"
    response = send_file(request, path, kind)
    response["Cache-Control"] = "private, max-age=604800"
    return response


# --- saving ---------------------------------------------------------------------------------------


def _name(film: Film, first: int, last: int | None, kind: str) -> str:
    """The name to save something under: Title 00.01.02.03-00.01.04.00.mp4."""
    ends = [film.clock.timecode_of(frame) for frame in (first, last) if frame is not None]
    return f"{file_name(film.title)} {'-'.join(ends).replace(':', '.')}.{kind}"


@require_safe
def exact_clip(request: HttpRequest, film_id: int, first: int, last: int) -> HttpResponseBase:
    """A span as an exact clip in full size. `?progress`: see `_saved`; `?sound`: see `clip`."""
    film = film_or_404(film_id)
    try:
        order = clips.exact(film, first, last, sound_tracks.number_in(request.GET.get("sound", "")))
    except GalleryError as error:
        return refusal(error)
    return _saved(request, order, _name(film, first, last, "mp4"))


@require_safe
def animation(
    request: HttpRequest, film_id: int, first: int, last: int, kind: clips.Animation
) -> HttpResponseBase:
    """A span as a looping picture. `?progress`: see `_saved`."""
    film = film_or_404(film_id)
    try:
        order = clips.animation(film, first, last, kind)
    except GalleryError as error:
        return refusal(error)
    return _saved(request, order, _name(film, first, last, kind))


def _saved(request: HttpRequest, order: ClipOrder, name: str) -> HttpResponseBase:
    """A file to save, made now when it is not kept.

    With `?progress` the answer is a line of JSON now and then while it is made: `part` (0 to 1),
    `left` (seconds, or null), and at the end `done` or `error`; the file is had without it.
    """
    if not access.may_download(request.user):
        return HttpResponseForbidden(_("You are not allowed to download clips."))
    try:
        limit_making(request, order.path)
        if "progress" in request.GET and request.method == "GET":
            joined = None
            if not clip_jobs.touch_if_cached(order.path):
                joined = clip_jobs.join_job(order, rate_limits.client_of(request))
            said = StreamingHttpResponse(
                _Progress(joined, request), content_type="application/x-ndjson"
            )
            said["Cache-Control"] = "no-store"
            said["X-Accel-Buffering"] = "no"
            return said
        path = _made(request, order)
        kind = TYPES[path.suffix[1:]]
        return _kept_by_browsers(send_file(request, path, kind, download_as=name))
    except GalleryError as error:
        return refusal(error)


class _Progress:
    """Lines of JSON about a making, until it is over or nobody reads them. Close it."""

    def __init__(self, joined: ClipJob | None, request: HttpRequest) -> None:
        self.joined = joined
        self.request = request
        self.language = get_language()
        self.lines = self._lines()

    def _lines(self) -> Iterator[bytes]:
        making_ = self.joined
        while making_ is not None and not making_.wait(0.3):
            if is_client_gone(self.request):
                return
            left = making_.left
            state = {"part": round(making_.part, 3), "left": left and round(left, 1)}
            yield json.dumps(state).encode() + b"\n"
        error = making_.error if making_ is not None else None
        # The web server asks for these lines in another thread than the one of the request.
        with override(self.language):
            yield json.dumps({"error": str(error)} if error else {"done": True}).encode() + b"\n"

    def __iter__(self) -> Iterator[bytes]:
        return self.lines

    def close(self) -> None:
        """Leave; once."""
        joined, self.joined = self.joined, None
        if joined is not None:
            clip_jobs.leave_job(joined)


@require_safe
def frame_still(
    request: HttpRequest, film_id: int, number: int, kind: clips.Still
) -> HttpResponseBase:
    """The picture of a frame at full size; `?save` to keep it, which needs leave."""
    film = film_or_404(film_id)
    if ("save" in request.GET or kind == "png") and not access.may_download(request.user):
        return HttpResponseForbidden(_("You are not allowed to download clips."))
    try:
        limit_making(request, clips.still_path(film, number, kind))
        with waiting_for_ffmpeg():
            path = clips.still(film, number, kind, lambda: is_client_gone(request))
    except GalleryError as error:
        return refusal(error)
    name = _name(film, number, None, kind) if "save" in request.GET else ""
    return _kept_by_browsers(send_file(request, path, TYPES[kind], download_as=name))
