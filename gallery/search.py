"""A query becomes a vector, the frames near it, and of these the hits: one a shot."""

import re
from collections.abc import Sequence
from functools import lru_cache

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from gallery import encoder, index, pictures, weights
from gallery.errors import QueryError
from gallery.models import Film
from gallery.types import Example, Hit, Neighbour, ProbeKind, Query, Results, Scope, Vector

FRAMES_PER_HIT = 8  # asked of the index for each hit wanted: a shot has several frames
MOST_FRAMES = 10_000  # asked of the index in one query, at the most
MOST_WORDS = 100  # of which the probability can be asked at once
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def text_vector(words: str) -> Vector:
    """The embedding of a text query, remembered. Raises QueryError when it is too long."""
    check_length(words)
    return _text_vector(words.strip(), weights.current().fingerprint)


@lru_cache(maxsize=1024)
def _text_vector(words: str, fingerprint: str) -> Vector:  # noqa: ARG001 - part of the key
    return encoder.current().text(words)


def check_length(words: str) -> None:
    """Raise QueryError when a query has more characters than are accepted."""
    if len(words) > settings.MAX_QUERY_CHARACTERS:
        raise QueryError(
            _(
                "The query is too long: %(given)d characters, at most %(most)d are accepted. "
                "A few words that describe the scene work best."
            )
            % {"given": len(words), "most": settings.MAX_QUERY_CHARACTERS}
        )


def query_vector(query: Query) -> Vector:
    """The unit vector that a query asks for, shape (width,). Raises QueryError."""
    if query.own is not None:
        found = index.current().vector(*query.own)
        if found is None:
            raise QueryError(
                _(
                    "This frame is not in the index. Its film was deleted, or another model "
                    "embedded it; an administrator can bring it over with manage.py reembed."
                )
            )
        return found
    if query.examples:
        return pictures.vector(query.examples[0].picture)
    return text_vector(query.words)


def notices(query: Query) -> list[str]:
    """What the user should know about a query of words, as sentences."""
    if query.kind is not ProbeKind.WORDS:
        return []
    said = []
    if _CHINESE.search(query.words) and not weights.current().reads_chinese:
        said.append(
            _(
                "The model in use, %(model)s, knows English only, so Chinese words mean little to "
                "it. Ask in English, or have an administrator set CLIP_MODEL to a bilingual model, "
                "for example OFA-Sys/chinese-clip-vit-base-patch16."
            )
            % {"model": weights.current().name}
        )
    if encoder.current().is_cut(query.words):
        said.append(_("The query is longer than the model reads; its end was left out."))
    return said


def one_per_shot(
    neighbours: Sequence[Neighbour], own: tuple[int, int] | None = None
) -> list[Neighbour]:
    """Keep the best frame of each shot, best first.

    `own` is the frame that was searched with: it comes first, also when frames that look the same
    score the same.
    """

    def rank(neighbour: Neighbour) -> tuple[bool, float]:
        record = neighbour.record
        return ((record.film, record.second) != own, -neighbour.score)

    best: dict[tuple[int, int], Neighbour] = {}
    for neighbour in sorted(neighbours, key=rank):
        best.setdefault((neighbour.record.film, neighbour.record.shot), neighbour)
    return list(best.values())


def search(query: Query) -> Results:
    """Find the shots that a query describes.

    Raises QueryError when it cannot be done as asked, and IndexUnavailable when not now.
    """
    if query.kind is None:
        raise QueryError(_("There is nothing to search for: give words, a picture or a frame."))
    vector = query_vector(query)
    wanted = query.page * query.page_size + 1
    here = index.current()
    count = min(MOST_FRAMES, wanted * FRAMES_PER_HIT)
    while True:
        neighbours = here.nearest(
            vector,
            count,
            Scope(films=query.films or None, labels=query.labels, dull=query.own is not None),
        )
        films = Film.objects.in_bulk({n.record.film for n in neighbours})
        living = [n for n in neighbours if _is_searchable(films.get(n.record.film))]
        best = one_per_shot(living, query.own)
        if len(best) >= wanted or len(neighbours) < count or count == MOST_FRAMES:
            break
        count = min(MOST_FRAMES, count * 4)
    first = (query.page - 1) * query.page_size
    return Results(
        hits=[_hit(n, films[n.record.film]) for n in best[first : first + query.page_size]],
        more=len(best) > first + query.page_size,
        notices=notices(query),
    )


def similar(film: int, second: int, count: int) -> list[Hit]:
    """Shots that look like a frame, its own left out."""
    found = search(Query(examples=(Example((film, second)),), page_size=count + 1))
    return found.hits[1:]


def probabilities(film: int, second: int, words: Sequence[str]) -> list[tuple[str, float]]:
    """How probable each word is for a frame, most probable first; they sum to 1.

    Raises QueryError for no words, too many, or one that is too long.
    """
    if not words:
        raise QueryError(_("Give some words, one a line or separated by commas."))
    if len(words) > MOST_WORDS:
        raise QueryError(_("At most %(most)d words can be asked at once.") % {"most": MOST_WORDS})
    for word in words:
        check_length(word)
    vector = query_vector(Query(examples=(Example((film, second)),)))
    odds = encoder.current().probabilities(vector, words)
    return sorted(zip(words, odds, strict=True), key=lambda pair: -pair[1])


def _is_searchable(film: Film | None) -> bool:
    return film is not None and film.searchable_run is not None


def thumbnail_address(film: Film, second: int) -> str:
    """Where a frame's small picture is served. It changes with every import: cache it for ever."""
    return reverse("thumbnail", args=[film.uid, film.searchable_run or film.run, second])


def _hit(neighbour: Neighbour, film: Film) -> Hit:
    record = neighbour.record
    return Hit(
        film=film.pk,
        title=film.title,
        year=film.year,
        second=record.second,
        time=record.time,
        shot=record.shot,
        start=record.start,
        end=record.end,
        score=neighbour.score,
        relevance=max(0.0, min(1.0, neighbour.score)),
        thumbnail=thumbnail_address(film, record.second),
        rate=film.rate,
    )
