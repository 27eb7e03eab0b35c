"""Embeds films with another model, from their thumbnails or by decoding them again.

Each film is embedded segment by segment, and enters the model's index in one step when all segments
are done. All models in `weights.kept_rows` get all films, the active one first. So films that are
added during a backfill go into both indexes, and a rollback does not lose them.

Thumbnails are the frames that were embedded on import, compressed as JPEG. `python -m benchmarks
thumbnails` measures the loss.
"""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from numpy.typing import NDArray

from gallery.clip import encoder, weights
from gallery.clip.encoder import Encoder, batched
from gallery.clip.models import EmbeddingModel
from gallery.clip.runtimes import inference_threads
from gallery.clip.types import Vectors
from gallery.core import disk
from gallery.core.errors import FilmError, LostClaim, ModelError
from gallery.films.film_job import MAX_ATTEMPTS, Check, JobKind
from gallery.films.models import Film, FilmQuerySet, FilmVectors
from gallery.films.thumbnails import open_thumbnail
from gallery.importing import ingest, publish_step
from gallery.importing.models import Reembedding
from gallery.index import frame_index, server
from gallery.index.search_commands import drop_index, index_parts
from gallery.index.server import translate_redis_errors
from gallery.labels.models import LabelCount
from gallery.media import frame_stream, store
from gallery.media.model_vectors import ModelVectors
from gallery.media.store import RunFiles, SegmentData
from gallery.media.types import Picture, Span

log = logging.getLogger(__name__)

OLD_SPEED_WEIGHT = 0.8  # of the previous value in the moving average of the speed

State = EmbeddingModel.State


# --- which films ----------------------------------------------------------------------------------


def find_unembedded(row: EmbeddingModel) -> FilmQuerySet:
    """Return films missing in the index of a model, except those being imported."""
    films = Film.objects.embedded_otherwise(row.fingerprint)
    return films.exclude(state__in=Film.UNFINISHED)


def job_of(row: EmbeddingModel) -> JobKind[Reembedding]:
    """Return the background job that embeds all films with a model."""
    others = [one.fingerprint for one in weights.kept_rows() if one.pk != row.pk]
    # A film that the active model failed to embed is not tried with the other one, because that
    # would reset the attempts of the active one.
    is_blocked = Q(
        reembedding__version__in=others if row.state != State.ACTIVE else [],
        reembedding__attempts__gte=MAX_ATTEMPTS,
    )
    return JobKind(
        name="reembedding",
        title=f"its vectors by {row.name}",
        rows=Reembedding,
        version=row.fingerprint,
        find_films=lambda: find_unembedded(row).exclude(is_blocked),
        do_part=partial(_embed_segment, row),
        finish=partial(_publish, row),
        includes_away=not row.is_exact,
    )


def has_work() -> bool:
    """Return whether there is a film to embed now, or a discarded model to remove."""
    is_waiting = any(job_of(row).next_film() is not None for row in weights.kept_rows())
    return is_waiting or EmbeddingModel.objects.filter(state=State.DISCARDED).exists()


def do_next() -> bool:
    """Embed the next segment of a film, or publish the film. Return whether there is more to do.

    Raises IndexUnavailable.
    """
    for row in weights.kept_rows():
        try:
            model = weights.download_and_resolve(row)
        except ModelError as error:
            _store_error(row, str(error))
            continue
        with weights.use(model):
            job = job_of(row)
            if job.next_film() is not None:
                return job.do_next()
    return False


def _store_error(row: EmbeddingModel, error: str) -> None:
    """Store why films cannot be embedded now ("": they can)."""
    EmbeddingModel.objects.filter(pk=row.pk).exclude(error=error).update(error=error)


def retry() -> int:
    """Retry the films that were given up. Return how many there are."""
    given_up = Reembedding.objects.filter(attempts__gte=MAX_ATTEMPTS)
    return given_up.update(attempts=0)


# --- one segment ----------------------------------------------------------------------------------


