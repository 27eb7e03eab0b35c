"""Lines of text in the pictures of a film, from what was read in its frames.

The same text in consecutive frames is one line. Lines that change every few seconds in one place,
centred at the bottom or at the top, are subtitles in the picture, and so are all others in that
place. The rest stands in the scene: signs, and titles and headlines, which are minutes apart.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from statistics import median

import regex

from gallery.ocr.types import Text
from gallery.transcripts.box_path import BoxPath, build_path

MAX_GAP_FRAMES = 1  # frames in a row in which a line may be overlooked
MIN_SAME_TEXT = 0.6  # similarity of readings of one line in one place
MIN_MOVED_TEXT = 0.8  # similarity of readings of a line that moves
MIN_SAME_PLACE = 0.3  # intersection over union
MAX_STEP = 0.4  # shares of the picture that a line may move between two frames
MIN_SURE_SCORE = 0.8  # of a line that was read in a single frame, or has few letters
FEW_LETTERS = 3

MAX_SUBTITLE_SECONDS = 12.0
MAX_SUBTITLE_ANGLE = 3.0  # degrees
MAX_OFF_CENTER = 0.06  # shares of the width
BOTTOM, TOP = 0.66, 0.34  # subtitles are below or above, in shares of the height
MAX_SUBTITLE_MOVE = 0.02  # shares of the height
HEIGHT_TOLERANCE = 0.3  # of the height of rows, by their median
MAX_SPREAD = 0.6  # of the height of rows: how far apart the middles of rows in one place are
MIN_SUBTITLES = 4  # different ones that follow each other in one place
MAX_PAUSE = 20.0  # seconds between two that follow each other
MIN_SHARED_TIME = 0.5  # of the shorter of two rows of one subtitle

_MEANING = regex.compile(r"[\p{L}\p{N}]")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")


@dataclass(frozen=True, slots=True)
class ReadFrame:
    """What was read in the frame at `time` (seconds of the film)."""

    time: float
    texts: Sequence[Text]


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line of text in the picture from `start` to `end` (seconds); `path` is where it stands."""

    text: str
    start: float
    end: float
    path: BoxPath


