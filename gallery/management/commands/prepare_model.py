"""manage.py prepare_model: convert and check the model for this machine, once."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gallery.clip import conversion, encoder, shot_network, weights
from gallery.clip.runtimes import DEVICES, PRECISIONS
from gallery.core.errors import ModelError


class Command(BaseCommand):
    """Converts to the fastest precision that CLIP_PRECISION allows and that passes its check."""

    # It runs before anything else is ready.
    requires_system_checks = []
    help = "Convert the model for this machine and check it against float32."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Convert what is missing: a ViT-B/16 takes under a minute on two cores."""
        started = time.monotonic()

        def say(text: str) -> None:
            self.stdout.write(f"  {time.monotonic() - started:5.1f} s  {text}")
            self.stdout.flush()

        for name, known in (("CLIP_PRECISION", PRECISIONS), ("CLIP_DEVICE", DEVICES)):
            if getattr(settings, name) not in known:
                given = getattr(settings, name)
                raise CommandError(f"{name} is {given!r}; it can be {', '.join(known)}.")
        try:
            model = weights.configured()
            target = conversion.prepare(model, encoder.candidate_targets(), say)
        except ModelError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            self.stdout.write(f"The converted model cannot be saved: {error}. Set MODEL_CACHE_DIR.")
            target = None
        try:
            shot_network.prepare(say)
        except Exception as error:  # converters raise various exceptions
            self.stdout.write(f"TransNetV2 runs on PyTorch, which is slower: {error}")
        if target is None:
            self.stdout.write(f"Model: {model.name} runs on PyTorch, which is slower.")
            return
        self.stdout.write(f"Model: {model.name} is ready, {target.precision} on {target.device}")
