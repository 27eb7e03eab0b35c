"""From a film's decoded pictures to what is shown: whole frames, square pixels, Rec. 709, 8 bits.

Frames to embed, stills, clips and animations all go through `filters`, so that they look the same.
"""

import re
from dataclasses import replace
from typing import Literal

from gallery.media.types import PictureFormat, Probe

Target = Literal["rgb", "video"]
"""RGB for pictures; Y'CbCr 4:2:0 of Rec. 709, limited range, for H.264."""

SDR_WHITE = 203.0  # cd/m2: what HDR shows as white paper, ITU-R BT.2408
DEFAULT_PEAK = 1000.0  # cd/m2: what most HDR films are mastered for
KNEE = 0.75  # of SDR white; brighter highlights are compressed
HDR_TRANSFERS = ("smpte2084", "arib-std-b67")  # PQ and HLG
# Wide gamuts; the primaries of old television lie too near those of Rec. 709 to be told apart.
WIDE_PRIMARIES = ("bt2020", "smpte431", "smpte432")
MIN_HD_WIDTH, MAX_SD_HEIGHT = 1280, 576  # of pictures whose colours are not tagged
UNSAMPLED = "yuv444p10|yuv444p12|gbrp10|gbrp12"
PAL_HEIGHTS = (288, 576)
# What Dolby Vision says of a base layer that plays without it: 1 and 6 are HDR10, 4 is HLG.
DOLBY_BASE_LAYERS = {"1": "smpte2084", "6": "smpte2084", "4": "arib-std-b67"}

_COLOURS = re.compile(
    r"\[Parsed_showinfo_0 .*?color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)"
)
_MAX_CLL = re.compile(r"Content light level metadata: MaxCLL=(\d+)")
_MASTERING = re.compile(r"Mastering display metadata: .*max_luminance=([\d.]+)")
_DOLBY_VISION = re.compile(r"DOVI configuration record: .*profile: (\d+).*compatibility id: (\d+)")


def read_format(said: str) -> PictureFormat:
    """How pictures are coded, from what FFmpeg said of the file and `showinfo` of the first one."""
    found = _COLOURS.search(said)
    tags = found.groups() if found else ()
    matrix, primaries, transfer = (*(_known(tag) for tag in tags), "", "", "")[:3]
    dolby = _DOLBY_VISION.search(said)
    if not transfer and dolby:
        transfer = DOLBY_BASE_LAYERS.get(dolby[2], "")
    return PictureFormat(
        matrix, primaries, transfer, _peak(said), may_change="Input #0, mpegts" in said
    )


def _known(tag: str) -> str:
    return "" if tag in ("unknown", "reserved", "unspecified") else tag


def _peak(said: str) -> float:
    """The luminance of the brightest pixel that the file states, in cd/m2; 0.0 when it does not."""
    stated = [match for pattern in (_MAX_CLL, _MASTERING) if (match := pattern.search(said))]
    return next((float(match[1]) for match in stated if float(match[1]) > 0), 0.0)


def needs_dolby_vision(said: str) -> bool:
    """Whether a film can be shown by a Dolby Vision player only: its base layer has other colours.

    `said` is what FFmpeg said of the file.
    """
    found = _DOLBY_VISION.search(said)
    return found is not None and found[1] == "5"


def input_options(found: Probe, seek: float) -> list[str]:
    """FFmpeg's options that open a film `seek` seconds after its beginning, on the file's clock.

    Seeking is inexact: decoding begins with a key frame near that place. Seeking to 0 is not the
    same as not seeking: it loses the first pictures of AVI and FLV files.
    """
    options = ["-noaccurate_seek", "-copyts"]
    if not may_change(found):
        return [*options, *(("-ss", f"{seek:.6f}") if seek > 0 else ())]
    # Else FFmpeg gives all pictures the shape of the first. It then does not know when the file's
    # clock begins either.
    options.append("-nofind_stream_info")
    return [*options, *(("-ss", f"{seek + found.start:.6f}") if seek > 0 else ())]


def may_change(found: Probe) -> bool:
    """Whether size and shape of the pictures may change within the film."""
    return found.picture is not None and found.picture.may_change


