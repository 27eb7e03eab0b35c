"""Reads docker-compose.yml as a container engine does: variables, health checks, start order."""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

# $$, $NAME, ${NAME}, and ${NAME} with a default, an error or an alternative.
VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<sign>:?[-?+])(?P<text>[^{}]*))?\})"
)
DURATION = re.compile(r"(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?")
VOLUME_NAME = re.compile(r"[a-zA-Z0-9][\w.-]*")
# The keys that `Service` represents.
USED = {
    *("command", "depends_on", "environment", "healthcheck", "image", "profiles", "read_only"),
    *("stop_grace_period", "tmpfs", "user", "volumes"),
}
STOP_SECONDS = 10.0  # before a container is killed, unless the file says otherwise


class ComposeError(ValueError):
    """The file contains something that cannot be read or run here."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A command that succeeds in a healthy container. All times are in seconds."""

    command: tuple[str, ...]
    interval: float
    timeout: float
    retries: int
    start_period: float

    @property
    def patience(self) -> float:
        """Seconds after which an engine considers a container unhealthy that never was healthy."""
        return self.start_period + self.retries * (self.interval + self.timeout)


@dataclass(frozen=True, slots=True)
class Service:
    """A service. If `command` or `user` is empty, the image's is used.

    `volumes` are pairs of a volume's name and its mount point; `not_run` are the keys in the file
    that this class does not represent.
    """

    name: str
    image: str
    command: tuple[str, ...]
    user: str
    environment: Mapping[str, str]
    volumes: tuple[tuple[str, str], ...]
    tmpfs: tuple[str, ...]
    is_read_only: bool
    health: HealthCheck | None
    depends_on: Mapping[str, str]
    profiles: tuple[str, ...]
    stop_seconds: float
    not_run: tuple[str, ...]


def read_services(path: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """Return the services of a compose file by name. Raises ComposeError."""
    services = yaml.safe_load(path.read_text("utf-8"))["services"]
    return {
        name: _read_service(name, _interpolate_all(keys, variables))
        for name, keys in services.items()
    }


def start_order(services: Iterable[Service]) -> list[Service]:
    """Return the services without a profile, each after its dependencies."""
    started = {service.name: service for service in services if not service.profiles}
    order = TopologicalSorter({name: list(row.depends_on) for name, row in started.items()})
    return [started[name] for name in order.static_order()]


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace the variables in `text`. Raises ComposeError if a required one has no value."""

    def replace(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, sign, given = match["name"] or match["plain"], match["sign"] or "", match["text"]
        value = variables.get(name)
        has_value = bool(value) if sign.startswith(":") else value is not None
        if sign.endswith("+"):
            return given if has_value else ""
        if has_value:
            return value or ""
        if sign.endswith("?"):
            raise ComposeError(f"{name}: {given}")
        return given or ""

    if "$" in VARIABLE.sub("", text):
        raise ComposeError(f"Cannot read the variables of {text!r}.")
    return VARIABLE.sub(replace, text)


def _interpolate_all(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return interpolate(value, variables)
    if isinstance(value, list):
        return [_interpolate_all(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: _interpolate_all(item, variables) for key, item in value.items()}
    return value


def _read_service(name: str, keys: Mapping[str, Any]) -> Service:
    return Service(
        name=name,
        image=keys["image"],
        command=_words(keys.get("command", [])),
        user=str(keys.get("user", "")),
        environment=_environment(keys.get("environment", {})),
        volumes=tuple(_volume(volume) for volume in keys.get("volumes", [])),
        tmpfs=_list(keys.get("tmpfs", [])),
        is_read_only=bool(keys.get("read_only", False)),
        health=_health(keys["healthcheck"]) if "healthcheck" in keys else None,
        depends_on={
            other: waits["condition"] for other, waits in keys.get("depends_on", {}).items()
        },
        profiles=_list(keys.get("profiles", [])),
        stop_seconds=_seconds(keys.get("stop_grace_period", f"{STOP_SECONDS:.0f}s")),
        not_run=tuple(sorted(set(keys) - USED)),
    )


def _list(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _words(command: str | list[str]) -> tuple[str, ...]:
    return tuple(shlex.split(command) if isinstance(command, str) else map(str, command))


def _environment(given: Mapping[str, Any] | list[str]) -> dict[str, str]:
    if isinstance(given, list):
        return dict(entry.split("=", 1) for entry in given)
    return {name: "" if value is None else str(value) for name, value in given.items()}


def _volume(volume: Any) -> tuple[str, str]:
    """Return the name and target of a named volume; bind mounts and long forms are unsupported."""
    parts = volume.split(":") if isinstance(volume, str) else []
    if len(parts) != 2 or not VOLUME_NAME.fullmatch(parts[0]):
        raise ComposeError(f"Not a named volume: {volume}")
    return parts[0], parts[1]


def _health(given: Mapping[str, Any]) -> HealthCheck:
    kind, *command = given["test"]
    if kind not in ("CMD", "CMD-SHELL"):
        raise ComposeError(f"Not a command of a health check: {given['test']}")
    return HealthCheck(
        command=tuple(command) if kind == "CMD" else ("/bin/sh", "-c", *command),
        interval=_seconds(given.get("interval", "30s")),
        timeout=_seconds(given.get("timeout", "30s")),
        retries=int(given.get("retries", 3)),
        start_period=_seconds(given.get("start_period", "0s")),
    )


def _seconds(duration: str) -> float:
    match = DURATION.fullmatch(duration)
    if not duration or match is None:
        raise ComposeError(f"Not a duration in minutes and seconds: {duration!r}")
    return 60.0 * int(match["minutes"] or 0) + int(match["seconds"] or 0)
