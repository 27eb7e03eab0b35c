"""The processes of an installation by role, and their memory."""

import contextlib
import os
from pathlib import Path

ROLES = ("web", "worker", "beat", "redis")


def children_of(pid: int) -> dict[int, list[int]]:
    """Return the children of a process, each with all its descendants."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(stat[1]), []).append(int(folder.name))

    def below(one: int) -> list[int]:
        direct = parents.get(one, [])
        return direct + [deeper for child in direct for deeper in below(child)]

    return {child: below(child) for child in parents.get(pid, [])}


def processes_by_role(launcher: int) -> dict[str, list[int]]:
    """Return the processes of the launcher by role, without FFmpeg and other short-lived ones."""
    found: dict[str, list[int]] = {}
    for child, descendants in children_of(launcher).items():
        command = read_proc(child, "cmdline")
        role = _role(command)
        if role is None:
            continue
        program = command.partition(b"\0")[0]
        same = [pid for pid in descendants if read_proc(pid, "cmdline").startswith(program)]
        found.setdefault(role, []).extend([child, *same])
    return found


def _role(command: bytes) -> str | None:
    if b"redis-server" in command:
        return "redis"
    if b"celery" in command:
        return "beat" if b"\0beat\0" in command else "worker"
    return None if b"manage.py" in command else "web"


def memory_by_role(launcher: int) -> dict[str, float]:
    """Return the MiB (PSS) of each role."""
    return {
        role: sum(mebibytes(pid) for pid in pids)
        for role, pids in processes_by_role(launcher).items()
    }


def mebibytes(pid: int) -> float:
    """Return the memory of a process in MiB: PSS where the kernel reports it, else RSS.

    0 when the process has ended.
    """
    for name, key in (("smaps_rollup", b"Pss:"), ("status", b"VmRSS:")):
        for line in read_proc(pid, name).splitlines():
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    return 0.0


def find_processes(var_dir: str) -> list[str]:
    """Return the command lines of other processes with this VAR_DIR."""
    wanted = f"VAR_DIR={var_dir}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid not in (os.getpid(), os.getppid()) and wanted in read_proc(pid, "environ").split(
            b"\0"
        ):
            found.append(read_proc(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace"))
    return found


def read_proc(pid: int, name: str) -> bytes:
    """Read a file of a process in /proc; empty when the process has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
