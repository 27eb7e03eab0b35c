"""Searches from several threads, and checks that no result mixes two models."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

PAGE_SIZE = 10
TIMEOUT = 60.0  # seconds for one answer
# Scores of one model differ less than this between processes; those of two models differ more.
SCORE_TOLERANCE = 0.004

Found = tuple[int, int, float]
"""A hit: film, second, score."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a search: its hits, or an error; how long it took, in seconds."""

    question: str
    hits: tuple[Found, ...] = ()
    error: str = ""
    took: float = 0.0


class SearchLoad:
    """Queries the API of a web server from several threads, without pauses, until stopped.

    `questions` are query strings of searches.
    """

    def __init__(self, port: int, questions: Sequence[str], threads: int) -> None:
        self.answers: list[Answer] = []
        self._port = port
        self._questions = questions
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask_all, args=(number,), daemon=True)
            for number in range(threads)
        ]

    def __enter__(self) -> "SearchLoad":
        """Start searching."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop, and wait for the last responses."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT)

    def _ask_all(self, first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        for number in count(first):
            if self._stopped.is_set():
                return
            question = self._questions[number % len(self._questions)]
            self.answers.append(_ask(connection, question))


def _ask(connection: http.client.HTTPConnection, question: str) -> Answer:
    began_at = time.monotonic()
    try:
        connection.request("GET", f"/api/v1/search?{question}&page_size={PAGE_SIZE}")
        response = connection.getresponse()
        body = response.read()
        took = time.monotonic() - began_at
        if response.status != http.HTTPStatus.OK:
            return Answer(question, error=f"{response.status}: {body[:200]!r}", took=took)
        hits = tuple(
            (one["film"]["id"], one["frame"]["second"], one["score"])
            for one in json.loads(body)["results"]
        )
        return Answer(question, hits, took=took)
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        connection.close()
        return Answer(question, error=repr(error), took=time.monotonic() - began_at)


# --- expected results -----------------------------------------------------------------------------

Expected = Mapping[str, tuple[Found, ...]]
"""The hits of each question."""


def expect(questions: Iterable[str]) -> Expected:
    """Return the results of searches in this process with the active model."""
    from django.http import QueryDict

    from gallery.search import engine
    from gallery.search.address import parse_query

    found = {}
    for question in questions:
        query = replace(parse_query(QueryDict(question)), page_size=PAGE_SIZE)
        hits = engine.search(query).hits
        found[question] = tuple((hit.film, hit.second, hit.score) for hit in hits)
    return found


def fits(hits: Sequence[Found], expected: Sequence[Found]) -> bool:
    """Return whether hits match, except for rounding and the order of ties."""
    if len(hits) != len(expected):
        return False
    scores = {(film, second): score for film, second, score in expected}
    last = min(scores.values(), default=0.0)
    return all(
        abs(score - scores.get((film, second), last)) < SCORE_TOLERANCE
        for film, second, score in hits
    )


@dataclass
class Verdict:
    """How many results came from each model, and those that failed or match no model."""

    by_model: Counter[str] = field(default_factory=Counter)
    failed: list[Answer] = field(default_factory=list)
    mixed: list[Answer] = field(default_factory=list)


def judge(answers: Iterable[Answer], expected: Mapping[str, Expected]) -> Verdict:
    """Compare results with the expected ones of each model, by name."""
    verdict = Verdict()
    for answer in answers:
        if answer.error:
            verdict.failed.append(answer)
            continue
        fitting = [
            name for name, hits in expected.items() if fits(answer.hits, hits[answer.question])
        ]
        if fitting:
            verdict.by_model[" or ".join(fitting)] += 1
        else:
            verdict.mixed.append(answer)
    return verdict
