"""Lines of dialogue in Redis: one hash a line, and a full-text index over them.

Keys, below a prefix of their own, for what is said does not depend on the model:

    PREFIX:line:FILM:SUBTITLES:NUMBER   hash: film, group (its language), words and stems (its
                                        terms), line (itself and its frame, as JSON: hundreds are
                                        read for a query, and most of the time goes into reading)
    PREFIX:film:FILM                    hash: how many lines each subtitles have here; what of
    PREFIX:films                        set: the films that have such a hash
    PREFIX:version                      another value after each change
    PREFIX:SCHEMA:lines                 search index over the hashes
    PREFIX:lines                        alias: the index that answers

RediSearch gets the terms that `gallery.transcripts.words` made, and makes none itself: one query
looks through the lines of all languages, while RediSearch stems a query in one language only. Marks
on the page come from the same terms. Values are parameters of dialect 2, never text of a query.
"""

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.commands.search.field import TagField, TextField
from redis.commands.search.index_definition import IndexDefinition, IndexType

from gallery.core.errors import IndexMissing
from gallery.index.server import (
    NO_FILM,
    ask_complete_index,
    fail_on_timeout,
    film_ids,
    index_info,
    mark_change,
    parse_fields,
    plain,
    translate_redis_errors,
)
from gallery.index.types import FrameRecord
from gallery.media.types import FrameKind
from gallery.transcripts import words
from gallery.transcripts.languages import base

FIELD_TYPES = {
    "film": ("TAG", 0),
    "group": ("TAG", 0),
    "words": ("TEXT", 0),
    "stems": ("TEXT", 0),
}
SCHEMA = "v1"  # raise it when the fields change: all lines are then written anew
PIPELINE = 500  # hashes sent in one go
QUERY_TIMEOUT = 5000  # milliseconds
SCAN_PATIENCE = 2.0  # seconds that a new index may take without being told of
SCORER = "BM25"
STATE = "state"  # a field of a film's note, beside the numbers of its subtitles


@dataclass(frozen=True, slots=True)
class HeardLine:
    """A line of a film, said from `start` up to `end` (seconds), and the frame it is heard over."""

    subtitles: int
    number: int
    language: str
    start: float
    end: float
    text: str
    record: FrameRecord


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line that was found, and how well RediSearch thinks of it."""

    line: HeardLine
    score: float


class Expression:
    """A query and its parameters. Only fixed words of the syntax get into the text."""

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}

    def value(self, value: str) -> str:
        """The name under which a value is known in the query."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"

    def tag(self, field: str, values: Iterable[object]) -> str:
        """Lines whose field is one of these values."""
        return f"@{field}:{{{'|'.join(self.value(str(value)) for value in values)}}}"

    def phrase(self, forms: Sequence[str]) -> str:
        """Lines that hold these terms side by side."""
        inside = " ".join(self.value(form) for form in forms)
        if len(forms) == 1:
            return f"@words:({inside})"
        return f"((@words:({inside}))=>{{$slop: 0; $inorder: true;}})"

    def stems(self, stems: Iterable[str]) -> str:
        """Lines that hold a word with one of these stems."""
        return f"@stems:({'|'.join(self.value(stem) for stem in stems)})"

    def nearly(self, form: str, wrong: int) -> str:
        """Lines that hold a word that differs from this one by so many letters (1 or 2)."""
        fence = "%" * wrong
        return f"@words:({fence}{self.value(form)}{fence})"


Question = tuple[str, Expression]
"""The text of a query, and its parameters."""


