"""Creates and checks the search index over the frame hashes of one model.

It is exact (FLAT). After a restart of Redis, it is available as soon as the hashes have been read;
a graph (HNSW) would have to be rebuilt first, which takes a hundred times as long.
"""

import time
from dataclasses import dataclass

import redis
from redis.commands.search.field import Field, NumericField, TagField, VectorField

from gallery.index.search_commands import (
    create_index,
    drop_index,
    fail_on_timeout,
    index_info,
    index_infos,
    index_parts,
    parse_fields,
)
from gallery.index.server import to_text, translate_redis_errors

# Increment when keys, fields or indexed fields change, to reindex all films from the media store.
SCHEMA = 4
FIELD_TYPES = {
    "film": ("TAG", 0),
    "labels": ("TAG", 0),
    "shot": ("NUMERIC", 0),
}  # indexed fields besides the embedding: type and vector width
# The vectors of pictures are in the first field, those of blank frames and credits in the second.
# Nearly all searches exclude the latter, and a filter would make them a fifth slower.
PICTURE_FIELD, DULL_FIELD = "embedding", "dull"
LABEL_SEPARATOR = ","
# Vectors are stored in blocks. With the default of 1024 vectors of 1 KB, a block is slightly larger
# than a size class of the allocator, which wastes a fifth of the next one.
BLOCK_BYTES = (1 << 20) - 1024
MAX_BUILD_WAIT = 1.0  # seconds to wait for a new index


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """State of the index: its frames, and the part (0 to 1) that is ready to search."""

    name: str
    frames: int
    ready: float
    megabytes: float


class SearchIndex:
    """The search index of one model. All methods raise IndexUnavailable.

    `width`: numbers in a vector.
    """

    def __init__(self, client: redis.Redis, *, prefix: str, width: int) -> None:
        self.client = client
        self.prefix = prefix
        self.width = width
        self.name = f"{prefix}:{SCHEMA}:frames"

    def ensure(self) -> None:
        """Create the index if it is missing, and make timeouts errors.

        An index with other fields or another schema is dropped.
        """
        with translate_redis_errors():
            fail_on_timeout(self.client)
            for server, name in index_parts(self.client, self.name):
                self._ensure_on(server, name)

    def _ensure_on(self, server: redis.Redis, own_name: str) -> None:
        info = index_info(server, own_name)
        vectors = dict.fromkeys((PICTURE_FIELD, DULL_FIELD), ("VECTOR", self.width))
        wanted = FIELD_TYPES | vectors
        if info is not None and parse_fields(info) == wanted:
            return
        for name in map(to_text, server.execute_command("FT._LIST")):
            is_old = name.startswith(f"{self.prefix}:") and name != own_name
            if is_old or (info is not None and name == own_name):
                drop_index(server, name)
        self._create(server, own_name)

    def _create(self, server: redis.Redis, name: str) -> None:
        vector = {
            "TYPE": "FLOAT16",
            "DIM": self.width,
            "DISTANCE_METRIC": "COSINE",
            "BLOCK_SIZE": BLOCK_BYTES // (2 * self.width),
        }
        fields: list[Field] = [
            TagField("film"),
            TagField("labels", separator=LABEL_SEPARATOR),
            # SORTABLE stores the field in the index, so KNN replies do not load the hashes.
            NumericField("shot", sortable=True),
            VectorField(PICTURE_FIELD, "FLAT", vector),
            VectorField(DULL_FIELD, "FLAT", vector),
        ]
        # Only keys of frames have a film's hash tag next to the prefix.
        create_index(server, name, f"{self.prefix}:{{", fields)
        # Without hashes it is complete within milliseconds.
        end = time.monotonic() + MAX_BUILD_WAIT
        while (info := index_info(server, name)) and float(info.get("percent_indexed", 1)) < 1:
            if time.monotonic() > end:
                break
            time.sleep(0.01)

    def status(self) -> IndexStatus:
        """Return the state of the index. Raises IndexMissing."""
        with translate_redis_errors():
            infos = index_infos(self.client, self.name)
        return IndexStatus(
            name=self.name,
            frames=sum(int(info["num_docs"]) for info in infos),
            ready=min(float(info.get("percent_indexed", 1)) for info in infos),
            megabytes=sum(
                float(info.get(name, 0) or 0)
                for info in infos
                for name in ("vector_index_sz_mb", "inverted_sz_mb")
            ),
        )
