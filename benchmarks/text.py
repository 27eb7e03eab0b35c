"""How well text in pictures is read, found and timed, on a drawn film, and what it costs.

The film is drawn and imported as an installation does; then its text is read, and words of every
text are searched for.

    python -m benchmarks text [--keep FOLDER]
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import regex

from benchmarks import text_films
from benchmarks.common import run_in_installation
from benchmarks.scenes import import_missing
from benchmarks.search import redis_server
from benchmarks.text_films import WrittenText
from benchmarks.text_scores import SAID, WRITTEN, FoundLine, describe, score

if TYPE_CHECKING:
    from gallery.films.models import Film

TITLE = "Text"
WORDS, CHARACTERS = 3, 4  # of a text that are searched for
SLACK = 1.0  # seconds that a line may be early or late


def main(options: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks text")
    parser.add_argument("--keep", type=Path, help="make the film in this folder, or reuse it")
    keep = parser.parse_args(options).keep
    run_in_installation("benchmarks.text", keep, READ_TEXT="0")


def measure(folder: Path) -> None:
    """Draw and import the film, if it is not there, read its text and search for it."""
    from django.conf import settings
    from django.core.management import call_command

    from gallery.films.models import Film
    from gallery.transcripts import reading

    path, truth = draw_film(folder)
    with redis_server():
        call_command("migrate", verbosity=0)
        import_missing({TITLE: path})
        film = Film.objects.get(title=TITLE)
        Film.objects.filter(pk=film.pk).update(text_run=None)
        settings.READ_TEXT = True
        began, cpu = time.monotonic(), time.process_time()
        while reading.JOB.do_next():
            pass
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
        print("\n".join(describe(score(list_found(film), truth))))
        each = 1000 * cpu / film.frame_count
        print(f"\n{film.frame_count} frames, {each:.0f} ms of CPU time each, {wall:.0f} s in all")
        print_searches(truth)


def draw_film(folder: Path) -> tuple[Path, list[WrittenText]]:
    """Draw the film into a folder, if it is not there. Return its file and its texts."""
    path, known = folder / "text.mp4", folder / "truth.json"
    if not known.exists():
        found = [asdict(text) for text in text_films.make(path)]
        known.write_text(json.dumps(found, ensure_ascii=False))
    return path, [WrittenText(**text) for text in json.loads(known.read_text())]


def list_found(film: "Film") -> list[FoundLine]:
    """Return the lines that were read."""
    from gallery.transcripts.models import Line, Subtitles

    sources = {Subtitles.Source.BURNED: SAID, Subtitles.Source.SCENE: WRITTEN}
    lines = Line.objects.filter(subtitles__film=film, subtitles__source__in=sources)
    return [
        FoundLine(line.text, line.start, line.end, sources[Subtitles.Source(line.subtitles.source)])
        for line in lines.select_related("subtitles")
    ]


# --- searches -------------------------------------------------------------------------------------


def print_searches(truth: Sequence[WrittenText]) -> None:
    """Print how often words of a text find it first."""
    from gallery.transcripts import dialogue
    from gallery.transcripts.types import LineKind

    print("\n| language | searches | the right time first |\n|---|---|---|")
    for language in ("en", "zh-Hans"):
        rng = np.random.default_rng(5)
        texts = [t for t in truth if t.language == language and t.kind != text_films.BODY]
        right = 0
        for text in texts:
            found = dialogue.find(choose_words(text, rng), None, 1, kind=LineKind.WRITTEN)
            right += any(
                line.start <= text.end + SLACK and line.end >= text.start - SLACK for line in found
            )
        print(f"| {language} | {len(texts)} | {right / len(texts):.3f} |", flush=True)


def choose_words(text: WrittenText, rng: np.random.Generator) -> str:
    """Return some words, or Chinese characters, that follow each other in a text."""
    if text.language != "en":
        runs = regex.findall(r"\p{Han}+", text.text)
        longest = max(runs, key=len)
        first = int(rng.integers(max(1, len(longest) - CHARACTERS + 1)))
        return str(longest[first : first + CHARACTERS])
    words = regex.findall(r"[\p{L}\p{N}'’]+", text.text)
    first = int(rng.integers(max(1, len(words) - WORDS + 1)))
    return " ".join(words[first : first + WORDS])


if __name__ == "__main__":
    import django

    django.setup()
    measure(Path(sys.argv[1]))
