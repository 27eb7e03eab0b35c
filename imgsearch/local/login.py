"""The first admin account, with a random password."""

import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path

from imgsearch.secret import write_private

USERNAME = "admin"
FILE_NAME = "admin-login.txt"


@dataclass(frozen=True, slots=True)
class Login:
    """A new login. The password is stored only in `file`."""

    username: str
    password: str
    file: Path


def ensure_login(var_dir: Path) -> Login | None:
    """Create an admin if the installation has none. Return None if it has one.

    The file is written first, so after an interruption, the next start creates both again.
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


def describe_login(var_dir: Path) -> str:
    """Describe where the login is stored, for all starts but the first."""
    from django.conf import settings

    file = var_dir / FILE_NAME
    if file.is_file():
        return f"in {file}"
    command = ".venv/bin/python manage.py changepassword admin"
    if var_dir != settings.BASE_DIR / "var":
        command = f"VAR_DIR={shlex.quote(str(var_dir))} {command}"
    return f"as chosen; forgotten? Type `{command}`"
