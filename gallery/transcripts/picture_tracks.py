"""Subtitle tracks of pictures, as on Blu-rays (PGS) and DVDs (VobSub): draws and reads them.

FFmpeg draws each subtitle once; times are those of the track. PGS is described in
US 2009/0185789 A1, VobSub in the DVD-Video specification (sub-picture units).
"""

import re
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image

from gallery.core.errors import SubtitlesError
from gallery.media import ffmpeg
from gallery.ocr.reader import Reader, get_reader, to_text
from gallery.ocr.rows import join_rows
from gallery.transcripts.subtitle_formats import Cue
from gallery.transcripts.tracks import Reading, Track, list_tracks, run_on_film, track_complaint

PGS, VOBSUB = "hdmv_pgs_subtitle", "dvd_subtitle"
CODECS = frozenset({PGS, VOBSUB})
DRAW_LIMIT = 1200.0  # seconds of wall-clock time
MAX_CUES = 5000  # of a track; more are not subtitles
MAX_CUE_SECONDS = 20.0  # of one that seems to have no end
MARGIN = 24  # pixels around what is drawn
UNKNOWN_DURATION = 2**32 - 1  # in FFmpeg's lists of packets
PGS_COMPOSITION = 0x16
SPU_STOP, SPU_END = 0x02, 0xFF  # commands of sub-picture units
SPU_ARGUMENTS = {0x00: 0, 0x01: 0, 0x02: 0, 0x03: 2, 0x04: 2, 0x05: 6, 0x06: 4}  # bytes
SPU_TICK = Fraction(1024, 90_000)  # seconds
DVD_SIZE = (720, 576)

_SIZE = re.compile(r"Subtitle: .*?, (\d+)x(\d+)")


@dataclass(frozen=True, slots=True)
class _Packet:
    """A packet of a track: its time and its duration (None: unknown), in seconds."""

    time: Fraction
    duration: Fraction | None
    data: bytes


def read_picture_tracks(path: Path, start: float, keep: Callable[[], None]) -> Reading:
    """Read the picture subtitles of a film file, whose clock begins at `start` (seconds).

    `keep` is called at least once for each subtitle; an exception from it ends the reading. Raises
    FilmError when it takes too long, and FFmpegStalled.
    """
    reading = Reading([], [])
    tracks = list_tracks(path, CODECS)
    if not tracks:
        return reading
    with tempfile.TemporaryDirectory(dir=settings.SCRATCH_DIR) as name:
        folder = Path(name)
        _extract(path, tracks, folder, keep)
        for track in tracks:
            try:
                cues = _read_track(track, folder, start, keep)
            except SubtitlesError as error:
                reading.complaints.append(track_complaint(track, str(error)))
                continue
            if cues:
                reading.lines.append((track, cues))
    return reading


def _extract(path: Path, tracks: Sequence[Track], folder: Path, keep: Callable[[], None]) -> None:
    """Copy tracks to files of their own, in one pass over the film."""
    outputs: list[str] = []
    for track in tracks:
        outputs += ["-map", f"0:s:{track.stream}", "-c:s", "copy", "-f", "matroska"]
        outputs.append(f"file:{_file(track, folder)}")
    run_on_film(path, outputs, keep)


def _file(track: Track, folder: Path) -> Path:
    return folder / f"{track.stream}.mks"


def _read_track(track: Track, folder: Path, start: float, keep: Callable[[], None]) -> list[Cue]:
    file = _file(track, folder)
    if not file.is_file():
        raise SubtitlesError(_("FFmpeg cannot read it."))
    spans = list(find_spans(track.codec, _list_packets(file)))[:MAX_CUES]
    reader = get_reader()
    cues = []
    for (begin, end), picture in zip(spans, _draw(file, spans, folder), strict=False):
        keep()
        text = read_drawn(reader, picture)
        if text:
            cues.append(Cue(float(begin) - start, float(end) - start, text))
    return cues


# --- times ----------------------------------------------------------------------------------------


def _list_packets(file: Path) -> list[_Packet]:
    """Return the packets of the only track of a file. Raises SubtitlesError."""
    data = file.with_suffix(".data")
    copied = ("-map", "0:s:0", "-c", "copy")
    listed = ffmpeg.run(
        [
            *("-v", "error", "-y"),
            *ffmpeg.input_arguments(file, settings.MAX_FILM_PIXELS, "-copyts"),
            *(*copied, "-f", "data", f"file:{data}", *copied, "-f", "framecrc", "-"),
        ],
        DRAW_LIMIT,
    )
    if not data.is_file():
        raise SubtitlesError(_("FFmpeg cannot read it."))
    tick, packets, content, position = Fraction(1, 1000), [], data.read_bytes(), 0
    for line in listed.output.decode("ascii", "replace").splitlines():
        if line.startswith("#tb 0:"):
            tick = Fraction(line.partition(":")[2].strip())
        elif line and not line.startswith("#"):
            _stream, _dts, time, duration, size = (int(part) for part in line.split(",")[:5])
            known = duration not in (0, UNKNOWN_DURATION)
            packets.append(
                _Packet(
                    time * tick,
                    duration * tick if known else None,
                    content[position : position + size],
                )
            )
            position += size
    return packets


