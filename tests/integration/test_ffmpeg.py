"""FFmpeg: the frame of each second, cuts, and malicious files."""

import io
import os
import shutil
import stat
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from gallery.clip import shot_network
from gallery.core.errors import FFmpegStalled, FilmError
from gallery.importing import segment_step
from gallery.media import decoding, ffmpeg, probing, shots
from gallery.media.types import Picture, Probe, Span
from tests.films import (
    H264,
    decode_all,
    find_first_of_each_second,
    make_film,
    make_scenes,
    noise,
    presentation_times,
    run_ffmpeg,
)
from tests.processes import find_children, find_processes, wait_for

Make = Callable[..., Path]
PIXELS = 8192 * 4320
WHOLE = Span(0, None)


def probe(path: Path, max_pixels: int = PIXELS, max_seconds: float = 3600) -> Probe:
    return probing.probe(path, max_pixels=max_pixels, max_seconds=max_seconds)


def decode(
    path: Path, span: Span = WHOLE, width: int = 640
) -> tuple[list[float], list[Picture], list[float]]:
    """The times, pictures and cuts of a span."""
    found = probe(path)
    with decoding.decode(path, found, span, width=width, max_pixels=PIXELS, limit=60) as running:
        frames = list(running.pictures)
    cuts = shots.find_cuts_in_span(running.small, span, shot_network.get_network())
    return [time for time, _ in frames], [picture for _, picture in frames], cuts


# --- the frame of each second ----------------------------------------------------------------


def make_offset_film(folder: Path, name: str, offset: float) -> Path:
    """Six seconds of film whose clock starts at `offset` seconds."""
    return make_film(
        folder / name,
        seconds=6,
        options=("-output_ts_offset", str(offset), "-avoid_negative_ts", "0"),
    )


def make_variable_rate_film(folder: Path, name: str) -> Path:
    """Frames at irregular times, with a second without a new frame."""
    return make_film(
        folder / name,
        seconds=10,
        # 24 fps, then every seventh frame, then one gap of over two seconds, then 24 fps.
        filters="select='lt(n,50)+between(n,50,120)*not(mod(n,7))+gt(n,175)*lt(n,230)'",
        options=("-fps_mode", "vfr"),
    )


FILMS: dict[str, Callable[[Path], Path]] = {
    "24 fps": lambda folder: make_film(folder / "a.mp4", seconds=6),
    "24000/1001 fps": lambda folder: make_film(folder / "a.mkv", seconds=7, rate="24000/1001"),
    "24000/1001 fps, mp4": lambda folder: make_film(folder / "a.mp4", seconds=7, rate="24000/1001"),
    "30000/1001 fps, transport stream": lambda folder: make_film(
        folder / "a.ts", seconds=6, rate="30000/1001"
    ),
    "varying, mkv": lambda folder: make_variable_rate_film(folder, "a.mkv"),
    "varying, mp4": lambda folder: make_variable_rate_film(folder, "a.mp4"),
    "starts at 3.7 s, mp4": lambda folder: make_offset_film(folder, "a.mp4", 3.7),
    "starts at 3.7 s, mkv": lambda folder: make_offset_film(folder, "a.mkv", 3.7),
    "starts at 90.3 s, transport stream": lambda folder: make_offset_film(folder, "a.ts", 90.3),
    "1 fps": lambda folder: make_film(folder / "a.mp4", seconds=6, rate="1"),
    "one frame in three seconds": lambda folder: make_film(
        folder / "a.mkv", seconds=12, rate="1/3"
    ),
    "VP9 in WebM": lambda folder: make_film(
        folder / "a.webm", seconds=4, codec=("-c:v", "libvpx", "-deadline", "realtime")
    ),
    "MPEG-4 in AVI": lambda folder: make_film(folder / "a.avi", seconds=4, codec=("-c:v", "mpeg4")),
    "frames out of order": lambda folder: make_film(
        folder / "a.mp4",
        seconds=5,
        codec=("-c:v", "libx264", "-preset", "fast", "-bf", "3", "-pix_fmt", "yuv420p"),
    ),
}


