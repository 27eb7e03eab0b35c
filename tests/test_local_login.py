"""The administrator's first login: random, shown once, kept where only its owner can read it."""

import stat
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from imgsearch.local.login import ensure_login, where_login_is_kept
from imgsearch.secret import secret_from, write_private


@pytest.mark.django_db
def test_a_login_is_made_once(tmp_path: Path) -> None:
    login = ensure_login(tmp_path)
    assert login is not None
    assert stat.S_IMODE(login.file.stat().st_mode) == 0o600
    assert login.password in login.file.read_text()
    assert len(login.password) >= 20
    user = authenticate(username=login.username, password=login.password)
    assert isinstance(user, User)
    assert user.is_superuser
    assert ensure_login(tmp_path) is None
    assert where_login_is_kept(tmp_path) == f"in {login.file}"
    login.file.unlink()
    assert "changepassword admin" in where_login_is_kept(tmp_path)


@pytest.mark.django_db
def test_an_administrator_of_another_name_is_enough(tmp_path: Path) -> None:
    User.objects.create_superuser("ada", password="a-password-of-hers")
    assert ensure_login(tmp_path) is None
    assert not (tmp_path / "admin-login.txt").exists()


def test_secret_files_are_private_from_the_first_moment(tmp_path: Path) -> None:
    write_private(tmp_path / "file", "text")
    secret = secret_from(tmp_path / "secret")
    assert secret == secret_from(tmp_path / "secret")
    for name in ("file", "secret"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "secret"]
