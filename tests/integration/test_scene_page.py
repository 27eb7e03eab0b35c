"""The page of a scene: its span, neighbours and citation."""

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from gallery.films.models import Film, Shot
from gallery.scenes import spans
from gallery.search.types import Mode
from gallery.transcripts.models import Line, Subtitles


@pytest.fixture
def film(db: None) -> Film:
    """A film of 24000/1001 with known shots and no file."""
    made = Film.objects.create(
        title="Made up",
        year=1999,
        sha256="0" * 64,
        duration=300.0,
        width=640,
        height=360,
        rate_numerator=24000,
        rate_denominator=1001,
        searchable_run=1,
    )
    cuts = [0, 240, 480, 482, 2400, 7192]  # frames
    step = 1001 / 24000
    for number, (start, end) in enumerate(pairwise(cuts)):
        if number != 2:  # too short to have an indexed frame
            Shot.objects.create(
                film=made,
                number=number,
                start=start * step,
                end=end * step,
                second=int((start + end) / 2 * step),
            )
    return made


def choose_default_span(film: Film, second: float) -> spans.ChosenSpan:
    shot = film.shots.filter(start__lte=second).last()
    return spans.opening_span(film, shot, second)


def test_a_page_opens_with_its_shot(film: Film) -> None:
    assert choose_default_span(film, 5.0) == spans.ChosenSpan(0, 240)
    assert choose_default_span(film, 15.0) == spans.ChosenSpan(240, 480)


def test_a_long_shot_opens_with_the_part_around_the_frame(film: Film) -> None:
    for second in (101.0, 105.0, 200.0, 299.0):
        span = choose_default_span(film, second)
        start, end = film.clock.seconds(span.first), film.clock.seconds(span.last)
        assert end - start == pytest.approx(30, abs=0.1)
        assert start <= second <= end
        assert start >= film.shots.get(number=4).start - 0.05
        assert end <= film.duration


def test_a_frame_without_a_shot_opens_with_two_seconds(film: Film) -> None:
    assert spans.opening_span(film, None, 50.0) == spans.ChosenSpan(1199, 1247)
    assert spans.opening_span(film, None, 300.0).last <= 7193


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("", ""), (0, 240)),
        (("10f", "50f"), (10, 50)),
        (("00:00:01:00", "00:00:02:12"), (24, 60)),
        (("0:01", ""), (24, 240)),
        (("", "0:05"), (0, 120)),
        (("400f", ""), (400, 640)),
        (("7000f", "99999f"), (7000, 7193)),
    ],
)
def test_the_url_has_the_span(
    given: tuple[str, str], expected: tuple[int, int], film: Film
) -> None:
    span = spans.choose_span(film, choose_default_span(film, 5.0), given)
    assert (span.first, span.last) == expected
    assert span.error == ""
    assert span.is_own == (expected == (0, 240))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("tomorrow", ""), "“tomorrow” is not a valid time"),
        (("50f", "10f"), "start before it ends"),
        (("9000f", "9100f"), "stay within the film"),
        (("10f", "10f"), "start before it ends"),
    ],
)
def test_invalid_spans_are_reported(given: tuple[str, str], sentence: str, film: Film) -> None:
    span = spans.choose_span(film, choose_default_span(film, 5.0), given)
    assert sentence in span.error
    assert (span.first, span.last) == (0, 240)


def test_a_span_that_is_too_long_is_shortened(film: Film, settings: Any) -> None:
    settings.MAX_CLIP_SECONDS = 10
    span = spans.choose_span(film, choose_default_span(film, 5.0), ("0f", "5000f"))
    assert "at most 10 seconds" in span.error
    assert (span.first, span.last) == (0, 239)


def test_the_parameter_in_of_a_search_is_separate() -> None:
    assert spans.parse_ends([("in", ["seen"]), ("q", ["cat"])]) == ("", "")
    assert spans.parse_ends([("in", ["seen", "40f"]), ("out", ["64f"])]) == ("40f", "64f")
    for mode in Mode:
        assert spans.parse_ends([("in", [mode.value])]) == ("", "")


