"""Export a board's clips as a zip, made by workers in short tasks.

An export is cut clip by clip into its own folder. When a worker dies, the next one continues there.
The zip holds the clips, a table (CSV) and a timeline (OTIO) that plays them in order. It is written
atomically.

    exports/TOKEN/0001.mp4     a clip of an export under way
    exports/TOKEN/0002.txt     why one could not be cut
    exports/TOKEN.zip          the result, kept for a day
"""

import logging
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.boards.csv_table import csv_table
from gallery.boards.export_files import exports_folder, remove_files, reserve_space, zip_path
from gallery.boards.models import Board, BoardScene, Export
from gallery.boards.timelines import Edit, otio_timeline
from gallery.core.disk import raise_disk_full, require_space
from gallery.core.errors import BoardError, ClipBusy, DiskFull, GalleryError, LostClaim
from gallery.core.file_names import file_name
from gallery.core.leases import keep_lease, lease_end
from gallery.films.models import Film
from gallery.media.store import write_atomically
from gallery.scenes import clips

log = logging.getLogger(__name__)

MAX_TASK_SECONDS = 30.0  # then the worker queues the rest, so that other tasks are not delayed
ACTIVE = (Export.State.WAITING, Export.State.RUNNING)
MAX_ACTIVE = 3  # unfinished exports of one board owner
# An estimate for clips that are not cut yet, to reserve space for unfinished exports.
MAX_BYTES_PER_SECOND = 2_500_000
MAX_LISTED_BYTES = 20_000  # one scene in the table and the timeline of a zip, including its note


# --- requests -----------------------------------------------------------------------------------


def edits_of(board: Board, link: Callable[[BoardScene], str]) -> list[Edit]:
    """Return the scenes of a board as edits; `link` maps a scene to the URL of its page."""
    scenes = board.scenes.select_related("film")
    return [
        Edit(number, scene.film, scene.start, scene.end, scene.note, link(scene))
        for number, scene in enumerate(scenes, start=1)
    ]


def request_export(board: Board, edits: list[Edit]) -> Export:
    """Return an export of a board as it is now: a finished or unfinished one, or else a new one.

    Raises BoardError for an empty board and when its owner has MAX_ACTIVE unfinished exports,
    ClipBusy when unfinished exports may need all of EXPORT_CACHE_BYTES, and DiskFull.
    """
    if not edits:
        raise BoardError(_("This board has no scenes yet."))
    scenes = [
        {"film": edit.film.pk, "start": edit.start, "end": edit.end, "note": edit.note,
         "link": edit.link}
        for edit in edits
    ]  # fmt: skip
    plan = {"language": translation.get_language(), "name": board.name, "scenes": scenes}
    with transaction.atomic():
        # Serialize requests, so that a double click makes one export.
        Board.objects.select_for_update().filter(pk=board.pk).first()
        for export in board.exports.filter(plan=plan):
            if export.state in ACTIVE or _is_available(export):
                return export
        of_owner = Export.objects.filter(board__owner=board.owner_id, board__visitor=board.visitor)
        if of_owner.filter(state__in=ACTIVE).count() >= MAX_ACTIVE:
            raise BoardError(_("You already have several exports running. Wait for one to finish."))
        require_space()
        under_way = list(Export.objects.filter(state__in=ACTIVE).values_list("plan", flat=True))
        reserved = sum(map(_reserved_bytes, [*under_way, plan]))
        if under_way and reserved > settings.EXPORT_CACHE_BYTES:
            raise ClipBusy
        return Export.objects.create(board=board, plan=plan, total_count=len(scenes))


def is_outdated(export: Export) -> bool:
    """Return whether the scenes of the board, their order or their notes have changed since."""
    names = ("film", "start", "end", "note")
    now = export.board.scenes.values_list(*names)
    return list(now) != [tuple(scene[name] for name in names) for scene in export.plan["scenes"]]


def _reserved_bytes(plan: dict[str, Any]) -> int:
    """Return the bytes that an export may need: its clips, and the zip that is made of them."""
    seconds = sum(scene["end"] - scene["start"] for scene in plan["scenes"])
    return 2 * min(settings.EXPORT_BYTES, int(seconds * MAX_BYTES_PER_SECOND))


def _is_available(export: Export) -> bool:
    return export.state == Export.State.DONE and not export.error and zip_path(export).is_file()


def latest_export(board: Board) -> Export | None:
    """Return the export that the board's page shows; None without one, or without its file."""
    export = board.exports.first()
    if export and export.state == Export.State.DONE and not zip_path(export).is_file():
        return None
    return export


def cancel_export(export: Export) -> None:
    """Cancel an export; a worker that is cutting it notices at its next update."""
    export.delete()


def find_lost_exports(queue_is_empty: bool) -> QuerySet[Export]:
    """Return exports whose worker died or whose message was lost."""
    dead = Q(state=Export.State.RUNNING, lease_until__lt=timezone.now())
    waiting = Q(state=Export.State.WAITING) if queue_is_empty else Q(pk=None)
    return Export.objects.filter(dead | waiting)


# --- progress -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """The part that is done, 0 to 1, and the seconds left (None while unknown)."""

    part: float
    seconds_left: float | None


