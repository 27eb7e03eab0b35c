"""One frame and its scene: looked at, played, questioned, quoted."""

import re
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_safe

from gallery import decoding, index, search
from gallery.errors import GalleryError, IndexUnavailable
from gallery.models import Film, Shot
from gallery.storage import STILL_QUALITY, save_jpeg
from gallery.views.common import BY_HTMX, FOR_EVER, jpeg

SIMILAR = 12
NEIGHBOURS = 4  # frames shown on either side of a frame
_SEPARATORS = re.compile(r"[\n\r,;，；、]+")


def _time_of(film_id: int, second: int) -> float:
    """When a frame is shown; its second when the index cannot tell."""
    try:
        return index.current().time(film_id, second) or float(second)
    except IndexUnavailable:
        return float(second)


def citation(request: HttpRequest, film: Film, second: int, time: float) -> str:
    """How to quote a frame: title, year, timecode, and the address of its page."""
    address = request.build_absolute_uri(reverse("frame", args=[film.pk, second]))
    return f"{film}, {film.clock.timecode(time)}, {address}"


def split_words(text: str) -> list[str]:
    """The words that a user gave, a line each or between commas, each once.

    A list as Python writes it, ['dog', 'smiling man wave'], is understood as well.
    """
    parts = (part.strip(" \t[]'\"“”‘’") for part in _SEPARATORS.split(text))
    return list(dict.fromkeys(part for part in parts if part))


@require_safe
@BY_HTMX
def frame(request: HttpRequest, film_id: int, second: int) -> HttpResponse:
    """A frame, large, with its neighbours, similar frames, and the probability of words."""
    shown = get_object_or_404(Film, pk=film_id, searchable_run__isnull=False)
    files = shown.files.run(shown.searchable_run or 0)
    if not files.thumbnail(second).is_file():
        raise Http404
    around = range(max(0, second - NEIGHBOURS), second + NEIGHBOURS + 1)
    time = _time_of(film_id, second)
    shot = Shot.objects.filter(film=shown, start__lte=time + 1e-6).last()
    context: dict[str, Any] = {
        "film": shown,
        "second": second,
        "time": time,
        "shot": shot,
        "first": shown.clock.frame_from(shot.start) if shot else 0,
        "last": shown.clock.frame_from(shot.end) if shot else 0,
        "neighbours": [s for s in around if files.thumbnail(s).is_file()],
        "similar": [],
    }
    context["citation"] = citation(request, shown, second, time)
    words = split_words(request.GET.get("words", ""))
    context["words"] = request.GET.get("words", "")
    try:
        if "words" in request.GET:
            context["probabilities"] = search.probabilities(film_id, second, words)
    except GalleryError as error:
        context["words_error"] = error
    if request.htmx and request.htmx.target == "probabilities":  # type: ignore[attr-defined]
        return render(request, "gallery/_probabilities.html", context)
    try:
        context["similar"] = search.similar(film_id, second, SIMILAR)
    except GalleryError as error:
        context["error"] = error
    return render(request, "gallery/frame.html", context)


@require_GET
@FOR_EVER
def thumbnail(_request: HttpRequest, uid: str, run: int, second: int) -> HttpResponseBase:
    """A frame's small picture."""
    path = Film(uid=uid).files.run(run).thumbnail(second)
    return jpeg(path)


@require_GET
@FOR_EVER
def still(_request: HttpRequest, uid: str, run: int, second: int) -> HttpResponseBase:
    """A frame at the film's full size, made when it is first asked for, and kept."""
    shown = get_object_or_404(Film, uid=uid, searchable_run=run)
    files = shown.files.run(run)
    path = files.still(second)
    if not path.is_file():
        data = files.load()
        times = data.times[data.seconds == second]
        if not len(times):
            raise Http404
        try:
            picture = decoding.still(
                shown.files.source(),
                shown.probe,
                float(times[0]),
                max_pixels=settings.MAX_FILM_PIXELS,
            )
            save_jpeg(picture, path, STILL_QUALITY)
        except (GalleryError, FileNotFoundError):
            # The small picture is better than none.
            path = files.thumbnail(second)
    return jpeg(path)
