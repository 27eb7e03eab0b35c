"""Lines of dialogue in Redis: one hash per line, and a full-text index over them.

Keys have a prefix of their own, because dialogue does not depend on the model. Those of a film
carry it as their hash tag, so that they lie on one server of a Redis Cluster:

    PREFIX:{FILM}:SUBTITLES:NUMBER      hash: film, group (its language), kinds, words and stems
                                        (its tokens), line (the line and its frame, as JSON: a query
                                        reads hundreds, which takes most of the time)
    PREFIX:film:{FILM}                  hash: how many lines each subtitles have, and `state`
    PREFIX:films                        set: the films that have such a hash
    PREFIX:version                      changes with every update
    PREFIX:SCHEMA:lines                 search index over the hashes
    PREFIX:lines                        alias of the index in use

The words are tokenized by `gallery.transcripts.words`, not by RediSearch, which stems a query in
one language only: this way one query searches the lines of all languages, and the same tokens give
the highlighting. Values are parameters of dialect 2, never part of the query text.
"""

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.commands.search.field import TagField, TextField

from gallery.index.search_commands import (
    create_index,
    drop_index,
    fail_on_timeout,
    index_info,
    index_infos,
    index_parts,
    parse_fields,
    query_complete_index,
)
from gallery.index.server import (
    NO_FILM,
    films_in,
    mark_change,
    to_text,
    translate_redis_errors,
)
from gallery.index.types import FrameRecord
from gallery.media.types import FrameKind
from gallery.ocr.types import Box
from gallery.transcripts import words
from gallery.transcripts.languages import base
from gallery.transcripts.types import LineKind

FIELD_TYPES = {
    "film": ("TAG", 0),
    "group": ("TAG", 0),
    "kinds": ("TAG", 0),
    "words": ("TEXT", 0),
    "stems": ("TEXT", 0),
}
SCHEMA = "v3"  # increase it when keys or fields change: all lines are then indexed again
PIPELINE = 500  # hashes sent at once
QUERY_TIMEOUT = 5000  # milliseconds
MAX_SCAN_WAIT = 2.0  # seconds
SCORER = "BM25"
STATE = "state"  # a field of a film's hash, besides the numbers of lines of its subtitles


@dataclass(frozen=True, slots=True)
class IndexedLine:
    """A line of a film from `start` to `end` (seconds), and the frame shown during it."""

    subtitles: int
    number: int
    language: str
    start: float
    end: float
    text: str
    record: FrameRecord
    kinds: frozenset[LineKind] = frozenset({LineKind.SAID})
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class ScoredLine:
    """A line that was found, and its score in RediSearch."""

    line: IndexedLine
    score: float


