"""Restores that are killed: the database and the media store stay those of one installation."""

import json
import signal
from pathlib import Path

import pytest

from gallery.backup import writing
from gallery.films.models import Film
from tests.backups import Reporter, Restored, store_film
from tests.processes import run_python

pytestmark = pytest.mark.django_db(transaction=True)

SETUP = """
import os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "imgsearch.settings"
import django
django.setup()
"""
# Kills itself before the nth event of a kind in the folder of the restore.
RESTORE = f"""{SETUP}
from django.core.management import call_command
backup, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
def kill(event, details):
    global count
    if event == kind and "/restoring/" in " ".join(map(str, details)):
        count -= 1
        if not count:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
call_command("restore", backup, "--force")
"""
START = f"""{SETUP}
from imgsearch.local.prepare import prepare_database
from imgsearch.local.terminal import step
with step("Database") as current:
    prepare_database(current)
"""
TITLES = f"""{SETUP}
import json
from gallery.films.models import Film
print(json.dumps([film.title for film in Film.objects.all()]))
"""


class Installation(Restored):
    """An installation with the earlier of two backups, in which the later one is restored."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "there")
        self.earlier, self.later = folder / "earlier", folder / "later"
        film = store_film("Earlier")
        writing.make_backup(self.earlier, Reporter(), with_films=True)
        Film.objects.filter(pk=film.pk).update(title="Later")
        film.files.run(1).thumbnail(0).write_bytes(b"later")
        film.files.source().rename(film.files.folder / "source.mkv")
        writing.make_backup(self.later, Reporter(), with_films=True)
        film.files.remove()
        self.manage("restore", str(self.earlier))

    def run(self, script: str, *arguments: str) -> str:
        done = run_python("-c", script, *arguments, **self.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def restore_and_die(self, kind: str, count: int) -> None:
        done = run_python("-c", RESTORE, str(self.later), kind, str(count), **self.environment)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr

    @property
    def titles(self) -> list[str]:
        found: list[str] = json.loads(self.run(TITLES))
        return found

    @property
    def files(self) -> dict[str, bytes]:
        store = self.folder / "media" / "films"
        return {
            path.relative_to(store).as_posix(): path.read_bytes()
            for path in store.rglob("*")
            if path.is_file()
        }

    @property
    def leftovers(self) -> list[str]:
        return [path.name for path in (self.folder / "media" / "restoring").iterdir()]


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_the_next_start_moves_the_files_back(here: Installation) -> None:
    before = here.files
    # The run and the film file are moved aside, and others take their places.
    for moves in (2, 4):
        here.restore_and_die("os.rename", moves)
        assert here.leftovers
        assert "is undone" in here.run(START)
        assert here.files == before
        assert here.leftovers == []
    assert here.titles == ["Earlier"]


def test_the_next_restore_moves_the_files_back(here: Installation) -> None:
    before = here.files
    here.restore_and_die("os.rename", 3)
    assert here.files != before
    here.manage("restore", str(here.later), "--force")
    after = here.files
    assert {path.rpartition("/")[2] for path in after} >= {"source.mkv"}
    assert not any(path.endswith("source.mp4") for path in after)
    assert here.titles == ["Later"]
    assert here.leftovers == []


def test_a_restore_that_was_committed_is_kept(here: Installation) -> None:
    here.restore_and_die("shutil.rmtree", 1)
    after = here.files
    assert any(path.endswith("source.mkv") for path in after)
    assert "is undone" not in here.run(START)
    assert here.files == after
    assert here.titles == ["Later"]
    assert here.leftovers == []
