"""Composed queries: their text, URLs and ranking."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import redis
from django.http import QueryDict
from django.utils.http import urlencode

from demo.concepts import CONCEPTS, KNOWN
from gallery.core.errors import QueryError
from gallery.films.models import Film
from gallery.index import frame_index
from gallery.search import baseline, engine, plan, query_vectors, ranking
from gallery.search.address import parse_query, search_url, to_parameters
from gallery.search.types import Example, Hit, Mode, Order, ProbeKind, Query
from tests.importing import DEMO
from tests.integration.test_search import synthetic_film

TRUTH: dict[str, Any] = json.loads((DEMO / "ground_truth.json").read_text("utf-8"))
TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def library(redis_server: redis.Redis, db: None) -> list[Film]:
    """Eight films of ten shots of six frames, of the years 1990 to 1997."""
    films = [synthetic_film(f"Film {n}", 10, 6, n) for n in range(8)]
    for number, film in enumerate(films):
        film.year = 1990 + number
        film.save()
    return films


def right_shots(language: str, text: str) -> set[int]:
    """The right shots for a query in the ground truth, from 0."""
    numbers = next(
        q["shots"] for q in TRUTH["queries"] if (q["lang"], q["text"]) == (language, text)
    )
    return {number - 1 for number in numbers}


def search_pictures(**what: Any) -> list[Hit]:
    return engine.search(Query(mode=Mode.SEEN, page_size=40, **what)).hits


def middle_frame(film: Film, number: int) -> tuple[int, int]:
    """The best frame of a shot."""
    return film.pk, film.shots.get(number=number).second


# --- queries in words -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "wanted", "avoided"),
    [
        ("a dog", "a dog", ()),
        ("a dog -night", "a dog", ("night",)),
        ('a dog -"at night" -cat', "a dog", ("at night", "cat")),
        ("film-noir street", "film-noir street", ()),
        ("狗 -夜晚", "狗", ("夜晚",)),
        ("狗 －夜晚", "狗", ("夜晚",)),
        ("-night", "", ("night",)),
        ("a - b", "a - b", ()),
        ('-"unclosed phrase', "", ("unclosed phrase",)),
        ("-night dog -night", "dog", ("night",)),
    ],
)
def test_words_with_a_minus_sign_are_avoided(
    words: str, wanted: str, avoided: tuple[str, ...]
) -> None:
    query = Query(words=words)
    assert (query.wanted, query.avoided) == (wanted, avoided)


def test_several_things_can_be_avoided() -> None:
    query = Query(words="dog -cat", avoid="at night, snow，雨")
    assert query.avoided == ("cat", "at night", "snow", "雨")


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        (Query(), None),
        (Query(avoid="night"), None),
        (Query(less=((1, 2),)), None),
        (Query(words="dog"), ProbeKind.WORDS),
        (Query(examples=(Example((1, 2)),)), ProbeKind.FRAME),
        (Query(examples=(Example(picture=TOKEN),)), ProbeKind.PICTURE),
        (Query(words="dog", examples=(Example((1, 2)),)), ProbeKind.MIXED),
        (Query(examples=(Example((1, 2)), Example((1, 3)))), ProbeKind.MIXED),
        (Query(words="dog", more=((1, 2),)), ProbeKind.MIXED),
    ],
)
def test_a_query_lists_its_parts(query: Query, kind: ProbeKind | None) -> None:
    assert query.kind is kind


# --- addresses ------------------------------------------------------------------------------------

FULL = Query(
    words='a dog -"at night"',
    words_weight=0.5,
    avoid="snow, rain",
    examples=(Example((3, 14), weight=2), Example((3, 15)), Example(picture=TOKEN, weight=0.25)),
    more=((1, 2), (1, 3)),
    less=((4, 5),),
    mode=Mode.SEEN,
    order=Order.TIME,
    films=(3, 4),
    years=(1990, 2001),
    labels=(7, 8),
    page=3,
)


@pytest.mark.parametrize("query", [FULL, Query(words="狗 & 猫 + 100 %"), Query(words="dog")])
def test_a_query_survives_its_url(query: Query) -> None:
    given = QueryDict(urlencode(to_parameters(query)))
    assert parse_query(given) == query


def test_a_changed_query_starts_at_the_first_page(db: None) -> None:
    assert "page=" not in search_url(FULL, words="a cat")
    assert "page=4" in search_url(FULL, page=4)
    assert search_url(Query(words="dog")) == "/?q=dog"


@pytest.mark.parametrize(
    "given",
    [
        "frame=1-2*x", "frame=1", "picture=123", "more=1-2*2", "in=heard", "sort=beauty",
        "film=a", "label=-1", "from=then", "w=-1", "frame=1-2*999", "film=" + "9" * 30,
        "&".join(f"more=1-{n}" for n in range(40)),
    ],
)  # fmt: skip
def test_malformed_addresses_are_refused(given: str) -> None:
    with pytest.raises(QueryError):
        parse_query(QueryDict("q=dog&" + given))


# --- composing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "avoided", "all_shots", "left"),
    [
        ("a dog", "night", "a dog", "a dog at night"),
        ("a dog", "snow", "a dog", "a dog in the snow"),
        ("一只狗", "夜晚", "一只狗", "夜晚的狗"),
    ],
)
def test_avoided_things_rank_lower(
    words: str, avoided: str, all_shots: str, left: str, demo_film: Film
) -> None:
    language = "en" if words.isascii() else "zh"
    dogs, unwanted = right_shots(language, all_shots), right_shots(language, left)
    before = [hit.shot for hit in search_pictures(words=words)]
    for query in ({"words": f"{words} -{avoided}"}, {"words": words, "avoid": avoided}):
        after = [hit.shot for hit in search_pictures(**query)]
        assert after[0] in dogs - unwanted
        for shot in unwanted:
            assert after.index(shot) > max(before.index(shot), len(dogs - unwanted) - 1)


def pairs_to_separate(language: str) -> Iterator[tuple[str, str, set[int], set[int]]]:
    """Pairs of things, the shots with only the first, and those with both, from 0."""
    names = {one.slug: getattr(one, language)[0] for one in KNOWN}
    for thing in sorted({t["slug"] for shot in TRUTH["shots"] for t in shot["things"]}):
        shown = {
            number: {shot["background"], *(t["slug"] for t in shot["things"])} - {thing}
            for number, shot in enumerate(TRUTH["shots"])
            if thing in {t["slug"] for t in shot["things"]}
        }
        for beside in sorted(set().union(*shown.values())):
            with_it = {number for number, others in shown.items() if beside in others}
            if set(shown) - with_it and beside in names:
                yield names[thing], names[beside], set(shown) - with_it, with_it


@pytest.mark.parametrize("language", ["en", "zh"])
def test_avoided_things_rank_lower_and_wanted_ones_stay(language: str, demo_film: Film) -> None:
    """Avoiding the second thing ranks shots with only the first one higher."""
    right = precise = count = 0
    for thing, beside, wanted, unwanted in pairs_to_separate(language):
        ranked = [hit.shot for hit in search_pictures(words=thing, avoid=beside)]
        places = sorted(ranked.index(shot) for shot in wanted)
        right += ranked[0] in wanted
        precise += places[-1] == len(wanted) - 1
        count += 1
        assert min(ranked.index(shot) for shot in unwanted) > places[-1], (thing, beside)
    print(f"\n{language}: {count} things without another: a right shot first {right / count:.0%}")
    assert count >= 10
    assert right == count
    assert precise >= 0.9 * count


def test_words_beside_a_frame_both_count(demo_film: Film) -> None:
    """A frame of the night and the word 'dog' find the dog at night, which neither finds alone."""
    moon = middle_frame(demo_film, 1)
    found = search_pictures(words="a dog", examples=(Example(moon),))
    (wanted,) = right_shots("en", "a dog at night")
    assert wanted in [hit.shot for hit in found[:3]]
    alone = [hit.shot for hit in search_pictures(words="a dog")]
    assert [hit.shot for hit in found].index(wanted) <= alone.index(wanted)


def test_more_weight_counts_more(demo_film: Film) -> None:
    snow = middle_frame(demo_film, 3)
    ranks = [
        [
            hit.shot
            for hit in search_pictures(words="a cat", examples=(Example(snow, weight=weight),))
        ].index(3)
        for weight in (0.1, 1, 10)
    ]
    assert ranks[0] > ranks[2] == 0
    assert ranks == sorted(ranks, reverse=True)
    for weight, expected in ((10.0, right_shots("en", "a cat")), (0.05, {3})):
        hits = search_pictures(words="a cat", words_weight=weight, examples=(Example(snow),))
        assert hits[0].shot in expected


def test_marked_hits_move_similar_ones(demo_film: Film) -> None:
    """Rocchio: dogs in the snow, and similar shots, rise or sink with the mark."""
    marked = middle_frame(demo_film, 3)
    vector = query_vectors.load_frame_vector(marked)

    def likeness(hits: list[Hit]) -> float:
        return float(
            np.mean([query_vectors.load_frame_vector(hit.key) @ vector for hit in hits[:6]])
        )

    plain = search_pictures(words="a dog")
    more, less = (
        search_pictures(words="a dog", more=(marked,)),
        search_pictures(words="a dog", less=(marked,)),
    )
    assert likeness(more) > likeness(plain) > likeness(less)
    assert marked in [hit.key for hit in more]
    assert marked not in [hit.key for hit in less]


def test_a_query_with_only_things_to_avoid_is_refused(demo_film: Film) -> None:
    for query in (Query(words="-night"), Query(avoid="night"), Query(less=((demo_film.pk, 3),))):
        with pytest.raises(QueryError, match="something to search for"):
            engine.search(query)


def test_the_number_of_things_to_avoid_is_limited(demo_film: Film) -> None:
    listed = ", ".join(f"thing {n}" for n in range(query_vectors.MAX_AVOIDED))
    assert engine.search(Query(words="a dog", avoid=listed)).hits
    with pytest.raises(QueryError, match="at most 20 things"):
        engine.search(Query(words="a dog -snow", avoid=listed))


def test_a_contradictory_query_is_refused(demo_film: Film) -> None:
    frame = middle_frame(demo_film, 3)
    with pytest.raises(QueryError, match="are the same"):
        engine.search(Query(words="dog", words_weight=0.6, avoid="dog", mode=Mode.SEEN))
    assert engine.search(Query(examples=(Example(frame),), less=(frame,))).hits


# --- the ranking ----------------------------------------------------------------------------------


def test_reciprocal_rank_fusion_adds_reciprocal_ranks() -> None:
    scores = ranking.fuse_rankings([(1, 1), (1, 2), (1, 3)], [(1, 3), (2, 1)])
    assert list(scores) == [(1, 3), (1, 1), (1, 2), (2, 1)]
    assert scores[(1, 3)] == pytest.approx(1 / 63 + 1 / 61)
    assert scores[(2, 1)] == pytest.approx(1 / 62)


def test_a_film_shows_few_hits_and_the_number_of_others(library: list[Film]) -> None:
    results = engine.search(Query(words="a dog"))
    films = [hit.film for hit in results.hits]
    assert len(films) == 24
    assert max(films.count(film) for film in films) == plan.HITS_PER_FILM
    pages = [engine.search(Query(words="a dog", page=page)) for page in (1, 2, 3)]
    hits = [hit for page in pages for hit in page.hits]
    assert len(hits) == len(library) * plan.HITS_PER_FILM == len({(h.film, h.shot) for h in hits})
    assert all(hit.more_in_film for hit in hits)
    # All hits of a film, when it is selected.
    alone = engine.search(Query(words="a dog", films=(library[2].pk,)))
    assert len(alone.hits) == 10
    assert not any(hit.more_in_film for hit in alone.hits)
    best = [(h.film, h.shot) for h in alone.hits][: plan.HITS_PER_FILM]
    assert [(h.film, h.shot) for h in hits if h.film == library[2].pk] == best


def test_hits_are_in_order_of_score(library: list[Film]) -> None:
    """Leaving out films at their limit in the second search must not change the order."""
    everything = engine.search(Query(words="a dog", page_size=80, per_film=1000)).hits
    counts: dict[int, int] = {}
    expected = []
    for hit in everything:
        counts[hit.film] = counts.get(hit.film, 0) + 1
        if counts[hit.film] <= plan.HITS_PER_FILM:
            expected.append((hit.film, hit.shot))
    hits = engine.search(Query(words="a dog")).hits
    assert [(hit.film, hit.shot) for hit in hits] == expected[:24]


def test_years_and_films_filter(library: list[Film]) -> None:
    def years(query: Query) -> set[int | None]:
        return {hit.listed_film.year for hit in engine.search(query).hits}

    query = Query(words="a dog", page_size=100)
    assert years(replace(query, years=(1993, 1995))) == {1993, 1994, 1995}
    assert years(replace(query, years=(1996, None))) == {1996, 1997}
    assert years(replace(query, years=(None, 1990))) == {1990}
    assert years(replace(query, years=(2000, None))) == set()
    several = replace(query, films=(library[0].pk, library[5].pk))
    assert years(several) == {1990, 1995}
    assert years(replace(several, years=(1994, None))) == {1995}


def test_labels_filter_shots_with_all_of_them(library: list[Film]) -> None:
    film = library[3]
    frame_index.current().set_labels(film.pk, {0: (5,), 1: (5, 6), 7: (6,), 8: (55,)})
    query = Query(words="a dog", page_size=100)
    assert [hit.key for hit in engine.search(replace(query, labels=(5, 6))).hits] == [(film.pk, 1)]
    assert {h.shot for h in engine.search(replace(query, labels=(6,))).hits} == {0, 1}
    assert engine.search(replace(query, labels=(9,))).hits == []
    frame_index.current().set_labels(film.pk, {})
    assert engine.search(replace(query, labels=(5,))).hits == []


def test_hits_can_be_in_order_of_time(library: list[Film]) -> None:
    query = Query(words="a dog", order=Order.TIME, page_size=10)
    pages = [engine.search(replace(query, page=page)).hits for page in (1, 2, 3, 4)]
    places = [(hit.listed_film.title, hit.start) for page in pages for hit in page]
    assert places == sorted(places)
    assert len(places) == len(set(places)) == 32


def test_films_of_one_title_are_not_mixed(library: list[Film]) -> None:
    Film.objects.filter(pk__in=[film.pk for film in library[:3]]).update(title="Alike")
    hits = engine.search(Query(words="a dog", order=Order.TIME, page_size=40)).hits
    alike = [hit.film for hit in hits if hit.listed_film.title == "Alike"]
    assert len(set(alike)) == 3
    assert alike == sorted(alike)


# --- pictures and dialogue ------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_right_shot_comes_first_for_pictures_and_dialogue(
    language: str, demo_film: Film
) -> None:
    """Fused, each kind of query ranks as well as alone."""
    least = {
        ("queries", Mode.SEEN): 0.94, ("queries", Mode.BOTH): 0.94,
        ("dialogue_queries", Mode.SAID): 0.95, ("dialogue_queries", Mode.BOTH): 0.95,
    }  # fmt: skip
    for (kind, mode), wanted in least.items():
        asked = [query for query in TRUTH[kind] if query["lang"] == language]
        first = 0
        for query in asked:
            right = {n - 1 for n in query.get("shots", [query.get("shot")])}
            hits = engine.search(Query(words=query["text"], mode=mode)).hits
            first += bool(hits) and hits[0].shot in right
        print(
            f"\n{language}: {len(asked)} {kind} in {mode}: "
            f"right shot first {first / len(asked):.0%}"
        )
        assert len(asked) >= 20
        assert first / len(asked) >= wanted


def test_the_line_comes_with_the_hit(demo_film: Film) -> None:
    hit = engine.search(Query(words="my paws are freezing")).hits[0]
    assert hit.line is not None
    assert hit.line.complete
    assert [text for text, marked in hit.line.parts if marked] == ["My", "paws", "are", "freezing"]
    assert hit.start <= hit.line.start < hit.end
    assert hit.relevance == 1
    assert engine.search(Query(words="my paws are freezing", mode=Mode.SEEN)).hits[0].line is None


def test_lines_with_avoided_words_are_omitted(demo_film: Film) -> None:
    def shots(words: str) -> list[int]:
        return [hit.shot for hit in engine.search(Query(words=words, mode=Mode.SAID)).hits]

    assert shots("umbrella") == [4]
    assert shots("umbrella -forget") == []


def test_the_switch_is_about_words_only(demo_film: Film) -> None:
    """With a frame, words are searched in dialogue only: both rankings count."""
    frame = middle_frame(demo_film, 9)
    query = Query(words="my paws are freezing", examples=(Example(frame),), mode=Mode.SAID)
    hits = engine.search(query).hits
    assert {hits[0].shot, hits[1].shot} == {3, 9}


def test_a_partial_line_match_is_distinguished(demo_film: Film) -> None:
    results = engine.search(Query(words="my paws are on holiday", mode=Mode.SAID))
    assert results.hits[0].shot == 3
    assert results.hits[0].relevance < 1
    assert not results.matches


# --- relevance ------------------------------------------------------------------------------------


def test_relevance_is_100_percent_for_the_best_hit_and_0_for_average(demo_film: Film) -> None:
    hits = search_pictures(words="an astronaut at night")
    relevance = [hit.relevance for hit in hits]
    assert relevance[0] == 1
    assert relevance == sorted(relevance, reverse=True)
    assert relevance[-1] == 0
    assert np.median(relevance) < 0.35
    # A frame has full relevance for itself, although the second best is far off.
    own = search_pictures(examples=(Example((demo_film.pk, 30)),))
    assert own[0].relevance == 1
    assert own[1].relevance < 0.95


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_search_says_when_nothing_matches_well(language: str, demo_film: Film) -> None:
    """Queries of the ground truth match; names of things that are not in the film do not."""
    shown = {thing["slug"] for shot in TRUTH["shots"] for thing in shot["things"]}
    concepts = CONCEPTS
    shown_names = {name for c in concepts if c.slug in shown for name in getattr(c, language)}
    absent = [
        getattr(c, language)[0]
        for c in concepts
        if c.slug not in shown
        and getattr(c, language)
        and not shown_names & set(getattr(c, language))
    ]
    there = [query["text"] for query in TRUTH["queries"] if query["lang"] == language]

    def matching(texts: list[str]) -> float:
        found = [engine.search(Query(words=t, mode=Mode.SEEN, page_size=1)).matches for t in texts]
        return sum(found) / len(found)

    right, wrong = matching(there), matching(absent)
    print(
        f"\n{language}: of {len(there)} queries that the film answers {right:.0%} are said to "
        f"match, of {len(absent)} names of what it does not show {wrong:.0%}"
    )
    assert right >= 0.9
    assert wrong <= 0.25


def test_marked_and_shown_frames_always_match(demo_film: Film) -> None:
    assert engine.search(Query(examples=(Example((demo_film.pk, 30)),))).matches
    assert engine.search(Query(words="asdf qwer", more=((demo_film.pk, 30),))).matches


def test_the_baseline_is_sampled_from_the_library(library: list[Film]) -> None:
    here = baseline.get_baseline(len(library))
    assert here.frames.shape == (480, frame_index.current().width)
    assert np.linalg.norm(here.frames, axis=1) == pytest.approx(1, abs=1e-3)
    vector = query_vectors.embed_words("a dog")
    mean, spread = here.mean_std(vector)
    assert (mean, spread) == pytest.approx((0, 1 / np.sqrt(frame_index.current().width)), abs=0.05)
    # Random shots are nearly orthogonal; frames of a real film are similar.
    assert 0 < here.pictures_threshold <= 1


def test_an_empty_library_is_no_error(redis_server: redis.Redis, db: None) -> None:
    frame_index.current().ensure()
    results = engine.search(Query(words="a dog", avoid="night"))
    assert (results.hits, results.more, results.matches) == ([], False, False)


def test_parts_of_a_query_are_not_markup(db: None) -> None:
    assert re.search("q=%3Cscript%3E", search_url(Query(words="<script>")))