class LineIndex:
    """The lines of all films in Redis. Every method raises IndexUnavailable when it cannot."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.client = client
        self.prefix = prefix
        self.alias = f"{prefix}:lines"
        self.name = f"{prefix}:{SCHEMA}:lines"
        self.version_key = f"{prefix}:version"
        self._films_key = f"{prefix}:films"

    def _film_key(self, film: int) -> str:
        return f"{self.prefix}:film:{film}"

    def _line_keys(self, film: int, subtitles: int, numbers: Iterable[int]) -> list[str]:
        return [f"{self.prefix}:line:{film}:{subtitles}:{number}" for number in numbers]

    # --- the index itself -------------------------------------------------------------------

    def ensure(self) -> None:
        """Make sure that there is an index to search, and that time-outs are errors."""
        with translate_redis_errors():
            fail_on_timeout(self.client)
            info = index_info(self.client, self.alias)
            answers = plain(info["index_name"]) if info else ""
            if info is not None and answers == self.name:
                if parse_fields(info) == FIELD_TYPES:
                    return
                self.client.ft(answers).dropindex()
                answers = ""
            if index_info(self.client, self.name) is None:
                self._create()
                self._wait_for_scan()
            self.client.ft(self.name).aliasupdate(self.alias)
            if answers:
                # Made by an earlier version, with other fields.
                self.client.ft(answers).dropindex()

    def _create(self) -> None:
        fields = [
            TagField("film"),
            TagField("group"),
            TextField("words", no_stem=True),
            TextField("stems", no_stem=True),
        ]
        definition = IndexDefinition(prefix=[f"{self.prefix}:line:"], index_type=IndexType.HASH)
        try:
            self.client.ft(self.name).create_index(fields, definition=definition, stopwords=[])
        except redis.ResponseError as error:
            # Another process was quicker.
            if "already exists" not in str(error).lower():
                raise

    def _wait_for_scan(self) -> None:
        """A new index looks for hashes that are there: with few of them, this is soon over."""
        end = time.monotonic() + SCAN_PATIENCE
        while time.monotonic() < end:
            info = index_info(self.client, self.name)
            if info is None or float(info.get("percent_indexed", 1)) >= 1:
                return
            time.sleep(0.01)

    # --- lines ------------------------------------------------------------------------------

    def put(self, film: int, lines: Sequence[HeardLine], state: str) -> None:
        """Make these the lines of `film`; others that it had go.

        `state` says what they were made of: see `states`. It is only noted once all is written.
        """
        self.ensure()
        counts: dict[int, int] = {}
        for line in lines:
            counts[line.subtitles] = max(counts.get(line.subtitles, 0), line.number + 1)
        with translate_redis_errors():
            before = self._counts(film)
            # First the note that there are hashes, then the hashes: a crash leaves no orphan.
            note = {key: max(counts.get(key, 0), before.get(key, 0)) for key in {*counts, *before}}
            pipe = self.client.pipeline(transaction=True)
            pipe.sadd(self._films_key, film)
            pipe.hdel(self._film_key(film), STATE)
            if note:
                pipe.hset(self._film_key(film), mapping=_as_fields(note))
            pipe.execute()
            for at in range(0, len(lines), PIPELINE):
                pipe = self.client.pipeline(transaction=False)
                for line in lines[at : at + PIPELINE]:
                    (key,) = self._line_keys(film, line.subtitles, [line.number])
                    pipe.hset(key, mapping=_fields_of(line))
                pipe.execute()
            kept = {(line.subtitles, line.number) for line in lines}
            pipe = self.client.pipeline(transaction=True)
            for subtitles, count in before.items():
                gone = [n for n in range(count) if (subtitles, n) not in kept]
                _delete(pipe, self._line_keys(film, subtitles, gone))
            pipe.delete(self._film_key(film))
            pipe.hset(self._film_key(film), mapping={STATE: state, **_as_fields(counts)})
            mark_change(pipe, self.version_key)
            pipe.execute()

    def drop(self, film: int) -> None:
        """Take a film's lines out of the index."""
        with translate_redis_errors():
            pipe = self.client.pipeline(transaction=True)
            for subtitles, count in self._counts(film).items():
                _delete(pipe, self._line_keys(film, subtitles, range(count)))
            pipe.delete(self._film_key(film))
            pipe.srem(self._films_key, film)
            mark_change(pipe, self.version_key)
            pipe.execute()

    def _counts(self, film: int) -> dict[int, int]:
        """How many lines each subtitles of a film have here, at the most."""
        note: Any = self.client.hgetall(self._film_key(film))
        return {int(key): int(value) for key, value in note.items() if key != STATE.encode()}

    def state(self, film: int) -> str:
        """What the lines of a film here were made of: see `states`."""
        with translate_redis_errors():
            return plain(self.client.hget(self._film_key(film), STATE) or b"")

    def states(self) -> dict[int, str]:
        """What the lines of each film here were made of; "" where they are not all written."""
        with translate_redis_errors():
            films = sorted(film_ids(self.client, self._films_key, f"{self.prefix}:film:*"))
            pipe = self.client.pipeline(transaction=False)
            for film in films:
                pipe.hget(self._film_key(film), STATE)
            found = pipe.execute()
        return {film: plain(state or b"") for film, state in zip(films, found, strict=True)}

    def lines(self) -> int:
        """How many lines are here."""
        with translate_redis_errors():
            info = index_info(self.client, self.alias)
        if info is None:
            raise IndexMissing
        return int(info["num_docs"])

    def count(self, film: int) -> int:
        """How many lines of a film are here."""
        expression = Expression()
        return self.totals([(expression.tag("film", [film]), expression)])[0]

    # --- asking -----------------------------------------------------------------------------

    def groups(self) -> list[str]:
        """The languages that lines here are in, without script and region.

        Raises IndexWarmingUp while the index is rebuilt after a restart, IndexMissing when it is
        not there.
        """
        with translate_redis_errors():
            [found] = ask_complete_index(
                self.client, self.alias, ("FT.TAGVALS", self.alias, "group")
            )
        return sorted(plain(tag) for tag in found)

    def totals(self, questions: Sequence[Question]) -> list[int]:
        """How many lines each question fits, in one round trip."""
        return [int(reply[0]) for reply in self._search(questions, "NOCONTENT", "LIMIT", 0, 0)]

    def ask(self, questions: Sequence[Question], count: int) -> list[list[FoundLine]]:
        """The `count` lines that fit each question best, best first, in one round trip."""
        options = ("WITHSCORES", "RETURN", 1, "line", "SCORER", SCORER, "LIMIT", 0, count)
        # A reply holds the total, then the key, the score and the fields of each line.
        return [
            [
                FoundLine(_unpacked(fields[1]), float(score))
                for score, fields in zip(reply[2::3], reply[3::3], strict=True)
                if fields
            ]
            for reply in self._search(questions, *options)
        ]

    def _search(self, questions: Sequence[Question], *options: str | int) -> list[Any]:
        """The raw replies to questions."""
        commands: list[list[str | int]] = []
        for text, expression in questions:
            named = [part for pair in expression.parameters.items() for part in pair]
            command = ["FT.SEARCH", self.alias, text, *options, "TIMEOUT", QUERY_TIMEOUT]
            commands.append([*command, "PARAMS", len(named), *named, "DIALECT", 2])
        with translate_redis_errors():
            return ask_complete_index(self.client, self.alias, *commands)


