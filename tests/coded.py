"""Films with a number in every picture and a beep every second."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gallery.films.models import Film
from gallery.media import probing
from tests.films import H264, run_ffmpeg
from tests.importing import add_film

BITS = 12
SIZE = "240x80"
CODE = f"geq=lum='if(mod(floor(N/pow(2,floor(X*{BITS}/W))),2),230,25)':cb=128:cr=128"
BEEP = "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':sample_rate=48000"


def make_coded_film(
    path: Path,
    *,
    rate: str = "24",
    seconds: float = 8,
    filters: str = "",
    codec: Sequence[str] = H264,
    sound: Sequence[str] = ("-c:a", "aac"),
    delay: float = 0.0,
    options: Sequence[str] = (),
) -> Path:
    """A film whose pictures show their numbers, as black and white bars.

    `filters` are applied after the numbers; `delay` is by how much the pictures start later than
    the sound; no `sound` makes a silent film.
    """
    pictures = f"color=gray:s={SIZE}:r={rate}:d={seconds},format=yuv420p,{CODE}"
    if filters:
        pictures += f",{filters}"
    inputs = ["-itsoffset", str(delay), "-f", "lavfi", "-i", pictures]
    if sound:
        inputs += ["-f", "lavfi", "-t", str(seconds), "-i", BEEP]
    run_ffmpeg(*inputs, *codec, *(sound or ("-an",)), *options, str(path))
    return path


def read_codes(path: Path, *, turned: bool = False) -> list[int]:
    """The numbers in the pictures of a film, in display order; `turned` if it is rotated."""
    shape = f"1:{BITS}" if turned else f"{BITS}:1"
    data = run_ffmpeg(
        *("-i", str(path), "-map", "0:V:0", "-fps_mode", "passthrough"),
        *("-vf", f"scale={shape}:flags=area,format=gray", "-f", "rawvideo", "-"),
    )
    bars = np.frombuffer(data, np.uint8).reshape(-1, BITS) > 128
    return [int(row @ (1 << np.arange(BITS))) for row in bars]


def find_beeps(path: Path, start: float = 0.0) -> list[float]:
    """When each beep of a film begins, in seconds, if its clock starts at `start`."""
    data = run_ffmpeg(
        *("-copyts", "-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar", "48000"),
        # Like players, shift sound that begins later.
        *("-af", f"asetpts=PTS-{start}/TB,aresample=async=1:first_pts=0", "-f", "f32le", "-"),
    )
    loud = np.abs(np.frombuffer(data, np.float32)) > 0.2
    at = np.flatnonzero(loud) / 48000
    return [float(t) for i, t in enumerate(at) if i == 0 or t - at[i - 1] > 0.5]


def measure_durations(path: Path) -> tuple[float, float | None]:
    """The durations of the pictures and the sound of a file, in seconds; None without sound."""
    text = run_ffmpeg("-i", str(path), "-c", "copy", "-f", "framecrc", "-").decode()
    bases = {}
    ends: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("#tb "):
            key, base = line.removeprefix("#tb ").split(": ")
            above, below = base.split("/")
            bases[key] = int(above) / int(below)
        elif line[:1].isdigit():
            key, _dts, pts, length, *_rest = (part.strip() for part in line.split(","))
            ends[key] = max(ends.get(key, 0.0), (int(pts) + int(length)) * bases[key])
    return ends["0"], ends.get("1")


def create_film(path: Path, title: str = "") -> Film:
    """Store a film without its frames: enough to play and cut it."""
    film = add_film(path, title)
    found = probing.probe(film.files.source(), 10**8, 3600)
    Film.objects.filter(pk=film.pk).update(
        state=Film.State.READY,
        searchable_run=1,
        **Film.columns_of(found),
    )
    film.refresh_from_db()
    return film
