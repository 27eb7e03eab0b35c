"""Export a board to editing programs as OTIO or as edit decision lists (EDL, CMX 3600).

In and out points are frames on the clock of the film's own timecode, at exact rates. An EDL has one
frame rate, so there is one EDL for each rate on the board. OpenTimelineIO's adapter writes them; it
counts non-drop timecodes at the nominal rate only: 24 for 24000/1001.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from gallery.core.file_names import file_name, one_line
from gallery.films.models import Film
from gallery.media.cutting import TIMECODE_RATES
from gallery.media.timecodes import Clock

NTSC = Fraction(1000, 1001)
STANDARD_RATES = (
    *(24 * NTSC, Fraction(24), Fraction(25), 30 * NTSC, Fraction(30)),
    *(48 * NTSC, Fraction(48), Fraction(50), 60 * NTSC, Fraction(60)),
)
RATE_TOLERANCE = Fraction(1, 5000)  # relative; it distinguishes 24 from 24000/1001
MAX_EVENTS = 999  # of an EDL: its event numbers have three digits
MAX_EDL_SECONDS = 22 * 3600  # its timecodes start at 01:00:00:00 and end before 24 hours
RECORD_START = 3600  # seconds of timecode at which the timeline starts
REEL_LENGTH = 8
LOCATOR_COLOUR = otio.schema.MarkerColor.YELLOW  # EDL locators have no orange
METADATA_KEY = "scene_search"  # OTIO metadata for which there is no field


@dataclass(frozen=True, slots=True)
class Edit:
    """A scene in a timeline: its position from 1, and its span of the film in seconds."""

    number: int
    film: Film
    start: float
    end: float
    note: str = ""
    link: str = ""

    @property
    def clock(self) -> Clock:
        """Return the frame clock of the film."""
        return self.film.clock

    @property
    def frames(self) -> tuple[int, int]:
        """Return its first frame and the one after its last, counted from the start of the film."""
        return frames_of_scene(self.clock, self.start, self.end)

    @property
    def source_timecodes(self) -> tuple[str, str]:
        """Return `frames` as timecodes of the file."""
        first, end = (self.clock.exact_seconds(frame) for frame in self.frames)
        return self.clock.source_timecode(first), self.clock.source_timecode(end)

    @property
    def title(self) -> str:
        """Return the title and year of the film."""
        return one_line(str(self.film))

    @property
    def file(self) -> str:
        """Return the name of the film's file, which editing programs look for."""
        return one_line(self.film.original_name) or self.title

    @property
    def reel(self) -> str:
        """Return a reel name, unique for each film: REEL_LENGTH letters and digits."""
        number = f"{self.film.pk:03d}"
        letters = re.sub(r"[^A-Z]", "", self.film.title.upper())
        return (letters or "FILM")[: REEL_LENGTH - len(number)] + number


def frames_of_scene(clock: Clock, start: float, end: float) -> tuple[int, int]:
    """Return the first frame of a span and the one after its last, at least one, as for clips."""
    first = clock.frame_from(start)
    return first, max(first + 1, clock.frame_from(end))


# --- OTIO ---------------------------------------------------------------------------------------


def otio_timeline(name: str, edits: Iterable[Edit], files: Mapping[int, str] | None = None) -> str:
    """Return the scenes of a board as OTIO JSON, with sound and notes, each at its film's rate.

    By default the media are the films. With `files`, which maps scene numbers to file names, they
    are clips that hold one scene each.
    """
    edits = list(edits)
    timeline = otio.schema.Timeline(name=one_line(name))
    if edits:
        clock = edits[0].clock
        begin = RECORD_START * clock.nominal
        timeline.global_start_time = RationalTime(begin, float(clock.grid))
    kinds = otio.schema.TrackKind
    picture = otio.schema.Track(name="V1", kind=kinds.Video)
    sound = otio.schema.Track(name="A1", kind=kinds.Audio)
    for edit in edits:
        media = _part_of_film(edit) if files is None else _whole_file(edit, files[edit.number])
        picture.append(_clip(edit, media))
        sound.append(_clip(edit, media) if edit.film.audio_codec else _gap(edit))
    timeline.tracks.append(picture)
    if any(edit.film.audio_codec for edit in edits):
        timeline.tracks.append(sound)
    return str(otio.adapters.write_to_string(timeline, "otio_json"))


Media = tuple[str, TimeRange, TimeRange]
"""The name of a file, the range of all its frames, and that of a scene."""


def _part_of_film(edit: Edit) -> Media:
    first, end = edit.frames
    whole = max(end, edit.clock.frame(edit.film.duration))
    return edit.file, _time_range(edit, 0, whole), _time_range(edit, first, end)


