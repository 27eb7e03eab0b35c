"""A movie barcode: one picture of a film, each frame squeezed into a column.

It shows at a glance where night scenes, cuts and changes of colour are.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallery.films.models import Film
from gallery.media.store import RunFiles, write_atomically

MAX_COLUMNS = 1200
HEIGHT = 48  # pixels
QUALITY = 88
MISSING_COLOUR = (12, 12, 12)  # of a column whose thumbnail is missing


def of_film(film: Film) -> Path:
    """Return the path of a searchable film's barcode, rendered on first use. Raises DiskFull.

    Raises FileNotFoundError when the film's run is missing from the media store.
    """
    files = film.files.run(film.searchable_run or film.run)
    path = files.folder / "barcode.jpg"
    if not path.is_file():
        data = files.load()
        drawn = _draw(files, data.seconds, data.times, film.duration)
        # Chroma subsampling would mix the colours of neighbouring columns.
        write_atomically(
            path, lambda file: drawn.save(file, "JPEG", quality=QUALITY, subsampling=0)
        )
    return path


def _draw(
    files: RunFiles, seconds: NDArray[np.int32], times: NDArray[np.float64], duration: float
) -> Image.Image:
    """Draw a column for each of equally long intervals: the frame shown in its middle."""
    count = min(MAX_COLUMNS, len(seconds))
    middles = (np.arange(count) + 0.5) / count * duration
    shown = np.clip(np.searchsorted(times, middles, side="right") - 1, 0, len(seconds) - 1)
    drawn = Image.new("RGB", (count, HEIGHT), MISSING_COLOUR)
    for column, index in enumerate(shown.tolist()):
        drawn.paste(_draw_column(files.thumbnail(int(seconds[index]))), (column, 0))
    # The few columns of a short film are widened without blurring their edges.
    return drawn.resize((count * max(1, MAX_COLUMNS // count), HEIGHT), Image.Resampling.NEAREST)


def _draw_column(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            # Decoding JPEG at an eighth of its size takes a fraction of the time.
            picture.draft("RGB", (picture.width // 8, picture.height // 8))
            return picture.convert("RGB").resize((1, HEIGHT), Image.Resampling.BOX)
    except OSError:
        return Image.new("RGB", (1, HEIGHT), MISSING_COLOUR)
