"""The record of a fictitious worker."""

from django.conf import settings as product

from gallery.workers.records import WorkerRecord


def make_record(name: str = "films@one", **values: object) -> WorkerRecord:
    """A worker that takes frames and short tasks."""
    queues = (product.QUEUES["segments"], product.QUEUES["soon"])
    usual: dict[str, object] = {
        "name": name,
        "host": "one",
        "version": product.VERSION,
        "model": "0123456789ab",
        "model_name": "a model",
        "ffmpeg": "9.0",
        "processes": 2,
        "queues": queues,
        "own_queues": queues,
        "started_at": 1_700_000_000.0,
        "reported_at": 1_700_000_100.0,
    }
    return WorkerRecord(**(usual | values))  # type: ignore[arg-type]
