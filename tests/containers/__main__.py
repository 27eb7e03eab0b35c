"""Build the image and run the services of docker-compose.yml from it: see `.ci/containers`."""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.containers import image_checks, images
from tests.containers.buildah import Buildah, clear_folder
from tests.containers.compose_file import read_services, start_order
from tests.containers.running import Container
from tests.containers.site_checks import SiteChecks

COMPOSE = images.ROOT / "docker-compose.yml"
IMAGE = "imgsearch"
# As in .env: a secret, and the model in the image, because no other is available.
VARIABLES = {"POSTGRES_PASSWORD": secrets.token_hex(24), "CLIP_MODEL": "/app/demo/model"}
LOG_LINES = 25  # of each service, after a failure


def say(text: str) -> None:
    """Print and flush a line."""
    print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print a step and its duration."""
    begin = time.monotonic()
    say(f"--- {title}")
    yield
    say(f"    done ({time.monotonic() - begin:.1f} s)")


def build(work: Path) -> None:
    """Build all images."""
    with step("Images: the Dockerfile on Debian and Python by debootstrap; PostgreSQL, Redis"):
        images.build_all(Buildah(work), IMAGE)


class Stack:
    """The containers of all services that `docker compose up` starts."""

    def __init__(self, work: Path) -> None:
        self.buildah = Buildah(work)
        self.buildah("rm", "--all")
        for name in ("volumes", "tmpfs"):
            clear_folder(work / name)
        services = read_services(COMPOSE, VARIABLES)
        self.containers = {
            service.name: Container(service, work, self.buildah, sorted(services))
            for service in start_order(services.values())
        }
        self.servers = [one for one in self.containers.values() if one.service.health]
        self.web = self.containers["web"]

    def create(self) -> None:
        """Create the containers and volumes."""
        for one in self.containers.values():
            one.log.unlink(missing_ok=True)
            one.create()

    def start(self) -> None:
        """Start all services in order; each waits until its dependencies are healthy."""
        begin = time.monotonic()
        for name, one in self.containers.items():
            for waited, condition in one.service.depends_on.items():
                self._wait(self.containers[waited], condition)
            say(f"    {name} started after {time.monotonic() - begin:.1f} s")
            one.start()
        for one in self.servers:
            one.wait_healthy()
        say(f"    all healthy after {time.monotonic() - begin:.1f} s")

    def _wait(self, one: Container, condition: str) -> None:
        if condition == "service_completed_successfully":
            one.wait_completed()
        elif condition == "service_healthy":
            one.wait_healthy()

    def stop(self) -> None:
        """Stop all services, dependents before their dependencies. Raises ServiceError."""
        for name, one in reversed(self.containers.items()):
            say(f"    {name} stopped in {one.stop():.1f} s")

    def check_health(self) -> None:
        """Run every health check once. Raises AssertionError."""
        for one in self.servers:
            assert one.is_healthy(), f"{one.name} is not healthy."

    def check_secrets(self) -> None:
        """Raise AssertionError if a log contains the password of the administrator."""
        saved = self.web.execute("cat", f"{self.web.environment['VAR_DIR']}/admin-login.txt")
        password = saved.split()[-1]
        for name, one in self.containers.items():
            assert password not in one.log.read_text("utf-8", "replace"), f"{name} logged it."

    def check_written(self) -> None:
        """Raise AssertionError if a read-only container has written outside its volumes."""
        for one in self.containers.values():
            if one.service.is_read_only:
                written = one.written_files()
                assert written == [], f"{one.name} has written {written}."

    def print_logs(self) -> None:
        """Print the last lines of every log."""
        for name, one in self.containers.items():
            if one.log.exists():
                say(f"--- the log of {name}:")
                lines = one.log.read_text("utf-8", "replace").splitlines()
                say("\n".join(f"    {line}" for line in lines[-LOG_LINES:]))

    @property
    def not_run(self) -> list[str]:
        """Return the keys of the compose file that are ignored here."""
        return sorted({key for one in self.containers.values() for key in one.service.not_run})


def run(work: Path) -> None:
    """Start the services, use the site, restart everything, and use the site again."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    stack = Stack(work)
    site = SiteChecks(stack.web, "http://127.0.0.1:8000")
    checks: list[tuple[str, Callable[[], str]]] = [
        ("Health page", site.check_health_page),
        ("Import the demo film", site.import_demo),
        ("Search", site.search),
        ("Log in", site.log_in),
        ("Cut a clip", site.cut_clip),
        ("Burn in subtitles", site.burn_in_subtitles),
    ]
    try:
        with step("Containers and volumes"):
            stack.create()
        with step("Start, in the order of docker-compose.yml"):
            stack.start()
        with step("The image"):
            say(f"    {image_checks.check_contents(stack.web)}")
            for line in image_checks.describe_size(stack.buildah, stack.web):
                say(f"    {line}")
        for title, check in checks:
            with step(title):
                say(f"    {check()}")
        with step("Check health again, and that no log has the password; stop everything"):
            stack.check_health()
            stack.check_secrets()
            stack.stop()
        with step("Start again, and search again"):
            stack.start()
            say(f"    {site.check_health_page()}")
            say(f"    {site.search()}")
        with step("Stop everything, and check that nothing was written outside volumes"):
            stack.stop()
            stack.check_written()
    except BaseException:
        stack.print_logs()
        raise
    say(f"All checks passed. Not tested: {', '.join(stack.not_run)}; see docs/containers.md.")


if __name__ == "__main__":
    {"build": build, "run": run}[sys.argv[1]](Path(sys.argv[2]))
