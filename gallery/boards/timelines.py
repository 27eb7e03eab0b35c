"""A board as editing programs read it: OTIO for everything, and edit decision lists (CMX 3600).

Ends of scenes are frames of their films, counted as the file's own timecode counts them, and rates
are exact. A list has one frame rate: there is one for each rate on the board. Lists are written by
OpenTimelineIO's adapter, which knows no rate but the nominal one in their timecodes: 24 for
24000/1001.
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
SAME_RATE = Fraction(1, 5000)  # rates that differ by less are one; 24 and 24000/1001 are not
MAX_EVENTS = 999  # of a list: its event numbers have three digits
MAX_SECONDS = 22 * 3600  # of a list: its timecodes begin at one hour and end before 24
RECORD_START = 3600  # seconds of timecode at which the edit begins
REEL_LENGTH = 8
OURS = "scene_search"  # where OTIO keeps what it has no field for


@dataclass(frozen=True, slots=True)
class TimelineClip:
    """A scene of a board as an edit: number `number` of it, from `start` up to `end` (seconds)."""

    number: int
    film: Film
    start: float
    end: float
    note: str = ""
    link: str = ""

    @property
    def clock(self) -> Clock:
        """How its film counts frames."""
        return self.film.clock

    @property
    def frames(self) -> tuple[int, int]:
        """Its first frame, and the one after its last, counted from the film's beginning."""
        return frames_of_scene(self.clock, self.start, self.end)

    @property
    def source_timecodes(self) -> tuple[str, str]:
        """The file's own timecodes of `frames`."""
        first, end = (self.clock.exact_seconds(frame) for frame in self.frames)
        return self.clock.source_timecode(first), self.clock.source_timecode(end)

    @property
    def title(self) -> str:
        """Its film's title and year."""
        return one_line(str(self.film))

    @property
    def file(self) -> str:
        """The name of the film's file, by which an editing program finds it."""
        return one_line(self.film.original_name) or self.title

    @property
    def reel(self) -> str:
        """A name of the film in eight letters and digits, another for each film."""
        number = f"{self.film.pk:03d}"
        letters = re.sub(r"[^A-Z]", "", self.film.title.upper())
        return (letters or "FILM")[: REEL_LENGTH - len(number)] + number


def frames_of_scene(clock: Clock, start: float, end: float) -> tuple[int, int]:
    """The first frame of a span, and the one after its last; as clips are cut, and at least one."""
    first = clock.frame_from(start)
    return first, max(first + 1, clock.frame_from(end))


# --- OTIO ---------------------------------------------------------------------------------------


def otio_timeline(
    name: str, cuts: Iterable[TimelineClip], files: Mapping[int, str] | None = None
) -> str:
    """All scenes of a board as OTIO, each at its film's own rate, with their sound and notes.

    Its clips are parts of the films; or, with `files`, whole files that hold a scene each: the
    names of these by the numbers of the scenes.
    """
    cuts = list(cuts)
    timeline = otio.schema.Timeline(name=one_line(name))
    if cuts:
        clock = cuts[0].clock
        begin = RECORD_START * clock.nominal
        timeline.global_start_time = RationalTime(begin, float(clock.grid))
    kinds = otio.schema.TrackKind
    picture = otio.schema.Track(name="V1", kind=kinds.Video)
    sound = otio.schema.Track(name="A1", kind=kinds.Audio)
    for cut in cuts:
        media = _part_of_film(cut) if files is None else _whole_file(cut, files[cut.number])
        picture.append(_clip(cut, media))
        sound.append(_clip(cut, media) if cut.film.audio_codec else _silence(cut))
    timeline.tracks.append(picture)
    if any(cut.film.audio_codec for cut in cuts):
        timeline.tracks.append(sound)
    return str(otio.adapters.write_to_string(timeline, "otio_json"))


Media = tuple[str, TimeRange, TimeRange]
"""The name of a file, all its frames, and those of a scene."""


def _part_of_film(cut: TimelineClip) -> Media:
    first, end = cut.frames
    whole = max(end, cut.clock.frame(cut.film.duration))
    return cut.file, _range(cut, 0, whole), _range(cut, first, end)


