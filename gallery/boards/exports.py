"""Exports of boards that workers make: requests, limits and progress.

`export_work` makes them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from gallery.boards.export_files import result_path
from gallery.boards.film_options import FilmSettings
from gallery.boards.models import Board, BoardScene, Export
from gallery.boards.timelines import Edit
from gallery.core.disk import require_space
from gallery.core.errors import BoardError, ClipBusy

ACTIVE = (Export.State.WAITING, Export.State.RUNNING)
MAX_ACTIVE = 3  # unfinished exports of one board owner
# An estimate for scenes that are not cut yet, to reserve space for unfinished exports.
MAX_BYTES_PER_SECOND = 2_500_000


# --- requests -----------------------------------------------------------------------------------


def edits_of(board: Board, link: Callable[[BoardScene], str]) -> list[Edit]:
    """Return the scenes of a board as edits; `link` maps a scene to the URL of its page."""
    scenes = board.scenes.select_related("film")
    return [
        Edit(number, scene.film, scene.start, scene.end, scene.note, link(scene))
        for number, scene in enumerate(scenes, start=1)
    ]


def request_export(board: Board, edits: list[Edit], film: FilmSettings | None = None) -> Export:
    """Return an export of a board as it is now: a finished or unfinished one, or else a new one.

    It becomes the first of its kind on the page of the board.
    With `film`, it is one film with these settings; otherwise a zip of clips. Raises BoardError for
    an empty board and when its owner has MAX_ACTIVE unfinished exports, ClipBusy when unfinished
    exports may need all of EXPORT_CACHE_BYTES, and DiskFull.
    """
    if not edits:
        raise BoardError(_("This board has no scenes yet."))
    scenes = [
        {"film": edit.film.pk, "start": edit.start, "end": edit.end, "note": edit.note,
         # A film has no links, so one that was made elsewhere is found on the page, too.
         "link": "" if film else edit.link}
        for edit in edits
    ]  # fmt: skip
    plan: dict[str, Any] = {
        "language": translation.get_language(),
        "name": board.name,
        "scenes": scenes,
    }
    if film:
        plan["film"] = film.to_plan()
    kind = Export.Kind.FILM if film else Export.Kind.CLIPS
    with transaction.atomic():
        # Serialize requests, so that a double click makes one export.
        Board.objects.select_for_update().filter(pk=board.pk).first()
        for export in board.exports.filter(kind=kind, plan=plan):
            if export.state in ACTIVE or _is_available(export):
                export.requested_at = timezone.now()
                export.save(update_fields=["requested_at"])
                return export
        of_owner = Export.objects.filter(board__owner=board.owner_id, board__visitor=board.visitor)
        if of_owner.filter(state__in=ACTIVE).count() >= MAX_ACTIVE:
            raise BoardError(_("You already have several exports running. Wait for one to finish."))
        require_space()
        under_way = list(Export.objects.filter(state__in=ACTIVE).values_list("plan", flat=True))
        reserved = sum(map(_reserved_bytes, [*under_way, plan]))
        if under_way and reserved > settings.EXPORT_CACHE_BYTES:
            raise ClipBusy
        return Export.objects.create(board=board, kind=kind, plan=plan, total_count=len(scenes))


def is_outdated(export: Export) -> bool:
    """Return whether the scenes of the board, their order or their notes have changed since."""
    names = ("film", "start", "end", "note")
    now = export.board.scenes.values_list(*names)
    return list(now) != [tuple(scene[name] for name in names) for scene in export.plan["scenes"]]


def _reserved_bytes(plan: dict[str, Any]) -> int:
    """Return the bytes that an export may need: its scenes, and the file that is made of them."""
    seconds = sum(scene["end"] - scene["start"] for scene in plan["scenes"])
    return 2 * min(settings.EXPORT_BYTES, int(seconds * MAX_BYTES_PER_SECOND))


def _is_available(export: Export) -> bool:
    return export.state == Export.State.DONE and not export.error and result_path(export).is_file()


def shown_exports(board: Board) -> list[Export]:
    """Return the exports that the board's page shows, of each kind the last requested one first.

    Those are all films that are being made or still stored, and the last ZIP; a failed one only
    until the next request.
    """
    archives = board.exports.filter(kind=Export.Kind.CLIPS)[:1]
    films = list(board.exports.filter(kind=Export.Kind.FILM))
    current = [film for film in films[1:] if film.state != Export.State.FAILED]
    return [
        export
        for export in [*archives, *films[:1], *current]
        if export.state != Export.State.DONE or result_path(export).is_file()
    ]


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
    """Read an export's progress from its row, measured in seconds of film, not in scenes."""
    lengths = [scene["end"] - scene["start"] for scene in export.plan["scenes"]]
    done = sum(lengths[: export.done_count])
    done += export.scene_part * sum(lengths[export.done_count : export.done_count + 1])
    part = done / sum(lengths) if lengths else 0.0
    if not export.started or not 0 < part < 1:
        return Progress(part, None)
    spent = (timezone.now() - export.started).total_seconds()
    return Progress(part, spent / part * (1 - part))
