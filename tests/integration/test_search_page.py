"""The search page and a film's page without JavaScript, as links and forms."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gallery.clip import weights
from gallery.films.models import Film
from gallery.labels.models import Label, LabelCount
from gallery.search import engine, relevance_curve
from gallery.search.types import Query
from gallery.transcripts.transcript_page import LINES_PER_PART
from tests.integration.test_search import synthetic_film
from tests.integration.test_views import body, list_hits
from tests.lines import SHOT, add_lines


class Links(HTMLParser):
    """The links of a page: their URLs by class and by text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.by_class: dict[str, list[str]] = {}
        self.by_text: dict[str, str] = {}
        self.current: set[str] = set()
        self._open: tuple[str, dict[str, str | None]] | None = None
        self._text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self._open, self._text = (given["href"] or "", given), ""
            for name in (given.get("class") or "").split():
                self.by_class.setdefault(name, []).append(given["href"] or "")

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._open:
            text = " ".join(self._text.split())
            self.by_text.setdefault(text, self._open[0])
            if self._open[1].get("aria-current"):
                self.current.add(text)
            self._open = None


def parse_links(response: Any) -> Links:
    return Links(body(response))


def parse_query(address: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(address).query)


def read_hidden_fields(response: Any, form: str) -> dict[str, list[str]]:
    """The hidden fields of a form, by its id."""
    inside = body(response).partition(f'id="{form}"')[2].partition("</form>")[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', inside):
        found.setdefault(name, []).append(unescape(value))
    return found


# --- parts of the query ---------------------------------------------------------------------------


def test_a_query_of_words_has_no_extra_parts(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "a dog"})
    assert 'class="part ' not in body(response)
    assert 'value="a dog"' in body(response)


def test_every_part_can_be_removed_and_weighted(page: Client, demo_film: Film) -> None:
    film = demo_film.pk
    given = {"q": "a dog -snow", "frame": f"{film}-40", "more": f"{film}-64", "less": f"{film}-12"}
    response = page.get("/", {**given, "film": film, "from": 1900})
    text = body(response)
    for kind in ("words", "frame", "more", "less", "avoided", "film", "years"):
        assert text.count(f"is-{kind}") == 1, kind
    removing = parse_links(response).by_class["remove"]
    names = [{name for name, _value in parse_query(address)} for address in removing]
    whole = {"q", "frame", "more", "less", "film", "from"}
    # Without the words, the avoided things remain in the box.
    assert [whole - one for one in names] == [
        set(), {"frame"}, {"more"}, {"less"}, set(), {"film"}, {"from"},
    ]  # fmt: skip
    assert dict(parse_query(removing[0]))["q"] == "-snow"
    assert dict(parse_query(removing[4]))["q"] == "a dog"
    for address in removing:
        assert page.get(address).status_code == 200
    weights = re.findall(r'<span class="weigh".*?</span>\s*</a>\s*</span>', text, re.DOTALL)
    assert len(weights) == 2
    by_text = parse_links(response).by_text
    heavier = next(a for t, a in by_text.items() if t.startswith("Increase weight: a"))
    assert dict(parse_query(heavier))["w"] == "2"
    lighter = [
        a for t, a in parse_links(response).by_text.items() if t.startswith("Decrease weight: The")
    ]
    assert dict(parse_query(lighter[0]))["frame"] == f"{film}-40*0.5"
    assert parse_links(response).by_text["Clear search"] == "/"


def test_new_words_keep_the_rest_of_the_query(page: Client, demo_film: Film) -> None:
    frame, more = f"{demo_film.pk}-40*2", f"{demo_film.pk}-64"
    response = page.get("/", {"q": "dog", "w": 0.5, "frame": frame, "more": more, "sort": "time"})
    expected = {"w": ["0.5"], "frame": [frame], "more": [more], "sort": ["time"]}
    assert read_hidden_fields(response, "search") == expected
    assert read_hidden_fields(response, "picture-form") == {
        "csrfmiddlewaretoken": read_hidden_fields(response, "picture-form")["csrfmiddlewaretoken"],
        "q": ["dog"],
        **expected,
    }


