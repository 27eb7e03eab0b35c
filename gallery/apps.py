"""The gallery as a Django application."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GalleryConfig(AppConfig):
    """Connects what must happen when a film is deleted, and the system checks."""

    name = "gallery"
    verbose_name = _("Film library")

    def ready(self) -> None:
        """Importing is registering."""
        import gallery.boards.signals
        import gallery.importing.signals
        import gallery.labels.signals
        import gallery.site.checks
        import gallery.transcripts.signals  # noqa: F401
