"""Restores a backup into this installation, completely or, after an error, not at all."""

import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError

from gallery.backup import copying, installation, manifest, placing, tables
from gallery.backup.reporting import format_counts
from gallery.backup.types import SECRET_KEY, BackupError, Manifest, Reporter
from gallery.clip import weights
from gallery.core.errors import ModelError
from gallery.films.models import Film
from gallery.media.store import FilmFiles
from imgsearch.local.login import FILE_NAME as LOGIN_FILE
from imgsearch.secret import write_private

MAX_NAMED = 3  # films without a film file that are named


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and sentences about what is left to do."""

    manifest: Manifest
    todo: list[str]


def check(backup: Path, reporter: Reporter) -> Manifest:
    """Verify the checksums of a whole backup. Raises BackupError."""
    found = manifest.read_manifest(backup)
    _require_files(backup, found)
    reporter.start("Checking", found.size)
    try:
        for entry in found.entries.values():
            if entry.stored:
                copying.check_file(backup / entry.stored, entry.sha256, reporter.advance)
    except OSError as error:
        raise BackupError(f"The backup cannot be read: {error}.") from error
    reporter.end()
    return found


def restore(backup: Path, reporter: Reporter, *, force: bool = False) -> Restored:
    """Restore a backup into this installation, which must be stopped.

    It must be empty, unless `force`; then everything that is not in the backup is lost, except film
    files. Everything is checked before anything is changed. Raises BackupError.
    """
    found = manifest.read_manifest(backup)
    tables.check_migrations(found.header.migrations, found.header.version)
    _require_files(backup, found)
    installation.require_stopped()
    placing.close_interrupted()
    if not force:
        installation.require_empty()
    installation.require_redis()
    placing.require_space(found.store)
    try:
        for entry in found.tables:
            copying.check_file(backup / entry.stored, entry.sha256, lambda _count: None)
        with placing.staging_folder() as staging:
            placing.stage(backup, found.store, staging, reporter)
            # Everything in Redis can be rebuilt.
            installation.clear_redis()
            _replace_all(backup, found, staging, reporter)
    except OSError as error:
        raise BackupError(
            f"The backup cannot be restored: {error}. Nothing was changed."
        ) from error
    _finish(backup, found)
    return Restored(found, _list_todo(found))


def _require_files(backup: Path, found: Manifest) -> None:
    """Raise BackupError if files are missing or truncated."""
    missing = manifest.missing_files(backup, found.entries.values())
    if missing:
        raise BackupError(
            f"The backup in {backup} is incomplete: {len(missing)} files are missing or have "
            f"the wrong size, such as {missing[0]}. Nothing was changed."
        )


def _replace_all(backup: Path, found: Manifest, staging: Path, reporter: Reporter) -> None:
    """Replace the database and the files together."""
    reporter.start("Database", sum(entry.size for entry in found.tables))
    try:
        with tables.replace_database(found.header.migrations) as models:
            for entry in found.tables:
                tables.load_table(models, entry, backup / entry.stored, reporter.advance)
            tables.record_restore(staging.name)
            placing.move_all(staging)
    except DatabaseError as error:
        raise BackupError(
            f"The database cannot be restored: {str(error).strip()}. Nothing was changed."
        ) from error
    reporter.end()


def _finish(backup: Path, found: Manifest) -> None:
    """Migrate the restored database, and update the secret key, the login file and Redis."""
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise BackupError(
            "The backup is restored, but its database could not be migrated: "
            f"{str(error).strip()}. Run `manage.py migrate`."
        ) from error
    for film in Film.objects.filter(searchable_run__isnull=False):
        film.files.remove_other_runs(keep=film.searchable_run or 0)
    for uid in found.header.working_copies:
        files = FilmFiles(uid)
        if not files.working_copy().is_file():
            files.mark_working_copy_lost()
    _restore_secret_key(backup, found)
    # This file has the password of an account that was just replaced.
    (settings.VAR_DIR / LOGIN_FILE).unlink(missing_ok=True)


def _restore_secret_key(backup: Path, found: Manifest) -> None:
    entry = found.entries.get(SECRET_KEY)
    if entry is not None:
        write_private(settings.VAR_DIR / SECRET_KEY, (backup / entry.stored).read_text("ascii"))


def _list_todo(found: Manifest) -> list[str]:
    """List what people have to do after the restore."""
    return [
        sentence
        for sentence in (
            _describe_settings(found),
            _describe_model(found),
            _describe_films(),
            _describe_secret(found),
        )
        if sentence
    ]


def _describe_settings(found: Manifest) -> str:
    other = {
        name: value
        for name, value in found.header.settings.items()
        if os.environ.get(name, "") != value
    }
    if not other:
        return ""
    lines = "".join(f"\n    {name}={value}" for name, value in other.items())
    return f"These settings differ from those of the backup; put them into .env:{lines}"


def _describe_model(found: Manifest) -> str:
    try:
        with weights.use():  # the active model may be a restored one
            here = weights.current().fingerprint
    except ModelError as error:
        return str(error)
    others = Film.objects.embedded_otherwise(here).count()
    if not others:
        return ""
    return (
        f"Searches do not find {format_counts({'film': others})}, embedded with another model or "
        "other edges than this installation uses. The backup was made with "
        f"{found.header.model[1]}: set CLIP_MODEL and CLIP_EDGES as before, or run "
        "`manage.py reembed`."
    )


def _describe_films() -> str:
    missing = [film for film in Film.objects.order_by("title") if not film.has_source]
    if not missing:
        return ""
    names = ", ".join(map(str, missing[:MAX_NAMED]))
    more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
    return (
        f"{format_counts({'film': len(missing)})} without a film file here: {names}{more}. They "
        "can be searched; to play or cut them, upload or import the same files again."
    )


def _describe_secret(found: Manifest) -> str:
    if not found.header.has_secrets:
        return (
            "Everyone has to log in again, and boards of browsers without a login are now "
            "read-only, because the backup was made without --secrets."
        )
    if os.environ.get("SECRET_KEY"):
        return "SECRET_KEY is set, so the secret key in the backup is not used."
    return ""
