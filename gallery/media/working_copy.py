"""A working copy of a film whose own file does not allow exact seeking.

AVI stores no presentation times, raw streams no times at all, FLV files lose their beginning when
seeked, and clocks may jump or restart in the middle. Matroska with the same pictures and sound, and
a clock that begins at 0 and never goes back, has none of these problems: frames, stills and clips
are made from it. Streams are copied; they are encoded only when copying fails.
"""

import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.core import shutdown
from gallery.core.disk import require_space
from gallery.core.errors import DiskFull, FilmError
from gallery.media import ffmpeg, film_borders, interlacing, probing, timeline
from gallery.media.probing import Inspection
from gallery.media.store import FilmFiles
from gallery.media.types import Probe

COPY_TIMEOUT = 4 * 3600.0  # seconds of wall clock
RAW_STREAMS = {"h264", "hevc", "m4v", "mpegvideo"}
ALWAYS_COPIED = {"flv", "gif", *RAW_STREAMS}
MAX_UNTIMED_PART = 0.01  # broadcasts often begin with a few packets without a time
MAX_HELD_BACK = 10  # consecutive packets that a clock going back may affect
MAX_LOST_PART, MAX_LOST = 0.01, 3  # pictures that a jump may cost: the larger of the two
MAX_DELAY = 5  # seconds between the decoding and the presentation of a picture
NO_SOUND = ("-an",)
ALL_SOUND = ("-map", "0:a?", "-c:a", "copy")
REORDERED_CODECS = ("h264", "hevc")  # pictures may be stored in another order than shown
_FLV_HEADER = re.compile(rb"FLV\x01[\x00-\x05]\x00\x00\x00\x09\x00\x00\x00\x00")
# Decoders delay pictures that are stored out of order by less than a second; a longer delay means
# that the pictures start late.
_FROM_ZERO = "setpts=PTS-if(gt(STARTPTS*TB\\,1)\\,0\\,STARTPTS)"
_ENCODE = (
    *("-map", "0:V:0", "-vf", f"{_FROM_ZERO},pad=w='ceil(iw/2)*2':h='ceil(ih/2)*2'"),
    *("-c:v", "libx264", "-preset", "veryfast"),
    *("-crf", "12", "-g", "48", "-fps_mode", "passthrough"),
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A film that can be imported; `notice` has sentences about what was lost, one a line."""

    probe: Probe
    notice: str = ""


def is_needed(inspection: Inspection) -> bool:
    """Return whether a film's own file does not allow exact seeking."""
    return (
        inspection.container in ALWAYS_COPIED
        or _has_clock_jumps(inspection)
        or _lacks_timestamps(inspection)
    )


def _has_clock_jumps(inspection: Inspection) -> bool:
    """Return whether the clock goes back or, in a broadcast, far ahead."""
    packets = inspection.timeline
    ahead = packets.gaps > 0 and inspection.container in probing.BROADCASTS
    return ahead or packets.held_back > MAX_HELD_BACK


def _lacks_timestamps(inspection: Inspection) -> bool:
    """Return whether packets lack presentation times and follow each other at the film's rate."""
    packets = inspection.timeline
    is_raw = inspection.container in RAW_STREAMS
    # A jump of the clock also leaves packets without times.
    return is_raw or (
        packets.untimed > packets.pictures * MAX_UNTIMED_PART and not _has_clock_jumps(inspection)
    )


def prepare(files: FilmFiles, max_pixels: int, max_seconds: float) -> Prepared:
    """Inspect a film, and make a working copy of it if needed.

    Raises what `probing.inspect` and `reject_long_film` raise, DiskFull, and WorkerStops.
    """
    source, copy = files.source(), files.working_copy()
    inspection = probing.inspect(source, max_pixels, shutdown.check)
    if not is_needed(inspection):
        probing.reject_long_film(inspection.probe, max_seconds)
        copy.unlink(missing_ok=True)
        files.mark_working_copy_made()
        return Prepared(_examine(source, inspection.probe, max_pixels), inspection.notice)
    require_space(source.stat().st_size)
    draft = copy.with_name(f".draft-{copy.name}")
    try:
        _create_copy(source, draft, inspection, max_pixels)
        copied = probing.inspect(draft, max_pixels, shutdown.check)
        probing.reject_long_film(copied.probe, max_seconds)
        probe = _examine(draft, copied.probe, max_pixels)
        draft.replace(copy)
        files.mark_working_copy_made()
    finally:
        draft.unlink(missing_ok=True)
    notice = _describe_losses(source, inspection, copied)
    return Prepared(replace(probe, start_timecode=inspection.probe.start_timecode), notice)


def _examine(path: Path, probe: Probe, max_pixels: int) -> Probe:
    """Return the probe with what only decoded pictures show: fields and bars."""
    shutdown.check()
    probe = interlacing.detect_field_order(path, probe, max_pixels)
    shutdown.check()
    return film_borders.detect_inner_box(path, probe, max_pixels)


def _describe_losses(source: Path, inspection: Inspection, copied: Inspection) -> str:
    """Return what a copy lacks, in a sentence or more; "" when it is complete."""
    notices = [inspection.notice] if inspection.notice else []
    if inspection.container == "flv" and _is_several_flv_files(source):
        notices.append(
            _(
                "This file is several FLV files joined end to end, and only the first can be "
                "read. Join them with a video editor, then upload the film again."
            )
        )
    pictures = inspection.timeline.pictures
    lost = pictures - (copied.timeline.pictures - copied.timeline.repeated)
    if lost > _max_lost_pictures(pictures):
        notices.append(
            _(
                "The timestamps of this film jump. %(lost)d of %(all)d frames could not be "
                "placed and were left out."
            )
            % {"lost": lost, "all": pictures}
        )
    lost_tracks = len(inspection.probe.sound) - len(copied.probe.sound)
    if lost_tracks > 0 and not copied.probe.sound:
        notices.append(_("The audio of this film cannot be read and was left out."))
    elif lost_tracks > 0:
        message = ngettext(
            "An audio track of this film cannot be read and was left out.",
            "%(n)d audio tracks of this film cannot be read and were left out.",
            lost_tracks,
        )
        notices.append(message % {"n": lost_tracks})
    return "\n".join(notices)


def _max_lost_pictures(pictures: int) -> float:
    """Return how many of a film's pictures a jump of its clock may cost without a notice."""
    return max(MAX_LOST, pictures * MAX_LOST_PART)


def _is_several_flv_files(path: Path) -> bool:
    """Return whether FLV files were joined end to end: FFmpeg ignores all but the first."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _FLV_HEADER.search(data, 1) is not None


def _create_copy(source: Path, target: Path, inspection: Inspection, max_pixels: int) -> None:
    """Write the copy. Raises FilmError, DiskFull."""
    sounds = _sound_options(source, target, inspection, max_pixels)
    options = [(video, sound) for video in _video_options(inspection) for sound in sounds]
    for video, sound in options:
        result = _run_copy(source, target, inspection, max_pixels, (*video, *sound))
        # Where frames were dropped, encoding places the others to a frame or two, as players do.
        is_placed = video == _ENCODE and not _has_clock_jumps(inspection)
        if result.status == 0 and (is_placed or _is_usable(target, inspection, max_pixels)):
            return
    if _has_clock_jumps(inspection):
        # What follows the jump is lost; the film's notice will say so.
        video, sound = options[0]
        result = _run_copy(source, target, inspection, max_pixels, (*video, *sound))
        if result.status == 0:
            return
    raise FilmError(probing.describe_refusal(result.log_text))


def _run_copy(
    source: Path, target: Path, inspection: Inspection, max_pixels: int, streams: Sequence[str]
) -> ffmpeg.Run:
    arguments = [
        *("-v", "error", "-y"),
        *ffmpeg.input_arguments(source, max_pixels, *_input_options(inspection)),
        *(*streams, "-sn", "-dn", "-map_chapters", "-1"),
        *("-progress", "pipe:1", "-f", "matroska", f"file:{target}"),
    ]
    result = ffmpeg.run_with_progress(arguments, COPY_TIMEOUT, lambda _seconds: shutdown.check())
    if "No space left on device" in result.log_text:
        raise DiskFull
    return result


def _video_options(inspection: Inspection) -> Iterator[tuple[str, ...]]:
    """Yield arguments for the pictures, the best first."""
    # Matroska does not support GIF, and GIF pictures may be partial.
    if inspection.container != "gif":
        yield ("-map", "0:V:0", "-c:v", "copy", *_timestamp_filter(inspection))
    yield _ENCODE


def _sound_options(
    source: Path, target: Path, inspection: Inspection, max_pixels: int
) -> list[tuple[str, ...]]:
    """Return arguments for the sound, the best first: all tracks that can be copied, and none."""

    def can_copy(*streams: str) -> bool:
        return _run_copy(source, target, inspection, max_pixels, ("-vn", *streams)).status == 0

    if not inspection.probe.sound:
        return [NO_SOUND]
    if can_copy(*ALL_SOUND):
        return [ALL_SOUND, NO_SOUND]
    kept: list[str] = []
    count = 0
    for track in inspection.probe.sound:
        mapped = ("-map", f"0:a:{track.number}")
        for codec in ("copy", "flac"):
            if can_copy(*mapped, "-c:a", codec):
                kept += [*mapped, f"-c:a:{count}", codec]
                count += 1
                break
    return [tuple(kept), NO_SOUND] if kept else [NO_SOUND]


def _input_options(inspection: Inspection) -> tuple[str, ...]:
    """Return arguments for reading a film whose clock jumps, or that lacks presentation times."""
    # A lower threshold than 10 s: a short recording may be followed by another.
    jumps: tuple[str, ...] = ("-dts_delta_threshold", "1")
    if inspection.container in RAW_STREAMS and inspection.probe.rate:
        # Otherwise the copy states 25 frames a second, whatever the stream itself says.
        jumps += ("-framerate", str(inspection.probe.rate))
    if inspection.probe.video_codec in REORDERED_CODECS:
        return jumps  # `_timestamp_filter` sets the times
    return (*jumps, "-fflags", "+genpts")


def _timestamp_filter(inspection: Inspection) -> tuple[str, ...]:
    """Return a bitstream filter that gives packets presentation times where they lack them.

    They begin at 0, except in broadcasts, where some packets have times and the sound is in sync
    with those.
    """
    if inspection.container in probing.BROADCASTS:
        if not _has_clock_jumps(inspection):
            return ()
        # A time that is derived from that of the next picture is wrong just before a jump.
        late = f"gt(abs(PTS-DTS)*TB\\,{MAX_DELAY})"
        return ("-bsf:v", f"setts=pts=if({late}\\,DTS+DURATION\\,PTS)")
    if not _lacks_timestamps(inspection):
        return ()
    shift = "STARTDTS-STARTPTS"
    if inspection.probe.video_codec not in REORDERED_CODECS:
        return ("-bsf:v", f"setts=pts=PTS+{shift}:dts=DTS+{shift}")
    # dts2pts leaves the last packet but one without a time when a picture is shown before it.
    last = f"STARTDTS+{inspection.timeline.pictures - 1}*DURATION"
    times = f"pts=if(eq(PTS\\,NOPTS)\\,{last}\\,PTS+{shift}):dts=DTS+{shift}"
    return ("-bsf:v", f"dts2pts,setts={times}")


def _is_usable(copy: Path, inspection: Inspection, max_pixels: int) -> bool:
    """Return whether each picture has its own time, and the copy is as long as the film."""
    length = float(1 / inspection.probe.rate) if inspection.probe.rate else 0.0
    packets = timeline.read(copy, max_pixels, length, shutdown.check)
    source_packets = inspection.timeline
    if packets.untimed or packets.held_back > MAX_HELD_BACK:
        return False
    if not _lacks_timestamps(inspection):
        # Where a clock jumps, a few pictures may have the same time.
        return packets.repeated <= _max_lost_pictures(packets.pictures)
    longer = (packets.end - packets.first) - (source_packets.end - source_packets.first)
    return not packets.repeated and abs(longer) < max(length / 2, 0.01)
