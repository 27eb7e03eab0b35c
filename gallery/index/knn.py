"""Nearest-neighbour queries in RediSearch's language: the filter of a scope, and its replies."""

from collections.abc import Sequence

from gallery.index.server import NO_FILM
from gallery.index.types import Neighbour, Scope


def build_filter(scope: Scope) -> tuple[str, dict[str, str | int | bytes]]:
    """Return a scope as a RediSearch filter and its parameters: values never go into the text.

    The choice of the field decides whether dull frames are searched: see `FrameIndex.nearest`.
    """
    parameters: dict[str, str | int | bytes] = {}

    def add_parameter(value: object) -> str:
        key = f"p{len(parameters)}"
        parameters[key] = str(value)
        return f"${key}"

    def any_of(values: Sequence[object]) -> str:
        return "|".join(add_parameter(value) for value in values)

    parts = []
    if scope.films is not None:
        parts.append(f"@film:{{{any_of(scope.films or (NO_FILM,))}}}")
    if scope.excluded_films:
        parts.append(f"-@film:{{{any_of(scope.excluded_films)}}}")
    for film, shot in scope.excluded_shots:
        number = add_parameter(shot)
        parts.append(f"-(@film:{{{add_parameter(film)}}} @shot:[{number} {number}])")
    parts += [f"@labels:{{{any_of([label])}}}" for label in scope.labels]
    return (f"({' '.join(parts)})" if parts else "*"), parameters


def parse_neighbour(key: bytes, fields: Sequence[bytes]) -> Neighbour:
    """Parse a row of a raw KNN reply: a key PREFIX:{FILM}:SECOND, and names and values in turn."""
    _prefix, film, second = key.rsplit(b":", 2)
    row = dict(zip(fields[::2], fields[1::2], strict=True))
    score = 1.0 - float(row[b"distance"])
    return Neighbour(int(film[1:-1]), int(second), int(row[b"shot"]), score)
