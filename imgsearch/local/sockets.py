"""Where the embedded Redis listens. Imported by the settings: knows neither Django nor Redis."""

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

# The kernel takes 107 bytes on Linux and 103 on macOS.
LONGEST = 100


def socket_path(var_dir: Path) -> Path:
    """The unix socket of the installation in `var_dir`.

    It lies in VAR_DIR, unless that path is too long for a socket: then it lies in a folder of this
    user's under /tmp. Every process of the installation must come to the same answer, so nothing
    here depends on TMPDIR, XDG_RUNTIME_DIR or other things a shell may set differently.
    """
    inside = var_dir / "redis" / "redis.sock"
    if len(os.fsencode(inside)) <= LONGEST:
        return inside
    digest = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:16]
    return Path("/tmp") / f"imgsearch-{os.getuid()}" / f"{digest}.sock"


def embedded_redis_url(var_dir: Path) -> str:
    """The address of the embedded Redis, as a URL whose path may hold any character."""
    return f"unix://{quote(os.fsencode(socket_path(var_dir)))}?db=0"


def make_private_folder(folder: Path) -> None:
    """Make `folder` so that only this user can enter it; refuse one that somebody else owns."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    folder.chmod(0o700)
