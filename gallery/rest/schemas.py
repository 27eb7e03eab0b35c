"""The schemas of the API: typed fields with descriptions and examples."""

import re
from typing import Annotated, Any

from ninja import Field, Schema
from pydantic import AfterValidator

from gallery.films.models import MAX_FILM_SECONDS
from gallery.search.address import MAX_CHOICES
from gallery.transcripts.types import LineKind


def _url_field(example: str) -> Any:
    return Field(
        json_schema_extra={"format": "uri", "examples": [f"https://scenes.example.org{example}"]}
    )


Page = Annotated[str, _url_field("/films/1/frames/12/")]
Picture = Annotated[str, _url_field("/films/1/stills/288.jpg")]
Clip = Annotated[str, _url_field("/films/1/clips/260-334.mp4")]
File = Annotated[str, _url_field("/films/1/exact/260-334.mp4")]
Resource = Annotated[str, _url_field("/api/v1/films/1")]

Seconds = Annotated[
    float, Field(ge=0, description="Seconds from the start of the film.", examples=[10.833333])
]
SecondsIn = Annotated[
    float,
    Field(
        ge=0,
        le=MAX_FILM_SECONDS,
        description="Seconds from the start of the film.",
        examples=[10.833333],
    ),
]
Timecode = Annotated[
    str,
    Field(
        description="hh:mm:ss:ff, non-drop, at the nominal frame rate.",
        examples=["00:00:10:20"],
    ),
]
Language = Annotated[str, Field(description="BCP 47 tag; und means unknown.", examples=["en"])]


_LINE_BREAK = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character cannot be kept")
    return text


def _one_line(text: str) -> str:
    if _LINE_BREAK.search(text):
        raise ValueError("line breaks and control characters are not allowed")
    return text


STORABLE = AfterValidator(_storable)
"""Texts that PostgreSQL can store; to be applied after other constraints."""
ONE_LINE = AfterValidator(_one_line)
"""Texts of one line, which can be stored, too."""
FilmIds = Annotated[list[Annotated[int, Field(ge=0, lt=10**18)]], Field(max_length=MAX_CHOICES)]


class Detail(Schema):
    """An invalid parameter or field."""

    field: str = Field(examples=["from"])
    message: str = Field(examples=["Input should be less than or equal to 2200"])


class Error(Schema):
    """An error."""

    error: str = Field(
        description="Message for people, in the language of Accept-Language.",
        examples=["Not found."],
    )
    code: str = Field(
        description="Code for programs, the same in every language.", examples=["not_found"]
    )
    details: list[Detail] | None = Field(None, description="The invalid fields.")


class FilmName(Schema):
    """A film by name."""

    id: int = Field(examples=[1])
    title: str = Field(examples=["The Cat Who Borrowed a Rocket"])
    year: int | None = Field(examples=[2026])
    url: Resource


class SoundTrack(Schema):
    """An audio track of a film; add `?sound=NUMBER` to the address of a clip to choose it."""

    number: int = Field(description="Counted from 0.", examples=[1])
    language: Language
    title: str = Field(description="Title in the file; may be empty.", examples=["Commentary"])
    default: bool = Field(description="Whether clips have this track unless you choose another.")


class Film(FilmName):
    """A film."""

    page: Page = Field(description="Page of the film.")
    poster: Picture = Field(description="A picture that represents the film.")
    duration: Seconds
    width: int = Field(description="Width in pixels, as displayed.", examples=[1280])
    height: int = Field(examples=[720])
    rate: str = Field(
        description="Frames per second as an exact fraction; 0 means unknown.",
        examples=["24000/1001"],
    )
    shots: int = Field(description="Number of shots.", examples=[32])
    frames: int = Field(
        description="Number of frames in the index, one per second.", examples=[109]
    )
    languages: list[Language] = Field(
        description="Languages of the dialogue; subtitles in the picture count, too.",
        examples=[["en", "zh"]],
    )
    sounds: list[SoundTrack] = Field(description="Audio tracks that can be played.")
    file: File | None = Field(
        description="The original file; null if you may not play whole films."
    )
    is_reachable: bool = Field(
        description="Whether its file can be reached. If not, its scenes are still found, but "
        "cannot be played.",
        examples=[True],
    )
    notice: str = Field(
        description="Why its file cannot be reached, and what to do; empty if it can.",
        examples=[""],
    )


class Scene(Schema):
    """A scene: a range of frames, end excluded, and the addresses of its clips."""

    start: Seconds
    end: Seconds
    first_frame: int = Field(examples=[260])
    end_frame: int = Field(description="First frame after the scene.", examples=[334])
    timecode_in: Timecode
    timecode_out: Timecode
    clip: Clip = Field(description="Small preview clip for any browser: H.264 and AAC in MP4.")
    exact_clip: File | None = Field(
        description="Frame-accurate clip in full resolution; null if you may not download clips."
    )
    webp: File | None = Field(description="Animated WebP, at most 15 seconds.")
    gif: File | None = Field(description="Animated GIF, at most 15 seconds.")


