"""Builds the image of the Dockerfile, and substitutes for images from registries."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from tests.containers.buildah import Buildah

ROOT = Path(__file__).resolve().parents[2]
BASE_IMAGE = re.compile(r"^ARG PYTHON_IMAGE=(python:(\d+\.\d+)-slim-(\w+))$", re.MULTILINE)
# What the official images have in addition to minimal Debian.
PYTHON_PACKAGES = ("ca-certificates", "netbase", "tzdata", "python3", "python3-pip")
# In the official image, Python is in /usr/local, and pip installs for all users.
PLACE_PYTHON = """
ln -s /usr/bin/python3 /usr/local/bin/python3
ln -s /usr/bin/python3 /usr/local/bin/python
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
"""
# As in the official images, apt leaves no packages or caches behind.
APT_WITHOUT_CACHE = """
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
"""
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}


def build_all(buildah: Buildah, image: str) -> None:
    """Build the image of the Dockerfile, and those of PostgreSQL and Redis."""
    match = BASE_IMAGE.search((ROOT / "Dockerfile").read_text("utf-8"))
    if match is None:
        raise ValueError("The Dockerfile has no ARG PYTHON_IMAGE=python:X.Y-slim-RELEASE.")
    base, python, release = match.groups()
    _make_debian(buildah, base, release, PYTHON_PACKAGES, f"{PLACE_PYTHON}\n{_require(python)}")
    _build(buildah, image, ROOT / "Dockerfile")
    _make_debian(buildah, "debian:trixie-slim", "trixie", ("ca-certificates",))
    folder = ROOT / "tests" / "containers"
    # Their context is the repository, too, but without the image's .dockerignore.
    no_rules = buildah.work / "no-rules"
    no_rules.touch()
    options = (f"--ignorefile={no_rules}", f"--build-arg=PYTHON_IMAGE={base}")
    for name in ("postgres:17", "redis:8"):
        path = folder / name.partition(":")[0] / "Dockerfile"
        _build(buildah, f"docker.io/library/{name}", path, *options)


def _require(python: str) -> str:
    """Return a shell command that fails unless Python has this version."""
    return (
        f'python -c "import sys; sys.exit(sys.version_info[:2] != ({python.replace(".", ", ")}))"'
    )


def _make_debian(
    buildah: Buildah, image: str, release: str, packages: tuple[str, ...], script: str = ""
) -> None:
    """Build an image of minimal Debian with some packages, unless it exists."""
    if buildah.has_image(image):
        return
    debian = buildah.work / release
    shutil.rmtree(debian, ignore_errors=True)  # of an interrupted run
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", release, debian],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (debian / "etc/apt/apt.conf.d/without-cache").write_text(APT_WITHOUT_CACHE)
    clean = "apt-get clean; rm -rf /var/lib/apt/lists/* /var/log/*.log"
    subprocess.run(["chroot", debian, "/bin/sh", "-ec", f"{script}\n{clean}"], check=True)
    container = buildah("from", "scratch")
    root = buildah("mount", container)
    subprocess.run(["cp", "--archive", f"{debian}/.", root], check=True)
    shutil.rmtree(debian)
    for name, value in ENVIRONMENT.items():
        buildah("config", "--env", f"{name}={value}", container)
    buildah("umount", container)
    buildah("commit", "--quiet", "--rm", container, f"docker.io/library/{image}")


def _build(buildah: Buildah, image: str, dockerfile: Path, *options: str) -> None:
    """Build a Dockerfile with the repository as context. Unchanged layers are reused."""
    more = shlex.split(os.environ.get("BUILD_OPTIONS", ""))
    always = ("--isolation", "chroot", "--layers", "--pull=never", "--tag", image)
    buildah.show("bud", *always, *options, *more, "--file", dockerfile, ROOT)