class Expression:
    """Builds the text of a query and its parameters. Values never become part of the text."""

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}

    def value(self, value: str) -> str:
        """Add a parameter and return its name."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"

    def tag(self, field: str, values: Iterable[object]) -> str:
        """Match lines whose field has one of these values."""
        return f"@{field}:{{{'|'.join(self.value(str(value)) for value in values)}}}"

    def phrase(self, forms: Sequence[str]) -> str:
        """Match lines that contain these words next to each other."""
        inside = " ".join(self.value(form) for form in forms)
        if len(forms) == 1:
            return f"@words:({inside})"
        return f"((@words:({inside}))=>{{$slop: 0; $inorder: true;}})"

    def stems(self, stems: Iterable[str]) -> str:
        """Match lines that contain a word with one of these stems."""
        return f"@stems:({'|'.join(self.value(stem) for stem in stems)})"

    def similar(self, form: str, distance: int) -> str:
        """Match lines that contain a word within an edit distance (1 or 2)."""
        fuzzy = "%" * distance
        return f"@words:({fuzzy}{self.value(form)}{fuzzy})"


Question = tuple[str, Expression]
"""The text of a query, and its parameters."""


class LineIndex:
    """The lines of all films in Redis. Methods raise IndexUnavailable if Redis cannot answer."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.client = client
        self.prefix = prefix
        self.alias = f"{prefix}:lines"
        self.name = f"{prefix}:{SCHEMA}:lines"
        self.version_key = f"{prefix}:version"
        self._films_key = f"{prefix}:films"

    def _film_key(self, film: int) -> str:
        return f"{self.prefix}:film:{{{film}}}"

    def _line_keys(self, film: int, subtitles: int, numbers: Iterable[int]) -> list[str]:
        return [f"{self.prefix}:{{{film}}}:{subtitles}:{number}" for number in numbers]

    # --- the index itself -------------------------------------------------------------------

    def ensure(self) -> None:
        """Create the search index if needed, and make timeouts errors."""
        with translate_redis_errors():
            fail_on_timeout(self.client)
            for server, name in index_parts(self.client, self.name):
                self._ensure_on(server, name, self.alias + name.removeprefix(self.name))

    def _ensure_on(self, server: redis.Redis, name: str, alias: str) -> None:
        info = index_info(server, alias)
        in_use = to_text(info["index_name"]) if info else ""
        if info is not None and in_use == name:
            if parse_fields(info) == FIELD_TYPES:
                return
            drop_index(server, in_use)
            in_use = ""
        if index_info(server, name) is None:
            self._create(server, name)
            self._wait_for_scan(server, name)
        server.ft(name).aliasupdate(alias)
        if in_use:
            # An earlier version created it, with other keys or fields.
            drop_index(server, in_use)

    def _create(self, server: redis.Redis, name: str) -> None:
        fields = [
            TagField("film"),
            TagField("group"),
            TagField("kinds"),
            TextField("words", no_stem=True),
            TextField("stems", no_stem=True),
        ]
        create_index(server, name, f"{self.prefix}:{{", fields, stopwords=[])

    def _wait_for_scan(self, server: redis.Redis, name: str) -> None:
        """Wait briefly while a new index scans existing hashes, which is soon done for a few."""
        end = time.monotonic() + MAX_SCAN_WAIT
        while time.monotonic() < end:
            info = index_info(server, name)
            if info is None or float(info.get("percent_indexed", 1)) >= 1:
                return
            time.sleep(0.01)

    # --- lines ------------------------------------------------------------------------------

    def put(self, film: int, lines: Sequence[IndexedLine], state: str) -> None:
        """Replace the lines of `film`.

        `state` identifies what they were built from, see `states`. It is written last.
        """
        self.ensure()
        counts: dict[int, int] = {}
        for line in lines:
            counts[line.subtitles] = max(counts.get(line.subtitles, 0), line.number + 1)
        with translate_redis_errors():
            before = self._counts(film)
            # The counts are written before the hashes, so that a crash leaves no orphans.
            bounds = {key: max(counts.get(key, 0), before.get(key, 0)) for key in counts | before}
            pipe = self.client.pipeline(transaction=False)
            pipe.sadd(self._films_key, film)
            pipe.hdel(self._film_key(film), STATE)
            if bounds:
                pipe.hset(self._film_key(film), mapping=_as_fields(bounds))
            pipe.execute()
            for first in range(0, len(lines), PIPELINE):
                pipe = self.client.pipeline(transaction=False)
                for line in lines[first : first + PIPELINE]:
                    (key,) = self._line_keys(film, line.subtitles, [line.number])
                    pipe.hset(key, mapping=_fields_of(line))
                pipe.execute()
            kept = {(line.subtitles, line.number) for line in lines}
            with self.client.pipeline(transaction=True) as pipe:
                for subtitles, count in before.items():
                    gone = [n for n in range(count) if (subtitles, n) not in kept]
                    _delete(pipe, self._line_keys(film, subtitles, gone))
                pipe.delete(self._film_key(film))
                pipe.hset(self._film_key(film), mapping={STATE: state, **_as_fields(counts)})
                pipe.execute()
            mark_change(self.client, self.version_key)

    def drop(self, film: int) -> None:
        """Remove a film's lines from the index."""
        with translate_redis_errors():
            with self.client.pipeline(transaction=True) as pipe:
                for subtitles, count in self._counts(film).items():
                    _delete(pipe, self._line_keys(film, subtitles, range(count)))
                pipe.delete(self._film_key(film))
                pipe.execute()
            self.client.srem(self._films_key, film)
            mark_change(self.client, self.version_key)

    def _counts(self, film: int) -> dict[int, int]:
        """Return an upper bound of the number of lines of each subtitles of a film."""
        fields: Any = self.client.hgetall(self._film_key(film))
        return {int(key): int(value) for key, value in fields.items() if key != STATE.encode()}

    def state(self, film: int) -> str:
        """Return what the lines of a film were built from: see `states`."""
        with translate_redis_errors():
            return to_text(self.client.hget(self._film_key(film), STATE) or b"")

    def states(self) -> dict[int, str]:
        """Return what each film's lines were built from; "" if writing them was interrupted."""
        with translate_redis_errors():
            films = sorted(films_in(self.client, self._films_key))
            pipe = self.client.pipeline(transaction=False)
            for film in films:
                pipe.hget(self._film_key(film), STATE)
            found = pipe.execute()
        return {film: to_text(state or b"") for film, state in zip(films, found, strict=True)}

    def lines(self) -> int:
        """Return the number of lines in the index."""
        with translate_redis_errors():
            infos = index_infos(self.client, self.alias)
        return sum(int(info["num_docs"]) for info in infos)

    def count(self, film: int) -> int:
        """Return the number of lines of a film in the index."""
        expression = Expression()
        return self.totals([(expression.tag("film", [film]), expression)])[0]

    # --- searching --------------------------------------------------------------------------

    def groups(self) -> list[str]:
        """Return the languages of the indexed lines, without script and region.

        Raises IndexWarmingUp while the index is rebuilt after a restart, and IndexMissing if there
        is none.
        """
        with translate_redis_errors():
            [replies] = query_complete_index(self.client, self.alias, ("FT.TAGVALS", "group"))
        return sorted({to_text(tag) for tags in replies for tag in tags})

    def totals(self, questions: Sequence[Question]) -> list[int]:
        """Return how many lines match each question, in one round trip."""
        return [
            sum(int(reply[0]) for reply in replies)
            for replies in self._search(questions, "NOCONTENT", "LIMIT", 0, 0)
        ]

    def ask(self, questions: Sequence[Question], count: int) -> list[list[ScoredLine]]:
        """Return the `count` best lines for each question, best first, in one round trip."""
        options = ("WITHSCORES", "RETURN", 1, "line", "SCORER", SCORER, "LIMIT", 0, count)
        return [self._read(replies, count) for replies in self._search(questions, *options)]

    def _read(self, replies: Sequence[list[Any]], count: int) -> list[ScoredLine]:
        """Return the `count` best lines of the replies of several servers, best first."""
        # A reply holds the total, then the key, the score and the fields of each line.
        rows = [
            (key, float(score), fields[1] if fields else None)
            for reply in replies
            for key, score, fields in zip(reply[1::3], reply[2::3], reply[3::3], strict=True)
        ]
        rows = sorted(rows, key=lambda row: -row[1])[:count]  # each reply is in order already
        # In a cluster without a coordinator RediSearch looks for a hash in the slot of the index.
        missing = [key for key, _score, line in rows if line is None]
        read = {}
        if missing:
            with translate_redis_errors():
                pipe = self.client.pipeline(transaction=False)
                for key in missing:
                    pipe.hget(key, "line")
                read = dict(zip(missing, pipe.execute(), strict=True))
        lines = ((line or read.get(key), score) for key, score, line in rows)
        return [ScoredLine(_from_json(line), score) for line, score in lines if line]

    def _search(self, questions: Sequence[Question], *options: str | int) -> list[list[Any]]:
        """Return the raw replies to questions: one from each server that was asked."""
        commands: list[list[str | int]] = []
        for text, expression in questions:
            named = [part for pair in expression.parameters.items() for part in pair]
            command = ["FT.SEARCH", text, *options, "TIMEOUT", QUERY_TIMEOUT]
            commands.append([*command, "PARAMS", len(named), *named, "DIALECT", 2])
        with translate_redis_errors():
            return query_complete_index(self.client, self.alias, *commands)


