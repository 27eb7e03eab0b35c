"""Moving a whole installation to another machine or database with a backup."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image

from benchmarks import postgresql
from gallery.accounts import tokens
from gallery.backup import manifest, writing
from gallery.boards import owners, service
from gallery.boards.service import Scene
from gallery.films.models import Film
from gallery.importing import probe_step
from gallery.search import pictures
from gallery.storyboards.models import Storyboard, StoryboardRow
from tests.backups import Reporter, Restored, read_rows
from tests.fetch import fetch
from tests.films import make_film, noise
from tests.importing import DEMO, add_film, import_segment
from tests.integration.test_labels import make_label
from tests.processes import redis_process, run_manage

pytestmark = pytest.mark.django_db(transaction=True)


class Library:
    """The demo film with everything that users made, and a film that is being imported."""

    def __init__(self, demo: Film, folder: Path) -> None:
        self.demo = demo
        ada = User.objects.create_user("ada", password=None)
        _token, self.secret = tokens.create_token(ada.pk, "test")
        visitor = owners.visitor_of_user(ada.pk)
        self.board = service.create_board(visitor, "Rain")
        service.add_scene(visitor, Scene(demo.pk, 4, 6, 5), self.board)
        label = make_label("dog")
        token = pictures.store_picture(Image.open(demo.files.run(1).thumbnail(30)))
        self.storyboard = Storyboard.objects.create(owner=ada, name="Script")
        StoryboardRow.objects.create(storyboard=self.storyboard, position=0, picture=token)
        self.other_picture = pictures.store_picture(noise(1))
        client = Client()
        client.force_login(ada)
        self.cookies = {settings.SESSION_COOKIE_NAME: client.session.session_key}
        self.unfinished = add_film(make_film(folder / "other.mp4", seconds=12), "Unfinished")
        first, *_others = probe_step.probe_film(self.unfinished.pk)
        import_segment(first)

        search = "/api/v1/search?page_size=20&"
        self.questions: list[dict[str, Any]] = [
            {"address": f"{search}q=a+dog+in+the+snow"},
            {"address": f"{search}q=%E4%B8%80%E5%8F%AA%E7%8C%AB&in=both"},
            {"address": f"{search}q=rocket&in=said"},
            {"address": f"{search}q=snow&label={label.pk}"},
            {"address": f"{search}frame={demo.pk}-30"},
            {"address": f"{search}picture={token}"},
            {"address": "/api/v1/boards", "token": self.secret},
            {"address": f"/api/v1/boards/{self.board.token}"},
            {"address": f"/api/v1/storyboards/{self.storyboard.token}", "token": self.secret},
            {"address": f"/thumbs/{demo.uid}/1/30.jpg"},
            {"address": f"/thumbs/{demo.uid}/1/30-320.jpg"},
        ]
        self.clip = {"address": f"/films/{demo.pk}/exact/96-144.mp4"}


@pytest.fixture
def library(demo_film: Film, tmp_path: Path) -> Library:
    return Library(demo_film, tmp_path)


def test_a_restore_expects_no_redis(tmp_path: Path) -> None:
    writing.make_backup(tmp_path / "backup", Reporter())
    there = Restored(tmp_path / "there")
    done = run_manage("restore", str(tmp_path / "backup"), **there.environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_machine_finds_the_same(library: Library, tmp_path: Path) -> None:
    writing.make_backup(tmp_path / "backup", Reporter())
    expected = fetch(library.questions)
    assert {answer["status"] for answer in expected} == {200}
    there = Restored(tmp_path / "there")
    said = there.manage("restore", str(tmp_path / "backup"), "--wait")
    assert "2 films without a film file here" in said
    assert "in the index" in said
    with redis_process(there.folder):
        *answers, clip = there.fetch([*library.questions, library.clip])
        assert answers == expected
        assert clip["content"] == "The film file is missing from the media store."
        # Uploading the same file restores it.
        said = there.manage("import_film", str(DEMO / "film.mp4"))
        assert f"restored as the file of film {library.demo.pk}" in said
        (clip,) = there.fetch([library.clip])
        assert clip["status"] == 200
    # Pictures uploaded for a search are temporary anyway.
    kept = {path.stem for path in (there.folder / "media" / "probes").glob("*.jpg")}
    assert library.other_picture not in kept
    assert len(kept) == 1


def test_another_database_finds_the_same(library: Library, tmp_path: Path) -> None:
    done = writing.make_backup(tmp_path / "backup", Reporter(), with_films=True, with_secrets=True)
    # Whole films are for users only: this one is still logged in.
    whole = {"address": f"/films/{library.demo.pk}/film", "cookies": library.cookies}
    questions = [*library.questions, whole, library.clip]
    expected = fetch(questions)
    assert {answer["status"] for answer in expected} == {200}
    with postgresql.running() as url:
        there = Restored(tmp_path / "there", url)
        said = there.manage("restore", str(tmp_path / "backup"))
        assert "without a film file" not in said
        there.manage("backup", str(tmp_path / "back"), "--secrets")
        with redis_process(there.folder):
            there.manage("rebuild_index")
            answers = there.fetch(questions)
        # Two runs of the encoder may differ in bytes.
        assert answers[-1]["status"] == 200
        assert answers[:-1] == expected[:-1]
        # A new row gets a new id: the sequences continue after the restored rows.
        create = "from django.contrib.auth.models import User; print(User.objects.create().pk)"
        assert int(there.manage("shell", "-v0", "-c", create)) > library.board.owner_id
    # PostgreSQL dumps the same rows as SQLite, so the way back works the same.
    back = manifest.read_manifest(tmp_path / "back")
    assert read_rows(tmp_path / "back", back) == read_rows(tmp_path / "backup", done.manifest)
    again = Restored(tmp_path / "again")
    again.manage("restore", str(tmp_path / "back"))
    read = (
        "from gallery.films.models import Film; film = Film.objects.get(title='Unfinished'); "
        "print(film.state, film.has_source)"
    )
    assert again.manage("shell", "-v0", "-c", read) == "waiting False\n"
