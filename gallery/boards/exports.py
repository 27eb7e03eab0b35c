"""A board's clips as a zip, made by workers a little at a time.

An export is cut clip by clip into a folder of its own; a worker that dies leaves there what it has
done, and the next one goes on. The zip holds the clips, a table, and a timeline (OTIO) that plays
them in order. It is there complete or not at all.

    exports/TOKEN/0001.mp4     a clip of an export under way
    exports/TOKEN/0002.txt     why one could not be cut
    exports/TOKEN.zip          the result, for a day
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
from gallery.boards.export_files import folder_of_all, remove_files, room_for_export, zip_of
from gallery.boards.models import Board, BoardScene, Export
from gallery.boards.timelines import TimelineClip, otio_timeline
from gallery.core.disk import raise_disk_full, require_space
from gallery.core.errors import BoardError, ClipBusy, DiskFull, GalleryError, LostClaim
from gallery.core.file_names import file_name
from gallery.core.leases import kept_alive, lease_end
from gallery.films.models import Film
from gallery.media.store import write_atomically
from gallery.scenes import clips

log = logging.getLogger(__name__)

MAX_TURN_SECONDS = 30.0  # seconds after which a worker lets other work have its turn
ACTIVE = (Export.State.WAITING, Export.State.RUNNING)
MAX_ACTIVE = 3  # exports of one board owner at the same time
# What a second of a clip is expected to take at most, to reserve space for zips in the making.
MAX_BYTES_PER_SECOND = 2_500_000
MAX_LISTED_BYTES = 20_000  # of a scene in the table and the timeline of a zip, its note included


# --- asking for one -----------------------------------------------------------------------------


def cuts_of(board: Board, link: Callable[[BoardScene], str]) -> list[TimelineClip]:
    """The scenes of a board as edits; `link` gives the address of a scene's page."""
    scenes = board.scenes.select_related("film")
    return [
        TimelineClip(number, scene.film, scene.start, scene.end, scene.note, link(scene))
        for number, scene in enumerate(scenes, start=1)
    ]


def request_export(board: Board, cuts: list[TimelineClip]) -> Export:
    """The export of a board as it is now: one that is there or under way, or a new one.

    Raises BoardError for an empty board, and when too many of its owner are under way; ClipBusy
    when all that are under way may need EXPORT_CACHE_BYTES; DiskFull.
    """
    if not cuts:
        raise BoardError(_("This board has no scenes yet."))
    scenes = [
        {"film": cut.film.pk, "start": cut.start, "end": cut.end, "note": cut.note,
         "link": cut.link}
        for cut in cuts
    ]  # fmt: skip
    plan = {"language": translation.get_language(), "name": board.name, "scenes": scenes}
    with transaction.atomic():
        # One after the other, so that pressing twice makes one.
        Board.objects.select_for_update().filter(pk=board.pk).first()
        for export in board.exports.filter(plan=plan):
            if export.state in ACTIVE or _is_there(export):
                return export
        theirs = Export.objects.filter(board__owner=board.owner_id, board__visitor=board.visitor)
        if theirs.filter(state__in=ACTIVE).count() >= MAX_ACTIVE:
            raise BoardError(_("You already have several exports running. Wait for one to finish."))
        require_space()
        under_way = list(Export.objects.filter(state__in=ACTIVE).values_list("plan", flat=True))
        reserved = sum(map(_reserved, [*under_way, plan]))
        if under_way and reserved > settings.EXPORT_CACHE_BYTES:
            raise ClipBusy
        return Export.objects.create(board=board, plan=plan, total_count=len(scenes))


def _reserved(plan: dict[str, Any]) -> int:
    """Bytes that an export may need: for its clips, and again for the zip made of them."""
    seconds = sum(scene["end"] - scene["start"] for scene in plan["scenes"])
    return 2 * min(settings.EXPORT_BYTES, int(seconds * MAX_BYTES_PER_SECOND))


def _is_there(export: Export) -> bool:
    return export.state == Export.State.DONE and not export.error and zip_of(export).is_file()


