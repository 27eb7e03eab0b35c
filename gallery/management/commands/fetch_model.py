"""manage.py fetch_model: download the model's weights if they are missing."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gallery.clip import weights
from gallery.core.errors import ModelError


class Command(BaseCommand):
    """Downloads CLIP_MODEL at the first start, when the hub can be reached."""

    # It runs before anything else is ready.
    requires_system_checks = []
    help = "Download the weights of CLIP_MODEL if they are missing and the model hub responds."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Look for the model on the disk, then on the hub, with a timeout."""
        name = settings.CLIP_MODEL
        try:
            folder = weights.local_folder(name)
        except ModelError as error:
            raise CommandError(str(error)) from error
        if folder is not None:
            self.stdout.write(f"Model: {name}, from {folder}")
            return
        self.stdout.write(f"Model: {name} is not on this disk. Contacting the model hub...")
        if not weights.is_hub_reachable():
            self._fall_back(
                f"The model hub did not respond within {weights.HUB_TIMEOUT:.0f} seconds.",
            )
            return
        try:
            self.stdout.write(f"Downloading {name}. This happens only once.")
            self.stdout.write(f"Model: {name}, in {weights.download(name)}")
        except ModelError as error:
            self._fall_back(str(error))

    def _fall_back(self, reason: str) -> None:
        self.stdout.write(
            f"{reason}\nUsing the small demo model, which recognises about 400 drawn "
            "things. For the full model, start again with a connection, or set CLIP_MODEL to a "
            "folder with a model."
        )
