"""FFmpeg arguments that cut a span of a film: exact to the frame, with the sound in sync.

A span is given in frames of the film's clock, the last one exclusive. Each tick of that clock takes
the picture that is shown then; so films of variable frame rate are cut exactly, too, and the clip
has a constant rate, as editing programs prefer.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from gallery.media import picture_filters, sound
from gallery.media.ffmpeg import MICRO, input_arguments, run
from gallery.media.timecodes import TOLERANCE, Clock
from gallery.media.types import Probe

SEEK_LIMIT = 20.0  # seconds of wall clock for finding a seek position
# Seconds before a span at which to look for a key frame. FFmpeg itself seeks 3/23 s early where
# frames are stored out of order; the first entry makes up for that, for a key frame at the span.
SEEK_BACK_SECONDS = (-3 / 23 - 0.0005, 0.0, 1.0, 4.0, 10.0)
MIN_SEEK_SECONDS = 1.0  # decoding less than this is faster than seeking
MAX_PLAYBACK_WIDTH = 1280  # pixels
MAX_EXPORT_WIDTH = 3840
MAX_ANIMATION_WIDTH = {"gif": 480, "webp": 640}
MAX_ANIMATION_RATE = {"gif": Fraction(25, 2), "webp": Fraction(25)}  # pictures per second
SAMPLE_RATE = 48_000  # of the sound of clips, per second
TIMECODE_RATES = (24, 25, 30, 48, 50, 60)  # nominal rates that MP4 has timecodes for

SHAPE_LEAD_SECONDS = 1.0  # pictures are scaled from this long before the span

_SIZE = re.compile(rb"#dimensions 0: (\d+)x(\d+)")
_PACKET = re.compile(rb"^0, +(-?\d+), +(-?\d+),", re.MULTILINE)
_BASE = re.compile(rb"#tb 0: (\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class ClipSpan:
    """A span of a film's file: frames `first` up to, not including, `last`.

    `sound` is the number of a sound track, None for the default one.
    """

    path: Path
    probe: Probe
    first: int
    last: int
    max_pixels: int
    sound: int | None = None

    @property
    def clock(self) -> Clock:
        """Return how the film's frames are counted."""
        return Clock.of(self.probe)

    @property
    def frames(self) -> int:
        """Return the number of frames."""
        return self.last - self.first

    @property
    def start(self) -> float:
        """Return when the first frame is shown, in seconds of the film."""
        return self.clock.seconds(self.first)

    @property
    def seconds(self) -> float:
        """Return the length of the span in seconds."""
        return float(self.frames / self.clock.grid)


def _find_seek_position(clip: ClipSpan, lead: float = 0.0) -> float:
    """Return the latest seek position that finds a key frame before the span.

    In seconds of the film. `lead`: the key frame has to precede the span by at least so much.
    """
    latest = clip.start - lead
    for back in SEEK_BACK_SECONDS:
        position = latest - back
        if position <= MIN_SEEK_SECONDS:
            continue
        result = run(
            [
                *("-v", "error"),
                *input_arguments(
                    clip.path, clip.max_pixels, *picture_filters.input_options(clip.probe, position)
                ),
                *("-map", "0:V:0", "-c", "copy", "-frames:v", "1", "-f", "framecrc", "-"),
            ],
            SEEK_LIMIT,
        )
        packet, base = _PACKET.search(result.output), _BASE.search(result.output)
        if packet and base:
            shown_at = int(packet[2]) * int(base[1]) / int(base[2]) - clip.probe.start
            # Without presentation times in the container, this is a huge negative number.
            if -MICRO < shown_at <= latest + float(TOLERANCE / clip.clock.grid):
                return position
    return 0.0


def open_arguments(clip: ClipSpan, lead: float = 0.0, *, with_sound: bool = False) -> list[str]:
    """Return arguments that open the film shortly before the span, on the file's clock.

    `with_sound`: also as the input of `sound_arguments`. That is a second one where the pictures
    are read without examining the streams first: FFmpeg would not find all sound tracks then.
    """
    position = _find_seek_position(clip, lead)
    opened = [*("-v", "error", "-y"), *_open_at(clip, clip.probe, position)]
    if with_sound and picture_filters.may_change(clip.probe):
        opened += _open_at(clip, replace(clip.probe, picture=None), position)
    return opened


def _open_at(clip: ClipSpan, probe: Probe, position: float) -> list[str]:
    options = picture_filters.input_options(probe, position)
    return input_arguments(clip.path, clip.max_pixels, *options)