@pytest.mark.parametrize("kind", FILMS)
def test_the_frame_of_a_second_is_the_first_at_or_after_it(kind: str, tmp_path: Path) -> None:
    film = FILMS[kind](tmp_path)
    times = presentation_times(film)
    expected = find_first_of_each_second(times)

    found, pictures, _cuts = decode(film)

    assert found == pytest.approx([float(times[i] - times[0]) for i in expected], abs=2e-6)
    frames = decode_all(film, *pictures[0].size).astype(np.int16)
    assert len(frames) == len(times)
    for index, picture in zip(expected, pictures, strict=True):
        distance = np.abs(frames - np.asarray(picture, np.int16)).mean(axis=(1, 2, 3))
        assert int(distance.argmin()) == index


@pytest.mark.parametrize("kind", FILMS)
@pytest.mark.parametrize("borders", [(1, 2, 3, 4, 5), (2,), (3, 4)])
def test_spans_have_the_same_frames_as_the_whole_film(
    kind: str, borders: tuple[int, ...], tmp_path: Path
) -> None:
    film = FILMS[kind](tmp_path)
    times, pictures, cuts = decode(film)

    starts = [0, *borders]
    parts = [decode(film, Span(a, b)) for a, b in zip(starts, [*borders, None], strict=True)]

    assert [time for part in parts for time in part[0]] == times
    assert [time for part in parts for time in part[2]] == cuts
    joined = [picture for part in parts for picture in part[1]]
    for one, other in zip(joined, pictures, strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_long_film_can_be_split_anywhere(tmp_path: Path) -> None:
    """With distant key frames, seeking ends before the pre-roll of a span."""
    film = make_film(
        tmp_path / "a.mkv",
        seconds=40,
        rate="24000/1001",
        codec=(*H264[:-1], "250"),
    )
    times, pictures, _ = decode(film)
    parts = [decode(film, Span(a, b)) for a, b in ((0, 13), (13, 27), (27, 39), (39, None))]
    assert [time for part in parts for time in part[0]] == times
    joined = [picture for part in parts for picture in part[1]]
    assert [p.tobytes() for p in joined] == [p.tobytes() for p in pictures]


def test_a_film_of_less_than_a_second_has_one_frame(make_video: Make) -> None:
    times, pictures, cuts = decode(make_video(seconds=0.4))
    assert times == [0.0]
    assert len(pictures) == 1
    assert cuts == []


def test_a_still_picture_is_a_film_of_one_frame(make_video: Make) -> None:
    assert decode(make_video(seconds=0.04))[0] == [0.0]


# --- metadata ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "25", "24"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_the_rate_is_exact(rate: str, name: str, make_video: Make) -> None:
    found = probe(make_video(name, seconds=2, rate=rate))
    assert found.rate == Fraction(rate)


def test_probe_describes_the_file(make_video: Make) -> None:
    found = probe(make_video("a.mp4", seconds=3, sound=True, size="320x180"))
    assert found.duration == pytest.approx(3, abs=0.1)
    assert (found.width, found.height) == (320, 180)
    assert (found.video_codec, found.audio_codec) == ("h264", "aac")
    assert found.rotation == 0
    assert found.start == pytest.approx(0, abs=0.05)


def test_earlier_sound_does_not_shift_the_pictures(tmp_path: Path) -> None:
    """The film begins with sound; the picture of second 0 is shown after 0.5 s."""
    picture = make_film(tmp_path / "v.mkv", seconds=4)
    film = tmp_path / "film.mkv"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "sine=duration=4.5", "-itsoffset", "0.5", "-i", str(picture)),
        *("-map", "1:v", "-map", "0:a", "-c:v", "copy", "-c:a", "libmp3lame", str(film)),
    )
    times, _, _ = decode(film)
    assert times[0] == pytest.approx(0.5, abs=0.002)
    assert times[1:] == pytest.approx([1, 2, 3, 4], abs=1 / 24 + 0.03)
    assert all(time >= second for second, time in enumerate(times))


