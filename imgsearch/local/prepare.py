"""Prepare an installation before it starts: database, translations, static files, login.

`make run` calls these functions one by one; containers run `python -m imgsearch.local.prepare`.
"""

import os
import subprocess
import sys
from pathlib import Path

from imgsearch.local.login import describe_login, ensure_login
from imgsearch.local.terminal import LauncherError, Step, say, step, warn
from imgsearch.local.translations import compile_translations


def prepare_translations(current: Step, locale_dir: Path) -> None:
    """Compile changed translations, unless the source tree is read-only."""
    try:
        written = compile_translations(locale_dir)
    except OSError as error:
        current.outcome = f"not compiled, {locale_dir} cannot be written to: {error.strerror}"
        return
    current.outcome = f"{written} compiled" if written else "up to date"


def prepare_database(current: Step) -> None:
    """Undo an interrupted restore, and run the migrations. Raises LauncherError."""
    from django.core.management import call_command
    from django.db import Error, connection
    from django.db.migrations.executor import MigrationExecutor

    from gallery.backup import placing
    from gallery.backup.types import BackupError

    try:
        if placing.close_interrupted():
            current.note("A restore was interrupted. It is undone: run it again.")
        executor = MigrationExecutor(connection)
        todo = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if todo:
            call_command("migrate", interactive=False, verbosity=0)
        current.outcome = f"{len(todo)} migrations" if todo else "up to date"
    except BackupError as error:
        raise LauncherError(str(error)) from error
    except Error as error:
        raise LauncherError(f"The database cannot be used: {str(error).strip()}.") from error
    finally:
        connection.close()


def check_ffmpeg(current: Step) -> None:
    """Raise LauncherError when FFmpeg does not run or is too old."""
    from gallery.media import ffmpeg
    from gallery.site import checks

    for problem in checks.check_ffmpeg():
        raise LauncherError(f"{problem.msg} {problem.hint}")
    current.outcome = ffmpeg.version().removeprefix("ffmpeg ")


def prepare_static_files() -> None:
    """Collect, hash and compress the static files."""
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)


def prepare_all_but_model(locale_dir: Path) -> None:
    """Run all steps except preparing the model."""
    with step("FFmpeg") as current:
        check_ffmpeg(current)
    with step("Database") as current:
        prepare_database(current)
    with step("Translations") as current:
        prepare_translations(current, locale_dir)
    with step("Static files"):
        prepare_static_files()


def register_installation() -> None:
    """Store the media store's id, the model and the version, which all workers must share.

    Prepare the model first. Raises LauncherError.
    """
    from django.db import connection

    from gallery.core.errors import GalleryError
    from gallery.workers import installation

    try:
        installation.register()
    except (GalleryError, OSError) as error:
        raise LauncherError(f"The media store cannot be used: {error}") from error
    finally:
        connection.close()


def prepare_in_container() -> None:
    """Run all steps, for the one-shot service of docker-compose.yml."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")
    django.setup()
    from django.conf import settings

    prepare_all_but_model(settings.BASE_DIR / "locale")
    with step("Model") as current:
        current.end_line()
        for command in ("fetch_model", "prepare_model"):
            subprocess.run([sys.executable, "manage.py", command], check=True)
    register_installation()
    ensure_login(settings.VAR_DIR)
    # Never print the password: the output is kept in the container's log.
    say(f"Admin login: {describe_login(settings.VAR_DIR)}")


if __name__ == "__main__":
    try:
        prepare_in_container()
    except LauncherError as refusal:
        warn(str(refusal))
        raise SystemExit(1) from refusal