def _frame_filters(clip: ClipSpan) -> list[str]:
    """Return filters for whole frames on the film's clock."""
    return [
        *picture_filters.source_filters(clip.probe),
        f"settb=1/{MICRO}",
        f"setpts=PTS-{round(clip.probe.start * MICRO)}",
    ]


def _tick_filters(clip: ClipSpan) -> list[str]:
    """Return filters for the pictures shown at the ticks of the span, numbered from 0."""
    grid = clip.clock.grid
    begin = float(clip.clock.exact_seconds(clip.first) + TOLERANCE / grid)
    return [
        # Rounding up assigns a picture to the first tick after it, when it is shown.
        f"fps=fps={grid}:start_time={begin:.6f}:round=up",
        f"trim=end_frame={clip.frames}",
        "setpts=PTS-STARTPTS",
    ]


def _hold_filter(pictures: int) -> str:
    """Return a filter that repeats the film's last picture `pictures` times."""
    return f"tpad=stop={pictures}:stop_mode=clone"


def picture_arguments(clip: ClipSpan, filters: Sequence[str]) -> list[str]:
    """Return arguments for the pictures at the ticks of the span, passed through `filters`.

    All pictures get the shape of the first one; those of another shape get bars.
    """
    chain = [*_tick_filters(clip), *filters]
    if not picture_filters.may_change(clip.probe):
        last = clip.probe.duration - clip.probe.last_frame  # seconds that the last picture is shown
        hold = _hold_filter(math.ceil(last * clip.clock.grid) + 1)
        return ["-map", "0:V:0", "-vf", ",".join([*_frame_filters(clip), hold, *chain])]
    begin = round((clip.start - SHAPE_LEAD_SECONDS) * MICRO)
    fitted = [
        *_frame_filters(clip),
        _hold_filter(1),  # here, where FFmpeg still knows how long a frame is
        f"select='gte(pts,{begin})'",
        *picture_filters.fit_filters(*_probe_shape(clip)),
    ]
    # FFmpeg rebuilds a graph when the size of its pictures changes, so the filters that count them
    # are in a second graph. Without strip_fps, times would be rounded to the frame rate in between.
    fitted.append("setpts=PTS:strip_fps=1")
    return [
        *("-filter_complex", f"[0:V:0]{','.join(fitted)}[fitted]"),
        *("-filter_complex", f"[fitted]{','.join(chain)}[shown]", "-map", "[shown]"),
    ]


def _probe_shape(clip: ClipSpan) -> tuple[int, int]:
    """Return width and height, in square pixels, of the span's first picture. Raises FilmError."""
    begin = round((clip.start - float(1 / clip.clock.grid) / 2) * MICRO)
    chain = [
        *_frame_filters(clip),
        f"select='gte(pts,{begin})'",
        "scale=w='iw*sar':h=ih:eval=frame",
    ]
    result = run(
        [
            *open_arguments(clip),
            *("-map", "0:V:0", "-vf", ",".join(chain), "-noautoscale"),
            *("-frames:v", "1", "-f", "framecrc", "-"),
        ],
        SEEK_LIMIT,
    )
    size = _SIZE.search(result.output)
    return (int(size[1]), int(size[2])) if size else (clip.probe.width, clip.probe.height)


def _scale_filters(clip: ClipSpan, width: int, target: picture_filters.Target) -> list[str]:
    """Return filters that make pictures displayable, at most `width` wide, with even sides."""
    size = f"w='trunc(min({width},iw*sar)/2)*2':h='max(2,trunc(ow/(iw*sar/ih)/2+0.5)*2)'"
    return picture_filters.display_filters(clip.probe, size, target)


def _video_arguments(clip: ClipSpan, width: int) -> list[str]:
    return picture_arguments(clip, _scale_filters(clip, width, "video"))


def sound_arguments(clip: ClipSpan, samples: int) -> list[str]:
    """Return arguments for `samples` samples of sound (SAMPLE_RATE, stereo) from the span's start.

    They do not choose a codec. An empty list if the film has no sound that can be decoded.
    """
    track = sound.choose_track(clip.probe.sound, clip.sound)
    if track is None:
        return []
    start = clip.start
    chain = [
        f"asetpts=PTS-{clip.probe.start:.6f}/TB",
        # One sample more, as times are rounded.
        f"atrim=start={start:.6f}:end={start + (samples + 1) / SAMPLE_RATE:.6f}",
        f"asetpts=PTS-{start:.6f}/TB",
        # Fill gaps with silence, as at the beginning of a span whose sound begins later.
        f"aresample={SAMPLE_RATE}:async=1:first_pts=0",
        f"apad=whole_len={samples}",
        f"atrim=end_sample={samples}",
    ]
    source = 1 if picture_filters.may_change(clip.probe) else 0
    # Damaged sound must not cost the pictures: FFmpeg gives up above two thirds of errors.
    return [
        *("-max_error_rate", "1", "-map", f"{source}:a:{track.number}"),
        *("-af", ",".join(chain), "-ac", "2"),
    ]


