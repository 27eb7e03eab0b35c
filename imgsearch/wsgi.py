"""The WSGI application that gunicorn serves."""

import os
import signal
import threading
from types import FrameType

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")

application = get_wsgi_application()

CLIP_GRACE = 2.0  # seconds that clips may still take after SIGTERM; gunicorn's own grace is longer


def _warm_up() -> None:
    """Load what the first search would wait for: the model, and the library's baseline.

    A failure is reported by the first search instead. (The words of Chinese take 70 MB in each
    process; they are loaded when somebody searches in Chinese.)
    """
    from contextlib import suppress

    from django.db import DatabaseError, connection

    from gallery.clip import encoder
    from gallery.core.errors import GalleryError
    from gallery.films import catalogue
    from gallery.search import baseline

    with suppress(GalleryError, DatabaseError):
        encoder.current()
        baseline.get_baseline(len(catalogue.load_catalogue().searchable)).words_fit("a film")
    connection.close()


threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()


def _give_clips_up_in_time() -> None:
    """When gunicorn ends this worker, give up its clips soon.

    Whoever watches one keeps the worker from ending, until gunicorn kills it; then drafts would
    remain.
    """
    from gallery.media import clip_jobs

    end_worker = signal.getsignal(signal.SIGTERM)
    if not callable(end_worker) or threading.current_thread() is not threading.main_thread():
        return  # another server than gunicorn

    def end(number: int, frame: FrameType | None) -> None:
        later = threading.Timer(CLIP_GRACE, clip_jobs.end_all_jobs)
        later.daemon = True
        later.start()
        end_worker(number, frame)

    signal.signal(signal.SIGTERM, end)


_give_clips_up_in_time()
