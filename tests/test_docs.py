"""The README says what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
READ = re.compile(r"""(?:env\.\w+\(|environ(?:\.get\(|\[)|_number\()\s*"([A-Z][A-Z_]+)\"""")
# Set by make, Django or the system, not by whoever runs an installation.
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "MAKELEVEL", "HF_HUB_OFFLINE", "HOME", "PATH", "TERM"}


def names_read() -> set[str]:
    """Every environment variable that settings and launcher read."""
    sources = [ROOT / "imgsearch" / "settings.py", *(ROOT / "imgsearch" / "local").glob("*.py")]
    return {
        name for path in sources for name in READ.findall(path.read_text(encoding="utf-8"))
    } - NOT_SETTINGS


def test_the_settings_are_found_at_all() -> None:
    assert {"VAR_DIR", "CLIP_MODEL", "REDIS_URL", "HOST"} <= names_read()


def test_every_setting_is_documented() -> None:
    missing = sorted(name for name in names_read() if f"`{name}`" not in README)
    assert missing == []


def test_every_documented_setting_exists() -> None:
    table = README.split("## Settings")[1].split("## ")[0]
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", table.split("|---|")[1]))
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "imgsearch").rglob("*.py")
    )
    assert sorted(name for name in documented if f'"{name}"' not in source) == []


def test_every_command_is_documented() -> None:
    commands = {path.stem for path in (ROOT / "gallery/management/commands").glob("[!_]*.py")}
    assert sorted(name for name in commands if f"`{name}" not in README) == []


@pytest.mark.parametrize("target", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_make_help_names_the_two_commands() -> None:
    said = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "make run" in said
    assert "make test" in said


def test_importing_the_models_loads_no_heavy_library() -> None:
    code = (
        "import django; django.setup(); import gallery.models, sys; "
        "heavy = {'torch', 'transformers'} & set(sys.modules); sys.exit(len(heavy))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