def in_films(expression: Expression, films: Collection[int] | None) -> str:
    """The condition that lines are of these films (None: of any); to be put before others."""
    if films is None:
        return ""
    return expression.tag("film", films or [NO_FILM]) + " "


def _as_fields(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(key): value for key, value in counts.items()}


def _delete(pipe: Any, keys: Sequence[str]) -> None:
    if keys:
        pipe.delete(*keys)


def _fields_of(line: HeardLine) -> dict[str, str]:
    terms = words.terms(line.text)
    stems = (words.stem(t.form, line.language) for t in terms if not t.character)
    return {
        "film": str(line.record.film),
        "group": base(line.language),
        "words": " ".join(term.form for term in terms),
        "stems": " ".join(stems),
        "line": _packed(line),
    }


def _packed(line: HeardLine) -> str:
    at = line.record
    frame = [at.film, at.second, at.time, at.shot, at.start, at.end, at.look]
    own = [line.subtitles, line.number, line.language, line.start, line.end, line.text]
    return json.dumps([*own, frame], ensure_ascii=False, separators=(",", ":"))


def _unpacked(packed: bytes) -> HeardLine:
    subtitles, number, language, start, end, text, frame = json.loads(packed)
    film, second, shown, shot, shot_start, shot_end, look = frame
    record = FrameRecord(film, second, shown, shot, shot_start, shot_end, FrameKind(look))
    return HeardLine(subtitles, number, language, start, end, text, record)
