"""How FFmpeg cuts a span of film: to the frame at both ends, with the sound in step.

A span is given in frames of the film's clock, from the first up to, not including, the last. At
each tick of that clock the picture is taken that is shown then; so films of varying rate are cut
exactly, too, and what comes out has one rate, as editing programs like it.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from gallery.media import picture_filters, sound
from gallery.media.ffmpeg import MICRO, input_arguments, run
from gallery.media.timecodes import TOLERANCE, Clock
from gallery.media.types import Probe

SEEK_LIMIT = 20.0  # seconds of wall clock for finding a place to decode from
# So many seconds before a span a key frame is looked for. FFmpeg itself seeks 3/23 s early where
# frames are stored out of order; going that much further finds a key frame just at the span.
STEPS_BACK = (-3 / 23 - 0.0005, 0.0, 1.0, 4.0, 10.0)
NEAR_THE_BEGINNING = 1.0  # seconds of film that are sooner decoded than sought
PLAYED_WIDTH = 1280  # pixels, at most
EXPORTED_WIDTH = 3840
ANIMATED_WIDTH = {"gif": 480, "webp": 640}
ANIMATED_RATE = {"gif": Fraction(25, 2), "webp": Fraction(25)}  # pictures a second, at most
TIMECODE_RATES = (24, 25, 30, 48, 50, 60)  # nominal ones that MP4 has timecodes for

LEAD = 1.0  # seconds before the span from which pictures are scaled

_SIZE = re.compile(rb"#dimensions 0: (\d+)x(\d+)")
_PACKET = re.compile(rb"^0, +(-?\d+), +(-?\d+),", re.MULTILINE)
_BASE = re.compile(rb"#tb 0: (\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Cut:
    """A span of a film's file: frames `first` up to, not including, `last`.

    `sound` is the number of a sound track, None for the default one.
    """

    path: Path
    found: Probe
    first: int
    last: int
    max_pixels: int
    sound: int | None = None

    @property
    def clock(self) -> Clock:
        """How the film's frames are counted."""
        return Clock.of(self.found)

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.last - self.first

    @property
    def start(self) -> float:
        """When the first is shown, in seconds of the film."""
        return self.clock.seconds(self.first)

    @property
    def seconds(self) -> float:
        """How long the span is."""
        return float(self.frames / self.clock.grid)


def _seek(cut: Cut, early: float = 0.0) -> float:
    """Where to seek so that decoding begins with a key frame before the span, as late as it can.

    In seconds of the film. `early`: at least so many seconds before.
    """
    least = cut.start - early
    for back in STEPS_BACK:
        if least - back <= NEAR_THE_BEGINNING:
            continue
        place = least - back
        said = run(
            [
                *("-v", "error"),
                *input_arguments(
                    cut.path, cut.max_pixels, *picture_filters.input_options(cut.found, place)
                ),
                *("-map", "0:V:0", "-c", "copy", "-frames:v", "1", "-f", "framecrc", "-"),
            ],
            SEEK_LIMIT,
        )
        packet, base = _PACKET.search(said.output), _BASE.search(said.output)
        if packet and base:
            shown = int(packet[2]) * int(base[1]) / int(base[2]) - cut.found.start
            # A container without presentation times gives a huge negative one.
            if -MICRO < shown <= least + float(TOLERANCE / cut.clock.grid):
                return place
    return 0.0


def _input(cut: Cut, early: float = 0.0) -> list[str]:
    """Open the film a little before the span; times stay those of the file."""
    options = picture_filters.input_options(cut.found, _seek(cut, early))
    return [*("-v", "error", "-y"), *input_arguments(cut.path, cut.max_pixels, *options)]


def _frames(cut: Cut) -> list[str]:
    """Filters: whole frames on the film's clock."""
    return [
        *picture_filters.whole_frames(cut.found),
        f"settb=1/{MICRO}",
        f"setpts=PTS-{round(cut.found.start * MICRO)}",
    ]


