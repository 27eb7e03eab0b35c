"""Frames with the same picture share a vector; similar ones do not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as project
from PIL import Image, ImageDraw

from gallery.clip.encoder import Encoder
from gallery.clip.sharing import MAX_REMEMBERED, SharedPictures, digest
from gallery.films.models import Film
from gallery.importing import ingest, transitions
from gallery.importing.ingest import SpanEmbedder
from gallery.media import frame_stream, probing
from gallery.media.store import SegmentData
from gallery.media.types import Frame, Picture, Span
from tests.films import noise
from tests.importing import DEMO, add_film, import_here

SIDE = 96


def shift_levels(picture: Picture, levels: float) -> Picture:
    """A picture with alternating pixels changed by +levels and -levels."""
    pixels = np.asarray(picture, np.float32)
    signs = np.where(np.indices(pixels.shape).sum(axis=0) % 2, levels, -levels)
    return Image.fromarray(np.clip(pixels + signs, 0, 255).astype(np.uint8))


def make_plain(level: int = 128) -> Picture:
    return Image.new("RGB", (SIDE, SIDE), (level, level, level))


def find_owners(pictures: list[Picture]) -> list[int | None]:
    shared = SharedPictures()
    return [shared.find(number, [picture]) for number, picture in enumerate(pictures)]


def test_codec_noise_does_not_make_a_new_picture() -> None:
    still = noise(1, (SIDE, SIDE))
    assert find_owners([still, still, still.copy()]) == [None, 0, 0]
    graded = make_plain()
    assert find_owners([graded, shift_levels(graded, 0.49)]) == [None, 0]


def test_a_similar_picture_is_another_picture() -> None:
    scene = noise(1, (SIDE, SIDE))
    blink = scene.copy()
    ImageDraw.Draw(blink).rectangle((40, 40, 47, 47), "black")  # a closing eye
    flipped = scene.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert find_owners([scene, blink, flipped, noise(2, (SIDE, SIDE))]) == [None] * 4
    assert find_owners([make_plain(100), make_plain(102)]) == [None, None]
    assert find_owners([scene, shift_levels(scene, 3)]) == [None, None]


def test_slow_changes_are_noticed() -> None:
    """In a fade of 0.2 levels per frame, each frame resembles the previous one."""
    fade = []
    for step in range(60):
        pixels = np.full((SIDE, SIDE, 3), 100 + step // 5, np.uint8)
        pixels[: SIDE * (step % 5) // 5] += 1
        fade.append(Image.fromarray(pixels))
    found = find_owners(fade)
    for number, owner in enumerate(found):
        if owner is not None:
            apart = np.abs(np.asarray(fade[number], float) - np.asarray(fade[owner], float))
            assert apart.mean() <= 0.6
    assert 8 <= found.count(None) <= 30


def test_a_returning_picture_is_recognised_for_a_while() -> None:
    slides = [noise(n, (SIDE, SIDE)) for n in range(3)]
    assert find_owners([*slides, slides[0], slides[2]]) == [None, None, None, 0, 2]
    many = [noise(n, (SIDE, SIDE)) for n in range(MAX_REMEMBERED + 1)]
    assert find_owners([*many, many[0]])[-1] is None


def test_a_digest_covers_all_squares() -> None:
    one, other = noise(1, (SIDE, SIDE)), noise(2, (SIDE, SIDE))
    assert digest([one]) == digest([one.copy()]) != digest([other])
    assert len({digest([one]), digest([one, other]), digest([other, one])}) == 3


class CountingEncoder:
    """The encoder of these tests, which counts the embedded pictures."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.embedded = 0
        self.batch, self.streams = encoder.batch, encoder.streams

    def to_squares(self, picture: Picture) -> list[Picture]:
        return self._encoder.to_squares(picture)

    def embed_squares(self, parts: object) -> np.ndarray:
        self.embedded += len(parts)  # type: ignore[arg-type]
        return self._encoder.embed_squares(parts)  # type: ignore[arg-type]


