"""Reads and checks the settings that the launcher needs."""

import os
from dataclasses import dataclass
from pathlib import Path

from imgsearch.local.port import ANY_ADDRESS, allowed_hosts, lan_address, reachable_host, server_url
from imgsearch.local.terminal import LauncherError


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation: its folders, its address and its settings."""

    base_dir: Path
    var_dir: Path
    host: str
    port: int
    workers: int
    import_demo: bool
    redis_url: str
    redis_is_embedded: bool
    index_url: str
    public_url: str

    @property
    def log_dir(self) -> Path:
        """Return the folder of the logs."""
        return self.var_dir / "logs"

    @property
    def address(self) -> str:
        """Return the URL on this machine."""
        return server_url(reachable_host(self.host), self.port)

    @property
    def address_in_network(self) -> str | None:
        """Return the URL in the local network, if HOST allows access from there."""
        if self.host not in ANY_ADDRESS:
            return None
        address = lan_address()
        return server_url(address, self.port) if address else None

    def environment(self) -> dict[str, str]:
        """Return the environment of the children."""
        allowed = [name for name in os.environ.get("ALLOWED_HOSTS", "").split(",") if name]
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "imgsearch.settings",
            "VAR_DIR": str(self.var_dir),
            "PORT": str(self.port),
            "ALLOWED_HOSTS": ",".join([*allowed, *allowed_hosts(self.host)]),
            "PYTHONUNBUFFERED": "1",
        }


def _read_integer(name: str, default: int, minimum: int, maximum: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdecimal() or not minimum <= int(text) <= maximum:
        raise LauncherError(f"{name}={text} is not a whole number from {minimum} to {maximum}.")
    return int(text)


def read_installation() -> Installation:
    """Read the settings. Raises LauncherError for invalid ones."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")
    import django
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
        var_dir: Path = settings.VAR_DIR
    except (OSError, ImproperlyConfigured, ValueError) as error:
        raise LauncherError(f"Invalid settings: {error}.") from error
    if not os.access(var_dir, os.W_OK | os.X_OK):
        raise LauncherError(f"VAR_DIR ({var_dir}) is not writable for this user.")
    return Installation(
        base_dir=settings.BASE_DIR,
        var_dir=var_dir,
        host=os.environ.get("HOST", "").strip() or "127.0.0.1",
        port=_read_integer("PORT", 8000, 1, 65_535),
        workers=_read_integer("WORKERS", 1, 1, 256),
        import_demo=os.environ.get("IMPORT_DEMO", "1") != "0",
        redis_url=settings.REDIS_URL,
        redis_is_embedded=not settings.REDIS_URL_GIVEN,
        index_url=settings.INDEX_URL,
        public_url=settings.PUBLIC_URL,
    )
