"""What the API answers with: each answer's fields, typed, described, and with an example."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Field, Schema
from pydantic import AfterValidator, StringConstraints

from gallery.quoting.boardforms import MOST_SECONDS


def _address(example: str) -> Any:
    return Field(
        json_schema_extra={"format": "uri", "examples": [f"https://scenes.example.org{example}"]}
    )


Page = Annotated[str, _address("/films/1/frames/12/")]
Picture = Annotated[str, _address("/films/1/stills/288.jpg")]
Clip = Annotated[str, _address("/films/1/clips/260-334.mp4")]
File = Annotated[str, _address("/films/1/exact/260-334.mp4")]
Resource = Annotated[str, _address("/api/v1/films/1")]

Seconds = Annotated[float, Field(ge=0, description="Seconds of the film.", examples=[10.833333])]
SecondsIn = Annotated[
    float,
    Field(ge=0, le=MOST_SECONDS, description="Seconds of the film.", examples=[10.833333]),
]
Timecode = Annotated[
    str,
    Field(
        description="hh:mm:ss:ff, counted at the nominal rate without dropping any.",
        examples=["00:00:10:20"],
    ),
]
Language = Annotated[str, Field(description="A BCP 47 tag; und: unknown.", examples=["en"])]


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character cannot be kept")
    return text


STORABLE = AfterValidator(_storable)
"""Texts that any database can keep and look for; to be put behind their other limits."""


class Detail(Schema):
    """A parameter or a field that was not understood."""

    field: str = Field(examples=["from"])
    message: str = Field(examples=["Input should be less than or equal to 2200"])


class Error(Schema):
    """What went wrong."""

    error: str = Field(
        description="A sentence for people, in the language of Accept-Language.",
        examples=["Not found."],
    )
    code: str = Field(
        description="A word for programs, the same in every language.", examples=["not_found"]
    )
    details: list[Detail] | None = Field(None, description="Which fields were not understood.")


class FilmName(Schema):
    """Which film."""

    id: int = Field(examples=[1])
    title: str = Field(examples=["The Cat Who Borrowed a Rocket"])
    year: int | None = Field(examples=[2026])
    url: Resource


class Film(FilmName):
    """A film."""

    page: Page = Field(description="The film's page.")
    poster: Picture = Field(description="A picture that stands for the film.")
    duration: Seconds
    width: int = Field(description="Pixels, as shown.", examples=[1280])
    height: int = Field(examples=[720])
    rate: str = Field(
        description="Frames per second, an exact fraction; 0: unknown.", examples=["24000/1001"]
    )
    shots: int = Field(description="How many there are.", examples=[32])
    frames: int = Field(description="How many are in the index, one a second.", examples=[109])
    languages: list[Language] = Field(description="Of its dialogue.", examples=[["en", "zh"]])
    file: File | None = Field(
        description="The film's own file; null for who may not play whole films."
    )


class Scene(Schema):
    """A span of a film, from a frame up to, not including, another, and where it can be had."""

    start: Seconds
    end: Seconds
    first_frame: int = Field(examples=[260])
    end_frame: int = Field(description="The first that is not part of it.", examples=[334])
    timecode_in: Timecode
    timecode_out: Timecode
    clip: Clip = Field(description="A small clip that any browser plays: H.264 and AAC in MP4.")
    exact_clip: File | None = Field(
        description="Full size, exact to the frame; null for who may not save scenes."
    )
    webp: File | None = Field(description="An animation, of 15 seconds at most.")
    gif: File | None = Field(description="The same as GIF.")


class FrameName(Schema):
    """Which frame: the one that stands for a second of a film."""

    second: int = Field(examples=[12])
    time: Seconds = Field(description="When it is shown, in seconds of the film.")
    timecode: Timecode
    page: Page
    url: Resource
    thumbnail: Picture = Field(description="640 pixels wide.")
    still: Picture = Field(description="At the film's full size.")


class ShotName(Schema):
    """Which shot: what lies between two cuts."""

    number: int = Field(description="Counted from 1.", examples=[4])


class Shot(ShotName):
    """A shot of a film, and the frame in its middle."""

    scene: Scene
    frame: FrameName


class Part(Schema):
    """A piece of a line of dialogue."""

    text: str = Field(examples=["craters"])
    asked: bool = Field(description="Whether it was asked for.", examples=[True])


class Line(Schema):
    """A line of dialogue."""

    start: Seconds
    end: Seconds
    timecode: Timecode
    language: Language
    text: str = Field(examples=["Everyone has a dream. Mine has craters."])


class FoundLine(Line):
    """A line of dialogue that was found."""

    parts: list[Part] = Field(description="The text in pieces: which words were asked for.")


class Hit(Schema):
    """A shot that was found, by its best frame."""

    film: FilmName
    shot: ShotName
    frame: FrameName
    scene: Scene
    relevance: float = Field(
        ge=0,
        le=1,
        description="1: as good as the best of this query; 0: like an ordinary frame.",
        examples=[0.93],
    )
    matches: bool = Field(
        description="False: merely among the nearest, and hardly what was asked for.",
        examples=[True],
    )
    score: float = Field(description="What it was ranked by.", examples=[0.4512])
    line: FoundLine | None = Field(description="What is said in it, if that was found.")
    more_in_film: bool = Field(
        description="Whether its film has more hits than are listed: ask with film=ID.",
        examples=[False],
    )


class Hits(Schema):
    """A page of hits, best first."""

    results: list[Hit]
    page: int = Field(examples=[1])
    page_size: int = Field(examples=[24])
    next: Resource | None = Field(description="The address of the next page.")
    previous: Resource | None
    matches: bool = Field(
        description="False when nothing really matches: these are merely the nearest.",
        examples=[True],
    )
    notices: list[str] = Field(description="What the user should know.", examples=[[]])
    search_page: Page = Field(description="The same search on the site.")


class Similar(Schema):
    """Shots that look like a frame, most similar first."""

    results: list[Hit]


class Frame(FrameName):
    """A frame of a film."""

    film: FilmName
    shot: ShotName | None = Field(description="The shot that it lies in.")
    scene: Scene | None = Field(description="That shot, from cut to cut.")
    labels: list[int] = Field(description="The labels that its shot carries.", examples=[[3]])
    citation: str = Field(
        examples=[
            "The Cat Who Borrowed a Rocket (2026), 00:00:12:00, "
            "https://scenes.example.org/films/1/frames/12/"
        ]
    )


class Probability(Schema):
    """How well a word fits a frame, compared with the other words."""

    word: str = Field(examples=["dog"])
    probability: float = Field(ge=0, le=1, examples=[0.97])


class Probabilities(Schema):
    """Words and their probabilities, most probable first; they add up to 1."""

    results: list[Probability]


class Peak(Schema):
    """A moment of a film that stands out."""

    frame: FrameName
    relevance: float = Field(ge=0, le=1, examples=[0.92])


class Curve(Schema):
    """The relevance of a query over a film's whole length, in at most 1000 points."""

    times: list[float] = Field(
        description="Seconds of the film, in order.", examples=[[0.0, 1.0, 2.0]]
    )
    seconds: list[int] = Field(
        description="The frame that stands for each point.", examples=[[0, 1, 2]]
    )
    relevance: list[float] = Field(
        description="0 to 1, one for each point.", examples=[[0.1, 0.92, 0.4]]
    )
    peaks: list[Peak]
    matches: bool = Field(
        description="False when nothing in the film really matches.", examples=[True]
    )


