"""The page of a scene, and the frames of films as pictures."""

import re
from collections.abc import Callable
from pathlib import Path
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
from gallery.core.waiting import limit_ffmpeg_waits
from gallery.films import catalogue
from gallery.films.missing_pictures import missing_picture
from gallery.films.models import Film, Shot
from gallery.films.shortcuts import film_or_404, frame_or_404, shot_at
from gallery.films.thumbnails import get_small_thumbnail
from gallery.index import frame_index
from gallery.index.types import FrameKey
from gallery.media.store import FilmFiles, RunFiles
from gallery.scenes import clips, scene_lines, sound_tracks, spans
from gallery.scenes.playing import film_content_type, limit_rendering
from gallery.scenes.spans import ChosenSpan
from gallery.search import engine
from gallery.search.address import parse_query, search_url, to_parameters
from gallery.search.search_page import SearchPage
from gallery.search.types import Mode, Query
from gallery.transcripts import dialogue
from gallery.transcripts.models import Subtitles

MAX_SIMILAR = 12
NEIGHBOURS = 4  # shots listed on either side of a shot
_SEPARATORS = re.compile(r"[\n\r,;，；、]+")
PAGE_PARAMETERS = (
    "out",
    "words",
    "sound",
)  # query parameters of this page that a search does not have


def _time_of(film_id: int, second: int) -> float:
    """Return the time of a frame; its second when the index is unavailable."""
    try:
        return frame_index.current().time(film_id, second) or float(second)
    except GalleryError:
        return float(second)


def split_words(text: str) -> list[str]:
    """Split words at line breaks, commas and semicolons, without duplicates.

    A Python list is accepted, too: ['dog', 'smiling man wave'].
    """
    parts = (part.strip(" \t[]'\"“”‘’") for part in _SEPARATORS.split(text))
    return list(dict.fromkeys(part for part in parts if part))


# --- the page -------------------------------------------------------------------------------------


@require_safe
@vary_on_htmx
@limit_searches
def frame(request: HttpRequest, film_id: int, second: int) -> HttpResponse:
    """Show the scene of a frame: the player, its place in the film, its lines, similar shots.

    The URL may carry the ends of the scene (`in`, `out`) and the search that led here.
    """
    film = frame_or_404(film_id, second)
    target = request.htmx.target  # type: ignore[attr-defined]
    if target == "probabilities":
        return render(
            request,
            "gallery/scenes/_probabilities.html",
            _probabilities_context(request, film, second),
        )
    time = _time_of(film_id, second)
    shot = shot_at(film, time)
    own = spans.opening_span(film, shot, time)
    span = spans.choose_span(film, own, spans.parse_ends(request.GET.lists()))
    query = _parse_search(request.GET)
    query_string = urlencode(to_parameters(query))
    context = {
        "film": film,
        "second": second,
        "time": time,
        "shot": shot,
        "own": own,
        "query": query,
        "asked": SearchPage(query),
        "search": f"?{query_string}" if query_string else "",
        "may_play_films": access.may_play_films(request.user),
        "is_away": film.is_away,
        **_sound_context(request, film, query),
        **_span_context(request, film, second, span, (shot, time)),
        "lines": scene_lines.list_lines(film, *_ends(film, span), query),
    }
    if target == "of-span":
        return render(request, "gallery/scenes/_span.html", context)
    context["text_boxes"] = scene_lines.boxes_at(context["lines"], time)
    context |= _probabilities_context(request, film, second)
    context |= _surroundings_context(film, shot, span)
    context |= _similar_context(query, (film.pk, second), shot)
    return render(request, "gallery/scenes/frame.html", context)


def _sound_context(request: HttpRequest, film: Film, query: Query) -> dict[str, Any]:
    """Return the choice of sound tracks, and the query strings that keep the chosen one.

    `sound_asked` is for clips, `onward` for pages of the same film, with the search.
    """
    wanted = sound_tracks.parse_number(request.GET.get("sound", ""))
    number = sound_tracks.non_default_track(film, wanted)
    chosen = [] if number is None else [("sound", str(number))]
    onward = urlencode([*to_parameters(query), *chosen])
    return {
        "sounds": sound_tracks.list_choices(film, wanted),
        "sound_asked": f"?{urlencode(chosen)}" if chosen else "",
        "onward": f"?{onward}" if onward else "",
    }


def _parse_search(given: QueryDict) -> Query:
    """Parse the search that led to the page; an empty one when it is invalid."""
    parameters = given.copy()
    for name in PAGE_PARAMETERS:
        parameters.pop(name, None)
    parameters.setlist("in", [text for text in given.getlist("in") if text in set(Mode)])
    try:
        return parse_query(parameters)
    except QueryError:
        return Query()


def _ends(film: Film, span: ChosenSpan) -> tuple[float, float]:
    """Return start and end of a span in seconds."""
    return film.clock.seconds(span.first), film.clock.seconds(span.last)


def _span_context(
    request: HttpRequest,
    film: Film,
    second: int,
    span: ChosenSpan,
    found: tuple[Shot | None, float],
) -> dict[str, Any]:
    """Return what depends on the chosen span: its ends and citation."""
    clock = film.clock
    shot, time = found
    start, end = _ends(film, span)
    seconds = (span.last - span.first) / clock.grid
    is_whole_shot = shot is not None and span.is_own and span.last == clock.frame_from(shot.end)
    return {
        "span": span,
        # The exact times of a shot, as on result pages, so that boards recognise the same scene.
        "start": shot.start if shot and is_whole_shot else start,
        "end": shot.end if shot and is_whole_shot else end,
        "timecodes": (clock.timecode_of(span.first), clock.timecode_of(span.last)),
        "seconds": float(seconds),
        "citation": _citation(request, film, second, (span, time)),
        "may_download": access.may_download(request.user) and not film.is_away,
        "animates": seconds <= clips.MAX_ANIMATION_SECONDS,
        "animated_seconds": clips.MAX_ANIMATION_SECONDS,
        "frame_number": clock.frame(time),
    }


