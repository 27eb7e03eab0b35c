"""A board as CSV for spreadsheet programs."""

import csv
import io
from collections.abc import Iterable

from django.utils.translation import gettext as _

from gallery.boards.timelines import Edit

# Spreadsheet programs recognise UTF-8 by it.
BYTE_ORDER_MARK = "\ufeff"
# Spreadsheet programs run cells that begin with one of these as formulas.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_table(edits: Iterable[Edit]) -> str:
    """Return the scenes of a board as CSV text, one row each.

    In and out count from the start of the film, as on the pages; source timecodes are those stored
    in the file. The out point is the frame after the last one.
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
    for edit in edits:
        rows.writerow([_escape_formula(cell) for cell in _row(edit)])
    return BYTE_ORDER_MARK + out.getvalue()


def _row(edit: Edit) -> list[str]:
    clock = edit.clock
    start, end = (clock.exact_seconds(frame) for frame in edit.frames)
    return [
        *(str(edit.number), edit.film.title, str(edit.film.year or "")),
        *(clock.timecode(start), clock.timecode(end)),
        *edit.source_timecodes,
        *(f"{max(0.0, float(start)):.3f}", f"{float(end):.3f}", f"{float(end - start):.3f}"),
        *(f"{float(edit.film.rate):.3f}" if edit.film.rate else "", edit.note),
        *(edit.file, edit.link),
    ]


def _escape_formula(cell: str) -> str:
    """Prefix a cell that would be run as a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_PREFIXES) else cell