def _ticks(cut: Cut) -> list[str]:
    """Filters: the pictures shown at the ticks of the span, numbered from 0."""
    grid = cut.clock.grid
    begin = float(cut.clock.exact_seconds(cut.first) + TOLERANCE / grid)
    return [
        # Rounded up, a picture counts for the first tick after it: it is shown at that tick.
        f"fps=fps={grid}:start_time={begin:.6f}:round=up",
        f"trim=end_frame={cut.frames}",
        "setpts=PTS-STARTPTS",
    ]


def _hold(pictures: int) -> str:
    """A filter that shows the film's last picture for so many frames more."""
    return f"tpad=stop={pictures}:stop_mode=clone"


def _pictures(cut: Cut, after: Sequence[str]) -> list[str]:
    """Arguments: the pictures shown at the ticks of the span, through the filters `after`.

    All have the shape of the first, with bars around those of another.
    """
    chain = [*_ticks(cut), *after]
    if not picture_filters.may_change(cut.found):
        last = cut.found.duration - cut.found.last_frame  # seconds that the last picture is shown
        held = _hold(math.ceil(last * cut.clock.grid) + 1)
        return ["-map", "0:V:0", "-vf", ",".join([*_frames(cut), held, *chain])]
    begin = round((cut.start - LEAD) * MICRO)
    fitted = [
        *_frames(cut),
        _hold(1),  # here, where FFmpeg still knows how long a frame is
        f"select='gte(pts,{begin})'",
        *picture_filters.fitted(*_shape(cut)),
    ]
    # FFmpeg sets up a graph again when the size of its pictures changes: what counts them must
    # stand in another one. Between the two, times would be rounded to the frame rate.
    fitted.append("setpts=PTS:strip_fps=1")
    return [
        *("-filter_complex", f"[0:V:0]{','.join(fitted)}[fitted]"),
        *("-filter_complex", f"[fitted]{','.join(chain)}[shown]", "-map", "[shown]"),
    ]


def _shape(cut: Cut) -> tuple[int, int]:
    """Width and height, in square pixels, of the first picture of the span. Raises FilmError."""
    begin = round((cut.start - float(1 / cut.clock.grid) / 2) * MICRO)
    chain = [*_frames(cut), f"select='gte(pts,{begin})'", "scale=w='iw*sar':h=ih:eval=frame"]
    said = run(
        [
            *_input(cut),
            *("-map", "0:V:0", "-vf", ",".join(chain), "-noautoscale"),
            *("-frames:v", "1", "-f", "framecrc", "-"),
        ],
        SEEK_LIMIT,
    )
    size = _SIZE.search(said.output)
    return (int(size[1]), int(size[2])) if size else (cut.found.width, cut.found.height)


def _shown(cut: Cut, width: int, target: picture_filters.Target) -> list[str]:
    """Filters: as pictures are shown, both sides even, at most `width` wide."""
    size = f"w='trunc(min({width},iw*sar)/2)*2':h='max(2,trunc(ow/(iw*sar/ih)/2+0.5)*2)'"
    return picture_filters.filters(cut.found, size, target)


def _video(cut: Cut, width: int) -> list[str]:
    return _pictures(cut, _shown(cut, width, "video"))


def _sound(cut: Cut, rate: str) -> list[str]:
    """The sound, as long as the pictures to the sample; nothing where none can be decoded."""
    track = sound.choose_track(cut.found.sound, cut.sound)
    if track is None:
        return ["-an"]
    start, length = cut.start, cut.seconds
    chain = [
        f"asetpts=PTS-{cut.found.start:.6f}/TB",
        f"atrim=start={start:.6f}:end={start + length:.6f}",
        f"asetpts=PTS-{start:.6f}/TB",
        # Gaps become silence, as at the beginning of a span whose sound begins later.
        "aresample=48000:async=1:first_pts=0",
        f"apad=whole_dur={length:.6f}",
        f"atrim=end={length:.6f}",
    ]
    return [
        *("-map", f"0:a:{track.number}", "-af", ",".join(chain)),
        *("-c:a", "aac", "-b:a", rate, "-ac", "2"),
    ]


