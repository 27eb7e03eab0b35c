"""The task queues: one per kind of work, so that each machine can take what it is suited for."""

from collections.abc import Mapping

from kombu.utils.scheduling import round_robin_cycle

SOON = "soon"  # short tasks that others wait for: workers take them first
# Each kind of work with its tasks. By default, a worker takes all but speech.
KINDS: Mapping[str, tuple[str, ...]] = {
    SOON: ("finish", "read_tracks", "labels", "heal", "remake", "sweep", "tidy"),
    "probing": ("probe", "scan_library", "hash_library"),
    "segments": ("segment", "reembed"),
    "labels": ("label_film",),
    "exports": ("export",),
    "reading": ("read_text", "find_shots"),
    "speech": ("hear_speech",),
}
# Recognizing speech is slow, so it has a separate worker.
DEFAULT_KINDS = tuple(kind for kind in KINDS if kind != "speech")


def name_queues(base: str) -> dict[str, str]:
    """Map each kind to the name of its queue; that of segments is CELERY_QUEUE itself."""
    return {kind: base if kind == "segments" else f"{base}-{kind}" for kind in KINDS}


class SoonFirst(round_robin_cycle):
    """The order in which a worker polls its queues: short tasks first, then the others in turn."""

    def consume(self, n: int) -> list[str]:
        """Return the names of the queues in this order."""
        return sorted(self.items[:n], key=lambda name: not name.endswith(f"-{SOON}"))
