"""The administrator's first login: a random password, made for this installation."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from imgsearch.secret import write_private

USERNAME = "admin"
FILE_NAME = "admin-login.txt"


@dataclass(frozen=True, slots=True)
class Login:
    """A login that was just made. The password is kept nowhere else but in its file."""

    username: str
    password: str
    file: Path


def ensure_login(var_dir: Path) -> Login | None:
    """Make an administrator when the installation has none; None when it has one already.

    The file comes first: a start that is cut off in between makes both anew.
    """
    from django.contrib.auth.models import User

    if User.objects.filter(is_superuser=True).exists():
        return None
    login = Login(USERNAME, secrets.token_urlsafe(15), var_dir / FILE_NAME)
    write_private(login.file, f"username: {login.username}\npassword: {login.password}\n")
    user, _ = User.objects.get_or_create(username=login.username)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(login.password)
    user.save()
    return login


def where_login_is_kept(var_dir: Path) -> str:
    """What to tell about the login on every start but the first."""
    file = var_dir / FILE_NAME
    if file.is_file():
        return f"in {file}"
    return "as chosen; forgotten? Type `.venv/bin/python manage.py changepassword admin`"
