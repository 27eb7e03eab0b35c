"""Text tracks in a film file: lists them and reads their lines.

Tracks of pictures are read by `gallery.transcripts.picture_tracks`.
"""

import math
import re
import subprocess
import tempfile
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core.errors import FilmError, SubtitlesError
from gallery.media import ffmpeg
from gallery.transcripts import languages, subtitles
from gallery.transcripts.subtitle_formats import Cue

LIST_LIMIT = 120.0  # seconds of wall-clock time for listing the tracks
READ_LIMIT = 1200.0  # seconds for reading them: the whole film is read, maybe from a slow disk
KEEP_INTERVAL = 1.0  # seconds
TEXT_CODECS = {
    *("ass", "ssa", "subrip", "srt", "webvtt", "mov_text", "text", "jacosub", "realtext", "sami"),
    *("stl", "subviewer", "subviewer1", "vplayer", "mpl2", "pjs"),
}


@dataclass(frozen=True, slots=True)
class Track:
    """A subtitle track. `stream` is its index among all subtitle tracks of the film, from 0.

    `language` is a BCP 47 tag, `und` if the film does not say; `title` is from the film.
    """

    stream: int
    language: str
    title: str
    codec: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The lines of tracks, and a sentence about each track that could not be read."""

    lines: list[tuple[Track, list[Cue]]]
    complaints: list[str]


_STREAM = re.compile(
    r"^ *Stream #0:\d+(?:\[0x[0-9a-f]+\])?(?:\(([\w-]+)\))?: Subtitle: (\w+)", re.MULTILINE
)
_TITLE = re.compile(r"^ +title +: (.*)$", re.MULTILINE)


def list_tracks(path: Path, codecs: Collection[str] = TEXT_CODECS) -> list[Track]:
    """Return the tracks of a film file with one of these codecs, in order.

    Raises FilmError when it takes too long.
    """
    read = ffmpeg.run(ffmpeg.input_arguments(path, settings.MAX_FILM_PIXELS), LIST_LIMIT)
    found = []
    streams = list(_STREAM.finditer(read.log_text))
    for number, match in enumerate(streams):
        if match[2] not in codecs:
            continue
        about = read.log_text[match.end() :].partition("\n  Stream #")[0]
        title = _TITLE.search(about)
        language = languages.tag(match[1] or "")
        found.append(Track(number, language, title[1].strip() if title else "", match[2]))
    return found


def read_track_lines(
    path: Path, tracks: Sequence[Track], start: float, keep: Callable[[], None] = lambda: None
) -> Reading:
    """Return the lines of these tracks, in seconds of the film, whose clock begins at `start`.

    `keep` is called every second; an exception from it ends the reading. A damaged track does not
    affect the others; one without lines is ignored. Raises FilmError when it takes longer than
    READ_LIMIT, and FFmpegStalled.
    """
    reading = Reading([], [])
    if not tracks:
        return reading
    with tempfile.TemporaryDirectory(dir=settings.SCRATCH_DIR) as folder:
        files = {track: Path(folder) / str(track.stream) for track in tracks}
        if not _extract(path, files, keep) and len(files) > 1:
            # FFmpeg gives up on all tracks if one of them fails.
            for track, file in files.items():
                _extract(path, {track: file}, keep)
        for track, file in files.items():
            try:
                cues = _read_cues(file, start)
            except SubtitlesError as error:
                reading.complaints.append(track_complaint(track, str(error)))
                continue
            if cues:
                reading.lines.append((track, cues))
    return reading


def _extract(path: Path, files: dict[Track, Path], keep: Callable[[], None]) -> bool:
    """Write tracks to files in one pass over the film. Return False when FFmpeg failed."""
    arguments: list[str] = []
    for track, file in files.items():
        # Conversion would turn the drawings of SubStation Alpha into text.
        is_copied = track.codec in ("ass", "ssa")
        arguments += [
            *("-map", f"0:s:{track.stream}", "-c:s", "copy" if is_copied else "srt"),
            *("-fs", str(settings.MAX_SUBTITLE_BYTES + 1), "-flush_packets", "0"),
            *("-f", "ass" if is_copied else "srt", f"file:{file}"),
        ]
    return run_on_film(path, arguments, keep)


def run_on_film(path: Path, outputs: Sequence[str], keep: Callable[[], None]) -> bool:
    """Let FFmpeg write files from a film, with the film's own times. Return False if it failed.

    `keep` is called every second; an exception from it ends the run. Raises FilmError when it takes
    longer than READ_LIMIT, and FFmpegStalled.
    """
    arguments = [
        *("-v", "error", "-y"),
        *ffmpeg.input_arguments(path, settings.MAX_FILM_PIXELS, "-copyts"),
        *outputs,
    ]
    with tempfile.TemporaryFile() as output:
        process = ffmpeg.start(arguments, output)
        # It writes nothing during long silences.
        with ffmpeg.watched(process, READ_LIMIT, max_silence=math.inf) as watch:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    status = process.wait(timeout=KEEP_INTERVAL)
                    break
                keep()
    watch.check()
    if watch.timed_out:
        raise FilmError(
            _("Reading the text tracks took longer than %(limit)d seconds.") % {"limit": READ_LIMIT}
        )
    return status == 0


def _read_cues(file: Path, start: float) -> list[Cue]:
    """Return the cues of an extracted track; none if it is empty. Raises SubtitlesError."""
    if not file.is_file():
        raise SubtitlesError(_("FFmpeg cannot read it."))
    data = file.read_bytes()
    if b"-->" not in data and b"Dialogue:" not in data:
        return []
    return subtitles.shift(subtitles.read(data), -start)


def track_complaint(track: Track, sentence: str) -> str:
    """Return a sentence that says which track is meant."""
    return _("Text track %(number)d (%(language)s): %(sentence)s") % {
        "number": track.stream + 1,
        "language": track.language,
        "sentence": sentence,
    }
