"""Two languages: Chinese pages are in Chinese, and no sentence is untranslated."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import django
import pytest
from babel.messages.pofile import read_po
from django.test import Client
from django.utils import translation

from gallery.core.stored_text import translate_stored
from gallery.films.models import Film
from gallery.transcripts import dialogue
from gallery.transcripts.models import Subtitles
from gallery.workers import records
from imgsearch.local.translations import compile_translations
from tests.integration.test_search import english_model, synthetic_film
from tests.workers import make_record

__all__ = ["english_model"]  # a fixture

ROOT = Path(__file__).resolve().parents[2]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
CATALOG = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"


@pytest.fixture(scope="module", autouse=True)
def translations_compiled() -> None:
    """As `make run` does."""
    compile_translations(ROOT / "locale")
    translation.trans_real._translations.clear()  # type: ignore[attr-defined]


def switch_language(client: Client, language: str) -> None:
    response = client.post("/language/setlang/", {"language": language, "next": "/"})
    assert response.status_code == 302


def without_dialogue(page: str) -> str:
    """A page without dialogue, which is not translated."""
    return re.sub(r'<(ol|q|span)\b[^>]* lang="zh[^"]*".*?</\1>', "", page, flags=re.DOTALL)


ADDRESSES = ("/", "/films/", "/films/{film}/", "/films/{film}/frames/5/", "/?q=dog", "/nothing/")


@pytest.mark.parametrize("address", ADDRESSES)
def test_pages_can_be_read_in_chinese_and_in_english(
    address: str, page: Client, demo_film: Film
) -> None:
    address = address.format(film=demo_film.pk)
    english = page.get(address).content.decode()
    assert '<html lang="en"' in english
    switch_language(page, "zh-hans")
    chinese = page.get(address).content.decode()
    assert '<html lang="zh-Hans"' in chinese
    # The language switch and dialogue are not translated.
    few = len(CHINESE.findall(without_dialogue(english)))
    assert few < 10
    assert len(CHINESE.findall(without_dialogue(chinese))) > few + 20
    switch_language(page, "en")
    assert page.get(address).content.decode().count("lang=") == english.count("lang=")


def test_the_page_of_workers_in_chinese(staff: Client) -> None:
    records.write(make_record())
    try:
        switch_language(staff, "zh-hans")
        chinese = staff.get("/admin/gallery/installation/").content.decode()
    finally:
        records.remove("films@one")
    for said in ("等待任务", "短任务、导入帧", "没有失败的任务。"):
        assert said in chinese
    assert "Waiting" not in chinese


def test_text_that_nobody_says_is_not_counted_as_dialogue() -> None:
    sign, burned = (
        Subtitles(source=source, line_count=2)
        for source in (Subtitles.Source.SCENE, Subtitles.Source.BURNED)
    )
    assert dialogue.format_line_count(sign) == dialogue.format_line_count(burned) == "2 lines"
    with translation.override("zh-hans"):
        assert dialogue.format_line_count(sign) == "2 行文字"
        assert dialogue.format_line_count(burned) == "2 句台词"


def test_the_default_language_is_that_of_the_browser(page: Client) -> None:
    assert (
        '<html lang="zh-Hans"'
        in page.get("/", headers={"Accept-Language": "zh-CN"}).content.decode()
    )
    assert '<html lang="en"' in page.get("/", headers={"Accept-Language": "fr"}).content.decode()


def test_errors_are_in_chinese(page: Client, demo_film: Film) -> None:
    switch_language(page, "zh-hans")
    for address in ("/?q=" + "x" * 900, "/?frame=abc", f"/?frame={demo_film.pk}-9999"):
        response = page.get(address)
        assert response.status_code == 400
        alert = re.search(r'role="alert">([^<]+)<', response.content.decode())
        assert alert
        assert CHINESE.search(alert[1])


def test_the_notice_about_chinese_words_is_in_chinese(
    static_files: None, english_model: None, db: None
) -> None:
    synthetic_film("Film", 4, 4, 1)
    client = Client()
    switch_language(client, "zh-hans")
    notes = re.findall(r'<p class="note">([^<]+)</p>', client.get("/?q=一只狗").content.decode())
    assert any("chinese-clip" in note and CHINESE.search(note) for note in notes)


def extract_messages(folder: Path) -> set[str]:
    """The messages that gettext extracts from a copy of the sources."""
    for name in ("gallery", "imgsearch", "templates", "manage.py"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / "locale").mkdir()
    done = subprocess.run(
        [sys.executable, "manage.py", "makemessages", "-l", "zh_Hans"],
        cwd=folder, env=os.environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = folder / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
    with made.open("rb") as file:
        return {str(m.id if isinstance(m.id, str) else m.id[0]) for m in read_po(file) if m.id}


def test_every_message_of_the_sources_is_translated(tmp_path: Path) -> None:
    with CATALOG.open("rb") as file:
        catalog = read_po(file, locale="zh_Hans")
    translated = {
        str(m.id if isinstance(m.id, str) else m.id[0])
        for m in catalog
        if m.id and all(m.string if isinstance(m.string, tuple) else [m.string]) and not m.fuzzy
    }
    messages = extract_messages(tmp_path)
    assert len(messages) > 100
    assert sorted(messages - translated) == []


def test_the_message_catalog_is_complete_and_valid(tmp_path: Path) -> None:
    done = subprocess.run(
        ["msgfmt", "--check", "--statistics", "-o", str(tmp_path / "a.mo"), str(CATALOG)],
        env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ translated messages\.", done.stderr.strip()), done.stderr


def test_translations_keep_their_placeholders() -> None:
    with CATALOG.open("rb") as file:
        catalog = read_po(file, locale="zh_Hans")
    pattern = re.compile(r"%\(\w+\)[.\d]*[sdf]|\{\w+\}")
    for message in catalog:
        if not message.id:
            continue
        singular = message.id if isinstance(message.id, str) else message.id[-1]
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        for text in texts:
            assert set(pattern.findall(str(text))) == set(pattern.findall(singular)), message.id


# Words of Django's admin that we translate differently on purpose.
OURS = {
    "English", "Remove", "Page not found", "Log out",
    "Select %s to change", "Add %s", "Change %s", "View %s",
    "Delete selected %(verbose_name_plural)s", "Add another %(verbose_name)s",
}  # fmt: skip


def test_translations_of_django_are_overridden_where_they_are_wrong() -> None:
    """Regression: "Save" in the admin was translated as "save to a board"."""
    with CATALOG.open("rb") as file:
        ours = read_po(file, locale="zh_Hans")
    differing = set()
    for name in ("conf", "contrib/admin", "contrib/auth"):
        path = Path(django.__file__).parent / name / "locale/zh_Hans/LC_MESSAGES/django.po"
        with path.open("rb") as file:
            for message in read_po(file, locale="zh_Hans"):
                mine = ours.get(message.id, message.context) if message.id else None
                if mine is not None and mine.string != message.string:
                    differing.add(str(message.id))
    assert differing == OURS


def test_headings_of_the_api_are_in_chinese(page: Client) -> None:
    switch_language(page, "zh-hans")
    shown = page.get("/api/v1/docs").content.decode()
    assert "列出影片" in shown
    assert "List films" not in shown
    assert "List films" in page.get("/api/v1/openapi.json").content.decode()


STORED = {
    "This file is damaged or not a video.": "文件已损坏，或不是视频。",
    "The film is 30.5 hours long. The limit is 24.0 hours.": "影片长 30.5 小时，上限为 24.0 小时。",
    "2 audio tracks of this film cannot be read and were left out.\n"
    "The audio of this film cannot be read and was left out.": (
        "无法读取这部影片的 2 条音轨，已略去。\n无法读取这部影片的声音，已略去。"
    ),
    "Cannot be opened: Permission denied.": "无法打开：没有访问权限。",
    "Text track 3 (de): This file is damaged or not a video.": (
        "第 3 条字幕轨（de）：文件已损坏，或不是视频。"
    ),
    "A sentence of an earlier version.": "A sentence of an earlier version.",
}


@pytest.mark.parametrize("stored", STORED)
def test_sentences_stored_by_workers_are_translated_when_shown(stored: str) -> None:
    assert translate_stored(stored) == stored
    with translation.override("zh-hans"):
        assert translate_stored(stored) == STORED[stored]
