"""Metrics in the Prometheus format, computed from the database and Redis on each request.

In-process counters would be wrong: several web processes serve the endpoint, and workers do not.
Requests are therefore not counted here; use the metrics of the reverse proxy.
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from redis.exceptions import RedisError

from gallery import tasks
from gallery.boards.models import Export
from gallery.core import disk
from gallery.core.errors import GalleryError
from gallery.films import catalogue
from gallery.films.models import Film
from gallery.index import frame_index, server
from gallery.library.models import LibraryFile, LibraryFolder
from gallery.workers import overview, records

PREFIX = "scene_search"


def render() -> bytes:
    """Return all metrics as text, without those of services that do not respond."""
    registry = CollectorRegistry()
    registry.register(_Everything())
    return bytes(generate_latest(registry))


class _Everything(Collector):
    """Reads the current values of all metrics."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of each part."""
        yield from _films()
        yield from _library()
        yield from _workers()
        yield from _failures()
        yield from _index()
        free = disk.free_bytes()
        yield _gauge("media_store_free_bytes", "Free bytes on the disk of the media store.", free)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", what, value=value)


def _gauges(name: str, what: str, label: str, values: dict[str, Any]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _films() -> Iterator[Metric]:
    counted = Film.objects.order_by().values_list("state").annotate(n=Count("pk"))
    states = dict.fromkeys(Film.State.values, 0) | dict(counted)
    yield _gauges("films", "Films by the state of their import.", "state", states)
    frames = catalogue.searchable().aggregate(all=Sum("frame_count"))["all"] or 0
    yield _gauge("frames", "Frames of all searchable films.", frames)


def _library() -> Iterator[Metric]:
    """Yield what an administrator of library folders should be alerted to."""
    folders = LibraryFolder.objects.all()
    away = LibraryFile.objects.filter(away_since__isnull=False, film__isnull=False)
    unreadable = LibraryFile.objects.present().filter(state=LibraryFile.State.UNREADABLE)
    yield _gauge("library_folders", "Library folders.", len(folders))
    failed = sum(1 for folder in folders if folder.error)
    yield _gauge("library_folders_failed", "Library folders whose last scan failed.", failed)
    yield _gauge("library_files_away", "Files of films that the last scan missed.", away.count())
    yield _gauge("library_files_unreadable", "Files that cannot be opened.", unreadable.count())
    scans = [folder.scanned_at.timestamp() for folder in folders if folder.scanned_at]
    if scans:
        what = "Unix time of the last scan of the folder that has waited longest."
        yield _gauge("library_oldest_scan_timestamp_seconds", what, min(scans))


def _workers() -> Iterator[Metric]:
    waiting = tasks.count_waiting()
    if waiting:
        yield _gauges("waiting_tasks", "Tasks waiting for a worker.", "kind", waiting)
    found = records.read_all()
    yield _gauge("workers", "Running workers.", len(found))
    running = sum(len(record.tasks) for record in found)
    yield _gauge("running_tasks", "Tasks being run by workers.", running)
    try:
        total = records.total_frames()
    except RedisError:
        return
    yield CounterMetricFamily(f"{PREFIX}_frames_embedded", "Frames ever embedded.", value=total)


def _failures() -> Iterator[Metric]:
    failed = {name: job.find_given_up().count() for name, job in overview.JOBS}
    failed["export"] = Export.objects.filter(state=Export.State.FAILED).count()
    yield _gauges("failed_jobs", "Background jobs given up.", "job", failed)


def _index() -> Iterator[Metric]:
    try:
        servers = server.primaries(server.connect_index())
        used = sum(one.info("memory")["used_memory"] for one in servers)
        indexed = frame_index.current().status()
    except (RedisError, GalleryError):
        yield _gauge("index_up", "Whether the index is reachable.", 0)
        return
    yield _gauge("index_up", "Whether the index is reachable.", 1)
    yield _gauge("index_frames", "Frames in the index.", indexed.frames)
    yield _gauge("redis_memory_bytes", "Bytes used by Redis, including the index.", used)