def fitted(width: int, height: int) -> list[str]:
    """FFmpeg's filters that fit pictures of any shape into the middle of one with square pixels."""
    scale = f"min({width}/(iw*sar),{height}/ih)"
    return [
        f"scale=w='2*round(iw*sar*{scale}/2)':h='2*round(ih*{scale}/2)':flags=bicubic:eval=frame",
        "setsar=1",
        f"pad={width}:{height}:-1:-1:eval=frame",
    ]


def filters(found: Probe, size: str, target: Target) -> list[str]:
    """FFmpeg's filters from whole frames (`whole_frames`) to the pictures that are shown.

    `size` is the arguments of `scale` that give width and height. Tone mapping comes last, on
    pictures of the final size.
    """
    scaling = f"scale={size}:eval={'frame' if may_change(found) else 'init'}:flags=bicubic"
    # Without these flags, converted colours come out a few levels too dark.
    accurate = f"{scaling}+accurate_rnd+full_chroma_int"
    picture = _with_usual_colours(found)
    if picture.transfer in HDR_TRANSFERS or picture.primaries in WIDE_PRIMARIES:
        # zscale refuses subsampled pictures of odd sizes.
        colours = [scaling, f"format={UNSAMPLED}", *_to_rec709(picture, target)]
    elif target == "video":
        scaled = scaling if picture.matrix == "bt709" else accurate
        colours = [f"{scaled}:out_color_matrix=bt709:out_range=tv", "format=yuv420p"]
    else:
        colours = [accurate, "format=rgb24"]
    tags = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    return [*colours, "setsar=1", *([tags] if target == "video" else ())]


def whole_frames(found: Probe) -> list[str]:
    """FFmpeg's filters that come first: colours named where the file does not, no interlacing.

    Pictures that are not interlaced pass unchanged.
    """
    tagged = found.picture or PictureFormat()
    usual = _with_usual_colours(found)
    colours = (
        ("colorspace", tagged.matrix, usual.matrix),
        ("color_primaries", tagged.primaries, usual.primaries),
        ("color_trc", tagged.transfer, usual.transfer),
    )
    named = ":".join(f"{name}={value}" for name, given, value in colours if value and not given)
    return [
        *([f"setparams={named}"] if named else ()),
        *([f"setfield={usual.field_order}"] if usual.field_order else ()),
        "bwdif=mode=send_frame:deint=interlaced",
    ]


def _with_usual_colours(found: Probe) -> PictureFormat:
    """How pictures are coded, with what the file does not say filled in as players do.

    Rec. 2020 for HDR, Rec. 709 for HD, Rec. 601 for SD; nothing where it was never looked at.
    """
    picture = found.picture
    if picture is None:
        return PictureFormat()
    short, long = sorted((found.width, found.height))
    if picture.transfer in HDR_TRANSFERS:
        matrix, primaries, transfer = "bt2020nc", "bt2020", ""
    elif long >= MIN_HD_WIDTH or short > MAX_SD_HEIGHT:
        matrix = primaries = transfer = "bt709"
    else:
        matrix = primaries = "bt470bg" if short in PAL_HEIGHTS else "smpte170m"
        transfer = "smpte170m"
    return replace(
        picture,
        matrix=picture.matrix or matrix,
        primaries=picture.primaries or primaries,
        transfer=picture.transfer or transfer,
    )


def _to_rec709(picture: PictureFormat, target: Target) -> list[str]:
    """Filters from a wide gamut, or HDR, to Rec. 709."""
    encoded = "t=bt709:m=bt709:r=tv" if target == "video" else "t=bt709:m=gbr:r=pc"
    pixels = "format=yuv420p" if target == "video" else "format=gbrp"
    if picture.transfer not in HDR_TRANSFERS:
        return [f"zscale=p=bt709:{encoded}", pixels]
    peak = (picture.peak or DEFAULT_PEAK) / SDR_WHITE
    curve = f"mobius:param={KNEE}:peak={peak:.3f}" if peak > 1 else "clip"
    return [
        f"zscale=t=linear:npl={SDR_WHITE:g}",
        "format=gbrpf32le",
        "zscale=p=bt709",
        f"tonemap={curve}:desat=0",
        f"zscale={encoded}",
        pixels,
    ]