def embed(encoder: CountingEncoder, path: Path, *, shares: bool = True) -> SegmentData:
    found = probing.probe(path, project.MAX_FILM_PIXELS, 3600)
    with frame_stream.stream_frames(
        path, found, Span(0, None), width=640, max_pixels=project.MAX_FILM_PIXELS, limit=60
    ) as (some, _decoding):
        embedder = SpanEmbedder(encoder, lambda *_: None, shares=shares)
        return embedder.embed(some, lambda _: None)


def test_a_still_shot_is_embedded_once(clip: Encoder, make_video: Callable[..., Path]) -> None:
    """A drawn still of ten seconds, encoded like films."""
    held = make_video("held.mp4", seconds=10, picture="smptehdbars=size=320x180:rate=24")
    shared, alone = CountingEncoder(clip), CountingEncoder(clip)
    data = embed(shared, held)
    assert len(data.seconds) == 10
    assert shared.embedded == 1
    assert len({row.tobytes() for row in data.vectors}) == 1
    each = embed(alone, held, shares=False)
    assert alone.embedded == 10
    cosine = (data.vectors.astype(np.float32) * each.vectors.astype(np.float32)).sum(axis=1)
    assert float(cosine.min()) >= 0.999


def test_sharing_changes_no_vector_of_the_demo_film(clip: Encoder) -> None:
    """A frame's vector is its own, or that of the same picture, so the ground truth holds."""
    shared, alone = CountingEncoder(clip), CountingEncoder(clip)
    data, each = embed(shared, DEMO / "film.mp4"), embed(alone, DEMO / "film.mp4", shares=False)
    assert data.seconds.tolist() == each.seconds.tolist()
    cosine = (data.vectors.astype(np.float32) * each.vectors.astype(np.float32)).sum(axis=1)
    assert float(cosine.min()) >= 0.995
    assert shared.embedded <= alone.embedded == len(each.seconds)
    print(f"\n{len(data.seconds)} frames, {len(data.seconds) - shared.embedded} shared")


def test_a_film_imported_again_is_not_embedded_again(
    redis_server: object, db: None, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = import_here(add_film(make_video("film.mp4", seconds=12)))
    assert film.state == Film.State.READY, film.error
    before = film.files.run(1).load()
    embedded: list[int] = []
    embed_squares = Encoder.embed_squares

    def counted(self: Encoder, parts: list[list[Picture]]) -> np.ndarray:
        embedded.append(len(parts))
        return embed_squares(self, parts)

    monkeypatch.setattr(Encoder, "embed_squares", counted)
    assert transitions.restart(film)
    film = import_here(Film.objects.get(pk=film.pk))
    assert (film.state, film.searchable_run) == (Film.State.READY, 2)
    after = film.files.run(2).load()
    assert sum(embedded) == 0
    assert after.vectors.tobytes() == before.vectors.tobytes()
    assert after.digests.tolist() == before.digests.tolist()

    # Vectors of another model are not reused.
    Film.objects.filter(pk=film.pk).update(model="another")
    assert transitions.restart(film)
    import_here(Film.objects.get(pk=film.pk))
    assert sum(embedded) > 0


def test_vectors_by_digest_leaves_out_frames_without_one() -> None:
    data = ingest.SegmentData(
        np.arange(3, dtype=np.int32),
        np.arange(3.0),
        np.eye(3, dtype=np.float16),
        np.zeros(0),
        np.array(["picture"] * 3, "<U8"),
        np.array([7, 0, 9], np.uint64),
    )
    known = ingest.vectors_by_digest(data)
    assert sorted(known) == [7, 9]
    assert known[9].tolist() == [0, 0, 1]


def test_a_decoder_error_ends_the_embedding(clip: Encoder) -> None:
    def broken() -> object:
        yield Frame(0, 0.0, noise(1))
        raise ValueError("the film broke off")

    with pytest.raises(ValueError, match="broke off"):
        SpanEmbedder(CountingEncoder(clip), lambda *_: None).embed(broken(), lambda _: None)  # type: ignore[arg-type]
