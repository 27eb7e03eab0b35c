"""Import the admin of all features, which registers it."""

from django.utils.translation import gettext_noop

from gallery.accounts import admin as accounts
from gallery.importing import admin as importing
from gallery.importing import model_admin
from gallery.labels import admin as labels
from gallery.library import admin as library
from gallery.transcripts import admin as transcripts
from gallery.workers import admin as workers

__all__ = ["accounts", "importing", "labels", "library", "model_admin", "transcripts", "workers"]

# Sentences of Django's admin whose Chinese has stray spaces; the catalogue has better ones.
DJANGO_SENTENCES = (
    gettext_noop("Select %s to change"),
    gettext_noop("Add %s"),
    gettext_noop("Change %s"),
    gettext_noop("View %s"),
    gettext_noop("Delete selected %(verbose_name_plural)s"),
    gettext_noop("Add another %(verbose_name)s"),
)