def upload(page: Client, film: Film, second: int, pairs: list[tuple[str, str]]) -> Any:
    """Upload the frame of a second, with the rest of the query as in the form."""
    still = film.files.run(film.searchable_run or 0).thumbnail(second).read_bytes()
    fields: dict[str, list[Any]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    fields.setdefault("picture", []).append(SimpleUploadedFile("a.jpg", still))
    return page.post(reverse("upload_picture"), fields)


def test_a_picture_is_added_to_the_query(page: Client, demo_film: Film) -> None:
    rest = [("q", "a dog"), ("not", "snow"), ("less", f"{demo_film.pk}-12")]
    first = upload(page, demo_film, 30, [*rest, ("film", str(demo_film.pk))])
    assert first.status_code == 302
    pairs = parse_query(first.url)
    assert [name for name, _value in pairs] == ["q", "not", "picture", "less", "film"]
    assert [pair for pair in pairs if pair[0] in ("q", "not", "less")] == rest
    second = parse_query(upload(page, demo_film, 60, pairs).url)
    assert [name for name, _value in second].count("picture") == 2
    third = upload(page, demo_film, 30, second)
    assert parse_query(third.url) == second
    shown = page.get(third.url)
    assert shown.status_code == 200
    assert body(shown).count("is-picture") == 2


def test_a_refused_picture_leaves_the_query_as_it_was(page: Client, demo_film: Film) -> None:
    given = {"q": "a dog", "not": "snow", "picture": SimpleUploadedFile("a.jpg", b"no picture")}
    response = page.post(reverse("upload_picture"), given)
    assert response.status_code == 400
    assert "This picture cannot be read" in body(response)
    assert 'value="a dog"' in body(response)
    assert "<s>snow</s>" in body(response)
    assert list_hits(response)  # those of the rest of the search


@pytest.mark.parametrize("origin", ["http://testserver/?q=dog", "https://elsewhere.example/"])
def test_the_page_of_a_refused_form_leads_back_to_it(origin: str, page: Client) -> None:
    response = page.generic(
        "POST", reverse("upload_picture"), CONTENT_LENGTH=str(10**9), headers={"Referer": origin}
    )
    assert response.status_code == 413
    assert (f'href="{origin}"' in body(response)) == ("testserver" in origin)


def test_an_address_of_a_frame_among_the_words_becomes_an_example(
    page: Client, demo_film: Film
) -> None:
    frame = f"http://testserver/films/{demo_film.pk}/frames/40/?q=cat"
    response = page.get("/", {"q": f"at night {frame}", "film": demo_film.pk})
    assert response.status_code == 302
    assert parse_query(response.url) == [
        ("q", "at night"), ("frame", f"{demo_film.pk}-40"), ("film", str(demo_film.pk)),
    ]  # fmt: skip
    in_film = page.get(demo_film.get_absolute_url(), {"q": frame})
    assert in_film.url == f"{demo_film.get_absolute_url()}?frame={demo_film.pk}-40"


def test_a_search_has_one_canonical_url(page: Client, demo_film: Film) -> None:
    sent = {"q": "dog", "not": "", "from": "", "to": "", "w": "", "sort": "relevance", "page": "2"}
    response = page.get("/", sent)
    assert (response.status_code, response.url) == (302, "/?q=dog&page=2")
    assert page.get(response.url).status_code == 200
    assert page.get("/", {"q": ""}).url == "/?"


def test_a_query_needs_more_than_things_to_avoid(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "-snow"})
    assert response.status_code == 400
    assert "Words to avoid are not enough" in body(response)
    assert "<s>snow</s>" in body(response)


# --- actions on a hit -----------------------------------------------------------------------------