class FrameName(Schema):
    """A frame by name: the one indexed for a second of a film."""

    second: int = Field(examples=[12])
    time: Seconds = Field(description="Time of the frame, in seconds from the start of the film.")
    timecode: Timecode
    page: Page
    url: Resource
    thumbnail: Picture = Field(description="Thumbnail, 640 pixels wide.")
    still: Picture = Field(description="Still in full resolution.")


class ShotName(Schema):
    """A shot by number: the part between two cuts."""

    number: int = Field(description="Number of the shot, from 1.", examples=[4])


class Shot(ShotName):
    """A shot of a film, with the frame in its middle."""

    scene: Scene
    frame: FrameName


class Part(Schema):
    """Part of a line."""

    text: str = Field(examples=["craters"])
    asked: bool = Field(description="Whether it matches the search.", examples=[True])


class Box(Schema):
    """A rectangle in the picture, in shares of its whole width and height, from its top left."""

    left: float = Field(ge=0, le=1, examples=[0.25])
    top: float = Field(ge=0, le=1, examples=[0.84])
    right: float = Field(ge=0, le=1, examples=[0.75])
    bottom: float = Field(ge=0, le=1, examples=[0.92])


class Line(Schema):
    """A line: dialogue, or text in the picture."""

    start: Seconds
    end: Seconds
    timecode: Timecode
    language: Language
    text: str = Field(examples=["Everyone has a dream. Mine has craters."])
    kinds: list[LineKind] = Field(
        description="said: dialogue, from subtitles. written: text in the picture, read by "
        "machine, so letters may be wrong. Both: a subtitle in the picture.",
        examples=[["said"]],
    )
    box: Box | None = Field(
        description="Where it stands in the picture, in the middle of its time if it moves; null "
        "if it does not stand there."
    )


class FoundLine(Line):
    """A line that matches the search."""

    parts: list[Part] = Field(description="The text in parts, with the matching words marked.")
    box: Box | None = Field(
        description="Where it stands in the frame of the hit; null if it does not stand there."
    )


class Hit(Schema):
    """A result: a shot with its best frame."""

    film: FilmName
    shot: ShotName
    frame: FrameName
    scene: Scene
    relevance: float = Field(
        ge=0,
        le=1,
        description="1 for the best match of the query, 0 for an average frame.",
        examples=[0.93],
    )
    matches: bool = Field(
        description="False if it is only among the closest, not a real match.",
        examples=[True],
    )
    score: float = Field(description="Score used for ranking.", examples=[0.4512])
    line: FoundLine | None = Field(description="The matching line, if any.")
    more_in_film: bool = Field(
        description="Whether the film has more results; search with film=ID for them.",
        examples=[False],
    )


class Hits(Schema):
    """One page of results, best first."""

    results: list[Hit]
    page: int = Field(examples=[1])
    page_size: int = Field(examples=[24])
    next: Resource | None = Field(description="Address of the next page.")
    previous: Resource | None
    matches: bool = Field(
        description="False if there are no close matches and these are only the closest.",
        examples=[True],
    )
    did_you_mean: str | None = Field(
        None, description="The words of the search with misspelt ones corrected, if there are any."
    )
    notices: list[str] = Field(description="Notices for the user.", examples=[[]])
    search_page: Page = Field(description="Page of the same search.")


class Similar(Schema):
    """Shots similar to a frame, most similar first."""

    results: list[Hit]


class Frame(FrameName):
    """A frame of a film."""

    film: FilmName
    shot: ShotName | None = Field(description="The shot that contains it.")
    scene: Scene | None = Field(description="That shot from cut to cut, as a scene.")
    labels: list[int] = Field(description="Labels of its shot.", examples=[[3]])
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
    """A strong match in a film."""

    frame: FrameName
    relevance: float = Field(ge=0, le=1, examples=[0.92])


class Curve(Schema):
    """The relevance of a query over a film's whole length, in at most 1000 points."""

    times: list[float] = Field(
        description="Seconds from the start of the film, ascending.", examples=[[0.0, 1.0, 2.0]]
    )
    seconds: list[int] = Field(description="Frame for each point.", examples=[[0, 1, 2]])
    relevance: list[float] = Field(
        description="Relevance from 0 to 1 for each point.", examples=[[0.1, 0.92, 0.4]]
    )
    peaks: list[Peak]
    matches: bool = Field(
        description="False if nothing in the film is a close match.", examples=[True]
    )


class Label(Schema):
    """A label, with the number of shots that have it."""

    id: int = Field(description="Search with label=ID.", examples=[3])
    name: str = Field(examples=["Night"])
    shots: int = Field(examples=[41])
    films: int = Field(examples=[3])


class Labels(Schema):
    """All labels, by name."""

    results: list[Label]


class KeptPicture(Schema):
    """An uploaded picture to search with."""

    picture: str = Field(
        description="Token of the picture; search with picture=TOKEN.",
        examples=["0123456789abcdef0123456789abcdef"],
    )
    url: Picture = Field(description="Address of the picture.")
    search: Resource = Field(description="Search for similar scenes.")


class Me(Schema):
    """The current user and their permissions."""

    user: str | None = Field(
        description="Username; null without a token or login.", examples=["ada"]
    )
    may_play_films: bool
    may_download: bool
    model: str = Field(description="The model in use.", examples=["demo"])
