"""Small films and pictures, made with the pinned FFmpeg."""

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUIET_OPTIONS = ("-hide_banner", "-loglevel", "error", "-nostdin", "-y")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "24")
SILENT = ("-an",)


def run_ffmpeg(*arguments: str) -> bytes:
    """Run FFmpeg; fails with its error output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *QUIET_OPTIONS, *arguments]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def make_film(
    path: Path,
    *,
    seconds: float = 4,
    rate: str = "24",
    size: str = "160x90",
    picture: str = "testsrc2",
    sound: bool = False,
    filters: str = "",
    codec: Sequence[str] = H264,
    before: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Path:
    """A film of a moving test picture (every frame differs), in the container of `path`'s name.

    `picture` is a lavfi source, `filters` a chain over it; `before` goes in front of the input and
    `options` in front of the output.
    """
    source = picture if "=" in picture else f"{picture}=size={size}:rate={rate}"
    inputs = ["-f", "lavfi", "-t", str(seconds), *before, "-i", source]
    if sound:
        inputs += ["-f", "lavfi", "-t", str(seconds), "-i", "sine=frequency=440:sample_rate=44100"]
    chain = ["-vf", filters] if filters else []
    tail = ["-shortest", "-c:a", "aac"] if sound and path.suffix not in (".webm",) else []
    run_ffmpeg(*inputs, *chain, *codec, *tail, *options, str(path))
    return path


def make_scenes(
    path: Path, colours: Sequence[str], *, frames: int = 36, rate: int = 24, size: str = "160x90"
) -> Path:
    """A film of plain colours, each `frames` long: hard cuts at known frames."""
    inputs = [
        part
        for colour in colours
        for part in (
            *("-f", "lavfi", "-i"),
            f"color=c={colour}:size={size}:rate={rate}:duration={frames / rate:.6f}",
        )
    ]
    joined = "".join(f"[{number}:v]" for number in range(len(colours)))
    run_ffmpeg(
        *inputs,
        *("-filter_complex", f"{joined}concat=n={len(colours)}:v=1[v]", "-map", "[v]"),
        *(*H264, *SILENT, str(path)),
    )
    return path


def make_moving_scenes(path: Path, shots: int, *, seconds: float = 3, size: str = "160x90") -> Path:
    """A film of `shots` different moving pictures, like a real one."""
    inputs = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=12:duration={seconds}"] * shots
    tints = ("red", "white", "black", "yellow", "blue", "cyan")
    tinted = ";".join(
        f"[{number}:v]drawbox=color={tints[number % len(tints)]}@0.8:t=fill[c{number}]"
        for number in range(shots)
    )
    joined = "".join(f"[c{number}]" for number in range(shots))
    run_ffmpeg(
        *inputs,
        *("-filter_complex", f"{tinted};{joined}concat=n={shots}:v=1[v]", "-map", "[v]"),
        *(*H264, *SILENT, str(path)),
    )
    return path


def presentation_times(path: Path) -> list[Fraction]:
    """The exact time of each frame of the whole decoded film, on the film's clock.

    Read from FFmpeg's framecrc, which the product does not use for this.
    """
    text = run_ffmpeg(
        *("-copyts", "-i", str(path), "-map", "0:V:0", "-fps_mode", "passthrough"),
        # Without this, times are rounded to the film's nominal rate.
        *("-enc_time_base:v", "demux", "-f", "framecrc", "-"),
    ).decode()
    base = Fraction(1)
    times: list[Fraction] = []
    for line in text.splitlines():
        if line.startswith("#tb 0: "):
            base = Fraction(line.removeprefix("#tb 0: "))
        elif line[:1].isdigit():
            times.append(int(line.split(",")[2]) * base)
    return sorted(times)


def find_first_of_each_second(times: Sequence[Fraction]) -> list[int]:
    """Indices of the first frames at or after 0, 1, 2, ... s; a film may start at any time."""
    begun = [time - times[0] for time in times]
    chosen: list[int] = []
    for second in range(int(begun[-1]) + 1):
        index = next((i for i, time in enumerate(begun) if time >= second), None)
        if index is not None and index not in chosen:
            chosen.append(index)
    return chosen


def decode_all(path: Path, width: int, height: int) -> NDArray[np.uint8]:
    """Every decoded frame, shape (n, height, width, 3)."""
    data = run_ffmpeg(
        *("-i", str(path), "-map", "0:V:0", "-fps_mode", "passthrough"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    )
    return np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)


def noise(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    """A coloured picture of soft blobs, different for each seed."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small, "RGB").resize(size, Image.Resampling.BICUBIC)
