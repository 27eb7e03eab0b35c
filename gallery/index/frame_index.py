"""The frames in Redis and RediSearch: one hash each, and those that lie near a vector.

Keys, below a prefix that holds the model's fingerprint, so that vectors of two models never meet:

    PREFIX:MODEL:frame:FILM:SECOND   hash: film, second, time, shot, start, end, look, labels,
                                     embedding
    PREFIX:MODEL:film:FILM           set: the seconds of that film that have a hash
    PREFIX:MODEL:films               set: the films that have such a set
    PREFIX:MODEL:made                hash: by film, what its frames were made of (`note_of`); empty
                                     while they are written
    PREFIX:MODEL:version             another value after each change
    PREFIX:MODEL:lock:FILM           held by whoever writes a film's frames
    PREFIX:MODEL:SCHEMA:flat, :hnsw  search indexes over the hashes; at most both, while switching
    PREFIX:MODEL:frames              alias: the index that answers
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import redis
from django.conf import settings
from django.utils.translation import gettext as _
from redis.commands.search.field import Field, NumericField, TagField, VectorField
from redis.commands.search.index_definition import IndexDefinition, IndexType

from gallery.clip import weights
from gallery.clip.types import Vector, Vectors
from gallery.core.errors import IndexMissing, IndexUnavailable, ModelError
from gallery.index.server import (
    NO_FILM,
    ask_complete_index,
    connect,
    fail_on_timeout,
    film_ids,
    index_info,
    mark_change,
    parse_fields,
    plain,
    redis_lock,
    translate_redis_errors,
)
from gallery.index.types import FrameKey, FrameRecord, Neighbour, Scope
from gallery.media.types import FrameKind

PIPELINE = 500  # hashes sent in one go
QUERY_TIMEOUT = 5000  # milliseconds
FIELDS = ("time", "shot", "start", "end", "look")  # of a record, beside its film and second
SCHEMA = 3  # raise it when the indexed fields change: the index is then rebuilt from the hashes
FIELD_TYPES = {
    "film": ("TAG", 0),
    "look": ("TAG", 0),
    "labels": ("TAG", 0),
    "shot": ("NUMERIC", 0),
}  # those that are indexed, beside the embedding
BETWEEN_LABELS = ","
DULL = (FrameKind.BLANK, FrameKind.CREDITS)
LOCK_SECONDS = 120.0  # after which a worker that holds a film is taken for dead
LOCK_PATIENCE = 30.0  # seconds to wait for another worker
SAMPLE = 2000  # frames that stand for the library
NO_LABELS: Mapping[int, Sequence[int]] = {}
RETURN_TO_FLAT = 0.8  # back to the exact index below this part of its limit: no flapping


WHOLE_LIBRARY = Scope(dull=True)
LOST = "lost"  # in place of the labels of a film whose vectors are not all there


def _go_on() -> None:
    """Nobody else may write: there is nothing to check."""


class Kind(StrEnum):
    """How the index looks for neighbours: through all frames, or along a graph."""

    FLAT = "flat"
    HNSW = "hnsw"


@dataclass(frozen=True, slots=True)
class Status:
    """The index as it is: `frames` in it, its kind, the part (0 to 1) that is ready to search."""

    name: str
    kind: Kind
    frames: int
    ready: float
    megabytes: float


def current() -> "FrameIndex":
    """The index of the model that this process uses."""
    return for_model(weights.current().fingerprint)


def for_model(fingerprint: str) -> "FrameIndex":
    """The index of a model; of another than the current one, only to drop films from it."""
    return FrameIndex(
        connect(settings.REDIS_URL),
        prefix=f"{settings.INDEX_PREFIX}:{fingerprint}",
        width=weights.current().width,
        flat_max=settings.INDEX_FLAT_MAX,
        ef_runtime=settings.INDEX_EF_RUNTIME,
    )


def note_of(run: int, labels: str, *, complete: bool = True) -> str:
    """What a film's frames were made of: the import, and the labels that were computed.

    Not `complete`: only some of its vectors were left in the media store.
    """
    return f"{SCHEMA}:{run}:{labels if complete else LOST}"


def is_of_run(note: str, run: int) -> bool:
    """Whether a film's frames in the index are of this import, as far as the store has them."""
    return note.rpartition(":")[0] == f"{SCHEMA}:{run}"


def is_complete(note: str, run: int) -> bool:
    """Whether a film's frames in the index are all those of this import."""
    return is_of_run(note, run) and not note.endswith(f":{LOST}")


