"""FFmpeg filters from decoded to displayed pictures: deinterlaced, square pixels, Rec. 709, 8 bits.

Embedded frames, stills, clips and animations all use `display_filters`, so that they look the same.
"""

import re
from dataclasses import replace
from typing import Literal

from gallery.media.types import PictureFormat, Probe

Target = Literal["rgb", "video"]
"""RGB for pictures; Y'CbCr 4:2:0 of Rec. 709, limited range, for H.264."""

SDR_WHITE = 203.0  # cd/m2: reference white of HDR, ITU-R BT.2408
DEFAULT_PEAK = 1000.0  # cd/m2: mastering peak of most HDR films
TONE_MAP_KNEE = 0.75  # of SDR white; brighter highlights are compressed
HDR_TRANSFERS = ("smpte2084", "arib-std-b67")  # PQ and HLG
# Wide gamuts. The primaries of SD television are too close to Rec. 709 to convert.
WIDE_PRIMARIES = ("bt2020", "smpte431", "smpte432")
MIN_HD_WIDTH, MAX_SD_HEIGHT = 1280, 576  # of untagged pictures
UNSUBSAMPLED_FORMATS = "yuv444p10|yuv444p12|gbrp10|gbrp12"
PAL_HEIGHTS = (288, 576)
# Dolby Vision compatibility ids of base layers: 1 and 6 are HDR10, 4 is HLG.
DOLBY_BASE_LAYERS = {"1": "smpte2084", "6": "smpte2084", "4": "arib-std-b67"}

_COLOURS = re.compile(
    r"\[Parsed_showinfo_0 .*?color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)"
)
_MAX_CLL = re.compile(r"Content light level metadata: MaxCLL=(\d+)")
_MASTERING = re.compile(r"Mastering display metadata: .*max_luminance=([\d.]+)")
_DOLBY_VISION = re.compile(r"DOVI configuration record: .*profile: (\d+).*compatibility id: (\d+)")


def read_format(log_text: str) -> PictureFormat:
    """Parse how pictures are coded, from FFmpeg's log of the file and of `showinfo`."""
    match = _COLOURS.search(log_text)
    tags = match.groups() if match else ()
    matrix, primaries, transfer = (*(_tag_or_empty(tag) for tag in tags), "", "", "")[:3]
    dolby = _DOLBY_VISION.search(log_text)
    if not transfer and dolby:
        transfer = DOLBY_BASE_LAYERS.get(dolby[2], "")
    return PictureFormat(
        matrix,
        primaries,
        transfer,
        _peak_luminance(log_text),
        may_change="Input #0, mpegts" in log_text,
    )


def _tag_or_empty(tag: str) -> str:
    return "" if tag in ("unknown", "reserved", "unspecified") else tag


def _peak_luminance(log_text: str) -> float:
    """Return the peak luminance that the file states, in cd/m2; 0.0 when it does not."""
    stated = [match for pattern in (_MAX_CLL, _MASTERING) if (match := pattern.search(log_text))]
    return next((float(match[1]) for match in stated if float(match[1]) > 0), 0.0)


def needs_dolby_vision(log_text: str) -> bool:
    """Return whether only Dolby Vision players show the right colours (profile 5).

    `log_text` is what FFmpeg logged about the file.
    """
    match = _DOLBY_VISION.search(log_text)
    return match is not None and match[1] == "5"


def input_options(probe: Probe, seek: float) -> list[str]:
    """Return options that open a film `seek` seconds after its beginning, on the file's clock.

    Seeking is inexact: decoding begins with a key frame near that position. `-ss 0` differs from no
    seeking: it loses the first pictures of AVI and FLV files.
    """
    options = ["-noaccurate_seek", "-copyts"]
    if not may_change(probe):
        return [*options, *(("-ss", f"{seek:.6f}") if seek > 0 else ())]
    # Else FFmpeg gives all pictures the shape of the first. But with this option it does not know
    # the file's start time, so it is added here.
    options.append("-nofind_stream_info")
    return [*options, *(("-ss", f"{seek + probe.start:.6f}") if seek > 0 else ())]


def may_change(probe: Probe) -> bool:
    """Return whether the size and shape of the pictures may change within the film."""
    return probe.picture is not None and probe.picture.may_change


def fit_filters(width: int, height: int) -> list[str]:
    """Return filters that fit pictures of any shape into the centre of one with square pixels."""
    scale = f"min({width}/(iw*sar),{height}/ih)"
    return [
        f"scale=w='2*round(iw*sar*{scale}/2)':h='2*round(ih*{scale}/2)':flags=bicubic:eval=frame",
        "setsar=1",
        f"pad={width}:{height}:-1:-1:eval=frame",
    ]


def display_filters(probe: Probe, size: str, target: Target) -> list[str]:
    """Return filters from whole frames (`source_filters`) to displayed pictures.

    `size` is the arguments of `scale` that give width and height. Tone mapping comes last, on
    pictures of the final size.
    """
    scaling = f"scale={size}:eval={'frame' if may_change(probe) else 'init'}:flags=bicubic"
    # Without these flags, colours come out a few levels too dark.
    accurate = f"{scaling}+accurate_rnd+full_chroma_int"
    picture = _fill_in_colours(probe)
    if picture.transfer in HDR_TRANSFERS or picture.primaries in WIDE_PRIMARIES:
        # zscale rejects subsampled pictures with odd sides.
        colours = [scaling, f"format={UNSUBSAMPLED_FORMATS}", *_to_rec709(picture, target)]
    elif target == "video":
        scaled = scaling if picture.matrix == "bt709" else accurate
        colours = [f"{scaled}:out_color_matrix=bt709:out_range=tv", "format=yuv420p"]
    else:
        colours = [accurate, "format=rgb24"]
    tags = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    return [*colours, "setsar=1", *([tags] if target == "video" else ())]


def source_filters(probe: Probe) -> list[str]:
    """Return the first filters of a graph: set missing colour tags, and deinterlace.

    Progressive pictures pass unchanged.
    """
    tagged = probe.picture or PictureFormat()
    usual = _fill_in_colours(probe)
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


def _fill_in_colours(probe: Probe) -> PictureFormat:
    """Return the format with missing tags filled in, as players do.

    Rec. 2020 for HDR, Rec. 709 for HD, Rec. 601 for SD; nothing when the format was never probed.
    """
    picture = probe.picture
    if picture is None:
        return PictureFormat()
    short, long = sorted((probe.width, probe.height))
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
    """Return filters from a wide gamut, or HDR, to Rec. 709."""
    encoded = "t=bt709:m=bt709:r=tv" if target == "video" else "t=bt709:m=gbr:r=pc"
    pixels = "format=yuv420p" if target == "video" else "format=gbrp"
    if picture.transfer not in HDR_TRANSFERS:
        return [f"zscale=p=bt709:{encoded}", pixels]
    peak = (picture.peak or DEFAULT_PEAK) / SDR_WHITE
    curve = f"mobius:param={TONE_MAP_KNEE}:peak={peak:.3f}" if peak > 1 else "clip"
    return [
        f"zscale=t=linear:npl={SDR_WHITE:g}",
        "format=gbrpf32le",
        "zscale=p=bt709",
        f"tonemap={curve}:desat=0",
        f"zscale={encoded}",
        pixels,
    ]
