"""The part of the sweep for library folders: queue scans that are due, and start imports."""

from collections.abc import Callable

from gallery.importing.healing import Queue
from gallery.library import folders, hashing, imports, scan


def queue_due(is_queued: Callable[[str], bool], queue: Queue) -> None:
    """Queue scans and hashes that are due, and start imports of waiting files.

    `is_queued` returns whether a step already has a message in its queue. Raises DiskFull.
    """
    folders.add_configured()
    if not is_queued("scan_library"):
        for folder_id in scan.find_due():
            queue("scan_library", folder_id)
    imports.start_imports(queue)
    if not is_queued("hash_library") and hashing.next_to_hash() is not None:
        queue("hash_library")
