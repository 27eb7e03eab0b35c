"""The schemas of the API of storyboards."""

from datetime import datetime
from typing import Annotated

from ninja import Field, Schema
from pydantic import StringConstraints

from gallery.rest.schemas import (
    ONE_LINE,
    STORABLE,
    FilmIds,
    FilmName,
    FrameName,
    Page,
    Resource,
    Scene,
)
from gallery.storyboards.scripts import MAX_LINE_CHARACTERS, MAX_SECONDS, MIN_SECONDS

Script = Annotated[str, Field(max_length=100_000), STORABLE]
OptionalName = Annotated[str, Field(max_length=120), ONE_LINE]
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_LINE_CHARACTERS),
    ONE_LINE,
]
Length = Annotated[float, Field(ge=MIN_SECONDS, le=MAX_SECONDS)]


class StoryboardIn(Schema):
    """A script to find scenes for."""

    script: Script = Field(
        description="One shot a line. A line may end in its length: a cat sleeps (3 s).",
        examples=["a town at night\na cat in the rain (3 s)"],
    )
    name: OptionalName = Field("", description="The first line by default.", examples=["Opening"])
    films: FilmIds = Field([], description="Only these films.")
    allows_repeats: bool = Field(False, description="Whether a shot may be chosen twice.")


class RowChange(Schema):
    """Changes to a row. Omitted fields stay as they are."""

    text: Text | None = Field(None, description="New words, which are searched at once.")
    seconds: Length | None = Field(None, description="The wanted length.", examples=[3.0])
    chosen: int | None = Field(
        None, ge=0, description="Index of the candidate to choose and lock.", examples=[1]
    )
    is_locked: bool | None = Field(None, description="Whether the choice stays.")
    reject: bool = Field(False, description="Reject the chosen scene; the row gets its next one.")


class CandidateScene(Schema):
    """A scene that a row may have."""

    film: FilmName
    frame: FrameName
    scene: Scene = Field(description="The whole shot.")
    relevance: float = Field(description="0 to 1, as of a search.", examples=[0.87])
    matches: bool


class StoryboardRow(Schema):
    """A line of the script with its scenes, best first."""

    id: int = Field(examples=[7])
    number: int = Field(description="Position, from 1.", examples=[1])
    text: str = Field(examples=["a town at night"])
    seconds: float = Field(description="The wanted length.", examples=[1.6])
    chosen: int | None = Field(description="Index of the chosen candidate.", examples=[0])
    is_locked: bool
    scene: Scene | None = Field(description="The part of the chosen shot that fits the length.")
    candidates: list[CandidateScene]
    error: str = Field(description="Why the row could not be searched.", examples=[""])


class StoryboardName(Schema):
    """A storyboard."""

    token: str = Field(description="Anyone who knows it can view the storyboard.")
    name: str = Field(examples=["Opening"])
    created: datetime
    page: Page
    url: Resource


class Storyboard(StoryboardName):
    """A storyboard with its rows in order."""

    rows: list[StoryboardRow]


class SavedBoard(Schema):
    """The board that a storyboard was saved as."""

    token: str
    page: Page
    url: Resource
    left_out: list[int] = Field(description="Numbers of the rows without a scene.", examples=[[]])