def _whole_file(cut: TimelineClip, name: str) -> Media:
    first, end = cut.frames
    whole = _range(cut, first, end)
    # Exact clips carry the film's timecode where MP4 can.
    if not (cut.film.rate and cut.clock.nominal in TIMECODE_RATES):
        whole = TimeRange(RationalTime(0, whole.duration.rate), whole.duration)
    return name, whole, whole


def _clip(cut: TimelineClip, media: Media) -> otio.schema.Clip:
    name, available, used = media
    clip = otio.schema.Clip(
        name=cut.title,
        media_reference=otio.schema.ExternalReference(target_url=name, available_range=available),
        source_range=used,
        metadata={
            OURS: {
                "scene": cut.number,
                "note": cut.note,
                "link": cut.link,
                "film": cut.file,
                "in": cut.source_timecodes[0],
                "out": cut.source_timecodes[1],
            },
            "cmx_3600": {"reel": cut.reel},
        },
    )
    clip.media_reference.name = name
    if cut.note.strip():
        clip.markers.append(_marker(cut.note, used))
    return clip


def _range(cut: TimelineClip, first: int, end: int) -> TimeRange:
    """Frames of a film from `first` up to `end`, on the clock of its file's own timecode."""
    rate = float(cut.clock.grid)
    start = RationalTime(cut.clock.start_frame + first, rate)
    return TimeRange(start, RationalTime(end - first, rate))


def _silence(cut: TimelineClip) -> otio.schema.Gap:
    first, end = cut.frames
    return otio.schema.Gap(
        source_range=TimeRange(duration=RationalTime(end - first, float(cut.clock.grid)))
    )


def _marker(note: str, marked: TimeRange) -> otio.schema.Marker:
    marker = otio.schema.Marker(
        name=one_line(note.strip().splitlines()[0]),
        marked_range=marked,
        color=otio.schema.MarkerColor.ORANGE,
    )
    marker.comment = note
    return marker


# --- edit decision lists ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counting:
    """How the timecodes of a list count: at `rate` frames per second, dropping numbers or not."""

    rate: Fraction
    drops: bool = False

    @property
    def nominal(self) -> int:
        """Frames in a second of timecode."""
        return round(self.rate)

    @property
    def written(self) -> float:
        """The rate at which the adapter writes these timecodes: it drops numbers where it can."""
        return float(self.rate) if self.drops else float(self.nominal)

    @property
    def start(self) -> int:
        """The frame at 01:00:00:00."""
        return round(self.rate * RECORD_START) if self.drops else self.nominal * RECORD_START

    def counts(self, film: Film) -> bool:
        """Whether the frames of such a list are those of a film."""
        return bool(film.rate) and abs(film.rate - self.rate) < SAME_RATE * self.rate

    def __str__(self) -> str:
        """The rate as people write it: 23.976, 25, 29.97 DF."""
        number = f"{float(self.rate):.3f}".rstrip("0").rstrip(".")
        return f"{number} DF" if self.drops else number


def counting_of(film: Film) -> Counting:
    """How the list counts that the scenes of a film go into."""
    return Counting(standard_rate(film.clock.grid), film.clock.drops)


def standard_rate(rate: Fraction) -> Fraction:
    """The rate at which the frames of a film are counted in a list.

    Its own when editing programs know it; else one of which it is a whole multiple or part, as 24
    for 12 and 60 for 120; else the nearest.
    """
    for known in STANDARD_RATES:
        if abs(rate - known) < SAME_RATE * known:
            return known
    parts = [known for known in STANDARD_RATES if (known / rate).denominator == 1]
    wholes = [known for known in STANDARD_RATES if (rate / known).denominator == 1]
    if parts or wholes:
        return min(parts) if parts else max(wholes)
    return min(STANDARD_RATES, key=lambda known: abs(known - rate))


