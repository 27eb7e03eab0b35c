"""Drawn films with known text, to measure how well text in pictures is read.

Over moving shots there are burnt-in subtitles of several looks in English and Chinese, signs and
newspapers; there are title cards, rolling credits, and a stretch without any text. The same seed
gives the same film.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
from PIL import Image, ImageColor

from benchmarks import text_script as script
from benchmarks.text_drawing import (
    CHINESE,
    ENGLISH,
    Box,
    Label,
    Look,
    Size,
    Sprite,
    draw_card,
    draw_credits,
    draw_newspaper,
    draw_sign,
    draw_subtitle,
)
from demo.backdrops import PAINTERS
from demo.concepts import CONCEPTS
from demo.film_drawing import draw_shot, stamp
from demo.film_shots import HEIGHT, RATE, WIDTH, Actor, Line, Point, Shot
from gallery.media import ffmpeg

KINDS = ("subtitle", "sign", "headline", "card", "credits")
BODY = "body"  # rows of a newspaper: they can be read, but need not be

SECONDS_WITHOUT_TEXT = 45.0
FIRST_SEED = 1_900_000  # of backgrounds, far from those of other drawn films
# Things on which nothing is written.
THINGS = tuple(one.slug for one in CONCEPTS if one.kind in {"animal", "plant", "hand"})
ANYWHERE = tuple(sorted(PAINTERS))
ON_EARTH = tuple(place for place in ANYWHERE if place not in {"space", "underwater"})
LIGHT, DARK = ("snow", "desert"), ("night", "space", "underwater")

WHITE = Look("white outline")
YELLOW = Look("yellow", "#ffe94a", family="Noto Sans CJK SC")
DARK_BOX = Look("dark box", outline=0, ground=150, bold=False, family="DejaVu Sans")
ON_LIGHT = Look("light ground", outline=0.003, family="Noto Sans CJK SC")
ON_DARK = Look("dark ground", outline=0, shadow=True, bold=False)
TWO_ROWS = Look("two rows")
BOTH = Look("both languages", sizes=(0.046, 0.064), family="Noto Sans CJK SC")
TOP = Look("top", top=True)
PUNCTUATION = Look("punctuation", family="Noto Sans CJK SC")

Cue = tuple[tuple[str, str], ...]  # rows: text and language


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A text of a film.

    `kind` is one of KINDS, or BODY. The rows of a subtitle are separated by line breaks; a subtitle
    in two languages is two texts. `language` is "en" or "zh-Hans". The text is wholly visible
    from `start` to `end` (seconds). `box` has the left, top, right and bottom of all places where
    it appears in that time, as shares of the picture. `style` says how it is drawn.
    """

    kind: str
    text: str
    language: str
    start: float
    end: float
    box: Box
    style: str


@dataclass(frozen=True, slots=True)
class Ground:
    """What is behind the text for some frames: a shot, or a plain colour."""

    frames: int
    shot: Shot | None
    colour: str = "#000000"


@dataclass(frozen=True, slots=True)
class Overlay:
    """A sprite from frame `first` to before `end`, its centre's path (pixels), and its growth."""

    first: int
    end: int
    sprite: Sprite
    path: tuple[Point, Point]
    grow: float = 1.0

    def locate(self, frame: int) -> tuple[float, float, float]:
        """Return the centre of the sprite in a frame, and its scale."""
        at = (frame - self.first) / max(1, self.end - self.first - 1)
        (x, y), (end_x, end_y) = self.path
        return x + (end_x - x) * at, y + (end_y - y) * at, 1 + (self.grow - 1) * at

    def draw(self, picture: Image.Image, frame: int) -> None:
        """Draw the sprite into a frame."""
        x, y, scale = self.locate(frame)
        image = self.sprite.image
        if self.path[0] == self.path[1] and self.grow == 1:
            corner = (round(x - image.width / 2), round(y - image.height / 2))
            picture.paste(image, corner, image)
        else:
            stamp(picture, image, x, y, scale=scale, turn=0)