def test_a_hit_can_be_rated_and_similar_ones_searched(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "a dog", "not": "snow", "film": demo_film.pk})
    first = list_hits(response)[0]
    key = f"{first[0]}-{first[1]}"
    found = parse_links(response).by_class
    rest = [("q", "a dog"), ("not", "snow"), ("film", str(demo_film.pk))]
    assert sorted(parse_query(found["more-like"][0])) == sorted([*rest, ("more", key)])
    assert sorted(parse_query(found["less-like"][0])) == sorted([*rest, ("less", key)])
    assert parse_query(found["similar"][0]) == [("frame", key), ("film", str(demo_film.pk))]
    assert parse_query(found["shown"][0]) == rest
    marked = page.get(found["more-like"][0])
    at = list_hits(marked).index(first)
    assert sorted(parse_query(parse_links(marked).by_class["more-like"][at])) == sorted(rest)
    without = page.get(found["less-like"][0])
    assert first not in list_hits(without)
    assert body(without).count("is-less") == 1


def test_a_film_with_more_hits_is_noted_once(page: Client, demo_film: Film) -> None:
    for number in range(8):
        synthetic_film(f"Other {number}", 4, 3, number)
    response = page.get("/", {"q": "a dog"})
    of_demo = [film for film, _second in list_hits(response)].count(demo_film.pk)
    assert of_demo == 4
    (more,) = parse_links(response).by_class["more-here"]
    assert parse_query(more) == [("q", "a dog"), ("film", str(demo_film.pk))]
    last = body(response).rindex(f'data-film="{demo_film.pk}"')
    assert last < body(response).index('class="more-here"')
    only = page.get(more)
    assert {film for film, _second in list_hits(only)} == {demo_film.pk}
    assert parse_links(only).by_text["Film overview"] == f"/films/{demo_film.pk}/?q=a+dog"


def test_relevance_is_in_percent_and_never_a_cosine(page: Client, demo_film: Film) -> None:
    text = body(page.get("/", {"q": "a dog in the snow"}))
    parts = [int(part) for part in re.findall(r'aria-label="Relevance (\d+)\xa0%"', text)]
    assert len(parts) == 24
    assert parts[0] == 100
    assert parts == sorted(parts, reverse=True)
    assert "cosine" not in text


def test_the_line_is_shown_under_its_picture(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "flight moon", "in": "said"})
    quote = re.search(r'<q lang="en">(.*?)</q>', body(response))
    assert quote
    assert re.sub("<.*?>", "", quote[1]).startswith("Sorry, madam.")
    assert "<mark>flight</mark>" in quote[1]
    assert "<mark>moon</mark>" in quote[1]
    chinese = body(page.get("/", {"q": "月球", "in": "said"}))
    assert re.search(r'<q lang="zh[^"]*">.*?<mark>月球</mark>', chinese)


def test_the_switch_selects_where_words_are_searched(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "moon", "not": "night"})
    found = parse_links(response)
    assert {"Everything", "Best first"} <= found.current
    assert parse_query(found.by_text["Said"]) == [
        ("q", "moon"),
        ("not", "night"),
        ("in", "said"),
    ]
    lines_only = page.get(found.by_text["Said"])
    assert {"Said", "Best first"} <= parse_links(lines_only).current
    assert len(list_hits(lines_only)) < len(list_hits(response))
    assert parse_query(parse_links(lines_only).by_text["Everything"]) == [
        ("q", "moon"),
        ("not", "night"),
    ]
    # No dialogue search for a picture, nor in films without lines.
    assert "Said" not in parse_links(page.get("/", {"frame": f"{demo_film.pk}-40"})).by_text
    demo_film.subtitles.all().delete()
    assert "Said" not in parse_links(page.get("/", {"q": "moon"})).by_text


def test_hits_can_be_sorted_by_time(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "a dog"})
    by_time = page.get(parse_links(response).by_text["By film"])
    seconds = [second for _film, second in list_hits(by_time)]
    assert seconds == sorted(seconds)
    assert "by film and time" in body(by_time)
    # Weak matches are dimmed there, and only there.
    assert "data-faint" not in body(response)
    shown = re.findall(
        r'<li class="card[^>]* data-film="\d+"( data-faint)?>.*?aria-label="Relevance (\d+)',
        body(by_time),
        re.S,
    )
    assert len(shown) == len(seconds)
    faint = [int(part) for is_faint, part in shown if is_faint]
    clear = [int(part) for is_faint, part in shown if not is_faint]
    assert len(clear) == 3  # and another on the second page
    assert max(faint) <= min(clear)
    # By relevance, a heading separates them on the page with both.
    before, heading, after = body(response).partition("Weaker matches")
    assert heading
    assert before.count('<li class="card"') == 4
    assert after.count('<li class="card"') == 24 - 4
    assert "Weaker matches" not in body(page.get("/", {"q": "a dog", "page": 2}))


