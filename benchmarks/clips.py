"""How soon a scene plays: from the request to the first fragment, which a browser can show.

The film is the start of the demo film at 1920 x 1080 with grain, as from a camera. A scene begins
at a cut, where encoders put key frames, or anywhere. Where key frames are 250 pictures apart, all
pictures since the last one have to be decoded first. tests/browser/test_browser_scenes.py checks
that a browser shows the fragment at once.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.film import FILM, MAX_PIXELS, truth
from gallery.media import cutting, ffmpeg, probing
from gallery.media.cutting import ClipSpan

SECONDS = 20  # of film
GRAIN = "scale=1920:1080:flags=bicubic,noise=alls=7:allf=t,format=yuv420p"
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "250")
CODECS = {
    "H.264": (*H264, "-b:v", "10M", "-maxrate", "15M", "-bufsize", "20M"),
    "H.264, few key frames": (
        *(*H264, "-sc_threshold", "0"),
        *("-b:v", "10M", "-maxrate", "15M", "-bufsize", "20M"),
    ),
    "H.264, all its grain": (*H264, "-crf", "20"),
    "HEVC": (
        *("-c:v", "libx265", "-preset", "ultrafast", "-b:v", "8M"),
        *("-x265-params", "log-level=error:keyint=250"),
    ),
    "MPEG-2": (
        *("-c:v", "mpeg2video", "-b:v", "18M", "-maxrate", "25M"),
        *("-bufsize", "20M", "-bf", "2"),
    ),
}
SCENE = 5  # seconds
ANYWHERE = (3.1, 5.7, 8.2, 10.3)  # starts of scenes in seconds that are not at a cut


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from the request to the first fragment, and to the end of the clip."""

    first: float
    whole: float


def make(path: Path, codec: tuple[str, ...]) -> None:
    """Write the film in a codec."""
    subprocess.run(
        [
            *(ffmpeg.binary(), "-v", "error", "-nostdin", "-y"),
            *("-i", str(FILM), "-t", str(SECONDS)),
            *("-vf", GRAIN, *codec, "-c:a", "ac3", "-ac", "2", str(path)),
        ],
        check=True,
    )


def play(cut: ClipSpan) -> Times:
    """Render a clip as the product does, and measure the time."""
    started_at = time.perf_counter()
    got, first = b"", 0.0
    with tempfile.TemporaryFile() as said:
        process = ffmpeg.start(cutting.playback_arguments(cut), said)
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 1 << 16):
            got = got[-16:] + data if first else got + data
            # The first fragment is complete when the second one begins.
            if not first and got.count(b"moof") > 1:
                first = time.perf_counter() - started_at
        process.wait()
    whole = time.perf_counter() - started_at
    return Times(first or whole, whole)


def cut_at(path: Path, start: float, seconds: float) -> ClipSpan:
    """Return a scene of a film."""
    found = probing.probe(path, MAX_PIXELS, 3600)
    clock = cutting.Clock.of(found)
    return ClipSpan(
        path, found, clock.frame_from(start), clock.frame_from(start + seconds), MAX_PIXELS
    )


def slowest(path: Path, places: Sequence[float]) -> str:
    """Format the times of the scene that took longest to start."""
    found = max((play(cut_at(path, at, SCENE)) for at in places), key=lambda times: times.first)
    return f"{found.first:6.2f} ({found.whole:5.1f})"


def main() -> None:
    """Print the times for each codec."""
    cuts = [shot["start"] for shot in truth()["shots"] if 2 < shot["start"] < 11]
    print(f"seconds to the first fragment (and to the end) of {SCENE} s, the slowest of several\n")
    print(f"{'1080p':22} {'Mbit/s':>7}  {'at a cut':>14}  {'anywhere':>14}")
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in CODECS.items():
            path = Path(folder) / "film.mkv"
            make(path, codec)
            rate = path.stat().st_size * 8 / SECONDS / 1e6
            times = "  ".join(slowest(path, places) for places in (cuts, ANYWHERE))
            print(f"{name:22} {rate:7.1f}  {times}", flush=True)