def find_spans(codec: str, packets: Sequence[_Packet]) -> Iterator[tuple[Fraction, Fraction]]:
    """Yield begin and end of each subtitle, in seconds."""
    for packet, following in pairwise([*packets, None]):
        assert packet is not None
        if codec == PGS and not shows_something(packet.data):
            continue
        end = packet.time + Fraction(MAX_CUE_SECONDS)
        duration = packet.duration
        if duration is None and codec == VOBSUB:
            duration = find_stop(packet.data)
        if duration is not None:
            end = min(end, packet.time + duration)
        if following is not None:
            end = min(end, following.time)
        if end > packet.time:
            yield packet.time, end


def shows_something(data: bytes) -> bool:
    """Return whether a PGS display set has any object; one without ends the subtitle before it."""
    position = 0
    while position + 3 <= len(data):
        kind, size = struct.unpack_from(">BH", data, position)
        if kind == PGS_COMPOSITION and size >= 11:
            return data[position + 3 + 10] > 0
        position += 3 + size
    return False


def find_stop(data: bytes) -> Fraction | None:
    """Return after how many seconds a sub-picture unit ends; None if it does not say."""
    if len(data) < 4:
        return None
    position = struct.unpack_from(">H", data, 2)[0]
    seen: set[int] = set()
    while position not in seen and position + 4 <= len(data):
        seen.add(position)
        date, following = struct.unpack_from(">HH", data, position)
        command = position + 4
        while command < len(data) and data[command] != SPU_END:
            if data[command] == SPU_STOP:
                return date * SPU_TICK
            command += 1 + SPU_ARGUMENTS.get(data[command], len(data))
        position = following
    return None


# --- pictures -------------------------------------------------------------------------------------


def _draw(
    file: Path, spans: Sequence[tuple[Fraction, Fraction]], folder: Path
) -> Iterator[Image.Image]:
    """Yield each subtitle on black, as drawn in the middle of its time."""
    if not spans:
        return
    ground, moments = folder / "ground.png", folder / "moments.txt"
    Image.new("RGB", _canvas(file)).save(ground)
    last, lines = Fraction(0), ["ffconcat version 1.0"]
    for begin, end in spans:
        middle = (begin + end) / 2
        lines += [f"file {ground.name}", f"duration {float(middle - last):.3f}"]
        last = middle
    moments.write_text("\n".join([*lines, f"file {ground.name}", "duration 0.1"]), "ascii")
    pictures = folder / f"{file.stem}-pictures"
    pictures.mkdir()
    ffmpeg.run(
        [
            *("-v", "error", "-y"),
            *ffmpeg.input_arguments(file, settings.MAX_FILM_PIXELS, "-copyts"),
            *("-f", "concat", "-i", str(moments)),
            *("-filter_complex", "[1:v][0:s:0]overlay,format=gray", "-fps_mode", "passthrough"),
            *("-frames:v", str(len(spans) + 1), str(pictures / "%06d.png")),
        ],
        DRAW_LIMIT,
    )
    for number in range(len(spans)):
        # The first picture is that of time 0.
        path = pictures / f"{number + 2:06d}.png"
        if not path.is_file():
            raise SubtitlesError(_("FFmpeg cannot draw it."))
        with Image.open(path) as picture:
            yield picture.copy()


def _canvas(file: Path) -> tuple[int, int]:
    """Return the width and height that a track is made for, in pixels."""
    about = ffmpeg.run(ffmpeg.input_arguments(file, settings.MAX_FILM_PIXELS), DRAW_LIMIT)
    found = _SIZE.search(about.log_text)
    return (int(found[1]), int(found[2])) if found else DVD_SIZE


def read_drawn(reader: Reader, picture: Image.Image) -> str:
    """Return the text of a subtitle drawn on black, row by row; "" if there is none."""
    light = picture.convert("L")
    box = light.point([0] * 48 + [255] * 208).getbbox()
    if box is None:
        return ""
    left, top, right, bottom = box
    inner = light.crop((left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN))
    found = reader.find(inner.convert("RGB"))
    texts = reader.recognize([pixels for _corners, pixels in found])
    rows = [
        to_text(corners, text, score, inner.size)
        for (corners, _pixels), (text, score) in zip(found, texts, strict=True)
        if text.strip()
    ]
    return "\n".join(row.text for row in join_rows(rows, inner.width / inner.height))
