"""What Redis really holds of each film, counted rather than believed.

RediSearch counts the frames of a film in its index within a millisecond: cheap enough for every
sweep. Walking through all keys takes a second for some hundred thousand and finds what no list
names; that is for the hourly tidying, and for `manage.py check_library`.
"""

from collections import Counter
from collections.abc import Collection, Iterator

import redis
from django.conf import settings

from gallery.index.frame_index import FrameIndex
from gallery.index.server import ask_complete_index, connect, plain, translate_redis_errors

SCAN_COUNT = 1000  # keys looked at in one step of a scan: Redis answers others in between
QUERIES = 500  # sent in one round trip


def indexed_frames(here: FrameIndex, films: Collection[int]) -> dict[int, int]:
    """How many frames of each film a search can find.

    Raises IndexUnavailable; IndexWarmingUp while the index is built.
    """
    return _totals(here.client, here.alias, films)


def indexed_lines(client: redis.Redis, alias: str, films: Collection[int]) -> dict[int, int]:
    """How many lines of dialogue of each film a search can find. Raises IndexUnavailable."""
    return _totals(client, alias, films)


def _totals(client: redis.Redis, alias: str, films: Collection[int]) -> dict[int, int]:
    wanted = sorted(films)
    found: dict[int, int] = {}
    for at in range(0, len(wanted), QUERIES):
        some = wanted[at : at + QUERIES]
        commands = [
            (
                *("FT.SEARCH", alias, "@film:{$film}", "NOCONTENT", "LIMIT", 0, 0),
                *("PARAMS", 2, "film", str(film), "DIALECT", 2),
            )
            for film in some
        ]
        with translate_redis_errors():
            replies = ask_complete_index(client, alias, *commands)
        found |= {film: int(reply[0]) for film, reply in zip(some, replies, strict=True)}
    return found


def listed_frames(here: FrameIndex, films: Collection[int]) -> dict[int, int]:
    """How many frames the list of each film names. Raises IndexUnavailable."""
    wanted = sorted(films)
    with translate_redis_errors():
        pipe = here.client.pipeline(transaction=False)
        for film in wanted:
            pipe.scard(here.film_key(film))
        return dict(zip(wanted, map(int, pipe.execute()), strict=True))


def frame_keys() -> Iterator[tuple[str, int, int, str]]:
    """Every hash of a frame, of any model: the model's fingerprint, film, second, and key."""
    for key in _scan(f"{settings.INDEX_PREFIX}:*:frame:*"):
        inside = key.removeprefix(f"{settings.INDEX_PREFIX}:").split(":")
        if len(inside) == 4 and inside[2].isdigit() and inside[3].isdigit():
            yield inside[0], int(inside[2]), int(inside[3]), key


def line_keys() -> Iterator[tuple[int, str]]:
    """Every hash of a line of dialogue: its film, and its key."""
    prefix = f"{settings.INDEX_PREFIX}:dialogue:line:"
    for key in _scan(f"{prefix}*"):
        film = key.removeprefix(prefix).partition(":")[0]
        if film.isdigit():
            yield int(film), key


def _scan(pattern: str) -> Iterator[str]:
    client = connect(settings.REDIS_URL)
    with translate_redis_errors():
        for key in client.scan_iter(match=pattern, count=SCAN_COUNT):
            yield plain(key)


def count_frame_hashes() -> dict[tuple[str, int], int]:
    """How many different hashes each model and film have: {(fingerprint, film): frames}."""
    # A scan may return a key twice.
    found = {(model, film, second) for model, film, second, _key in frame_keys()}
    return Counter((model, film) for model, film, _second in found)


def count_line_hashes() -> dict[int, int]:
    """How many different hashes of lines each film has."""
    return Counter(film for film, _key in set(line_keys()))
