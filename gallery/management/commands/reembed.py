"""manage.py reembed: bring films that another model embedded over to the model in use."""

from typing import Any

from django.core.management.base import BaseCommand

from gallery import tasks
from gallery.clip import weights
from gallery.films.models import Film
from gallery.importing import pipeline


class Command(BaseCommand):
    """Queues a new import of every film whose vectors are another model's."""

    help = "Re-import every film that was embedded with another model."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Queue them; the workers do the rest."""
        model = weights.current()
        count = 0
        others = Film.objects.embedded_otherwise(model.fingerprint)
        for film in others:
            if pipeline.restart(film):
                tasks.queue_import(film)
                count += 1
        self.stdout.write(
            f"{count} films queued to be embedded with {model.name}."
            if count
            else f"All films already use {model.name} or are being imported."
        )
