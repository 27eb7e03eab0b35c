"""Checks before a restore that this installation is stopped and empty."""

import shutil
from itertools import islice

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Model, QuerySet

from gallery.backup.types import BackupError
from gallery.boards.models import Board
from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.index import server
from gallery.labels.models import Label
from gallery.storyboards.models import Storyboard
from gallery.workers import records

SCAN_COUNT = 1000  # keys per step of a scan


def require_stopped() -> None:
    """Raise BackupError if a worker is alive."""
    is_embedded = not (settings.REDIS_URL_GIVEN or settings.INDEX_URL)
    if is_embedded and not is_redis_running():
        return  # no worker runs without it
    if records.read_all():
        raise BackupError(
            "A worker of this installation is running, or was a moment ago. Stop the web server, "
            f"workers and beat, wait {records.ALIVE_SECONDS} seconds, then restore."
        )


def require_empty() -> None:
    """Raise BackupError if the database contains anything that people made."""
    models: list[type[Model]] = [Film, Board, Storyboard, Label]
    queries: dict[str, QuerySet[Model]] = {
        str(model._meta.verbose_name_plural): model._base_manager.all() for model in models
    }
    # The account created by the first start does not count until someone has logged in.
    users = get_user_model()._base_manager.filter(last_login__isnull=False)
    queries["users who have logged in"] = users
    tables = set(connection.introspection.table_names())
    found = [
        name
        for name, query in queries.items()
        if query.model._meta.db_table in tables and query.exists()
    ]
    if found:
        raise BackupError(
            f"This installation is not empty: it has {', '.join(found)}. Restore into another one "
            "(VAR_DIR, DATABASE_URL), or replace everything in this one with --force. "
            "Nothing was changed."
        )


def is_redis_running() -> bool:
    """Return whether the index server responds."""
    try:
        server.check_server(server.index_url())
    except GalleryError:
        return False
    return True


def require_redis() -> None:
    """Raise BackupError if the index is on an external server that does not respond."""
    if settings.REDIS_URL_GIVEN or settings.INDEX_URL:
        try:
            server.check_server(server.index_url())
        except GalleryError as error:
            raise BackupError(f"{error} Nothing was changed.") from error


def clear_redis() -> None:
    """Remove this installation's index, which is rebuilt from the media store.

    Otherwise it could keep frames of another film with the same id.
    """
    if is_redis_running():
        client = server.connect_index()
        with server.translate_redis_errors():
            _delete_indexes(client)
            keys = client.scan_iter(match=f"{settings.INDEX_PREFIX}:*", count=SCAN_COUNT)
            while batch := list(islice(keys, SCAN_COUNT)):
                pipe = client.pipeline(transaction=False)
                for key in batch:
                    pipe.unlink(key)
                pipe.execute()
    elif not (settings.REDIS_URL_GIVEN or settings.INDEX_URL):
        # The embedded server is stopped: delete its files.
        shutil.rmtree(settings.VAR_DIR / "redis" / "appendonlydir", ignore_errors=True)
        (settings.VAR_DIR / "redis" / "dump.rdb").unlink(missing_ok=True)


def _delete_indexes(client: redis.Redis) -> None:
    for primary in server.primaries(client):
        for name in map(server.to_text, primary.execute_command("FT._LIST")):
            if name.startswith(f"{settings.INDEX_PREFIX}:"):
                primary.execute_command("FT.DROPINDEX", name)
