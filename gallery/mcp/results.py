"""Turn rows and hits into what the tools return."""

from urllib.parse import urlencode

from gallery.boards.models import Board, BoardScene
from gallery.films.models import Film
from gallery.films.shortcuts import shot_at
from gallery.index import frame_index
from gallery.labels.models import Label
from gallery.mcp import types
from gallery.rest.serializers import Serializer
from gallery.search.types import Hit
from gallery.storyboards import candidates
from gallery.storyboards.models import Storyboard, StoryboardRow
from gallery.storyboards.types import SceneCandidate
from gallery.transcripts.models import Line
from gallery.transcripts.types import FoundLine

MAX_CANDIDATES = 5  # of a row, in an answer


def scene(serializer: Serializer, film: Film, start: float, end: float, second: int) -> types.Scene:
    """Describe a part of a film from `start` to `end` (seconds), shown by the frame `second`."""
    span = serializer.scene(film, start, end)
    ends = urlencode({"in": f"{span['first_frame']}f", "out": f"{span['end_frame']}f"})
    return types.Scene(
        film=film.pk,
        title=str(film),
        second=second,
        start=span["start"],
        end=span["end"],
        timecode=span["timecode_in"],
        page=f"{serializer.here('frame', film.pk, second)}?{ends}",
        clip=span["exact_clip"],
    )


def found_scene(
    serializer: Serializer,
    film: Film,
    found: Hit | SceneCandidate,
    line: FoundLine | None = None,
) -> types.FoundScene:
    """Describe a hit of a search, or a candidate for a row of a storyboard."""
    base = scene(serializer, film, found.start, found.end, found.second)
    return types.FoundScene(
        **base.model_dump(),
        relevance=round(found.relevance, 3),
        matches=found.matches,
        line=line.text if line else None,
        line_kinds=sorted(line.kinds) if line else [],
    )


def found_scenes(serializer: Serializer, hits: list[Hit]) -> list[types.FoundScene]:
    """Describe hits, without those whose film has just been deleted."""
    films = Film.objects.in_bulk({hit.film for hit in hits})
    return [
        found_scene(serializer, films[hit.film], hit, hit.line) for hit in hits if hit.film in films
    ]


def frame_details(serializer: Serializer, film: Film, second: int) -> types.FrameDetails:
    """Describe a frame that the index has, its shot, and what is said and written in that."""
    index = frame_index.current()
    time = index.time(film.pk, second)
    time = float(second) if time is None else time
    shot = shot_at(film, time)
    start, end = (shot.start, shot.end) if shot else (time, time + 1)
    labels = index.labels([(film.pk, second)])[0]
    lines = Line.objects.shown().filter(subtitles__film=film, end__gt=start, start__lt=end)
    return types.FrameDetails(
        scene=scene(serializer, film, start, end, second),
        citation=serializer.citation(film, second, time),
        still=serializer.frame_name(film, second, time)["still"],
        labels=[label.name for label in Label.objects.filter(pk__in=labels)],
        lines=[line_of(one) for one in lines.select_related("subtitles").order_by("start", "pk")],
    )


def line_of(line: Line) -> types.Line:
    """Describe a line."""
    return types.Line(
        start=line.start,
        end=line.end,
        language=line.subtitles.language,
        text=line.text,
        kinds=sorted(line.subtitles.kinds),
        box=list(line.middle_box) if line.middle_box else None,
    )


def film_summary(serializer: Serializer, film: Film) -> types.FilmSummary:
    """Describe a film of `select_listed_films`."""
    fields = serializer.film(film)
    return types.FilmSummary(
        film=film.pk,
        title=film.title,
        year=film.year,
        seconds=fields["duration"],
        shots=fields["shots"],
        languages=fields["languages"],
        page=fields["page"],
    )


def board_summary(serializer: Serializer, board: Board) -> types.BoardSummary:
    """Describe a board without its scenes."""
    return types.BoardSummary(
        board=board.token, name=board.name, page=serializer.here("board", board.token)
    )


def board_of(serializer: Serializer, board: Board) -> types.Board:
    """Describe a board with its scenes."""
    scenes = board.scenes.select_related("film")
    return types.Board(
        **board_summary(serializer, board).model_dump(),
        scenes=[_board_scene(serializer, row) for row in scenes],
    )


def _board_scene(serializer: Serializer, row: BoardScene) -> types.BoardScene:
    base = scene(serializer, row.film, row.start, row.end, row.second)
    return types.BoardScene(**base.model_dump(), note=row.note)


def storyboard_of(serializer: Serializer, storyboard: Storyboard) -> types.Storyboard:
    """Describe a storyboard with its rows."""
    rows, films = candidates.load_rows(storyboard)
    return types.Storyboard(
        storyboard=storyboard.token,
        name=storyboard.name,
        page=serializer.here("storyboard", storyboard.token),
        rows=[_row(serializer, row, number, films) for number, row in enumerate(rows, start=1)],
    )


def _row(
    serializer: Serializer, row: StoryboardRow, number: int, films: dict[int, Film]
) -> types.StoryboardRow:
    fitted = candidates.fitted_scene(row, films)
    return types.StoryboardRow(
        row=number,
        text=row.text,
        seconds=candidates.wanted_seconds(row),
        chosen=row.chosen if fitted else None,
        is_locked=row.is_locked,
        scene=(
            scene(serializer, films[fitted.film], fitted.start, fitted.end, fitted.second)
            if fitted
            else None
        ),
        candidates=[
            found_scene(serializer, films[one.film], one)
            for one in candidates.load_candidates(row)[:MAX_CANDIDATES]
        ],
        error=row.error,
    )
