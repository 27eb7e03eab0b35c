"""One scene: watched, trimmed, questioned, quoted; and the frames of films as pictures."""

import re
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_safe

from gallery.core import access
from gallery.core.errors import GalleryError, QueryError
from gallery.core.file_responses import is_client_gone
from gallery.core.pages import FOREVER, jpeg_response, limit_searches, vary_on_htmx
from gallery.core.waiting import waiting_for_ffmpeg
from gallery.films import catalogue
from gallery.films.missing_pictures import missing_picture
from gallery.films.models import Film, Shot
from gallery.films.shortcuts import film_or_404
from gallery.index import frame_index
from gallery.index.types import FrameKey
from gallery.scenes import clips, sound_tracks, spans
from gallery.scenes.playing import film_type, limit_making
from gallery.scenes.spans import ChosenSpan
from gallery.search import engine
from gallery.search.address import search_url, to_parameters
from gallery.search.forms import SearchForm
from gallery.search.search_page import SearchPage
from gallery.search.types import Mode, Query
from gallery.transcripts import dialogue

SIMILAR = 12
BESIDE = 4  # shots shown on either side of a shot
_SEPARATORS = re.compile(r"[\n\r,;，；、]+")
OWN = ("out", "words", "sound")  # parameters of this page that no search has


def _time_of(film_id: int, second: int) -> float:
    """When a frame is shown; its second when the index cannot tell."""
    try:
        return frame_index.current().time(film_id, second) or float(second)
    except GalleryError:
        return float(second)


def split_words(text: str) -> list[str]:
    """The words that a user gave, a line each or between commas, each once.

    A list as Python writes it, ['dog', 'smiling man wave'], is understood as well.
    """
    parts = (part.strip(" \t[]'\"“”‘’") for part in _SEPARATORS.split(text))
    return list(dict.fromkeys(part for part in parts if part))


# --- the page -------------------------------------------------------------------------------------


@require_safe
@vary_on_htmx
@limit_searches
def frame(request: HttpRequest, film_id: int, second: int) -> HttpResponse:
    """A frame and its scene, playing, with what lies around it, is said in it, and looks like it.

    Its address may carry the ends of the scene (`in`, `out`), and the search that led here.
    """
    film = film_or_404(film_id)
    if not catalogue.has_frame(film, second):
        raise Http404
    target = request.htmx.target  # type: ignore[attr-defined]
    if target == "probabilities":
        return render(request, "gallery/_probabilities.html", _odds(request, film, second))
    time = _time_of(film_id, second)
    shot = Shot.objects.filter(film=film, start__lte=time + 1e-6).last()
    own = spans.opening_span(film, shot, time)
    span = spans.choose_span(film, own, spans.given_ends(request.GET.lists()))
    query = _search_before(request.GET)
    asked = urlencode(to_parameters(query))
    context: dict[str, Any] = {
        "film": film,
        "second": second,
        "time": time,
        "shot": shot,
        "own": own,
        "query": query,
        "asked": SearchPage(query),
        "search": f"?{asked}" if asked else "",
        "may_play_films": access.may_play_films(request.user),
        **_sound(request, film),
        **_of_span(request, film, second, span, (shot, time)),
    }
    if target == "of-span":
        return render(request, "gallery/_span.html", context)
    context |= _odds(request, film, second)
    context |= _around(film, shot, span)
    context |= _found_with(query, (film.pk, second), shot)
    return render(request, "gallery/frame.html", context)


def _sound(request: HttpRequest, film: Film) -> dict[str, Any]:
    """The sound tracks to choose from, and what addresses of clips carry of the choice."""
    asked = sound_tracks.number_in(request.GET.get("sound", ""))
    number = sound_tracks.unusual(film, asked)
    return {
        "sounds": sound_tracks.choices(film, asked),
        "sound_asked": "" if number is None else f"?sound={number}",
    }


def _search_before(given: QueryDict) -> Query:
    """The search that led to a page; an empty one when it makes no sense."""
    kept = given.copy()
    for name in OWN:
        kept.pop(name, None)
    kept.setlist("in", [text for text in given.getlist("in") if text in set(Mode)])
    try:
        return SearchForm(kept).query()
    except QueryError:
        return Query()