def latest_export(board: Board) -> Export | None:
    """The export that the board's page shows; None when there is none, or its file is gone."""
    export = board.exports.first()
    if export and export.state == Export.State.DONE and not zip_of(export).is_file():
        return None
    return export


def cancel_export(export: Export) -> None:
    """Give up an export; a worker that is at it notices."""
    export.delete()


def find_lost_exports(queue_is_empty: bool) -> QuerySet[Export]:
    """Exports whose worker died, or whose message was lost."""
    dead = Q(state=Export.State.RUNNING, lease_until__lt=timezone.now())
    waiting = Q(state=Export.State.WAITING) if queue_is_empty else Q(pk=None)
    return Export.objects.filter(dead | waiting)


# --- how far it is ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """The part that is done, 0 to 1, and the seconds left (None while nobody can tell)."""

    part: float
    seconds_left: float | None


def progress_of(export: Export) -> Progress:
    """Read an export's progress from its row. It counts seconds of film, not clips."""
    lengths = [scene["end"] - scene["start"] for scene in export.plan["scenes"]]
    done = sum(lengths[: export.done_count])
    part = done / sum(lengths) if lengths else 0.0
    if not export.started or not 0 < part < 1:
        return Progress(part, None)
    spent = (timezone.now() - export.started).total_seconds()
    return Progress(part, spent / part * (1 - part))


# --- making it ----------------------------------------------------------------------------------


def make_part(export_id: int) -> bool:
    """Take an export up and go on with it for a while; True when it has to be gone on with.

    Returns False when it is done, failed, gone, or somebody else has it.
    """
    claim = _claim(export_id)
    if claim is None:
        return False
    try:
        with (
            kept_alive(claim.keep, settings.LEASE_SECONDS),
            translation.override(claim.export.plan["language"]),
        ):
            if not claim.cut_clips(time.monotonic() + MAX_TURN_SECONDS):
                claim.give_way()
                return True
            claim.finish()
    except LostClaim:
        log.info("export %s: somebody else has it, or it was given up", export_id)
        if not Export.objects.filter(pk=export_id).exists():
            remove_files(claim.export)
    except ClipBusy:
        claim.give_way()
        return True
    except Exception as error:
        with translation.override(claim.export.plan["language"]):
            claim.fail(_sentence(error))
        if not isinstance(error, GalleryError):
            raise
    return False


