"""What a worker needs, checked before it takes any work, in words.

What may come by itself, such as a database that is just starting, is waited for. With anything
else the worker would do harm or fail at every film, so it does not start.
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

PAUSE = 3.0  # seconds between two looks at what is waited for
SCRATCH_SECONDS = 86_400.0  # after which a file there was left by a worker that was killed
# Of a lease: workers compare the ends of leases with their own clocks.
MAX_CLOCK_DIFFERENCE = 1 / 6


class Unsuitable(GalleryError):  # noqa: N818 - the name states the problem
    """This machine must not work for this installation. `problems` are sentences."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def prepare_worker(kinds: Collection[str]) -> None:
    """Wait until a worker for these kinds of work can begin. Raises Unsuitable if it must not.

    Where no setup has described the installation, this machine does.
    """
    said = ""
    while missing := find_missing():
        if missing != said:
            log.warning("this worker waits: %s", missing)
        said = missing
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
        raise Unsuitable(problems)
    store.remove_older(settings.SCRATCH_DIR, SCRATCH_SECONDS)
    if difference:
        log.warning("%s", difference)
    log.info("this machine suits the installation: version %s", settings.VERSION)


def find_missing() -> str:
    """Return what cannot be reached yet, in a sentence, or ""."""
    try:
        server.check_server(server.index_url())
    except NoSearchCommands:
        pass  # waiting does not help
    except IndexUnavailable as error:
        return str(error)
    try:
        unapplied = _migrations()[0]
    except Error as error:
        connection.close()
        return f"The database cannot be used: {str(error).strip()}."
    if unapplied:
        return (
            f"The database lacks {unapplied} migrations of this version. Start the machine with "
            "the web server, or run manage.py migrate."
        )
    return ""


def find_problems(kinds: Collection[str]) -> list[str]:
    """Return why this machine does not suit the installation, in sentences."""
    return [
        *_wrong_settings(),
        *_wrong_server(),
        *_newer_database(),
        *_different_installation(kinds),
        *_wrong_clock(),
    ]


def _wrong_settings() -> Iterator[str]:
    found = (*checks.check_ffmpeg(), *checks.check_media_store(), *checks.check_settings())
    for message in found:
        yield f"{message.msg} {message.hint or ''}".strip()


def _wrong_server() -> Iterator[str]:
    try:
        server.check_server(server.index_url())
    except GalleryError as error:
        yield str(error)


def _migrations() -> tuple[int, int]:
    """Return how many migrations the database lacks, and how many this version does not know."""
    loader = MigrationExecutor(connection).loader
    known, applied = set(loader.disk_migrations), set(loader.applied_migrations)
    ours = {key for key in applied if key[0] == "gallery"}
    return len(known - applied), len(ours - known)


def _newer_database() -> Iterator[str]:
    if _migrations()[1]:
        yield (
            f"The database belongs to a newer version than this machine's ({settings.VERSION}). "
            "Install the same version here."
        )


def _different_installation(kinds: Collection[str]) -> Iterator[str]:
    row = installation.load()
    if row is None:
        return
    try:
        yield from _different_version(row)
        yield from _different_store(row)
        yield from _different_model(row)
        if "segments" in kinds:
            yield from _different_precision(row)
    except (ModelError, OSError) as error:
        yield str(error)


def _different_version(row: Installation) -> Iterator[str]:
    if row.version != settings.VERSION:
        yield (
            f"This machine has version {settings.VERSION}, the installation {row.version}. Install "
            "the same version here, or start the machine with the web server with this one."
        )


def _different_store(row: Installation) -> Iterator[str]:
    folder, found = settings.MEDIA_ROOT, installation.read_store_id()
    if found != row.store_id:
        state = f"says {found}" if found else "is missing"
        yield (
            f"{folder} is not the media store of this installation: its file store-id {state}, and "
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


def _different_model(row: Installation) -> Iterator[str]:
    if installation.is_model_chosen():
        weights.active()  # says what is wrong with its files here
        return
    model = weights.current()
    if model.fingerprint != row.model:
        yield (
            f"This machine's model is {model.name} ({model.fingerprint}), that of the installation "
            f"is {row.model_name} ({row.model}). Set CLIP_MODEL and CLIP_EDGES as on the other "
            "machines, and run manage.py fetch_model here."
        )


def _different_precision(row: Installation) -> Iterator[str]:
    if not row.precision:
        return
    found = precision.find_precision()
    if not installation.is_same_class(found, row.precision):
        yield (
            f"This machine embeds frames in {found}, the others in {row.precision}, and their "
            f"vectors would differ. Set CLIP_PRECISION={row.precision} here."
        )


# --- clocks ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockDifference:
    """How far this machine's clock is ahead of another's, in seconds, at least."""

    other: str
    seconds: float


def clock_differences() -> list[ClockDifference]:
    """Compare this machine's clock with those of Redis and PostgreSQL. Raises RedisError, Error."""
    return [
        ClockDifference(name, _difference(*answer))
        for name, answer in (("Redis", _redis_time()), ("the database", _database_time()))
        if answer is not None
    ]


def _difference(before: float, there: float, after: float) -> float:
    """Return by how much `there` lies outside the time in which the other clock was read."""
    return after - there if there > after else max(0.0, before - there)


def _redis_time() -> tuple[float, float, float]:
    client = server.connect(settings.REDIS_URL)
    client.ping()  # the connection is open when the time is asked for
    before = time.time()
    seconds, micros = client.time()
    return before, seconds + micros / 1e6, time.time()


def _database_time() -> tuple[float, float, float] | None:
    if connection.vendor != "postgresql":
        return None  # a file on this machine
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return before, float(cursor.fetchone()[0]), time.time()


def _wrong_clock() -> Iterator[str]:
    most = settings.LEASE_SECONDS * MAX_CLOCK_DIFFERENCE
    try:
        found = clock_differences()
    except (RedisError, Error) as error:
        yield f"The clocks cannot be compared: {error}."
        return
    for one in found:
        if abs(one.seconds) > most:
            side = "ahead of" if one.seconds > 0 else "behind"
            yield (
                f"This machine's clock is {abs(one.seconds):.0f} s {side} that of {one.other}. "
                f"Leases of films need clocks that agree to {most:.0f} s: turn on NTP."
            )
