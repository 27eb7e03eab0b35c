"""manage.py rebuild_index: restore the index in Redis from the media store."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from gallery.core.errors import GalleryError, LostClaim
from gallery.films import catalogue
from gallery.importing import healing, publish_step
from gallery.index import frame_index
from gallery.transcripts import dialogue


class Command(BaseCommand):
    """Indexes the stored vectors without decoding or embedding."""

    help = "Rebuild the search index from the media store, without decoding or embedding."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Index all searchable films, then remove hashes that belong to no film."""
        films = catalogue.searchable()
        frames, failed = 0, []
        try:
            frame_index.current().ensure()
            for film in tqdm(films, unit=" films", disable=not self.stderr.isatty()):
                try:
                    frames += publish_step.reindex(film)
                except FileNotFoundError:
                    failed.append(film)
                except LostClaim:
                    continue  # deleted meanwhile
            healing.remove_orphan_hashes()
            dialogue.reconcile()
            lines = dialogue.current().lines()
        except GalleryError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{frames} frames of {films.count() - len(failed)} films and {lines} lines of "
            "dialogue are in the index."
        )
        for film in failed:
            self.stderr.write(f"{film} (number {film.pk}): its vectors are missing; re-import it.")
        if failed:
            raise CommandError("Some films must be re-imported.")
