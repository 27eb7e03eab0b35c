"""Dumps and loads the database: a file per table, in the same format for SQLite and PostgreSQL.

The first line of a file has the names of the columns, each other line the values of a row. Rows are
streamed, because a thousand films have hundreds of thousands of lines and shots.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast
from uuid import UUID

from django.apps import apps
from django.apps.registry import Apps
from django.contrib.sessions.models import Session
from django.core.management.color import no_style
from django.db import DatabaseError, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Field, Model

from gallery.backup.copying import Advance, HashingFile, create
from gallery.backup.types import DATABASE, BackupError, Entry, JsonRow, Kind
from gallery.boards.models import Export
from gallery.films.film_job import FilmJob
from gallery.films.models import Film, Leftover
from gallery.importing.models import Segment

SNAPSHOT = "snapshot"  # the alias of the connection that a backup reads from
BATCH = 2000  # rows
COMPRESSION = 3
RESTORE = "restore"  # in the table of migrations, in place of an app

# Imports, exports and jobs in progress keep their work in files that are not backed up, so they
# start over. Exports are kept only for a day anyway.
LEFT_OUT: tuple[type[Model], ...] = (Segment, Export, Leftover)


# --- writing --------------------------------------------------------------------------------------


@contextmanager
def open_snapshot() -> Iterator[str]:
    """Yield the alias of a connection that sees the database as it was at its first query.

    It blocks nobody; on SQLite, the default connection would block writers.
    """
    own = connection.copy(SNAPSHOT)
    if own.vendor == "sqlite":
        own.settings_dict["OPTIONS"] = {
            **own.settings_dict["OPTIONS"],
            "transaction_mode": "DEFERRED",
        }
    connections[SNAPSHOT] = own
    try:
        with transaction.atomic(using=SNAPSHOT):
            if own.vendor == "postgresql":
                with own.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield SNAPSHOT
    finally:
        own.close()
        del connections[SNAPSHOT]


def list_models(*, with_sessions: bool) -> list[type[Model]]:
    """Return the models whose tables are backed up, including those of many-to-many relations."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        and not model._meta.proxy
        and not issubclass(model, (*LEFT_OUT, FilmJob))
        and (with_sessions or model is not Session)
    ]


def list_migrations() -> dict[str, str]:
    """Return the last migration of each app. Raises BackupError unless all are applied."""
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    if executor.migration_plan(leaves):
        raise BackupError(
            "The database is not up to date: start the installation once, or run "
            "`manage.py migrate`, then back up again."
        )
    return dict(leaves)


def write_table(model: type[Model], backup: Path, folder: str, advance: Advance) -> Entry:
    """Write the rows of a table in the open snapshot to a file. Raises OSError."""
    path = f"{DATABASE}{model._meta.label_lower}.jsonl.gz"
    columns = [field.attname for field in model._meta.concrete_fields]
    rows = model._base_manager.using(SNAPSHOT).order_by("pk").values_list(*columns)
    reset = RESETS.get(model)
    count = 0
    with create(backup / folder / path) as file:
        hashing = HashingFile(file, advance)
        with gzip.GzipFile(
            fileobj=cast(IO[bytes], hashing), mode="wb", compresslevel=COMPRESSION, mtime=0
        ) as packed:
            packed.write(_to_line(columns))
            for row in rows.iterator(chunk_size=BATCH):
                values = list(row)
                if reset is not None:
                    values = list(reset(dict(zip(columns, values, strict=True))).values())
                packed.write(_to_line(values))
                count += 1
    stored = f"{folder}/{path}"
    return Entry(path, Kind.FILE, stored, hashing.size, hashing.sha256, rows=count)


def _to_line(values: Iterable[Any]) -> bytes:
    return json.dumps(list(values), default=_encode, separators=(",", ":")).encode() + b"\n"