def _citation(request: HttpRequest, film: Film, second: int, of: tuple[ChosenSpan, float]) -> str:
    """Return the citation of a scene: title, year, timecode, and the URL of its page."""
    span, time = of
    clock = film.clock
    place = request.build_absolute_uri(reverse("frame", args=[film.pk, second]))
    if span.is_own:
        return f"{film}, {clock.timecode(time)}, {place}"
    ends = f"{clock.timecode_of(span.first)}–{clock.timecode_of(span.last)}"
    return f"{film}, {ends}, {place}?in={span.first}f&out={span.last}f"


def _surroundings_context(film: Film, shot: Shot | None, span: ChosenSpan) -> dict[str, Any]:
    """Return the strip, and the neighbouring shots of a scene."""
    strip = spans.build_strip(film, span)
    beside = spans.neighbouring_shots(film, shot, NEIGHBOURS)
    return {
        "strip": strip,
        "trim_in": strip.part(span.first),
        "trim_out": strip.part(span.last),
        "beside": beside,
        "near_count": sum(one.is_near for one in beside),
        "film_type": film_content_type(film),
        "film_frames": spans.count_frames(film),
        "most_frames": spans.max_span_frames(film.clock),
        "most_seconds": settings.MAX_CLIP_SECONDS,
        "tracks": _list_tracks(film),
    }


def _list_tracks(film: Film) -> list[tuple[Subtitles, str]]:
    """Return the subtitles that a player offers, with their labels."""
    return dialogue.label_subtitles(film.subtitles.tracks())


@require_safe
def subtitle_tracks(
    request: HttpRequest, film_id: int, first: int | None = None, last: int | None = None
) -> HttpResponse:
    """Return the <track> elements of a film, or of its clip from frame `first` up to `last`.

    They come with what the scripts need to count the film's frames, and for the whole film with the
    first frames of its shots.
    """
    film = film_or_404(film_id)
    context = {"film": film, "tracks": _list_tracks(film), "first": first, "last": last}
    if first is None:
        starts = film.shots.values_list("start", flat=True)
        context["shots"] = " ".join(str(film.clock.frame_from(start)) for start in starts)
    return render(request, "gallery/scenes/tracks.html", context)


def _similar_context(query: Query, key: FrameKey, shot: Shot | None) -> dict[str, Any]:
    """Return the shots similar to a frame, and the neighbouring hits of the search."""
    found: dict[str, Any] = {"similar": []}
    if query.kind is not None:
        found["back"] = search_url(query, page=query.page)
    try:
        found["similar"] = engine.similar(*key, MAX_SIMILAR)
        if query.kind is not None and shot is not None:
            found |= _neighbouring_hits(query, shot)
    except GalleryError as error:
        found["error"] = error
    return found


def _neighbouring_hits(query: Query, shot: Shot) -> dict[str, Any]:
    """Return the hits before and after a shot on its page of results."""
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


def _probabilities_context(request: HttpRequest, film: Film, second: int) -> dict[str, Any]:
    """Return the probabilities of the words in the URL for the frame."""
    given = request.GET.get("words", "")
    context: dict[str, Any] = {"words": given}
    try:
        if "words" in request.GET:
            context["probabilities"] = engine.probabilities(film.pk, second, split_words(given))
    except GalleryError as error:
        context["words_error"] = error
    return context


# --- pictures -------------------------------------------------------------------------------------


@require_GET
def thumbnail(_request: HttpRequest, uid: str, run: int, second: int) -> HttpResponseBase:
    """Send a frame's thumbnail, or a placeholder while it is being restored."""
    return _thumbnail_response(uid, run, second, lambda files: files.thumbnail(second))


@require_GET
def small_thumbnail(
    _request: HttpRequest, uid: str, run: int, second: int, width: str
) -> HttpResponseBase:
    """Send a frame's thumbnail in a smaller width, made at the first request."""
    return _thumbnail_response(
        uid, run, second, lambda files: get_small_thumbnail(files, second, int(width))
    )


def _thumbnail_response(
    uid: str, run: int, second: int, find: Callable[[RunFiles], Path]
) -> HttpResponseBase:
    """Send the file that `find` returns, or a placeholder when it is missing."""
    try:
        picture = jpeg_response(find(FilmFiles(uid).run(run)))
    except (Http404, FileNotFoundError) as error:
        film = get_object_or_404(Film, uid=uid, searchable_run=run)
        if not catalogue.has_frame(film, second):
            raise Http404 from error
        return missing_picture(film)
    patch_cache_control(picture, **FOREVER)
    return picture


@require_GET
def still(request: HttpRequest, uid: str, run: int, second: int) -> HttpResponseBase:
    """Send an indexed frame in full size, rendered at the first request and cached."""
    film = get_object_or_404(Film, uid=uid, searchable_run=run)
    try:
        limit_rendering(request, clips.indexed_still_path(film, second))
        with limit_ffmpeg_waits():
            path = clips.render_indexed_still(film, second, lambda: is_client_gone(request))
    except (GalleryError, FileNotFoundError):
        # The thumbnail is better than nothing; the next request may succeed.
        thumbnail_response = jpeg_response(film.files.run(run).thumbnail(second))
        thumbnail_response["Cache-Control"] = "no-cache"
        return thumbnail_response
    still_response = jpeg_response(path)
    patch_cache_control(still_response, **FOREVER)
    return still_response
