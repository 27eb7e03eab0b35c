"""Films whose clock or duration differs from the container: each second has its own picture.

The pictures show their own numbers, 25 a second, and every second of sound begins with a beep.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.test import Client
from PIL import Image

from gallery.core.errors import FilmError
from gallery.films.models import Film
from gallery.media import cutting, decoding, ffmpeg, probing, working_copy
from gallery.media.cutting import ClipSpan
from gallery.media.store import FilmFiles
from gallery.media.types import Probe, Span
from gallery.scenes import clips
from tests.coded import BEEP, BITS, find_beeps, make_coded_film, read_codes
from tests.films import make_film, run_ffmpeg

PIXELS = 8192 * 4320
RATE = 25
SECONDS = 8
WHOLE = Span(0, None)
X264 = ("-c:v", "libx264", "-preset", "fast", "-pix_fmt", "yuv420p", "-g", "60")
PYRAMID = (*X264, "-bf", "3", "-b_strategy", "2", "-b-pyramid", "normal")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:bframes=3")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "3", "-bf", "2", "-g", "15")


def make_coded(folder: Path, name: str, **how: object) -> Path:
    return make_coded_film(folder / name, rate=str(RATE), seconds=SECONDS, **how)  # type: ignore[arg-type]


def join_recordings(folder: Path, name: str, **how: object) -> Path:
    """Two concatenated recordings: the clock restarts in the middle."""
    part = make_coded_film(folder / f"part-{name}", rate=str(RATE), seconds=SECONDS / 2, **how)  # type: ignore[arg-type]
    film = folder / name
    film.write_bytes(part.read_bytes() * 2)
    return film


def make_interrupted(folder: Path, name: str) -> Path:
    """A broadcast whose clock jumps ahead by an hour in the middle."""
    parts = [
        make_coded_film(
            folder / f"{offset}-{name}",
            rate=str(RATE),
            seconds=SECONDS / 2,
            codec=MPEG2,
            sound=("-c:a", "mp2"),
            options=("-output_ts_offset", str(offset)),
        )
        for offset in (10, 3610)
    ]
    film = folder / name
    film.write_bytes(b"".join(part.read_bytes() for part in parts))
    return film


def make_late(folder: Path) -> Path:
    """The second half of a film that was recorded in parts, with a continued clock."""
    make_coded_film(
        folder / "piece%d.mkv",
        rate=str(RATE),
        seconds=2 * SECONDS,
        codec=(*X264, "-force_key_frames", str(SECONDS)),
        sound=(),
        options=("-f", "segment", "-segment_time", str(SECONDS), "-segment_format", "matroska"),
    )
    return folder / "piece1.mkv"


HALVES = [*range(0, 100, RATE), *range(0, 100, RATE)]
FILMS: dict[str, tuple[Callable[[Path], Path], bool]] = {
    "H.264 in AVI": (lambda f: make_coded(f, "a.avi", codec=X264, sound=("-c:a", "mp2")), True),
    "H.264 with a pyramid of B-frames in AVI": (
        lambda f: make_coded(f, "a.avi", codec=PYRAMID, sound=("-c:a", "mp2")),
        True,
    ),
    "MPEG-4 with B-frames in AVI": (
        lambda f: make_coded(
            f, "a.avi", codec=("-c:v", "mpeg4", "-bf", "2"), sound=("-c:a", "mp2")
        ),
        True,
    ),
    "MPEG-2 in AVI": (lambda f: make_coded(f, "a.avi", codec=MPEG2, sound=("-c:a", "mp2")), True),
    "Motion JPEG in AVI": (
        lambda f: make_coded(f, "a.avi", codec=("-c:v", "mjpeg"), sound=("-c:a", "pcm_s16le")),
        False,
    ),
    "Sorenson in FLV": (
        lambda f: make_coded(f, "a.flv", codec=("-c:v", "flv"), options=("-ar", "44100")),
        True,
    ),
    "H.264 in FLV": (
        lambda f: make_coded(f, "a.flv", codec=PYRAMID, options=("-ar", "44100")),
        True,
    ),
    "sound that Matroska does not know": (
        lambda f: make_coded(
            f, "a.flv", codec=X264, sound=("-c:a", "nellymoser"), options=("-ar", "44100")
        ),
        True,
    ),
    "raw H.264": (lambda f: make_coded(f, "a.h264", codec=PYRAMID, sound=()), True),
    "raw HEVC": (lambda f: make_coded(f, "a.hevc", codec=HEVC, sound=()), True),
    "raw MPEG-2": (lambda f: make_coded(f, "a.m2v", codec=MPEG2, sound=()), True),
    "DV": (
        lambda f: make_coded(
            f,
            "a.dv",
            codec=("-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-s", "720x576"),
            sound=("-c:a", "pcm_s16le", "-ac", "2"),
        ),
        False,
    ),
    "YUV4MPEG2": (lambda f: make_coded(f, "a.y4m", codec=(), sound=()), False),
    "GIF": (lambda f: make_coded(f, "a.gif", codec=(), sound=()), True),
    "program streams joined": (
        lambda f: join_recordings(f, "a.vob", codec=MPEG2, sound=("-c:a", "ac3")),
        True,
    ),
    "transport streams joined": (
        lambda f: join_recordings(f, "a.ts", codec=MPEG2, sound=("-c:a", "mp2")),
        True,
    ),
    "a transport stream that jumps ahead": (lambda f: make_interrupted(f, "a.ts"), True),
    # Such small pictures share packets of a program stream: most have no timestamp.
    "a program stream that jumps ahead": (lambda f: make_interrupted(f, "a.vob"), True),
    "a program stream with few times": (
        lambda f: make_coded(
            f,
            "a.mpg",
            codec=("-c:v", "mpeg1video", "-q:v", "3", "-bf", "2"),
            sound=("-c:a", "mp2"),
            options=("-output_ts_offset", "500"),
        ),
        True,
    ),
    "Ogg files joined": (
        lambda f: join_recordings(
            f, "a.ogv", codec=("-c:v", "libtheora", "-q:v", "9"), sound=("-c:a", "libvorbis")
        ),
        True,
    ),
    "a clock that begins late": (make_late, False),
}


def store_film(film: Path, folder: Path, settings: object) -> FilmFiles:
    """A film in a media store."""
    settings.MEDIA_ROOT = folder / "media"  # type: ignore[attr-defined]
    files = FilmFiles("one")
    files.folder.mkdir(parents=True)
    film.rename(files.folder / f"source{film.suffix}")
    return files


def read_number(picture: Image.Image) -> int:
    bars = np.asarray(picture.convert("L").resize((BITS, 1), Image.Resampling.BOX))[0] > 128
    return int(bars @ (1 << np.arange(BITS)))


def read_numbers(path: Path, found: Probe, span: Span = WHOLE) -> list[tuple[int, int]]:
    """The second and the number of the picture of each second."""
    with decoding.decode(path, found, span, width=240, max_pixels=PIXELS, limit=60) as running:
        return [(int(time), read_number(picture)) for time, picture in running.pictures]


@pytest.mark.parametrize("kind", FILMS)
def test_each_second_and_each_clip_has_its_own_pictures(
    kind: str, tmp_path: Path, settings: object
) -> None:
    make, is_copied = FILMS[kind]
    film = make(tmp_path)
    files = store_film(film, tmp_path, settings)
    prepared = working_copy.prepare(files, PIXELS, 3600)
    found, path = prepared.probe, files.playable()

    assert prepared.notice == ""
    assert (path == files.working_copy()) == is_copied
    assert found.duration == pytest.approx(SECONDS, abs=0.09)
    assert found.rate == RATE
    first = 200 if "late" in kind else 0
    halves = "joined" in kind or "jumps" in kind
    expected = HALVES if halves else [first + s * RATE for s in range(SECONDS)]
    # A restarted clock is corrected from the previous times, within three pictures.
    near = 3 if halves else 0
    shown = read_numbers(path, found)
    assert shown == [(s, pytest.approx(n, abs=near)) for s, n in enumerate(expected)]
    parts = [read_numbers(path, found, Span(a, b)) for a, b in ((0, 3), (3, 6), (6, None))]
    assert [one for part in parts for one in part] == shown
    still = decoding.still(path, found, 7.0, max_pixels=PIXELS)
    assert read_number(still) == shown[7][1]

    target = tmp_path / "clip.mp4"
    done = ffmpeg.run(cutting.export_arguments(ClipSpan(path, found, 130, 160, PIXELS), target), 60)
    assert done.status == 0, done.log_text
    begins = first + (30 if halves else 130)
    clip = read_codes(target)
    assert clip == list(range(clip[0], clip[0] + 30))
    assert clip[0] == pytest.approx(begins, abs=near)
    if found.audio_codec:
        # A beep a second: from 5.2 s to 6.4 s there is one, after 0.8 s.
        assert find_beeps(target) == pytest.approx([0.8], abs=0.16 if halves else 0.045)


# --- duration -------------------------------------------------------------------------------------


def test_a_text_track_may_outlast_the_pictures(tmp_path: Path) -> None:
    text = tmp_path / "late.srt"
    text.write_text("1\n00:00:55,000 --> 00:01:00,000\nThe last line\n")
    pictures = make_film(tmp_path / "a.mp4", seconds=12, sound=True)
    film = tmp_path / "film.mkv"
    run_ffmpeg("-i", str(pictures), "-i", str(text), "-c", "copy", "-c:s", "srt", str(film))
    assert probing.probe(film, PIXELS, 3600).duration == pytest.approx(12, abs=0.05)


@pytest.mark.parametrize("seconds", [12.0, 0.04])
def test_sound_may_outlast_the_pictures(seconds: float, tmp_path: Path) -> None:
    """The film ends with its pictures, even with a single one, as in music."""
    film = tmp_path / "a.mp4"
    run_ffmpeg(
        *("-f", "lavfi", "-t", str(seconds), "-i", "testsrc2=size=160x90:rate=25"),
        *("-f", "lavfi", "-t", "40", "-i", "sine", "-c:v", "libx264", "-c:a", "aac", str(film)),
    )
    found = probing.probe(film, PIXELS, 3600)
    assert found.duration == pytest.approx(seconds, abs=0.001)
    with decoding.decode(film, found, WHOLE, width=64, max_pixels=PIXELS, limit=60) as running:
        assert len(list(running.pictures)) == max(1, int(seconds))


def test_windows_media_may_start_late(tmp_path: Path) -> None:
    film = make_coded(
        tmp_path,
        "a.wmv",
        codec=("-c:v", "wmv2"),
        sound=("-c:a", "wmav2"),
        options=("-output_ts_offset", "100"),
    )
    found = probing.probe(film, PIXELS, 3600)
    assert found.duration == pytest.approx(SECONDS, abs=0.05)
    assert read_numbers(film, found)[7] == (7, 174)  # the sound starts a picture earlier


@pytest.mark.parametrize("name", ["a.mkv", "a.flv", "late.mkv"])
def test_a_truncated_film_is_refused(name: str, tmp_path: Path) -> None:
    if name == "late.mkv":
        make_coded_film(
            tmp_path / "piece%d.mkv",
            seconds=80,
            codec=(*X264, "-force_key_frames", "40"),
            options=("-f", "segment", "-segment_time", "40", "-segment_format", "matroska"),
        )
        whole = tmp_path / "piece1.mkv"
    else:
        whole = make_film(
            tmp_path / name, seconds=40, sound=True, rate="12", options=("-ar", "44100")
        )
    assert probing.probe(whole, PIXELS, 3600).duration == pytest.approx(40, abs=0.2)
    half = tmp_path / f"half{whole.suffix}"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(FilmError, match=r"it should be \d+ s long, but the video"):
        probing.probe(half, PIXELS, 3600)


# --- in the library -------------------------------------------------------------------------------


def test_frames_after_an_unreadable_jump_are_reported(tmp_path: Path, settings: object) -> None:
    """Concatenated Matroska files: no program can play the second."""
    files = store_film(join_recordings(tmp_path, "a.mkv", codec=X264), tmp_path, settings)
    prepared = working_copy.prepare(files, PIXELS, 3600)
    assert prepared.probe.duration == pytest.approx(SECONDS / 2, abs=0.1)
    assert re.search(r"(9\d|100) of 200 frames could not be placed", prepared.notice)
    assert read_numbers(files.playable(), prepared.probe)[:4] == [(0, 0), (1, 25), (2, 50), (3, 75)]


def test_concatenated_flv_files_are_reported(tmp_path: Path, settings: object) -> None:
    options = ("-ar", "44100")
    files = store_film(
        join_recordings(tmp_path, "a.flv", codec=X264, options=options), tmp_path, settings
    )
    prepared = working_copy.prepare(files, PIXELS, 3600)
    assert "several FLV files" in prepared.notice
    assert read_numbers(files.playable(), prepared.probe)[:4] == [(0, 0), (1, 25), (2, 50), (3, 75)]


def test_a_working_copy_omits_only_unreadable_sound(tmp_path: Path, settings: object) -> None:
    film = tmp_path / "a.avi"
    pictures = make_coded(tmp_path, "pictures.mkv", codec=X264, sound=())
    run_ffmpeg(
        *("-i", str(pictures), "-f", "lavfi", "-t", "8", "-i", "sine=f=440:sample_rate=48000"),
        *("-f", "lavfi", "-t", "8", "-i", BEEP, "-map", "0:v", "-map", "1:a", "-map", "2:a"),
        *("-c:v", "mpeg4", "-bf", "2", "-c:a:0", "ac3", "-c:a:1", "mp2", str(film)),
    )
    # AC-3 becomes an unknown codec.
    written = film.read_bytes()
    assert written.count(b"\x00\x20\x01\x00") == 1
    film.write_bytes(written.replace(b"\x00\x20\x01\x00", b"\x77\x77\x01\x00"))
    files = store_film(film, tmp_path, settings)
    prepared = working_copy.prepare(files, PIXELS, 3600)
    assert files.playable() == files.working_copy()
    assert [track.codec for track in prepared.probe.sound] == ["mp2"]
    assert prepared.notice == "An audio track of this film cannot be read and was left out."
    target = tmp_path / "clip.mp4"
    span = ClipSpan(files.playable(), prepared.probe, 130, 160, PIXELS)
    assert ffmpeg.run(cutting.export_arguments(span, target), 60).status == 0
    assert find_beeps(target) == pytest.approx([0.8], abs=0.045)


def test_a_film_is_imported_and_played_from_a_working_copy(
    ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    film = ready_film(make_coded(tmp_path, "a.flv", codec=X264, options=("-ar", "44100")), "Copied")
    assert (film.frame_count, film.notice) == (SECONDS, "")
    assert read_codes(clips.render_clip(film, 5.0, 6.0)) == list(range(125, 150))
    assert film.files.playable() == film.files.working_copy()
    assert film.files.source().suffix == ".flv"


def test_a_still_with_long_sound_is_a_film_of_one_frame(
    ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    path = tmp_path / "song.mp4"
    run_ffmpeg(
        *("-f", "lavfi", "-t", "0.04", "-i", "testsrc2=size=160x90:rate=25"),
        *("-f", "lavfi", "-t", "30", "-i", "sine", "-c:v", "libx264", "-c:a", "aac", str(path)),
    )
    film = ready_film(path)
    assert (film.frame_count, film.shot_count) == (1, 1)
    assert film.shots.get().end == pytest.approx(0.04)
    assert len(read_codes(clips.render_clip(film, 0.0, 10.0))) == 1


@pytest.mark.django_db
def test_the_notice_is_shown_to_the_admin(admin_client: Client, static_files: None) -> None:
    film = Film.objects.create(title="Jumps", state=Film.State.READY, notice="Half is left out.")
    page = admin_client.get(f"/admin/gallery/film/{film.pk}/change/").content.decode()
    assert "Half is left out." in page