class Label(Schema):
    """A label, and how many shots carry it in the films that were asked for."""

    id: int = Field(description="Ask a search for it with label=ID.", examples=[3])
    name: str = Field(examples=["Night"])
    shots: int = Field(examples=[41])
    films: int = Field(examples=[3])


class Labels(Schema):
    """All labels, by name."""

    results: list[Label]


class KeptPicture(Schema):
    """A picture that can be searched with."""

    picture: str = Field(
        description="Its token: search with picture=TOKEN.",
        examples=["0123456789abcdef0123456789abcdef"],
    )
    url: Picture = Field(description="Where it is shown.")
    search: Resource = Field(description="The search for what looks like it.")


class Me(Schema):
    """Who asks, and what they may do."""

    user: str | None = Field(description="null without a token or a login.", examples=["ada"])
    may_play_films: bool
    may_download: bool
    model: str = Field(description="The model that embeds.", examples=["demo"])


# --- boards -------------------------------------------------------------------------------------


class BoardIn(Schema):
    """A board to be made, or its new name."""

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), STORABLE
    ] = Field(examples=["Rain"])


Note = Annotated[str, Field(max_length=2000), STORABLE]


class SceneIn(Schema):
    """A scene to collect."""

    film: int = Field(examples=[1])
    start: SecondsIn
    end: Annotated[SecondsIn, Field(gt=0, examples=[13.916667])]
    second: int | None = Field(
        None,
        ge=0,
        le=MOST_SECONDS,
        description="The frame that stands for it; the middle one if left out.",
    )
    note: Note = Field("", examples=["for the opening"])


class SceneChange(Schema):
    """What shall be different about a scene of a board; what is left out stays."""

    note: Note | None = Field(None, examples=["for the end"])
    number: int | None = Field(
        None, ge=1, le=100_000, description="Its place on the board, counted from 1.", examples=[1]
    )


class Exports(Schema):
    """Where a board can be had for editing programs. An empty board has none of these."""

    csv: File
    edl: File = Field(description="CMX 3600; a zip of several where films differ in their rate.")
    otio: File


class BoardName(Schema):
    """A board."""

    token: str = Field(
        description="Whoever knows it may look at the board.", examples=["kSEaFpPPbR3wqTzYtE4_Cw"]
    )
    name: str = Field(examples=["Rain"])
    count: int = Field(description="How many scenes it holds.", examples=[2])
    duration: float = Field(description="Seconds, all scenes together.", examples=[6.4])
    created: datetime
    used: datetime = Field(description="When its owner last changed or opened it.")
    page: Page
    url: Resource


class BoardScene(Schema):
    """A scene on a board."""

    id: int = Field(examples=[7])
    number: int = Field(description="Its place, counted from 1.", examples=[1])
    film: FilmName
    scene: Scene
    frame: FrameName
    note: str = Field(examples=["for the opening"])
    page: Page = Field(description="The page that plays it.")


class Board(BoardName):
    """A board and its scenes, in their order."""

    mine: bool = Field(description="Whether the token's user may change it.")
    scenes: list[BoardScene]
    exports: Exports


class Export(Schema):
    """A zip of a board's clips, made in the background; ask for it again to see how far it is."""

    state: str = Field(description="waiting, running, done or failed", examples=["running"])
    done: int = Field(description="Clips that are cut.", examples=[1])
    total: int = Field(examples=[2])
    error: str = Field(description="What went wrong, or is missing.", examples=[""])
    url: Resource
    download: File | None = Field(description="The zip, once it is done; it is kept for a day.")