class FrameIndex:
    """The frames of one model in Redis. Every method raises IndexUnavailable when it cannot."""

    def __init__(
        self, client: redis.Redis, *, prefix: str, width: int, flat_max: int, ef_runtime: int
    ) -> None:
        self.client = client
        self.prefix = prefix
        self.width = width
        self.flat_max = flat_max
        self.ef_runtime = ef_runtime
        self.alias = f"{prefix}:frames"
        self.version_key = f"{prefix}:version"
        self._films_key = f"{prefix}:films"
        self._made_key = f"{prefix}:made"

    def frame_key(self, film: int, second: int) -> str:
        """The key of a frame's hash."""
        return f"{self.prefix}:frame:{film}:{second}"

    def film_key(self, film: int) -> str:
        """The key of the set that lists a film's frames."""
        return f"{self.prefix}:film:{film}"

    def _name(self, kind: Kind) -> str:
        return f"{self.prefix}:{SCHEMA}:{kind}"

    # --- the indexes themselves -------------------------------------------------------------

    def ensure(self) -> None:
        """Make sure that there is an index to search, and that time-outs are errors.

        An index of an earlier version answers until `tend` has built one with the fields of now.
        One that has the name of today's, but other fields, is dropped.
        """
        with translate_redis_errors():
            fail_on_timeout(self.client)
            info = index_info(self.client, self.alias)
            if info is not None and self._is_foreign(info):
                self.client.ft(plain(info["index_name"])).dropindex()
                info = None
            if info is None:
                self._create(Kind.FLAT)
                self.client.ft(self._name(Kind.FLAT)).aliasupdate(self.alias)

    def _is_foreign(self, info: dict[str, Any]) -> bool:
        """Whether an index that should be of this version has other fields."""
        wanted = {**FIELD_TYPES, "embedding": ("VECTOR", self.width)}
        own = plain(info["index_name"]) in {self._name(kind) for kind in Kind}
        return own and parse_fields(info) != wanted

    def _create(self, kind: Kind) -> None:
        attributes: dict[str, Any] = {
            "TYPE": "FLOAT16",
            "DIM": self.width,
            "DISTANCE_METRIC": "COSINE",
        }
        if kind is Kind.HNSW:
            attributes |= {"M": 16, "EF_CONSTRUCTION": 200, "EF_RUNTIME": self.ef_runtime}
        fields: list[Field] = [
            TagField("film"),
            TagField("look"),
            TagField("labels", separator=BETWEEN_LABELS),
            # Sortable: kept in the index, so that a KNN answer needs no look at the hashes.
            NumericField("shot", sortable=True),
            VectorField("embedding", kind.upper(), attributes),
        ]
        try:
            self.client.ft(self._name(kind)).create_index(
                fields,
                definition=IndexDefinition(
                    prefix=[f"{self.prefix}:frame:"], index_type=IndexType.HASH
                ),
            )
        except redis.ResponseError as error:
            # Another process was quicker.
            if "already exists" not in str(error).lower():
                raise

    def status(self) -> Status:
        """How the index that answers is doing."""
        with translate_redis_errors():
            info = index_info(self.client, self.alias)
        if info is None:
            raise IndexMissing
        name = plain(info["index_name"])
        memory = float(info.get("vector_index_sz_mb", 0) or 0) + float(
            info.get("inverted_sz_mb", 0) or 0
        )
        return Status(
            name=name,
            kind=Kind.HNSW if name.endswith(Kind.HNSW) else Kind.FLAT,
            frames=int(info["num_docs"]),
            ready=float(info.get("percent_indexed", 1)),
            megabytes=memory,
        )

    def reconcile(self) -> str | None:
        """Switch between the exact and the approximate index when the number of frames requires it.

        The new index is built beside the one that answers. Once it is complete, the alias moves to
        it and the old one is dropped. The same happens to an index of an earlier version. Returns
        what was done, or None. Call it regularly.
        """
        self.ensure()
        status = self.status()
        limit = self.flat_max if status.kind is Kind.FLAT else self.flat_max * RETURN_TO_FLAT
        wanted = Kind.HNSW if status.frames > limit else Kind.FLAT
        with translate_redis_errors():
            if status.name == self._name(wanted):
                self._drop_unused(status.name)
                return None
            info = index_info(self.client, self._name(wanted))
            if info is None:
                self._create(wanted)
                return f"building the {wanted} index"
            if float(info["percent_indexed"]) < 1 or int(info["num_docs"]) < status.frames:
                return f"the {wanted} index is {float(info['percent_indexed']):.0%} built"
            self.client.ft(self._name(wanted)).aliasupdate(self.alias)
            self._drop_unused(self._name(wanted))
            return f"switched to the {wanted} index"

    def _drop_unused(self, used: str) -> None:
        """Drop the search indexes of this model other than the one in use; the hashes stay."""
        for name in map(plain, self.client.execute_command("FT._LIST")):
            if name.startswith(f"{self.prefix}:") and name != used:
                self.client.ft(name).dropindex()

    # --- frames -----------------------------------------------------------------------------

    def put(
        self,
        film: int,
        records: Sequence[FrameRecord],
        vectors: Vectors,
        labels: Mapping[int, Sequence[int]] = NO_LABELS,
        *,
        made_of: str | None = None,
        check: Callable[[], None] = _go_on,
    ) -> None:
        """Make these the frames of `film`: `vectors` has shape (len(records), width), unit rows.

        `labels` names, by second, the ids of the labels that a frame carries. Frames that it had
        before and that are not among them go. `made_of` is noted once all is written (see
        `note_of`); without it, that is found out later, as for what earlier versions wrote.
        `check` is called before each part is written, and may raise LostClaim. Raises ModelError
        for vectors of another width, or that are no unit vectors: RediSearch would skip them
        silently.
        """
        if vectors.shape != (len(records), self.width):
            raise ModelError(
                f"vectors of shape {vectors.shape} for {len(records)} frames of {self.width}"
            )
        lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
        if not np.allclose(lengths, 1.0, atol=5e-3):
            raise ModelError("a vector to be indexed has no unit length")
        if not records:
            self.drop(film)
            return
        rows = vectors.astype(np.float16)
        self.ensure()
        with translate_redis_errors():
            before = {int(second) for second in self.client.smembers(self.film_key(film))}
            self.client.hset(self._made_key, str(film), "")
            for at in range(0, len(records), PIPELINE):
                check()
                chunk = records[at : at + PIPELINE]
                pipe = self.client.pipeline(transaction=False)
                # First the note that there is a hash, then the hash: a crash leaves no orphan.
                pipe.sadd(self._films_key, film)
                pipe.sadd(self.film_key(film), *(record.second for record in chunk))
                for record, row in zip(chunk, rows[at : at + PIPELINE], strict=True):
                    pipe.hset(
                        self.frame_key(film, record.second),
                        mapping={
                            "film": str(record.film),
                            "second": record.second,
                            "time": repr(record.time),
                            "shot": record.shot,
                            "start": repr(record.start),
                            "end": repr(record.end),
                            "look": str(record.look),
                            "labels": _joined(labels.get(record.second, ())),
                            "embedding": row.tobytes(),
                        },
                    )
                pipe.execute()
            check()
            pipe = self._deleting(film, before - {record.second for record in records})
            if made_of is None:
                pipe.hdel(self._made_key, str(film))
            else:
                pipe.hset(self._made_key, str(film), made_of)
            pipe.execute()

    def set_labels(
        self,
        film: int,
        labels: Mapping[int, Sequence[int]],
        *,
        check: Callable[[], None] = _go_on,
    ) -> int:
        """Make `labels`, by second, the labels of a film's frames; frames not named have none.

        `check`: see `put`. Returns how many frames changed. Only these are written: after any
        write to a hash the graph takes in its vector anew, which takes 2 ms a frame.
        """
        changed = 0
        with translate_redis_errors():
            seconds = sorted(int(second) for second in self.client.smembers(self.film_key(film)))
            for at in range(0, len(seconds), PIPELINE):
                check()
                chunk = seconds[at : at + PIPELINE]
                read = self.client.pipeline(transaction=False)
                write = self.client.pipeline(transaction=False)
                for second in chunk:
                    read.hget(self.frame_key(film, second), "labels")
                for second, before in zip(chunk, read.execute(), strict=True):
                    after = _joined(labels.get(second, ()))
                    if after != plain(before or b""):
                        write.hset(self.frame_key(film, second), "labels", after)
                        changed += 1
                write.execute()
            mark_change(self.client, self.version_key)
        return changed

    def notes(self) -> dict[int, str]:
        """What the frames of each film here were made of; "" where they are not all written."""
        with translate_redis_errors():
            found = self.client.hgetall(self._made_key)
        return {int(film): plain(note) for film, note in found.items()}

    def set_notes(self, notes: Mapping[int, str]) -> None:
        """Note what films' frames were made of; "" where they have to be written again."""
        if notes:
            with translate_redis_errors():
                self.client.hset(
                    self._made_key, mapping={str(film): note for film, note in notes.items()}
                )

    @contextmanager
    def film_lock(self, film: int) -> Iterator[Callable[[], None]]:
        """Nobody else who asks for the same writes this film's frames meanwhile.

        Yields a check, to be called before something is written: see `server.held`.
        """
        key = f"{self.prefix}:lock:{film}"
        with redis_lock(self.client, key, LOCK_SECONDS, LOCK_PATIENCE) as check:
            if check is None:
                raise IndexUnavailable(_("Another worker is indexing this film. Please try again."))
            yield check

    def labels(self, frames: Sequence[tuple[int, int]]) -> list[set[int]]:
        """The ids of the labels that frames, each a film's id and a second, carry."""
        with translate_redis_errors():
            pipe = self.client.pipeline(transaction=False)
            for film, second in frames:
                pipe.hget(self.frame_key(film, second), "labels")
            found = pipe.execute()
        return [
            {int(one) for one in plain(raw or "").split(BETWEEN_LABELS) if one} for raw in found
        ]

    def _deleting(self, film: int, seconds: Collection[int]) -> Any:
        """A transaction that deletes frames and the notes of them; not sent yet."""
        pipe = self.client.pipeline(transaction=True)
        mark_change(pipe, self.version_key)
        if seconds:
            pipe.delete(*(self.frame_key(film, second) for second in seconds))
            pipe.srem(self.film_key(film), *seconds)
        return pipe

    def drop(self, film: int) -> int:
        """Take a film out of the index. Returns how many frames it had."""
        with translate_redis_errors():
            seconds = {int(second) for second in self.client.smembers(self.film_key(film))}
            pipe = self._deleting(film, seconds)
            pipe.srem(self._films_key, film)
            pipe.hdel(self._made_key, str(film)).execute()
        return len(seconds)

    def seconds(self, film: int) -> set[int]:
        """The seconds of the film's frames that its list names."""
        with translate_redis_errors():
            return {int(second) for second in self.client.smembers(self.film_key(film))}

    def films(self) -> list[int]:
        """The films that have frames here, in ascending order."""
        with translate_redis_errors():
            return sorted(film_ids(self.client, self._films_key, f"{self.prefix}:film:*"))

    def count(self, film: int) -> int:
        """How many frames of a film are here."""
        with translate_redis_errors():
            return int(self.client.scard(self.film_key(film)))

    def vector(self, film: int, second: int) -> Vector | None:
        """The embedding of one frame, shape (width,), or None when it is not here."""
        with translate_redis_errors():
            raw = self.client.hget(self.frame_key(film, second), "embedding")
        if raw is None:
            return None
        vector = np.frombuffer(raw, np.float16).astype(np.float32)
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)

    def embeddings(self, frames: Sequence[FrameKey]) -> tuple[list[FrameKey], Vectors]:
        """Those of the frames that are here and show something, in their order, with embeddings.

        The embeddings have shape (n, width), float32, unit rows.
        """
        found: list[FrameKey] = []
        raw: list[bytes] = []
        with translate_redis_errors():
            for at in range(0, len(frames), PIPELINE):
                chunk = frames[at : at + PIPELINE]
                pipe = self.client.pipeline(transaction=False)
                for film, second in chunk:
                    pipe.hmget(self.frame_key(film, second), "embedding", "look")
                for key, (embedding, look) in zip(chunk, pipe.execute(), strict=True):
                    if embedding is not None and plain(look or b"") not in DULL:
                        found.append(key)
                        raw.append(embedding)
        vectors = np.frombuffer(b"".join(raw), np.float16).reshape(-1, self.width)
        rows = vectors.astype(np.float32)
        return found, rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def records(self, frames: Iterable[FrameKey]) -> dict[FrameKey, FrameRecord]:
        """Those of the frames that are here, in one round trip."""
        keys = list(frames)
        with translate_redis_errors():
            pipe = self.client.pipeline(transaction=False)
            for key in keys:
                pipe.hmget(self.frame_key(*key), *FIELDS)
            found = pipe.execute()
        return {
            key: FrameRecord(
                *key,
                float(time),
                int(shot),
                float(start),
                float(end),
                FrameKind(plain(look or FrameKind.PICTURE)),
            )
            for key, (time, shot, start, end, look) in zip(keys, found, strict=True)
            if time is not None
        }

    def time(self, film: int, second: int) -> float | None:
        """When a frame is shown, in seconds of its film, or None when it is not here."""
        with translate_redis_errors():
            raw = self.client.hget(self.frame_key(film, second), "time")
        return float(raw) if raw is not None else None

    def nearest(
        self, vector: Vector, count: int, scope: Scope = WHOLE_LIBRARY, candidates: int = 0
    ) -> list[Neighbour]:
        """The `count` frames of `scope` nearest to a unit vector of shape (width,), best first.

        A graph looks at `candidates` frames at least: the more, the fewer neighbours it misses.

        Raises IndexWarmingUp while the index is rebuilt after a restart, rather than answering
        from a part of it.
        """
        if vector.shape != (self.width,) or not np.isfinite(vector).all() or not vector.any():
            raise ModelError("the query vector has the wrong shape or no direction")
        chosen, parameters = _conditions(scope)
        parameters |= {
            "count": max(count, candidates),
            "vector": vector.astype(np.float16).tobytes(),
        }
        named = [part for pair in parameters.items() for part in pair]
        command = [
            *("FT.SEARCH", self.alias, f"{chosen}=>[KNN $count @embedding $vector AS distance]"),
            *("RETURN", 2, "shot", "distance", "SORTBY", "distance", "LIMIT", 0, count),
            *("TIMEOUT", QUERY_TIMEOUT, "PARAMS", len(named), *named, "DIALECT", 2),
        ]
        with translate_redis_errors():
            [[_total, *rows]] = ask_complete_index(self.client, self.alias, command)
        return [_neighbour(key, fields) for key, fields in zip(rows[::2], rows[1::2], strict=True)]

    def sample(self) -> Vectors:
        """Embeddings that stand for the library: shape (n, width), n at most SAMPLE, unit rows.

        Random frames of random films. The films and how many frames each has decide which, so that
        all processes have the same.
        """
        random = np.random.default_rng(0)
        with translate_redis_errors():
            films = random.permutation(self.films())[:SAMPLE].tolist()
            pipe = self.client.pipeline(transaction=False)
            for film in films:
                pipe.scard(self.film_key(film))
            max_per_film = max(1, -(-SAMPLE // max(1, len(films))))
            keys = [
                self.frame_key(film, second)
                for film, count in zip(films, pipe.execute(), strict=True)
                # Nearly all seconds of a film have a frame; those that have none are left out.
                for second in random.permutation(count)[:max_per_film].tolist()
            ]
            pipe = self.client.pipeline(transaction=False)
            for key in keys[:SAMPLE]:
                pipe.hget(key, "embedding")
            found = [raw for raw in pipe.execute() if raw is not None]
        if not found:
            return np.zeros((0, self.width), np.float32)
        rows = np.frombuffer(b"".join(found), np.float16).reshape(-1, self.width)
        vectors = rows.astype(np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _conditions(scope: Scope) -> tuple[str, dict[str, str | int | bytes]]:
    """A scope as RediSearch filters by it: values go in as parameters, never as text."""
    parameters: dict[str, str | int | bytes] = {}

    def name(value: object) -> str:
        key = f"p{len(parameters)}"
        parameters[key] = str(value)
        return f"${key}"

    def named(values: Sequence[object]) -> str:
        return "|".join(name(value) for value in values)

    parts = []
    if scope.films is not None:
        parts.append(f"@film:{{{named(scope.films or (NO_FILM,))}}}")
    if scope.without:
        parts.append(f"-@film:{{{named(scope.without)}}}")
    for film, shot in scope.without_shots:
        number = name(shot)
        parts.append(f"-(@film:{{{name(film)}}} @shot:[{number} {number}])")
    parts += [f"@labels:{{{named([label])}}}" for label in scope.labels]
    if not scope.dull:
        # Frames put here by an earlier version have no look: they are offered.
        parts.append(f"-@look:{{{named(DULL)}}}")
    return (f"({' '.join(parts)})" if parts else "*"), parameters


def _neighbour(key: bytes, fields: Sequence[bytes]) -> Neighbour:
    """A row of a raw KNN reply: the frame's key, and names and values in turn."""
    _prefix, film, second = key.rsplit(b":", 2)
    row = dict(zip(fields[::2], fields[1::2], strict=True))
    return Neighbour(int(film), int(second), int(row[b"shot"]), 1.0 - float(row[b"distance"]))


def _joined(labels: Sequence[int]) -> str:
    return BETWEEN_LABELS.join(str(label) for label in labels)
