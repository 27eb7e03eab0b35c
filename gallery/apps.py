"""The gallery as a Django application."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GalleryConfig(AppConfig):
    """Connects the signal receivers and registers the system checks."""

    name = "gallery"
    verbose_name = _("Film library")

    def ready(self) -> None:
        """Import the modules, which registers what they define."""
        import gallery.boards.signals
        import gallery.importing.signals
        import gallery.labels.signals
        import gallery.library.signals
        import gallery.site.checks
        import gallery.transcripts.signals  # noqa: F401
