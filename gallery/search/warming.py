"""Keeps the models that searches need loaded in each web process, so that no search has to wait.

A model that is about to become active (`EmbeddingModel.is_next`) is loaded in advance: each process
reports its loaded models in Redis, and the switch waits until all have it. Models that are no
longer needed are released.

    PREFIX:searching   hash: the last heartbeat of each process, and the models that it has loaded
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from django.conf import settings
from django.db import DatabaseError, connection
from redis import RedisError

from gallery.clip import encoder, weights
from gallery.core.errors import GalleryError, ModelError
from gallery.films import catalogue
from gallery.index.server import connect, to_text, translate_redis_errors
from gallery.search import baseline

log = logging.getLogger(__name__)

ROUND_SECONDS = 2.0  # between two checks of which models are needed
ALIVE_SECONDS = 15.0  # a process without a report for this long has ended
# Delay before a model is released: requests that started before a switch may still use it.
RELEASE_SECONDS = 60.0
RETRY_SECONDS = 60.0  # after which a model that could not be loaded is tried again


def start() -> None:
    """Keep models loaded in this process, in a thread."""
    threading.Thread(target=_keep_warm, name="warm-up", daemon=True).start()


def _keep_warm() -> None:
    warmer = Warmer()
    while True:
        try:
            warmer.update()
        except (GalleryError, DatabaseError, OSError, RedisError) as error:
            log.debug("models will be loaded later: %s", error)
        except Exception:
            log.exception("models could not be loaded")
        finally:
            connection.close()
        time.sleep(ROUND_SECONDS)


class Warmer:
    """Loads and releases the models of this process."""

    def __init__(self) -> None:
        self._warm: set[str] = set()
        self._unneeded_since: dict[str, float] = {}
        self._failed_at: dict[str, float] = {}

    def update(self) -> None:
        """Load the models that are needed, release others, and report."""
        rows = weights.kept_rows()
        needed = [row for row in rows if row.is_next or row.state == row.State.ACTIVE]
        for row in needed:
            self._load_once(row.fingerprint, partial(weights.download_and_resolve, row))
        fingerprints = {row.fingerprint for row in needed}
        if not rows:
            model = weights.configured()
            self._load_once(model.fingerprint, lambda: model)
            fingerprints = {model.fingerprint}
        self._release_others(fingerprints)
        self._report()

    def _load_once(self, fingerprint: str, find: Callable[[], weights.Model]) -> None:
        """Load a model unless it is loaded, or could not be loaded a short time ago."""
        failed_at = self._failed_at.get(fingerprint, float("-inf"))
        if fingerprint in self._warm or time.monotonic() - failed_at < RETRY_SECONDS:
            return
        try:
            self._load(find())
        except ModelError as error:
            log.error("%s", error)
            self._failed_at[fingerprint] = time.monotonic()
        else:
            self._failed_at.pop(fingerprint, None)

    def _load(self, model: weights.Model) -> None:
        """Load a model and the library's baseline, which the first search would wait for.

        The Chinese dictionary, 70 MB in each process, is loaded by the first search in Chinese.
        """
        with weights.use(model):
            encoder.current().embed_text("a film")
            # Without Redis, the first search reports it.
            with suppress(GalleryError):
                films = len(catalogue.load_catalogue().searchable)
                baseline.get_baseline(films).words_threshold("a film")
        self._warm.add(model.fingerprint)

    def _release_others(self, needed: set[str]) -> None:
        now = time.monotonic()
        for fingerprint in encoder.loaded() - needed:
            since = self._unneeded_since.setdefault(fingerprint, now)
            if now - since > RELEASE_SECONDS:
                encoder.release(fingerprint)
                self._warm.discard(fingerprint)
        for fingerprint in [*self._unneeded_since]:
            if fingerprint in needed or fingerprint not in encoder.loaded():
                del self._unneeded_since[fingerprint]

    def _report(self) -> None:
        client = connect(settings.REDIS_URL)
        # Not through `translate_redis_errors`: a Redis that is silent now must not fail a search.
        state = [int(client.time()[0]), sorted(self._warm), sorted(self._failed_at)]
        client.hset(_key(), f"{socket.gethostname()}:{os.getpid()}", json.dumps(state))


def _key() -> str:
    return f"{settings.INDEX_PREFIX}:searching"


def find_unready(fingerprint: str) -> list[str]:
    """Return the web processes, as HOST:PID, that have not loaded a model.

    Those that failed to load it are marked with "failed". Raises IndexUnavailable.
    """
    client = connect(settings.REDIS_URL)
    with translate_redis_errors():
        now = int(client.time()[0])
        reports = client.hgetall(_key())
        unready = []
        for name, raw in reports.items():
            reported_at, warm, failed = json.loads(raw)
            if now - reported_at > ALIVE_SECONDS:
                client.hdel(_key(), name)
            elif fingerprint not in warm:
                note = " (failed: see its log)" if fingerprint in failed else ""
                unready.append(to_text(name) + note)
    return sorted(unready)
