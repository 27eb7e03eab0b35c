"""Images and containers made with buildah, which needs no container engine."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image, with the Dockerfile line that made it, if known."""

    megabytes: float
    made_by: str


class Buildah:
    """Runs buildah with its own storage in `work`."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.program = [
            "buildah",
            *("--root", str(work / "storage"), "--runroot", str(work / "runroot")),
            *("--storage-driver", "overlay"),
        ]
        os.environ["TMPDIR"] = str(work)  # where buildah drafts layers

    def __call__(self, *arguments: str | Path) -> str:
        """Run a buildah command and return its output. Raises CalledProcessError."""
        command = [*self.program, *map(str, arguments)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def show(self, *arguments: str | Path) -> None:
        """Run a buildah command that prints its progress. Raises CalledProcessError."""
        subprocess.run([*self.program, *map(str, arguments)], check=True)

    def has_image(self, image: str) -> bool:
        """Return whether an image is in the storage."""
        names = self("images", "--format", "{{.Name}}:{{.Tag}}").splitlines()
        return any(name.removeprefix("docker.io/library/") == image for name in names)

    def config(self, image: str) -> dict[str, Any]:
        """Return the configuration of an image: Cmd, Env, User, WorkingDir."""
        found: dict[str, Any] = json.loads(self("inspect", "--type", "image", image))
        return dict(found["OCIv1"]["config"])

    def layers(self, image: str) -> list[Layer]:
        """Return the layers of an image, starting with those of its base."""
        inspected = json.loads(self("inspect", "--type", "image", image))
        found = {row["id"]: row for row in self._read("overlay-layers/layers.json")}
        images = self._read("overlay-images/images.json")
        top = next(row["layer"] for row in images if row["id"] == inspected["FromImageID"])
        sizes: list[int] = []
        while top:
            sizes.insert(0, found[top].get("diff-size", 0))
            top = found[top].get("parent")
        lines = [
            " ".join(row.get("created_by", "").split())
            for row in inspected["OCIv1"]["history"]
            if not row.get("empty_layer")
        ]
        if len(lines) != len(sizes):
            lines = ["" for _size in sizes]
        return [Layer(size / 1e6, line) for size, line in zip(sizes, lines, strict=True)]

    def owner_of(self, container: str, folder: str) -> tuple[int, int]:
        """Return the user and group of a folder in a container; root's if it does not exist."""
        root = Path(self("mount", container))
        try:
            status = (root / folder.lstrip("/")).stat()
        except FileNotFoundError:
            return 0, 0
        finally:
            self("umount", container)
        return status.st_uid, status.st_gid

    def written_files(self, container: str) -> list[str]:
        """Return the files that a container has written to its root file system.

        Ignores /etc and /run, where buildah itself puts files.
        """
        changes = Path(self("mount", container)).parent / "diff"
        try:
            files = (
                f"/{path.relative_to(changes)}" for path in changes.rglob("*") if path.is_file()
            )
            return sorted(name for name in files if not name.startswith(("/etc/", "/run/")))
        finally:
            self("umount", container)

    def _read(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads((self.work / "storage" / name).read_text("utf-8"))
        return rows


def clear_folder(folder: Path) -> None:
    """Create or empty a folder that every user may enter."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755, parents=True)
