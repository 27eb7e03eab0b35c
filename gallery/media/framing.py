"""What a crop of a scene must keep: the picture without its own black bars, and its subject."""

from dataclasses import dataclass, replace
from statistics import median

from gallery.media import cutting, ffmpeg
from gallery.media.borders import inner_box
from gallery.media.cutting import ClipSpan
from gallery.media.decoding import read_ppm
from gallery.media.film_parts import CENTRE, Point
from gallery.media.subject import find_subject
from gallery.media.types import Picture

STILL_TIMEOUT = 60.0  # seconds of wall clock for each picture
SAMPLE_POSITIONS = (0.15, 0.5, 0.85)  # of the scene
SAMPLE_SIDE = 640  # pixels; finding the subject needs no more


@dataclass(frozen=True, slots=True)
class Framing:
    """The picture inside its bars, and a point of it: see `film_parts.PartSpec`."""

    inner: tuple[float, float, float, float]
    focus: Point


def find_framing(span: ClipSpan) -> Framing:
    """Return how to crop a scene, from some of its pictures: crops do not move within a scene."""
    pictures = [
        picture for position in SAMPLE_POSITIONS if (picture := _sample(span, position)) is not None
    ]
    if not pictures:
        return Framing((0.0, 0.0, 1.0, 1.0), CENTRE)
    inner = _inner_box(pictures)
    subjects = [find_subject(_crop(picture, inner)) for picture in pictures]
    across, down = (median(one) for one in zip(*subjects, strict=True))
    return Framing(inner, (across, down))


def _sample(span: ClipSpan, position: float) -> Picture | None:
    frame = span.first + int(span.frames * position)
    still = replace(span, first=frame, last=frame + 1)
    picture = read_ppm(ffmpeg.run(cutting.still_arguments(still), STILL_TIMEOUT).output)
    if picture is not None:
        picture.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
    return picture


def _inner_box(pictures: list[Picture]) -> tuple[float, float, float, float]:
    """Return the edges of the box, as fractions, outside of which all pictures have bars.

    The size of the pictures may change within a scene.
    """
    boxes = [(inner_box(picture), *picture.size) for picture in pictures]
    return (
        min(box.left / width for box, width, _height in boxes),
        min(box.top / height for box, _width, height in boxes),
        max(box.right / width for box, width, _height in boxes),
        max(box.bottom / height for box, _width, height in boxes),
    )


def _crop(picture: Picture, inner: tuple[float, float, float, float]) -> Picture:
    left, top, right, bottom = inner
    width, height = picture.size
    return picture.crop(
        (round(left * width), round(top * height), round(right * width), round(bottom * height))
    )
