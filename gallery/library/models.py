"""Library folders, the film files in them, and the subtitle files next to these."""

from pathlib import Path

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gallery.films.models import Film
from gallery.library import paths
from gallery.transcripts.models import Subtitles

MAX_PATH_LENGTH = 1000  # characters of a folder's path
FINGERPRINT_LENGTH = 40  # hexadecimal digits


class LibraryFolder(models.Model):
    """A folder whose films are imported in place. Nothing is ever written to it.

    `scan_token` and `scan_until` are the claim and the lease of a scan. `error` is why the last
    scan failed; `unreadable` maps sub-folders that could not be read to the reason.
    """

    class Order(models.TextChoices):
        NEWEST = "newest", _("newest first")
        SHORTEST = "shortest", _("shortest first (by size)")
        NAME = "name", _("by name")

    path = models.CharField(_("folder"), max_length=MAX_PATH_LENGTH, unique=True)
    ignored = models.TextField(_("ignored files"), blank=True)
    order = models.CharField(_("order"), max_length=8, choices=Order, default=Order.NEWEST)
    is_paused = models.BooleanField(_("paused"), default=False)
    created = models.DateTimeField(_("added"), auto_now_add=True)
    scan_token = models.UUIDField(null=True, editable=False)
    scan_until = models.DateTimeField(null=True, editable=False)
    scanned_at = models.DateTimeField(_("last scan"), null=True, editable=False)
    scan_seconds = models.FloatField(default=0, editable=False)
    # The path at the last scan, to which links point.
    scanned_path = models.CharField(max_length=MAX_PATH_LENGTH, blank=True, editable=False)
    error = models.TextField(blank=True, editable=False)
    unreadable = models.JSONField(default=dict, editable=False)

    class Meta:
        ordering = ["path"]
        verbose_name = _("library folder")
        verbose_name_plural = _("library folders")

    def __str__(self) -> str:
        return paths.readable(self.path)

    @property
    def real_path(self) -> Path:
        """The folder itself."""
        return paths.join(self.path)


class LibraryFileQuerySet(models.QuerySet["LibraryFile"]):
    """Queries for files by their state."""

    def present(self) -> "LibraryFileQuerySet":
        """Return the files that the last scan of their folder found."""
        return self.filter(away_since__isnull=True)

    def waiting(self) -> "LibraryFileQuerySet":
        """Return present files whose import has not started."""
        return self.present().filter(state=LibraryFile.State.WAITING)

    def with_content(self) -> "LibraryFileQuerySet":
        """Return fingerprinted files that belong to a film or are ignored."""
        return self.exclude(fingerprint="").filter(
            Q(film__isnull=False) | Q(state=LibraryFile.State.IGNORED)
        )


class LibraryFile(models.Model):
    """A film file in a library folder, by its path relative to the folder.

        settling   new or changed, and perhaps still being copied
        waiting    no longer changing, but its import has not started
        imported   the file of `film`, or one of several with the same content
        ignored    its film was deleted by an administrator
        unreadable cannot be opened; `error` says why

    A file that still has the row's `size` (bytes) and `mtime_ns` is not read again. `fingerprint`
    identifies its content by samples (`gallery.library.fingerprints`), `sha256`, once computed,
    exactly. It has not changed since `settles_since`, and scans have not found it since
    `away_since`. A row that has a film, or is ignored, is kept until the folder is removed.
    """

    class State(models.TextChoices):
        SETTLING = "settling", _("changing")
        WAITING = "waiting", _("waiting")
        IMPORTED = "imported", _("imported")
        IGNORED = "ignored", _("ignored")
        UNREADABLE = "unreadable", _("unreadable")

    folder = models.ForeignKey(LibraryFolder, on_delete=models.CASCADE, related_name="files")
    path = models.TextField()
    size = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.SETTLING)
    settles_since = models.DateTimeField()
    away_since = models.DateTimeField(null=True)
    found_at = models.DateTimeField(auto_now_add=True)
    fingerprint = models.CharField(max_length=FINGERPRINT_LENGTH, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    film = models.ForeignKey(
        Film, on_delete=models.SET_NULL, null=True, related_name="library_files"
    )

    objects = LibraryFileQuerySet.as_manager()

    class Meta:
        verbose_name = _("library file")
        verbose_name_plural = _("library files")
        indexes = [
            models.Index(fields=["folder", "state"], name="library_file_state"),
            models.Index(fields=["size"], name="library_file_size"),
        ]

    def __str__(self) -> str:
        return paths.readable(self.path)

    @property
    def real_path(self) -> Path:
        """The file itself."""
        return paths.join(self.folder.path, self.path)


class LibrarySubtitles(models.Model):
    """A subtitle file next to a film in a library folder, and the subtitles imported from it.

    `subtitles` is None if the file could not be read (`error`), or if they were deleted in the
    admin; then the file is ignored until it changes.
    """

    file = models.ForeignKey(LibraryFile, on_delete=models.CASCADE, related_name="subtitles")
    path = models.TextField()
    size = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    subtitles = models.ForeignKey(
        Subtitles, on_delete=models.SET_NULL, null=True, related_name="library_subtitles"
    )
    error = models.TextField(blank=True)

    def __str__(self) -> str:
        return paths.readable(self.path)
