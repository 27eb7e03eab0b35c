"""Which scenes are collected already: two questions to the database for a whole page."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

from django import template
from django.template.context import RequestContext
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from gallery.boards import service
from gallery.boards.models import Board, BoardScene
from gallery.boards.service import Scene
from gallery.boards.timelines import frames_of_scene
from gallery.films.template_tags import clock
from gallery.search.address import page_url, urlencode

register = template.Library()
register.filter("scene_address", service.scene_url)
_KEPT = "kept_scenes"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the scenes of a visitor go, and which of them are there: span -> id."""

    board: Board | None
    scenes: dict[str, int]


class Collecting(TypedDict):
    """The control of one scene; a dictionary, because a page of hits looks up hundreds of names.

    `name` is its id in the page, `fields` what it sends to the address `action`; `row` is the
    scene's id on `board` when it is there already; `word` stands on the button, `title` says what
    it does, `which` to which scene; `choose` is the address where another board can be chosen, and
    `choose_word` its link.
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


def span_name(film: int, start: float, end: float) -> str:
    """A scene as the page names it: its film, and its ends in milliseconds."""
    return f"{film}-{round(float(start) * 1000)}-{round(float(end) * 1000)}"


def fields_of(scene: Scene) -> dict[str, str]:
    """What a form sends of a scene."""
    return {
        "film": str(scene.film),
        "start": f"{scene.start:.6f}",
        "end": f"{scene.end:.6f}",
        "second": str(scene.second),
    }


def choose_address(scene: Scene) -> str:
    """Where the board of a scene is chosen."""
    return f"{page_url('choose_board')}?{urlencode(fields_of(scene).items())}"


def _kept(context: RequestContext) -> Kept:
    request: Any = context["request"]
    if _KEPT not in request.__dict__:
        board = service.current_board(service.visitor_of(request))
        rows = board.scenes.values_list("film", "start", "end", "pk") if board else ()
        scenes = {span_name(film, start, end): pk for film, start, end, pk in rows}
        request.__dict__[_KEPT] = Kept(board, scenes)
    kept: Kept = request.__dict__[_KEPT]
    return kept


@register.simple_tag(takes_context=True)
def collecting(
    context: RequestContext, film: int, start: float, end: float, second: int
) -> Collecting:
    """What `_collect.html` shows of a scene."""
    kept = _kept(context)
    name = span_name(film, start, end)
    scene = Scene(film, float(start), float(end), second)
    row = kept.scenes.get(name)
    action, word = page_url("collect"), pgettext("a scene", "Save")
    title = _("Save this scene to a board")
    if row is not None and kept.board is not None:
        action = reverse("remove_scene", args=[kept.board.token, row])
        word = _("Saved ✓")
        title = _("Saved to %(name)s. Click to remove") % {"name": kept.board.name}
    return Collecting(
        name=f"collect-{name}",
        action=action,
        fields=fields_of(scene),
        board=kept.board,
        row=row,
        word=word,
        title=title,
        which=_("the scene at %(time)s") % {"time": clock(start)},
        choose=choose_address(scene),
        choose_word=_("Change board") if kept.board else _("Choose a board"),
    )


@register.simple_tag(takes_context=True)
def collected_count(context: RequestContext) -> Any:
    """How many scenes the visitor has collected; asked for only if it is shown."""
    visitor = service.visitor_of(context["request"])
    return SimpleLazyObject(lambda: service.count_scenes(visitor))


class Ends(NamedTuple):
    """The first frame of a scene and the one after its last, and their timecodes."""

    first: int
    last: int
    start: str
    end: str


@register.simple_tag
def ends_of(scene: BoardScene) -> Ends:
    """Where a scene of a board begins and ends, as clips are cut."""
    clock = scene.film.clock
    first, last = frames_of_scene(clock, scene.start, scene.end)
    return Ends(first, last, clock.timecode_of(first), clock.timecode_of(last))


@register.filter
def length_in_seconds(scene: BoardScene) -> str:
    """How long a scene is: 3.5 s."""
    return _("%(seconds).1f s") % {"seconds": scene.end - scene.start}
