"""The API examples in the guide work."""

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.test import Client

from gallery.accounts import tokens
from gallery.boards.models import Board
from gallery.films.models import Film

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
SECTION = GUIDE.split("## API")[1].split("\n## ")[0]
EXAMPLES = re.findall(r"^    (curl .+?[^\\\\])$", SECTION, re.MULTILINE | re.DOTALL)


def run(example: str, token: str) -> Any:
    """Send the request of a curl command; supports only the options used in the guide."""
    words = shlex.split(example.replace("\\\n", " ").replace("$TOKEN", token))
    assert words.pop(0) == "curl"
    headers, data, address = {}, None, ""
    while words:
        match words.pop(0):
            case "-H":
                name, _colon, value = words.pop(0).partition(": ")
                headers[name] = value
            case "-d":
                data = words.pop(0)
            case word:
                assert word.startswith("http://127.0.0.1:8000/"), word
                address = urlsplit(word)._replace(scheme="", netloc="").geturl()
    kind = headers.pop("Content-Type", "application/octet-stream")
    client = Client()
    if data is None:
        return client.get(address, headers=headers)
    return client.post(address, data, content_type=kind, headers=headers)


def test_the_examples_of_the_documentation_work(page: Client, demo_film: Film) -> None:
    _token, secret = tokens.create_token(get_user_model().objects.create_user("ada").pk, "test")
    assert len(EXAMPLES) == 2
    search, board = (run(example, secret) for example in EXAMPLES)
    assert search.status_code == 200
    assert search.json()["results"][0]["shot"] == {"number": 4}
    assert board.status_code == 201
    assert Board.objects.get().name == "Rain"


@pytest.mark.parametrize("rate", ["fast", "0/m", "10", "10/x", "/m"])
def test_an_invalid_limit_is_reported_at_start(rate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "API_RATE", rate)
    assert [message.id for message in run_checks() if "API_RATE" in message.msg] == ["gallery.E006"]


@pytest.mark.parametrize("rate", ["600/m", "10/s", "100/5m", ""])
def test_the_limits_of_the_documentation_are_valid(
    rate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "API_RATE", rate)
    assert [message for message in run_checks() if "API_RATE" in message.msg] == []