def _whole_file(edit: Edit, name: str) -> Media:
    first, end = edit.frames
    whole = _time_range(edit, first, end)
    # Exact clips have the film's timecode if MP4 can store it.
    if not (edit.film.rate and edit.clock.nominal in TIMECODE_RATES):
        whole = TimeRange(RationalTime(0, whole.duration.rate), whole.duration)
    return name, whole, whole


def _clip(edit: Edit, media: Media) -> otio.schema.Clip:
    name, available, used = media
    clip = otio.schema.Clip(
        name=edit.title,
        media_reference=otio.schema.ExternalReference(target_url=name, available_range=available),
        source_range=used,
        metadata={
            METADATA_KEY: {
                "scene": edit.number,
                "note": edit.note,
                "link": edit.link,
                "film": edit.file,
                "in": edit.source_timecodes[0],
                "out": edit.source_timecodes[1],
            },
            "cmx_3600": {"reel": edit.reel},
        },
    )
    clip.media_reference.name = name
    if edit.note.strip():
        clip.markers.append(_marker(edit.note, used))
    return clip


def _time_range(edit: Edit, first: int, end: int) -> TimeRange:
    """Return the frames from `first` up to `end` on the clock of the file's timecode."""
    rate = float(edit.clock.grid)
    start = RationalTime(edit.clock.start_frame + first, rate)
    return TimeRange(start, RationalTime(end - first, rate))


def _gap(edit: Edit) -> otio.schema.Gap:
    first, end = edit.frames
    return otio.schema.Gap(
        source_range=TimeRange(duration=RationalTime(end - first, float(edit.clock.grid)))
    )


def _marker(
    note: str, marked: TimeRange, colour: str = otio.schema.MarkerColor.ORANGE
) -> otio.schema.Marker:
    marker = otio.schema.Marker(
        name=one_line(note.strip().splitlines()[0]), marked_range=marked, color=colour
    )
    marker.comment = note
    return marker


# --- edit decision lists ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TimecodeRate:
    """The rate of an EDL in frames per second, and whether its timecodes are drop-frame."""

    rate: Fraction
    is_drop_frame: bool = False

    @property
    def nominal(self) -> int:
        """Return the frames in a second of timecode."""
        return round(self.rate)

    @property
    def adapter_rate(self) -> float:
        """Return the rate for which the adapter writes these timecodes; a true NTSC rate drops."""
        return float(self.rate) if self.is_drop_frame else float(self.nominal)

    @property
    def start_frame(self) -> int:
        """Return the frame at 01:00:00:00."""
        return (
            round(self.rate * RECORD_START) if self.is_drop_frame else self.nominal * RECORD_START
        )

    def matches(self, film: Film) -> bool:
        """Return whether a film has this rate, so that its frames need no conversion."""
        return bool(film.rate) and abs(film.rate - self.rate) < RATE_TOLERANCE * self.rate

    def __str__(self) -> str:
        """Format the rate as editors do: 23.976, 25, 29.97 DF."""
        number = f"{float(self.rate):.3f}".rstrip("0").rstrip(".")
        return f"{number} DF" if self.is_drop_frame else number


def timecode_rate_of(film: Film) -> TimecodeRate:
    """Return the rate of the EDL that holds the scenes of a film."""
    return TimecodeRate(nearest_standard_rate(film.clock.grid), film.clock.drops_frames)


def nearest_standard_rate(rate: Fraction) -> Fraction:
    """Return the standard rate that suits a film best.

    Its own rate if that is standard; else one that it divides or is a multiple of, as 24 for 12 and
    60 for 120; else the nearest.
    """
    for known in STANDARD_RATES:
        if abs(rate - known) < RATE_TOLERANCE * known:
            return known
    multiples = [known for known in STANDARD_RATES if (known / rate).denominator == 1]
    divisors = [known for known in STANDARD_RATES if (rate / known).denominator == 1]
    if multiples or divisors:
        return min(multiples) if multiples else max(divisors)
    return min(STANDARD_RATES, key=lambda known: abs(known - rate))


