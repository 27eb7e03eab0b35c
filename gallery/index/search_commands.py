"""Sends RediSearch commands to all nodes that are needed to cover the whole index.

In a cluster, each node indexes its own keys. From Redis 8 on, every node has a coordinator that
queries the others. Without a coordinator, this module queries every node, and the caller merges
the replies.

Without a coordinator, Redis treats the name of an index as a key, and rejects it on nodes that do
not own its slot. So each node then has its own name for the index, with a suitable hash tag.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import redis
from redis.commands.search.field import Field
from redis.commands.search.index_definition import IndexDefinition, IndexType

from gallery.core.errors import IndexMissing, IndexWarmingUp
from gallery.index.server import is_missing_index, primaries, refresh_topology, to_text

MAX_TAGS = 10_000  # tried until there is one for each server of a cluster

# Name and run id of the server, for indexes known to be complete.
_complete_indexes: set[tuple[str, str]] = set()


def fail_on_timeout(client: redis.Redis) -> None:
    """Make timeouts errors: by default, RediSearch silently returns partial results."""
    for server in primaries(client):
        try:
            server.execute_command("CONFIG", "SET", "search-on-timeout", "fail")
        except redis.ResponseError:
            server.execute_command("FT.CONFIG", "SET", "ON_TIMEOUT", "FAIL")


class Part(NamedTuple):
    """A server that search commands must be sent to, and the name of the index there."""

    server: redis.Redis
    name: str


def index_parts(client: redis.Redis, name: str) -> list[Part]:
    """Return the servers that together cover the index `name`."""
    servers = primaries(client)
    if not isinstance(client, redis.RedisCluster):
        return [Part(client, name)]
    if _has_coordinator(servers[0]):
        return [Part(random.choice(servers), name)]
    tags: dict[int, str] = {}  # the tag of each server, by the id of its client
    for tag in map(str, range(MAX_TAGS)):
        node = client.get_node_from_key(tag)
        tags.setdefault(id(client.get_redis_connection(node)), tag)
        if len(tags) == len(servers):
            break
    return [Part(server, f"{name}:{{{tags[id(server)]}}}") for server in servers]


@cache
def _has_coordinator(server: redis.Redis) -> bool:
    """Return whether a node answers search commands for the whole cluster."""
    try:
        server.execute_command("SEARCH.CLUSTERINFO")
    except redis.ResponseError as error:
        return "unknown command" not in str(error).lower()
    return True


def create_index(
    server: redis.Redis, name: str, prefix: str, fields: Sequence[Field], **options: Any
) -> None:
    """Create a search index over the hashes of a server whose keys begin with `prefix`."""
    definition = IndexDefinition(prefix=[prefix], index_type=IndexType.HASH)
    try:
        server.ft(name).create_index(fields, definition=definition, **options)
    except redis.ResponseError as error:
        # Another process may have created it first.
        if "already exists" not in str(error).lower():
            raise


def drop_index(server: redis.Redis, name: str) -> None:
    """Drop a search index on a server, but not its hashes."""
    try:
        server.ft(name).dropindex()
    except redis.ResponseError as error:
        # Another process may have dropped it first.
        if not is_missing_index(error):
            raise


def index_info(server: redis.Redis, name: str) -> dict[str, Any] | None:
    """Return the FT.INFO of an index or alias on a server, or None if it does not exist."""
    try:
        raw = server.ft(name).info()
    except redis.ResponseError as error:
        if is_missing_index(error):
            return None
        raise
    return {str(key): value for key, value in raw.items()}


def index_infos(client: redis.Redis, name: str) -> list[dict[str, Any]]:
    """Return the FT.INFO of an index or alias on each server. Raises IndexMissing."""
    found = [index_info(*part) for part in index_parts(client, name)]
    infos = [info for info in found if info is not None]
    if len(infos) < len(found):
        raise IndexMissing
    return infos


def parse_fields(info: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Return the fields of an index from FT.INFO: the type of each, and the width of a vector."""
    fields = {}
    for attribute in info["attributes"]:
        pairs = dict(zip(map(to_text, attribute[::2]), map(to_text, attribute[1::2]), strict=False))
        fields[pairs["identifier"]] = (pairs["type"], int(pairs.get("dim", 0)))
    return fields


def query_complete_index(
    client: redis.Redis, name: str, *commands: Sequence[str | int | bytes]
) -> list[list[Any]]:
    """Send search commands, given without the name of the index, in one round trip.

    Returns the raw replies to each, one per server. The run ids of the servers are requested, too,
    so that replies from an index that is still being built after a restart are never used. Raises
    IndexWarmingUp and IndexMissing.
    """
    asked = {id(part.server): part.name for part in index_parts(client, name)}
    parts = [Part(server, asked.get(id(server), name)) for server in primaries(client)]

    def ask(part: Part) -> list[Any]:
        pipe = part.server.pipeline(transaction=False)
        pipe.execute_command("INFO", "server")
        if id(part.server) in asked:
            for verb, *arguments in commands:
                pipe.execute_command(verb, part.name, *arguments)
        return list(pipe.execute(raise_on_error=False))

    try:
        answers = _map(ask, parts)
    except redis.ConnectionError:
        refresh_topology(client)
        raise
    unsure = [
        part
        for part, (info, *_replies) in zip(parts, answers, strict=True)
        if isinstance(info, Exception) or (part.name, info["run_id"]) not in _complete_indexes
    ]
    if unsure:
        for part in unsure:
            require_complete(part.server, part.name)
        return query_complete_index(client, name, *commands)
    replies = [found for _info, *found in answers if found]
    for reply in (reply for found in replies for reply in found):
        if isinstance(reply, Exception):
            raise reply
    return [list(row) for row in zip(*replies, strict=True)]


def _map(ask: Callable[[Part], list[Any]], parts: Sequence[Part]) -> list[Any]:
    """Query several servers in parallel."""
    if len(parts) == 1:
        return [ask(parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(ask, parts))


def require_complete(server: redis.Redis, name: str) -> None:
    """Raise IndexWarmingUp while a server builds an index from its hashes after a start.

    The result is cached until the next restart, because FT.INFO takes milliseconds on a large
    index. Raises IndexMissing if there is no index.
    """
    start = (name, server.info("server")["run_id"])
    if start in _complete_indexes:
        return
    info = index_info(server, name)
    if info is None:
        raise IndexMissing
    if float(info.get("percent_indexed", 1)) < 1:
        raise IndexWarmingUp
    _complete_indexes.add(start)
