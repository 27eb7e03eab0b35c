"""The WSGI application that gunicorn serves."""

import os
import signal
import threading
from types import FrameType

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")

application = get_wsgi_application()

CLIP_GRACE_SECONDS = 2.0  # for clips to finish after SIGTERM; less than gunicorn's grace period


def _warm_up() -> None:
    """Load the model and the library's baseline, which the first search would wait for.

    On a failure, the first search reports it. The Chinese dictionary, 70 MB in each process, is
    loaded by the first search in Chinese.
    """
    from contextlib import suppress

    from django.db import DatabaseError, connection

    from gallery.clip import encoder
    from gallery.core.errors import GalleryError
    from gallery.films import catalogue
    from gallery.search import baseline

    with suppress(GalleryError, DatabaseError):
        encoder.current()
        baseline.get_baseline(len(catalogue.load_catalogue().searchable)).words_threshold("a film")
    connection.close()


threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()


def _cancel_clips_on_sigterm() -> None:
    """Cancel running clips soon after SIGTERM.

    A client that streams a clip keeps the worker alive until gunicorn kills it, which would leave
    drafts behind.
    """
    from gallery.media import clip_jobs

    end_worker = signal.getsignal(signal.SIGTERM)
    if not callable(end_worker) or threading.current_thread() is not threading.main_thread():
        return  # not gunicorn

    def end(number: int, frame: FrameType | None) -> None:
        later = threading.Timer(CLIP_GRACE_SECONDS, clip_jobs.end_all_jobs)
        later.daemon = True
        later.start()
        end_worker(number, frame)

    signal.signal(signal.SIGTERM, end)


_cancel_clips_on_sigterm()
