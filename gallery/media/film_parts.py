"""FFmpeg arguments that make one film of many scenes: a part for each, and the joined film.

All parts have the same size, rate and codecs, so the pictures are joined without encoding them
again. The sound of parts is PCM and is encoded once, over all parts: joined AAC would have a gap
at every cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

from gallery.media import picture_filters
from gallery.media.cutting import (
    SAMPLE_RATE,
    WITHOUT_METADATA,
    ClipSpan,
    open_arguments,
    picture_arguments,
    sound_arguments,
)

Point = tuple[float, float]
"""A point of a picture: fractions of its width and height, from the top left corner."""

CENTRE: Point = (0.5, 0.5)
QUALITY = ("-preset", "veryfast", "-crf", "18", "-bf", "3", "-b-pyramid", "normal")
REORDERED_FRAMES = 2  # how much earlier frames are decoded than shown, with a B-frame pyramid
KEY_FRAME_SECONDS = 2
SOUND_BITRATE = "256k"


@dataclass(frozen=True, slots=True)
class FilmFormat:
    """What all parts of a film have in common.

    `width` and `height` are in pixels, even; `rate` is in frames per second. `crops`: scenes of
    another shape are cropped to it; otherwise they get bars.
    """

    width: int
    height: int
    rate: Fraction
    crops: bool = False


@dataclass(frozen=True, slots=True)
class PartSpec:
    """How a scene becomes a part of a film.

    `inner` are the left, top, right and bottom edges of the picture inside its own black bars, as
    fractions; these bars are cropped. A crop contains `focus`, a point of the picture inside them.
    `overlay` is a file of SubStation Alpha to draw over the pictures, with times from the start of
    the scene.
    """

    clip: ClipSpan
    format: FilmFormat
    inner: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    focus: Point = CENTRE
    overlay: Path | None = None

    @property
    def is_cropped(self) -> bool:
        """Return whether the film crops pictures and the scene has another shape."""
        width, height = self.clip.probe.width, self.clip.probe.height
        is_other = abs(width * self.format.height - height * self.format.width) > width + height
        return self.format.crops and is_other

    @property
    def frames(self) -> int:
        """Return the number of frames of the part."""
        return count_frames(self.clip.frames, self.clip.clock.grid, self.format.rate)

    @property
    def samples(self) -> int:
        """Return the number of samples of sound, off by at most half a sample."""
        return round(self.frames / self.format.rate * SAMPLE_RATE)


def count_frames(frames: int, rate: Fraction, target_rate: Fraction) -> int:
    """Return how many frames at `target_rate` last as long as `frames` at `rate`; at least one."""
    return max(1, floor(frames / rate * target_rate + Fraction(1, 2)))


def part_arguments(part: PartSpec, target: Path) -> list[str]:
    """Return arguments that write a part to `target` (MOV). Progress goes to standard output."""
    filters = [*_fit_filters(part), *_overlay_filters(part.overlay), *_rate_filters(part)]
    interval = ceil(KEY_FRAME_SECONDS * part.format.rate)
    return [
        *open_arguments(part.clip, lead=1.0, with_sound=True),
        *picture_arguments(part.clip, filters),
        *("-c:v", "libx264", *QUALITY, "-g", str(interval)),
        *(sound_arguments(part.clip, part.samples) or _silence_arguments(part.samples)),
        *("-c:a", "pcm_s16le", *WITHOUT_METADATA),
        *("-video_track_timescale", str(_timescale(part.format.rate))),
        *("-progress", "pipe:1", "-f", "mov", f"file:{target}"),
    ]


def _timescale(rate: Fraction) -> int:
    """Return units per second of which a frame lasts a whole number."""
    return rate.numerator * ceil(10_000 / rate.numerator)


def _fit_filters(part: PartSpec) -> list[str]:
    """Return filters from whole frames to displayed ones of the size of the film."""
    width, height = part.format.width, part.format.height
    left, top, right, bottom = part.inner
    limit = "max" if part.format.crops else "min"
    scale = f"{limit}({width}/(iw*sar),{height}/ih)"
    size = (
        f"w='max(2,{limit}({width},2*round(iw*sar*{scale}/2)))'"
        f":h='max(2,{limit}({height},2*round(ih*{scale}/2)))'"
    )
    trimmed = []
    if part.inner != (0.0, 0.0, 1.0, 1.0):
        trimmed = [
            f"crop=w='iw*{right - left:.5f}':h='ih*{bottom - top:.5f}'"
            f":x='iw*{left:.5f}':y='ih*{top:.5f}'"
        ]
    if part.format.crops:
        across, down = part.focus
        shape = (
            f"crop={width}:{height}:x='clip({across:.4f}*iw-ow/2,0,iw-ow)'"
            f":y='clip({down:.4f}*ih-oh/2,0,ih-oh)'"
        )
    else:
        shape = f"pad={width}:{height}:-1:-1"
    shown = picture_filters.display_filters(part.clip.probe, size, "video")
    return [*trimmed, *shown, shape, "setsar=1"]


def _overlay_filters(overlay: Path | None) -> list[str]:
    return [f"ass={escape_filter_value(str(overlay.absolute()))}"] if overlay else []


def escape_filter_value(text: str) -> str:
    """Escape a value for FFmpeg's filter graphs: once for the filter, once for the graph."""
    for special in ("\\':", "\\'[],;"):
        text = "".join(f"\\{letter}" if letter in special else letter for letter in text)
    return text


