"""A copy of a film to work from, where the film's own file cannot be sought exactly.

AVI keeps no presentation times, raw streams no times at all, FLV files lose their beginning when
they are sought, and a clock may jump or begin again in the middle. The same pictures and sound in
Matroska, with a clock that begins at 0 and never goes back, have none of these problems: frames,
stills and clips are made of that copy. Nothing is encoded unless copying does not work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.utils.translation import gettext as _

from gallery.errors import DiskFull, FilmError
from gallery.media import ffmpeg, interlacing, probing, timeline
from gallery.media.disk import require_space
from gallery.media.probing import Examined
from gallery.media.storage import FilmFiles
from gallery.types import Probe

COPY_LIMIT = 4 * 3600.0  # seconds of wall clock
RAW_STREAMS = {"h264", "hevc", "m4v", "mpegvideo"}
ALWAYS_COPIED = {"flv", "gif", *RAW_STREAMS}
MAX_UNTIMED_PART = 0.01  # broadcasts often begin with a few packets without a time
MAX_HELD_BACK = 10  # packets in a row that a clock going back may cost
MAX_LOST_PART = 0.01  # pictures
NO_SOUND = ("-an",)
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
        has_sound = _make(source, draft, examined, max_pixels)
        copied = probing.examine(draft, max_pixels)
        probing.refuse_long(copied.found, max_seconds)
        found = interlacing.with_field_order(draft, copied.found, max_pixels)
        draft.replace(copy)
    finally:
        draft.unlink(missing_ok=True)
    notice = _notice(examined, copied, has_sound)
    return Prepared(replace(found, start_timecode=examined.found.start_timecode), notice)


def _notice(examined: Examined, copied: Examined, has_sound: bool) -> str:
    """What was left out of a copy, in a sentence or two; "" when nothing was."""
    notices = []
    pictures = examined.timeline.pictures
    lost = pictures - (copied.timeline.pictures - copied.timeline.repeated)
    if lost > pictures * MAX_LOST_PART:
        notices.append(
            _(
                "The timestamps of this film jump. %(lost)d of %(all)d frames could not be "
                "placed and were left out."
            )
            % {"lost": lost, "all": pictures}
        )
    if examined.found.audio_codec and not has_sound:
        notices.append(_("The audio of this film cannot be read and was left out."))
    return " ".join(notices)


def _make(source: Path, target: Path, examined: Examined, max_pixels: int) -> bool:
    """Write the copy. Returns whether it has sound. Raises FilmError, DiskFull."""
    ways = list(_ways(examined))
    for video, sound in ways:
        printed = _write(source, target, examined, max_pixels, (*video, *sound))
        if printed.status == 0 and _is_good(target, examined, max_pixels):
            return sound != NO_SOUND
    if _jumps(examined):
        # What comes after the jump is lost, and the film's notice will say so.
        video, sound = ways[0]
        printed = _write(source, target, examined, max_pixels, (*video, *sound))
        if printed.status == 0:
            return sound != NO_SOUND
    raise FilmError(probing.refusal(printed.said))


def _write(
    source: Path, target: Path, examined: Examined, max_pixels: int, streams: Sequence[str]
) -> ffmpeg.Run:
    arguments = [
        *("-v", "error", "-y"),
        *ffmpeg.input_arguments(source, max_pixels, *_reading(examined)),
        *("-map", "0:V:0", *streams, "-sn", "-dn", "-map_chapters", "-1"),
        *("-progress", "pipe:1", "-f", "matroska", f"file:{target}"),
    ]
    printed = ffmpeg.follow(arguments, COPY_LIMIT)
    if "No space left on device" in printed.said:
        raise DiskFull
    return printed


def _ways(examined: Examined) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Arguments for pictures and sound, the best first."""
    sounds = [("-map", "0:a?", "-c:a", "copy"), ("-map", "0:a?", "-c:a", "flac"), NO_SOUND]
    videos = [("-c:v", "copy", *_timed(examined)), _ENCODE]
    # Matroska has no name for GIF, whose pictures are parts of pictures besides.
    for video in videos[1:] if examined.container == "gif" else videos:
        for sound in sounds if examined.found.audio_codec else sounds[-1:]:
            yield video, sound


def _reading(examined: Examined) -> tuple[str, ...]:
    """Arguments for reading a film whose clock jumps, or lacks presentation times."""
    # Not only jumps of more than 10 s: a short recording may be followed by another.
    jumps = ("-dts_delta_threshold", "1")
    reordered = examined.found.video_codec in ("h264", "hevc")  # `_timed` knows better
    return jumps if reordered else (*jumps, "-fflags", "+genpts")


def _timed(examined: Examined) -> tuple[str, ...]:
    """A bitstream filter that gives packets presentation times, from 0 for the first."""
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
        return line.repeated <= line.pictures * MAX_LOST_PART
    longer = (line.end - line.first) - (original.end - original.first)
    return not line.repeated and abs(longer) < max(length / 2, 0.01)
