"""The WSGI application that gunicorn serves."""

import os
import signal
import threading
from types import FrameType

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")

application = get_wsgi_application()

CLIP_GRACE_SECONDS = 2.0  # for clips to finish after SIGTERM; less than gunicorn's grace period


def _keep_models_loaded() -> None:
    """Load the models that searches need, now and before another one is switched to."""
    from gallery.search import warming

    warming.start()


_keep_models_loaded()


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
