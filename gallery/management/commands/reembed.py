"""manage.py reembed: embed all films with another model, and switch to it without downtime."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from gallery import tasks
from gallery.clip import weights
from gallery.clip.models import EmbeddingModel
from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.importing import model_choice, reembedding

POLL_SECONDS = 1.0
LINE_SECONDS = 10.0  # between two lines of progress without a terminal
MAX_LOADING_SECONDS = 600.0  # to load a model in all web servers, including its conversion

State = EmbeddingModel.State


class Command(BaseCommand):
    """Backfills the index of another model, and switches between the models."""

    help = (
        "Embed all films with another model while searches use the current one, then switch to it. "
        "The default for MODEL is CLIP_MODEL."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the model and the options."""
        parser.add_argument(
            "model", nargs="?", default="", metavar="MODEL", help="a hub id, a folder, or demo"
        )
        parser.add_argument(
            "--exact",
            action="store_true",
            help="decode the films again instead of embedding their thumbnails",
        )
        parser.add_argument(
            "--hold",
            action="store_true",
            help="when all films are embedded, wait for --switch",
        )
        parser.add_argument("--wait", action="store_true", help="show progress until it is done")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--status", action="store_true", help="show the models")
        action.add_argument("--switch", action="store_true", help="use the new model")
        action.add_argument("--back", action="store_true", help="use the previous model again")
        action.add_argument(
            "--discard", action="store_true", help="remove the vectors of the model not in use"
        )
        action.add_argument(
            "--retry", action="store_true", help="retry the films that could not be embedded"
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="switch even if films are missing or a web server has not loaded the model",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the action, or start to fill the index of a model."""
        actions = {
            "status": self._show_status,
            "switch": lambda: self._switch(State.FILLING, is_forced=options["force"]),
            "back": lambda: self._switch(State.PREVIOUS, is_forced=options["force"]),
            "discard": self._discard,
            "retry": self._retry,
        }
        chosen = [actions[name] for name in actions if options[name]]
        if chosen and (options["model"] or options["exact"] or options["hold"]):
            raise CommandError("MODEL, --exact and --hold cannot be combined with an action.")
        try:
            if chosen:
                chosen[0]()
            else:
                self._fill(options["model"], is_exact=options["exact"], holds=options["hold"])
            if options["wait"]:
                self._wait()
        except GalleryError as error:
            raise CommandError(str(error)) from error

    def _fill(self, name: str, *, is_exact: bool, holds: bool) -> None:
        waiting = Film.objects.embedded_otherwise
        if not name and not waiting(weights.active().fingerprint).exists():
            model = weights.configured()
            if model.fingerprint == weights.active().fingerprint:
                self.stdout.write(f"All films use {model.name} or are being imported.")
                return
        row = model_choice.fill(name, is_exact=is_exact, switches_itself=not holds)
        tasks.queue_soon(tasks.reembed)
        count = waiting(row.fingerprint).count()
        how = "from the films" if row.is_exact else "from their thumbnails"
        self.stdout.write(f"{count} films will be embedded with {row.name}, {how}.")
        if row.state != State.ACTIVE:
            then = (
                "Then run manage.py reembed --switch."
                if holds
                else "When all are done, searches switch to it."
            )
            self.stdout.write(f"Until then, searches use {weights.active().name}. {then}")

    def _show_status(self) -> None:
        rows = list(EmbeddingModel.objects.order_by("pk"))
        if not rows:
            model = weights.configured()
            self.stdout.write(f"{model.name} ({model.fingerprint}): in use, from CLIP_MODEL")
        for row in rows:
            self.stdout.write(f"{row.name} ({row.fingerprint}): {describe(row)}")

    def _switch(self, state: str, *, is_forced: bool) -> None:
        row = model_choice.other_row()
        if row is None or row.state != state:
            raise CommandError(
                "There is no model to switch to. Start with manage.py reembed MODEL."
                if state == State.FILLING
                else "There is no previous model."
            )
        progress = model_choice.progress_of(row)
        if not progress.is_filled and not is_forced:
            missing = progress.films - progress.films_done
            raise CommandError(
                f"{missing} films are not embedded with {row.name} yet, and would not be found. "
                "Wait until they are (manage.py reembed --status), or add --force."
                if missing
                else "The labels are not computed yet. Try again in a minute, or add --force."
            )
        model_choice.request_switch(row)
        end = time.monotonic() + (0 if is_forced else MAX_LOADING_SECONDS)
        while (unready := model_choice.switch_when_ready(is_forced=is_forced)) and not is_forced:
            if time.monotonic() > end:
                model_choice.cancel_switch(row)
                raise CommandError(
                    f"Not switched: {', '.join(unready)} did not load {row.name}. Add --force to "
                    "switch anyway; searches there will wait until it is loaded."
                )
            time.sleep(POLL_SECONDS)
        self.stdout.write(f"Searches now use {row.name}.")

    def _discard(self) -> None:
        row = model_choice.other_row()
        if row is None:
            raise CommandError("There is only the model in use.")
        model_choice.discard(row)
        tasks.queue_soon(tasks.reembed)
        self.stdout.write(f"The vectors of {row.name} are being removed.")

    def _retry(self) -> None:
        count = reembedding.retry()
        tasks.queue_soon(tasks.reembed)
        self.stdout.write(f"Retrying {count} films.")

    def _wait(self) -> None:
        try:
            self._follow()
        except KeyboardInterrupt:
            self.stdout.write(
                "\nNo longer waiting; the work goes on in the background. "
                "“manage.py reembed --status” shows the progress."
            )

    def _follow(self) -> None:
        """Show the progress until all films are embedded and, without --hold, searches switched."""
        printed_at = 0.0
        with tqdm(unit=" frames", disable=not self.stderr.isatty()) as bar:
            while (row := self._watched_row()) is not None:
                progress = model_choice.progress_of(row)
                bar.total, bar.n = progress.frames, progress.frames_done
                bar.set_description(f"{progress.films_done} of {progress.films} films")
                if progress.is_filled and not (row.switches_itself or row.is_next):
                    break
                if progress.failed and progress.failed == progress.films - progress.films_done:
                    raise CommandError(
                        f"{progress.failed} films could not be embedded: see the worker log, then "
                        "run manage.py reembed --retry, or --switch --force."
                    )
                if not self.stderr.isatty() and time.monotonic() - printed_at > LINE_SECONDS:
                    printed_at = time.monotonic()
                    self.stdout.write(f"  {progress}")
                    self.stdout.flush()
                time.sleep(POLL_SECONDS)
        active = weights.active()
        self.stdout.write(f"Done. Searches use {active.name}.")

    def _watched_row(self) -> EmbeddingModel | None:
        """Return the model to wait for: the other one, or the active one until it is filled."""
        row = model_choice.other_row()
        if row is None or row.state != State.FILLING:
            row = model_choice.active_row()
        if row is None or (row.state == State.ACTIVE and model_choice.is_filled(row)):
            return None
        return row


def describe(row: EmbeddingModel) -> str:
    """Describe the state of a model."""
    parts = [str(row.get_state_display())]
    if row.state != State.DISCARDED:
        parts.append(str(model_choice.progress_of(row)))
    if row.is_next:
        parts.append("being loaded by the web servers")
    if row.error:
        parts.append(row.error)
    return "; ".join(parts)
