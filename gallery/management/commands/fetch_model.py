"""manage.py fetch_model: download the weights of the models if they are missing."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from gallery.clip import weights
from gallery.core import model_hub
from gallery.core.errors import ModelError
from gallery.speech import model as speech_model

WITHOUT_MODEL = (
    "Using the small demo model, which recognises about 400 drawn things. For the full model, "
    "start again with a connection, or set CLIP_MODEL to a folder with a model."
)
WITHOUT_SPEECH = (
    "Speech is not recognised until the model is there: start again with a connection, or set "
    "SPEECH_MODEL to a folder with a model."
)
WITHOUT_CHOSEN_MODEL = "Searches and imports on this machine fail until the model is there."


def _chosen_models() -> list[str]:
    """Return the hub ids of models chosen with `manage.py reembed`; none without a database."""
    try:
        names = [row.name for row in weights.kept_rows()]
    except DatabaseError:
        return []
    known = {settings.CLIP_MODEL, weights.DEMO_NAME}
    return [name for name in names if name not in known and not model_hub.is_folder(name)]


class Command(BaseCommand):
    """Downloads the models of the settings at the first start, when the hub can be reached."""

    # It runs before anything else is ready.
    requires_system_checks = []
    help = "Download the weights of the models if they are missing and the model hub responds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the model."""
        parser.add_argument(
            "model",
            nargs="?",
            metavar="MODEL",
            help="only this model (default: CLIP_MODEL, SPEECH_MODEL and those of manage.py "
            "reembed)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Look for the models on the disk, then on the hub, with a timeout."""
        if options["model"]:
            self._fetch_embedding_model(options["model"], "")
            return
        self._fetch_embedding_model(settings.CLIP_MODEL, WITHOUT_MODEL)
        for name in _chosen_models():
            self._fetch_embedding_model(name, WITHOUT_CHOSEN_MODEL)
        if spoken := speech_model.model_name():
            self._fetch(
                "Speech model",
                spoken,
                speech_model.local_folder,
                speech_model.download,
                WITHOUT_SPEECH,
            )

    def _fetch_embedding_model(self, name: str, otherwise: str) -> None:
        self._fetch(
            "Model",
            name,
            lambda: weights.local_folder(name),
            lambda: weights.download(name),
            otherwise,
        )

    def _fetch(
        self,
        title: str,
        name: str,
        find: Callable[[], Path | None],
        download: Callable[[], Path],
        otherwise: str,
    ) -> None:
        """Download a model unless it is there; if that fails, say why, and what is done instead."""
        try:
            folder = find()
        except ModelError as error:
            raise CommandError(str(error)) from error
        if folder is not None:
            self.stdout.write(f"{title}: {name}, from {folder}")
            return
        self.stdout.write(f"{title}: {name} is not on this disk. Contacting the model hub...")
        if not model_hub.is_reachable():
            limit = f"{model_hub.HUB_TIMEOUT:.0f} seconds"
            self.stdout.write(f"The model hub did not respond within {limit}.\n{otherwise}")
            return
        try:
            self.stdout.write(f"Downloading {name}. This happens only once.")
            self.stdout.write(f"{title}: {name}, in {download()}")
        except ModelError as error:
            self.stdout.write(f"{error}\n{otherwise}")
