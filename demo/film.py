"""Draw the demo film: ``python -m demo.film [--out DIR]``. Check it: ``--check``.

Writes ``film.mp4``, ``film.en.srt``, ``film.zh.srt`` and ``ground_truth.json``. The same script
gives the same bytes with the same FFmpeg, Pillow and font.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from demo.film_drawing import draw_shot
from demo.film_script import SHOTS
from demo.film_shots import HEIGHT, RATE, TITLE, WIDTH
from demo.film_sound import soundtrack, write_wave
from demo.film_truth import cut_times, duration, ground_truth, subtitles

HERE = Path(__file__).resolve().parent
QUALITY = 24  # x264's constant rate factor; lower is better and larger
THREADS = 2  # fixed, because the output of x264 depends on it


def ffmpeg() -> str:
    """Return the path of imageio-ffmpeg's FFmpeg, a known version."""
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _arguments(sound: Path, film: Path) -> list[str]:
    # Slightly early, so that rounding never moves a key frame past the cut.
    keys = ",".join(f"{cut - 0.005:.6f}" for cut in cut_times())
    return [
        *(ffmpeg(), "-hide_banner", "-loglevel", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE)),
        *("-i", "pipe:0", "-i", str(sound)),
        *("-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
        *("-c:v", "libx264", "-profile:v", "high", "-preset", "slow", "-crf", str(QUALITY)),
        *("-threads", str(THREADS), "-g", str(2 * RATE), "-sc_threshold", "0"),
        *("-force_key_frames", keys),
        *("-c:a", "aac", "-b:a", "96k", "-ac", "1"),
        *("-map_metadata", "-1", "-metadata", f"title={TITLE['en']}"),
        *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"),
        *("-movflags", "+faststart", "-f", "mp4", str(film)),
    ]


def make_film(film: Path) -> None:
    """Draw all frames, make the sound, and encode both to ``film``."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        write_wave(sound, soundtrack(duration(), cut_times()))
        part = Path(folder) / "film.mp4"
        with subprocess.Popen(_arguments(sound, part), stdin=subprocess.PIPE) as encoder:
            if encoder.stdin is None:
                raise RuntimeError("FFmpeg has no input")
            for number, shot in enumerate(SHOTS, 1):
                for picture in draw_shot(shot):
                    encoder.stdin.write(picture.tobytes())
                print(f"shot {number} of {len(SHOTS)}: {shot.en}", flush=True)
            encoder.stdin.close()
            if encoder.wait() != 0:
                raise RuntimeError(f"FFmpeg ended with {encoder.returncode}")
        shutil.move(part, film)


def texts() -> dict[str, str]:
    """Return the text files that accompany the film, by name."""
    truth = json.dumps(ground_truth(), ensure_ascii=False, indent=1) + "\n"
    return {
        "film.en.srt": subtitles("en"),
        "film.zh.srt": subtitles("zh"),
        "ground_truth.json": truth,
    }


def main() -> None:
    """Draw the film, or check an existing one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the film")
    parser.add_argument("--check", action="store_true", help="check the film in the folder")
    given = parser.parse_args()
    if given.check:
        from demo.film_check import report

        sys.exit(report(given.out))
    given.out.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (given.out / name).write_text(text, encoding="utf-8")
    make_film(given.out / "film.mp4")


if __name__ == "__main__":
    main()
