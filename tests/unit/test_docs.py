"""README and docs/ agree with the code."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import imgsearch

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKING = [*DOCUMENTS, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(((?!http)[^)]+)\)")
READ = re.compile(r"""(?:env\.\w+\(|environ(?:\.get\(|\[)|_number\()\s*"([A-Z][A-Z_]+)\"""")
# Set by make, Django or the system, not by administrators.
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "MAKELEVEL", "HF_HUB_OFFLINE", "HOME", "PATH", "TERM"}


def names_read() -> set[str]:
    """The environment variables that settings and launcher read."""
    sources = [ROOT / "imgsearch" / "settings.py", *(ROOT / "imgsearch" / "local").glob("*.py")]
    return {
        name for path in sources for name in READ.findall(path.read_text(encoding="utf-8"))
    } - NOT_SETTINGS


def test_settings_are_found() -> None:
    assert {"VAR_DIR", "CLIP_MODEL", "REDIS_URL", "HOST"} <= names_read()


def test_every_setting_is_documented() -> None:
    missing = sorted(name for name in names_read() if f"`{name}`" not in SETTINGS)
    assert missing == []


def test_every_documented_setting_exists() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", SETTINGS.split("|---|")[1]))
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "imgsearch").rglob("*.py")
    )
    assert sorted(name for name in documented if f'"{name}"' not in source) == []


def test_every_command_is_documented() -> None:
    commands = {path.stem for path in (ROOT / "gallery/management/commands").glob("[!_]*.py")}
    assert sorted(name for name in commands if f"`{name}" not in GUIDE) == []


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as on GitHub."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", LINKING, ids=lambda path: path.name)
def test_links_are_not_broken(document: Path) -> None:
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_changelog_has_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert versions[0] == imgsearch.VERSION
    assert "## [Unreleased]" in changelog


def test_the_readme_is_short() -> None:
    """A newcomer reads it in a minute; the rest is in docs/."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


@pytest.mark.parametrize("document", DOCUMENTS[1:], ids=lambda path: path.name)
def test_the_readme_leads_to_every_document(document: Path) -> None:
    assert f"](docs/{document.name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_make_help_names_the_two_commands() -> None:
    output = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "make run" in output
    assert "make test" in output


def test_importing_the_models_loads_no_heavy_library() -> None:
    code = (
        "import django; django.setup(); import gallery.models, sys; "
        "heavy = {'torch', 'transformers'} & set(sys.modules); sys.exit(len(heavy))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_calls_in_the_architecture_page_exist() -> None:
    """Each arrow of a flow names a function that is called."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    calls = re.findall(r"-- ([a-z_]+(?:\.\w+)+) -->", text)
    assert len(calls) > 10
    for call in calls:
        module, _, name = f"gallery.{call}".rpartition(".")
        assert hasattr(importlib.import_module(module), name), call