def _encoded_sound_arguments(clip: ClipSpan, rate: str) -> list[str]:
    """Return arguments for the sound as AAC, exactly as long as the pictures; or for none."""
    arguments = sound_arguments(clip, round(clip.seconds * SAMPLE_RATE))
    return [*arguments, "-c:a", "aac", "-b:a", rate] if arguments else ["-an"]


WITHOUT_METADATA = ("-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1")


def playback_arguments(clip: ClipSpan) -> list[str]:
    """Return arguments that stream a small clip to standard output while it is encoded.

    Fragmented MP4, H.264 and AAC, for browsers.
    """
    interval = max(1, round(clip.clock.grid))
    return [
        *open_arguments(clip, with_sound=True),
        *_video_arguments(clip, MAX_PLAYBACK_WIDTH),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "23"),
        *("-maxrate", "6M", "-bufsize", "6M", "-bf", "0", "-g", str(interval)),
        # A short lookahead shows the first picture sooner; none would double the size.
        *("-x264-params", "rc-lookahead=3:sync-lookahead=0"),
        *_encoded_sound_arguments(clip, "128k"),
        *WITHOUT_METADATA,
        *("-movflags", "+frag_keyframe+delay_moov+default_base_moof", "-frag_duration", "250000"),
        *("-flush_packets", "1", "-f", "mp4", "pipe:1"),
    ]


def join_arguments(fragments: Path, target: Path) -> list[str]:
    """Return arguments that remux a fragmented MP4 of ours into a plain one, without encoding."""
    return [
        *("-v", "error", "-y", "-nostdin", "-protocol_whitelist", "file,pipe"),
        *("-f", "mov", "-i", f"file:{fragments.absolute()}"),
        *("-map", "0", "-c", "copy", "-movflags", "+faststart", "-f", "mp4", f"file:{target}"),
    ]


def can_carry_timecode(clock: Clock) -> bool:
    """Return whether exact clips of a film carry its timecode: MP4 supports the usual rates."""
    return bool(clock.rate) and clock.nominal in TIMECODE_RATES


def export_arguments(clip: ClipSpan, target: Path) -> list[str]:
    """Return arguments that write the exact clip, full size and high quality, as MP4 to `target`.

    It carries the film's own timecode. Progress goes to standard output.
    """
    clock = clip.clock
    timecode = ("-timecode", clock.source_timecode(clock.exact_seconds(clip.first)))
    return [
        *open_arguments(clip, lead=1.0, with_sound=True),
        *_video_arguments(clip, MAX_EXPORT_WIDTH),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "16"),
        *_encoded_sound_arguments(clip, "256k"),
        *WITHOUT_METADATA,
        *(timecode if can_carry_timecode(clock) else ()),
        *("-movflags", "+faststart", "-progress", "pipe:1", "-f", "mp4", f"file:{target}"),
    ]


def animation_arguments(clip: ClipSpan, kind: str, target: Path) -> list[str]:
    """Return arguments that write a looping animation, `kind` "webp" or "gif", to `target`."""
    rate = min(MAX_ANIMATION_RATE[kind], clip.clock.grid)
    thinned = f"fps={rate}:start_time=0:round=up"
    chain = [thinned, *_scale_filters(clip, MAX_ANIMATION_WIDTH[kind], "rgb")]
    if kind == "gif":
        chain.append("split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=bayer")
        codec = ["-c:v", "gif"]
    else:
        chain.append("format=bgra")  # from Y'CbCr, libwebp would assume Rec. 601
        codec = ["-c:v", "libwebp_anim", "-q:v", "75", "-compression_level", "4"]
    return [
        *open_arguments(clip, lead=1.0),
        *(*picture_arguments(clip, chain), "-an", *WITHOUT_METADATA, *codec, "-loop", "0"),
        *("-progress", "pipe:1", "-f", kind, f"file:{target}"),
    ]


def still_arguments(clip: ClipSpan) -> list[str]:
    """Return arguments that write the span's first picture, full size, as PPM to the output."""
    return [
        *open_arguments(clip, lead=1.0),
        *picture_arguments(
            clip, picture_filters.display_filters(clip.probe, "w='iw*sar':h=ih", "rgb")
        ),
        *("-frames:v", "1"),
        *("-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "pipe:1"),
    ]