@pytest.mark.parametrize(
    ("name", "rate", "written", "read"),
    [
        ("a.mov", "24000/1001", "01:00:00:00", "01:00:00:00"),
        ("a.mp4", "25", "10:11:12:13", "10:11:12:13"),
        ("a.mkv", "30000/1001", "10:00:00;02", "10:00:00;02"),
        ("a.mp4", "25", "", ""),
    ],
)
def test_the_timecode_of_the_first_picture_is_read(
    name: str, rate: str, written: str, read: str, make_video: Make
) -> None:
    options = ("-timecode", written) if written else ()
    found = probe(make_video(name, seconds=1, rate=rate, options=options))
    assert found.start_timecode == read


@pytest.mark.parametrize(("name", "late"), [("a.mp4", 0.0), ("a.mkv", 0.5), ("a.ts", 0.32)])
def test_the_time_of_the_first_picture_is_counted_from_the_films_beginning(
    name: str, late: float, tmp_path: Path
) -> None:
    picture = make_film(tmp_path / "v.mkv", seconds=2, rate="25")
    film = tmp_path / name
    run_ffmpeg(
        *("-f", "lavfi", "-i", "sine=duration=3", "-itsoffset", str(late), "-i", str(picture)),
        *("-map", "1:v", "-map", "0:a", "-c:v", "copy", "-c:a", "mp2", str(film)),
    )
    found = probe(film)
    assert found.first_frame == pytest.approx(late, abs=0.015)
    assert decode(film)[0][0] == pytest.approx(found.first_frame, abs=2e-6)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotated_films_are_upright(turn: int, tmp_path: Path) -> None:
    """A phone stores sideways frames with a rotation; the picture comes out upright."""
    flat = make_scenes(tmp_path / "flat.mp4", ["red"], frames=24)
    film = tmp_path / "turned.mp4"
    top_is_white = "drawbox=x=0:y=0:w=iw:h=ih/3:color=white:t=fill"
    lying = {90: "transpose=1", 180: "hflip,vflip", 270: "transpose=2"}[turn]
    upright = tmp_path / "lying.mp4"
    run_ffmpeg("-i", str(flat), "-vf", f"{top_is_white},{lying}", *H264, str(upright))
    run_ffmpeg("-display_rotation", str(turn), "-i", str(upright), "-c", "copy", str(film))

    _, pictures, _ = decode(film)
    found = probe(film)

    assert pictures[0].size == (160, 90)
    assert (found.width, found.height) == (160, 90)
    assert found.rotation % 360 in (turn, 360 - turn)
    assert min(pictures[0].getpixel((80, 10))) > 200
    assert pictures[0].getpixel((80, 80))[1] < 60
    still = decoding.still(film, found, 0.0, max_pixels=PIXELS)
    assert still.size == (160, 90)
    assert min(still.getpixel((80, 10))) > 200


def test_anamorphic_pixels_are_made_square(make_video: Make) -> None:
    film = make_video(seconds=1, size="720x576", filters="setsar=64/45")
    found = probe(film)
    _, pictures, _ = decode(film)
    assert (found.width, found.height) == (1024, 576)
    assert pictures[0].size == (640, 360)
    assert decoding.still(film, found, 0.0, max_pixels=PIXELS).size == (1024, 576)


@pytest.mark.parametrize("size", ["161x91", "159x90", "853x357", "17x9"])
def test_odd_sizes_are_read(size: str, make_video: Make) -> None:
    film = make_video("a.mkv", seconds=1, picture="testsrc", size=size, codec=("-c:v", "ffv1"))
    width, height = (int(part) for part in size.split("x"))
    found = probe(film)
    _, pictures, _ = decode(film)
    assert (found.width, found.height) == (width, height)
    assert pictures[0].width == min(640, width)
    shown = pictures[0].width / pictures[0].height
    assert shown == pytest.approx(width / height, rel=1.5 / pictures[0].height)


