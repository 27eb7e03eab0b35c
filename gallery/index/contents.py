"""What Redis contains of each film, counted in the index and among the keys.

RediSearch counts the frames of a film within a millisecond, fast enough for every sweep. A scan of
all keys takes a second for a few hundred thousand, but also finds keys that no set lists; it is for
the hourly cleanup and `manage.py check_library`.
"""

from collections import Counter
from collections.abc import Collection, Iterator

import redis
from django.conf import settings

from gallery.index.frame_index import FrameIndex
from gallery.index.server import connect, query_complete_index, to_text, translate_redis_errors

SCAN_COUNT = 1000  # keys per step of a scan: Redis serves other clients in between
QUERIES_PER_ROUND_TRIP = 500


def count_indexed(client: redis.Redis, alias: str, films: Collection[int]) -> dict[int, int]:
    """Return how many frames or lines of each film a search can find.

    Raises IndexUnavailable; IndexWarmingUp while the index is built.
    """
    film_ids = sorted(films)
    counts: dict[int, int] = {}
    for start in range(0, len(film_ids), QUERIES_PER_ROUND_TRIP):
        chunk = film_ids[start : start + QUERIES_PER_ROUND_TRIP]
        commands = [
            (
                *("FT.SEARCH", alias, "@film:{$film}", "NOCONTENT", "LIMIT", 0, 0),
                *("PARAMS", 2, "film", str(film), "DIALECT", 2),
            )
            for film in chunk
        ]
        with translate_redis_errors():
            replies = query_complete_index(client, alias, *commands)
        counts |= {film: int(reply[0]) for film, reply in zip(chunk, replies, strict=True)}
    return counts


def count_listed_frames(index: FrameIndex, films: Collection[int]) -> dict[int, int]:
    """Return how many frames the set of each film lists. Raises IndexUnavailable."""
    film_ids = sorted(films)
    with translate_redis_errors():
        pipe = index.client.pipeline(transaction=False)
        for film in film_ids:
            pipe.scard(index.film_key(film))
        return dict(zip(film_ids, map(int, pipe.execute()), strict=True))


def iter_frame_keys() -> Iterator[tuple[str, int, int, str]]:
    """Yield fingerprint, film, second and key of every frame hash, of all models."""
    for key in _scan(f"{settings.INDEX_PREFIX}:*:frame:*"):
        parts = key.removeprefix(f"{settings.INDEX_PREFIX}:").split(":")
        if len(parts) == 4 and parts[2].isdigit() and parts[3].isdigit():
            yield parts[0], int(parts[2]), int(parts[3]), key


def iter_line_keys() -> Iterator[tuple[int, str]]:
    """Yield film and key of every hash of a line of dialogue."""
    prefix = f"{settings.INDEX_PREFIX}:dialogue:line:"
    for key in _scan(f"{prefix}*"):
        film = key.removeprefix(prefix).partition(":")[0]
        if film.isdigit():
            yield int(film), key


def _scan(pattern: str) -> Iterator[str]:
    client = connect(settings.REDIS_URL)
    with translate_redis_errors():
        for key in client.scan_iter(match=pattern, count=SCAN_COUNT):
            yield to_text(key)


def count_frame_hashes() -> dict[tuple[str, int], int]:
    """Return the number of hashes of each model and film: {(fingerprint, film): frames}."""
    # A scan may return a key twice.
    found = {(model, film, second) for model, film, second, _key in iter_frame_keys()}
    return Counter((model, film) for model, film, _second in found)


def count_line_hashes() -> dict[int, int]:
    """Return the number of hashes of lines of each film."""
    return Counter(film for film, _key in set(iter_line_keys()))
