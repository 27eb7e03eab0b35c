"""The schemas of the API of boards."""

from datetime import datetime
from typing import Annotated, Literal

from ninja import Field, Schema
from pydantic import StringConstraints

from gallery.boards.film_options import FilmChoices, SubtitleMode, read_choices
from gallery.boards.timelines import STANDARD_RATES
from gallery.films.models import MAX_FILM_SECONDS
from gallery.rest.schemas import (
    ONE_LINE,
    STORABLE,
    File,
    FilmName,
    FrameName,
    Page,
    Resource,
    Scene,
    SecondsIn,
)

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), ONE_LINE
]


class BoardIn(Schema):
    """The name of a new or renamed board."""

    name: Name = Field(examples=["Rain"])


Note = Annotated[str, Field(max_length=2000), STORABLE]


class SceneIn(Schema):
    """A scene to add to a board."""

    film: int = Field(examples=[1])
    start: SecondsIn
    end: Annotated[SecondsIn, Field(gt=0, examples=[13.916667])]
    second: int | None = Field(
        None,
        ge=0,
        le=MAX_FILM_SECONDS,
        description="The frame that represents the scene; the middle one by default.",
    )
    note: Note = Field("", examples=["for the opening"])


class SceneChange(Schema):
    """Changes to a scene on a board. Omitted fields stay as they are."""

    note: Note | None = Field(None, examples=["for the end"])
    number: int | None = Field(
        None, ge=1, le=100_000, description="Position on the board, from 1.", examples=[1]
    )


class Exports(Schema):
    """A board as files for editing software. An empty board has none."""

    csv: File
    edl: File = Field(description="CMX 3600; a ZIP of several if the films differ in frame rate.")
    otio: File


class BoardName(Schema):
    """A board."""

    token: str = Field(
        description="Anyone who knows it can view the board.", examples=["kSEaFpPPbR3wqTzYtE4_Cw"]
    )
    name: str = Field(examples=["Rain"])
    count: int = Field(description="Number of scenes.", examples=[2])
    duration: float = Field(description="Total length of the scenes, in seconds.", examples=[6.4])
    created: datetime
    used: datetime = Field(description="When the owner last opened or changed it.")
    page: Page
    url: Resource


class BoardScene(Schema):
    """A scene on a board."""

    id: int = Field(examples=[7])
    number: int = Field(description="Position on the board, from 1.", examples=[1])
    film: FilmName
    scene: Scene
    frame: FrameName
    note: str = Field(examples=["for the opening"])
    page: Page = Field(description="Page that plays the scene.")


class Board(BoardName):
    """A board with its scenes in order."""

    mine: bool = Field(description="Whether the token's user can edit it.")
    scenes: list[BoardScene]
    exports: Exports


class FilmIn(Schema):
    """What a film of a board looks like. Without a field, as on the page."""

    shape: Literal["16:9", "9:16", "1:1", "source"] = Field(
        "16:9", description="`source`: that of most seconds of the scenes."
    )
    size: Literal["1080", "720", "480", "source"] = Field(
        "1080", description="The shorter side of 16:9, in pixels."
    )
    fit: Literal["bars", "crop"] = Field(
        "bars", description="Whether scenes of another shape get bars or are cropped."
    )
    rate: Literal["", *(str(rate) for rate in STANDARD_RATES)] = Field(  # type: ignore[valid-type]
        "", description="Frames per second; the most common rate by default."
    )
    subtitles: SubtitleMode = Field(
        SubtitleMode.NONE, description="A track, or burnt into the picture."
    )
    language: str = Field("", max_length=20, description="Of the subtitles.", examples=["en"])
    timecode: bool = Field(False, description="Draw a running timecode.")
    source: bool = Field(False, description="Draw the film title and timecode of each scene.")

    def to_choices(self) -> FilmChoices:
        """Return what the user chose."""
        return read_choices(self.model_dump())


class Export(Schema):
    """A board as one file, made in the background. Poll it to see its progress."""

    kind: Literal["clips", "film"] = Field(description="A ZIP of clips, or one film.")
    state: str = Field(description="waiting, running, done or failed", examples=["running"])
    done: int = Field(description="Number of scenes made.", examples=[1])
    total: int = Field(examples=[2])
    progress: float = Field(description="The part that is done, 0 to 1.", examples=[0.52])
    seconds_left: float | None = Field(description="Estimated seconds left.", examples=[12.5])
    error: str = Field(description="What failed or is missing.", examples=[""])
    is_outdated: bool = Field(description="Whether the board has changed since it was made.")
    url: Resource
    download: File | None = Field(
        description="Address of the file once it is done; kept for one day."
    )
