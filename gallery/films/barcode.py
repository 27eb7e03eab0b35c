"""A film as one picture: its frames side by side, each squeezed into a column.

Film makers call it a movie barcode; it shows at a glance where it is night, where the cuts are, and
where the colours change.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallery.films.models import Film
from gallery.media.store import RunFiles, write_atomically

COLUMNS = 1200  # at the most
HEIGHT = 48  # pixels
QUALITY = 88
NOTHING = (12, 12, 12)  # where a small picture is missing


def of_film(film: Film) -> Path:
    """The barcode of a searchable film, made when it is first asked for. Raises DiskFull.

    Raises FileNotFoundError when the film's run is gone from the media store.
    """
    files = film.files.run(film.searchable_run or film.run)
    path = files.folder / "barcode.jpg"
    if not path.is_file():
        data = files.load()
        drawn = _drawn(files, data.seconds, data.times, film.duration)
        # Each column has its own colour: JPEG would share it among neighbours.
        write_atomically(
            path, lambda file: drawn.save(file, "JPEG", quality=QUALITY, subsampling=0)
        )
    return path


def _drawn(
    files: RunFiles, seconds: NDArray[np.int32], times: NDArray[np.float64], duration: float
) -> Image.Image:
    """One column for each equally long stretch of the film: the frame shown in its middle."""
    count = min(COLUMNS, len(seconds))
    middles = (np.arange(count) + 0.5) / count * duration
    shown = np.clip(np.searchsorted(times, middles, side="right") - 1, 0, len(seconds) - 1)
    drawn = Image.new("RGB", (count, HEIGHT), NOTHING)
    for column, at in enumerate(shown.tolist()):
        drawn.paste(_column(files.thumbnail(int(seconds[at]))), (column, 0))
    # A short film has few columns; drawn wider, they keep their edges.
    return drawn.resize((count * max(1, COLUMNS // count), HEIGHT), Image.Resampling.NEAREST)


def _column(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            # JPEG decodes an eighth of the size at a fraction of the cost.
            picture.draft("RGB", (picture.width // 8, picture.height // 8))
            return picture.convert("RGB").resize((1, HEIGHT), Image.Resampling.BOX)
    except OSError:
        return Image.new("RGB", (1, HEIGHT), NOTHING)
