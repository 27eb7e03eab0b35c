"""Text tracks in films: listing, reading, re-imports, damaged tracks."""

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from gallery.core.errors import FilmError, LostClaim
from gallery.films.models import Film
from gallery.importing import probe_step, transitions
from gallery.transcripts import dialogue, subtitle_import, tracks
from gallery.transcripts.models import Subtitles
from tests.films import H264, make_film, run_ffmpeg
from tests.importing import add_film, assert_complete, import_here, sweep, upload, wait_until_ready
from tests.lines import find_lines, find_texts
from tests.processes import Worker, wait_for
from tests.unit.test_subtitles import ASS, SRT, VTT

pytestmark = pytest.mark.usefixtures("redis_server", "db")

EXPECTED = [(1.5, 3.0, "Where did she go?"), (6.0, 7.25, "- My paws\n- are freezing!")]
SHORT = SRT.replace("00:01:02", "00:00:06").replace("00:01:04", "00:00:07")


def make_film_with_tracks(
    path: Path,
    contents: Sequence[str],
    codecs: Sequence[str],
    *,
    languages: Sequence[str] = (),
    options: Sequence[str] = (),
    seconds: int = 8,
) -> Path:
    """A short film with these subtitle files as tracks."""
    inputs = ["-f", "lavfi", "-i", f"testsrc2=size=160x90:rate=24:duration={seconds}"]
    chosen = ["-map", "0:v"]
    for number, (content, codec) in enumerate(zip(contents, codecs, strict=True)):
        kind = "ass" if content.startswith("[") else "vtt" if content[0] == "W" else "srt"
        file = path.with_suffix(f".{number}.track.{kind}")
        file.write_text(content, "utf-8")
        inputs += ["-i", str(file)]
        chosen += ["-map", f"{number + 1}:s", f"-c:s:{number}", codec]
    for number, language in enumerate(languages):
        chosen += [f"-metadata:s:s:{number}", f"language={language}"]
    run_ffmpeg(*inputs, *chosen, *H264, *options, str(path))
    return path


def shorten(content: str) -> str:
    """Move both lines into the first eight seconds."""
    for before, after in (("01:02", "00:06"), ("01:04", "00:07"), ("01:03", "00:07")):
        content = content.replace(f"00:{before}", f"00:{after}").replace(
            f"0:{before}", f"0:{after}"
        )
    return content


def read_lines(path: Path, start: float = 0.0) -> list[list[tuple[float, float, str]]]:
    reading = tracks.read_track_lines(path, tracks.list_tracks(path), start)
    assert reading.complaints == []
    return [[(cue.start, cue.end, cue.text) for cue in cues] for _track, cues in reading.lines]


# --- listing and reading --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "contents", "codecs"),
    [
        ("a.mkv", [SRT, VTT, ASS], ["srt", "webvtt", "copy"]),
        ("a.mp4", [SRT, VTT, ASS], ["mov_text"] * 3),
        ("a.mov", [SRT], ["mov_text"]),
        ("a.webm", [VTT], ["copy"]),
    ],
)
def test_every_format_of_text_track_is_read(
    name: str, contents: list[str], codecs: list[str], tmp_path: Path
) -> None:
    codec = ["-c:v", "libvpx", "-b:v", "100k"] if name.endswith("webm") else []
    path = make_film_with_tracks(
        tmp_path / name, [shorten(c) for c in contents], codecs, options=codec
    )
    expected = [EXPECTED] * len(contents)
    found_lines = read_lines(path)
    if name.endswith("mp4"):
        # FFmpeg converts drawings in SubStation Alpha to text in MP4.
        found_lines[2] = [line for line in found_lines[2] if not line[2].startswith("m 0 0")]
    assert found_lines == expected


def test_tracks_have_a_language_and_a_title(tmp_path: Path) -> None:
    path = make_film_with_tracks(
        tmp_path / "a.mkv", [SHORT] * 4, ["srt"] * 4, languages=["eng", "chi", "ger", "und"],
        options=["-metadata:s:s:1", "title=简体中文", "-metadata:s:s:2", "title=Forced: (signs)"],
    )  # fmt: skip
    listed = tracks.list_tracks(path)
    assert [(t.stream, t.language, t.title) for t in listed] == [
        (0, "en", ""), (1, "zh", "简体中文"), (2, "de", "Forced: (signs)"), (3, "und", ""),
    ]  # fmt: skip
    assert tracks.list_tracks(make_film(tmp_path / "none.mp4", seconds=1, sound=True)) == []


