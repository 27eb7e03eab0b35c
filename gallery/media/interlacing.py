"""Detect interlaced films whose pictures are not marked as interlaced."""

import re
from dataclasses import replace
from pathlib import Path

from gallery.media.ffmpeg import input_arguments, run
from gallery.media.picture_filters import input_options
from gallery.media.types import PictureFormat, Probe

PROBE_TIMEOUT = 60.0  # seconds of wall clock for each sample
SAMPLE_POSITIONS = (0.25, 0.5, 0.75)  # of the duration
PICTURES_PER_SAMPLE = 50
MIN_INTERLACED_PICTURES = 25  # pictures with visibly different fields, over all samples
MIN_AGREEING_SHARE = 0.9  # of the pictures with a verdict; moving patterns mislead some
MAX_INTERLACED_HEIGHT = 1088  # of interlaced formats
PROGRESSIVE_CODECS = {"vp8", "vp9", "av1", "hevc"}

_COUNTS = re.compile(r"Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)")
_MARKED = re.compile(r" i:[TB] ")


def detect_field_order(path: Path, probe: Probe, max_pixels: int) -> Probe:
    """Return the probe with the field order, where it has to be detected from the pictures.

    Raises FFmpegStalled.
    """
    if probe.video_codec in PROGRESSIVE_CODECS or probe.height > MAX_INTERLACED_HEIGHT:
        return probe
    order = _find_field_order(path, probe, max_pixels)
    return replace(probe, picture=replace(probe.picture or PictureFormat(), field_order=order))


def _find_field_order(path: Path, probe: Probe, max_pixels: int) -> str:
    """Return "tff" or "bff" for a film that is interlaced but not marked as such; else ""."""
    top = bottom = progressive = 0
    for position in SAMPLE_POSITIONS:
        options = input_options(probe, probe.duration * position)
        log_text = run(
            [
                *("-v", "info", *input_arguments(path, max_pixels, *options)),
                *("-map", "0:V:0", "-vf", "showinfo=checksum=0,idet"),
                *("-frames:v", str(PICTURES_PER_SAMPLE), "-f", "null", "-"),
            ],
            PROBE_TIMEOUT,
        ).log_text
        if _MARKED.search(log_text):
            return ""
        # Printed twice: for no pictures, and at the end.
        counts = [int(count) for count in (_COUNTS.findall(log_text) or [("0",) * 3])[-1]]
        top, bottom, progressive = (
            before + more for before, more in zip((top, bottom, progressive), counts, strict=True)
        )
    count, order = max((top, "tff"), (bottom, "bff"))
    is_clear = count >= MIN_INTERLACED_PICTURES and count >= MIN_AGREEING_SHARE * (
        top + bottom + progressive
    )
    return order if is_clear else ""
