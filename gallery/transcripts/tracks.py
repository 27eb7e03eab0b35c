"""The text tracks inside a film: which there are, and their lines. Tracks of pictures are left."""

import math
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core.errors import FilmError, SubtitlesError
from gallery.media import ffmpeg
from gallery.transcripts import languages, subtitles
from gallery.transcripts.subtitle_formats import Cue

LIST_LIMIT = 120.0  # seconds of wall clock for listing the tracks
# Subtitles lie all over a film: all of it is read, from whatever disk it lies on.
READ_LIMIT = 1200.0
KEEP_EVERY = 1.0  # seconds
TEXT_CODECS = {
    *("ass", "ssa", "subrip", "srt", "webvtt", "mov_text", "text", "jacosub", "realtext", "sami"),
    *("stl", "subviewer", "subviewer1", "vplayer", "mpl2", "pjs"),
}


@dataclass(frozen=True, slots=True)
class Track:
    """A text track: `stream` counts from 0 among the film's subtitle tracks of any kind.

    `language` is a BCP 47 tag, `und` where the film does not say; `title` is the film's own.
    """

    stream: int
    language: str
    title: str
    codec: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading tracks: their lines, and a sentence about each that gave none."""

    lines: list[tuple[Track, list[Cue]]]
    complaints: list[str]


_STREAM = re.compile(
    r"^ *Stream #0:\d+(?:\[0x[0-9a-f]+\])?(?:\(([\w-]+)\))?: Subtitle: (\w+)", re.MULTILINE
)
_TITLE = re.compile(r"^ +title +: (.*)$", re.MULTILINE)


def list_tracks(path: Path) -> list[Track]:
    """The text tracks of a film file, in their order. Raises FilmError when it takes too long."""
    read = ffmpeg.run(ffmpeg.input_arguments(path, settings.MAX_FILM_PIXELS), LIST_LIMIT)
    found = []
    streams = list(_STREAM.finditer(read.said))
    for number, match in enumerate(streams):
        if match[2] not in TEXT_CODECS:
            continue
        about = read.said[match.end() :].partition("\n  Stream #")[0]
        title = _TITLE.search(about)
        language = languages.tag(match[1] or "")
        found.append(Track(number, language, title[1].strip() if title else "", match[2]))
    return found


def read_track_lines(
    path: Path, tracks: Sequence[Track], start: float, keep: Callable[[], None] = lambda: None
) -> Reading:
    """The lines of these tracks, in seconds of the film, whose own clock begins at `start`.

    `keep` is called every second; what it raises ends the reading. A damaged track costs only
    itself; one without lines is left out without a word. Raises FilmError when it takes longer than
    READ_LIMIT, FFmpegStalled.
    """
    reading = Reading([], [])
    if not tracks:
        return reading
    with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        files = {track: Path(folder) / str(track.stream) for track in tracks}
        if not _extract(path, files, keep) and len(files) > 1:
            # FFmpeg gives up all of them for the sake of one.
            for track, file in files.items():
                _extract(path, {track: file}, keep)
        for track, file in files.items():
            try:
                cues = _lines(file, start)
            except SubtitlesError as error:
                reading.complaints.append(_complaint(track, str(error)))
                continue
            if cues:
                reading.lines.append((track, cues))
    return reading


def _extract(path: Path, files: dict[Track, Path], keep: Callable[[], None]) -> bool:
    """Write tracks to files, reading the film once; False when FFmpeg stumbled."""
    arguments = [
        *("-v", "error", "-y"),
        *ffmpeg.input_arguments(path, settings.MAX_FILM_PIXELS, "-copyts"),
    ]
    for track, file in files.items():
        # Converting would turn the drawings of SubStation Alpha into text.
        as_it_is = track.codec in ("ass", "ssa")
        arguments += [
            *("-map", f"0:s:{track.stream}", "-c:s", "copy" if as_it_is else "srt"),
            *("-fs", str(settings.MAX_SUBTITLE_BYTES + 1), "-flush_packets", "0"),
            *("-f", "ass" if as_it_is else "srt", f"file:{file}"),
        ]
    with tempfile.TemporaryFile() as said:
        process = ffmpeg.start(arguments, said)
        # It writes nothing for long where nobody speaks.
        with ffmpeg.watched(process, READ_LIMIT, max_silence=math.inf) as watch:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    status = process.wait(timeout=KEEP_EVERY)
                    break
                keep()
    watch.check()
    if watch.timed_out:
        raise FilmError(
            _("Reading the text tracks took longer than %(limit)d seconds.") % {"limit": READ_LIMIT}
        )
    return status == 0


def _lines(file: Path, start: float) -> list[Cue]:
    """Lines of an extracted track; none when it is empty. Raises SubtitlesError."""
    if not file.is_file():
        raise SubtitlesError(_("FFmpeg cannot read it."))
    data = file.read_bytes()
    if b"-->" not in data and b"Dialogue:" not in data:
        return []
    return subtitles.shifted(subtitles.read(data), -start)


def _complaint(track: Track, sentence: str) -> str:
    return _("Text track %(number)d (%(language)s): %(sentence)s") % {
        "number": track.stream + 1,
        "language": track.language,
        "sentence": sentence,
    }
