"""What reading text in pictures adds to an import, at two sizes.

A part of the drawn film of `text`, in which most frames show text, is imported with a ViT-B/16 of
random weights, and then read, in turns. It runs in another process with its own folder.

    python -m benchmarks reading_cost [--seconds 120] [--rounds 2]
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import text_films
from benchmarks.common import cost, load_encoder, make_environment, random_b16

HEIGHTS = (480, 1080)  # pixels
WARM_UP = 2  # seconds of film


def parse(options: Sequence[str]) -> argparse.Namespace:
    """Parse the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks reading_cost")
    parser.add_argument("--seconds", type=int, default=120, help="length of the part")
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args(options)


def main(options: Sequence[str] = ()) -> None:
    """Measure in a process with the settings of a separate installation."""
    parse(options)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = make_environment(folder / "var", folder / "model")
        command = [sys.executable, "-m", "benchmarks.reading_cost", *options]
        # Identical frames, which share a vector, would make the import too cheap.
        environment |= {"READ_TEXT": "0", "SHARE_VECTORS": "0", "CLIP_PRECISION": "bf16"}
        subprocess.run(command, env=environment, check=True)


def measure(given: argparse.Namespace) -> None:
    """Print the table."""
    from django.conf import settings

    from benchmarks.installation import import_film, running_worker
    from gallery.films.models import Film
    from gallery.media import ffmpeg
    from gallery.ocr.reader import get_reader
    from gallery.transcripts import reading

    drawn = settings.VAR_DIR / "drawn.mp4"
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    text_films.make(drawn)

    def cut(seconds: int, height: int) -> Path:
        path: Path = settings.VAR_DIR / f"{seconds}-{height}.mp4"
        scale = ["-vf", f"scale=-2:{height}", "-c:v", "libx264", "-preset", "veryfast"]
        arguments = ["-y", "-i", str(drawn), "-t", str(seconds), *scale, str(path)]
        done = ffmpeg.run(arguments, 600.0)
        assert done.status == 0, done.log_text
        return path

    def read() -> int:
        settings.READ_TEXT = True
        while reading.JOB.do_next():
            pass
        settings.READ_TEXT = False
        film = Film.objects.get()
        assert film.text_version == reading.VERSION
        return film.frame_count

    load_encoder(random_b16(Path(settings.CLIP_MODEL)))
    get_reader()
    films = {height: cut(given.seconds, height) for height in HEIGHTS}
    print("| height | round | frames | import: CPU s, s | reading: CPU s, s | CPU more |")
    print("|---|---|---|---|---|---|")
    with running_worker(cut(WARM_UP, HEIGHTS[0])) as (children, _loaded):

        def run_import(path: Path) -> int:
            return import_film(path, children).frame_count

        for number in range(given.rounds):
            for height, path in films.items():
                Film.objects.all().delete()
                imported = cost(partial(run_import, path))
                done = cost(read)
                print(
                    f"| {height} | {number + 1} | {done.frames} "
                    f"| {imported.cpu:.1f}, {imported.wall:.1f} | {done.cpu:.1f}, {done.wall:.1f} "
                    f"| {done.cpu / imported.cpu:.0%} |",
                    flush=True,
                )


if __name__ == "__main__":
    import django

    django.setup()
    measure(parse(sys.argv[1:]))