def _sentence(error: Exception) -> str:
    """What is told of an export that failed."""
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
    """An export that this worker has taken up."""

    def __init__(self, export: Export) -> None:
        self.export = export
        self.folder = folder_of_all() / export.token
        scenes = export.plan["scenes"]
        films = Film.objects.in_bulk({scene["film"] for scene in scenes})
        # None: its film was deleted since.
        self.cuts = [
            TimelineClip(number, **{**scene, "film": films[scene["film"]]})
            if scene["film"] in films
            else None
            for number, scene in enumerate(scenes, start=1)
        ]

    def update(self, **values: object) -> None:
        """Change the row. Raises LostClaim when it is not ours any more."""
        ours = Export.objects.filter(
            pk=self.export.pk, claim_token=self.export.claim_token, state=Export.State.RUNNING
        )
        if not ours.update(**values):
            raise LostClaim

    def keep(self) -> bool:
        """Renew the lease; False when the export is not ours any more."""
        try:
            self.update(lease_until=lease_end())
        except LostClaim:
            return False
        return True

    def give_way(self) -> None:
        """Let whoever is next go on with it."""
        with suppress(LostClaim):
            self.update(state=Export.State.WAITING, claim_token=None, lease_until=None)

    def fail(self, message: str) -> None:
        """Mark it failed, and keep nothing of it."""
        with suppress(LostClaim):
            self.update(state=Export.State.FAILED, error=message, lease_until=None)
        shutil.rmtree(self.folder, ignore_errors=True)

    def clip(self, number: int) -> Path:
        """The file of a clip, numbered from 1."""
        return self.folder / f"{number:04d}.mp4"

    def why_not(self, number: int) -> Path:
        """The file that says why a clip is missing."""
        return self.folder / f"{number:04d}.txt"

    def cut_clips(self, until: float) -> bool:
        """Cut what is not cut yet, until a time of the monotonic clock; True when all is."""
        with raise_disk_full():
            self.folder.mkdir(parents=True, exist_ok=True)
        size = 0
        for number, cut in enumerate(self.cuts, start=1):
            if not self.clip(number).is_file() and not self.why_not(number).is_file():
                if time.monotonic() > until:
                    return False
                self._cut(number, cut)
                self.update(done_count=number, lease_until=lease_end())
            with suppress(FileNotFoundError):
                size += self.clip(number).stat().st_size
            if size > settings.EXPORT_BYTES:
                raise BoardError(
                    _(
                        "The clips on this board exceed the limit of %(most)d MB "
                        "(EXPORT_BYTES). Remove some scenes, or split the board."
                    )
                    % {"most": settings.EXPORT_BYTES // 1_000_000}
                )
        return True

    def _cut(self, number: int, cut: TimelineClip | None) -> None:
        if cut is None:
            write_atomically(self.why_not(number), _writes(_("The film was deleted.")))
            return
        try:
            clip = clips.clip(cut.film, cut.start, cut.end)
            with room_for_export(clip.stat().st_size):
                _take(clip, self.clip(number))
        except (DiskFull, ClipBusy):
            raise
        except (GalleryError, FileNotFoundError) as error:
            why = str(error) if isinstance(error, GalleryError) else _("The film file is missing.")
            write_atomically(self.why_not(number), _writes(why))

    def finish(self) -> None:
        """Make the zip of what was cut. Raises BoardError when nothing could be."""
        there = [cut for cut in self.cuts if cut and self.clip(cut.number).is_file()]
        missing = {
            number: self.why_not(number).read_text(encoding="utf-8")
            for number in range(1, len(self.cuts) + 1)
            if self.why_not(number).is_file()
        }
        if not there:
            raise BoardError(
                _("No clips could be made. %(why)s") % {"why": next(iter(missing.values()), "")}
            )
        size = sum(self.clip(cut.number).stat().st_size + MAX_LISTED_BYTES for cut in there)
        with room_for_export(size):
            write_atomically(zip_of(self.export), lambda file: self._zip(file, there))
        self.update(state=Export.State.DONE, lease_until=None, error=_about_missing(missing))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _zip(self, file: IO[bytes], cuts: list[TimelineClip]) -> None:
        name = file_name(self.export.plan["name"])
        names = {cut.number: clip_name(cut, len(self.cuts)) for cut in cuts}
        # Clips are compressed as it is; trying again costs time and saves nothing.
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for cut in cuts:
                archive.write(self.clip(cut.number), f"{name}/{names[cut.number]}")
            archive.writestr(f"{name}/{name}.csv", csv_table(cuts))
            timeline = otio_timeline(self.export.plan["name"], cuts, names)
            archive.writestr(f"{name}/{name}.otio", timeline)


def clip_name(cut: TimelineClip, total: int) -> str:
    """The name of a clip's file: 01 Title 00.01.02.03.mp4."""
    digits = max(2, len(str(total)))
    time = cut.clock.timecode(cut.start).replace(":", ".")
    return f"{cut.number:0{digits}d} {file_name(cut.film.title)} {time}.mp4"


def _about_missing(missing: dict[int, str]) -> str:
    if not missing:
        return ""
    lines = [_("Scene %(n)d: %(why)s") % {"n": n, "why": why} for n, why in missing.items()]
    head = ngettext(
        "%(count)d scene is missing from the ZIP.", "%(count)d scenes are missing from the ZIP.",
        len(missing),
    ) % {"count": len(missing)}  # fmt: skip
    return " ".join([head, *lines])


def _writes(text: str) -> Callable[[IO[bytes]], object]:
    return lambda file: file.write(text.encode())


def _take(source: Path, target: Path) -> None:
    """Keep a clip beyond its time in the cache: a second name for it, or a copy."""
    with raise_disk_full():
        try:
            os.link(source, target)
        except OSError:
            draft = target.with_suffix(".part")
            shutil.copyfile(source, draft)
            draft.replace(target)
