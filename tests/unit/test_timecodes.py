"""Frame numbers and timecodes, exact and as in editing software."""

from fractions import Fraction

import pytest
from opentimelineio import opentime

from gallery.media.timecodes import Clock, timecode
from gallery.media.types import Probe

FILM = Fraction(24000, 1001)
NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("rate", "seconds", "expected"),
    [
        (FILM, 3600, "00:59:56:09"),  # 86313.7 frames: frame 86313 is shown
        (FILM, Fraction(86314 * 1001, 24000), "00:59:56:10"),
        (FILM, 3600 * 1.001, "01:00:00:00"),
        (NTSC, 3600, "00:59:56:12"),
        (NTSC, 3603.6, "01:00:00:00"),
        (Fraction(60000, 1001), 3603.6, "01:00:00:00"),
        (Fraction(24), 3600, "01:00:00:00"),
        (Fraction(25), 59.96, "00:00:59:24"),
        (Fraction(25), 60, "00:01:00:00"),
        (Fraction(50), 1.02, "00:00:01:01"),
        (Fraction(12), 7.25, "00:00:07:03"),
        (Fraction(120), 1.5, "00:00:01:60"),
        (Fraction(0), 3661.5, "01:01:01"),
    ],
)
def test_known_timecodes(rate: Fraction, seconds: float, expected: str) -> None:
    assert timecode(float(seconds), rate) == expected


def test_an_hour_of_wall_clock_at_23_976_is_86314_frames_long() -> None:
    """86313.69 frames: the first frame after the hour is number 86314, at 00:59:56:10."""
    clock = Clock(FILM)
    assert clock.parse("1:00:00") == 86314
    assert clock.timecode_of(86314) == "00:59:56:10"


RATES = [FILM, Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(48), Fraction(50),
         Fraction(60000, 1001), Fraction(60)]  # fmt: skip


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_timecodes_agree_with_opentimelineio(rate: Fraction) -> None:
    clock = Clock(rate)
    for frame in (0, 1, 23, 24, 1799, 1800, 17982, 86313, 86314, 107892, 1_000_000):
        time = opentime.RationalTime(frame, float(rate))
        assert clock.timecode_of(frame) == opentime.to_timecode(time, float(rate), drop_frame=False)


@pytest.mark.parametrize("rate", [*RATES, Fraction(12), Fraction(2997, 125), Fraction(0)], ids=str)
@pytest.mark.parametrize("first", [0.0, 0.021, 0.0391, 0.5, 1.48])
def test_frames_seconds_and_timecodes_round_trip(rate: Fraction, first: float) -> None:
    clock = Clock(rate, first)
    for frame in (0, 1, 2, 1000, 86_313, 86_314, 200_000, 999_999):
        seconds = clock.seconds(frame)
        assert clock.frame(seconds) == frame
        # Matroska keeps times in whole milliseconds.
        assert clock.frame(round(seconds, 3)) == frame
        assert clock.parse(clock.timecode_of(frame)) == frame
        assert clock.parse(f"{frame}f") == frame


def test_the_first_picture_is_on_the_frame_grid() -> None:
    """Sound starts half a second earlier; pictures count from when they are shown."""
    clock = Clock(Fraction(25), first_frame=0.505)
    shown = [0.505 + n / 25 for n in range(100)]
    assert [clock.frame(time) for time in shown] == list(range(12, 112))
    assert [clock.seconds(n) for n in range(12, 112)] == pytest.approx(shown)
    assert abs(clock.phase) < Fraction(1, 25)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("00:00:02:05", 53), ("00:00:02;05", 53), ("1:00", 1440), ("1:00:00", 86400),
        ("2.5", 60), ("12", 288), (" 0:10 ", 240), ("288f", 288), ("00：00：02：05", 53),
        ("2.52", 61),
    ],
)  # fmt: skip
def test_typed_times_are_parsed(text: str, frame: int) -> None:
    assert Clock(Fraction(24)).parse(text) == frame


@pytest.mark.parametrize(
    "text", ["", "abc", "1:2:3:4:5", "-3", "1e9", "f", "99999999999f", "12:", "٣"]
)
def test_invalid_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Clock(Fraction(24)).parse(text)


# --- timecodes of files -------------------------------------------------------------------------


def test_the_timecode_of_the_file_is_added() -> None:
    clock = Clock(FILM, start_timecode="01:00:00:00")
    assert clock.start_frame == 86400
    assert clock.source_frame(float(10 / FILM)) == 86410
    assert clock.source_timecode(float(10 / FILM)) == "01:00:00:10"
    assert not clock.drops_frames


def test_a_file_without_a_timecode_starts_at_zero() -> None:
    assert Clock(Fraction(25)).source_timecode(61) == "00:01:01:00"


def test_dropped_numbers_stay_dropped() -> None:
    """After 10:00:59;29 comes 10:01:00;02: the numbers 00 and 01 are dropped."""
    clock = Clock(NTSC, start_timecode="10:00:00;02")
    assert clock.drops_frames
    assert clock.start_frame == 1078922
    assert clock.source_timecode(0) == "10:00:00;02"
    assert clock.source_timecode(float(1797 / NTSC)) == "10:00:59;29"
    assert clock.source_timecode(float(1798 / NTSC)) == "10:01:00;02"


def test_a_semicolon_at_a_non_drop_rate_is_a_colon() -> None:
    clock = Clock(Fraction(25), start_timecode="10:00:00;02")
    assert not clock.drops_frames
    assert clock.source_timecode(1) == "10:00:01:02"


def test_a_probe_has_a_clock() -> None:
    found = Probe(
        10, 1.4, 16, 9, FILM, "h264", "aac", first_frame=0.5, start_timecode="01:00:00:00"
    )
    assert Clock.of(found) == Clock(FILM, 0.5, "01:00:00:00")
