"""How well scenes are found in eight drawn films, in both languages, with the demo model.

Two tables: how often a script's lines get the right shot, and how often what a search calls a match
is one. The films are drawn once and imported as an installation does.

    python -m benchmarks scenes [--keep FOLDER]
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from benchmarks import film, shot_films
from benchmarks.common import run_in_installation
from benchmarks.search import ROOT, redis_server, stopping

SEEDS = range(301, 308)
SHOTS = 24  # in each of these films; the demo film is the eighth
LINES = 20  # of a script
SCRIPTS = 5
ABSENT_WORDS = 60  # of things that no film shows
LANGUAGES = ("en", "zh")

Shot = tuple[int, int]
"""The id of a film, and the number of a shot."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A shot of a film (its title), what it shows, and a time in its middle (seconds)."""

    film: str
    time: float
    things: frozenset[str]
    ground: str


@dataclass(slots=True)
class Tally:
    """Counts of hits that are called matches, and of shots that should be."""

    right: int = 0
    called: int = 0
    wanted: int = 0
    queries: int = 0
    first: int = 0

    def add(self, called: set[Shot], wanted: set[Shot], first: Shot | None) -> None:
        """Count one query."""
        self.right += len(called & wanted)
        self.called += len(called)
        self.wanted += len(wanted)
        self.queries += 1
        self.first += first in wanted

    def row(self, name: str) -> str:
        """Format a row of the table."""
        precision = f"{self.right / self.called:.3f}" if self.called else "-"
        recall = f"{self.right / self.wanted:.3f}" if self.wanted else "-"
        first = f"{self.first / self.queries:.3f}" if self.wanted else "-"
        return f"| {name} | {self.queries} | {first} | {precision} | {recall} |"