def _encode(value: Any) -> str:
    """Return a value as text that `Field.to_python` understands."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"{type(value)} in a backup")


def _reset_film(row: dict[str, Any]) -> dict[str, Any]:
    """Reset an unfinished film to before its import; a searchable one stays as it is."""
    row |= {"lease_until": None, "tracks_lease": None}
    if row["state"] in Film.UNFINISHED:
        row |= {"attempts": 0, "error": ""}
        if row["searchable_run"] is None:
            row |= {"state": Film.State.WAITING, "started": None, "finished": None}
        else:
            row |= {"state": Film.State.READY, "run": row["searchable_run"]}
    return row


RESETS: dict[type[Model], Callable[[dict[str, Any]], dict[str, Any]]] = {Film: _reset_film}


# --- reading --------------------------------------------------------------------------------------


def check_migrations(migrations: dict[str, str], version: str) -> None:
    """Raise BackupError if the backup has migrations that this version does not know."""
    known = MigrationExecutor(connection).loader.disk_migrations
    unknown = [f"{app}.{name}" for app, name in migrations.items() if (app, name) not in known]
    if unknown:
        raise BackupError(
            f"The backup was made by a newer version ({version}) with unknown migrations: "
            f"{', '.join(sorted(unknown))}. Update this installation first."
        )


@contextmanager
def replace_database(migrations: dict[str, str]) -> Iterator[Apps]:
    """Drop all tables and create those of a backup; yield their models.

    All of this is one transaction, which is rolled back on errors. Call `manage.py migrate`
    afterwards.
    """
    with connection.constraint_checks_disabled(), transaction.atomic():
        _drop_tables()
        executor = MigrationExecutor(connection)
        models = executor.migrate(list(migrations.items())).apps
        created = [one for one in models.get_models(include_auto_created=True) if one._meta.managed]
        with connection.cursor() as cursor:
            for model in created:  # rows inserted by migrations are in the backup, too
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")
        yield models
        connection.check_constraints()
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), created):
                cursor.execute(statement)


def record_restore(name: str) -> None:
    """Record in the transaction of a restore that it took place."""
    MigrationRecorder(connection).record_applied(RESTORE, name)


def is_restore_recorded(name: str) -> bool:
    """Return whether the transaction of a restore was committed."""
    return (RESTORE, name) in MigrationRecorder(connection).applied_migrations()


def forget_restore(name: str) -> None:
    """Remove the record of a restore, if there is one."""
    MigrationRecorder(connection).record_unapplied(RESTORE, name)


def _drop_tables() -> None:
    """Drop the tables of any version of this project."""
    prefixes = tuple(f"{app.label}_" for app in apps.get_app_configs() if app.models_module)
    own = {
        *connection.introspection.django_table_names(),
        MigrationRecorder.Migration._meta.db_table,
    }
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table in own or table.startswith(prefixes):
                cascade = " CASCADE" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)}{cascade}")


def load_table(models: Apps, entry: Entry, stored: Path, advance: Advance) -> None:
    """Insert the rows of a file into their table. Raises BackupError."""
    label = entry.path.removeprefix(DATABASE).removesuffix(".jsonl.gz")
    try:
        count = _insert(models.get_model(label), stored, advance)
    except (LookupError, OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        raise BackupError(f"{stored} cannot be read: {error}.") from error
    except DatabaseError as error:
        raise BackupError(
            f"The backup's table {label} cannot be loaded into this database: {str(error).strip()}."
        ) from error
    if count != entry.rows:
        raise BackupError(f"{stored} has {count} rows, not {entry.rows}.")


def _insert(model: type[Model], stored: Path, advance: Advance) -> int:
    known: dict[str, Field[Any, Any]] = {
        field.attname: field for field in model._meta.concrete_fields
    }
    for field in known.values():
        # Keep the times of the backup. These models are used only by this restore.
        field.auto_now = field.auto_now_add = False  # type: ignore[attr-defined]
    count = 0
    with stored.open("rb") as file:
        hashing = HashingFile(file, advance)
        with gzip.GzipFile(fileobj=cast(IO[bytes], hashing), mode="rb") as packed:
            columns = [known[name] for name in json.loads(packed.readline())]
            while rows := [json.loads(line) for line in islice(packed, BATCH)]:
                model._base_manager.bulk_create(_to_rows(model, columns, rows))
                count += len(rows)
    return count


def _to_rows(
    model: type[Model], columns: "list[Field[Any, Any]]", rows: Iterable[JsonRow]
) -> list[Model]:
    return [
        model(
            **{
                field.attname: field.to_python(value)
                for field, value in zip(columns, row, strict=True)
            }
        )
        for row in rows
    ]
