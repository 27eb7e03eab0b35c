"""Whether the meaning of lines, as a third ranking, finds lines that are remembered in other words.

Lines of the demo film and of the drawn film with text are embedded by the text tower of the model,
ranked by their cosine with the query, and fused with the rankings of pictures and of words. The
search is compared with and without it.

    python -m benchmarks line_meaning [--model NAME] [--keep FOLDER]
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np

from benchmarks import film, paraphrases
from benchmarks.common import run_in_installation
from benchmarks.scenes import Shot, import_missing
from benchmarks.search import redis_server
from benchmarks.text import choose_words, draw_film
from benchmarks.text_films import WrittenText

if TYPE_CHECKING:
    from gallery.films.models import Film
    from gallery.index.types import Neighbour
    from gallery.search.engine import SearchRun
    from gallery.search.fusion import Candidate
    from gallery.search.types import Mode
    from gallery.transcripts.types import FoundLine

DEMO, TEXT = "Demo", "Text"
MAX_MEANT = 200  # shots of the third ranking
EVERYTHING = 10_000  # hits of a film
FALLBACK = "with, if nothing else matches"


@dataclass(frozen=True, slots=True)
class Question:
    """A query and its right shots; `kind` is the row of the table.

    `films` are those that are searched; empty: all. `is_said`: of dialogue or subtitles.
    """

    kind: str
    words: str
    right: frozenset[Shot]
    films: tuple[int, ...] = ()
    is_said: bool = True


def main(options: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks line_meaning")
    parser.add_argument("--model", default="", help="CLIP_MODEL; the demo model if not given")
    parser.add_argument("--keep", type=Path, help="make the library in this folder, or reuse it")
    given = parser.parse_args(options)
    chosen = {"CLIP_MODEL": given.model} if given.model else {}
    run_in_installation("benchmarks.line_meaning", given.keep, READ_TEXT="0", **chosen)


def measure(folder: Path) -> None:
    """Draw, import and read the films, if they are not there, and compare."""
    from django.conf import settings
    from django.core.management import call_command

    from gallery.films.models import Film
    from gallery.search.types import Mode
    from gallery.transcripts import reading

    path, truth = draw_film(folder)
    with redis_server():
        call_command("migrate", verbosity=0)
        import_missing({DEMO: film.FILM, TEXT: path})
        demo, drawn = (Film.objects.get(title=title) for title in (DEMO, TEXT))
        settings.READ_TEXT = True
        while reading.JOB.do_next():
            pass
        meanings = Meanings((demo, drawn))
        questions = [*list_paraphrases(demo, drawn, truth), *list_known(demo, drawn, truth)]
        for mode in (Mode.SAID, Mode.BOTH):
            print_table(mode, questions, meanings)


# --- queries ------------------------------------------------------------------------------------


def list_paraphrases(
    demo: "Film", drawn: "Film", truth: Sequence[WrittenText]
) -> Iterable[Question]:
    """Yield lines in other words, with the shots in which they are said or written."""
    known = {text.text: text for text in truth}
    for language in ("ENGLISH", "CHINESE"):
        for words, line in getattr(paraphrases, language):
            if isinstance(line, int):
                right = frozenset({(demo.pk, line - 1)})
            else:
                right = find_shots(drawn, known[line])
            yield Question(f"{language.capitalize()} paraphrases", words, right)


def list_known(demo: "Film", drawn: "Film", truth: Sequence[WrittenText]) -> Iterable[Question]:
    """Yield queries in words of the lines, and for what the pictures show."""
    known, films = film.truth(), (demo.pk,)  # the other film shows the same things
    for query in known["dialogue_queries"]:
        right = frozenset({(demo.pk, query["shot"] - 1)})
        yield Question("words of the dialogue", query["text"], right, films)
    rng = np.random.default_rng(5)
    for text in truth:
        if text.kind == "subtitle":
            words, right = choose_words(text, rng), find_shots(drawn, text)
            yield Question("words of subtitles in the picture", words, right)
    for query in known["queries"]:
        right = frozenset((demo.pk, number - 1) for number in query["shots"])
        yield Question("what pictures show", query["text"], right, films, is_said=False)


def find_shots(drawn: "Film", text: WrittenText) -> frozenset[Shot]:
    """Return the shots in which a text stands."""
    shots = drawn.shots.filter(start__lt=text.end, end__gt=text.start)
    return frozenset((drawn.pk, number) for number in shots.values_list("number", flat=True))


# --- the third ranking --------------------------------------------------------------------------


class Meanings:
    """The lines of films, and what the text tower makes of them."""

    def __init__(self, films: Sequence["Film"]) -> None:
        from gallery.clip import encoder
        from gallery.films.footage import load_footage
        from gallery.transcripts import dialogue
        from gallery.transcripts.types import FoundLine

        self.lines: list[FoundLine] = []
        for one in films:
            records = load_footage(one, one.searchable_run or 0).records
            for line in dialogue._indexed_lines(one, records):
                parts = ((line.text, False),)
                self.lines.append(
                    FoundLine(
                        line.record, line.start, line.end, line.language, parts, False, line.kinds
                    )
                )
        texts = [line.text.replace("\n", " ") for line in self.lines]
        self.vectors = encoder.current().embed_texts(texts)
        cut = sum(encoder.current().is_truncated(text) for text in texts)
        print(f"{len(texts)} lines, {cut} of them longer than the model reads")

    def rank(self, question: Question, mode: "Mode") -> list["FoundLine"]:
        """Return the lines nearest to a query, best first, one for each shot."""
        from gallery.clip import encoder

        cosines = self.vectors @ encoder.current().embed_text(question.words)
        best: dict[Shot, FoundLine] = {}
        for number in np.argsort(-cosines, kind="stable"):
            line = self.lines[number]
            is_of_film = not question.films or line.record.film in question.films
            if not is_of_film or mode.line_kind not in {None, *line.kinds}:
                continue
            best.setdefault((line.record.film, line.record.shot), line)
        return list(best.values())[:MAX_MEANT]


def fuse_three(
    pictures: Sequence["Neighbour"],
    lines: Sequence["FoundLine"],
    meant: Sequence["FoundLine"],
    depth: int,
) -> list["Candidate"]:
    """Merge the rankings of pictures, of lines by their words, and of lines by their meaning."""
    from gallery.search.fusion import Candidate, fuse
    from gallery.search.ranking import fuse_rankings

    found = {(one.film, one.shot): one for one in fuse(pictures, lines, depth)}
    said = [(line.record.film, line.record.shot) for line in lines]
    head = [(one.film, one.shot) for one in pictures][:depth]
    third = {(line.record.film, line.record.shot): line for line in meant}
    rankings = (said, head) if any(line.complete for line in lines) else (head, said)
    scores = fuse_rankings(*(list(dict.fromkeys(one)) for one in rankings), list(third))
    for key, line in third.items():
        found.setdefault(key, Candidate(*line.record.key, line.record.shot, 0.0, None, line))
    rescored = [replace(one, score=scores.get(key, 0.0)) for key, one in found.items()]
    return sorted(rescored, key=lambda one: -one.score)


# --- comparison ---------------------------------------------------------------------------------


def search(question: Question, mode: "Mode", meant: Sequence["FoundLine"]) -> "SearchRun":
    """Return what a search finds; `meant` is the third ranking, if any."""
    from gallery.search import engine
    from gallery.search.types import Query

    def fuse(
        pictures: Sequence["Neighbour"], lines: Sequence["FoundLine"], depth: int
    ) -> list["Candidate"]:
        return fuse_three(pictures, lines, meant, depth)

    query = Query(words=question.words, mode=mode, films=question.films, per_film=EVERYTHING)
    with patch.object(engine, "fuse", fuse if meant else engine.fuse):
        return engine.rank_shots(query)


def find_rank(found: Iterable[Shot], question: Question) -> int | None:
    """Return the place of the first right shot, from 0."""
    return next((place for place, key in enumerate(found) if key in question.right), None)


def print_table(mode: "Mode", questions: Sequence[Question], meanings: Meanings) -> None:
    """Print how often a right shot is first, and among the first five."""
    ranks: dict[str, dict[str, list[int | None]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        if mode.line_kind is not None and not question.is_said:
            continue
        meant = meanings.rank(question, mode)
        without, fused = search(question, mode, ()), search(question, mode, meant)
        is_match = without.is_match or any(line.complete for line in without.lines)
        runs = {"without": without, "with": fused, FALLBACK: without if is_match else fused}
        row = ranks[question.kind]
        for way, run in runs.items():
            found = [(one.film, one.shot) for one in run.candidates]
            row[way].append(find_rank(found, question))
        keys = [(line.record.film, line.record.shot) for line in meant]
        row["meaning alone"].append(find_rank(keys, question))
    ways = list(next(iter(ranks.values())))
    print(f"\n| {mode}: first, among five | queries | {' | '.join(ways)} |")
    print(f"|---|---|{'---|' * len(ways)}")
    for kind, row in ranks.items():
        cells = [f"{_share(row[way], 1):.2f}, {_share(row[way], 5):.2f}" for way in ways]
        print(f"| {kind} | {len(row[ways[0]])} | {' | '.join(cells)} |", flush=True)


def _share(ranks: Sequence[int | None], count: int) -> float:
    return sum(rank is not None and rank < count for rank in ranks) / len(ranks)


if __name__ == "__main__":
    import django

    django.setup()
    measure(Path(sys.argv[1]))