def test_the_strip_shows_the_film_around_a_span(film: Film) -> None:
    strip = spans.build_strip(film, spans.ChosenSpan(240, 480))
    assert strip.first < 240
    assert strip.last > 480
    assert [piece.shot and piece.shot.number for piece in strip.pieces] == [0, 1, None, 3]
    assert sum(piece.width for piece in strip.pieces) == pytest.approx(1)
    assert strip.pieces[0].left == 0
    for one, other in pairwise(strip.pieces):
        assert one.left + one.width == pytest.approx(other.left)
    # The cut is between them.
    assert strip.snaps == (240, 480, 482)
    assert strip.part(strip.first) == 0
    assert strip.part(99_999) == 1


def test_the_strip_ends_with_the_film(film: Film) -> None:
    assert spans.build_strip(film, spans.ChosenSpan(0, 240)).first == 0
    last = spans.build_strip(film, spans.ChosenSpan(7000, 7193)).last
    assert last == film.clock.frame_from(film.duration)


def test_neighbouring_shots_are_listed(film: Film) -> None:
    shot = film.shots.get(number=1)
    beside = spans.neighbouring_shots(film, shot, 4)
    assert [(one.shot.number, one.by, one.rel) for one in beside] == [
        (0, -1, "prev"), (1, 0, ""), (3, 1, "next"), (4, 2, ""),
    ]  # fmt: skip
    assert spans.neighbouring_shots(film, None, 4) == []


# --- the page -------------------------------------------------------------------------------------


def body(answer: Any) -> str:
    return str(answer.content.decode())


def read_citation(answer: Any) -> str:
    found = re.search(r'id="citation" readonly[^>]*>([^<]*)</textarea>', body(answer))
    assert found
    return found[1].replace("&amp;", "&")


def test_a_citation_has_title_year_timecode_and_url(page: Client, demo_film: Film) -> None:
    demo_film.year = 2024
    demo_film.save()
    address = f"/films/{demo_film.pk}/frames/12/"
    assert read_citation(page.get(address)) == (
        f"{demo_film.title} (2024), 00:00:12:00, http://testserver{address}"
    )
    span = f"{address}?in=290f&out=301f"
    assert read_citation(page.get(f"{span}&q=cat")) == (
        f"{demo_film.title} (2024), 00:00:12:02–00:00:12:13, http://testserver{span}"
    )


def test_a_citation_of_a_frame_has_its_number(
    page: Client, ready_film: Callable[..., Film], make_video: Callable[..., Path]
) -> None:
    film = ready_film(make_video("a.mkv", seconds=3, rate="24000/1001"), "NTSC")
    assert film.rate == Fraction(24000, 1001)
    # Frame 48, at 2.002 s, is the first at or after 2 s.
    assert ", 00:00:02:00, " in read_citation(page.get(f"/films/{film.pk}/frames/2/"))


def test_links_have_the_span(page: Client, demo_film: Film) -> None:
    text = body(page.get(f"/films/{demo_film.pk}/frames/12/?in=290f&out=310f"))
    for link in ("clips/290-310.mp4", "exact/290-310.mp4", "exact/290-310.gif"):
        assert f"/films/{demo_film.pk}/{link}" in text
    start, end = (f"{demo_film.clock.seconds(n):.6f}" for n in (290, 310))
    assert f'name="start" value="{start}"' in text
    assert f'name="end" value="{end}"' in text


def test_a_span_that_is_too_long_for_an_animation_is_reported(
    page: Client, demo_film: Film
) -> None:
    text = body(page.get(f"/films/{demo_film.pk}/frames/12/?in=0f&out=480f"))
    assert "GIF and WebP: up to 15 s" in text
    assert "480.gif" not in text


@pytest.mark.parametrize("mode", ["", "&in=seen"])
def test_the_search_stays_in_every_url(mode: str, page: Client, demo_film: Film) -> None:
    search = f"q=a+dog{mode}&page=1&frame=1-3"
    text = body(page.get(f"/films/{demo_film.pk}/frames/12/?{search}&in=290f&out=310f&words=dog"))
    kept = f"q=a+dog&frame=1-3{mode}".replace("&", "&amp;")
    assert f'class="back" href="/?{kept}#hit-{demo_film.pk}-12"' in text
    beside = re.findall(r'<a href="(/films/\d+/frames/\d+/[^"]*)" (?:aria-current|rel)', text)
    assert len(beside) == 3
    assert all(kept in link for link in beside)
    assert '<input type="hidden" name="q" value="a dog">' in text