_BARE = ("-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1")


def playback_arguments(cut: Cut) -> list[str]:
    """Arguments that write a small clip to standard output while it is being made.

    Fragmented MP4, H.264 and AAC, for browsers.
    """
    interval = max(1, round(cut.clock.grid))
    return [
        *_input(cut),
        *_video(cut, PLAYED_WIDTH),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "23"),
        *("-maxrate", "6M", "-bufsize", "6M", "-bf", "0", "-g", str(interval)),
        # The first picture does not wait for many after it; none at all would double the size.
        *("-x264-params", "rc-lookahead=3:sync-lookahead=0"),
        *_sound(cut, "128k"),
        *_BARE,
        *("-movflags", "+frag_keyframe+delay_moov+default_base_moof", "-frag_duration", "250000"),
        *("-flush_packets", "1", "-f", "mp4", "pipe:1"),
    ]


def join_arguments(fragments: Path, target: Path) -> list[str]:
    """Arguments that turn a fragmented MP4 of ours into a plain one, encoding nothing."""
    return [
        *("-v", "error", "-y", "-nostdin", "-protocol_whitelist", "file,pipe"),
        *("-f", "mov", "-i", f"file:{fragments.absolute()}"),
        *("-map", "0", "-c", "copy", "-movflags", "+faststart", "-f", "mp4", f"file:{target}"),
    ]


def can_carry_timecode(clock: Clock) -> bool:
    """Whether exact clips of a film carry its timecode: MP4 knows the usual rates only."""
    return bool(clock.rate) and clock.nominal in TIMECODE_RATES


def export_arguments(cut: Cut, target: Path) -> list[str]:
    """Arguments that write the exact clip, in full size and good quality, as MP4 to `target`.

    It carries the film's own timecode. Progress goes to standard output.
    """
    clock = cut.clock
    timecode = ("-timecode", clock.source_timecode(clock.exact_seconds(cut.first)))
    return [
        *_input(cut, early=1.0),
        *_video(cut, EXPORTED_WIDTH),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "16"),
        *_sound(cut, "256k"),
        *_BARE,
        *(timecode if can_carry_timecode(clock) else ()),
        *("-movflags", "+faststart", "-progress", "pipe:1", "-f", "mp4", f"file:{target}"),
    ]


def animation_arguments(cut: Cut, kind: str, target: Path) -> list[str]:
    """Arguments that write a looping picture without sound, `kind` "webp" or "gif", to `target`."""
    rate = min(ANIMATED_RATE[kind], cut.clock.grid)
    thinned = f"fps={rate}:start_time=0:round=up"
    chain = [thinned, *_shown(cut, ANIMATED_WIDTH[kind], "rgb")]
    if kind == "gif":
        chain.append("split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=bayer")
        codec = ["-c:v", "gif"]
    else:
        chain.append("format=bgra")  # from Y'CbCr it would take Rec. 709 for Rec. 601
        codec = ["-c:v", "libwebp_anim", "-q:v", "75", "-compression_level", "4"]
    return [
        *_input(cut, early=1.0),
        *(*_pictures(cut, chain), "-an", *_BARE, *codec, "-loop", "0"),
        *("-progress", "pipe:1", "-f", kind, f"file:{target}"),
    ]


def still_arguments(cut: Cut) -> list[str]:
    """Arguments that write the first picture of the span, full size, as PPM to standard output."""
    return [
        *_input(cut, early=1.0),
        *_pictures(cut, picture_filters.filters(cut.found, "w='iw*sar':h=ih", "rgb")),
        *("-frames:v", "1"),
        *("-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "pipe:1"),
    ]
