"""Boards for editing software: OTIO and EDL round-trip the timecodes of the scenes."""

import csv
import io
import re
from fractions import Fraction
from typing import Any

import opentimelineio as otio
import pytest

from gallery.boards.csv_table import BYTE_ORDER_MARK, csv_table
from gallery.boards.timelines import Edit, edit_lists, nearest_standard_rate, otio_timeline
from gallery.core.file_names import file_name
from gallery.films.models import Film

RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60"]


def film(rate: str = "25", number: int = 1, **values: Any) -> Film:
    """A film that is not saved."""
    exact = Fraction(rate)
    given = {
        "title": f"Film {number}",
        "year": 1999,
        "original_name": f"film {number}.mkv",
        "duration": 7200.0,
        "audio_codec": "aac",
        **values,
    }
    return Film(
        pk=number, rate_numerator=exact.numerator, rate_denominator=exact.denominator, **given
    )


def make_edit(of: Film, first: int, end: int, number: int = 1, **values: Any) -> Edit:
    """A scene of a film from frame `first` to frame `end`, which is excluded."""
    seconds = [float(frame / of.rate) for frame in (first, end)]
    return Edit(number, of, *seconds, **values)


def parse_edl(text: str, rate: str) -> dict[str, list[tuple[int, int, int]]]:
    """Parse an EDL with OpenTimelineIO.

    Returns the clips of each track: first frame of the source, of the record, number of frames.
    """
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=float(Fraction(rate)))
    return {
        track.name: [
            (
                round(clip.source_range.start_time.value),
                round(clip.transformed_time_range(clip.trimmed_range(), timeline.tracks)
                      .start_time.value),
                round(clip.source_range.duration.value),
            )
            for clip in track.find_clips()
        ]
        for track in timeline.tracks
    }  # fmt: skip


def get_single(lists: dict[str, str]) -> str:
    assert len(lists) == 1, list(lists)
    return next(iter(lists.values()))


# --- edit lists -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
def test_an_edl_round_trips_the_frames_of_the_scenes(rate: str) -> None:
    spans = [(0, 1), (1, 48), (1000, 1777), (100_003, 100_500), (5, 3005)]
    of = film(rate)
    text = get_single(
        edit_lists("Board", [make_edit(of, a, b, n) for n, (a, b) in enumerate(spans, 1)])
    )
    begin = 3600 * round(Fraction(rate))
    found = parse_edl(text, rate)
    assert set(found) == {"V", "A1", "A2"}
    record = begin
    for (first, end), read in zip(spans, found["V"], strict=True):
        assert read == (first, record, end - first)
        record += end - first
    assert found["A1"] == found["A2"] == found["V"]
    assert "FCM: NON-DROP FRAME" in text
    assert ";" not in text


@pytest.mark.parametrize("rate", RATES)
def test_timecodes_agree_with_the_pages(rate: str) -> None:
    of = film(rate)
    scene = make_edit(of, 90_001, 90_101)
    line = re.search(r"(?m)^001 .*$", get_single(edit_lists("Board", [scene])))
    assert line
    shown = (of.clock.timecode(scene.start), of.clock.timecode(scene.end))
    assert tuple(line[0].split()[-4:-2]) == shown
    assert line[0].split()[-2] == "01:00:00:00"


def test_each_rate_has_an_edl_with_its_own_record_times() -> None:
    films = [film(rate, n) for n, rate in enumerate(RATES, start=1)]
    cuts = [make_edit(of, 10 * n, 10 * n + 25, n) for n, of in enumerate([*films, *films], start=1)]
    lists = edit_lists("Mixed: all/rates?", cuts)
    assert sorted(lists) == sorted(
        f"Mixed all rates {rate}.edl"
        for rate in ("23.976", "24", "25", "29.97", "30", "50", "59.94", "60")
    )
    for rate, text in zip(RATES, lists.values(), strict=True):
        begin = 3600 * round(Fraction(rate))
        n = RATES.index(rate) + 1
        assert parse_edl(text, rate)["V"] == [
            (10 * n, begin, 25), (10 * (n + len(RATES)), begin + 25, 25),
        ]  # fmt: skip


