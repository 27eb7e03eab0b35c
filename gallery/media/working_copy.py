"""A copy of a film to work from, where the film's own file cannot be sought exactly.

AVI keeps no presentation times, raw streams no times at all, FLV files lose their beginning when
they are sought, and a clock may jump or begin again in the middle. The same pictures and sound in
Matroska, with a clock that begins at 0 and never goes back, have none of these problems: frames,
stills and clips are made of that copy. Nothing is encoded unless copying does not work.
"""

import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.core.disk import require_space
from gallery.core.errors import DiskFull, FilmError
from gallery.media import ffmpeg, interlacing, probing, timeline
from gallery.media.probing import Examined
from gallery.media.store import FilmFiles
from gallery.media.types import Probe

COPY_LIMIT = 4 * 3600.0  # seconds of wall clock
RAW_STREAMS = {"h264", "hevc", "m4v", "mpegvideo"}
ALWAYS_COPIED = {"flv", "gif", *RAW_STREAMS}
MAX_UNTIMED_PART = 0.01  # broadcasts often begin with a few packets without a time
MAX_HELD_BACK = 10  # packets in a row that a clock going back may cost
MAX_LOST_PART, MAX_LOST = 0.01, 3  # pictures that a jump may cost: the larger of the two
MAX_DELAY = 5  # seconds between the decoding and the presentation of a picture
NO_SOUND = ("-an",)
ALL_SOUND = ("-map", "0:a?", "-c:a", "copy")
_FLV_HEADER = re.compile(rb"FLV\x01[\x00-\x05]\x00\x00\x00\x09\x00\x00\x00\x00")
_ENCODE = (
    *(
        "-vf",
        "setpts=PTS-STARTPTS,pad=w='ceil(iw/2)*2':h='ceil(ih/2)*2'",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
    ),
    *("-crf", "12", "-g", "48", "-fps_mode", "passthrough"),
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A film that can be imported; `notice` is a sentence about what was left out of it, or ""."""

    found: Probe
    notice: str = ""


def is_needed(examined: Examined) -> bool:
    """Whether a film cannot be sought exactly in its own file."""
    return examined.container in ALWAYS_COPIED or _jumps(examined) or _lacks_times(examined)


def _jumps(examined: Examined) -> bool:
    """Whether the clock goes back, or, in a broadcast, far ahead."""
    line = examined.timeline
    ahead = line.gaps > 0 and examined.container in probing.BROADCASTS
    return ahead or line.held_back > MAX_HELD_BACK


def _lacks_times(examined: Examined) -> bool:
    """Whether packets have no presentation times, and follow each other at the film's rate."""
    line = examined.timeline
    is_raw = examined.container in RAW_STREAMS
    # Where the clock jumps, times are missing for that reason.
    return is_raw or (line.untimed > line.pictures * MAX_UNTIMED_PART and not _jumps(examined))


def prepare(files: FilmFiles, max_pixels: int, max_seconds: float) -> Prepared:
    """Look at a film, and make a working copy of it where it needs one.

    Raises what `probing.examine` and `refuse_long` do, and DiskFull.
    """
    source, copy = files.source(), files.working_copy()
    examined = probing.examine(source, max_pixels)
    if not is_needed(examined):
        probing.refuse_long(examined.found, max_seconds)
        copy.unlink(missing_ok=True)
        return Prepared(interlacing.with_field_order(source, examined.found, max_pixels))
    require_space(source.stat().st_size)
    draft = copy.with_name(f".draft-{copy.name}")
    try:
        _make(source, draft, examined, max_pixels)
        copied = probing.examine(draft, max_pixels)
        probing.refuse_long(copied.found, max_seconds)
        found = interlacing.with_field_order(draft, copied.found, max_pixels)
        draft.replace(copy)
    finally:
        draft.unlink(missing_ok=True)
    notice = _notice(source, examined, copied)
    return Prepared(replace(found, start_timecode=examined.found.start_timecode), notice)


def _notice(source: Path, examined: Examined, copied: Examined) -> str:
    """What was left out of a copy, in a sentence or two; "" when nothing was."""
    notices = []
    if examined.container == "flv" and _is_several_flv_files(source):
        notices.append(
            _(
                "This file is several FLV files joined end to end, and only the first can be "
                "read. Join them with a video editor, then upload the film again."
            )
        )
    pictures = examined.timeline.pictures
    lost = pictures - (copied.timeline.pictures - copied.timeline.repeated)
    if lost > _tolerated(pictures):
        notices.append(
            _(
                "The timestamps of this film jump. %(lost)d of %(all)d frames could not be "
                "placed and were left out."
            )
            % {"lost": lost, "all": pictures}
        )
    lost_tracks = len(examined.found.sound) - len(copied.found.sound)
    if lost_tracks > 0 and not copied.found.sound:
        notices.append(_("The audio of this film cannot be read and was left out."))
    elif lost_tracks > 0:
        said = ngettext(
            "An audio track of this film cannot be read and was left out.",
            "%(n)d audio tracks of this film cannot be read and were left out.",
            lost_tracks,
        )
        notices.append(said % {"n": lost_tracks})
    return " ".join(notices)


def _tolerated(pictures: int) -> float:
    """How many of a film's pictures a jump of its clock may cost without a word."""
    return max(MAX_LOST, pictures * MAX_LOST_PART)


def _is_several_flv_files(path: Path) -> bool:
    """Whether FLV files were put one behind the other: FFmpeg skips all but the first, silently."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _FLV_HEADER.search(data, 1) is not None


def _make(source: Path, target: Path, examined: Examined, max_pixels: int) -> None:
    """Write the copy. Raises FilmError, DiskFull."""
    sounds = _sounds(source, target, examined, max_pixels)
    ways = [(video, sound) for video in _videos(examined) for sound in sounds]
    for video, sound in ways:
        printed = _write(source, target, examined, max_pixels, (*video, *sound))
        if printed.status == 0 and _is_good(target, examined, max_pixels):
            return
    if _jumps(examined):
        # What comes after the jump is lost, and the film's notice will say so.
        video, sound = ways[0]
        printed = _write(source, target, examined, max_pixels, (*video, *sound))
        if printed.status == 0:
            return
    raise FilmError(probing.describe_refusal(printed.said))


def _write(
    source: Path, target: Path, examined: Examined, max_pixels: int, streams: Sequence[str]
) -> ffmpeg.Run:
    arguments = [
        *("-v", "error", "-y"),
        *ffmpeg.input_arguments(source, max_pixels, *_reading(examined)),
        *(*streams, "-sn", "-dn", "-map_chapters", "-1"),
        *("-progress", "pipe:1", "-f", "matroska", f"file:{target}"),
    ]
    printed = ffmpeg.follow(arguments, COPY_LIMIT)
    if "No space left on device" in printed.said:
        raise DiskFull
    return printed


def _videos(examined: Examined) -> Iterator[tuple[str, ...]]:
    """Arguments for the pictures, the best first."""
    # Matroska has no name for GIF, whose pictures are parts of pictures besides.
    if examined.container != "gif":
        yield ("-map", "0:V:0", "-c:v", "copy", *_timed(examined))
    yield ("-map", "0:V:0", *_ENCODE)


def _sounds(
    source: Path, target: Path, examined: Examined, max_pixels: int
) -> list[tuple[str, ...]]:
    """Arguments for the sound, the best first: all tracks that can be kept, and none."""

    def is_kept(*streams: str) -> bool:
        return _write(source, target, examined, max_pixels, ("-vn", *streams)).status == 0

    if not examined.found.sound:
        return [NO_SOUND]
    if is_kept(*ALL_SOUND):
        return [ALL_SOUND, NO_SOUND]
    kept: list[str] = []
    count = 0
    for track in examined.found.sound:
        mapped = ("-map", f"0:a:{track.number}")
        for codec in ("copy", "flac"):
            if is_kept(*mapped, "-c:a", codec):
                kept += [*mapped, f"-c:a:{count}", codec]
                count += 1
                break
    return [tuple(kept), NO_SOUND] if kept else [NO_SOUND]


def _reading(examined: Examined) -> tuple[str, ...]:
    """Arguments for reading a film whose clock jumps, or lacks presentation times."""
    # Not only jumps of more than 10 s: a short recording may be followed by another.
    jumps = ("-dts_delta_threshold", "1")
    reordered = examined.found.video_codec in ("h264", "hevc")  # `_timed` knows better
    return jumps if reordered else (*jumps, "-fflags", "+genpts")


def _timed(examined: Examined) -> tuple[str, ...]:
    """A bitstream filter that gives packets presentation times where they lack them.

    From 0 for the first, except in broadcasts: those have some, which the sound goes by.
    """
    if examined.container in probing.BROADCASTS:
        # A time that is made from that of the next picture is wrong just before a jump.
        late = f"gt(abs(PTS-DTS)*TB\\,{MAX_DELAY})"
        return ("-bsf:v", f"setts=pts=if({late}\\,DTS+DURATION\\,PTS)") if _jumps(examined) else ()
    if not _lacks_times(examined):
        return ()
    shift = "STARTDTS-STARTPTS"
    if examined.found.video_codec not in ("h264", "hevc"):
        return ("-bsf:v", f"setts=pts=PTS+{shift}:dts=DTS+{shift}")
    # dts2pts leaves the last packet but one without a time when a picture is shown before it.
    last = f"STARTDTS+{examined.timeline.pictures - 1}*DURATION"
    times = f"pts=if(eq(PTS\\,NOPTS)\\,{last}\\,PTS+{shift}):dts=DTS+{shift}"
    return ("-bsf:v", f"dts2pts,setts={times}")


def _is_good(copy: Path, examined: Examined, max_pixels: int) -> bool:
    """Whether each picture of a copy has a time of its own, and it is as long as the film."""
    length = float(1 / examined.found.rate) if examined.found.rate else 0.0
    line, original = timeline.read(copy, max_pixels, length), examined.timeline
    if line.untimed or line.held_back > MAX_HELD_BACK:
        return False
    if not _lacks_times(examined):
        # Where a clock jumps, a picture or two may have the same time.
        return line.repeated <= _tolerated(line.pictures)
    longer = (line.end - line.first) - (original.end - original.first)
    return not line.repeated and abs(longer) < max(length / 2, 0.01)
