"""Save a storyboard as a board, and later replace the scenes of that board."""

import hashlib
import json
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from gallery.boards import owners
from gallery.boards import service as boards
from gallery.boards.models import Board
from gallery.boards.owners import Visitor
from gallery.boards.service import Scene
from gallery.core.errors import BoardError
from gallery.storyboards.candidates import fitted_scene, load_rows
from gallery.storyboards.models import Storyboard


@dataclass(frozen=True, slots=True)
class BoardPlan:
    """The scenes of a board with their notes, and the numbers (from 1) of rows without a scene."""

    scenes: list[tuple[Scene, str]]
    left_out: list[int]


def plan_board(storyboard: Storyboard) -> BoardPlan:
    """Return what is saved: the chosen scenes in order; the lines of the script are their notes.

    Raises BoardError when no row has a scene.
    """
    rows, films = load_rows(storyboard)
    scenes, left_out = [], []
    for number, row in enumerate(rows, start=1):
        scene = fitted_scene(row, films)
        if scene is None:
            left_out.append(number)
        else:
            scenes.append((scene, row.text))
    if not scenes:
        raise BoardError(_("No row has a scene yet, so there is nothing to save."))
    return BoardPlan(scenes, left_out)


def saved_board(visitor: Visitor, storyboard: Storyboard) -> Board | None:
    """Return the board that a storyboard was last saved as, while its visitor has it."""
    board = storyboard.board
    return board if board is not None and owners.owns(visitor, board) else None


def is_changed(storyboard: Storyboard) -> bool:
    """Return whether the scenes of the saved board are others than those that were saved."""
    board = storyboard.board
    return board is not None and storyboard.board_digest != _digest_of(board)


def save_as_board(
    visitor: Visitor, storyboard: Storyboard, plan: BoardPlan, board: Board | None = None
) -> Board:
    """Create a board with the scenes of a plan, or put them in place of those of its `board`.

    Raises BoardError when the board cannot be created or filled.
    """
    with transaction.atomic():
        if board is None:
            board = boards.create_board(visitor, storyboard.name, is_for_new_scenes=False)
            boards.add_scenes(board, plan.scenes)
        else:
            boards.replace_scenes(board, plan.scenes)
        storyboard.board, storyboard.board_digest = board, _digest_of(board)
        storyboard.save(update_fields=["board", "board_digest"])
    return board


def _digest_of(board: Board) -> str:
    scenes = list(board.scenes.values_list("film", "start", "end", "note"))
    return hashlib.sha256(json.dumps(scenes).encode()).hexdigest()
