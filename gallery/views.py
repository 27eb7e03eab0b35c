"""The pages. Each works without JavaScript; htmx asks for parts of them."""

import re
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from gallery import clips, ffmpeg, index, pictures, search, weights
from gallery.errors import ClipBusy, GalleryError, IndexUnavailable
from gallery.forms import PictureForm, SearchForm
from gallery.models import Film, Shot
from gallery.sending import send_file
from gallery.storage import STILL_QUALITY, save_jpeg
from gallery.templatetags.scenes import clock, timecode
from gallery.types import Query

NEWEST = 12
FILMS_PER_PAGE = 48
SHOTS_PER_PAGE = 120
SIMILAR = 12
NEIGHBOURS = 4  # frames shown on either side of a frame
# The same address gives a page or a part of it: browsers must not take one for the other.
BY_HTMX = vary_on_headers("HX-Request", "HX-Target")
FOR_EVER = cache_control(public=True, max_age=31_536_000, immutable=True)
_SEPARATORS = re.compile(r"[\n\r,;，；、]+")


def searchable() -> Any:
    """Films that can be searched with the model in use."""
    return Film.objects.filter(searchable_run__isnull=False, model=weights.current().fingerprint)


@require_safe
@BY_HTMX
def home(request: HttpRequest) -> HttpResponse:
    """The search box with the newest films, or the results of the search in the address."""
    form = SearchForm(request.GET)
    context: dict[str, Any] = {
        "newest": [],
        "films": searchable().order_by("title"),
        "others": _waiting_for_reembedding(),
    }
    status = HTTPStatus.OK
    try:
        query = form.query()
        context["query"] = query
        if query.film is not None:
            context["film"] = Film.objects.filter(pk=query.film).first()
        if query.kind is None:
            context["newest"] = searchable()[:NEWEST]
        else:
            context["results"] = search.search(query)
            context["more_address"] = _address(query, page=query.page + 1)
    except IndexUnavailable as error:
        context["error"], status = error, HTTPStatus.SERVICE_UNAVAILABLE
    except GalleryError as error:
        context["error"], status = error, HTTPStatus.BAD_REQUEST
    template = "gallery/home.html"
    if request.htmx and not request.htmx.boosted and "results" in context:  # type: ignore[attr-defined]
        template = "gallery/_hits.html"
    return render(request, template, context, status=status)


def _waiting_for_reembedding() -> int:
    """How many films another model embedded, which cannot be searched with this one."""
    return (
        Film.objects.filter(searchable_run__isnull=False)
        .exclude(model=weights.current().fingerprint)
        .count()
    )


def _address(query: Query, **changes: int | None) -> str:
    """The address of a search."""
    values: dict[str, Any] = {
        "q": query.words,
        "picture": query.picture,
        "frame": f"{query.frame[0]}-{query.frame[1]}" if query.frame else "",
        "film": query.film,
        **changes,
    }
    return f"{reverse('home')}?{urlencode({k: v for k, v in values.items() if v})}"


@require_POST
def upload_picture(request: HttpRequest) -> HttpResponse:
    """Keep a picture, and go to the search for what looks like it."""
    form = PictureForm(request.POST, request.FILES)
    if "upload_error" in request.__dict__:
        message = str(request.__dict__["upload_error"])
        return render(request, "gallery/error.html", {"message": message}, status=507)
    if not form.is_valid():
        message = " ".join(str(m) for messages in form.errors.values() for m in messages)
        return render(request, "gallery/error.html", {"message": message}, status=400)
    token = pictures.keep(form.cleaned_data["picture"])
    return redirect(_address(Query(picture=token, film=form.cleaned_data["film"])))


@require_safe
def film_list(request: HttpRequest) -> HttpResponse:
    """All films."""
    page = Paginator(searchable(), FILMS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "gallery/films.html", {"page": page})


@require_safe
def film(request: HttpRequest, film_id: int) -> HttpResponse:
    """A film and its shots in time order."""
    shown = get_object_or_404(Film, pk=film_id, searchable_run__isnull=False)
    page = Paginator(shown.shots.all(), SHOTS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "gallery/film.html", {"film": shown, "page": page})


def _time_of(film_id: int, second: int) -> float:
    """When a frame is shown; its second when the index cannot tell."""
    try:
        return index.current().time(film_id, second) or float(second)
    except IndexUnavailable:
        return float(second)


def citation(request: HttpRequest, film: Film, second: int, time: float) -> str:
    """How to quote a frame: title, year, timecode, and the address of its page."""
    address = request.build_absolute_uri(reverse("frame", args=[film.pk, second]))
    return f"{film}, {timecode(time, film.rate)}, {address}"


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
    return _jpeg(path)


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
            picture = ffmpeg.still(
                shown.files.source(),
                shown.probe,
                float(times[0]),
                max_pixels=settings.MAX_FILM_PIXELS,
            )
            save_jpeg(picture, path, STILL_QUALITY)
        except (GalleryError, FileNotFoundError):
            # The small picture is better than none.
            path = files.thumbnail(second)
    return _jpeg(path)


@require_safe
def scene(request: HttpRequest, film_id: int, number: int) -> HttpResponseBase:
    """A shot of a film as a clip that any browser plays; `?save=1` to keep it."""
    shown = get_object_or_404(Film, pk=film_id, searchable_run__isnull=False)
    shot = get_object_or_404(Shot, film=shown, number=number)
    try:
        path = clips.clip(shown, shot.start, min(shot.end, shot.start + clips.LONGEST))
    except ClipBusy as error:
        busy = HttpResponse(str(error), status=HTTPStatus.SERVICE_UNAVAILABLE)
        busy["Retry-After"] = "5"
        return busy
    except (GalleryError, FileNotFoundError) as error:
        return HttpResponse(str(error), status=HTTPStatus.NOT_FOUND)
    name = ""
    if "save" in request.GET:
        name = f"{shown.title} {clock(shot.start).replace(':', '.')}.mp4"
    response = send_file(request, path, "video/mp4", download_as=name)
    response["Cache-Control"] = "private, max-age=86400"
    return response


@require_GET
@FOR_EVER
def probe_picture(_request: HttpRequest, token: str) -> HttpResponseBase:
    """A picture that is searched with."""
    return _jpeg(pictures.probe_path(token))


def _jpeg(path: Any) -> HttpResponseBase:
    try:
        return FileResponse(path.open("rb"), content_type="image/jpeg")
    except FileNotFoundError as error:
        raise Http404 from error


@require_safe
def health(_request: HttpRequest) -> JsonResponse:
    """Whether this process can answer searches; for load balancers and health checks."""
    state: dict[str, Any] = {"database": "ok", "index": "ok"}
    status = HTTPStatus.OK
    Film.objects.exists()
    try:
        here = index.current()
        here.ensure()
        state["frames"] = here.status().frames
    except IndexUnavailable as error:
        state["index"], status = str(error), HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse(state, status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """There is no such page."""
    message = _("There is nothing at this address. The film may have been deleted.")
    return render(request, "gallery/error.html", {"message": message}, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Something unexpected happened."""
    message = _("Something went wrong here. Nothing was lost; the log says what happened.")
    return render(request, "gallery/error.html", {"message": message}, status=500)
