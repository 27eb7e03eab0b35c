"""Counts the frames and lines of each film in Redis, in the index and among the keys.

RediSearch counts the frames of a film within a millisecond, fast enough for every sweep. A scan of
all keys takes a second per few hundred thousand, but also finds unlisted keys; the hourly cleanup
and `manage.py check_library` use it.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator

import redis
from django.conf import settings

from gallery.index.search_commands import query_complete_index
from gallery.index.server import connect_index, primaries, to_text, translate_redis_errors

SCAN_COUNT = 1000  # keys per step of a scan: Redis serves other clients in between
QUERIES_PER_ROUND_TRIP = 500
# Keys of earlier versions, without hash tags. Nothing reads them any more.
OLD_KEYS = ("*:frame:[0-9]*:[0-9]*", "*:film:[0-9]*", "dialogue:line:[0-9]*")


def count_indexed(client: redis.Redis, name: str, films: Collection[int]) -> dict[int, int]:
    """Return how many frames or lines of each film a search finds in the index `name`.

    Raises IndexUnavailable; IndexWarmingUp while the index is built.
    """
    film_ids = sorted(films)
    counts: dict[int, int] = {}
    for start in range(0, len(film_ids), QUERIES_PER_ROUND_TRIP):
        chunk = film_ids[start : start + QUERIES_PER_ROUND_TRIP]
        commands = [
            (
                *("FT.SEARCH", "@film:{$film}", "NOCONTENT", "LIMIT", 0, 0),
                *("PARAMS", 2, "film", str(film), "DIALECT", 2),
            )
            for film in chunk
        ]
        with translate_redis_errors():
            found = query_complete_index(client, name, *commands)
        counts |= {
            film: sum(int(reply[0]) for reply in replies)
            for film, replies in zip(chunk, found, strict=True)
        }
    return counts


def find_frames() -> dict[tuple[str, int], set[int]]:
    """Return the seconds that have a hash: {(fingerprint, film): seconds}, of all models."""
    form = re.compile(rf"{re.escape(settings.INDEX_PREFIX)}:([^:]+):\{{(\d+)\}}:(\d+)")
    seconds: dict[tuple[str, int], set[int]] = {}
    for key in _scan("*:{*}:*"):
        if found := form.fullmatch(key):
            seconds.setdefault((found[1], int(found[2])), set()).add(int(found[3]))
    return seconds


def iter_line_keys() -> Iterator[tuple[int, str]]:
    """Yield film and key of every hash of a line of dialogue."""
    form = re.compile(rf"{re.escape(settings.INDEX_PREFIX)}:dialogue:\{{(\d+)\}}:\d+:\d+")
    for key in _scan("dialogue:{*}:*"):
        if found := form.fullmatch(key):
            yield int(found[1]), key


def iter_old_keys() -> Iterator[str]:
    """Yield keys left by earlier versions."""
    for pattern in OLD_KEYS:
        yield from _scan(pattern)


def _scan(pattern: str) -> Iterator[str]:
    match = f"{settings.INDEX_PREFIX}:{pattern}"
    with translate_redis_errors():
        for server in primaries(connect_index()):
            for key in server.scan_iter(match=match, count=SCAN_COUNT):
                yield to_text(key)


def count_line_hashes() -> dict[int, int]:
    """Return the number of hashes of lines of each film."""
    # A scan may return a key twice.
    return Counter(film for film, _key in set(iter_line_keys()))