def test_the_timecode_of_the_file_is_used() -> None:
    of = film("24000/1001", start_timecode="10:00:00:00")
    text = get_single(edit_lists("Board", [make_edit(of, 24, 48)]))
    assert "10:00:01:00 10:00:02:00 01:00:00:00 01:00:01:00" in text
    assert parse_edl(text, "24000/1001")["V"] == [(10 * 86_400 + 24, 86_400, 24)]


def test_drop_frame_timecodes_are_written() -> None:
    dropping = film("30000/1001", 1, start_timecode="01:00:00;00")
    plain = film("30000/1001", 2)
    lists = edit_lists("Board", [make_edit(dropping, 1800, 1860), make_edit(plain, 1800, 1860, 2)])
    assert list(lists) == ["Board 29.97 DF.edl", "Board 29.97.edl"]
    dropped, counted = lists.values()
    assert "FCM: DROP FRAME" in dropped
    # This minute drops two numbers: frame 1800 after 01:00:00;00 is 01:01:00;02.
    assert "01:01:00;02 01:01:02;02 01:00:00;00 01:00:02;00" in dropped
    assert parse_edl(dropped, "30000/1001")["V"] == [(107_892 + 1800, 107_892, 60)]
    assert "FCM: NON-DROP FRAME" in counted
    assert "00:01:00:00 00:01:02:00" in counted


@pytest.mark.parametrize(
    ("rate", "counted"),
    [
        ("24000/1001", "24000/1001"), ("2997/125", "24000/1001"), ("2997/100", "30000/1001"),
        ("12", "24"), ("15", "30"), ("10", "30"), ("120", "60"), ("100", "50"),
        ("120000/1001", "60000/1001"), ("1463/50", "30000/1001"), ("23", "24000/1001"),
    ],
)  # fmt: skip
def test_unusual_rates_are_mapped_to_a_supported_one(rate: str, counted: str) -> None:
    assert nearest_standard_rate(Fraction(rate)) == Fraction(counted)


def test_an_edl_notes_where_its_rate_differs_from_the_film() -> None:
    text = get_single(edit_lists("Board", [make_edit(film("12"), 12, 30)]))
    assert parse_edl(text, "24")["V"] == [(24, 86_400, 36)]
    assert "* RATE: THE FILM HAS 12 FRAMES PER SECOND, COUNTED HERE AT 24" in text
    assert "RATE:" not in get_single(edit_lists("Board", [make_edit(film("2997/125"), 12, 30)]))


def test_an_unknown_rate_becomes_25_with_a_note() -> None:
    of = film()
    of.rate_numerator = 0
    text = get_single(edit_lists("Board", [Edit(1, of, 1.0, 2.0)]))
    assert parse_edl(text, "25")["V"] == [(25, 90_000, 25)]
    assert "* RATE: UNKNOWN, COUNTED HERE AT 25" in text


def test_a_scene_has_at_least_a_frame() -> None:
    assert Edit(1, film("25"), 1.0, 1.001).frames == (25, 26)


def test_reels_have_eight_characters_and_are_unique() -> None:
    films = [
        film(number=1, title="Film"), film(number=2, title="Film"), film(number=30, title="你好"),
        film(number=4, title="A very long title"), film(number=12_345, title="Film"),
    ]  # fmt: skip
    reels = [Edit(1, of, 0.0, 1.0).reel for of in films]
    assert reels == ["FILM001", "FILM002", "FILM030", "AVERY004", "FIL12345"]
    text = get_single(
        edit_lists("Board", [make_edit(of, 0, 25, n) for n, of in enumerate(films, 1)])
    )
    assert re.findall(r"(?m)^\d{3}  (\S+)", text) == reels


def test_notes_and_names_are_safe_comments() -> None:
    note = "LOC: 01:00:00:00 RED\n\nM2 second line\x0b001  AX V C\u2028FROM CLIP: x"
    of = film(title="Two\nlines", original_name="two\r\nlines.mkv", audio_codec="")
    text = get_single(edit_lists("A\nboard", [make_edit(of, 0, 25, note=note, link="https://x/y")]))
    assert text.splitlines()[0] == "TITLE: A board"
    found = otio.adapters.read_from_string(text, "cmx_3600", rate=25)
    (clip,) = found.find_clips()
    assert clip.name == "two lines.mkv"
    assert clip.media_reference.target_url == "two lines.mkv"
    # The first line of the note is a locator at the start of the scene, in record time.
    [marker] = clip.markers
    assert marker.name == "LOC: 01:00:00:00 RED"
    assert marker.marked_range.start_time.to_timecode() == "01:00:00:00"
    assert list(clip.metadata["cmx_3600"]["comments"]) == [
        "SCENE 1: Two lines (1999)", "COMMENT: LOC: 01:00:00:00 RED", "COMMENT: M2 second line",
        "COMMENT: 001 AX V C", "COMMENT: FROM CLIP: x", "LINK: https://x/y",
    ]  # fmt: skip
    assert [track.name for track in found.tracks] == ["V"]