@dataclass(slots=True)
class _Track:
    """One line in the frames in which it was read: their numbers, and what was read."""

    frames: list[int] = field(default_factory=list)
    readings: list[Text] = field(default_factory=list)

    def add(self, frame: int, reading: Text) -> None:
        self.frames.append(frame)
        self.readings.append(reading)

    def likeness(self, reading: Text) -> float:
        """Return how much another reading is one of this line, 0 to 1; 0: it is none."""
        last = self.readings[-1]
        similar = _similarity(last.text, reading.text)
        if last.box.overlap(reading.box) >= MIN_SAME_PLACE:
            return similar if similar >= MIN_SAME_TEXT else 0.0
        step = max(abs(a - b) for a, b in zip(last.box.center, reading.box.center, strict=True))
        return similar if similar >= MIN_MOVED_TEXT and step <= MAX_STEP else 0.0

    @property
    def text(self) -> str:
        """The reading with the highest total score."""
        votes: dict[str, float] = defaultdict(float)
        for reading in self.readings:
            votes[reading.text] += reading.score
        # Of equally frequent ones the longest: letters are overlooked more often than invented.
        return max(votes, key=lambda text: (round(votes[text]), len(text)))

    @property
    def is_sure(self) -> bool:
        best = max(reading.score for reading in self.readings)
        letters = _MEANING.findall(self.text)
        if len({letter.casefold() for letter in letters}) < 2 and not _UNSPACED.search(self.text):
            return False  # rings and poles look like O and I
        is_clear = len(self.readings) > 1 and len(letters) > FEW_LETTERS
        return bool(letters) and (is_clear or best >= MIN_SURE_SCORE)

    @property
    def row(self) -> Text:
        """The middle one of its readings."""
        return self.readings[len(self.readings) // 2]

    @property
    def move(self) -> float:
        """How far it moves up or down, in shares of the height."""
        middles = [reading.box.center[1] for reading in self.readings]
        return max(middles) - min(middles)


def _similarity(one: str, other: str) -> float:
    return 1.0 if one == other else SequenceMatcher(None, one, other, autojunk=False).ratio()


@dataclass(frozen=True, slots=True)
class FilmText:
    """The text in the pictures of a film: its subtitles, one list for each script, and the rest."""

    subtitles: list[list[WrittenLine]]
    others: list[WrittenLine]


def join_frames(frames: Sequence[ReadFrame]) -> FilmText:
    """Return the lines of a film, from its frames in time order."""
    tracks = [track for track in _follow_lines(frames) if track.is_sure]
    times = [frame.time for frame in frames]
    subtitles = _find_subtitles(tracks, times)
    chosen = {id(track) for track in subtitles}
    others = [_to_line([track], times) for track in tracks if id(track) not in chosen]
    by_script: dict[bool, list[_Track]] = defaultdict(list)
    for track in subtitles:
        by_script[_is_unspaced(track.text)].append(track)
    return FilmText(
        [
            [_to_line(rows, times) for rows in _join_rows(by_script[script])]
            for script in sorted(by_script)
        ],
        sorted(others, key=lambda line: (line.start, line.path.box_at(line.start).top)),
    )


def _follow_lines(frames: Sequence[ReadFrame]) -> list[_Track]:
    done: list[_Track] = []
    running: list[_Track] = []
    for number, frame in enumerate(frames):
        ended = [track for track in running if number - track.frames[-1] > MAX_GAP_FRAMES + 1]
        done += ended
        running = [track for track in running if track not in ended]
        pairs = sorted(
            (
                (likeness, old, new)
                for old, track in enumerate(running)
                for new, text in enumerate(frame.texts)
                if (likeness := track.likeness(text)) > 0
            ),
            reverse=True,
        )
        used_tracks: set[int] = set()
        used_texts: set[int] = set()
        for _likeness, old, new in pairs:
            if old not in used_tracks and new not in used_texts:
                used_tracks.add(old)
                used_texts.add(new)
                running[old].add(number, frame.texts[new])
        for new, text in enumerate(frame.texts):
            if new not in used_texts:
                running.append(_Track([number], [text]))
    return done + running


def _to_line(rows: Sequence[_Track], times: Sequence[float]) -> WrittenLine:
    """Return tracks, from top to bottom, as one line.

    It appeared somewhere between the frame before it and its first one: in the middle.
    """
    first, last = min(row.frames[0] for row in rows), max(row.frames[-1] for row in rows)
    start, end = times[first], times[last] + 0.5
    if first > 0:
        start = max(start - 0.5, (times[first - 1] + start) / 2)
    if last + 1 < len(times):
        end = min(end, (times[last] + times[last + 1]) / 2)
    return WrittenLine("\n".join(row.text for row in rows), start, end, _find_path(rows, times))


def _find_path(rows: Sequence[_Track], times: Sequence[float]) -> BoxPath:
    """Return where the rows of a line stand. Several are subtitles, which do not move."""
    if len(rows) > 1:
        box = rows[0].row.box
        for row in rows[1:]:
            box = box.union(row.row.box)
        return build_path([(times[rows[0].frames[0]], box)])
    [row] = rows
    # Where letters were overlooked, so was the place of some.
    whole = [
        (times[frame], reading.box)
        for frame, reading in zip(row.frames, row.readings, strict=True)
        if reading.text == row.text
    ]
    return build_path(whole)


# --- subtitles ------------------------------------------------------------------------------------


def _is_unspaced(text: str) -> bool:
    return len(_UNSPACED.findall(text)) * 3 >= len(_MEANING.findall(text))


def _find_subtitles(tracks: Iterable[_Track], times: Sequence[float]) -> list[_Track]:
    """Return the tracks that are rows of subtitles."""
    candidates = [track for track in tracks if _may_be_subtitle(track, times)]
    found = []
    for is_top in (False, True):
        there = [track for track in candidates if (track.row.box.center[1] < TOP) == is_top]
        alike = []
        for is_unspaced in (False, True):
            alike += _of_usual_height(t for t in there if _is_unspaced(t.text) == is_unspaced)
        places = [
            median(track.row.box.center[1] for track in place)
            for place in _group_by_place(alike)
            if _follow_each_other(place, times)
        ]
        for rows in _join_rows(alike):
            top, bottom = rows[0].row.box.top, rows[-1].row.box.bottom
            if any(top <= place <= bottom for place in places):
                found += rows
    return found


def _group_by_place(tracks: Iterable[_Track]) -> Iterator[list[_Track]]:
    """Yield the tracks in each place, the place with the most tracks first."""
    left = sorted(tracks, key=lambda track: track.row.box.center[1])
    while left:
        middles = [track.row.box.center[1] for track in left]
        spread = MAX_SPREAD * median(track.row.height for track in left)
        ends = [bisect_right(middles, middle + spread) for middle in middles]
        first = max(range(len(left)), key=lambda number: ends[number] - number)
        yield left[first : ends[first]]
        del left[first : ends[first]]


def _follow_each_other(tracks: Iterable[_Track], times: Sequence[float]) -> bool:
    """Return whether texts in one place change as often as subtitles do."""
    texts: set[str] = set()
    last = -1  # the last frame of the one before
    for track in sorted(tracks, key=lambda track: track.frames[0]):
        if track.frames[0] <= last:
            continue  # another row of the same one
        if last >= 0 and times[track.frames[0]] - times[last] > MAX_PAUSE:
            texts.clear()
        texts.add(track.text)
        if len(texts) >= MIN_SUBTITLES:
            return True
        last = track.frames[-1]
    return False


def _of_usual_height(tracks: Iterable[_Track]) -> list[_Track]:
    listed = list(tracks)
    usual = median(track.row.height for track in listed) if listed else 0.0
    return [t for t in listed if abs(t.row.height - usual) <= HEIGHT_TOLERANCE * usual]


def _may_be_subtitle(track: _Track, times: Sequence[float]) -> bool:
    middle, height = track.row.box.center
    return (
        (height > BOTTOM or height < TOP)
        and abs(middle - 0.5) <= MAX_OFF_CENTER
        and track.row.angle <= MAX_SUBTITLE_ANGLE
        and track.move <= MAX_SUBTITLE_MOVE
        and times[track.frames[-1]] - times[track.frames[0]] <= MAX_SUBTITLE_SECONDS
    )


def _join_rows(tracks: Sequence[_Track]) -> list[list[_Track]]:
    """Return the rows of each subtitle, from top to bottom, in time order."""
    subtitles: list[list[_Track]] = []
    ordered = sorted(tracks, key=lambda track: (track.frames[0], track.row.box.top))
    for track in ordered:
        last = subtitles[-1] if subtitles else []
        if last and all(_are_together(row, track) for row in last):
            last.append(track)
        else:
            subtitles.append([track])
    return [sorted(rows, key=lambda row: row.row.box.top) for rows in subtitles]


def _are_together(one: _Track, other: _Track) -> bool:
    """Return whether two rows are shown at the same time, one below the other."""
    shared = len(set(one.frames) & set(other.frames))
    shorter = min(len(one.frames), len(other.frames))
    (_x, middle), (_other_x, other_middle) = one.row.box.center, other.row.box.center
    is_near = abs(middle - other_middle) <= 2.5 * max(one.row.height, other.row.height)
    return shared >= MIN_SHARED_TIME * shorter and is_near
