"""Computations of the scripts agree with the server; run by Node's test runner."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gallery.films.template_tags import clock as format_seconds
from gallery.media.timecodes import Clock
from gallery.ocr.types import Box
from gallery.scenes.scene_lines import SceneLine
from gallery.transcripts.box_path import BoxPath

ROOT = Path(__file__).resolve().parents[2]
NODE = Path(sys.executable).with_name("node")

RATES = [
    *(Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(50)),
    *(Fraction(60000, 1001), Fraction(120), Fraction(12), Fraction(2997, 125), Fraction(0)),
]
FIRST_FRAMES = (0.0, 0.021, 0.5, 1.48)
TEXTS = [
    *("0", "300f", "00:01:02:03", "00:01:02;03", "1:02:03.12", "00：01：02：03", " 1:02 ", "62.5"),
    *("1:02:03", "61:59", "100:00:00:00", "7.041666", "59.96", "1:2:3:4", "99999"),
    *("", "soon", "1:", ":1", "-1", "1:2:3:4:5", "300 f", "1e3", "1,5", "0x10", "1234567", "１２"),
]


def parse_time(clock: Clock, text: str) -> int | None:
    """The frame of a typed time; None if it is invalid."""
    try:
        return clock.parse(text)
    except ValueError:
        return None


def make_cases(clock: Clock, numbers: random.Random) -> dict[str, Any]:
    """The server's results for times and frames of up to three hours."""
    frames = [0, 1, 23, 24, 86_313, 86_314, *(numbers.randrange(300_000) for _ in range(40))]
    # Containers round times of frames to milliseconds; a pointer can be anywhere.
    rounded = [round(clock.seconds(frame), 3) for frame in frames]
    times = [0.0, *rounded, *(numbers.uniform(0, 10_800) for _ in range(40))]
    return {
        "settings": {
            "rate": f"{clock.grid.numerator}/{clock.grid.denominator}",
            "phase": f"{clock.phase.numerator}/{clock.phase.denominator}",
            "nominal": str(clock.nominal),
        },
        "times": [
            {
                "seconds": seconds,
                "frame": clock.frame(seconds),
                "frameFrom": clock.frame_from(seconds),
            }
            for seconds in times
        ],
        "frames": [
            {
                "frame": frame,
                "seconds": clock.seconds(frame),
                "timecode": clock.timecode_of(frame),
            }
            for frame in frames
        ],
        "texts": [{"text": text, "frame": parse_time(clock, text)} for text in TEXTS],
    }


def make_path_cases(numbers: random.Random) -> Iterator[dict[str, Any]]:
    """Where the server has the boxes of lines at some times, before and after their points too."""
    for count in (1, 2, 8):
        start = numbers.uniform(0, 10_800)
        points = [
            (start + number, Box(*(round(numbers.random(), 4) for _edge in range(4))))
            for number in range(count)
        ]
        path = BoxPath(tuple(points))
        line = SceneLine(start, start + count, (), False, path, None)
        for time in (0.0, start, *(numbers.uniform(start - 1, start + 9) for _ in range(20))):
            yield {"path": line.path_text, "time": time, "box": path.box_at(time)}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    numbers = random.Random(1)
    path = tmp_path_factory.mktemp("javascript") / "cases.json"
    clocks = [make_cases(Clock(rate, first), numbers) for rate in RATES for first in FIRST_FRAMES]
    seconds = [0, 0.9, 59.99, 60, 3599, 3600, 3661.5, 36_000, 360_000]
    formatted = [{"seconds": one, "text": format_seconds(one)} for one in seconds]
    paths = list(make_path_cases(numbers))
    known = {"clocks": clocks, "formatted": formatted, "paths": paths}
    path.write_text(json.dumps(known), "utf-8")
    return path


def test_the_scripts_compute_what_the_server_does(cases: Path) -> None:
    tests = [str(path) for path in (ROOT / "tests" / "javascript").glob("*.test.js")]
    run = subprocess.run(
        [str(NODE), "--test", "--test-reporter=tap", *tests],
        env={"CASES": str(cases)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    of_clocks, others = 3 * len(RATES) * len(FIRST_FRAMES), 2 + 3
    assert f"# tests {of_clocks + others}" in run.stdout
    assert "# skipped 0" in run.stdout
