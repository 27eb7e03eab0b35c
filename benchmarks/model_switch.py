"""Counts failed and mixed results of searches during a model switch and rollback.

    python -m benchmarks model_switch [--threads N] [--switches N] [--seconds N] [--keep FOLDER]

Starts an installation with the demo model (two web processes, one worker), imports the demo film
and ten minutes of variations of it, and searches continuously by words, frames and pictures during
the backfill of another model, the switch and the rollback. Every result must come entirely from one
model: comparing a vector of one model with those of the other gives different hits and scores.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote_plus

from benchmarks.common import make_environment
from benchmarks.search_load import Answer, Expected, SearchLoad, expect, judge

VARIED_SECONDS = 600
VARIED_HEIGHT = 480
WORDS = ("a dog", "snow", "a cat in space", "an astronaut at night", "a red car", "狗", "船")


def main(options: Sequence[str] = ()) -> None:
    """Run the benchmark in the environment of an installation."""
    given = parse(options)
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = Path(__file__).resolve().parent.parent / "demo" / "model"
        environment = make_environment(folder.absolute(), model)
        environment |= {"API_RATE_WITHOUT_TOKEN": "", "READ_TEXT": "0", "SPEECH_MODEL": "off"}
        command = [sys.executable, "-m", "benchmarks.model_switch", *options]
        raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)


def parse(options: Sequence[str]) -> argparse.Namespace:
    """Parse the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks model_switch")
    parser.add_argument("--threads", type=int, default=6, help="concurrent searches")
    parser.add_argument("--switches", type=int, default=6, help="after the backfill")
    parser.add_argument("--seconds", type=float, default=10.0, help="between two switches")
    parser.add_argument("--keep", type=Path, help="the folder of the installation")
    return parser.parse_args(options)


def measure(given: argparse.Namespace) -> int:
    """Start the installation, switch under load, and report. Return the exit code."""
    from benchmarks.lengthen import lengthen
    from benchmarks.soak import run_installation, wait_until_up
    from benchmarks.turned_model import turned_clip

    folder = Path(os.environ["VAR_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    demo = Path(__file__).resolve().parent.parent / "demo"
    with run_installation(folder / "launcher.log") as launcher:
        wait_until_up(launcher)
        varied = folder / "varied.mp4"
        lengthen(demo / "film.mp4", varied, VARIED_SECONDS, VARIED_HEIGHT)
        manage("import_film", str(demo / "film.mp4"), str(varied), "--wait")
        other = turned_clip(demo / "model", folder / "other-model")
        questions = make_questions()
        with SearchLoad(int(os.environ["PORT"]), questions, given.threads) as load:
            time.sleep(given.seconds)
            began_at = time.monotonic()
            manage("reembed", str(other), "--wait")
            print(f"filled and switched in {time.monotonic() - began_at:.0f} s", flush=True)
            for _number in range(given.switches):
                time.sleep(given.seconds)
                began_at = time.monotonic()
                manage("reembed", "--back")
                print(f"switched back in {time.monotonic() - began_at:.1f} s", flush=True)
            time.sleep(given.seconds)
        return report(load.answers, expect_of_each_model(questions))


def manage(*arguments: str) -> None:
    """Run manage.py. Raises CalledProcessError."""
    subprocess.run([sys.executable, "manage.py", *arguments], check=True)


def make_questions() -> list[str]:
    """Return searches by words, by frames, by pictures, and by words and a frame together."""
    from PIL import Image

    from gallery.films.models import Film
    from gallery.search import pictures

    questions = [f"q={quote_plus(words)}&in=seen" for words in WORDS]
    for film in Film.objects.order_by("pk"):
        seconds = range(5, film.frame_count, max(1, film.frame_count // 4))
        questions += [f"frame={film.pk}-{second}" for second in seconds]
        for second in (12, 40):
            with Image.open(film.files.run(film.searchable_run or 0).thumbnail(second)) as picture:
                questions.append(f"picture={pictures.store_picture(picture.convert('RGB'))}")
        questions.append(f"q=snow&frame={film.pk}-30&in=seen")
    return questions


def expect_of_each_model(questions: Sequence[str]) -> dict[str, Expected]:
    """Return the results of each model by its name, computed in this process."""
    from gallery.clip import weights

    found = {}
    for model in weights.kept():
        with weights.use(model):
            found[model.name] = expect(questions)
    return found


def report(answers: Sequence[Answer], expected: dict[str, Expected]) -> int:
    """Print the figures. Return 0 if no result failed or was mixed."""
    verdict = judge(answers, expected)
    took = sorted(answer.took for answer in answers)
    p50, p95 = (took[int(share * (len(took) - 1))] for share in (0.5, 0.95))
    print(
        f"{len(answers)} searches: {p50 * 1000:.0f} ms (p50), {p95 * 1000:.0f} ms (p95), ", end=""
    )
    print(f"{took[-1] * 1000:.0f} ms at most")
    for name, number in verdict.by_model.most_common():
        print(f"  {number} answers of {name}")
    print(f"  {len(verdict.failed)} failed, {len(verdict.mixed)} mixed", flush=True)
    for answer in (*verdict.failed, *verdict.mixed)[:10]:
        print(f"  {answer}")
    return 1 if verdict.failed or verdict.mixed else 0


if __name__ == "__main__":
    import django

    django.setup()
    sys.exit(measure(parse(sys.argv[1:])))
