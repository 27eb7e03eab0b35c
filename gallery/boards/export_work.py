"""Make exports of boards, in short tasks of workers.

Scene by scene, an export makes a clip, or a part of a film, in its own folder. When a worker dies,
the next one continues there. In the end the result is made of them, and appears atomically.

    exports/TOKEN/0001.mp4     a scene of an export under way; 0001.mov for a film
    exports/TOKEN/0002.txt     why one could not be made
    exports/TOKEN.zip          the result, kept for a day; TOKEN.mp4 for a film
"""

import logging
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.boards.board_film import BoardFilm
from gallery.boards.clip_archive import ClipArchive
from gallery.boards.export_files import remove_files, work_folder
from gallery.boards.models import Export
from gallery.boards.timelines import Edit
from gallery.core import shutdown
from gallery.core.disk import raise_disk_full
from gallery.core.errors import BoardError, ClipBusy, DiskFull, GalleryError, LostClaim
from gallery.core.leases import keep_lease, lease_end
from gallery.films.models import Film
from gallery.media.store import write_atomically
from gallery.workers.attempts import count_attempt

log = logging.getLogger(__name__)

MAX_TASK_SECONDS = 30.0  # then the worker queues the rest, so that other tasks are not delayed
REPORT_SECONDS = 1.0  # between two updates of an export's progress
MAKERS: dict[str, type[ClipArchive] | type[BoardFilm]] = {
    Export.Kind.CLIPS: ClipArchive,
    Export.Kind.FILM: BoardFilm,
}


def continue_export(export_id: int) -> bool:
    """Claim an export and work on it for MAX_TASK_SECONDS. Return whether it has to be continued.

    Return False when it is done, failed, deleted or claimed by another worker.
    """
    claim = _claim(export_id)
    if claim is None:
        return False
    try:
        with (
            keep_lease(claim.renew, settings.LEASE_SECONDS),
            translation.override(claim.export.plan["language"]),
            count_attempt("export", export_id),
        ):
            if not claim.make_scenes(time.monotonic() + MAX_TASK_SECONDS):
                claim.release()
                return True
            claim.finish()
    except LostClaim:
        log.info("export %s was claimed by another worker or cancelled", export_id)
        if not Export.objects.filter(pk=export_id).exists():
            remove_files(claim.export)
    except ClipBusy:
        claim.release()
        return True
    except Exception as error:
        with translation.override(claim.export.plan["language"]):
            claim.fail(_message(error))
        if not isinstance(error, GalleryError):
            raise
    return False


def _message(error: Exception) -> str:
    """Describe an error to the user who requested the export."""
    if isinstance(error, DiskFull):
        return _("The disk is full. Ask an administrator to free some space.")
    if isinstance(error, GalleryError):
        return str(error)
    return _("Something went wrong during this export. See the log for details.")


def _claim(export_id: int) -> "_Claim | None":
    token = uuid.uuid4()
    free = Q(state=Export.State.WAITING) | Q(
        state=Export.State.RUNNING, lease_until__lt=timezone.now()
    )
    changed = Export.objects.filter(free, pk=export_id).update(
        state=Export.State.RUNNING, claim_token=token, lease_until=lease_end()
    )
    if not changed:
        return None
    Export.objects.filter(pk=export_id, started=None).update(started=timezone.now())
    return _Claim(Export.objects.get(pk=export_id))


