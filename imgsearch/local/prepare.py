"""What must be done before anything is started: database, translations, static files, login.

`make run` calls these one by one. In containers `python -m imgsearch.local.prepare` does it all.
"""

import os
import subprocess
import sys
from pathlib import Path

from imgsearch.local.login import ensure_login, where_login_is_kept
from imgsearch.local.terminal import Refusal, Step, say, step, warn
from imgsearch.local.translations import compile_translations


def prepare_translations(current: Step, locale_dir: Path) -> None:
    """Compile what changed. A source tree that cannot be written to keeps what it has."""
    try:
        written = compile_translations(locale_dir)
    except OSError as error:
        current.outcome = f"not compiled, {locale_dir} cannot be written to: {error.strerror}"
        return
    current.outcome = f"{written} compiled" if written else "up to date"


def prepare_database(current: Step) -> None:
    """Bring the database to the shape that this version needs."""
    from django.core.management import call_command
    from django.db import Error, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        todo = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if todo:
            call_command("migrate", interactive=False, verbosity=0)
        current.outcome = f"{len(todo)} migrations" if todo else "up to date"
    except Error as error:
        raise Refusal(f"The database cannot be used: {str(error).strip()}.") from error
    finally:
        connection.close()


def check_ffmpeg(current: Step) -> None:
    """Refuse to start with an FFmpeg that does not run or is too old."""
    from gallery.media import ffmpeg
    from gallery.site.checks import ffmpeg_runs

    for problem in ffmpeg_runs():
        raise Refusal(f"{problem.msg} {problem.hint}")
    current.outcome = ffmpeg.version().removeprefix("ffmpeg ")


def prepare_static_files() -> None:
    """Gather, hash and compress the static files."""
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)


def prepare_in_container() -> None:
    """All steps, for the one-shot service of docker-compose.yml."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")
    django.setup()
    from django.conf import settings

    with step("FFmpeg") as current:
        check_ffmpeg(current)
    with step("Database") as current:
        prepare_database(current)
    with step("Translations") as current:
        prepare_translations(current, settings.BASE_DIR / "locale")
    with step("Static files"):
        prepare_static_files()
    with step("Model") as current:
        current.let_others_print()
        for command in ("fetch_model", "prepare_model"):
            subprocess.run([sys.executable, "manage.py", command], check=True)
    ensure_login(settings.VAR_DIR)
    # What is printed here stays in the container's log: never the password.
    say(f"Admin login: {where_login_is_kept(settings.VAR_DIR)}")


if __name__ == "__main__":
    try:
        prepare_in_container()
    except Refusal as refusal:
        warn(str(refusal))
        raise SystemExit(1) from refusal
