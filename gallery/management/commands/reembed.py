"""manage.py reembed: embed films of another model with the model in use."""

from typing import Any

from django.core.management.base import BaseCommand

from gallery import tasks
from gallery.clip import weights
from gallery.films.models import Film
from gallery.importing import transitions
from gallery.workers import installation


class Command(BaseCommand):
    """Queues a new import of all films that another model embedded."""

    help = "Re-import every film that was embedded with another model."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Queue the imports."""
        model = weights.current()
        installation.use_model()
        count = 0
        others = Film.objects.embedded_otherwise(model.fingerprint)
        for film in others:
            if transitions.restart(film):
                tasks.queue_import(film)
                count += 1
        self.stdout.write(
            f"{count} films queued to be embedded with {model.name}."
            if count
            else f"All films already use {model.name} or are being imported."
        )
