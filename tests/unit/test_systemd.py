"""docs/scene-search.service and docs/systemd.md are valid for systemd and this repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "docs" / "scene-search.service"
GUIDE = (ROOT / "docs" / "systemd.md").read_text("utf-8")
HOME = "/opt/scene-search"


def read_values(name: str) -> list[str]:
    """The values of a key of the unit, which can occur several times."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """In a copy with the paths of this checkout and Python, so that they exist."""
    text = UNIT.read_text("utf-8")
    text = text.replace(f"{HOME}/.venv/bin/python", sys.executable).replace(HOME, str(ROOT))
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_unit_starts_the_launcher() -> None:
    (command,) = read_values("ExecStart")
    interpreter, option, module = command.split()
    assert interpreter == f"{HOME}/.venv/bin/python"
    assert option == "-m"
    assert (ROOT / module.replace(".", "/") / "__main__.py").is_file()
    assert read_values("WorkingDirectory") == [HOME]


def test_state_is_kept_where_the_unit_may_write() -> None:
    (state,) = read_values("StateDirectory")
    environment = dict(pair.split("=", 1) for pair in read_values("Environment"))
    assert environment["VAR_DIR"] == f"/var/lib/{state}"
    assert environment["HF_HOME"].startswith(f"/var/lib/{state}/")
    assert read_values("StateDirectoryMode") == ["0700"]


def test_the_unit_ends_the_launcher_first_and_has_it_restarted() -> None:
    assert read_values("KillMode") == ["mixed"]
    assert read_values("Restart") == ["on-failure"]


def test_the_guide_names_existing_files_and_commands() -> None:
    make = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"\bmake ([a-z]+)", GUIDE):
        assert re.search(rf"^{target}:", make, re.MULTILINE) or target == "run", target
    for command in re.findall(r"manage\.py ([a-z_]+)", GUIDE):
        assert command in get_commands(), command
    for link in re.findall(r"\]\(([^)]+)\)", GUIDE):
        assert (ROOT / "docs" / link).is_file(), link
    (user,) = read_values("User")
    assert re.search(rf"useradd .* {user}$", GUIDE, re.MULTILINE)
    (settings_file,) = read_values("EnvironmentFile")
    assert settings_file.lstrip("-") in GUIDE
