"""The tools: searching, looking at scenes, and collecting them, for language models.

Their names, docstrings and types are all that a model knows of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from mcp.server.mcpserver import Image
from pydantic import Field

from gallery.boards import owners
from gallery.boards import service as boards
from gallery.boards.models import Board, VisitorOwned
from gallery.boards.owners import Visitor
from gallery.boards.schemas import Name, Note
from gallery.boards.service import Scene
from gallery.clip import weights
from gallery.core import access
from gallery.core.errors import BoardError, GalleryError
from gallery.films import catalogue
from gallery.films.shortcuts import film_or_404, frame_or_404, nearest_frame
from gallery.mcp import results, types
from gallery.rest.schemas import FilmIds
from gallery.rest.serializers import Serializer, select_listed_films
from gallery.scenes import clips
from gallery.search import engine
from gallery.search.address import MAX_PAGES, Words, search_url
from gallery.search.operators import apply_operators, names_films_only
from gallery.search.refining import MAX_EXAMPLES
from gallery.search.types import Example, Mode, Query
from gallery.storyboards import saving, scripts, service
from gallery.storyboards.models import Storyboard
from gallery.storyboards.schemas import Length, OptionalName, Script, Text
from gallery.transcripts.models import Line
from gallery.transcripts.types import LineKind

MAX_SCENES = 50  # of one search
FILMS_PER_PAGE = 50
MAX_LINES = 500  # of one answer

Owned = TypeVar("Owned", bound=VisitorOwned)


@dataclass(frozen=True, slots=True)
class SceneTools:
    """The tools of a user: `make_request` returns a request of theirs, with the site's address."""

    make_request: Callable[[], HttpRequest]

    def _serializer(self) -> Serializer:
        """Return what makes addresses for the user. Raises GalleryError if they may not search."""
        request = self.make_request()
        if not access.may_search(request.user):
            raise GalleryError("Searching needs a user: start the server with --user NAME.")
        return Serializer(request)

    def _visitor(self, serializer: Serializer) -> Visitor:
        user = serializer.request.user
        if not user.is_authenticated:
            raise GalleryError("Boards belong to a user: start the server with --user NAME.")
        return owners.visitor_of_user(user.pk)

    def _get_own(self, serializer: Serializer, model: type[Owned], token: str) -> Owned:
        found = get_object_or_404(model, token=token)
        if not owners.owns(self._visitor(serializer), found):
            raise BoardError("This belongs to someone else, so it cannot be changed.")
        return found

    # --- films and scenes -----------------------------------------------------------------------

    def search_scenes(
        self,
        *,
        words: Words = "",
        avoid: Words = "",
        where: Mode = Mode.BOTH,
        films: FilmIds = [],  # noqa: B006 - read only; shown to the model as the default
        from_year: types.Year | None = None,
        to_year: types.Year | None = None,
        like: Annotated[list[types.FrameId], Field(max_length=MAX_EXAMPLES)] = [],  # noqa: B006
        count: Annotated[int, Field(ge=1, le=MAX_SCENES)] = 10,
        page: types.Page = 1,
    ) -> types.FoundScenes:
        """Find scenes by what is seen, said or written in them.

        Describe a picture in a few words ("an astronaut at night"), or give words of the dialogue
        or of text in the picture, such as signs. `where`: "seen" searches pictures, "said"
        dialogue, "written" text in the picture, "both" everything. `like` finds scenes similar
        to frames, alone or combined with words. `avoid`: words for what should not be there,
        separated by commas. Scenes that do not match are the closest there are, not results.
        """
        serializer = self._serializer()
        query = Query(
            words=words,
            avoid=avoid,
            mode=where,
            examples=tuple(Example(frame=(one.film, one.second)) for one in like),
            films=tuple(films),
            years=(from_year, to_year),
            page=page,
            page_size=count,
        )
        query = apply_operators(query)
        if names_films_only(query):
            raise GalleryError(
                "This names films, but not what to find in them. Add words or a frame. "
                "The tool list_films lists films by title and year."
            )
        found = engine.search(query)
        return types.FoundScenes(
            scenes=results.found_scenes(serializer, found.hits),
            has_more=found.more and page < MAX_PAGES,
            notices=[str(notice) for notice in found.notices],
            page=serializer.absolute(search_url(query)),
        )

    def list_films(
        self,
        title: types.Title = "",
        from_year: types.Year | None = None,
        to_year: types.Year | None = None,
        page: types.Page = 1,
    ) -> types.Films:
        """List the films of the library, or those whose title contains some text, of some years."""
        serializer = self._serializer()
        found = catalogue.searchable()
        if title:
            found = found.filter(title__icontains=title)
        if from_year is not None:
            found = found.filter(year__gte=from_year)
        if to_year is not None:
            found = found.filter(year__lte=to_year)
        first = (page - 1) * FILMS_PER_PAGE
        listed = select_listed_films(found)[first : first + FILMS_PER_PAGE]
        return types.Films(
            films=[results.film_summary(serializer, film) for film in listed],
            count=found.count(),
            model=weights.current().name,
        )

    def read_dialogue(
        self,
        film: types.FilmId,
        start: types.Seconds = 0,
        end: types.Seconds | None = None,
        language: types.Language = "",
        kind: LineKind | None = None,
    ) -> list[types.Line]:
        """Read what is said or written in a film, or in a part of it: at most 500 lines, in order.

        `language` is a tag such as "en" or "zh-Hans"; without it, all languages. `kind`: "said"
        for dialogue only, "written" for text in the picture only.
        """
        self._serializer()
        lines = Line.objects.shown(kind).filter(subtitles__film=film_or_404(film), end__gt=start)
        if end is not None:
            lines = lines.filter(start__lt=end)
        if language:
            lines = lines.filter(subtitles__language__iexact=language)
        lines = lines.select_related("subtitles").order_by("start", "subtitles_id", "number")
        return [results.line_of(line) for line in lines[:MAX_LINES]]

    def get_frame(self, film: types.FilmId, second: types.Second) -> types.FrameDetails:
        """Get the shot that a frame is part of, its labels and lines, and how to cite it."""
        serializer = self._serializer()
        return results.frame_details(serializer, frame_or_404(film, second), second)

    def look_at_frame(self, film: types.FilmId, second: types.Second) -> Image:
        """Look at a frame: a picture of at most 640 pixels width."""
        self._serializer()
        found = frame_or_404(film, second)
        path = found.files.run(found.searchable_run or found.run).thumbnail(second)
        return Image(data=path.read_bytes(), format="jpeg")

    def score_words(
        self,
        film: types.FilmId,
        second: types.Second,
        words: Annotated[list[str], Field(min_length=2, max_length=engine.MAX_WORDS)],
    ) -> dict[str, float]:
        """Tell how probable each of some descriptions is for a frame; they add up to 1."""
        self._serializer()
        frame_or_404(film, second)
        found = engine.probabilities(film, second, list(dict.fromkeys(words)))
        return {word: round(share, 4) for word, share in found}

    def get_clip(self, film: types.FilmId, start: types.Seconds, end: types.Seconds) -> types.Scene:
        """Get the addresses of any part of a film: its page, and an MP4 with exactly its frames."""
        serializer = self._serializer()
        found = film_or_404(film)
        clock = found.clock
        clips.make_cut(found, clock.frame_from(start), clock.frame_from(end))
        middle = (start + min(end, found.duration)) / 2
        second = nearest_frame(found, middle)
        return results.scene(
            serializer, found, start, end, int(middle) if second is None else second
        )

    # --- boards ---------------------------------------------------------------------------------

    def list_boards(self) -> list[types.BoardSummary]:
        """List the user's boards, the one used last first."""
        serializer = self._serializer()
        found = boards.boards_of(self._visitor(serializer))
        return [results.board_summary(serializer, board) for board in found]

    def get_board(self, board: types.Token) -> types.Board:
        """Get a board with its scenes in order."""
        return results.board_of(self._serializer(), get_object_or_404(Board, token=board))

    def create_board(self, name: Name) -> types.BoardSummary:
        """Create an empty board."""
        serializer = self._serializer()
        created = boards.create_board(self._visitor(serializer), name)
        return results.board_summary(serializer, created)

    def add_to_board(
        self,
        board: types.Token,
        film: types.FilmId,
        start: types.Seconds,
        end: types.Seconds,
        note: Note = "",
    ) -> types.Board:
        """Add a part of a film to the end of a board of the user."""
        serializer = self._serializer()
        own = self._get_own(serializer, Board, board)
        scene = Scene(film, start, end, int((start + end) / 2))
        row = boards.add_scene(self._visitor(serializer), scene, own)
        if note:
            boards.set_note(own, row.pk, note)
        return results.board_of(serializer, own)

    # --- storyboards ----------------------------------------------------------------------------

    def create_storyboard(
        self,
        script: Script,
        name: OptionalName = "",
        films: FilmIds = [],  # noqa: B006
        allows_repeats: bool = False,
    ) -> types.Storyboard:
        """Find a scene for each line of a script: one shot a line, in the order of the script.

        A scene lasts as long as its line takes to read, or as the line says: "a cat sleeps (3 s)".
        No shot is chosen twice unless `allows_repeats`.
        """
        serializer = self._serializer()
        storyboard = service.create_searched(
            self._visitor(serializer),
            scripts.parse_script(script),
            name=name,
            films=films,
            allows_repeats=allows_repeats,
        )
        return results.storyboard_of(serializer, storyboard)

    def get_storyboard(self, storyboard: types.Token) -> types.Storyboard:
        """Get a storyboard with its rows."""
        serializer = self._serializer()
        return results.storyboard_of(serializer, get_object_or_404(Storyboard, token=storyboard))

    def choose_scene(
        self, storyboard: types.Token, row: types.Row, candidate: types.Candidate
    ) -> types.Storyboard:
        """Choose another candidate (its index) for a row of a storyboard of the user."""
        serializer = self._serializer()
        own = self._get_own(serializer, Storyboard, storyboard)
        found = own.rows.all()[row - 1 : row].first()
        if found is None:
            raise BoardError("This row does not exist.")
        service.choose_index(found, candidate)
        return results.storyboard_of(serializer, own)

    def rewrite_row(
        self, storyboard: types.Token, row: types.Row, text: Text, seconds: Length | None = None
    ) -> types.Storyboard:
        """Give a row of a storyboard other words, and search it again.

        `seconds` is how long its scene should last; by default what the words take to read.
        """
        serializer = self._serializer()
        own = self._get_own(serializer, Storyboard, storyboard)
        found = own.rows.all()[row - 1 : row].first()
        if found is None:
            raise BoardError("This row does not exist.")
        owners.count_searches(self._visitor(serializer), 1)
        service.edit(found, service.parse_text(found, text).with_length(seconds))
        service.search_pending(own)
        return results.storyboard_of(serializer, own)

    def save_storyboard(self, storyboard: types.Token) -> types.SavedBoard:
        """Save the chosen scenes of a storyboard of the user as a new board."""
        serializer = self._serializer()
        own = self._get_own(serializer, Storyboard, storyboard)
        plan = saving.plan_board(own)
        board = saving.save_as_board(self._visitor(serializer), own, plan)
        saved = results.board_of(serializer, board)
        return types.SavedBoard(**saved.model_dump(), left_out=plan.left_out)
