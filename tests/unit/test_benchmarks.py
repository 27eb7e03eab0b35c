"""The films of benchmarks, and the command."""

from pathlib import Path

import pytest

from benchmarks.film import FILM, MAX_PIXELS, decoded
from benchmarks.lengthen import count_twins, lengthen, small
from gallery.media import probing
from tests.films import run_ffmpeg
from tests.processes import run_python


def test_lengthening_repeats_no_frame(tmp_path: Path) -> None:
    short, long = tmp_path / "short.mp4", tmp_path / "long.mp4"
    run_ffmpeg("-i", str(FILM), "-t", "5", "-c", "copy", str(short))
    lengthen(short, long, seconds=15, height=180)
    found = probing.probe(long, MAX_PIXELS, 60)
    assert found.duration == pytest.approx(15, abs=0.1)
    assert (found.height, found.video_codec, found.audio_codec) == (180, "h264", "aac")
    with decoded(long, found) as (frames, _decoding):
        smalls = [small(frame.picture) for frame in frames]
    assert len(smalls) == 15
    assert count_twins(smalls) == 0
    assert count_twins([*smalls, smalls[0]]) == 2


def test_the_command_lists_its_benchmarks() -> None:
    done = run_python("-m", "benchmarks", "--help")
    assert done.returncode == 0, done.stderr
    assert "tutorial" in done.stdout