def _rate_filters(part: PartSpec) -> list[str]:
    """Return filters from the frames of a scene to the frames of the film, numbered from 0."""
    rate = part.format.rate
    if part.frames == part.clip.frames:
        # Also at 23.976 instead of 24000/1001 frames per second: no frame is dropped or repeated.
        return [f"settb=1/({rate})", "setpts=N", f"fps={rate}"]
    hold = ceil(rate / part.clip.clock.grid) + 1
    return [
        # Rounding up shows at each tick the frame that has begun last.
        f"fps={rate}:start_time=0:round=up",
        f"tpad=stop={hold}:stop_mode=clone",
        f"trim=end_frame={part.frames}",
    ]


def _silence_arguments(samples: int) -> list[str]:
    source = f"anullsrc=r={SAMPLE_RATE}:cl=stereo,atrim=end_sample={samples}[silence]"
    return ["-filter_complex", source, "-map", "[silence]"]


def _renumber_filter(rate: Fraction) -> str:
    """Return a filter that gives all packets exact times: joined parts have rounded ones."""
    ticks = f"/({rate})/TB)"
    shown, decoded = f"round(round(PTS*TB*{rate}){ticks}", f"round((N-{REORDERED_FRAMES}){ticks}"
    return f"setts=pts={shown}:dts={decoded}:duration=round(1{ticks}"


def write_join_list(parts: Sequence[Path], target: Path) -> None:
    """Write the list of parts that `join_arguments` needs; they lie in the folder of `target`."""
    lines = ["ffconcat version 1.0", *(f"file {part.name}" for part in parts)]
    target.write_text("\n".join(lines) + "\n", encoding="ascii")


@dataclass(frozen=True, slots=True)
class TextTrack:
    """A subtitle track: a file of SubStation Alpha, and an ISO 639-2 code, or "und"."""

    file: Path
    language: str


def join_arguments(
    parts: Path, rate: Fraction, target: Path, text_track: TextTrack | None = None
) -> list[str]:
    """Return arguments that join the parts in a list of `write_join_list` into an MP4 at `target`.

    The pictures are copied. Progress goes to standard output.
    """
    text: tuple[str, ...] = ()
    if text_track:
        text = ("-f", "ass", "-i", f"file:{text_track.file.absolute()}")
    return [
        *("-v", "error", "-y", "-nostdin", "-protocol_whitelist", "file,pipe"),
        *("-f", "concat", "-i", f"file:{parts.absolute()}", *text),
        *("-map", "0:v", "-c:v", "copy"),
        *("-bsf:v", _renumber_filter(rate)),
        *("-video_track_timescale", str(_timescale(rate))),
        *("-map", "0:a", "-c:a", "aac", "-b:a", SOUND_BITRATE),
        *(
            ("-map", "1:s", "-c:s", "mov_text", "-metadata:s:s:0",
             f"language={text_track.language}")
            if text_track else ()
        ),
        *("-map_metadata", "-1", "-map_chapters", "-1"),
        *("-movflags", "+faststart", "-progress", "pipe:1", "-f", "mp4", f"file:{target}"),
    ]  # fmt: skip