def main(options: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scenes")
    parser.add_argument("--keep", type=Path, help="make the library in this folder, or reuse it")
    run_in_installation("benchmarks.scenes", parser.parse_args(options).keep)


def measure(folder: Path) -> None:
    """Draw and import the films, if they are not there, and measure."""
    with redis_server():
        truths = [*import_films(folder), *demo_truths()]
        shots = find_shots(truths)
        print_scripts(truths, shots)
        print_matches(truths, shots)


# --- the films ------------------------------------------------------------------------------------


def import_films(folder: Path) -> Iterator[Truth]:
    """Draw and import what is missing, and yield what the drawn films show."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    paths = {f"Film {seed}": folder / f"{seed}.mp4" for seed in SEEDS}
    for seed, path in zip(SEEDS, paths.values(), strict=True):
        if not path.exists():
            shot_films.make(seed, path.with_suffix(".part.mp4"), SHOTS)
            path.with_suffix(".part.mp4").rename(path)
    import_missing({"Demo": film.FILM, **paths})
    for seed in SEEDS:
        yield from drawn_truths(seed)


def import_missing(films: Mapping[str, Path]) -> None:
    """Import films, by title, that the installation does not have."""
    from django.core.management import call_command

    from gallery.films.models import Film
    from imgsearch.local.__main__ import worker_command
    from imgsearch.local.installation import read_installation

    missing = dict(films)
    for title in Film.objects.filter(state=Film.State.READY).values_list("title", flat=True):
        missing.pop(title, None)
    if missing:
        here = read_installation()
        worker = subprocess.Popen(
            worker_command(here), env=here.environment(), cwd=ROOT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with stopping(worker):
            for title, path in missing.items():
                call_command("import_film", str(path), title=title, wait=True)


def drawn_truths(seed: int) -> Iterator[Truth]:
    """Yield what the shots of a drawn film show."""
    frame = 0
    for scene in shot_films.write_script(seed, SHOTS):
        middle = (frame + scene.shot.frames / 2) / shot_films.RATE
        frame += scene.shot.frames + scene.length
        things = frozenset(actor.concept for actor in scene.shot.actors)
        yield Truth(f"Film {seed}", middle, things, scene.shot.background)


def demo_truths() -> Iterator[Truth]:
    """Yield what the shots of the demo film show."""
    text = (film.DEMO / "ground_truth.json").read_text(encoding="utf-8")
    for shot in json.loads(text)["shots"]:
        things = frozenset(thing["slug"] for thing in shot["things"])
        yield Truth("Demo", (shot["start"] + shot["end"]) / 2, things, shot["background"])


def find_shots(truths: Sequence[Truth]) -> list[Shot]:
    """Return the film (id) and the number of the shot that holds the middle of each drawn shot."""
    from gallery.films.models import Shot as StoredShot

    found = []
    for truth in truths:
        shot = StoredShot.objects.filter(film__title=truth.film, start__lte=truth.time).last()
        assert shot is not None
        found.append((shot.film_id, shot.number))
    return found


# --- scripts --------------------------------------------------------------------------------------


def print_scripts(truths: Sequence[Truth], shots: Sequence[Shot]) -> None:
    """Print how often the right shot is chosen for a line, and is among its first five."""
    from django.contrib.auth import get_user_model

    from gallery.boards.owners import Visitor
    from gallery.storyboards import service
    from gallery.storyboards.candidates import chosen_candidate, load_candidates
    from gallery.storyboards.types import ScriptLine

    user, _made = get_user_model().objects.get_or_create(username="benchmark")
    print(f"\n{SCRIPTS} scripts of {LINES} lines, each a description of one shot\n")
    print("| language | chosen first | among the first five |\n|---|---|---|")
    for language in LANGUAGES:
        rng = np.random.default_rng(7)
        first = five = 0
        for _script in range(SCRIPTS):
            lines = sample_lines(truths, rng)
            texts = [describe(truths[n], language, rng) for n in lines]
            storyboard = service.create_storyboard(
                Visitor(user=user.pk), [ScriptLine(text) for text in texts]
            )
            service.search_pending(storyboard)
            for number, row in zip(lines, storyboard.rows.all(), strict=True):
                chosen = chosen_candidate(row)
                first += chosen is not None and chosen.key == shots[number]
                five += shots[number] in [one.key for one in load_candidates(row)[:5]]
            storyboard.delete()
        count = SCRIPTS * LINES
        print(f"| {language} | {first / count:.3f} | {five / count:.3f} |", flush=True)


def describe(truth: Truth, language: str, rng: Generator) -> str:
    """Return a line of a script: a description of a shot in words drawn with `rng`."""
    from demo.captions import compose

    return compose(sorted(truth.things), truth.ground, language, rng).text


def sample_lines(truths: Sequence[Truth], rng: Generator) -> list[int]:
    """Return shots for a script whose descriptions fit no other shot."""
    seen = [truth.things | {"@" + truth.ground} for truth in truths]
    unique = [
        number
        for number, facts in enumerate(seen)
        if truths[number].things and sum(facts <= other for other in seen) == 1
    ]
    return [int(number) for number in rng.choice(unique, LINES, replace=False)]


# --- matches --------------------------------------------------------------------------------------


def print_matches(truths: Sequence[Truth], shots: Sequence[Shot]) -> None:
    """Print precision and recall of what searches call a match, by film and language."""
    from demo.concepts import CONCEPTS
    from gallery.films.models import Film

    shown = frozenset().union(*(truth.things for truth in truths))
    absent = [known for known in CONCEPTS if known.slug not in shown]
    rng = np.random.default_rng(3)
    none = [absent[int(n)] for n in rng.choice(len(absent), ABSENT_WORDS, replace=False)]
    print("\nWords for one thing; a match is right if its shot shows the thing\n")
    print(
        "| films, language | searches | first right | precision | recall |\n|---|---|---|---|---|"
    )
    films = dict(Film.objects.values_list("title", "pk"))
    groups = {"the demo film": ["Demo"], "seven drawn films": [f"Film {n}" for n in SEEDS]}
    groups |= {"all films": [title for titles in groups.values() for title in titles]}
    for name, titles in groups.items():
        for language in LANGUAGES:
            tally, wrong = Tally(), 0
            things = sorted({t for truth in truths if truth.film in titles for t in truth.things})
            for slug in things:
                wanted = {
                    shots[n]
                    for n, truth in enumerate(truths)
                    if truth.film in titles and slug in truth.things
                }
                called, best = search_for(slug, language, [films[title] for title in titles])
                tally.add(called, wanted, best)
            for known in none:
                wrong += bool(search_for(known.slug, language, [films[t] for t in titles])[0])
            print(tally.row(f"{name}, {language}"), end="")
            print(f" {wrong} of {len(none)} words for what is not there have a match", flush=True)


def search_for(slug: str, language: str, films: Sequence[int]) -> tuple[set[Shot], Shot | None]:
    """Search for a thing; return the shots that are called matches, and the first shot."""
    from demo.concepts import concept
    from gallery.search import engine
    from gallery.search.types import Mode, Query

    known = concept(slug)
    words = known.en[0] if language == "en" else known.zh[0]
    query = Query(words=words, mode=Mode.SEEN, films=tuple(films), page_size=100, per_film=100)
    results = engine.search(query)
    called = {(hit.film, hit.shot) for hit in results.hits if hit.matches and results.matches}
    first = results.hits[0] if results.hits else None
    return called, (first.film, first.shot) if first else None


if __name__ == "__main__":
    import django

    django.setup()
    measure(Path(sys.argv[1]))
