"""The socket of the embedded Redis. The settings import this: it must not import Django."""

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

# The kernel's limit is 107 bytes on Linux and 103 on macOS.
MAX_SOCKET_PATH_BYTES = 100


def socket_path(var_dir: Path) -> Path:
    """Return the unix socket of the installation in `var_dir`.

    It is in VAR_DIR or, if that path is too long for a socket, in a folder of this user under /tmp.
    All processes must get the same path, so it does not depend on TMPDIR, XDG_RUNTIME_DIR or other
    variables that may differ between shells.
    """
    inside = var_dir / "redis" / "redis.sock"
    if len(os.fsencode(inside)) <= MAX_SOCKET_PATH_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:16]
    return Path("/tmp") / f"imgsearch-{os.getuid()}" / f"{digest}.sock"


def embedded_redis_url(var_dir: Path) -> str:
    """Return the URL of the embedded Redis, with its path quoted."""
    return f"unix://{quote(os.fsencode(socket_path(var_dir)))}?db=0"


def make_private_folder(folder: Path) -> None:
    """Create `folder` with mode 0700. Raises PermissionError when another user owns it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    folder.chmod(0o700)
