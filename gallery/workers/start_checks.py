"""Checks a machine before its worker takes any work.

The worker waits for services that may still be starting, such as the database. It does not start if
there is any other problem, because it would fail at every film or even do harm.
"""

import fcntl
import logging
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import Error, connection, connections
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError

from gallery.clip import weights
from gallery.core.disk import is_disk_full
from gallery.core.errors import GalleryError, IndexUnavailable, ModelError, NoSearchCommands
from gallery.index import server
from gallery.media import store
from gallery.site import checks
from gallery.workers import installation, precision
from gallery.workers.models import Installation

log = logging.getLogger(__name__)

PAUSE = 3.0  # seconds between two checks while waiting
SCRATCH_SECONDS = 86_400.0  # older scratch files are from workers that were killed
# As a fraction of a lease: workers compare the ends of leases with their own clocks.
MAX_CLOCK_DIFFERENCE = 1 / 6


class UnsuitableMachine(GalleryError):  # noqa: N818 - the name states the problem
    """This machine does not match the installation. `problems` are sentences."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def prepare_worker(kinds: Collection[str]) -> None:
    """Wait until a worker for these kinds of work can start.

    If no setup has registered the installation yet, this machine does. Raises UnsuitableMachine.
    """
    logged = ""
    while missing := find_unavailable():
        if missing != logged:
            log.warning("this worker is waiting: %s", missing)
        logged = missing
        time.sleep(PAUSE)
    difference = ""
    try:
        if installation.load() is None:
            installation.register()
        problems = find_problems(kinds)
        difference = weights.describe_difference()
    except (GalleryError, OSError) as error:
        problems = [str(error)]
    finally:
        connections.close_all()  # or the pool's processes would share them
    if problems:
        raise UnsuitableMachine(problems)
    store.remove_older(settings.SCRATCH_DIR, SCRATCH_SECONDS)
    if difference:
        log.warning("%s", difference)
    log.info("this machine matches the installation: version %s", settings.VERSION)


def find_unavailable() -> str:
    """Return a sentence about what is not available yet, or ""."""
    try:
        server.check_server(server.index_url())
    except NoSearchCommands:
        pass  # waiting would not help
    except IndexUnavailable as error:
        return str(error)
    try:
        unapplied = _migrations()[0]
    except Error as error:
        connection.close()
        return f"The database cannot be used: {str(error).strip()}."
    if unapplied:
        return (
            f"{unapplied} migrations of this version have not been applied. Start the machine with "
            "the web server, or run manage.py migrate."
        )
    return ""


def find_problems(kinds: Collection[str]) -> list[str]:
    """Return how this machine does not match the installation, as sentences."""
    return [
        *_check_settings(),
        *_check_server(),
        *_check_database(),
        *_check_installation(kinds),
        *_check_clock(),
    ]


def _check_settings() -> Iterator[str]:
    found = (*checks.check_ffmpeg(), *checks.check_media_store(), *checks.check_settings())
    for message in found:
        yield f"{message.msg} {message.hint or ''}".strip()


def _check_server() -> Iterator[str]:
    try:
        server.check_server(server.index_url())
    except GalleryError as error:
        yield str(error)


def _migrations() -> tuple[int, int]:
    """Return how many migrations are unapplied, and how many are unknown to this version."""
    loader = MigrationExecutor(connection).loader
    known, applied = set(loader.disk_migrations), set(loader.applied_migrations)
    ours = {key for key in applied if key[0] == "gallery"}
    return len(known - applied), len(ours - known)


def _check_database() -> Iterator[str]:
    if _migrations()[1]:
        yield (
            f"The database belongs to a newer version than that of this machine "
            f"({settings.VERSION}). Install the same version here."
        )


def _check_installation(kinds: Collection[str]) -> Iterator[str]:
    row = installation.load()
    if row is None:
        return
    try:
        yield from _check_version(row)
        yield from _check_store(row)
        yield from _check_model(row)
        if "segments" in kinds:
            yield from _check_precision(row)
    except (ModelError, OSError) as error:
        yield str(error)


def _check_version(row: Installation) -> Iterator[str]:
    if row.version != settings.VERSION:
        yield (
            f"This machine has version {settings.VERSION}, but the installation has {row.version}. "
            "Install the same version here, or upgrade the machine with the web server."
        )


def _check_store(row: Installation) -> Iterator[str]:
    folder, found = settings.MEDIA_ROOT, installation.read_store_id()
    if found != row.store_id:
        state = f"says {found}" if found else "is missing"
        yield (
            f"{folder} is not the media store of this installation: its file store-id {state}, but "
            f"the database has {row.store_id}. Mount the shared store there, or set MEDIA_DIR."
        )
        return
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".check-") as file:
            file.write(b"x")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if not is_disk_full(error):
            yield (
                f"{folder} cannot be used: {error.strerror}. This user must be able to create and "
                "lock files there; an NFS share needs version 4, mounted without nolock."
            )


def _check_model(row: Installation) -> Iterator[str]:
    if installation.is_model_chosen():
        weights.active()  # raises if its files are missing or differ
        return
    model = weights.current()
    if model.fingerprint != row.model:
        yield (
            f"This machine's model is {model.name} ({model.fingerprint}), but that of the "
            f"installation is {row.model_name} ({row.model}). Set CLIP_MODEL and CLIP_EDGES as on "
            "the other machines, and run manage.py fetch_model here."
        )


def _check_precision(row: Installation) -> Iterator[str]:
    if not row.precision:
        return
    found = precision.find_precision()
    if not installation.is_same_class(found, row.precision):
        yield (
            f"This machine embeds frames in {found}, the others in {row.precision}, so their "
            f"vectors would differ. Set CLIP_PRECISION={row.precision} here."
        )


# --- clocks ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockDifference:
    """The least number of seconds by which this machine's clock is ahead of another."""

    other: str
    seconds: float


def measure_clock_differences() -> list[ClockDifference]:
    """Compare this machine's clock with those of Redis and PostgreSQL. Raises RedisError, Error."""
    return [
        ClockDifference(name, _difference(*answer))
        for name, answer in (("Redis", _redis_time()), ("the database", _database_time()))
        if answer is not None
    ]


def _difference(before: float, there: float, after: float) -> float:
    """Return by how much `there` lies outside the interval in which the other clock was read."""
    return after - there if there > after else max(0.0, before - there)


def _redis_time() -> tuple[float, float, float]:
    client = server.connect(settings.REDIS_URL)
    client.ping()  # connect first, so that connecting does not count
    before = time.time()
    seconds, micros = client.time()
    return before, seconds + micros / 1e6, time.time()


def _database_time() -> tuple[float, float, float] | None:
    if connection.vendor != "postgresql":
        return None  # a local file has no clock
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return before, float(cursor.fetchone()[0]), time.time()


def _check_clock() -> Iterator[str]:
    most = settings.LEASE_SECONDS * MAX_CLOCK_DIFFERENCE
    try:
        found = measure_clock_differences()
    except (RedisError, Error) as error:
        yield f"The clocks cannot be compared: {error}."
        return
    for one in found:
        if abs(one.seconds) > most:
            side = "ahead of" if one.seconds > 0 else "behind"
            yield (
                f"This machine's clock is {abs(one.seconds):.0f} s {side} that of {one.other}. "
                f"Leases need clocks that agree within {most:.0f} s: turn on NTP."
            )