def test_wide_pictures_are_scaled_down(make_video: Make) -> None:
    _, pictures, _ = decode(make_video(seconds=1, size="1280x536"), width=320)
    assert pictures[0].size == (320, 134)


def test_a_film_without_a_stated_duration_is_measured(tmp_path: Path) -> None:
    """A WebM recorded by a browser, or an MKV from a pipe, has no duration."""
    film = tmp_path / "live.mkv"
    source = make_film(tmp_path / "a.mkv", seconds=5)
    film.write_bytes(run_ffmpeg("-i", str(source), "-c", "copy", "-f", "matroska", "-"))
    assert probe(film).duration == pytest.approx(5, abs=0.1)
    assert len(decode(film)[0]) == 5


# --- cuts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [24, 25])
def test_cuts_are_exact_to_the_frame(rate: int, tmp_path: Path) -> None:
    colours = ["red", "blue", "white", "green", "black"]
    film = make_scenes(tmp_path / "a.mp4", colours, frames=37, rate=rate)
    _, _, cuts = decode(film)
    assert cuts == pytest.approx([37 * n / rate for n in range(1, 5)], abs=2e-6)


def test_motion_is_no_cut(make_video: Make) -> None:
    assert decode(make_video(seconds=4))[2] == []


# --- a still at full size ---------------------------------------------------------------------


def test_the_still_is_the_frame_that_was_embedded(tmp_path: Path) -> None:
    film = make_offset_film(tmp_path, "a.ts", 12.5)
    times, pictures, _ = decode(film)
    found = probe(film)
    for time_, picture in zip(times, pictures, strict=True):
        still = decoding.still(film, found, time_, max_pixels=PIXELS)
        difference = np.abs(np.asarray(still, np.int16) - np.asarray(picture, np.int16)).mean()
        assert difference < 1


def test_a_still_after_the_end_is_refused(make_video: Make) -> None:
    film = make_video(seconds=1)
    with pytest.raises(FilmError):
        decoding.still(film, probe(film), 20.0, max_pixels=PIXELS)


# --- invalid and malicious files ------------------------------------------------------------


@pytest.fixture
def secret_film(tmp_path: Path) -> Path:
    """A film on this machine that no upload may access: bright red."""
    return make_scenes(tmp_path / "secret.mp4", ["red"], frames=48)


def make_playlists(secret_film: Path) -> dict[str, bytes]:
    """Playlists in FFmpeg's formats that refer to other files."""
    return {
        "HLS": f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{secret_film}\n"
        "#EXT-X-ENDLIST\n".encode(),
        "HLS by address": f"#EXTM3U\n#EXTINF:2.0,\nfile://{secret_film}\n#EXT-X-ENDLIST\n".encode(),
        "concat script": f"ffconcat version 1.0\nfile '{secret_film}'\n".encode(),
        "DASH": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        f'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{secret_film}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>".encode(),
        "SDP": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "text": b"just some words\n" * 50,
        "subtitles": b"1\n00:00:00,000 --> 00:00:02,000\nhello\n",
    }


@pytest.mark.parametrize("kind", make_playlists(Path("x")))
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi"])
def test_a_script_named_like_a_film_is_refused_and_reads_nothing(
    kind: str, name: str, tmp_path: Path, secret_film: Path
) -> None:
    script = tmp_path / name
    script.write_bytes(make_playlists(secret_film)[kind])
    os.utime(secret_film, ns=(0, secret_film.stat().st_mtime_ns))

    with pytest.raises(FilmError, match=r"Unsupported file format|damaged or not a video"):
        probe(script)
    made_up = Probe(2, 0, 160, 90, Fraction(24), "h264", "")
    with decoding.decode(script, made_up, WHOLE, width=640, max_pixels=PIXELS, limit=20) as running:
        assert list(running.pictures) == []
    with pytest.raises(FilmError):
        decoding.still(script, made_up, 0.0, max_pixels=PIXELS)
    assert secret_film.stat().st_atime_ns == 0, "somebody read the other file"


