"""The first admin login: random, shown once, in a file that only its owner can read."""

import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from imgsearch.local.__main__ import print_summary
from imgsearch.local.installation import read_installation
from imgsearch.local.login import Login, describe_login, ensure_login
from imgsearch.secret import read_or_create_secret, write_private
from tests.processes import run_python


@pytest.mark.django_db
def test_the_admin_login_is_created_once(tmp_path: Path) -> None:
    login = ensure_login(tmp_path)
    assert login is not None
    assert stat.S_IMODE(login.file.stat().st_mode) == 0o600
    assert login.password in login.file.read_text()
    assert len(login.password) >= 20
    user = authenticate(username=login.username, password=login.password)
    assert isinstance(user, User)
    assert user.is_superuser
    assert ensure_login(tmp_path) is None
    assert describe_login(tmp_path) == f"in {login.file}"
    login.file.unlink()
    assert "changepassword admin" in describe_login(tmp_path)


def test_a_forgotten_password_is_changed_in_the_folder_in_use(
    tmp_path: Path, settings: Any
) -> None:
    settings.BASE_DIR = tmp_path
    command = ".venv/bin/python manage.py changepassword admin"
    assert f"Type `{command}`" in describe_login(tmp_path / "var")
    other = tmp_path / "all films"
    assert f"Type `VAR_DIR='{other}' {command}`" in describe_login(other)


@pytest.mark.django_db
def test_an_administrator_with_another_name_is_enough(tmp_path: Path) -> None:
    User.objects.create_superuser("ada", password="a-password-of-hers")
    assert ensure_login(tmp_path) is None
    assert not (tmp_path / "admin-login.txt").exists()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_password_is_printed_to_a_terminal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, is_terminal: bool
) -> None:
    monkeypatch.setenv("PORT", "8001")
    login = Login("admin", "a-fresh-password", tmp_path / "admin-login.txt")
    login.file.touch()
    here = replace(read_installation(), var_dir=tmp_path)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    print_summary(here, login)
    output = capsys.readouterr().out
    assert (login.password in output) == is_terminal
    assert str(login.file) in output


def test_the_container_setup_keeps_the_password_out_of_its_log(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    setup = run_python(
        "-m", "imgsearch.local.prepare", VAR_DIR=str(tmp_path), DATABASE_URL=database
    )
    assert setup.returncode == 0, setup.stdout + setup.stderr
    file = tmp_path / "admin-login.txt"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().split()[-1] not in setup.stdout + setup.stderr
    assert f"Admin login: in {file}" in setup.stdout


def test_secret_files_are_private_from_the_start(tmp_path: Path) -> None:
    write_private(tmp_path / "file", "text")
    secret = read_or_create_secret(tmp_path / "secret")
    assert secret == read_or_create_secret(tmp_path / "secret")
    for name in ("file", "secret"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "secret"]
