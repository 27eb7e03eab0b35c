"""Runs the services of docker-compose.yml in containers."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.containers.buildah import Buildah, clear_folder
from tests.containers.compose_file import HealthCheck, Service

POLL_SECONDS = 1.0  # between two health checks of a service that starts
COMMAND_TIMEOUT = 900.0  # seconds


class ServiceError(RuntimeError):
    """A service ended, is not healthy, or a command in it failed."""


class Container:
    """A container of a service. The output of its main process goes to `log`.

    `command` is that of the compose file, or else the image's; `environment` merges both.
    """

    def __init__(
        self, service: Service, work: Path, buildah: Buildah, hosts: Sequence[str]
    ) -> None:
        self.service = service
        self.name = f"imgsearch-{service.name}"
        self.volumes = {target: work / "volumes" / name for name, target in service.volumes}
        self.log = work / f"{service.name}.log"
        config = buildah.config(service.image)
        self.command = service.command or tuple(config["Cmd"])
        self._stop_signal = signal.Signals[config.get("StopSignal", "SIGTERM")]
        of_image = dict(entry.split("=", 1) for entry in config["Env"])
        self.environment = {**of_image, **service.environment}
        self._buildah = buildah
        self._hosts = hosts  # the names of all services, which are on this machine
        self._tmpfs = {path: work / "tmpfs" / service.name / path[1:] for path in service.tmpfs}
        self._process: subprocess.Popen[bytes] | None = None

    # --- the container ------------------------------------------------------------------------

    def create(self) -> None:
        """Create the container; new volumes get the owner of their mount points."""
        known = [f"--add-host={host}:127.0.0.1" for host in self._hosts]
        self._buildah("from", "--pull=never", "--name", self.name, *known, self.service.image)
        for target, folder in self.volumes.items():
            if not folder.is_dir():
                folder.mkdir(parents=True)
                os.chown(folder, *self._buildah.owner_of(self.name, target))
        for folder in self._tmpfs.values():
            clear_folder(folder)
            options = "noexec,nosuid,nodev,mode=1777"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)

    def written_files(self) -> list[str]:
        """Return the files that the container has written to its root file system."""
        return self._buildah.written_files(self.name)

    def execute(self, *command: str, timeout: float = COMMAND_TIMEOUT) -> str:
        """Run a command in the container and return its output, as `compose exec` does.

        Raises ServiceError if it fails, and TimeoutExpired.
        """
        done = subprocess.run(
            self._wrap(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            raise ServiceError(f"{self.service.name}: {' '.join(command)}\n{done.stderr[-3000:]}")
        return done.stdout

    def _wrap(self, command: Sequence[str]) -> list[str]:
        """Return the `buildah run` of a command, with the environment of the compose file."""
        # Engines set HOSTNAME, too.
        variables = {"HOSTNAME": self.service.name, **self.service.environment}
        mounts = (*self.volumes.items(), *self._tmpfs.items())
        return [
            *self._buildah.program,
            *("run", "--isolation", "chroot", "--hostname", self.service.name),
            *(f"--env={name}={value}" for name, value in variables.items()),
            *(f"--volume={folder}:{target}" for target, folder in mounts),
            *([f"--user={self.service.user}"] if self.service.user else []),
            *(self.name, "--", *command),
        ]

    # --- its main process ---------------------------------------------------------------------

    def start(self) -> None:
        """Start the main process."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._wrap(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> float:
        """Stop the main process as an engine does. Return the seconds that it took.

        Raises ServiceError if it has to be killed.
        """
        if self._process is None or not self._is_running:
            return 0.0
        begin = time.monotonic()
        main = find_main_process(self._process.pid)
        os.kill(main, self._stop_signal)
        try:
            self._process.wait(self.service.stop_seconds)
        except subprocess.TimeoutExpired:
            os.kill(main, signal.SIGKILL)
            self._process.wait()
            allowed = f"{self.service.stop_seconds:.0f} s"
            raise ServiceError(f"{self.service.name} did not stop within {allowed}.") from None
        return time.monotonic() - begin

    def wait_completed(self) -> None:
        """Wait until the main process has succeeded. Raises ServiceError."""
        code = self._process.wait(COMMAND_TIMEOUT) if self._process else None
        if code != 0:
            raise ServiceError(f"{self.service.name} ended with exit code {code}.")

    def wait_healthy(self) -> None:
        """Wait until the service is healthy. Raises ServiceError."""
        begin = time.monotonic()
        while not self.is_healthy():
            waited = time.monotonic() - begin
            if not self._is_running or waited > self._health.patience:
                raise ServiceError(f"{self.service.name} is not healthy after {waited:.0f} s.")
            time.sleep(POLL_SECONDS)

    def is_healthy(self) -> bool:
        """Run the health check of the compose file once."""
        try:
            self.execute(*self._health.command, timeout=self._health.timeout)
        except (ServiceError, subprocess.TimeoutExpired):
            return False
        return True

    @property
    def _health(self) -> HealthCheck:
        if self.service.health is None:
            raise ServiceError(f"{self.service.name} has no health check.")
        return self.service.health

    @property
    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None


def find_main_process(pid: int) -> int:
    """Return the process of the container's command among the descendants of buildah's `pid`."""
    children: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, int(status.parent.name))
    while Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"buildah") and pid in children:
        pid = children[pid]
    return pid
