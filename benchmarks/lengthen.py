"""Lengthen a film by repeating it with variations, so that no two frames are the same."""

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.film import MAX_PIXELS
from gallery.media import ffmpeg, probing
from gallery.media.types import Picture

ZOOM = 0.8  # the fraction of width and height that the moving crop keeps
BITS_PER_PIXEL = 0.1  # of video: 1 Mbit/s at 854 x 480 and 24 frames a second
# Mean difference (of 255) below which two small pictures are nearly the same.
NEARLY_SAME = 2.0
SMALL = (32, 32)


def _variations(loop_seconds: float, rate: float, width: int, height: int) -> str:
    """Return the filters. `k` is the number of the repeat; each repeat differs.

    They differ in hue and brightness (in 13 steps, which also make black frames differ); every
    other one is mirrored; three of four are faster, which also changes the frames of a sample of
    one a second. The crop moves constantly, as in a pan, so that still pictures do not repeat.
    """
    k = f"floor(t/{loop_seconds})"
    faster = f"(1-0.06*mod(floor(T/{loop_seconds}),4))"
    return ",".join(
        [
            f"hflip=enable='mod({k},2)'",
            f"crop=w=iw*{ZOOM}:h=ih*{ZOOM}"
            f":x='(iw-ow)*(0.5+0.5*sin(t/7+{k}))':y='(ih-oh)*(0.5+0.5*cos(t/5+2*{k}))'",
            f"hue=h='137.5*{k}'",
            f"eq=brightness='0.012*mod(5*{k},13)':eval=frame",
            f"setpts='if(N,PREV_OUTPTS+(PTS-PREV_INPTS)*{faster},0)'",
            f"fps={rate}",
            f"scale={width}:{height}:flags=bicubic",
            "setsar=1",
            "format=yuv420p",
        ]
    )


def lengthen(film: Path, path: Path, seconds: float, height: int) -> None:
    """Write `seconds` of varied film to `path`: H.264 with B-frames, and noise as sound."""
    found = probing.probe(film, MAX_PIXELS, 24 * 3600)
    rate = float(found.rate)
    width = round(height * found.width / found.height / 2) * 2
    bits = round(BITS_PER_PIXEL * width * height * rate)
    subprocess.run(
        [
            *(ffmpeg.binary(), "-v", "error", "-nostdin", "-y"),
            *("-stream_loop", "-1", "-i", str(film)),
            *("-f", "lavfi", "-i", "anoisesrc=color=pink:amplitude=0.1"),
            *("-map", "0:V:0", "-map", "1:a", "-t", str(seconds)),
            *("-vf", _variations(found.duration, rate, width, height)),
            *("-c:v", "libx264", "-preset", "veryfast", "-g", "250", "-bf", "3"),
            *("-b:v", str(bits), "-maxrate", str(2 * bits), "-bufsize", str(4 * bits)),
            *("-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart", str(path)),
        ],
        check=True,
    )


def small(picture: Picture) -> NDArray[np.int16]:
    """Reduce a picture for comparison."""
    return np.asarray(picture.resize(SMALL), dtype=np.int16)


def count_twins(smalls: list[NDArray[np.int16]]) -> int:
    """Return how many pictures are nearly the same as another one."""
    rows = np.stack(smalls).reshape(len(smalls), -1)
    likenesses = ((np.abs(rows - row).mean(axis=1) < NEARLY_SAME).sum() for row in rows)
    return sum(int(alike) > 1 for alike in likenesses)  # each is like itself
