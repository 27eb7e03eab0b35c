"""Drawn films with known transitions, to measure shot detection.

Shots are joined by hard cuts (half of them between two backgrounds of one kind), dissolves and
fades through black. Within shots there are events that could be mistaken for a cut: flashes, fast
pans, shaking, things that cross the picture close to the camera, freeze frames. Every other film
has grain, and the sound is noise. The same seed gives the same film.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageChops

from demo.backdrops import PAINTERS
from demo.concepts import CONCEPTS
from demo.film_drawing import draw_shot, stamp
from demo.film_shots import HEIGHT, RATE, WIDTH, Actor, Line, Point, Shot
from demo.pictures import glyph
from gallery.media import ffmpeg

SHOTS_PER_FILM = 36
FIRST_SEED = 900_000  # far from the demo film's
CROSSING_FRAMES = 10  # that a thing close to the camera takes to cross the picture
WHIP_FRAMES = 12  # of a fast pan

KINDS = ("cut", "dissolve", "fade")
EVENTS = ("", "flash", "whip", "shake", "crossing", "still")

Pictures = list[Image.Image]


@dataclass(frozen=True, slots=True)
class Transition:
    """A cut, a dissolve or a fade.

    `first` is the first frame that is not purely of the old shot, `end` the first that is purely of
    the new one; they are the same for a cut.
    """

    kind: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A shot, what happens within it, and the transition to the next one.

    `event` is one of EVENTS, `after` one of KINDS; `length` is the frames of that transition (for a
    fade, out and in together).
    """

    shot: Shot
    event: str
    after: str
    length: int
    seed: int


def write_script(seed: int, count: int = SHOTS_PER_FILM) -> list[Scene]:
    """Return the script of film `seed`, of `count` shots."""
    rng = np.random.default_rng([seed, 7])
    scenes: list[Scene] = []
    place = ""
    for number in range(count):
        similar = place and rng.random() < 0.5
        place = place if similar else str(rng.choice(sorted(PAINTERS)))
        own = FIRST_SEED + seed * 1000 + number
        event = str(rng.choice(EVENTS, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]))
        after = str(rng.choice(KINDS, p=[0.7, 0.16, 0.14]))
        length = 0 if after == "cut" else int(rng.integers(8, 37))
        scenes.append(Scene(_random_shot(place, event, rng, own), event, after, length, own))
    return [*scenes[:-1], replace(scenes[-1], after="cut", length=0)]


def _random_shot(place: str, event: str, rng: Generator, seed: int) -> Shot:
    actors = tuple(_random_actor(rng, event == "still") for _one in range(rng.integers(1, 3)))
    pan: tuple[Point, Point] = ((0.5, 0.5), (0.5, 0.5))
    zoom = (1.0, 1.0)
    moves = rng.random()
    if event == "whip":
        pan = ((0.0, 0.5), (1.0, 0.5))
    elif event != "still" and moves < 0.4:
        pan = (_random_point(rng), _random_point(rng))
    elif event != "still" and moves < 0.7:
        zoom = (float(rng.uniform(1, 1.3)), float(rng.uniform(1, 1.3)))
    frames = int(rng.integers(20, 84))
    return Shot(frames, place, actors, "", "", Line("", "", "", ""), pan, zoom, seed)


def _random_point(rng: Generator) -> Point:
    return float(rng.uniform(0, 1)), float(rng.uniform(0.2, 0.8))


def _random_actor(rng: Generator, still: bool) -> Actor:
    slug = CONCEPTS[int(rng.integers(len(CONCEPTS)))].slug
    start = (float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.4, 0.6)))
    height = float(rng.uniform(0.3, 0.8))
    if still:
        return Actor(slug, start, None, height)
    end = (start[0] + float(rng.uniform(-0.3, 0.3)), start[1])
    return Actor(
        slug,
        start,
        end,
        height,
        grow=float(rng.uniform(0.8, 1.3)),
        swing=float(rng.uniform(0, 12)),
        hop=float(rng.choice([0.0, 0.03])),
        pace=float(rng.uniform(0.5, 2.5)),
    )


# --- drawing ----------------------------------------------------------------------------------


