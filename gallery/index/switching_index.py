"""Search indexes over the frames' hashes: created, watched, and switched between two kinds.

An exact index (FLAT) is used for small libraries, an approximate one (HNSW) for large ones. An
alias names the index that answers, so that a new one can be built beside it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import redis
from redis.commands.search.field import Field, NumericField, TagField, VectorField

from gallery.core.errors import IndexMissing
from gallery.index.server import (
    create_index,
    fail_on_timeout,
    index_info,
    parse_fields,
    to_text,
    translate_redis_errors,
)

SCHEMA = 3  # increase it when the indexed fields change: the index is then rebuilt from the hashes
FIELD_TYPES = {
    "film": ("TAG", 0),
    "look": ("TAG", 0),
    "labels": ("TAG", 0),
    "shot": ("NUMERIC", 0),
}  # indexed fields besides the embedding: type and vector width
LABEL_SEPARATOR = ","
FLAT_RETURN_FRACTION = 0.8  # of INDEX_FLAT_MAX: hysteresis against flapping


class IndexKind(StrEnum):
    """How the index searches: exactly, through all frames, or approximately, along a graph."""

    FLAT = "flat"
    HNSW = "hnsw"


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """State of the index: its frames, its kind, and the part (0 to 1) that is ready to search."""

    name: str
    kind: IndexKind
    frames: int
    ready: float
    megabytes: float


class SwitchingIndex:
    """The search indexes of one model. All methods raise IndexUnavailable.

    `width`: numbers in a vector; `flat_max`: frames up to which the exact index is used;
    `ef_runtime`: candidates that HNSW examines by default.
    """

    def __init__(
        self, client: redis.Redis, *, prefix: str, width: int, flat_max: int, ef_runtime: int
    ) -> None:
        self.client = client
        self.prefix = prefix
        self.width = width
        self.flat_max = flat_max
        self.ef_runtime = ef_runtime
        self.alias = f"{prefix}:frames"

    def _name(self, kind: IndexKind) -> str:
        return f"{self.prefix}:{SCHEMA}:{kind}"

    def ensure(self) -> None:
        """Create the index if it is missing, and make time-outs errors.

        An index of an older schema answers until `reconcile` has built a current one. An index with
        a current name but other fields is dropped.
        """
        with translate_redis_errors():
            fail_on_timeout(self.client)
            info = index_info(self.client, self.alias)
            if info is not None and self._is_foreign(info):
                self.client.ft(to_text(info["index_name"])).dropindex()
                info = None
            if info is None:
                self._create(IndexKind.FLAT)
                self.client.ft(self._name(IndexKind.FLAT)).aliasupdate(self.alias)

    def _is_foreign(self, info: dict[str, Any]) -> bool:
        """Return whether an index with a current name has other fields."""
        wanted = {**FIELD_TYPES, "embedding": ("VECTOR", self.width)}
        is_current = to_text(info["index_name"]) in {self._name(kind) for kind in IndexKind}
        return is_current and parse_fields(info) != wanted

    def _create(self, kind: IndexKind) -> None:
        attributes: dict[str, Any] = {
            "TYPE": "FLOAT16",
            "DIM": self.width,
            "DISTANCE_METRIC": "COSINE",
        }
        if kind is IndexKind.HNSW:
            attributes |= {"M": 16, "EF_CONSTRUCTION": 200, "EF_RUNTIME": self.ef_runtime}
        fields: list[Field] = [
            TagField("film"),
            TagField("look"),
            TagField("labels", separator=LABEL_SEPARATOR),
            # Sortable: stored in the index, so that KNN replies do not load the hashes.
            NumericField("shot", sortable=True),
            VectorField("embedding", kind.upper(), attributes),
        ]
        create_index(self.client, self._name(kind), f"{self.prefix}:frame:", fields)

    def status(self) -> IndexStatus:
        """Return the state of the index that answers."""
        with translate_redis_errors():
            info = index_info(self.client, self.alias)
        if info is None:
            raise IndexMissing
        name = to_text(info["index_name"])
        memory = float(info.get("vector_index_sz_mb", 0) or 0) + float(
            info.get("inverted_sz_mb", 0) or 0
        )
        return IndexStatus(
            name=name,
            kind=IndexKind.HNSW if name.endswith(IndexKind.HNSW) else IndexKind.FLAT,
            frames=int(info["num_docs"]),
            ready=float(info.get("percent_indexed", 1)),
            megabytes=memory,
        )

    def reconcile(self) -> str | None:
        """Switch between the exact and the approximate index when the number of frames requires it.

        The new index is built while the old one is used. Once it is complete, the alias moves to
        it and the old one is dropped; an index of an older schema is replaced in the same way.
        Returns what was done, or None. Call it regularly.
        """
        self.ensure()
        status = self.status()
        limit = (
            self.flat_max if status.kind is IndexKind.FLAT else self.flat_max * FLAT_RETURN_FRACTION
        )
        wanted = IndexKind.HNSW if status.frames > limit else IndexKind.FLAT
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
        """Drop this model's search indexes other than the one in use; the hashes stay."""
        for name in map(to_text, self.client.execute_command("FT._LIST")):
            if name.startswith(f"{self.prefix}:") and name != used:
                self.client.ft(name).dropindex()
