"""API clients for tests."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client
from PIL import Image

from gallery.accounts import tokens

ROOT = "/api/v1"
Json = dict[str, Any]


@pytest.fixture
def reset_rate_limits(redis_server: Any, static_files: None) -> None:
    """Forget the requests of earlier tests."""
    cache.clear()


class Api:
    """An API client, which knows only the responses."""

    def __init__(self, client: Client, secret: str = "") -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def ask(
        self, method: str, path: str, status: int = 200, body: Json | None = None, **headers: str
    ) -> Any:
        given = {**self.headers, **headers}
        data = {} if body is None else {"data": json.dumps(body)}
        address = path if path.startswith("http") else f"{ROOT}{path}"
        response = self.client.generic(
            method, address, content_type="application/json", headers=given, **data
        )
        assert response.status_code == status, response.content.decode()
        if status == 204:
            assert not response.content
            return None
        assert response.headers["Content-Type"].startswith("application/json")
        answer = response.json()
        if status >= 400:
            assert set(answer) <= {"error", "code", "details"}
            assert answer["error"]
            assert re.fullmatch(r"[a-z_]+", answer["code"])
        return answer

    def get(self, path: str, status: int = 200, **headers: str) -> Any:
        return self.ask("GET", path, status, **headers)

    def post(self, path: str, body: Json, status: int = 201) -> Any:
        return self.ask("POST", path, status, body)

    def patch(self, path: str, body: Json, status: int = 200) -> Any:
        return self.ask("PATCH", path, status, body)

    def delete(self, path: str, status: int = 204) -> Any:
        return self.ask("DELETE", path, status)


def create_user(name: str) -> Any:
    # Without a password, which would take half a second to hash.
    return get_user_model().objects.create_user(name)


@pytest.fixture
def anonymous(db: None, reset_rate_limits: None) -> Api:
    """A client without a token."""
    return Api(Client())


@pytest.fixture
def ada(db: None, reset_rate_limits: None) -> Api:
    """A client with a token of Ada."""
    _token, secret = tokens.create_token(create_user("ada").pk, "test")
    return Api(Client(), secret)


@pytest.fixture
def bob(db: None, reset_rate_limits: None) -> Api:
    """A client with a token of Bob."""
    _token, secret = tokens.create_token(create_user("bob").pk, "test")
    return Api(Client(), secret)


def list_all(api: Api, path: str, results: str = "results") -> Iterator[Any]:
    """The results on all pages, by following `next`."""
    address: str | None = path
    while address:
        page = api.get(address)
        yield from page[results]
        address = page["next"]


def to_jpeg(picture: Image.Image) -> io.BytesIO:
    file = io.BytesIO()
    picture.save(file, "JPEG")
    file.seek(0)
    file.name = "screenshot.jpg"
    return file


def send_picture(api: Api, file: Any) -> Any:
    return api.client.post(f"{ROOT}/pictures", {"picture": file}, headers=api.headers)