class _Claim:
    """An export claimed by this worker."""

    def __init__(self, export: Export) -> None:
        self.export = export
        self.folder = work_folder(export)
        self.maker = MAKERS[export.kind](export)
        self._reported_at = time.monotonic()
        scenes = export.plan["scenes"]
        films = Film.objects.in_bulk({scene["film"] for scene in scenes})
        # None: the film was deleted after the export was requested.
        self.edits = [
            Edit(number, **{**scene, "film": films[scene["film"]]})
            if scene["film"] in films
            else None
            for number, scene in enumerate(scenes, start=1)
        ]

    def update(self, **values: object) -> None:
        """Update the row. Raises LostClaim when the claim was lost."""
        ours = Export.objects.filter(
            pk=self.export.pk, claim_token=self.export.claim_token, state=Export.State.RUNNING
        )
        if not ours.update(**values):
            raise LostClaim

    def report(self, part: float) -> None:
        """Record how much of the current scene is done, 0 to 1, once in REPORT_SECONDS.

        Raises LostClaim, also when the export was cancelled.
        """
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            self.update(scene_part=min(1.0, part))
            self._reported_at = time.monotonic()

    def renew(self) -> bool:
        """Renew the lease. Return False when the claim was lost."""
        try:
            self.update(lease_until=lease_end())
        except LostClaim:
            return False
        return True

    def release(self) -> None:
        """Give up the claim, so that the next task continues."""
        with suppress(LostClaim):
            self.update(state=Export.State.WAITING, claim_token=None, lease_until=None)

    def fail(self, message: str) -> None:
        """Mark the export as failed and remove its files."""
        with suppress(LostClaim):
            self.update(state=Export.State.FAILED, error=message, lease_until=None)
        shutil.rmtree(self.folder, ignore_errors=True)

    def scene_path(self, number: int) -> Path:
        """Return the file of a scene, numbered from 1."""
        return self.folder / f"{number:04d}{self.maker.scene_suffix}"

    def reason_path(self, number: int) -> Path:
        """Return the text file that says why a scene is missing."""
        return self.folder / f"{number:04d}.txt"

    def make_scenes(self, until: float) -> bool:
        """Make the missing scenes until `until` (monotonic clock). Return whether all are made."""
        with raise_disk_full():
            self.folder.mkdir(parents=True, exist_ok=True)
        size = 0
        for number, edit in enumerate(self.edits, start=1):
            if not self.scene_path(number).is_file() and not self.reason_path(number).is_file():
                if time.monotonic() > until or shutdown.is_requested():
                    return False
                self._make_scene(number, edit)
                self.update(done_count=number, scene_part=0.0, lease_until=lease_end())
            with suppress(FileNotFoundError):
                size += self.scene_path(number).stat().st_size
            if size > settings.EXPORT_BYTES:
                raise BoardError(
                    _(
                        "The clips on this board exceed the limit of %(most)d MB "
                        "(EXPORT_BYTES). Remove some scenes, or split the board."
                    )
                    % {"most": settings.EXPORT_BYTES // 1_000_000}
                )
        return True

    def _make_scene(self, number: int, edit: Edit | None) -> None:
        if edit is None:
            write_atomically(self.reason_path(number), _text_writer(_("The film was deleted.")))
            return
        try:
            self.maker.make_scene(edit, self.scene_path(number), self.report)
        except (DiskFull, ClipBusy):
            raise
        except (GalleryError, FileNotFoundError) as error:
            why = str(error) if isinstance(error, GalleryError) else _("The film file is missing.")
            write_atomically(self.reason_path(number), _text_writer(why))

    def finish(self) -> None:
        """Make the result. Raises BoardError when no scene could be made."""
        made = [
            (edit, path)
            for edit in self.edits
            if edit and (path := self.scene_path(edit.number)).is_file()
        ]
        missing = {
            number: self.reason_path(number).read_text(encoding="utf-8")
            for number in range(1, len(self.edits) + 1)
            if self.reason_path(number).is_file()
        }
        if not made:
            raise BoardError(
                _("No clips could be made. %(why)s") % {"why": next(iter(missing.values()), "")}
            )
        self.maker.join_scenes(made, self.report)
        self.update(state=Export.State.DONE, lease_until=None, error=_missing_message(missing))
        shutil.rmtree(self.folder, ignore_errors=True)


def _missing_message(missing: dict[int, str]) -> str:
    if not missing:
        return ""
    lines = [_("Scene %(n)d: %(why)s") % {"n": n, "why": why} for n, why in missing.items()]
    head = ngettext(
        "%(count)d scene is missing.", "%(count)d scenes are missing.", len(missing)
    ) % {"count": len(missing)}  # fmt: skip
    return " ".join([head, *lines])


def _text_writer(text: str) -> Callable[[IO[bytes]], object]:
    return lambda file: file.write(text.encode())