def _embed_segment(
    row: EmbeddingModel, film: Film, job: Reembedding, _position: int, check: Check
) -> None:
    """Embed the first segment of a film without vectors by this model."""
    run = film.files.run(job.run)
    vectors = ModelVectors(run, row.fingerprint)
    number = vectors.next_missing()
    if number is not None:
        began_at = time.monotonic()
        data = run.load_segment(number)
        try:
            loaded = encoder.current()
        except ModelError as error:
            _store_error(row, str(error))
            raise
        found = _embed(loaded, film, run, data, is_exact=row.is_exact, check=check)
        job.check_exists()  # do not create a folder for a film that was deleted meanwhile
        vectors.save(number, data.seconds, found)
        _store_speed(row, len(found), time.monotonic() - began_at)
        last = int(data.seconds[-1]) + 1 if len(data.seconds) else job.position
        job.update(position=last, attempts=0)
    if vectors.next_missing() is None:
        job.update(position=None, attempts=0)


def _store_speed(row: EmbeddingModel, frames: int, seconds: float) -> None:
    if not frames:
        return
    speed, before = frames / max(seconds, 1e-3), row.speed
    if before is not None:
        speed = OLD_SPEED_WEIGHT * before + (1 - OLD_SPEED_WEIGHT) * speed
    EmbeddingModel.objects.filter(pk=row.pk).update(speed=speed, error="")


def _embed(
    loaded: Encoder, film: Film, run: RunFiles, data: SegmentData, *, is_exact: bool, check: Check
) -> NDArray[np.float16]:
    """Embed the frames of a segment: shape (n, width), float16, unit rows.

    If thumbnails are missing, the film is decoded. Raises FileNotFoundError if its file is missing,
    too.
    """
    if not len(data.seconds):
        return np.zeros((0, loaded.model.width), np.float16)
    if is_exact:
        return embed_decoded(loaded, film, data, check)
    try:
        return embed_thumbnails(loaded, run, data, check)
    except FileNotFoundError:
        if not film.has_source:
            raise
        return embed_decoded(loaded, film, data, check)


def embed_thumbnails(
    loaded: Encoder, run: RunFiles, data: SegmentData, check: Check
) -> NDArray[np.float16]:
    """Embed the thumbnails of a segment's frames: shape (n, width), float16, unit rows.

    Frames that share a vector in the segment are identical pictures and share one here, too: see
    `gallery.clip.sharing`. Raises FileNotFoundError if a thumbnail is missing or damaged.
    """
    _rows, firsts, owners = np.unique(data.vectors, axis=0, return_index=True, return_inverse=True)

    def embed(seconds: list[int]) -> Vectors:
        squares = [loaded.to_squares(_load_thumbnail(run, second)) for second in seconds]
        return loaded.embed_squares(squares)

    found: list[Vectors] = []
    # In threads, because decoding and scaling a picture uses a single core.
    pool = ThreadPoolExecutor(max(loaded.streams, inference_threads()), "reembedding")
    try:
        for rows in pool.map(embed, batched(data.seconds[firsts].tolist(), loaded.batch)):
            found.append(rows)
            check()
    finally:
        pool.shutdown(cancel_futures=True)
    return np.concatenate(found)[owners.reshape(-1)].astype(np.float16)


def _load_thumbnail(run: RunFiles, second: int) -> Picture:
    with open_thumbnail(run.thumbnail(second)) as picture:
        return picture.convert("RGB")


def embed_decoded(
    loaded: Encoder, film: Film, data: SegmentData, check: Check
) -> NDArray[np.float16]:
    """Decode a segment again and embed its frames as an import does: shape (n, width), float16.

    Raises FileNotFoundError if the film's file is missing, and FilmError if frames are missing.
    """

    def ignore_picture(_second: int, _picture: Picture) -> None:
        """Keep the thumbnail that the import made."""

    with (
        disk.raise_disk_full(),
        frame_stream.stream_frames(
            film.files.playable(),
            film.probe,
            Span(int(data.seconds[0]), int(data.seconds[-1]) + 1),
            width=store.THUMBNAIL_WIDTH,
            max_pixels=settings.MAX_FILM_PIXELS,
            limit=settings.CELERY_TASK_SOFT_TIME_LIMIT,
            threads=inference_threads(),
        ) as (frames, _decoding),
    ):
        embedder = ingest.SpanEmbedder(
            loaded, ignore_picture, shares=settings.SHARE_VECTORS, inner=film.probe.inner
        )
        found = embedder.embed(frames, lambda _done: check())
    position = {second: index for index, second in enumerate(found.seconds.tolist())}
    missing = [second for second in data.seconds.tolist() if second not in position]
    if missing:
        raise FilmError(f"the film's file is damaged: {len(missing)} pictures are missing")
    return found.vectors[[position[second] for second in data.seconds.tolist()]]


