"""Thumbnails in the sizes that pages show, and where to crop them.

An import stores thumbnails of 640 pixels; smaller ones are made from these on first use and kept
with the run, so that films that were imported before have them, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from gallery.core.errors import DiskFull
from gallery.films.catalogue import ListedFilm
from gallery.films.models import Film
from gallery.films.shortcuts import thumbnail_url
from gallery.media.store import THUMBNAIL_WIDTH, FilmFiles, RunFiles, write_atomically
from gallery.media.subject import find_subject

WIDTHS = (160, 320, 480)  # pixels; at most a sixth of a thumbnail's bytes, a third and two thirds
QUALITY = 78
SUBJECT_WIDTH = 160  # pixels at which the subject is looked for
MAX_REMEMBERED = 20_000  # subjects in the memory of a process: about 4 MB


def thumbnail_srcset(film: Film | ListedFilm, second: int) -> str:
    """Return the `srcset` of a frame's thumbnail: all widths, with their URLs."""
    whole = thumbnail_url(film, second)
    stem = whole.removesuffix(".jpg")
    smaller = [f"{stem}-{width}.jpg {width}w" for width in WIDTHS]
    return ", ".join([*smaller, f"{whole} {THUMBNAIL_WIDTH}w"])


@contextmanager
def open_thumbnail(path: Path) -> Iterator[Image.Image]:
    """Open a thumbnail, to be decoded within the context.

    Raises FileNotFoundError if it is missing or damaged.
    """
    try:
        with Image.open(path, formats=("JPEG",)) as picture:
            yield picture
    except FileNotFoundError:
        raise
    except OSError as error:  # Pillow's errors for damaged and empty files
        raise FileNotFoundError(f"{path} is damaged: {error}") from error


def get_small_thumbnail(run: RunFiles, second: int, width: int) -> Path:
    """Return the path of a smaller thumbnail, made on first use.

    Without space on the disk it is the path of the whole thumbnail. Raises FileNotFoundError when
    that is missing or damaged.
    """
    path = run.small_thumbnail(second, width)
    if path.is_file() and path.stat().st_size:
        return path
    whole = run.thumbnail(second)
    buffer = BytesIO()
    _load_small(whole, width).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    try:
        write_atomically(path, lambda file: file.write(buffer.getvalue()))
    except DiskFull:
        return whole
    return path


def _load_small(path: Path, width: int) -> Image.Image:
    """Load a thumbnail at most `width` pixels wide. Raises FileNotFoundError."""
    with open_thumbnail(path) as whole:
        size = (width, max(1, round(whole.height * width / whole.width)))
        whole.draft("RGB", (2 * size[0], 2 * size[1]))
        picture = whole.convert("RGB")
    if picture.width <= width:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS)


def crop_position(film: Film | ListedFilm, second: int, box: float) -> str:
    """Return the CSS `object-position` at which a cropped thumbnail shows its subject.

    `box` is the shape (width / height) of the place that the thumbnail fills. It is "" where
    nothing is cropped.
    """
    shape = film.thumbnail_shape
    if abs(shape / box - 1) < 0.02:
        return ""
    x, y = _subject_of(film.uid, film.searchable_run or film.run, second)
    across = _align(x, box / shape) if shape > box else 0.5
    down = _align(y, shape / box) if shape < box else 0.5
    return f"{across:.0%} {down:.0%}"


def _align(place: float, visible: float) -> float:
    """Return which part of a crop's slack is before it, so that `place` is in its middle.

    `place` and `visible` are fractions of the picture: the subject, and the part that is shown.
    """
    return min(1.0, max(0.0, (place - visible / 2) / (1 - visible)))


@lru_cache(maxsize=MAX_REMEMBERED)
def _subject_of(uid: str, run: int, second: int) -> tuple[float, float]:
    """Return where a frame's subject is; the middle when its thumbnail is missing."""
    with suppress(FileNotFoundError):
        return find_subject(_load_small(FilmFiles(uid).run(run).thumbnail(second), SUBJECT_WIDTH))
    return (0.5, 0.5)