def test_weak_picture_matches_follow_dialogue_matches(page: Client, demo_film: Film) -> None:
    """The line with the words is the match; the nearest picture does not match fully."""
    found = engine.search(Query(words="kings never ask"))
    assert found.hits[0].line
    assert (found.hits[0].relevance, found.rest) == (1, 1)
    assert all(hit.relevance < 1 and not hit.matches for hit in found.hits[1:])
    nothing = engine.search(Query(words="qwertz uiop"))
    assert (nothing.matches, nothing.rest) == (False, None)
    assert nothing.hits[0].relevance < 1


# --- filters --------------------------------------------------------------------------------------


def test_filters_are_fields_of_the_search(page: Client, demo_film: Film) -> None:
    Film.objects.filter(pk=demo_film.pk).update(year=1931)
    other = synthetic_film("Other", 6, 3, 1)  # of 1999
    response = page.get("/", {"q": "a dog", "film": [demo_film.pk, other.pk], "from": 1950})
    text = body(response)
    assert {film for film, _second in list_hits(response)} == {other.pk}
    for field in ('name="not"', 'name="from"', 'name="to"'):
        assert re.search(rf'form="search"[^>]*{field}', text), field
    assert len(re.findall(r'name="film"[^>]* checked', text)) == 2
    assert 'value="1950"' in text
    assert 'placeholder="1999"' in text
    assert "(3 filters)" in text
    assert parse_query(parse_links(response).by_text["Clear filters"]) == [("q", "a dog")]
    assert "1950 or later" in text


def test_labels_are_filters_with_counts(page: Client, demo_film: Film) -> None:
    assert "Labels" not in body(page.get("/", {"q": "a dog"}))
    night = Label.objects.create(name="Night", prompts="night", model=demo_film.model)
    LabelCount.objects.create(label=night, film=demo_film, model=demo_film.model, shots=7)
    Label.objects.create(name="Unused", prompts="x", model=demo_film.model)
    response = page.get("/", {"q": "a dog", "label": night.pk})
    text = body(response)
    assert re.search(r'Night <span class="pill-count">7</span>', text)
    assert f'id="label-{night.pk}" value="{night.pk}" checked' in text
    assert "Unused" not in text
    assert text.count("is-label") == 1


def test_an_empty_part_of_the_library_is_reported(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "a dog", "to": 1890})
    assert response.status_code == 200
    assert "No searchable scenes match these filters." in body(response)
    assert parse_query(parse_links(response).by_text["Search the whole library"]) == [
        ("q", "a dog")
    ]
    nobody = page.get("/", {"q": "xylophone", "in": "said"})
    assert "No dialogue contains these words" in body(nobody)
    assert parse_query(parse_links(nobody).by_text["Search everything"]) == [("q", "xylophone")]


def test_no_good_match_is_reported_above_the_nearest_hits(page: Client, demo_film: Film) -> None:
    good = body(page.get("/", {"q": "a dog in the snow"}))
    assert "No close matches" not in good
    response = page.get("/", {"q": "qwertz uiop", "not": "snow", "film": demo_film.pk})
    text = body(response)
    assert text.index("No close matches") < text.index("Closest scenes anyway")
    assert len(list_hits(response)) == 24
    ways = parse_links(response).by_text
    assert parse_query(ways["Search dialogue only"])[-2:] == [
        ("in", "said"),
        ("film", str(demo_film.pk)),
    ]
    assert ("not", "snow") not in parse_query(ways["Stop avoiding “snow”"])
    assert ("film", str(demo_film.pk)) not in parse_query(ways["Search the whole library"])