# --- one film -------------------------------------------------------------------------------------


def _publish(row: EmbeddingModel, film: Film, job: Reembedding, check: Check) -> None:
    """Put an embedded film into the index of the model."""
    if film.searchable_run != job.run:
        raise LostClaim
    if ModelVectors(film.files.run(job.run), row.fingerprint).remove_damaged():
        job.update(position=0)
        return
    check()
    publish_step.publish_other_vectors(film)
    job.delete()
    log.info("film %s: embedded by %s", film.pk, row.name)
    kept = {one.fingerprint for one in weights.kept_rows()}
    if row.state == State.ACTIVE and film.model not in kept:
        adopt_vectors(film)


def adopt_vectors(film: Film) -> None:
    """Replace a film's own vectors with those of the active model, and drop the former from Redis.

    Afterwards, the film looks as if this model had imported it. Idempotent after a crash. The
    replaced vectors must no longer be needed. Raises IndexUnavailable and DiskFull.
    """
    model = weights.current()
    with frame_index.current().film_lock(film.pk) as check:
        film.refresh_from_db()
        found = FilmVectors.objects.filter(
            film=film, model=model.fingerprint, run=film.searchable_run or 0
        ).first()
        if found is None:
            return
        before = film.model
        vectors = ModelVectors(film.files.run(found.run), model.fingerprint)
        vectors.move_into_segments(check)
        with transaction.atomic():
            Film.objects.filter(pk=film.pk, searchable_run=found.run).update(
                model=model.fingerprint,
                model_name=model.name,
                labelled_as=found.labelled_as,
                labelled=found.labelled,
            )
            found.delete()
            LabelCount.objects.filter(film=film, model=before).delete()
        vectors.remove()
    frame_index.for_model(before).drop(film.pk)


# --- removing a discarded model -------------------------------------------------------------------


def remove_discarded(seconds: float) -> bool:
    """Remove vectors of discarded models for about `seconds`. Return whether there is more to do.

    Films that a discarded model imported adopt the vectors of the active one. One process does this
    at a time. Raises IndexUnavailable, DiskFull and LostClaim.
    """
    end = time.monotonic() + seconds
    for row in EmbeddingModel.objects.filter(state=State.DISCARDED):
        client = server.connect(settings.REDIS_URL)
        key = f"{settings.INDEX_PREFIX}:discarding"
        with server.redis_lock(client, key, settings.LEASE_SECONDS) as check:
            if check is None:
                return False
            with weights.use(weights.active()):
                for step in _removal_steps(row):
                    check()
                    step()
                    if time.monotonic() > end:
                        return True
            _remove_leftovers(row.fingerprint)
            row.delete()
    return False


def _removal_steps(row: EmbeddingModel) -> Iterator[Callable[[], object]]:
    """Yield steps that each remove the vectors of a discarded model for one film."""
    model = row.fingerprint
    in_use = weights.current().fingerprint
    imported = Film.objects.filter(model=model).searchable(in_use)
    for film in imported.exclude(model=in_use):
        yield partial(_adopt_or_forget, film)
    for other in FilmVectors.objects.filter(model=model).select_related("film"):
        yield partial(publish_step.remove_other_vectors, other.film, model)
    index = frame_index.for_model(model)
    for film_id in index.films():
        yield partial(index.drop, film_id)


def _adopt_or_forget(film: Film) -> None:
    """Have a film adopt the active model's vectors, or embed it again if some are lost."""
    try:
        adopt_vectors(film)
    except FileNotFoundError:
        log.warning("film %s: vectors are missing in the media store", film.pk)
        publish_step.remove_other_vectors(film, weights.current().fingerprint)


def _remove_leftovers(model: str) -> None:
    """Remove the empty index of a model, and the vectors of unfinished films."""
    for film in Film.objects.filter(searchable_run__isnull=False):
        ModelVectors(film.files.run(film.searchable_run or 0), model).remove()
    LabelCount.objects.filter(model=model).delete()
    index = frame_index.for_model(model)
    with translate_redis_errors():
        for server, name in index_parts(index.client, index.name):
            drop_index(server, name)
        for name in ("films", "made", "version"):
            index.client.delete(f"{index.prefix}:{name}")
