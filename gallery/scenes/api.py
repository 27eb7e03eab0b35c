"""API of frames and scenes."""

from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.translation import gettext_noop
from ninja import Field, Query, Schema

from gallery.films.shortcuts import film_or_404, frame_or_404, shot_at
from gallery.index import frame_index
from gallery.rest import schemas
from gallery.rest.paging import MAX_PAGE_SIZE
from gallery.rest.routing import Router
from gallery.rest.serializers import Serializer
from gallery.scenes import clips
from gallery.search import engine

router = Router(tags=["Frames and scenes"])
DEFAULT_SIMILAR = 12


@router.get(
    "/films/{number:film_id}/frames/{number:second}",
    response=schemas.Frame,
    summary=gettext_noop("Get a frame"),
)
def get_frame(request: HttpRequest, film_id: int, second: int) -> Any:
    """The frame indexed for a second of a film: the first one shown in that second."""
    film = frame_or_404(film_id, second)
    here = frame_index.current()
    time = here.time(film.pk, second)
    time = float(second) if time is None else time
    shot = shot_at(film, time)
    serializer = Serializer(request)
    return {
        **serializer.frame_name(film, second, time),
        "film": serializer.film_name(film),
        "shot": {"number": shot.number + 1} if shot else None,
        "scene": serializer.scene(film, shot.start, shot.end) if shot else None,
        "labels": sorted(here.labels([(film.pk, second)])[0]),
        "citation": serializer.citation(film, second, time),
    }


class Count(Schema):
    """How many results."""

    count: int = Field(
        DEFAULT_SIMILAR, ge=1, le=MAX_PAGE_SIZE, description="Number of shots to return."
    )


@router.get(
    "/films/{number:film_id}/frames/{number:second}/similar",
    response=schemas.Similar,
    summary=gettext_noop("Find similar shots"),
)
def similar_shots(request: HttpRequest, film_id: int, second: int, options: Query[Count]) -> Any:
    """Other shots that look like this frame, most similar first."""
    frame_or_404(film_id, second)
    return {"results": Serializer(request).hits(engine.similar(film_id, second, options.count))}


class Words(Schema):
    """The words to score."""

    word: list[str] = Field(
        min_length=1,
        max_length=engine.MAX_WORDS,
        description="A word or a description; repeat for several.",
        examples=[["dog", "cat"]],
    )


@router.get(
    "/films/{number:film_id}/frames/{number:second}/probabilities",
    response=schemas.Probabilities,
    summary=gettext_noop("Score words for a frame"),
)
def word_probabilities(
    request: HttpRequest,  # noqa: ARG001
    film_id: int,
    second: int,
    options: Query[Words],
) -> Any:
    """How well each word fits a frame, compared with the others."""
    frame_or_404(film_id, second)
    found = engine.probabilities(film_id, second, list(dict.fromkeys(options.word)))
    return {"results": [{"word": word, "probability": part} for word, part in found]}


class Span(Schema):
    """Start and end of the scene."""

    start: schemas.SecondsIn
    end: Annotated[schemas.SecondsIn, Field(gt=0, examples=[13.9])]


@router.get(
    "/films/{number:film_id}/scene", response=schemas.Scene, summary=gettext_noop("Get a scene")
)
def get_scene(request: HttpRequest, film_id: int, span: Query[Span]) -> Any:
    """The scene from the frame nearest to `start` up to `end`, and the addresses of its clips.

    Clips are made on first request and cannot extend past the end of the film.
    """
    film = film_or_404(film_id)
    clips.make_cut(film, film.clock.frame_from(span.start), film.clock.frame_from(span.end))
    return Serializer(request).scene(film, span.start, span.end)