def test_hundreds_of_films_take_few_queries(page: Client, demo_film: Film) -> None:
    counts = []
    for many in (5, 300):
        Film.objects.bulk_create(
            Film(title=f"Film {n} of {many}", sha256=f"{n}-{many}", searchable_run=1,
                 model=demo_film.model, year=1950, shot_count=3)
            for n in range(many)
        )  # fmt: skip
        for address in ("/?q=a+dog", "/films/", "/"):
            with CaptureQueriesContext(connection) as queries:
                assert page.get(address).status_code == 200
            counts.append(len(queries))
    # One more if no new film has a line in the user's language.
    assert all(b - a in (0, 1) for a, b in zip(counts[:3], counts[3:], strict=True)), counts
    assert max(counts) < 25


# --- a film's page --------------------------------------------------------------------------------


def test_a_film_without_a_query_shows_its_length_shots_and_lines(
    page: Client, demo_film: Film
) -> None:
    response = page.get(demo_film.get_absolute_url())
    text = body(response)
    assert "curve-edge" not in text
    assert text.count('tabindex="-1" aria-hidden="true" style="left:') == demo_film.shot_count
    strip = text.partition("film-strip")[2].partition("</ol>")[0]
    seconds = [int(second) for second in re.findall(r'data-second="(\d+)"', strip)]
    assert len(seconds) == 16
    assert seconds == sorted(set(seconds))
    lines = text.partition('id="lines"')[2]
    assert "Sorry, madam. This flight does not stop at the moon." in lines
    assert "<mark>" not in text


def test_a_film_shows_where_it_is_relevant(page: Client, demo_film: Film) -> None:
    response = page.get(demo_film.get_absolute_url(), {"q": "a dog in the snow"})
    text = body(response)
    edge = re.search(r'class="curve-edge" d="([^"]+)"', text)
    assert edge
    assert len(re.findall(r"L", edge[1])) >= demo_film.frame_count
    points = dict(
        tuple(map(int, point.split(":")))
        for point in re.search(r'data-points="([^"]+)"', text)[1].split()  # type: ignore[index]
    )
    assert len(points) == demo_film.frame_count
    assert max(points, key=points.__getitem__) == list_hits(response)[0][1]
    peaks = text.partition('class="peaks"')[2].partition("</ol>")[0]
    best = re.findall(r'href="(/films/\d+/frames/\d+/\?q=a\+dog\+in\+the\+snow)"', peaks)
    assert best
    assert all(page.get(address).status_code == 200 for address in best)
    assert "relevance 100\xa0%" in peaks
    assert "Best matches in this film" in text
    # Actions on a hit stay on this page, except for those that search all films.
    found = parse_links(response).by_class
    assert found["more-like"][0].startswith(demo_film.get_absolute_url() + "?")
    assert found["similar"][0].startswith("/?frame=")
    assert parse_query(parse_links(response).by_text["All results in this film"]) == [
        ("q", "a dog in the snow"), ("film", str(demo_film.pk)),
    ]  # fmt: skip


def test_a_film_shows_the_lines_with_the_words(page: Client, demo_film: Film) -> None:
    response = page.get(demo_film.get_absolute_url(), {"q": "moon", "in": "said"})
    text = body(response)
    assert "1 matching line" in text
    found = text.partition("Matching lines")[2].partition("</ol>")[0]
    assert found.count("said-line") == 1
    assert '<span class="said-text" lang="en">' in found
    assert "<mark>moon</mark>" in found
    (frame,) = re.findall(r'href="([^"]+)"', found)
    assert page.get(unescape(frame)).status_code == 200
    assert "<mark>moon</mark>" in text.partition('id="lines"')[2]


def test_no_good_match_in_a_film_is_reported(page: Client, demo_film: Film) -> None:
    text = body(page.get(demo_film.get_absolute_url(), {"q": "qwertz uiop"}))
    assert "No close matches in this film" in text
    assert 'class="glance only-near"' in text
    nobody = body(page.get(demo_film.get_absolute_url(), {"q": "xylophone", "in": "said"}))
    assert "No dialogue in this film contains these words." in nobody