@pytest.mark.parametrize(
    ("rate", "begin"), [*((rate, "10:00:00:00") for rate in RATES), ("30000/1001", "10:00:00;00")]
)
def test_notes_are_locators_at_the_record_time_of_their_scene(rate: str, begin: str) -> None:
    of = film(rate, start_timecode=begin)
    notes = ["", "Look!\nat the cat", "", "again"]
    cuts = [make_edit(of, 50 * n, 50 * n + 13, n, note=note) for n, note in enumerate(notes, 1)]
    text = get_single(edit_lists("Board", cuts))
    locators = re.findall(r"(?m)^\* LOC: (\S+) YELLOW  (.*)$", text)
    assert [name for _at, name in locators] == ["LOOK!", "AGAIN"]
    starts = re.findall(r"(?m)^\d{3} .* (\S+) \S+$", text)
    assert [at for at, _name in locators] == [starts[1], starts[3]]
    assert re.findall(r"(?m)^\* COMMENT: (.*)$", text) == ["Look!", "at the cat", "again"]


def test_more_events_than_an_edl_can_number_are_split() -> None:
    of = film("24000/1001")
    lists = edit_lists("Long", [make_edit(of, 10 * n, 10 * n + 24, n) for n in range(1, 1101)])
    assert list(lists) == ["Long 23.976 1 of 2.edl", "Long 23.976 2 of 2.edl"]
    first, second = (parse_edl(text, "24000/1001")["V"] for text in lists.values())
    assert (len(first), len(second)) == (999, 101)
    assert [source for source, _record, _count in first + second] == [
        10 * n for n in range(1, 1101)
    ]
    assert second[0][1] == 86_400
    assert all(re.match(r"\d{3}  ", line) for text in lists.values() for line in
               text.splitlines() if line[:1].isdigit())  # fmt: skip


def test_an_edl_ends_before_its_timecodes_wrap_around() -> None:
    of = film("25", duration=36_000.0)
    lists = edit_lists("Long", [make_edit(of, 0, 25 * 36_000, n) for n in range(1, 4)])
    assert [len(parse_edl(text, "25")["V"]) for text in lists.values()] == [2, 1]


# --- OTIO -----------------------------------------------------------------------------------------


def test_otio_round_trips_every_scene_at_the_rate_of_its_film() -> None:
    films = [film(rate, n) for n, rate in enumerate([*RATES, "12", "1463/50"], start=1)]
    cuts = [make_edit(of, 100, 150 + n, n, note="Look!") for n, of in enumerate(films, start=1)]
    timeline = otio.adapters.read_from_string(otio_timeline("Mixed", cuts), "otio_json")
    assert timeline.name == "Mixed"
    assert timeline.global_start_time.to_timecode() == "01:00:00:00"
    picture, sound = timeline.tracks
    for n, (clip, of) in enumerate(zip(picture, films, strict=True), start=1):
        assert clip.source_range.start_time == otio.opentime.RationalTime(100, float(of.rate))
        assert clip.source_range.duration == otio.opentime.RationalTime(50 + n, float(of.rate))
        assert clip.source_range.start_time.rate == float(of.rate)
        assert clip.media_reference.target_url == of.original_name
        assert clip.media_reference.available_range.contains(clip.source_range)
        assert clip.markers[0].comment == "Look!"
        assert clip.metadata["scene_search"]["in"] == of.clock.source_timecode(cuts[n - 1].start)
    assert [clip.source_range for clip in sound] == [clip.source_range for clip in picture]


