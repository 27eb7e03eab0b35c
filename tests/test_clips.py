"""Scenes that play: cut to the frame, whatever the codec, sent with Range, kept within a limit."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from gallery import clips, ffmpeg, probing
from gallery.errors import QueryError
from gallery.models import Film
from gallery.storage import shrink_to

RATE = "24000/1001"


def brightness(path: Path) -> list[int]:
    """The mean luma of every frame of a film."""
    read = ffmpeg.run(
        ["-v", "error", "-nostdin", "-i", str(path), "-map", "0:v:0", "-vf", "scale=16:16",
         "-pix_fmt", "gray", "-fps_mode", "passthrough", "-f", "rawvideo", "-"],
        60,
    )  # fmt: skip
    frames = np.frombuffer(read.output, np.uint8).reshape(-1, 256)
    return [round(float(frame.mean())) for frame in frames]


@pytest.fixture
def counted(ready_film: Callable[..., Film], tmp_path: Path) -> Film:
    """A film that no browser plays, MPEG-2 and MP2 in MKV, whose frames differ in brightness."""
    path = tmp_path / "counted.mkv"
    made = ffmpeg.run(
        ["-v", "error", "-nostdin", "-f", "lavfi",
         "-i", f"color=gray:s=320x180:r={RATE}:d=4,format=gray,geq=lum='30+mod(N*23,190)'",
         "-f", "lavfi", "-i", "sine=frequency=440:d=4",
         "-c:v", "mpeg2video", "-q:v", "2", "-pix_fmt", "yuv420p", "-c:a", "mp2", str(path)],
        60,
    )  # fmt: skip
    assert made.status == 0, made.said
    return ready_film(path, "Counted")


@pytest.mark.parametrize(("first", "last"), [(0, 10), (13, 40), (24, 48), (60, 95)])
def test_a_clip_has_exactly_the_frames_that_were_asked_for(
    counted: Film, first: int, last: int
) -> None:
    source = brightness(counted.files.source())
    step = 1001 / 24000
    path = clips.clip(counted, first * step, last * step)
    got = brightness(path)
    assert len(got) == last - first
    for index, value in enumerate(got):
        assert value == pytest.approx(source[first + index], abs=4), index


def test_a_clip_is_what_every_browser_plays_with_sound_in_step(counted: Film) -> None:
    path = clips.clip(counted, 1.0, 3.0)
    found = probing.probe(path, 10**8, 3600)
    assert (found.video_codec, found.audio_codec) == ("h264", "aac")
    assert found.duration == pytest.approx(2.0, abs=2 * 1001 / 24000)
    said = ffmpeg.run(["-nostdin", "-i", str(path)], 20).said
    starts = [float(n) for n in re.findall(r"start:? ?(-?[\d.]+)", said)]
    assert all(abs(start) < 0.04 for start in starts)


def test_a_clip_is_made_once(counted: Film) -> None:
    path = clips.clip(counted, 1.0, 2.0)
    made = path.read_bytes()
    path.write_bytes(made + b"kept")
    assert clips.clip(counted, 1.0, 2.0).read_bytes() == made + b"kept"


@pytest.mark.parametrize(("start", "end"), [(-1.0, 1.0), (2.0, 2.0), (9.0, 12.0), (0.0, 500.0)])
def test_a_span_that_makes_no_sense_is_refused(counted: Film, start: float, end: float) -> None:
    counted.duration = 400.0 if end == 500.0 else counted.duration
    with pytest.raises(QueryError):
        clips.clip(counted, start, end)


def test_what_is_not_used_goes_first(tmp_path: Path) -> None:
    import os

    for age, name in enumerate("abcd"):
        (tmp_path / name).write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    shrink_to(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_scene_is_sent_in_parts(page: Client, counted: Film) -> None:
    address = f"/films/{counted.pk}/scenes/0.mp4"
    whole: Any = page.get(address)
    assert whole.status_code == 200
    assert whole["Accept-Ranges"] == "bytes"
    body = b"".join(whole.streaming_content)
    part: Any = page.get(address, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part["Content-Range"] == f"bytes 100-199/{len(body)}"
    assert b"".join(part.streaming_content) == body[100:200]
    assert page.get(address, headers={"Range": f"bytes={len(body)}-"}).status_code == 416


def test_a_scene_can_be_saved_under_a_name(page: Client, counted: Film) -> None:
    answer = page.get(f"/films/{counted.pk}/scenes/0.mp4?save")
    assert answer["Content-Disposition"] == 'attachment; filename="Counted 0.00.mp4"'


def test_a_scene_that_is_none_is_not_found(page: Client, counted: Film) -> None:
    assert page.get(f"/films/{counted.pk}/scenes/999.mp4").status_code == 404


def test_deleting_a_film_removes_its_clips(
    counted: Film, django_capture_on_commit_callbacks: Any
) -> None:
    path = clips.clip(counted, 1.0, 2.0)
    with django_capture_on_commit_callbacks(execute=True):
        counted.delete()
    assert not path.exists()


def test_a_frame_is_quoted_with_its_exact_time(page: Client, counted: Film) -> None:
    body = page.get(f"/films/{counted.pk}/frames/2/").content.decode()
    # Frame 48 of 23.976 a second is the first at or after 2 s: at 2.002 s.
    assert "Counted, 00:00:02:00, http://testserver" in body