def test_a_file_name_like_an_option_or_a_protocol_is_a_file_name(
    tmp_path: Path, make_video: Make
) -> None:
    for name in ("-i.mp4", "concat:a|b.mp4", "a%03d.mp4", "quote'; rm.mp4", "影片 one.mp4"):
        film = make_video("plain.mp4", seconds=1).rename(tmp_path / name)
        assert decode(film)[0] == [0.0]


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("empty", "The file is empty"),
        ("random bytes", "damaged or not a video"),
        ("zeros", "damaged or not a video"),
        ("sound only", "This file has no video"),
        ("mp3 with a cover", "This file has no video|Unsupported file format"),
        ("m4a with a cover", "This file has no video"),
        ("a picture", "Unsupported file format|damaged or not a video"),
    ],
)
def test_a_file_that_is_not_a_film_is_refused_with_a_message(
    kind: str, sentence: str, tmp_path: Path
) -> None:
    film = tmp_path / "film.mp4"
    cover = tmp_path / "cover.jpg"
    noise(1).save(cover)
    sine = ("-f", "lavfi", "-i", "sine=duration=3")
    if kind == "empty":
        film.touch()
    elif kind == "random bytes":
        film.write_bytes(np.random.default_rng(3).bytes(300_000))
    elif kind == "zeros":
        film.write_bytes(bytes(300_000))
    elif kind == "sound only":
        run_ffmpeg(*sine, "-c:a", "aac", str(film))
    elif kind == "a picture":
        shutil.copy(cover, film)
    else:
        suffix, codec = (".mp3", "libmp3lame") if "mp3" in kind else (".m4a", "aac")
        song = tmp_path / f"song{suffix}"
        run_ffmpeg(
            *(*sine, "-i", str(cover), "-map", "0", "-map", "1", "-c:a", codec),
            *("-c:v", "mjpeg", "-disposition:v", "attached_pic", str(song)),
        )
        song.rename(film)
    with pytest.raises(FilmError, match=sentence) as caught:
        probe(film)
    assert str(tmp_path) not in str(caught.value)


def probe_and_decode(path: Path) -> None:
    """The steps of an import that notice a truncated film."""
    found = probe(path)
    with decoding.decode(path, found, WHOLE, width=64, max_pixels=PIXELS, limit=60) as running:
        times = [time for time, _ in running.pictures]
    last = times[-1] if times else 0.0
    slack = max(segment_step.END_SLACK_SECONDS, found.duration * segment_step.END_SLACK_FRACTION)
    if last + slack < found.duration and running.complaints.strip():
        raise FilmError(probing.incomplete_error(found.duration, last))


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("a.mp4", ("-movflags", "+faststart"), "The file is incomplete"),
        ("a.mkv", (), "The file is incomplete"),
        ("a.mp4", (), "The file is incomplete: its index is missing"),
    ],
)
@pytest.mark.parametrize("part", [0.5, 0.8])
def test_a_truncated_film_is_reported(
    name: str, options: tuple[str, ...], sentence: str, part: float, tmp_path: Path
) -> None:
    whole = make_film(tmp_path / name, seconds=60, sound=True, rate="12", options=options)
    probe(whole)
    half = tmp_path / f"half{whole.suffix}"
    half.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * part)])
    with pytest.raises(FilmError, match=sentence):
        probe_and_decode(half)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_truncated_film_is_noticed_before_decoding(name: str, tmp_path: Path) -> None:
    fast = ("-movflags", "+faststart") if name == "a.mp4" else ()
    whole = make_film(tmp_path / name, seconds=60, rate="12", options=fast)
    half = tmp_path / f"half{whole.suffix}"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(FilmError, match="60 s long, but the video ends after 30 s"):
        probe(half)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_long_still_at_the_end_is_not_a_truncation(name: str, tmp_path: Path) -> None:
    """Slides: the last picture is shown for half a minute."""
    film = make_film(tmp_path / name, seconds=120, rate="1/30", picture="testsrc2")
    assert probe(film).duration == pytest.approx(120, abs=1)
    assert len(decode(film)[0]) == 4


