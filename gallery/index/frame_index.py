"""The frames in Redis and RediSearch: one hash per frame, and nearest-neighbour search.

Keys have the model's fingerprint in their prefix, so vectors of two models are never mixed. The
keys of a film have its id as their hash tag, so they are on one node of a Redis Cluster:

    PREFIX:MODEL:{FILM}:SECOND       hash: film, shot, look, labels, times (`_TIMES`), and the
                                     vector as `embedding`, of blank frames and credits as `dull`
    PREFIX:MODEL:seconds:{FILM}      bitmap: the seconds of that film that have a hash
    PREFIX:MODEL:lock:{FILM}         held by the process that writes a film's frames
    PREFIX:MODEL:films               set: the films with such a bitmap
    PREFIX:MODEL:made                hash: each film's stamp (`film_stamp`); empty while its
                                     frames are being written
    PREFIX:MODEL:version             a new value after each change
    PREFIX:MODEL:SCHEMA:frames       search index over the hashes

No command or transaction uses keys of two films, or of a film and the whole library. A hash holds
only the vector and the other fields that the index or the results need.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np
import redis
from django.conf import settings
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from gallery.clip import weights
from gallery.clip.types import Vector, Vectors
from gallery.core.errors import IndexUnavailable, ModelError
from gallery.index.bitmap import pack_seconds, unpack_seconds
from gallery.index.knn import build_filter, parse_neighbour
from gallery.index.search_commands import query_complete_index
from gallery.index.search_index import (
    DULL_FIELD,
    LABEL_SEPARATOR,
    PICTURE_FIELD,
    SearchIndex,
)
from gallery.index.server import (
    connect_index,
    films_in,
    mark_change,
    redis_lock,
    to_text,
    translate_redis_errors,
)
from gallery.index.types import FrameKey, FrameRecord, Neighbour, Scope
from gallery.media.types import FrameKind

PIPELINE_SIZE = 500  # hashes per round trip
QUERY_TIMEOUT = 5000  # milliseconds
_TIMES = struct.Struct("<3d")  # when a frame is shown, and when its shot starts and ends: seconds
LOCK_SECONDS = 120.0  # after which the lock of a dead worker expires
MAX_LOCK_WAIT = 30.0  # seconds to wait for another worker
SAMPLE_SIZE = 2000  # frames that represent the library
NO_LABELS: Mapping[int, Sequence[int]] = {}

WHOLE_LIBRARY = Scope(include_dull=True)


def _skip_check() -> None:
    """Do nothing: the default if no lease can be lost."""


def current() -> "FrameIndex":
    """Return the index of the model that this process uses."""
    model = weights.current()
    return for_model(model.fingerprint, model.width)


def for_model(fingerprint: str, width: int = 0) -> "FrameIndex":
    """Return the index of a model with vectors of `width` numbers.

    Without the width, films can be listed, counted and dropped, but neither added nor searched.
    """
    prefix = f"{settings.INDEX_PREFIX}:{fingerprint}"
    return FrameIndex(connect_index(), prefix=prefix, width=width)


class FrameIndex(SearchIndex):
    """The frames of one model in Redis. All methods raise IndexUnavailable."""

    def __init__(self, client: redis.Redis, *, prefix: str, width: int) -> None:
        super().__init__(client, prefix=prefix, width=width)
        self.version_key = f"{prefix}:version"
        self._films_key = f"{prefix}:films"
        self._stamps_key = f"{prefix}:made"

    def frame_key(self, film: int, second: int) -> str:
        """Return the key of a frame's hash."""
        return f"{self.prefix}:{{{film}}}:{second}"

    def seconds_key(self, film: int) -> str:
        """Return the key of the bitmap that lists a film's frames."""
        return f"{self.prefix}:seconds:{{{film}}}"

    def put(
        self,
        film: int,
        records: Sequence[FrameRecord],
        vectors: Vectors,
        labels: Mapping[int, Sequence[int]] = NO_LABELS,
        *,
        stamp: str | None = None,
        check: Callable[[], None] = _skip_check,
    ) -> None:
        """Replace the frames of `film`: `vectors` has shape (len(records), width), unit rows.

        `labels`: the label ids of each frame, by second. `stamp` (see `build_stamp`) is stored once
        all frames are written; without it, healing writes the film again later. `check` is called
        before each write, and may raise LostClaim. Raises ModelError for vectors of another width
        or not of unit length: RediSearch would skip them silently.
        """
        self._require_unit_vectors(vectors, len(records))
        if not records:
            self.drop(film)
            return
        rows = vectors.astype(np.float16)
        seconds = {record.second for record in records}
        self.ensure()
        with translate_redis_errors():
            before = self.seconds(film)
            # A frame is listed before its hash exists: a crash leaves no orphaned hash.
            pipe = self.client.pipeline(transaction=False)
            pipe.hset(self._stamps_key, str(film), "")
            pipe.sadd(self._films_key, film)
            pipe.set(self.seconds_key(film), pack_seconds(before | seconds))
            pipe.execute()
            for start in range(0, len(records), PIPELINE_SIZE):
                check()
                chunk = slice(start, start + PIPELINE_SIZE)
                self._write_frames(film, records[chunk], rows[chunk], labels, before=before)
            check()
            self._delete_frames(film, before - seconds, kept=seconds)
            pipe = self.client.pipeline(transaction=False)
            if stamp is None:
                pipe.hdel(self._stamps_key, str(film))
            else:
                pipe.hset(self._stamps_key, str(film), stamp)
            mark_change(pipe, self.version_key)
            pipe.execute()

    def _require_unit_vectors(self, vectors: Vectors, count: int) -> None:
        if vectors.shape != (count, self.width):
            raise ModelError(f"vectors of shape {vectors.shape} for {count} frames of {self.width}")
        lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
        if not np.allclose(lengths, 1.0, atol=5e-3):
            raise ModelError("a vector to be indexed has no unit length")

    def _write_frames(
        self,
        film: int,
        records: Sequence[FrameRecord],
        rows: NDArray[np.float16],
        labels: Mapping[int, Sequence[int]],
        *,
        before: Collection[int],
    ) -> None:
        pipe = self.client.pipeline(transaction=False)
        for record, row in zip(records, rows, strict=True):
            key, is_picture = self.frame_key(film, record.second), record.look is FrameKind.PICTURE
            if record.second in before:
                # Its kind may have changed.
                pipe.hdel(key, DULL_FIELD if is_picture else PICTURE_FIELD)
            pipe.hset(
                key,
                mapping={
                    "film": str(record.film),
                    "shot": record.shot,
                    "look": str(record.look),
                    "labels": _join_labels(labels.get(record.second, ())),
                    "times": _TIMES.pack(record.time, record.start, record.end),
                    # Last, so that reading other fields does not have to scan past it.
                    PICTURE_FIELD if is_picture else DULL_FIELD: row.tobytes(),
                },
            )
        pipe.execute()

    def _delete_frames(self, film: int, seconds: Collection[int], kept: Collection[int]) -> None:
        """Delete frames and list only those that are `kept`, in one transaction."""
        with self.client.pipeline(transaction=True) as pipe:
            if seconds:
                pipe.delete(*(self.frame_key(film, second) for second in seconds))
            if kept:
                pipe.set(self.seconds_key(film), pack_seconds(kept))
            else:
                pipe.delete(self.seconds_key(film))
            pipe.execute()

    def set_labels(
        self,
        film: int,
        labels: Mapping[int, Sequence[int]],
        *,
        check: Callable[[], None] = _skip_check,
    ) -> int:
        """Replace the labels of a film's frames, given by second; frames not named have none.

        `check`: see `put`. Returns how many frames changed. Only these are written: after any write
        to a hash, RediSearch indexes it again.
        """
        changed = 0
        with translate_redis_errors():
            seconds = sorted(self.seconds(film))
            for start in range(0, len(seconds), PIPELINE_SIZE):
                check()
                chunk = seconds[start : start + PIPELINE_SIZE]
                pipe = self.client.pipeline(transaction=False)
                stored = self.labels([(film, second) for second in chunk])
                for second, before in zip(chunk, stored, strict=True):
                    after = labels.get(second, ())
                    if set(after) != before:
                        pipe.hset(self.frame_key(film, second), "labels", _join_labels(after))
                        changed += 1
                pipe.execute()
            mark_change(self.client, self.version_key)
        return changed

    def stamps(self) -> dict[int, str]:
        """Return the stamp of each film; "" for films that are not completely written."""
        with translate_redis_errors():
            found = self.client.hgetall(self._stamps_key)
        return {int(film): to_text(stamp) for film, stamp in found.items()}

    def set_stamps(self, stamps: Mapping[int, str]) -> None:
        """Set the stamps of films; "" means that a film has to be written again."""
        if stamps:
            mapping = {str(film): stamp for film, stamp in stamps.items()}
            with translate_redis_errors():
                self.client.hset(self._stamps_key, mapping=mapping)

    @contextmanager
    def film_lock(self, film: int) -> Iterator[Callable[[], None]]:
        """Hold the lock on a film's frames.

        Yields a check to call before each write: see `server.redis_lock`.
        """
        key = f"{self.prefix}:lock:{{{film}}}"
        with redis_lock(self.client, key, LOCK_SECONDS, MAX_LOCK_WAIT) as check:
            if check is None:
                raise IndexUnavailable(_("Another worker is indexing this film. Please try again."))
            yield check

    def labels(self, frames: Sequence[FrameKey]) -> list[set[int]]:
        """Return the label ids of frames, each given by film and second."""
        with translate_redis_errors():
            pipe = self.client.pipeline(transaction=False)
            for film, second in frames:
                pipe.hget(self.frame_key(film, second), "labels")
            found = pipe.execute()
        texts = [to_text(raw or "") for raw in found]
        return [{int(label) for label in text.split(LABEL_SEPARATOR) if label} for text in texts]

    def drop(self, film: int) -> int:
        """Remove a film from the index. Returns how many frames it had."""
        with translate_redis_errors():
            seconds = self.seconds(film)
            self._delete_frames(film, seconds, kept=())
            pipe = self.client.pipeline(transaction=False)
            pipe.srem(self._films_key, film)
            pipe.hdel(self._stamps_key, str(film))
            mark_change(pipe, self.version_key)
            pipe.execute()
        return len(seconds)

    def seconds(self, film: int) -> set[int]:
        """Return the seconds of the frames that are listed for a film."""
        with translate_redis_errors():
            return unpack_seconds(self.client.get(self.seconds_key(film)) or b"")

    def films(self) -> list[int]:
        """Return the films that have frames, in ascending order."""
        with translate_redis_errors():
            return sorted(films_in(self.client, self._films_key))

    def count(self, film: int) -> int:
        """Return how many frames of a film are listed."""
        return self.counts([film])[film]

    def counts(self, films: Iterable[int]) -> dict[int, int]:
        """Return how many frames of each film are listed."""
        numbers = list(films)
        with translate_redis_errors():
            pipe = self.client.pipeline(transaction=False)
            for film in numbers:
                pipe.bitcount(self.seconds_key(film))
            return dict(zip(numbers, map(int, pipe.execute()), strict=True))

    def vector(self, film: int, second: int) -> Vector | None:
        """Return the embedding of one frame, shape (width,), or None when it is not indexed."""
        with translate_redis_errors():
            found = self.client.hmget(self.frame_key(film, second), PICTURE_FIELD, DULL_FIELD)
        raw = next((one for one in found if one is not None), None)
        return None if raw is None else np.asarray(self._decode_vectors([raw])[0], np.float32)

    def embeddings(self, frames: Sequence[FrameKey]) -> tuple[list[FrameKey], Vectors]:
        """Return those frames that are indexed pictures (no blanks, no credits), and embeddings.

        The frames keep their order. The embeddings have shape (n, width), float32, unit rows.
        """
        found: list[FrameKey] = []
        raw: list[bytes] = []
        with translate_redis_errors():
            for start in range(0, len(frames), PIPELINE_SIZE):
                chunk = frames[start : start + PIPELINE_SIZE]
                pipe = self.client.pipeline(transaction=False)
                for film, second in chunk:
                    pipe.hget(self.frame_key(film, second), PICTURE_FIELD)
                for key, embedding in zip(chunk, pipe.execute(), strict=True):
                    if embedding is not None:
                        found.append(key)
                        raw.append(embedding)
        return found, self._decode_vectors(raw)

    def _decode_vectors(self, raw: Sequence[bytes]) -> Vectors:
        """Return stored embeddings: shape (n, width), float32, unit rows."""
        rows = np.frombuffer(b"".join(raw), np.float16).reshape(-1, self.width).astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def records(self, frames: Iterable[FrameKey]) -> dict[FrameKey, FrameRecord]:
        """Return the records of the indexed frames, in one round trip."""
        keys = list(frames)
        with translate_redis_errors():
            pipe = self.client.pipeline(transaction=False)
            for key in keys:
                pipe.hmget(self.frame_key(*key), "times", "shot", "look")
            found = pipe.execute()
        records = {}
        for key, (times, shot, look) in zip(keys, found, strict=True):
            if times is not None:
                time, start, end = _TIMES.unpack(times)
                kind = FrameKind(to_text(look or FrameKind.PICTURE))
                records[key] = FrameRecord(*key, time, int(shot), start, end, kind)
        return records

    def time(self, film: int, second: int) -> float | None:
        """Return when a frame is shown, in seconds of its film, or None when it is not indexed."""
        record = self.records([(film, second)]).get((film, second))
        return None if record is None else record.time

    def nearest(self, vector: Vector, count: int, scope: Scope = WHOLE_LIBRARY) -> list[Neighbour]:
        """Return the `count` frames of `scope` nearest to a vector, best first.

        `vector` has shape (width,) and unit length. Raises IndexWarmingUp while the index is
        rebuilt after a restart, and ModelError for an invalid vector.
        """
        if vector.shape != (self.width,) or not np.isfinite(vector).all() or not vector.any():
            raise ModelError("the query vector has the wrong shape or no direction")
        chosen, parameters = build_filter(scope)
        parameters |= {"count": count, "vector": vector.astype(np.float16).tobytes()}
        named = [part for pair in parameters.items() for part in pair]
        commands = [
            [
                *("FT.SEARCH", f"{chosen}=>[KNN $count @{field} $vector AS distance]"),
                *("RETURN", 2, "shot", "distance", "SORTBY", "distance", "LIMIT", 0, count),
                *("TIMEOUT", QUERY_TIMEOUT, "PARAMS", len(named), *named, "DIALECT", 2),
            ]
            for field in ((PICTURE_FIELD, DULL_FIELD) if scope.include_dull else (PICTURE_FIELD,))
        ]
        with translate_redis_errors():
            replies = query_complete_index(self.client, self.name, *commands)
        found = [
            parse_neighbour(key, fields)
            for _total, *rows in chain.from_iterable(replies)
            for key, fields in zip(rows[::2], rows[1::2], strict=True)
        ]
        # Each reply is already sorted.
        return sorted(found, key=lambda frame: -frame.score)[:count]

    def sample(self) -> Vectors:
        """Return embeddings that represent the library: shape (n, width), n at most SAMPLE_SIZE.

        Random frames of random films, unit rows. The choice depends only on the films and their
        numbers of frames, so that all processes get the same sample.
        """
        random = np.random.default_rng(0)
        with translate_redis_errors():
            films = random.permutation(self.films())[:SAMPLE_SIZE].tolist()
            max_per_film = max(1, -(-SAMPLE_SIZE // max(1, len(films))))
            keys = [
                self.frame_key(film, second)
                for film, count in self.counts(films).items()
                # Nearly all seconds have a frame; the others are skipped.
                for second in random.permutation(count)[:max_per_film].tolist()
            ]
            pipe = self.client.pipeline(transaction=False)
            for key in keys[:SAMPLE_SIZE]:
                pipe.hget(key, PICTURE_FIELD)
            found = [raw for raw in pipe.execute() if raw is not None]
        return self._decode_vectors(found)


def _join_labels(labels: Sequence[int]) -> str:
    return LABEL_SEPARATOR.join(str(label) for label in labels)
