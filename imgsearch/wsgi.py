"""The WSGI application that gunicorn serves."""

import os
import threading

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")

application = get_wsgi_application()


def _warm_up() -> None:
    """Load the model, and the words of Chinese, while nobody waits for them.

    A failure is told by the first search instead.
    """
    from contextlib import suppress

    from gallery import encoder, words
    from gallery.errors import GalleryError

    with suppress(GalleryError):
        encoder.current().text("a film")
        words.parts("电影")


threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
