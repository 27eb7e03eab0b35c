"""manage.py rebuild_index: restore the index in Redis from the media store."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from gallery.clip import weights
from gallery.core.errors import GalleryError, LostClaim
from gallery.films import catalogue
from gallery.films.footage import find_other_model
from gallery.films.models import Film
from gallery.importing import healing, publish_step
from gallery.index import frame_index
from gallery.transcripts import dialogue


class Command(BaseCommand):
    """Indexes the stored vectors without decoding or embedding."""

    help = "Rebuild the search index from the media store, without decoding or embedding."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Index all searchable films, then remove hashes that belong to no film."""
        films = catalogue.searchable()
        try:
            frames, failed = self._index_films()
            for model in weights.kept()[1:]:
                with weights.use(model):
                    failed += self._index_films()[1]
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

    def _index_films(self) -> tuple[int, list[Film]]:
        """Index the films of the model in use. Return the frames, and films without vectors."""
        frames, failed = 0, []
        frame_index.current().ensure()
        for film in tqdm(catalogue.searchable(), unit=" films", disable=not self.stderr.isatty()):
            try:
                frames += publish_step.reindex(film)
            except FileNotFoundError:
                other = find_other_model(film)
                if other:
                    publish_step.remove_other_vectors(film, other)
                    self.stderr.write(f"{film}: vectors are missing; workers embed it again.")
                else:
                    failed.append(film)
            except LostClaim:
                continue  # deleted meanwhile
        return frames, failed
