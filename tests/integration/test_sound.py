"""The sound of a clip: the default track, or the requested one, if it can be decoded."""

from pathlib import Path

import numpy as np
import pytest

from gallery.media import cutting, ffmpeg, probing, sound
from gallery.media.cutting import ClipSpan
from gallery.media.types import SoundTrack
from tests.films import H264, run_ffmpeg

PIXELS = 8192 * 4320


def make_film_with_tracks(
    path: Path, tones: dict[int, str], *options: str, codecs: tuple[str, ...] = ()
) -> Path:
    """A film with a sound track for each tone (its frequency in Hz, and its dispositions)."""
    inputs, maps = ["-f", "lavfi", "-t", "3", "-i", "testsrc2=s=64x36:r=24"], ["-map", "0"]
    for number, (find_clip_frequency, disposition) in enumerate(tones.items()):
        inputs += ["-f", "lavfi", "-t", "3", "-i", f"sine=f={find_clip_frequency}:r=48000"]
        maps += ["-map", str(number + 1), f"-disposition:a:{number}", disposition or "0"]
        maps += [f"-c:a:{number}", codecs[number] if codecs else "aac"]
    run_ffmpeg(*inputs, *maps, *H264, *options, str(path))
    return path


def find_clip_frequency(
    path: Path, number: int | None = None, *, streamed: bool = False
) -> float | None:
    """The loudest frequency of a clip of the second second, in Hz; None when it is silent."""
    cut = ClipSpan(path, probing.probe(path, PIXELS, 3600), 24, 48, PIXELS, number)
    clip = path.with_name("clip.mp4")
    done = ffmpeg.run(
        cutting.playback_arguments(cut) if streamed else cutting.export_arguments(cut, clip), 60
    )
    assert done.status == 0, done.log_text
    if streamed:
        clip.write_bytes(done.output)
    return find_loudest_frequency(clip)


def find_loudest_frequency(clip: Path) -> float | None:
    """The loudest frequency of a clip of one second, in Hz; None when it has no sound."""
    if not sound.read_tracks(ffmpeg.run(["-hide_banner", "-i", str(clip)], 20).log_text):
        return None
    data = run_ffmpeg("-i", str(clip), "-ac", "1", "-ar", "48000", "-f", "f32le", "-")
    samples = np.frombuffer(data, np.float32)
    assert len(samples) == pytest.approx(48000, abs=2000)
    return float(np.abs(np.fft.rfft(samples)).argmax() * 48000 / len(samples))


def make_unknown(path: Path) -> Path:
    """Give the FLAC tracks of a Matroska film an unknown codec."""
    path.write_bytes(path.read_bytes().replace(b"A_FLAC", b"A_QQQQ"))
    return path


def test_a_clip_has_the_sound_of_the_default_track(tmp_path: Path) -> None:
    film = make_film_with_tracks(tmp_path / "a.mkv", {440: "comment", 1000: "default", 2000: "0"})
    assert find_clip_frequency(film) == pytest.approx(1000, abs=3)
    assert find_clip_frequency(film, streamed=True) == pytest.approx(1000, abs=3)


def test_a_clip_has_the_sound_of_the_chosen_track(tmp_path: Path) -> None:
    film = make_film_with_tracks(tmp_path / "a.mp4", {440: "default", 1000: "0"})
    assert find_clip_frequency(film) == pytest.approx(440, abs=3)
    assert find_clip_frequency(film, 1) == pytest.approx(1000, abs=3)
    assert find_clip_frequency(film, 7) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("streamed", [False, True])
def test_sound_that_cannot_be_decoded_is_skipped(streamed: bool, tmp_path: Path) -> None:
    film = make_film_with_tracks(
        tmp_path / "a.mkv", {440: "default", 1000: "0"}, codecs=("flac", "aac")
    )
    make_unknown(film)
    assert probing.probe(film, PIXELS, 3600).audio_codec == "aac"
    assert find_clip_frequency(film, streamed=streamed) == pytest.approx(1000, abs=3)
    assert find_clip_frequency(film, 0, streamed=streamed) == pytest.approx(1000, abs=3)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_track_is_found_that_the_programme_map_does_not_describe(
    streamed: bool, tmp_path: Path
) -> None:
    """AAC as private data: FFmpeg knows it by its packets only."""
    film = make_film_with_tracks(
        tmp_path / "a.m2ts",
        {440: "", 1000: ""},
        *("-f", "mpegts", "-mpegts_m2ts_mode", "1"),
        codecs=("aac", "ac3"),
    )
    assert find_clip_frequency(film, 0, streamed=streamed) == pytest.approx(440, abs=3)
    assert find_clip_frequency(film, 1, streamed=streamed) == pytest.approx(1000, abs=3)


@pytest.mark.parametrize("streamed", [False, True])
def test_damaged_sound_does_not_cost_the_pictures(streamed: bool, tmp_path: Path) -> None:
    whole = make_film_with_tracks(tmp_path / "whole.mp4", {440: "default"})
    film = tmp_path / "a.mp4"
    run_ffmpeg("-i", str(whole), "-c", "copy", "-bsf:a", "noise=amount=1", str(film))
    find_clip_frequency(film, streamed=streamed)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_film_without_any_sound_gives_silent_clips(streamed: bool, tmp_path: Path) -> None:
    silent = make_film_with_tracks(tmp_path / "silent.mkv", {})
    unknown = make_unknown(
        make_film_with_tracks(tmp_path / "a.mkv", {440: "default"}, codecs=("flac",))
    )
    for film in (silent, unknown):
        assert probing.probe(film, PIXELS, 3600).audio_codec == ""
        assert find_clip_frequency(film, streamed=streamed) is None


def test_descriptions_of_sound_tracks_are_read(tmp_path: Path) -> None:
    film = make_film_with_tracks(
        tmp_path / "a.mkv",
        {440: "comment", 1000: "default"},
        *(
            "-metadata:s:a:0",
            "title=Director: the making of (1)",
            "-metadata:s:a:1",
            "language=fre",
        ),
        *("-metadata:s:v:0", "title=Not a sound track"),
    )
    assert probing.probe(film, PIXELS, 3600).sound == (
        SoundTrack(0, "aac", title="Director: the making of (1)", is_extra=True),
        SoundTrack(1, "aac", language="fre", is_default=True),
    )


def test_original_sound_is_preferred_to_a_default_commentary() -> None:
    """In Matroska every track is a default one unless marked otherwise."""
    tracks = (
        SoundTrack(0, "aac", is_default=True, is_extra=True),
        SoundTrack(1, "qqqq", is_default=True, is_decodable=False),
        SoundTrack(2, "aac", is_default=True),
    )
    assert sound.choose_track(tracks) == tracks[2]
    assert sound.choose_track(tracks, 0) == tracks[0]
    assert sound.choose_track(tracks, 1) == tracks[2]
    assert sound.choose_track(()) is None
