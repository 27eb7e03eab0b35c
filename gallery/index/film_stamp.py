"""The stamp of a film in the index says what its frames were built from."""

from gallery.index.search_index import SCHEMA

LOST_VECTORS = "lost"  # replaces the labels in the stamp of a film with missing vectors


def build_stamp(run: int, labels: str, *, complete: bool = True) -> str:
    """Return a stamp of what a film's frames were built from: the import and the labels.

    `complete` is False when some of the film's vectors are missing from the media store.
    """
    return f"{SCHEMA}:{run}:{labels if complete else LOST_VECTORS}"


def is_of_run(stamp: str, run: int) -> bool:
    """Return whether a film's frames were built from this import, even if incomplete."""
    return stamp.rpartition(":")[0] == f"{SCHEMA}:{run}"


def is_complete(stamp: str, run: int) -> bool:
    """Return whether the index has all frames of this import."""
    return is_of_run(stamp, run) and not stamp.endswith(f":{LOST_VECTORS}")