def edit_lists(name: str, edits: Iterable[Edit]) -> dict[str, str]:
    """Return a board as edit decision lists: file names and texts.

    There is one for each frame rate, or several where one would exceed MAX_EVENTS or
    MAX_EDL_SECONDS.
    """
    groups: dict[TimecodeRate, list[Edit]] = {}
    for edit in edits:
        groups.setdefault(timecode_rate_of(edit.film), []).append(edit)
    lists: dict[str, str] = {}
    for rate, group in groups.items():
        parts = list(_split(group, rate))
        for number, part in enumerate(parts, start=1):
            tail = f" {number} of {len(parts)}" if len(parts) > 1 else ""
            tail = f" {rate}{tail}" if len(groups) > 1 or tail else ""
            title = one_line(name)[: 70 - len(tail)] + tail
            lists[f"{file_name(name)}{tail}.edl"] = _edit_list(title, part, rate)
    return lists


def _split(edits: Iterable[Edit], rate: TimecodeRate) -> Iterator[list[Edit]]:
    """Split scenes into parts that fit into one EDL each."""
    part: list[Edit] = []
    frames = 0
    for edit in edits:
        first, end = _source_frames(edit, rate)
        if part and (
            len(part) == MAX_EVENTS or frames + end - first > MAX_EDL_SECONDS * rate.nominal
        ):
            yield part
            part, frames = [], 0
        part.append(edit)
        frames += end - first
    if part:
        yield part


def _source_frames(edit: Edit, rate: TimecodeRate) -> tuple[int, int]:
    """Return the first frame of a scene and the one after its last, converted to `rate`."""
    first, end = edit.frames
    if not rate.matches(edit.film):
        first = round(edit.clock.exact_seconds(first) * rate.rate)
        end = max(first + 1, round(edit.clock.exact_seconds(end) * rate.rate))
        return first, end
    return edit.clock.start_frame + first, edit.clock.start_frame + end


def _edit_list(title: str, edits: list[Edit], rate: TimecodeRate) -> str:
    timeline = otio.schema.Timeline(name=title)
    track = otio.schema.Track(kind=otio.schema.TrackKind.Video)
    record = rate.start_frame
    for edit in edits:
        event = _event(edit, rate)
        if edit.note.strip():
            # Locators have record timecodes; other markers of OTIO have those of the source.
            start = RationalTime(record, rate.adapter_rate)
            event.markers.append(_marker(edit.note, TimeRange(start), LOCATOR_COLOUR))
        track.append(event)
        record += round(event.source_range.duration.value)
    # The adapter derives the record timecodes from this offset.
    begin = RationalTime(-rate.start_frame, rate.adapter_rate)
    track.source_range = TimeRange(begin, track.duration())
    timeline.tracks.append(track)
    text = otio.adapters.write_to_string(timeline, "cmx_3600", rate=rate.adapter_rate)
    # The adapter writes neither the frame code mode (FCM) nor sound channels.
    head, _, events = str(text).partition("\n\n")
    mode = "DROP FRAME" if rate.is_drop_frame else "NON-DROP FRAME"
    return f"{head}\nFCM: {mode}\n\n{_set_channels(events, edits)}"


def _event(edit: Edit, rate: TimecodeRate) -> otio.schema.Clip:
    first, end = _source_frames(edit, rate)
    return otio.schema.Clip(
        # Editing programs look for a file with the name of the clip.
        name=edit.file,
        media_reference=otio.schema.ExternalReference(target_url=edit.file),
        source_range=TimeRange(
            RationalTime(first, rate.adapter_rate), RationalTime(end - first, rate.adapter_rate)
        ),
        metadata={"cmx_3600": {"reel": edit.reel, "comments": list(_comments(edit, rate))}},
    )


def _comments(edit: Edit, rate: TimecodeRate) -> Iterator[str]:
    yield f"SCENE {edit.number}: {edit.title}"
    for line in edit.note.splitlines():
        if one_line(line):
            yield f"COMMENT: {one_line(line)}"
    if edit.link:
        yield f"LINK: {edit.link}"
    if not edit.film.rate:
        yield f"RATE: UNKNOWN, COUNTED HERE AT {rate}"
    elif not rate.matches(edit.film):
        film = TimecodeRate(edit.film.rate)
        yield f"RATE: THE FILM HAS {film} FRAMES PER SECOND, COUNTED HERE AT {rate}"


# An event as the adapter writes it: number, reel, channels (always V), transition (C).
_EVENT = re.compile(r"^(?P<number>\d{3})(?P<reel>  \S+ +)V    (?= C )", re.MULTILINE)


def _set_channels(events: str, edits: list[Edit]) -> str:
    """Make the events of films with sound take picture and sound: AA/V instead of V."""

    def with_channels(event: re.Match[str]) -> str:
        edit = edits[int(event["number"]) - 1]
        channels = "AA/V " if edit.film.audio_codec else "V    "
        return f"{event['number']}{event['reel']}{channels}"

    return _EVENT.sub(with_channels, events)
