"""The WSGI application that gunicorn serves."""

import os
import threading

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")

application = get_wsgi_application()


def _warm_up() -> None:
    """Load the model while nobody waits for it; a failure is told by the first search instead."""
    from contextlib import suppress

    from gallery import encoder
    from gallery.errors import GalleryError

    with suppress(GalleryError):
        encoder.current().text("a film")


threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