def _draw_scene(scene: Scene, before: int) -> Pictures:
    """Draw a scene; its first `before` and last `length` pictures are also in transitions."""
    shot = replace(scene.shot, frames=before + scene.shot.frames + scene.length)
    if scene.event == "still":
        first = next(draw_shot(shot))
        return [first] * shot.frames
    if scene.event == "whip":
        moving = list(draw_shot(replace(shot, frames=WHIP_FRAMES)))
        held = (before + scene.shot.frames - WHIP_FRAMES) // 2
        last = shot.frames - WHIP_FRAMES - held
        return [*[moving[0]] * held, *moving, *[moving[-1]] * last]
    pictures = list(draw_shot(shot))
    own = range(before, before + scene.shot.frames)
    rng = np.random.default_rng([scene.seed, 11])
    if scene.event == "flash":
        start = int(rng.integers(own.start + 4, own.stop - 6))
        white = Image.new("RGB", (WIDTH, HEIGHT), (255, 255, 255))
        for number in range(start, start + int(rng.integers(1, 4))):
            pictures[number] = Image.blend(pictures[number], white, float(rng.uniform(0.5, 0.9)))
    elif scene.event == "shake":
        for number, (x, y) in enumerate(rng.normal(0, 6, (len(pictures), 2)).round().astype(int)):
            pictures[number] = ImageChops.offset(pictures[number], int(x), int(y))
    elif scene.event == "crossing":
        thing = glyph(CONCEPTS[int(rng.integers(len(CONCEPTS)))].emoji, round(HEIGHT * 0.9))
        start = int(rng.integers(own.start + 2, own.stop - CROSSING_FRAMES - 2))
        for step in range(CROSSING_FRAMES):
            x = (step / (CROSSING_FRAMES - 1) * 1.8 - 0.4) * WIDTH
            stamp(pictures[start + step], thing, x, HEIGHT / 2, scale=1.0, turn=0)
    return pictures


def _dissolve(old: Image.Image, new: Image.Image, part: float) -> Image.Image:
    return Image.blend(old, new, part)


def _fade(old: Image.Image, new: Image.Image, part: float) -> Image.Image:
    black = Image.new("RGB", old.size)
    if part < 0.5:
        return Image.blend(old, black, part * 2)
    return Image.blend(black, new, part * 2 - 1)


def draw(scenes: Sequence[Scene]) -> Iterator[Image.Image]:
    """Yield the pictures of a film. During a dissolve or a fade both shots continue."""
    tail: Pictures = []
    join = _dissolve
    for scene in scenes:
        pictures = _draw_scene(scene, len(tail))
        for step, (old, new) in enumerate(zip(tail, pictures, strict=False), start=1):
            yield join(old, new, step / (len(tail) + 1))
        yield from pictures[len(tail) : len(pictures) - scene.length]
        tail = pictures[len(pictures) - scene.length :]
        join = _dissolve if scene.after == "dissolve" else _fade


def list_transitions(scenes: Sequence[Scene]) -> list[Transition]:
    """Return the transitions of a film, in order."""
    transitions, frame = [], 0
    for scene in scenes[:-1]:
        frame += scene.shot.frames
        transitions.append(Transition(scene.after, frame, frame + scene.length))
        frame += scene.length
    return transitions


def make(seed: int, path: Path, count: int = SHOTS_PER_FILM) -> list[Transition]:
    """Draw film `seed` into a file, and return its transitions. Raises RuntimeError."""
    scenes = write_script(seed, count)
    grain = ",noise=alls=10:allf=t" if seed % 2 else ""
    command = [
        *(ffmpeg.binary(), "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "-"),
        # Noise never repeats, so a place in it can be recognised.
        *("-f", "lavfi", "-i", f"anoisesrc=color=pink:amplitude=0.2:sample_rate=48000:seed={seed}"),
        *("-vf", f"format=yuv420p{grain}", "-c:v", "libx264", "-preset", "veryfast", "-crf", "23"),
        *("-c:a", "aac", "-b:a", "128k", "-shortest", str(path)),
    ]
    with Popen(command, stdin=PIPE) as process:
        assert process.stdin is not None
        for picture in draw(scenes):
            process.stdin.write(picture.tobytes())
        process.stdin.close()
        if process.wait():
            raise RuntimeError(f"FFmpeg could not write {path}")
    return list_transitions(scenes)
