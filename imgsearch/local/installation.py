"""What the environment says about this installation, checked, in one object."""

import os
from dataclasses import dataclass
from pathlib import Path

from imgsearch.local.port import EVERYWHERE, in_url, lan_address, names_to_allow, reachable_host
from imgsearch.local.terminal import Refusal


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation: where its state lies, where it listens, and what it was told."""

    base_dir: Path
    var_dir: Path
    host: str
    port: int
    workers: int
    import_demo: bool
    redis_url: str
    redis_is_embedded: bool
    public_url: str

    @property
    def log_dir(self) -> Path:
        """Where the children write what they have to say."""
        return self.var_dir / "logs"

    @property
    def address(self) -> str:
        """What to type into a browser on this machine."""
        return in_url(reachable_host(self.host), self.port)

    @property
    def address_in_network(self) -> str | None:
        """What to type into a phone's browser, when HOST lets it in."""
        if self.host not in EVERYWHERE:
            return None
        address = lan_address()
        return in_url(address, self.port) if address else None

    def environment(self) -> dict[str, str]:
        """The environment of every child."""
        allowed = [name for name in os.environ.get("ALLOWED_HOSTS", "").split(",") if name]
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "imgsearch.settings",
            "VAR_DIR": str(self.var_dir),
            "PORT": str(self.port),
            "ALLOWED_HOSTS": ",".join([*allowed, *names_to_allow(self.host)]),
            "PYTHONUNBUFFERED": "1",
        }


def _whole_number(name: str, default: int, lowest: int, highest: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise Refusal(f"{name}={text} is not a whole number from {lowest} to {highest}.")
    return int(text)


def read_installation() -> Installation:
    """Read the settings. Refuses, in a sentence, those that cannot be used."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")
    import django
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
        var_dir: Path = settings.VAR_DIR
    except (OSError, ImproperlyConfigured, ValueError) as error:
        raise Refusal(f"Invalid settings: {error}.") from error
    if not os.access(var_dir, os.W_OK | os.X_OK):
        raise Refusal(f"VAR_DIR ({var_dir}) is not writable for this user.")
    return Installation(
        base_dir=settings.BASE_DIR,
        var_dir=var_dir,
        host=os.environ.get("HOST", "").strip() or "127.0.0.1",
        port=_whole_number("PORT", 8000, 1, 65_535),
        workers=_whole_number("WORKERS", 1, 1, 256),
        import_demo=os.environ.get("IMPORT_DEMO", "1") != "0",
        redis_url=settings.REDIS_URL,
        redis_is_embedded=not settings.REDIS_URL_GIVEN,
        public_url=settings.PUBLIC_URL,
    )
