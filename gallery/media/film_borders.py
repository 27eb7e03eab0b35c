"""Find the bars that are part of a film's pictures: letterbox, pillarbox, windowbox.

Bars are the same in the whole film, but each picture shows them only where it is not dark. The box
inside the bars is therefore the union of the boxes of several pictures: scenes of another shape
(as in films with IMAX scenes) and picture in the bars keep everything.
"""

import math
from dataclasses import replace
from pathlib import Path

from PIL import Image

from gallery.core.errors import FilmError
from gallery.media import borders, decoding
from gallery.media.plain_frames import find_plain_frame
from gallery.media.types import InnerBox, Picture, Probe

SAMPLE_POSITIONS = (0.5, 0.3, 0.7, 0.2, 0.8, 0.4, 0.6, 0.1, 0.9)  # of the duration
MIN_PICTURES = 3  # that show the bars; with fewer, nothing is cropped
SAMPLE_SIDE = 640  # pixels of the longer side in which bars are searched for
MIN_BAR = 0.02  # of a side; thinner bars are left
WHOLE: InnerBox = (0.0, 0.0, 1.0, 1.0)


def detect_inner_box(path: Path, probe: Probe, max_pixels: int) -> Probe:
    """Return the probe with the box inside the film's bars.

    A film without bars costs one decoded picture, one with bars nine. Raises FFmpegStalled.
    """
    if probe.picture is not None and probe.picture.may_change:
        return probe
    boxes: list[InnerBox] = []
    for position in SAMPLE_POSITIONS:
        box = _find_box(path, probe, probe.duration * position, max_pixels)
        if box is None:
            continue
        boxes.append(box)
        if _union(boxes) == WHOLE:
            return probe
    return replace(probe, inner=_union(boxes)) if len(boxes) >= MIN_PICTURES else probe


def crop_to_inner(picture: Picture, inner: InnerBox | None) -> Picture:
    """Return a film's picture without its bars; the same object when it has none."""
    if inner is None:
        return picture
    left, top, right, bottom = inner
    width, height = picture.size
    return picture.crop((
        math.ceil(left * width - 0.01), math.ceil(top * height - 0.01),
        math.floor(right * width + 0.01), math.floor(bottom * height + 0.01),
    ))  # fmt: skip


def add_bars(picture: Picture, inner: InnerBox | None) -> Picture:
    """Return a picture that `crop_to_inner` has cut, with black bars in their place."""
    if inner is None:
        return picture
    left, top, right, bottom = inner
    width = round(picture.width / (right - left))
    height = round(picture.height / (bottom - top))
    whole = Image.new("RGB", (width, height))
    whole.paste(picture, (round(left * width), round(top * height)))
    return whole


def shape_of(probe: Probe) -> float:
    """Return the width of a film's pictures without bars, divided by their height."""
    left, top, right, bottom = probe.inner or WHOLE
    height = (bottom - top) * probe.height
    return (right - left) * probe.width / height if height else 0.0


def _find_box(path: Path, probe: Probe, time: float, max_pixels: int) -> InnerBox | None:
    """Return the box inside the bars of one picture; None for a picture that cannot show them."""
    try:
        picture = decoding.still(path, probe, time, max_pixels=max_pixels)
    except FilmError:
        return None  # a damaged part; the segment's import says so
    picture.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE), Image.Resampling.BOX)
    plain = find_plain_frame(picture)
    if plain is not None and plain.is_dark:
        return None
    box = borders.inner_box(picture)
    width, height = picture.size
    return (
        _ignore_thin(box.left / width), _ignore_thin(box.top / height),
        1 - _ignore_thin(1 - box.right / width), 1 - _ignore_thin(1 - box.bottom / height),
    )  # fmt: skip


def _ignore_thin(bar: float) -> float:
    """Return the thickness of a bar, 0 for one that is hardly visible."""
    return bar if bar >= MIN_BAR else 0.0


def _union(boxes: list[InnerBox]) -> InnerBox:
    """Return the smallest box that contains all boxes."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
