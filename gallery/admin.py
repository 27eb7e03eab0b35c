"""Import the admin of all features, which registers it."""

from gallery.accounts import admin as accounts
from gallery.importing import admin as importing
from gallery.importing import model_admin
from gallery.labels import admin as labels
from gallery.library import admin as library
from gallery.transcripts import admin as transcripts
from gallery.workers import admin as workers

__all__ = ["accounts", "importing", "labels", "library", "model_admin", "transcripts", "workers"]
