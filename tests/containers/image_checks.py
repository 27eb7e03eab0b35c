"""Checks the size of the image, and that it contains nothing unnecessary."""

import json
from collections.abc import Iterator

from tests.containers.buildah import Buildah
from tests.containers.running import Container

# Folders and files of the repository that the image needs.
CONTENTS = {
    *("LICENSE", "constraints.txt", "demo", "gallery", "imgsearch", "locale", "manage.py"),
    *("requirements.txt", "static", "templates"),
}
SHOWN_PACKAGES = 12
READ_PACKAGES = """
import json, torch
from importlib.metadata import distributions
def size(one):
    files = (one.locate_file(file) for file in one.files or ())
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
sizes = {one.name: size(one) for one in distributions()}
print(json.dumps({"cuda": torch.version.cuda, "torch": torch.__version__, "sizes": sizes}))
"""
READ_USER = "import os; print(os.getuid(), os.access('/app', os.W_OK), *os.listdir('/app'))"


def check_contents(web: Container) -> str:
    """Check the image's user and which repository files it contains. Return a sentence."""
    user, is_writable, *names = web.execute("python", "-c", READ_USER).split()
    assert user != "0", "The image runs as root."
    assert is_writable == "False", "The image's user can change the program."
    assert set(names) == CONTENTS, sorted(set(names) ^ CONTENTS)
    return f"runs as user {user}, who cannot write to /app; of the repository: {sorted(names)}"


def describe_size(buildah: Buildah, web: Container) -> Iterator[str]:
    """Yield lines with the sizes of the layers and of the largest packages, in megabytes.

    Raises AssertionError unless PyTorch is a CPU build.
    """
    layers = buildah.layers(web.service.image)
    yield f"{sum(layer.megabytes for layer in layers):8.1f} MB in {len(layers)} layers"
    for layer in layers:
        yield f"{layer.megabytes:8.1f} {layer.made_by[:100]}"
    found = json.loads(web.execute("python", "-c", READ_PACKAGES))
    assert found["cuda"] is None, f"PyTorch {found['torch']} is a build for GPUs."
    sizes = sorted(found["sizes"].items(), key=lambda row: -row[1])
    yield f"{sum(found['sizes'].values()):8.1f} MB in {len(sizes)} packages"
    for name, megabytes in sizes[:SHOWN_PACKAGES]:
        yield f"{megabytes:8.1f} {name}"