class TextFilm:
    """The script of a film: grounds one after the other, and overlays."""

    def __init__(self, seed: int, size: Size, rate: int) -> None:
        """Write the script of film `seed`."""
        self.size, self.rate = size, rate
        self.grounds: list[Ground] = []
        self.overlays: list[Overlay] = []
        self._rng = np.random.default_rng([seed, 29])
        self._seed = FIRST_SEED + seed * 1000
        self._write()

    def _write(self) -> None:
        english = _split(self._shuffle(script.ENGLISH), ENGLISH)
        chinese = _split(self._shuffle(script.CHINESE), CHINESE)

        def take(number: int, cues: list[Cue]) -> list[Cue]:
            taken = cues[:number]
            del cues[:number]
            return taken

        self._add_card(0)
        self._add_cues(WHITE, take(8, english))
        self._add_cues(WHITE, take(7, chinese))
        self._add_signs(script.SIGNS[:6])
        self._add_cues(BOTH, [((zh, CHINESE), (en, ENGLISH)) for zh, en in script.BOTH])
        self._add_headline(0)
        self._add_cues(YELLOW, take(6, english) + take(6, chinese))
        self._add_card(1)
        self._add_cues(DARK_BOX, take(6, english))
        self._add_cues(DARK_BOX, take(6, chinese))
        self._add_shots(SECONDS_WITHOUT_TEXT, ANYWHERE)
        self._add_cues(ON_LIGHT, take(5, english) + take(5, chinese), LIGHT)
        self._add_cues(ON_DARK, take(5, english) + take(5, chinese), DARK)
        self._add_headline(1)
        self._add_signs(script.SIGNS[6:11])
        self._add_card(2)
        self._add_cues(TWO_ROWS, _split(script.ENGLISH_TWO_ROWS, ENGLISH))
        self._add_cues(TWO_ROWS, _split(script.CHINESE_TWO_ROWS, CHINESE))
        self._add_cues(TOP, take(6, english) + take(6, chinese))
        self._add_signs(script.SIGNS[11:], take(5, english))
        self._add_card(3)
        self._add_cues(PUNCTUATION, _split(script.ENGLISH_PUNCTUATION, ENGLISH))
        self._add_cues(PUNCTUATION, _split(script.CHINESE_PUNCTUATION, CHINESE))
        self._add_credits()

    @property
    def _now(self) -> int:
        return sum(ground.frames for ground in self.grounds)

    def _shuffle(self, texts: Sequence[str]) -> list[str]:
        return [texts[int(number)] for number in self._rng.permutation(len(texts))]

    # --- shots --------------------------------------------------------------------------------

    def _add_shots(self, seconds: float, places: Sequence[str]) -> None:
        """Add shots of about 3 to 5 seconds."""
        frames = round(seconds * self.rate)
        number = max(1, round(seconds / 4))
        cuts = np.arange(number + 1) + self._rng.uniform(-0.12, 0.12, number + 1)
        cuts[0], cuts[-1] = 0, number
        for length in np.diff((cuts * frames / number).round().astype(int)):
            self._add_shot(int(length), places)

    def _add_shot(self, frames: int, places: Sequence[str], *, side: float | None = None) -> Shot:
        """Add a shot whose things are at `side` (0 to 1) of the picture, or anywhere."""
        rng = self._rng
        place = str(rng.choice(list(places)))
        last = self.grounds[-1].shot if self.grounds else None
        while last and last.background == place and len(places) > 1:
            place = str(rng.choice(list(places)))
        actors = tuple(
            self._make_actor(side) for _one in range(1 if side else int(rng.integers(1, 3)))
        )
        pan: tuple[Point, Point] = ((0.5, 0.5), (0.5, 0.5))
        zoom = (1.0, 1.0)
        if rng.random() < 0.6:
            start = float(rng.uniform(0.2, 0.8))
            pan = ((start, 0.5), (start + float(rng.uniform(-0.2, 0.2)), 0.5))
        else:
            zoom = (1.0, float(rng.uniform(1.05, 1.15)))
        count = math.ceil(frames * RATE / self.rate) + 1
        line = Line("", "", "", "")
        shot = Shot(count, place, actors, "", "", line, pan, zoom, self._seed + len(self.grounds))
        self.grounds.append(Ground(frames, shot))
        return shot

    def _make_actor(self, side: float | None) -> Actor:
        rng = self._rng
        x = side if side else float(rng.uniform(0.15, 0.85))
        start = (x, float(rng.uniform(0.45, 0.62)))
        end = (x + float(rng.uniform(-0.2, 0.2)) * (side is None), start[1])
        return Actor(
            str(rng.choice(THINGS)),
            start,
            end,
            float(rng.uniform(0.3, 0.6)),
            grow=float(rng.uniform(0.9, 1.15)),
            swing=float(rng.uniform(0, 8)),
            hop=float(rng.choice([0.0, 0.03])),
            pace=float(rng.uniform(0.5, 2.0)),
        )

    # --- text ---------------------------------------------------------------------------------

    def _add_cues(self, look: Look, cues: Sequence[Cue], places: Sequence[str] = ANYWHERE) -> None:
        first = self._now
        self._add_shots((self._overlay_cues(look, cues, first) - first) / self.rate, places)

    def _overlay_cues(self, look: Look, cues: Sequence[Cue], first: int) -> int:
        """Put subtitles over what begins with frame `first`; return the frame of their end."""
        frame = first + round(self.rate * 0.5)
        for rows in cues:
            letters = sum(len(text) * (2.5 if lang == CHINESE else 1) for text, lang in rows)
            seconds = float(np.clip(1.2 + 0.06 * letters + self._rng.uniform(-0.3, 0.3), 2, 4))
            end = frame + round(seconds * self.rate)
            sprite, centre = draw_subtitle(rows, look, self.size)
            self.overlays.append(Overlay(frame, end, sprite, (centre, centre)))
            gap = float(self._rng.choice([0, 0, 0.1, 0.25, 0.5, 1, 1.5]))
            frame = end + round(gap * self.rate)
        return frame

    def _add_signs(self, signs: Sequence[tuple[str, str]], cues: Sequence[Cue] = ()) -> None:
        """Add a shot for each sign, with shots between them, and subtitles over all of them."""
        first = self._now
        for number, (language, text) in enumerate(signs):
            frames = round(float(self._rng.uniform(3, 6)) * self.rate)
            x = float(self._rng.uniform(0.36, 0.42))
            shot = self._add_shot(frames, ON_EARTH, side=0.84)
            end = self._now
            turn = int(self._rng.integers(0, 21)) * int(self._rng.choice([-1, 1]))
            post = shot.background != "indoors"
            sprite = draw_sign(text, language, self.size, self._rng, turn=turn, post=post)
            path = self._follow(shot, sprite, (x, float(self._rng.uniform(0.3, 0.42))))
            self.overlays.append(Overlay(end - frames, end, sprite, path, shot.zoom[1]))
            if number % 2:
                self._add_shot(round(float(self._rng.uniform(2, 3)) * self.rate), ANYWHERE)
        if cues:
            left = self._overlay_cues(WHITE, cues, first) - self._now
            if left > 0:
                self._add_shots(left / self.rate, ANYWHERE)

    def _follow(self, shot: Shot, sprite: Sprite, place: Point) -> tuple[Point, Point]:
        """Return the path of a sprite whose text is first at `place` (0 to 1) of a shot."""
        width, height = self.size
        left, top, right, bottom = sprite.labels[0].box
        start = (width * place[0] - (left + right) / 2, height * place[1] - (top + bottom) / 2)
        # The background is half as wide again as the picture.
        shift = (shot.pan[1][0] - shot.pan[0][0]) * width / 2
        zoom = shot.zoom[1]
        middle = (width / 2, height / 2)
        end = (
            middle[0] + (start[0] - middle[0]) * zoom - shift,
            middle[1] + (start[1] - middle[1]) * zoom,
        )
        return start, end

    def _add_plain(self, seconds: float, colour: str) -> tuple[int, int]:
        """Add a plain ground; return its first frame, and the one after it."""
        first = self._now
        self.grounds.append(Ground(round(seconds * self.rate), None, colour))
        return first, self._now

    def _add_headline(self, number: int) -> None:
        headline, below, body = script.HEADLINES[number]
        first, end = self._add_plain(6, "#202020")
        sprite = draw_newspaper(headline, below, body, self.size, self._rng)
        centre = (self.size[0] / 2, self.size[1] / 2)
        self.overlays.append(Overlay(first, end, sprite, (centre, centre), 1.05))

    def _add_card(self, number: int) -> None:
        language, text, colour, ink = script.CARDS[number]
        first, end = self._add_plain(3.5, colour)
        light = sum(ImageColor.getrgb(colour)[:3]) > 384
        style = "light ground" if light else "dark ground"
        sprite = draw_card(text, language, ink, style, self.size)
        centre = (self.size[0] / 2, self.size[1] / 2)
        self.overlays.append(Overlay(first, end, sprite, (centre, centre)))

    def _add_credits(self) -> None:
        first, end = self._add_plain(25, "#000000")
        sprite = draw_credits(script.CREDITS, self.size)
        width, height = self.size
        half = sprite.image.height / 2
        path = ((width / 2, height + half), (width / 2, -half))
        self.overlays.append(Overlay(first, end, sprite, path))

    # --- results ------------------------------------------------------------------------------

    def draw(self) -> Iterator[Image.Image]:
        """Yield the pictures of the film, RGB."""
        frame, waiting = 0, sorted(self.overlays, key=lambda one: one.first)
        active: list[Overlay] = []
        for ground in self.grounds:
            for picture in self._draw_ground(ground):
                while waiting and waiting[0].first <= frame:
                    active.append(waiting.pop(0))
                active = [overlay for overlay in active if frame < overlay.end]
                for overlay in active:
                    overlay.draw(picture, frame)
                yield picture
                frame += 1

    def _draw_ground(self, ground: Ground) -> Iterator[Image.Image]:
        if ground.shot is None:
            for _frame in range(ground.frames):
                yield Image.new("RGB", self.size, ground.colour)
            return
        pictures = draw_shot(ground.shot, self.rate)
        for _frame, picture in zip(range(ground.frames), pictures, strict=False):
            same = self.size == (WIDTH, HEIGHT)
            yield picture if same else picture.resize(self.size, Image.Resampling.BICUBIC)

    def list_texts(self) -> list[WrittenText]:
        """Return the texts of the film in order of time."""
        texts = [
            self._place(overlay, label)
            for overlay in self.overlays
            for label in overlay.sprite.labels
        ]
        return sorted(texts, key=lambda text: (text.start, text.box[1]))

    def _place(self, overlay: Overlay, label: Label) -> WrittenText:
        width, height = self.size
        visible: dict[int, Box] = {}
        for frame in range(overlay.first, overlay.end):
            x, y, scale = overlay.locate(frame)
            left, top, right, bottom = (edge * scale for edge in label.box)
            box: Box = (
                (x + left) / width,
                (y + top) / height,
                (x + right) / width,
                (y + bottom) / height,
            )
            if min(box) >= 0 and max(box) <= 1:
                visible[frame] = box
        if not visible:
            raise ValueError(f"{label.text!r} is never wholly in the picture")
        lefts, tops, rights, bottoms = zip(*visible.values(), strict=True)
        edges = (min(lefts), min(tops), max(rights), max(bottoms))
        return WrittenText(
            label.kind,
            label.text,
            label.language,
            round(min(visible) / self.rate, 3),
            round((max(visible) + 1) / self.rate, 3),
            (round(edges[0], 4), round(edges[1], 4), round(edges[2], 4), round(edges[3], 4)),
            label.style,
        )


def _split(texts: Sequence[str], language: str) -> list[Cue]:
    return [tuple((row, language) for row in text.split("\n")) for text in texts]


def make(
    path: Path, *, seed: int = 1, width: int = 640, height: int = 360, rate: int = 12
) -> list[WrittenText]:
    """Draw film `seed` into a file, and return its texts. Raises RuntimeError."""
    film = TextFilm(seed, (width, height), rate)
    command = [
        *(ffmpeg.binary(), "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{width}x{height}", "-r", str(rate), "-i", "-", "-vf", "format=yuv420p"),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-g", str(2 * rate)),
        *("-keyint_min", str(2 * rate), "-sc_threshold", "0", str(path)),
    ]
    with Popen(command, stdin=PIPE) as process:
        assert process.stdin is not None
        for picture in film.draw():
            process.stdin.write(picture.tobytes())
        process.stdin.close()
        if process.wait():
            raise RuntimeError(f"FFmpeg could not write {path}")
    return film.list_texts()