def restrict(
    expression: Expression, films: Collection[int] | None, kind: LineKind | None = None
) -> str:
    """Return the condition that lines are of these films and this kind, to precede others.

    None: of any.
    """
    conditions = []
    if films is not None:
        conditions.append(expression.tag("film", films or [NO_FILM]))
    if kind is not None:
        conditions.append(expression.tag("kinds", [kind]))
    return "".join(f"{condition} " for condition in conditions)


def _as_fields(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(key): value for key, value in counts.items()}


def _delete(pipe: Any, keys: Sequence[str]) -> None:
    if keys:
        pipe.delete(*keys)


def _fields_of(line: IndexedLine) -> dict[str, str]:
    tokens = words.tokenize(line.text)
    stems = (words.stem(t.form, line.language) for t in tokens if not t.unspaced)
    return {
        "film": str(line.record.film),
        "group": base(line.language),
        "kinds": ",".join(sorted(line.kinds)),
        "words": " ".join(token.form for token in tokens),
        "stems": " ".join(stems),
        "line": _to_json(line),
    }


def _to_json(line: IndexedLine) -> str:
    record = line.record
    frame = [
        *(record.film, record.second, record.time),
        *(record.shot, record.start, record.end, record.look),
    ]
    fields = [
        *(line.subtitles, line.number, line.language, line.start, line.end, line.text, frame),
        *(sorted(line.kinds), line.box),
    ]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _from_json(packed: bytes) -> IndexedLine:
    subtitles, number, language, start, end, text, frame, kinds, box = json.loads(packed)
    film, second, shown, shot, shot_start, shot_end, look = frame
    record = FrameRecord(film, second, shown, shot, shot_start, shot_end, FrameKind(look))
    return IndexedLine(
        *(subtitles, number, language, start, end, text, record),
        frozenset(map(LineKind, kinds)),
        Box(*box) if box else None,
    )