def _of_span(
    request: HttpRequest,
    film: Film,
    second: int,
    span: ChosenSpan,
    found: tuple[Shot | None, float],
) -> dict[str, Any]:
    """What depends on the chosen span: its ends, how it is quoted, what is said in it."""
    clock = film.clock
    shot, time = found
    start, end = clock.seconds(span.first), clock.seconds(span.last)
    seconds = (span.last - span.first) / clock.grid
    whole_shot = shot is not None and span.is_own and span.last == clock.frame_from(shot.end)
    return {
        "span": span,
        # As boards know the shot of a hit: its times, not those of the nearest frames.
        "start": shot.start if shot and whole_shot else start,
        "end": shot.end if shot and whole_shot else end,
        "timecodes": (clock.timecode_of(span.first), clock.timecode_of(span.last)),
        "seconds": float(seconds),
        "citation": _citation(request, film, second, (span, time)),
        "transcripts": dialogue.lines(film, start, end),
        "may_download": access.may_download(request.user),
        "animates": seconds <= clips.ANIMATED_SECONDS,
        "animated_seconds": clips.ANIMATED_SECONDS,
        "frame_number": clock.frame(time),
    }


def _citation(request: HttpRequest, film: Film, second: int, of: tuple[ChosenSpan, float]) -> str:
    """How to quote a scene: title, year, timecode, and the address of its page."""
    span, time = of
    clock = film.clock
    place = request.build_absolute_uri(reverse("frame", args=[film.pk, second]))
    if span.is_own:
        return f"{film}, {clock.timecode(time)}, {place}"
    ends = f"{clock.timecode_of(span.first)}–{clock.timecode_of(span.last)}"
    return f"{film}, {ends}, {place}?in={span.first}f&out={span.last}f"


def _around(film: Film, shot: Shot | None, span: ChosenSpan) -> dict[str, Any]:
    """What surrounds a scene in its film."""
    strip = spans.strip_around(film, span)
    return {
        "strip": strip,
        "trim_in": strip.part(span.first),
        "trim_out": strip.part(span.last),
        "beside": spans.shots_beside(film, shot, BESIDE),
        "film_type": film_type(film),
        "most_frames": spans.max_frames(film.clock),
        "most_seconds": settings.MAX_CLIP_SECONDS,
        "captions": film.subtitles.all(),
    }


def _found_with(query: Query, key: FrameKey, shot: Shot | None) -> dict[str, Any]:
    """What is like a frame, and the hits beside it in the search that led here."""
    found: dict[str, Any] = {"similar": []}
    if query.kind is not None:
        found["back"] = search_url(query, page=query.page)
    try:
        found["similar"] = engine.similar(*key, SIMILAR)
        if query.kind is not None and shot is not None:
            found |= _hits_beside(query, shot)
    except GalleryError as error:
        found["error"] = error
    return found


def _hits_beside(query: Query, shot: Shot) -> dict[str, Any]:
    """The hits before and after a shot, on the page of hits that led to it."""
    hits = engine.recent_hits(query)
    shots = [(hit.film, hit.shot) for hit in hits]
    if (shot.film_id, shot.number) not in shots:
        return {}
    at = shots.index((shot.film_id, shot.number))
    return {
        "hit_before": hits[at - 1] if at else None,
        "hit_after": hits[at + 1] if at + 1 < len(hits) else None,
        "hit_number": (query.page - 1) * query.page_size + at + 1,
    }


def _odds(request: HttpRequest, film: Film, second: int) -> dict[str, Any]:
    """How probable the words in the address are for the frame."""
    given = request.GET.get("words", "")
    odds: dict[str, Any] = {"words": given}
    try:
        if "words" in request.GET:
            odds["probabilities"] = engine.probabilities(film.pk, second, split_words(given))
    except GalleryError as error:
        odds["words_error"] = error
    return odds


# --- pictures -------------------------------------------------------------------------------------


@require_GET
def thumbnail(_request: HttpRequest, uid: str, run: int, second: int) -> HttpResponseBase:
    """A frame's small picture, or one that says that it is being made again."""
    path = Film(uid=uid).files.run(run).thumbnail(second)
    try:
        picture = jpeg_response(path)
    except Http404:
        film = get_object_or_404(Film, uid=uid, searchable_run=run)
        if not catalogue.has_frame(film, second):
            raise
        return missing_picture(film)
    patch_cache_control(picture, **FOREVER)
    return picture


@require_GET
def still(request: HttpRequest, uid: str, run: int, second: int) -> HttpResponseBase:
    """A frame at the film's full size, made when it is first asked for, and kept."""
    shown = get_object_or_404(Film, uid=uid, searchable_run=run)
    try:
        limit_making(request, clips.indexed_still_path(shown, second))
        with waiting_for_ffmpeg():
            path = clips.indexed_still(shown, second, lambda: is_client_gone(request))
    except (GalleryError, FileNotFoundError):
        # The small picture is better than none; another time it may work.
        small = jpeg_response(shown.files.run(run).thumbnail(second))
        small["Cache-Control"] = "no-cache"
        return small
    whole = jpeg_response(path)
    patch_cache_control(whole, **FOREVER)
    return whole
