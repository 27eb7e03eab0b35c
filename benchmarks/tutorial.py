"""From a file to a searchable film: the beginner's tutorial against this product.

Both embed with a ViT-B/16 with random weights, as fast as the real one, which is loaded before the
measurement. It runs in another process with its own folder.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common import make_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("film", type=Path, metavar="FILM")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="for both ways")
    parser.add_argument("--seconds", type=float, default=240.0, help="length to vary FILM to")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--height", type=int, choices=(480, 1080), default=480)


def main(chosen: argparse.Namespace) -> None:
    """Measure in a process with the settings of a separate installation."""
    if not chosen.film.is_file():
        raise SystemExit(f"There is no file {chosen.film}.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = make_environment(folder / "var", folder / "model")
        if chosen.device == "cpu":
            environment |= {"CUDA_VISIBLE_DEVICES": "", "CLIP_DEVICE": "cpu"}
        command = [sys.executable, "-m", "benchmarks.tutorial", *sys.argv[2:]]
        raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    import django

    django.setup()
    from benchmarks import comparison

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    comparison.measure(**vars(parser.parse_args()))
