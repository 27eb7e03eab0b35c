"""Template tags of boards. Which scenes are collected is read with two queries per page."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

from django import template
from django.template.context import RequestContext
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from gallery.boards import owners, service
from gallery.boards.models import Board, BoardScene
from gallery.boards.service import Scene
from gallery.boards.timelines import frames_of_scene
from gallery.core import access
from gallery.films.template_tags import clock
from gallery.search import refining
from gallery.search.address import page_url, urlencode

register = template.Library()
register.filter("scene_address", service.scene_url)
_CACHE_NAME = "current_board"


@dataclass(frozen=True, slots=True)
class CurrentBoard:
    """The board saved to last, and the ids of its scenes by `span_id`."""

    board: Board | None
    scenes: dict[str, int]


class CollectControl(TypedDict):
    """The button that collects one scene; a dictionary, the fastest for templates to look up.

    `name` is its id in the page. It sends `fields` to the URL `action`. `row` is the scene's id on
    `board` when it is collected already. `word` is the label, `title` the description, `which` the
    scene in words. `choose` is the URL of the board chooser, `choose_word` the text of its link.
    """

    name: str
    action: str
    fields: dict[str, str]
    board: Board | None
    row: int | None
    word: str
    title: str
    which: str
    choose: str
    choose_word: str


def span_id(film: int, start: float, end: float) -> str:
    """Return the id of a span in a page: its film, start and end in milliseconds."""
    return f"{film}-{round(float(start) * 1000)}-{round(float(end) * 1000)}"


def form_fields(scene: Scene) -> dict[str, str]:
    """Return the form fields of a scene."""
    return {
        "film": str(scene.film),
        "start": f"{scene.start:.6f}",
        "end": f"{scene.end:.6f}",
        "second": str(scene.second),
    }


def chooser_url(scene: Scene) -> str:
    """Return the URL of the page that chooses the board of a scene."""
    return f"{page_url('choose_board')}?{urlencode(form_fields(scene).items())}"


def _current_board(context: RequestContext) -> CurrentBoard:
    request: Any = context["request"]
    if _CACHE_NAME not in request.__dict__:
        board = service.current_board(owners.visitor_of(request))
        rows = board.scenes.values_list("film", "start", "end", "pk") if board else ()
        scenes = {span_id(film, start, end): pk for film, start, end, pk in rows}
        request.__dict__[_CACHE_NAME] = CurrentBoard(board, scenes)
    current: CurrentBoard = request.__dict__[_CACHE_NAME]
    return current


@register.simple_tag(takes_context=True)
def collecting(
    context: RequestContext, film: int, start: float, end: float, second: int
) -> CollectControl:
    """Return the context of `_collect.html` for a scene."""
    current = _current_board(context)
    name = span_id(film, start, end)
    scene = Scene(film, float(start), float(end), second)
    row = current.scenes.get(name)
    action, word = page_url("collect"), pgettext("a scene", "Save")
    title = _("Save this scene to a board")
    if row is not None and current.board is not None:
        action = reverse("remove_scene", args=[current.board.token, row])
        word = _("Saved ✓")
        title = _("Saved to %(name)s. Click to remove") % {"name": current.board.name}
    return CollectControl(
        name=f"collect-{name}",
        action=action,
        fields=form_fields(scene),
        board=current.board,
        row=row,
        word=word,
        title=title,
        which=_("the scene at %(time)s") % {"time": clock(start)},
        choose=chooser_url(scene),
        choose_word=_("Change board") if current.board else _("Choose a board"),
    )


@register.simple_tag(takes_context=True)
def selection_limits(context: RequestContext) -> dict[str, Any]:
    """Return what limits actions on several scenes: frames in a search, and rights."""
    return {
        "most_frames": refining.MAX_EXAMPLES,
        "may_download": access.may_download(context["request"].user),
    }


@register.simple_tag(takes_context=True)
def collected_count(context: RequestContext) -> Any:
    """Return how many scenes the visitor has collected, counted only if it is shown."""
    visitor = owners.visitor_of(context["request"])
    return SimpleLazyObject(lambda: service.count_scenes(visitor))


class Ends(NamedTuple):
    """The first frame of a scene and the one after its last, and their timecodes."""

    first: int
    last: int
    start: str
    end: str


@register.simple_tag
def ends_of(scene: BoardScene) -> Ends:
    """Return the start and end of a scene, rounded to frames as its clip is."""
    clock = scene.film.clock
    first, last = frames_of_scene(clock, scene.start, scene.end)
    return Ends(first, last, clock.timecode_of(first), clock.timecode_of(last))


@register.filter
def length_in_seconds(scene: BoardScene) -> str:
    """Return the length of a scene: 3.5 s."""
    return _("%(seconds).1f s") % {"seconds": scene.end - scene.start}