@pytest.mark.parametrize("given", [{"frame": "x"}, {"q": "-snow"}, {"q": "x" * 900}])
def test_an_invalid_query_still_shows_the_film(
    given: dict[str, str], page: Client, demo_film: Film
) -> None:
    response = page.get(demo_film.get_absolute_url(), given)
    assert response.status_code == 400
    assert 'role="alert"' in body(response)
    assert "film-strip" in body(response)


def test_a_film_without_its_vectors_says_so(page: Client, demo_film: Film) -> None:
    relevance_curve._load_run.cache_clear()
    folder = demo_film.files.run(demo_film.searchable_run or 0).folder
    segments = sorted(folder.glob("segment-*.npz"))
    aside = [path.rename(path.with_suffix(".aside")) for path in segments]
    try:
        response = page.get(demo_film.get_absolute_url(), {"q": "a dog"})
    finally:
        for path, back in zip(aside, segments, strict=True):
            path.rename(back)
    assert response.status_code == 400
    assert "search data is missing" in body(response)


def test_a_barcode_is_cached_by_browsers(page: Client, demo_film: Film) -> None:
    address = re.search(r"/barcodes/[^)']+", body(page.get(demo_film.get_absolute_url())))
    assert address
    response = page.get(address[0])
    assert response.status_code == 200
    assert "immutable" in response.headers["Cache-Control"]
    assert b"".join(response.streaming_content)[:2] == b"\xff\xd8"
    assert page.get(address[0].replace("/1.jpg", "/7.jpg")).status_code == 404
    assert page.get("/barcodes/0123456789abcdef/1.jpg").status_code == 404


def test_many_lines_are_loaded_in_parts(page: Client, demo_film: Film) -> None:
    demo_film.subtitles.all().delete()
    count = 2 * LINES_PER_PART + 10
    row = add_lines(demo_film, "en", [f"This is line {n}." for n in range(count)])
    other = add_lines(demo_film, "de", ["Nur eine Zeile."])

    def numbers(response: Any) -> list[int]:
        inside = body(response).partition('id="lines"')[2]
        return [int(n) for n in re.findall(r"This is line (\d+)\.", inside)]

    first = page.get(demo_film.get_absolute_url())
    assert numbers(first) == list(range(LINES_PER_PART))
    second = page.get(parse_links(first).by_text["Later lines"])
    assert numbers(second) == list(range(LINES_PER_PART, 2 * LINES_PER_PART))
    third = page.get(parse_links(second).by_text["Later lines"])
    assert numbers(third) == list(range(2 * LINES_PER_PART, count))
    assert "Later lines" not in parse_links(third).by_text
    assert numbers(page.get(parse_links(third).by_text["Earlier lines"])) == numbers(second)
    place = reverse("film_lines", args=[demo_film.pk])
    at = page.get(place, {"lines": row.pk, "at": (LINES_PER_PART + 5) * SHOT})
    assert numbers(at) == numbers(second)
    for odd in ({"at": "x"}, {"at": 10**12}, {"part": 0}, {"part": "9" * 40}, {"lines": "x"}):
        assert page.get(place, odd).status_code == 200
    german = page.get(demo_film.get_absolute_url(), {"lines": other.pk})
    assert "Nur eine Zeile." in body(german)
    assert numbers(german) == []
    assert page.get(place.replace(str(demo_film.pk), "9999")).status_code == 404
    demo_film.subtitles.all().delete()
    assert page.get(place).status_code == 404
    assert "Dialogue" not in body(page.get(demo_film.get_absolute_url()))


# --- the films ------------------------------------------------------------------------------------


def list_titles(response: Any) -> list[str]:
    return re.findall(r'<span class="title">([^<]+?)(?: <span|</span>)', body(response))


