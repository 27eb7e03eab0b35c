"""Upgrades from earlier versions keep all data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from tests import release
from tests.backups import Restored

# Each release has a backup that it made itself: see tests/release.py.
RELEASES = sorted(path for path in release.RELEASES.iterdir() if path.is_dir())
# The last migration of the first version, which had no backups.
FIRST = [("gallery", "0002_scenes"), ("auth", "0012_alter_user_first_name_max_length")]
READ = """
import json
from gallery.accounts.models import ApiToken
from gallery.boards.models import BoardScene
from gallery.films.models import Film
from gallery.labels.models import Label
from gallery.storyboards.models import StoryboardRow
from gallery.transcripts.models import Line

film = Film.objects.get()
vectors = film.files.run(film.searchable_run).load().vectors
print(json.dumps([
    film.title, film.state, film.is_stored,
    film.shots.count() == film.shot_count, len(vectors) == film.frame_count,
    Line.objects.get().text, BoardScene.objects.get().note, Label.objects.get().prompts,
    StoryboardRow.objects.get().text, ApiToken.objects.get().user.username,
]))
"""
OLD = "old"  # the alias of a database in an earlier version


@pytest.mark.parametrize("backup", RELEASES, ids=lambda path: path.name)
def test_a_backup_of_each_release_is_restored(backup: Path, tmp_path: Path) -> None:
    here = Restored(tmp_path / "here")
    said = here.manage("restore", str(backup), "--wait")
    assert "1 lines of dialogue are in the index" in said or "Searches do not find" in said
    found = json.loads(here.manage("shell", "-v0", "-c", READ))
    assert found == [
        release.TITLE, "ready", True, True, True,
        release.LINE, release.NOTE, release.PROMPT, release.SCRIPT, "ada",
    ]  # fmt: skip


@pytest.fixture
def old_database(tmp_path: Path, db: None) -> Iterator[Any]:
    """The models of a new database in the first version."""
    own = connection.copy(OLD)
    own.settings_dict["NAME"] = str(tmp_path / "old.sqlite3")
    connections[OLD] = own
    try:
        yield MigrationExecutor(own).migrate(FIRST).apps
    finally:
        own.close()
        del connections[OLD]


def test_rows_of_the_first_version_survive_all_migrations(old_database: Any) -> None:
    def insert(table: str, /, **values: Any) -> Any:
        return old_database.get_model(table)._base_manager.using(OLD).create(**values)

    ada = insert("auth.user", username="ada", is_superuser=True)
    film = insert(
        "gallery.film", title="Rain", sha256="a" * 64, state="ready", searchable_run=1,
        frame_count=2, shot_count=1, duration=2.0, model="abc", model_name="demo",
    )  # fmt: skip
    insert("gallery.shot", film=film, number=0, start=0, end=2, second=1)
    lines = insert("gallery.subtitles", film=film, language="en", source="embedded", line_count=1)
    insert("gallery.line", subtitles=lines, number=0, start=0.5, end=1.5, text="It rains.")
    scale = {"model": "abc", "levels": [0.1, 0.2]}
    label = insert("gallery.label", name="Rain", prompts="rain", threshold=1.5, scale=scale)
    insert("gallery.labelcount", label=label, film=film, shots=1)
    insert("gallery.apitoken", user=ada, name="script", digest="d" * 64)
    board = insert("gallery.board", owner=ada, name="Wet", token="t" * 22)
    insert("gallery.boardscene", board=board, film=film, start=0, end=2, second=1, note="first")
    insert("gallery.export", board=board, plan={"scenes": []})

    executor = MigrationExecutor(connections[OLD])
    now = executor.migrate(executor.loader.graph.leaf_nodes()).apps
    connections[OLD].check_constraints()

    def get(table: str, *columns: str) -> Any:
        return now.get_model(table)._base_manager.using(OLD).values_list(*columns).get()

    assert get("gallery.film", "title", "searchable_run", "duration") == ("Rain", 1, 2.0)
    assert get("gallery.shot", "film", "start", "end", "second") == (film.pk, 0, 2, 1)
    assert get("gallery.line", "text", "start", "end") == ("It rains.", 0.5, 1.5)
    assert get("gallery.label", "name", "threshold") == ("Rain", 1.5)
    assert get("gallery.label", "scale") == ({"abc": {"levels": [0.1, 0.2]}},)
    count = ("label", "film", "model", "shots")
    assert get("gallery.labelcount", *count) == (label.pk, film.pk, "abc", 1)
    assert get("gallery.apitoken", "user", "digest") == (ada.pk, "d" * 64)
    assert get("gallery.board", "owner", "name", "token") == (ada.pk, "Wet", "t" * 22)
    assert get("gallery.boardscene", "board", "film", "note") == (board.pk, film.pk, "first")
    # New columns have suitable values in old rows.
    assert get("gallery.film", "shots_version", "text_run", "speech_run") == ("", None, None)
    assert get("gallery.subtitles", "is_hidden") == (False,)
    assert get("gallery.board", "saved_at")[0] is not None
