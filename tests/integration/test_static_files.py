"""Scripts and styles as served: hashed names, modules, none unused."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.test import Client

from gallery.films.models import Film
from imgsearch.static import BUNDLES

SOURCES = settings.BASE_DIR / "static" / "gallery"
TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
IMPORT = re.compile(r"""\b(?:import|from)\s*["']([^"']+)["']""")
SCRIPT = re.compile(r"""<script [^>]*'gallery/([\w/-]+\.js)'[^>]*>""")


def find_hashed(source: Path) -> Path:
    """The path of a static file with a hashed name."""
    name = f"gallery/{source.relative_to(SOURCES).as_posix()}"
    return Path(settings.STATIC_ROOT) / staticfiles_storage.stored_name(name)


def test_script_modules_import_each_other_by_hashed_names(static_files: None) -> None:
    """Browsers cache scripts forever: a plain name would load an old version."""
    imported = 0
    for source in SOURCES.rglob("*.js"):
        names = IMPORT.findall(source.read_text("utf-8"))
        copy = find_hashed(source)
        hashed = IMPORT.findall(copy.read_text("utf-8"))
        found = [(copy.parent / name).resolve() for name in hashed]
        assert found == [find_hashed((source.parent / name).resolve()) for name in names], (
            source.name
        )
        imported += len(names)
    assert imported >= 15


def test_every_script_but_the_theme_is_a_module() -> None:
    tags = [tag for path in TEMPLATES for tag in SCRIPT.finditer(path.read_text("utf-8"))]
    assert len(tags) >= 10
    assert {tag[1] for tag in tags if 'type="module"' not in tag[0]} == {"theme.js"}


@pytest.mark.parametrize("ending", ["js", "css"])
def test_every_file_is_used(ending: str) -> None:
    bundles = settings.BASE_DIR / "imgsearch" / "static.py"
    code = [
        bundles,
        *(settings.BASE_DIR / "gallery").rglob("*.py"),
        *SOURCES.rglob("*.js"),
        *TEMPLATES,
    ]
    text = "\n".join(path.read_text("utf-8") for path in code)
    files = {path.name for path in SOURCES.rglob(f"*.{ending}")}
    assert {name for name in files if not re.search(rf"[/']{re.escape(name)}\b", text)} == set()


@pytest.mark.parametrize(
    ("address", "absent"),
    [
        ("/login/", "search cards home board scene film api"),
        ("/account/tokens/", "search cards home board scene film api"),
        ("/films/", "search home board scene api"),
        ("/nothing/", "search cards home board scene film api"),
        ("/films/{film}/frames/3/", "home board film api tokens"),
    ],
)
def test_a_page_loads_only_the_styles_it_uses(
    address: str, absent: str, page: Client, demo_film: Film, admin_client: Client
) -> None:
    client = admin_client if "account" in address else page
    html = client.get(address.format(film=demo_film.pk)).content.decode()
    loaded = re.findall(r"/static/gallery/(?:\w+/)?([\w-]+)\.\w{12}\.css", html)
    assert loaded[0] == "page"
    assert not set(loaded) & set(absent.split())


def test_styles_are_in_a_layer() -> None:
    """A rule outside all layers would override all others."""
    for path in SOURCES.rglob("*.css"):
        if path.name in {"admin.css", "label.css", "subtitles.css", "workers.css"}:
            continue  # extends Django's styles, which are in no layer
        rules = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
        outside = re.sub(r"(?m)^@layer \w+ \{\n.*?^\}$", "", rules, flags=re.DOTALL).strip()
        assert outside == ("@layer base, components, pages, overrides;" * (path.stem == "base"))


@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_bundle_holds_the_styles_it_names(static_files: None, bundle: str) -> None:
    served = Path(settings.STATIC_ROOT) / staticfiles_storage.stored_name(bundle)
    text = served.read_text("utf-8")
    for name in BUNDLES[bundle]:
        own = (SOURCES.parent / name).read_text("utf-8")
        assert own.split("url(")[0] in text, name
    # Hashed names of pictures, relative to the bundle.
    for address in re.findall(r"url\(\"([^\"]+)\"\)", text):
        assert (served.parent / address).resolve().is_file(), address