def test_films_are_found_by_title_and_year_and_sorted(page: Client, db: None) -> None:
    model = weights.current().fingerprint
    for title, year, length in (("Beta", 1950, 10), ("alpha beta", 1970, 30), ("Gamma", None, 20)):
        Film.objects.create(
            title=title, year=year, sha256=title, searchable_run=1, model=model, duration=length
        )
    assert list_titles(page.get("/films/")) == ["Gamma", "alpha beta", "Beta"]
    assert list_titles(page.get("/films/", {"sort": "title"})) == ["Beta", "Gamma", "alpha beta"]
    assert list_titles(page.get("/films/", {"sort": "length"})) == ["alpha beta", "Gamma", "Beta"]
    assert list_titles(page.get("/films/", {"sort": "year"}))[-2:] == ["Beta", "alpha beta"]
    assert list_titles(page.get("/films/", {"sort": "nonsense"})) == list_titles(
        page.get("/films/")
    )
    assert list_titles(page.get("/films/", {"title": "BETA"})) == ["alpha beta", "Beta"]
    assert list_titles(page.get("/films/", {"title": "beta 1970"})) == ["alpha beta"]
    assert list_titles(page.get("/films/", {"title": "1950"})) == ["Beta"]
    found = page.get("/films/", {"title": "beta", "sort": "title"})
    assert parse_links(found).current == {"Films", "Title"}
    assert parse_query(parse_links(found).by_text["Length"]) == [
        ("title", "beta"),
        ("sort", "length"),
    ]
    nothing = page.get("/films/", {"title": "<b>delta"})
    assert "No films match “&lt;b&gt;delta”" in body(nothing)


# --- the start page -------------------------------------------------------------------------------


def test_the_start_page_has_an_example_of_each_kind_of_search(
    page: Client, demo_film: Film
) -> None:
    response = page.get("/")
    chips = body(response).partition('class="chips"')[2].partition("</ul>")[0]
    kinds = [dict(parse_query(unescape(one))) for one in re.findall(r'href="([^"]+)"', chips)]
    assert [sorted(kind) for kind in kinds] == [["q"], ["in", "q"], ["not", "q"], ["frame", "q"]]
    for address in re.findall(r'href="([^"]+)"', chips):
        found = page.get(unescape(address))
        assert found.status_code == 200
        assert list_hits(found)
    wall = parse_links(response).by_class["framed"]
    assert len(wall) == 24
    assert len(set(wall)) == 24
    assert list_hits(page.get(wall[0]))[0][1] == int(wall[0].rpartition("-")[2])


def test_the_start_page_works_without_shots_in_the_database(page: Client, db: None) -> None:
    Film.objects.create(
        title="Bare", sha256="b", searchable_run=1, model=weights.current().fingerprint
    )
    response = page.get("/")
    assert response.status_code == 200
    assert "Bare" in body(response)


def test_pages_ask_the_database_few_questions(
    page: Client, demo_film: Film, django_assert_max_num_queries: Any
) -> None:
    """Independent of the number of hits, shots and lines."""
    film = f"/films/{demo_film.pk}/"
    most = {"/?q=cat": 14, f"{film}?q=cat": 17, f"{film}frames/12/?q=cat": 20, "/films/": 6}
    for address, questions in most.items():
        page.get(address)
        with django_assert_max_num_queries(questions):
            assert page.get(address).status_code == 200


# --- films and addresses among the words ----------------------------------------------------------


def test_a_film_that_the_words_name_is_linked(page: Client, demo_film: Film) -> None:
    link = f'<a href="{demo_film.get_absolute_url()}">{demo_film}</a>'
    assert link in page.get("/?q=the+cat+who+borrowed+a+rocket").content.decode()
    assert link not in page.get("/?q=a+dog+in+the+snow").content.decode()
    assert link not in page.get(f"/?q=rocket&film={demo_film.pk}").content.decode()


def test_a_web_address_is_no_picture(page: Client, demo_film: Film) -> None:
    text = page.get("/?q=https://example.org/cat.jpg").content.decode()
    assert "paste or drop the picture itself" in text
    assert "picture itself" not in page.get("/?q=cat.jpg").content.decode()