def edit_lists(name: str, cuts: Iterable[TimelineClip]) -> dict[str, str]:
    """A board as edit decision lists: the name of each file and its text.

    One for each frame rate, or several where one would have more than 999 events or last longer
    than its timecodes reach.
    """
    groups: dict[Counting, list[TimelineClip]] = {}
    for cut in cuts:
        groups.setdefault(counting_of(cut.film), []).append(cut)
    lists: dict[str, str] = {}
    for counting, group in groups.items():
        parts = list(_parts(group, counting))
        for number, part in enumerate(parts, start=1):
            tail = f" {number} of {len(parts)}" if len(parts) > 1 else ""
            tail = f" {counting}{tail}" if len(groups) > 1 or tail else ""
            title = one_line(name)[: 70 - len(tail)] + tail
            lists[f"{file_name(name)}{tail}.edl"] = _edit_list(title, part, counting)
    return lists


def _parts(cuts: Iterable[TimelineClip], counting: Counting) -> Iterator[list[TimelineClip]]:
    """The scenes in stretches that fit into a list each."""
    part: list[TimelineClip] = []
    frames = 0
    for cut in cuts:
        first, end = _counted(cut, counting)
        if part and (
            len(part) == MAX_EVENTS or frames + end - first > MAX_SECONDS * counting.nominal
        ):
            yield part
            part, frames = [], 0
        part.append(cut)
        frames += end - first
    if part:
        yield part


def _counted(cut: TimelineClip, counting: Counting) -> tuple[int, int]:
    """The frames of a scene as a list counts them: its first, and the one after its last."""
    first, end = cut.frames
    if not counting.counts(cut.film):
        first = round(cut.clock.exact_seconds(first) * counting.rate)
        end = max(first + 1, round(cut.clock.exact_seconds(end) * counting.rate))
        return first, end
    return cut.clock.start_frame + first, cut.clock.start_frame + end


def _edit_list(title: str, cuts: list[TimelineClip], counting: Counting) -> str:
    timeline = otio.schema.Timeline(name=title)
    track = otio.schema.Track(kind=otio.schema.TrackKind.Video)
    for cut in cuts:
        track.append(_event(cut, counting))
    # The adapter takes the time at which an edit begins from here, as it does when it reads one.
    begin = RationalTime(-counting.start, counting.written)
    track.source_range = TimeRange(begin, track.duration())
    timeline.tracks.append(track)
    text = otio.adapters.write_to_string(timeline, "cmx_3600", rate=counting.written)
    # What the adapter does not write: how frames are counted, and that the sound comes along.
    counted = "DROP FRAME" if counting.drops else "NON-DROP FRAME"
    text = str(text).replace("\n\n", f"\nFCM: {counted}\n\n", 1)
    return _with_sound(text, [bool(cut.film.audio_codec) for cut in cuts])


def _event(cut: TimelineClip, counting: Counting) -> otio.schema.Clip:
    first, end = _counted(cut, counting)
    return otio.schema.Clip(
        # Editing programs look for a file of this name.
        name=cut.file,
        media_reference=otio.schema.ExternalReference(target_url=cut.file),
        source_range=TimeRange(
            RationalTime(first, counting.written), RationalTime(end - first, counting.written)
        ),
        metadata={"cmx_3600": {"reel": cut.reel, "comments": list(_comments(cut, counting))}},
    )


def _comments(cut: TimelineClip, counting: Counting) -> Iterator[str]:
    yield f"SCENE {cut.number}: {cut.title}"
    for line in cut.note.splitlines():
        if one_line(line):
            yield f"NOTE: {one_line(line)}"
    if cut.link:
        yield f"LINK: {cut.link}"
    if not cut.film.rate:
        yield f"RATE: UNKNOWN, COUNTED HERE AT {counting}"
    elif not counting.counts(cut.film):
        film = Counting(cut.film.rate)
        yield f"RATE: THE FILM HAS {film} FRAMES PER SECOND, COUNTED HERE AT {counting}"


_EVENT = re.compile(r"^(\d{3}  \S+ +)V    ( C )", re.MULTILINE)


def _with_sound(text: str, sounds: list[bool]) -> str:
    """Let the events of films with sound take picture and sound: AA/V instead of V."""
    each = iter(sounds)
    return _EVENT.sub(lambda m: f"{m[1]}{'AA/V ' if next(each) else 'V    '}{m[2]}", text)