def test_pictures_that_are_too_large_are_refused(make_video: Make) -> None:
    film = make_video(seconds=1, size="640x360")
    with pytest.raises(FilmError, match="higher than this installation allows"):
        probe(film, max_pixels=640 * 360 - 1)
    assert probe(film, max_pixels=1024 * 576).width == 640


def test_a_film_that_is_too_long_is_refused(make_video: Make) -> None:
    film = make_video(seconds=3)
    with pytest.raises(FilmError, match=r"hours long\. The limit is"):
        probe(film, max_seconds=2)


# --- time limits ------------------------------------------------------------------------------


def list_group(group: int) -> list[psutil.Process]:
    """The processes of a process group."""
    return find_processes(lambda process: os.getpgid(process.pid) == group)


@pytest.fixture
def hanging_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `ffmpeg` with a child that never ends; it writes its process group to a file."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ffmpeg"
    group = tmp_path / "group"
    program.write_text(f"#!/bin/sh\necho $$ > {group}\nsleep 300 &\nsleep 300\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    ffmpeg.binary.cache_clear()
    monkeypatch.setattr(ffmpeg, "binary", lambda: str(program))
    return group


def test_the_limit_ends_ffmpeg_and_its_children(hanging_ffmpeg: Path) -> None:
    started_at = time.monotonic()
    with pytest.raises(FFmpegStalled, match="no progress for 1 seconds"):
        ffmpeg.run(["-version"], limit=1)
    assert time.monotonic() - started_at < 10
    # The kernel takes a moment to kill them.
    wait_for(lambda: list_group(int(hanging_ffmpeg.read_text())) == [])


def test_the_limit_ends_a_decoder_and_its_children(hanging_ffmpeg: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.touch()
    made_up = Probe(2, 0, 160, 90, Fraction(24), "h264", "")
    with (
        pytest.raises(FilmError, match="took too long"),
        decoding.decode(film, made_up, WHOLE, width=64, max_pixels=PIXELS, limit=1) as running,
    ):
        list(running.pictures)
    # The kernel takes a moment to kill them.
    wait_for(lambda: list_group(int(hanging_ffmpeg.read_text())) == [])


def test_leaving_early_stops_the_decoder(make_video: Make) -> None:
    film = make_video(seconds=30, size="640x360")
    with decoding.decode(
        film, probe(film), WHOLE, width=640, max_pixels=PIXELS, limit=60
    ) as running:
        next(iter(running.pictures))
    assert find_children(os.getpid(), str(film)) == []


@pytest.mark.parametrize(
    "data",
    [
        b"P6\n4 4\n255\n" + bytes(10),
        b"P7\nWIDTH 4\nHEIGHT 4\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + bytes(10),
        b"P7\nWIDTH 4\nHEI",
        b"P7\nWIDTH 4\n",
    ],
)
def test_a_truncated_picture_is_dropped(data: bytes) -> None:
    assert decoding.read_ppm(data) is None


def test_a_complete_picture_is_read() -> None:
    file = io.BytesIO()
    Image.new("RGB", (3, 5), "red").save(file, "PPM")
    picture = decoding.read_ppm(file.getvalue())
    assert picture is not None
    assert (picture.size, picture.getpixel((2, 4))) == ((3, 5), (255, 0, 0))