def progress_of(export: Export) -> Progress:
    """Read an export's progress from its row, measured in seconds of film, not in clips."""
    lengths = [scene["end"] - scene["start"] for scene in export.plan["scenes"]]
    done = sum(lengths[: export.done_count])
    part = done / sum(lengths) if lengths else 0.0
    if not export.started or not 0 < part < 1:
        return Progress(part, None)
    spent = (timezone.now() - export.started).total_seconds()
    return Progress(part, spent / part * (1 - part))


# --- tasks --------------------------------------------------------------------------------------


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
        ):
            if not claim.cut_clips(time.monotonic() + MAX_TASK_SECONDS):
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
        return _(
            "The disk is full, so the ZIP could not be created. Ask an administrator to free some "
            "space."
        )
    if isinstance(error, GalleryError):
        return str(error)
    return _("Something went wrong while creating the ZIP. See the log for details.")


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
        self.folder = exports_folder() / export.token
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

    def clip_path(self, number: int) -> Path:
        """Return the file of a clip, numbered from 1."""
        return self.folder / f"{number:04d}.mp4"

    def reason_path(self, number: int) -> Path:
        """Return the text file that says why a clip is missing."""
        return self.folder / f"{number:04d}.txt"

    def cut_clips(self, until: float) -> bool:
        """Cut the missing clips until `until` (monotonic clock). Return whether all are cut."""
        with raise_disk_full():
            self.folder.mkdir(parents=True, exist_ok=True)
        size = 0
        for number, edit in enumerate(self.edits, start=1):
            if not self.clip_path(number).is_file() and not self.reason_path(number).is_file():
                if time.monotonic() > until:
                    return False
                self._cut_clip(number, edit)
                self.update(done_count=number, lease_until=lease_end())
            with suppress(FileNotFoundError):
                size += self.clip_path(number).stat().st_size
            if size > settings.EXPORT_BYTES:
                raise BoardError(
                    _(
                        "The clips on this board exceed the limit of %(most)d MB "
                        "(EXPORT_BYTES). Remove some scenes, or split the board."
                    )
                    % {"most": settings.EXPORT_BYTES // 1_000_000}
                )
        return True

    def _cut_clip(self, number: int, edit: Edit | None) -> None:
        if edit is None:
            write_atomically(self.reason_path(number), _text_writer(_("The film was deleted.")))
            return
        try:
            clip = clips.render_clip(edit.film, edit.start, edit.end)
            with reserve_space(clip.stat().st_size):
                _link_or_copy(clip, self.clip_path(number))
        except (DiskFull, ClipBusy):
            raise
        except (GalleryError, FileNotFoundError) as error:
            why = str(error) if isinstance(error, GalleryError) else _("The film file is missing.")
            write_atomically(self.reason_path(number), _text_writer(why))

    def finish(self) -> None:
        """Write the zip. Raises BoardError when no clip could be cut."""
        available = [edit for edit in self.edits if edit and self.clip_path(edit.number).is_file()]
        missing = {
            number: self.reason_path(number).read_text(encoding="utf-8")
            for number in range(1, len(self.edits) + 1)
            if self.reason_path(number).is_file()
        }
        if not available:
            raise BoardError(
                _("No clips could be made. %(why)s") % {"why": next(iter(missing.values()), "")}
            )
        size = sum(
            self.clip_path(edit.number).stat().st_size + MAX_LISTED_BYTES for edit in available
        )
        with reserve_space(size):
            write_atomically(zip_path(self.export), lambda file: self._write_zip(file, available))
        self.update(state=Export.State.DONE, lease_until=None, error=_missing_message(missing))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_zip(self, file: IO[bytes], edits: list[Edit]) -> None:
        name = file_name(self.export.plan["name"])
        names = {edit.number: clip_name(edit, len(self.edits)) for edit in edits}
        # Clips are compressed already.
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for edit in edits:
                archive.write(self.clip_path(edit.number), f"{name}/{names[edit.number]}")
            archive.writestr(f"{name}/{name}.csv", csv_table(edits))
            timeline = otio_timeline(self.export.plan["name"], edits, names)
            archive.writestr(f"{name}/{name}.otio", timeline)


def clip_name(edit: Edit, total: int) -> str:
    """Return the name of a clip's file: 01 Title 00.01.02.03.mp4."""
    digits = max(2, len(str(total)))
    time = edit.clock.timecode(edit.start).replace(":", ".")
    return f"{edit.number:0{digits}d} {file_name(edit.film.title)} {time}.mp4"


def _missing_message(missing: dict[int, str]) -> str:
    if not missing:
        return ""
    lines = [_("Scene %(n)d: %(why)s") % {"n": n, "why": why} for n, why in missing.items()]
    head = ngettext(
        "%(count)d scene is missing from the ZIP.", "%(count)d scenes are missing from the ZIP.",
        len(missing),
    ) % {"count": len(missing)}  # fmt: skip
    return " ".join([head, *lines])


def _text_writer(text: str) -> Callable[[IO[bytes]], object]:
    return lambda file: file.write(text.encode())


def _link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a clip out of the cache, which may evict it, or copy it."""
    with raise_disk_full():
        try:
            os.link(source, target)
        except OSError:
            draft = target.with_suffix(".part")
            shutil.copyfile(source, draft)
            draft.replace(target)