def test_bitmap_subtitle_tracks_are_skipped(tmp_path: Path) -> None:
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=720x576:rate=24:duration=4"),
        *("-f", "lavfi", "-i", "color=c=black@0:size=720x576:rate=1:duration=4,format=rgba"),
        *("-map", "0:v", *H264, str(tmp_path / "plain.mkv")),
    )
    (tmp_path / "a.srt").write_text(SHORT)
    # A bitmap track, and a text track after it, whose number counts both.
    run_ffmpeg(
        *("-i", str(tmp_path / "plain.mkv"), "-i", str(tmp_path / "a.srt")),
        *("-map", "0:v", "-map", "1:s", "-map", "1:s", "-c:v", "copy"),
        *("-c:s:0", "srt", "-c:s:1", "srt", str(tmp_path / "two.mkv")),
    )
    data = (tmp_path / "two.mkv").read_bytes()
    # The same length: the file stays valid, and the first track becomes a bitmap track.
    assert data.count(b"S_TEXT/UTF8") == 2
    (tmp_path / "two.mkv").write_bytes(data.replace(b"S_TEXT/UTF8", b"S_HDMV/PGS\x00", 1))
    (only,) = tracks.list_tracks(tmp_path / "two.mkv")
    assert only.stream == 1
    assert read_lines(tmp_path / "two.mkv") == [EXPECTED]


def test_lines_are_relative_to_the_start_of_a_film(tmp_path: Path) -> None:
    late = ["-output_ts_offset", "100"]
    assert read_lines(
        make_film_with_tracks(tmp_path / "a.mkv", [SHORT], ["srt"], options=late), 100
    ) == [EXPECTED]
    path = make_film_with_tracks(tmp_path / "a.mp4", [SHORT], ["mov_text"], options=late)
    film = import_here(add_film(path))
    assert film.state == Film.State.READY, film.error
    assert film.start == pytest.approx(100, abs=0.2)
    (row,) = film.subtitles.all()
    starts = [line.start for line in row.lines.all()]
    assert starts == pytest.approx([1.5, 6.0], abs=0.1)


def test_a_damaged_track_does_not_affect_others(tmp_path: Path) -> None:
    path = make_film_with_tracks(
        tmp_path / "a.mkv", [SHORT, SHORT], ["srt", "srt"], languages=["eng", "fre"]
    )
    data = path.read_bytes()
    # FFmpeg no longer has a decoder for the first track.
    path.write_bytes(data.replace(b"S_TEXT/UTF8", b"S_TEXT/USF\x00", 1))
    reading = tracks.read_track_lines(path, tracks.list_tracks(path), 0.0)
    assert [track.language for track, _cues in reading.lines] == ["fr"]
    garbage = make_film_with_tracks(
        tmp_path / "b.mkv", ["1\n00:00:01,000 --> 00:00:02,000\n \n"], ["srt"]
    )
    assert tracks.read_track_lines(garbage, tracks.list_tracks(garbage), 0.0) == tracks.Reading(
        [], []
    )


def test_reading_tracks_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_film_with_tracks(tmp_path / "a.mkv", [SHORT], ["srt"])
    listed = tracks.list_tracks(path)
    slow = tmp_path / "ffmpeg"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr("gallery.media.ffmpeg.binary", lambda: str(slow))
    monkeypatch.setattr(tracks, "KEEP_INTERVAL", 0.05)
    monkeypatch.setattr(tracks, "READ_LIMIT", 0.3)
    kept: list[int] = []
    with pytest.raises(FilmError, match="took longer than"):
        tracks.read_track_lines(path, listed, 0.0, lambda: kept.append(1))
    assert kept

    def lost() -> None:
        raise LostClaim

    monkeypatch.setattr(tracks, "READ_LIMIT", 30)
    with pytest.raises(LostClaim):
        tracks.read_track_lines(path, listed, 0.0, lost)


# --- imports --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_re_import_replaces_the_lines_of_text_tracks(tmp_path: Path) -> None:
    path = make_film_with_tracks(
        tmp_path / "a.mkv", [SHORT, SHORT.replace("paws", "Pfoten")], ["srt", "srt"],
        languages=["eng", "ger"], options=["-metadata:s:s:1", "title=Full"],
    )  # fmt: skip
    film = import_here(add_film(path))
    assert film.state == Film.State.READY
    subtitle_import.add_subtitles(film, "mine.fr.srt", SHORT.replace("paws", "pattes").encode())
    assert [(s.language, s.source, s.stream, s.original_name) for s in film.subtitles.all()] == [
        ("de", "embedded", 1, "Full"), ("en", "embedded", 0, ""),
        ("fr", "uploaded", None, "mine.fr.srt"),
    ]  # fmt: skip
    assert find_texts("paws") == ["- My paws\n- are freezing!"]
    assert find_texts("pfote")
    assert (film.tracks_run, film.tracks_lease, film.tracks_error) == (1, None, "")
    before = {s.source: s.pk for s in film.subtitles.all()}
    # Lines of tracks are replaced, including changes to them; the upload stays.
    film.subtitles.filter(language="de").delete()
    Subtitles.objects.filter(film=film, language="en").update(language="it")
    assert transitions.restart(film)
    import_here(film)
    assert [s.language for s in film.subtitles.all()] == ["de", "en", "fr"]
    assert film.subtitles.get(source="uploaded").pk == before["uploaded"]
    assert film.files.subtitles(before["uploaded"]).is_file()
    assert film.tracks_run == 2
    assert find_texts("pfote")
    assert find_texts("pattes")
    assert dialogue.is_current(film.pk)
    assert_complete(film)


