"""What the tools take and return: less than the API, since a language model reads all of it."""

from typing import Annotated

from pydantic import BaseModel, Field

from gallery.rest.schemas import STORABLE
from gallery.search.address import MAX_PAGES
from gallery.storyboards.scripts import MAX_ROWS
from gallery.transcripts.types import LineKind

KINDS = (
    '"said": dialogue. "written": text in the picture, read by machine: letters may be wrong. '
    "Both: a subtitle in the picture."
)

FilmId = Annotated[int, Field(ge=0, lt=10**18, description="Id of a film.")]
Second = Annotated[
    int, Field(ge=0, lt=10**9, description="The frame: `second` of a scene, or any second.")
]
Seconds = Annotated[float, Field(ge=0, lt=10**9, description="Seconds from the film's start.")]
Year = Annotated[int, Field(ge=1, le=9999)]
Token = Annotated[str, Field(max_length=64), STORABLE]
Title = Annotated[str, Field(max_length=200), STORABLE]
Language = Annotated[str, Field(max_length=20), STORABLE]
Page = Annotated[int, Field(ge=1, le=MAX_PAGES)]
Row = Annotated[int, Field(ge=1, le=MAX_ROWS, description="Number of the row, from 1.")]
Candidate = Annotated[int, Field(ge=0, lt=1000, description="Its index, from 0.")]


class FrameId(BaseModel):
    """A frame of a film."""

    film: FilmId
    second: Second


class Scene(BaseModel):
    """A part of a film, shown by one of its frames."""

    film: int
    title: str
    second: int = Field(description="The frame that shows the scene.")
    start: float = Field(description="Seconds from the film's start.")
    end: float
    timecode: str = Field(description="Of the start, HH:MM:SS:FF.")
    page: str = Field(description="Address of the page that plays the scene.")
    clip: str | None = Field(description="Address of the scene as an exact MP4, if allowed.")


class FoundScene(Scene):
    """A result of a search."""

    relevance: float = Field(description="1 for the best match of the query, 0 for any frame.")
    matches: bool = Field(description="False: only among the closest, not a real match.")
    line: str | None = Field(description="The line that contains the words.")
    line_kinds: list[LineKind] = Field(description=KINDS)


class FoundScenes(BaseModel):
    """One page of results, best first."""

    scenes: list[FoundScene]
    has_more: bool
    notices: list[str]
    page: str = Field(description="Address of the same search for people.")


class Line(BaseModel):
    """A line: dialogue, or text in the picture."""

    start: float
    end: float
    language: str
    text: str
    kinds: list[LineKind] = Field(description=KINDS)
    box: list[float] | None = Field(
        description="Where it stands in the picture, in the middle of its time if it moves: left, "
        "top, right, bottom, 0 to 1."
    )


class FrameDetails(BaseModel):
    """A frame, and the shot that it is part of."""

    scene: Scene
    citation: str
    still: str = Field(description="Address of the frame in full resolution.")
    labels: list[str]
    lines: list[Line] = Field(description="What is said and written in the shot.")


class FilmSummary(BaseModel):
    """A film."""

    film: int
    title: str
    year: int | None
    seconds: float
    shots: int
    languages: list[str] = Field(description="Languages of the dialogue.")
    page: str


class Films(BaseModel):
    """One page of films, the newest first."""

    films: list[FilmSummary]
    count: int = Field(description="Of films on all pages.")
    model: str = Field(description="The model that compares words and pictures.")


class BoardSummary(BaseModel):
    """A board: a list of saved scenes."""

    board: str = Field(description="Token of the board.")
    name: str
    page: str


class BoardScene(Scene):
    """A scene on a board."""

    note: str


class Board(BoardSummary):
    """A board with its scenes in order."""

    scenes: list[BoardScene]


class SavedBoard(Board):
    """A board that a storyboard was saved as."""

    left_out: list[int] = Field(description="Numbers of the rows without a scene.")


class StoryboardRow(BaseModel):
    """A line of a script with its scenes, best first."""

    row: int = Field(description="Number of the row, from 1.")
    text: str
    seconds: float = Field(description="How long its scene should last.")
    chosen: int | None = Field(description="Index of the candidate that is chosen.")
    is_locked: bool
    scene: Scene | None = Field(description="The chosen candidate, cut to the length.")
    candidates: list[FoundScene] = Field(description="The best of them.")
    error: str


class Storyboard(BaseModel):
    """A script whose lines have scenes."""

    storyboard: str = Field(description="Token of the storyboard.")
    name: str
    page: str
    rows: list[StoryboardRow]