def test_an_invalid_search_does_not_break_the_page(page: Client, demo_film: Film) -> None:
    answer = page.get(f"/films/{demo_film.pk}/frames/12/?frame=nonsense&from=x")
    assert answer.status_code == 200
    assert 'class="back"' not in body(answer)


def test_the_previous_and_the_next_hit_are_linked(page: Client, demo_film: Film) -> None:
    hits = page.get("/?q=dog").context["results"].hits
    text = body(page.get(f"/films/{demo_film.pk}/frames/{hits[1].second}/?q=dog"))
    assert "Result 2" in text
    for other, name in ((hits[0], "hit-before"), (hits[2], "hit-after")):
        link = f'/films/{other.film}/frames/{other.second}/?q=dog" id="{name}"'
        assert link in text


def test_htmx_gets_only_what_depends_on_the_span(page: Client, demo_film: Film) -> None:
    answer = page.get(
        f"/films/{demo_film.pk}/frames/12/?in=290f&out=310f",
        headers={"HX-Request": "true", "HX-Target": "of-span"},
    )
    assert body(answer).lstrip().startswith('<section class="of-span"')
    assert "290-310.mp4" in body(answer)
    assert "HX-Target" in answer["Vary"]


def test_dialogue_in_the_span_is_listed(page: Client, demo_film: Film) -> None:
    from gallery.transcripts.models import Line, Subtitles

    rows = Subtitles.objects.create(film=demo_film, language="en", source="uploaded", line_count=3)
    for number, (start, text) in enumerate(
        ((5.0, "Before"), (12.2, "<b>Here</b>"), (20.0, "After"))
    ):
        Line.objects.create(subtitles=rows, number=number, start=start, end=start + 1, text=text)
    text = body(page.get(f"/films/{demo_film.pk}/frames/12/?in=288f&out=312f"))
    lines = text.split('class="said"')[1].split("</ol>")[0]
    assert "&lt;b&gt;Here&lt;/b&gt;" in lines
    assert "Before" not in lines
    assert "After" not in lines


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_numbers_in_attributes_are_plain_in_every_language(
    language: str, page: Client, demo_film: Film, settings: Any
) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    text = body(
        page.get(f"/films/{demo_film.pk}/frames/100/", headers={"Accept-Language": language})
    )
    assert re.search(r'data-first="2\d{3}"', text)
    assert re.search(r"--in: 0\.\d+", text)


# --- subtitles ------------------------------------------------------------------------------------


def test_a_clip_has_the_subtitles_of_its_frames(film: Film, page: Client) -> None:
    row = Subtitles.objects.create(film=film, language="en", source="uploaded", line_count=3)
    Subtitles.objects.create(film=film, language="fr", source="uploaded")  # without lines
    Line.objects.bulk_create(
        Line(subtitles=row, number=number, start=start, end=end, text=f"line {number} & more")
        for number, (start, end) in enumerate([(0, 1), (1, 3), (4, 5)])
    )
    clip = f"/films/{film.pk}/subtitles/{row.pk}/24-48.vtt"
    tracks = page.get(f"/films/{film.pk}/clips/24-48/tracks").content.decode()
    assert f'src="{clip}" srclang="en" label="English"' in tracks
    assert tracks.count("<track") == 1
    assert 'data-rate="24000/1001"' in tracks
    assert 'data-first="24"' in tracks
    # Frame 24 is shown at 1.001 s, frame 48 at 2.002 s.
    answer = page.get(clip)
    assert answer["Content-Type"] == "text/vtt; charset=utf-8"
    assert answer.content.decode().split("\n\n")[1:] == [
        "00:00:00.000 --> 00:00:01.001\nline 1 &amp; more\n"
    ]
    whole = page.get(f"/films/{film.pk}/tracks").content.decode()
    assert f'src="/films/{film.pk}/subtitles/{row.pk}.vtt"' in whole
    assert page.get(f"/films/{film.pk}/subtitles/{row.pk}.vtt").content.count(b"-->") == 3