@pytest.mark.parametrize("rate", RATES)
def test_otio_and_edl_agree(rate: str) -> None:
    of = film(rate, start_timecode="02:00:00:00")
    cuts = [make_edit(of, 17 * n, 17 * n + 9, n) for n in range(1, 101)]
    read = otio.adapters.read_from_string(otio_timeline("Board", cuts), "otio_json")
    listed = otio.adapters.read_from_string(
        get_single(edit_lists("Board", cuts)), "cmx_3600", rate=float(Fraction(rate))
    )

    def timecodes(timeline: Any) -> list[tuple[str, str]]:
        exact = float(Fraction(rate))
        return [
            (
                otio.opentime.to_timecode(clip.source_range.start_time, exact, False),
                otio.opentime.to_timecode(clip.source_range.end_time_exclusive(), exact, False),
            )
            for clip in timeline.video_tracks()[0].find_clips()
        ]

    assert len(timecodes(read)) == 100
    assert timecodes(read) == timecodes(listed)
    assert timecodes(read)[0][0] == of.clock.source_timecode(cuts[0].start)


def test_otio_next_to_the_clips_refers_to_them() -> None:
    cuts = [
        make_edit(film("24000/1001"), 100, 148),
        make_edit(film("25", 2), 50, 60, 2, note="Look!"),
    ]
    text = otio_timeline("Board", cuts, {1: "01 a.mp4", 2: "02 b.mp4"})
    first, second = otio.adapters.read_from_string(text, "otio_json").tracks[0]
    assert first.media_reference.target_url == "01 a.mp4"
    assert first.source_range == first.media_reference.available_range
    # The clips have the timecode of the film.
    assert first.source_range.start_time.value == 100
    assert first.source_range.duration == otio.opentime.RationalTime(48, 24000 / 1001)
    assert first.metadata["scene_search"]["film"] == "film 1.mkv"
    assert first.metadata["scene_search"]["in"] == "00:00:04:04"
    assert second.markers[0].marked_range == second.source_range
    odd = otio_timeline("Board", [make_edit(film("12"), 100, 148)], {1: "01 a.mp4"})
    (clip,) = otio.adapters.read_from_string(odd, "otio_json").tracks[0]
    assert clip.source_range.start_time.value == 0


def test_a_silent_film_leaves_a_gap_in_the_sound() -> None:
    cuts = [make_edit(film(number=1, audio_codec=""), 0, 25), make_edit(film(number=2), 0, 50, 2)]
    picture, sound = otio.adapters.read_from_string(otio_timeline("B", cuts), "otio_json").tracks
    assert [type(part) for part in sound] == [otio.schema.Gap, otio.schema.Clip]
    assert sound[1].range_in_parent() == picture[1].range_in_parent()
    silent = otio.adapters.read_from_string(otio_timeline("B", cuts[:1]), "otio_json")
    assert [track.kind for track in silent.tracks] == ["Video"]


# --- tables and names -----------------------------------------------------------------------------


def test_a_table_has_a_row_for_each_scene() -> None:
    of = film("24000/1001", title="猫, “cat”", start_timecode="10:00:00:00")
    text = csv_table([make_edit(of, 24, 72, 1, note='two\n"lines"', link="https://x/")])
    assert text.startswith(BYTE_ORDER_MARK)
    head, row = csv.reader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK)))
    assert dict(zip(head, row, strict=True)) == {
        "position": "1", "title": "猫, “cat”", "year": "1999",
        "in": "00:00:01:00", "out": "00:00:03:00",
        "source in": "10:00:01:00", "source out": "10:00:03:00",
        "in (seconds)": "1.001", "out (seconds)": "3.003", "length (seconds)": "2.002",
        "frames per second": "23.976", "note": 'two\n"lines"', "file": "film 1.mkv",
        "link": "https://x/",
    }  # fmt: skip


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "＝"])
def test_no_cell_can_be_a_formula(sign: str) -> None:
    of = film(title=f"{sign}cmd|' /C calc'!A0")
    text = csv_table([make_edit(of, 0, 25, note=f"{sign}1")])
    rows = list(csv.reader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK))))
    assert all(not cell.startswith(sign) for cell in rows[1])
    assert f"'{sign}1" in rows[1]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('a<b>:c"/d\\e|f?g*', "a b c d e f g"), ("con", "_con"), ("NUL.txt", "_NUL.txt"),
        ("...", "_"), ("", "_"), ("猫", "猫"), ("x" * 300, "x" * 80), ("a\u202eb\n", "ab"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("dots. ", "dots"), ("com1 and more", "com1 and more"),
    ],
)  # fmt: skip
def test_file_names_are_valid_on_all_systems(text: str, name: str) -> None:
    assert file_name(text) == name