def test_tracks_are_read_once_per_run_and_by_one_worker(tmp_path: Path) -> None:
    film = add_film(make_film_with_tracks(tmp_path / "a.mkv", [SHORT], ["srt"]))
    assert not subtitle_import.read_tracks(film.pk)  # the file was not probed yet
    probe_step.probe_film(film.pk)
    assert subtitle_import.films_with_unread_tracks(timezone.now()).get() == film
    Film.objects.update(tracks_lease=timezone.now() + timedelta(minutes=1))
    assert not subtitle_import.read_tracks(film.pk)
    # The worker died: its lease expires, and the sweep queues the work again.
    Film.objects.update(tracks_lease=timezone.now() - timedelta(seconds=1))
    assert ("read_tracks", film.pk) in sweep()
    assert subtitle_import.read_tracks(film.pk)
    assert film.subtitles.count() == 1
    assert not subtitle_import.read_tracks(film.pk)
    # Not marked as done, as after a crash: repeated without duplicate lines.
    Film.objects.update(tracks_run=None)
    assert subtitle_import.read_tracks(film.pk)
    assert film.subtitles.count() == 1
    assert film.subtitles.get().lines.count() == 2
    assert not subtitle_import.read_tracks(film.pk + 1)


def test_a_film_deleted_meanwhile_gets_no_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = add_film(make_film_with_tracks(tmp_path / "a.mkv", [SHORT], ["srt"]))
    probe_step.probe_film(film.pk)
    real = tracks.read_track_lines

    def deleted_meanwhile(*arguments: Any) -> tracks.Reading:
        reading = real(*arguments)
        Film.objects.get(pk=film.pk).delete()
        return reading

    monkeypatch.setattr(tracks, "read_track_lines", deleted_meanwhile)
    assert not subtitle_import.read_tracks(film.pk)
    assert not Subtitles.objects.exists()


def test_broken_tracks_do_not_fail_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = add_film(make_film_with_tracks(tmp_path / "a.mkv", [SHORT], ["srt"]))

    def broken(*_arguments: Any) -> None:
        raise FilmError("FFmpeg did not finish.")

    monkeypatch.setattr(tracks, "list_tracks", broken)
    import_here(film)
    assert (film.state, film.tracks_run) == (Film.State.READY, 1)
    assert film.tracks_error == "FFmpeg did not finish."
    assert not film.subtitles.exists()
    subtitle_import.give_up(film.pk, ValueError("a bug"))
    film.refresh_from_db()
    assert "ValueError: a bug" in film.tracks_error
    # Tracks of a film without its file are not requested forever.
    monkeypatch.undo()
    Film.objects.update(tracks_run=None)
    shutil.rmtree(film.files.folder)
    assert subtitle_import.read_tracks(film.pk)
    assert not subtitle_import.films_with_unread_tracks(timezone.now()).exists()


def test_a_real_worker_reads_the_tracks(worker: Worker, tmp_path: Path) -> None:
    dialogue.current().ensure()  # the worker may create it after it has read the tracks
    film = wait_until_ready(
        upload(make_film_with_tracks(tmp_path / "a.mkv", [SHORT], ["srt"], languages=["eng"]))
    )
    # Tracks are read in parallel with the pictures, and may be done a moment later.
    wait_for(lambda: Film.objects.get(pk=film.pk).tracks_run == 1)
    (line,) = wait_for(lambda: find_lines("my paws"))
    assert (line.record.film, line.start) == (film.pk, 6.0)
    # After an upgrade there are films whose tracks were never read.
    Subtitles.objects.all().delete()
    assert find_texts("my paws") == []
    Film.objects.update(tracks_run=None)
    assert wait_for(lambda: find_texts("my paws"))
    wait_for(lambda: Film.objects.get(pk=film.pk).tracks_run == 1)
