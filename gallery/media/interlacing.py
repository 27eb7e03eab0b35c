"""Films that are interlaced although their pictures are not marked as such."""

import re
from dataclasses import replace
from pathlib import Path

from gallery.media.ffmpeg import input_arguments, run
from gallery.media.picture_filters import input_options
from gallery.media.types import PictureFormat, Probe

LOOK_LIMIT = 60.0  # seconds of wall clock for each place
PLACES = (0.25, 0.5, 0.75)  # of the film
PICTURES = 50  # looked at in each place
MIN_FIELDS = 25  # pictures whose fields are seen to differ in time, in all places together
MIN_AGREEING = 0.9  # of the pictures that tell anything: moving patterns mislead, but not always
MAX_HEIGHT = 1088  # of interlaced formats
PROGRESSIVE_CODECS = {"vp8", "vp9", "av1", "hevc"}

_COUNTS = re.compile(r"Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)")
_MARKED = re.compile(r" i:[TB] ")


def with_field_order(path: Path, found: Probe, max_pixels: int) -> Probe:
    """What was found, with the order of the fields where they must be told from the pictures.

    Raises FFmpegStalled.
    """
    if found.video_codec in PROGRESSIVE_CODECS or found.height > MAX_HEIGHT:
        return found
    order = _field_order(path, found, max_pixels)
    return replace(found, picture=replace(found.picture or PictureFormat(), field_order=order))


def _field_order(path: Path, found: Probe, max_pixels: int) -> str:
    """ "tff" or "bff" for a film that is not marked as interlaced but is; else ""."""
    top = bottom = progressive = 0
    for place in PLACES:
        options = input_options(found, found.duration * place)
        said = run(
            [
                *("-v", "info", *input_arguments(path, max_pixels, *options)),
                *("-map", "0:V:0", "-vf", "showinfo=checksum=0,idet"),
                *("-frames:v", str(PICTURES), "-f", "null", "-"),
            ],
            LOOK_LIMIT,
        ).said
        if _MARKED.search(said):
            return ""
        # It is said twice: of no pictures, and at the end.
        counts = [int(count) for count in (_COUNTS.findall(said) or [("0",) * 3])[-1]]
        top, bottom, progressive = (
            before + more for before, more in zip((top, bottom, progressive), counts, strict=True)
        )
    most, order = max((top, "tff"), (bottom, "bff"))
    clear = most >= MIN_FIELDS and most >= MIN_AGREEING * (top + bottom + progressive)
    return order if clear else ""
