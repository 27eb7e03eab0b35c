"""A board as a table that spreadsheet programs open: CSV."""

import csv
import io
from collections.abc import Iterable

from django.utils.translation import gettext as _

from gallery.boards.timelines import TimelineClip

# A byte order mark tells spreadsheet programs that this is UTF-8.
MARK = "\ufeff"
# A cell that begins with one of these is taken for a formula, and could be made to do harm.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_table(cuts: Iterable[TimelineClip]) -> str:
    """The scenes of a board, a row each.

    Times are those of the pages, from the film's beginning; the source's timecodes are the file's
    own. Seconds are those of the frames at which a scene begins and before which it ends.
    """
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(
        [
            *(_("position"), _("title"), _("year"), _("in"), _("out")),
            *(_("source in"), _("source out"), _("in (seconds)"), _("out (seconds)")),
            *(_("length (seconds)"), _("frames per second"), _("note"), _("file"), _("link")),
        ]
    )
    for cut in cuts:
        rows.writerow([_guarded(cell) for cell in _row(cut)])
    return MARK + out.getvalue()


def _row(cut: TimelineClip) -> list[str]:
    clock = cut.clock
    start, end = (clock.exact_seconds(frame) for frame in cut.frames)
    return [
        *(str(cut.number), cut.film.title, str(cut.film.year or "")),
        *(clock.timecode(start), clock.timecode(end)),
        *cut.source_timecodes,
        *(f"{max(0.0, float(start)):.3f}", f"{float(end):.3f}", f"{float(end - start):.3f}"),
        *(f"{float(cut.film.rate):.3f}" if cut.film.rate else "", cut.note),
        *(cut.file, cut.link),
    ]


def _guarded(cell: str) -> str:
    """A cell that no spreadsheet program takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
