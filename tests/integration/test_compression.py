"""Which responses are compressed, and which must not be."""

import gzip
import json

import pytest
from django.test import Client

from gallery.films.models import Film

ACCEPTS = {"headers": {"Accept-Encoding": "gzip, deflate, br"}}


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/?q=cat",
        "/films/",
        "/films/{film}/",
        "/films/{film}/frames/3/",
        "/api/v1/films",
        "/api/v1/openapi.json",
        "/nothing/",
    ],
)
def test_text_is_compressed_for_clients_that_accept_it(
    address: str, page: Client, demo_film: Film
) -> None:
    address = address.format(film=demo_film.pk)
    plain, compressed = page.get(address), page.get(address, **ACCEPTS)
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.headers["Content-Length"] == str(len(compressed.content))
    for response in (plain, compressed):
        assert "Accept-Encoding" in response.headers["Vary"]
    assert len(compressed.content) < len(plain.content)
    text = gzip.decompress(compressed.content).decode()
    if address.startswith("/api/"):
        assert json.loads(text) == json.loads(plain.content)
    else:  # the same page except for the CSRF token
        assert len(text) == len(plain.content.decode())


def test_the_length_of_a_response_varies(page: Client, demo_film: Film) -> None:
    """Its length must not reveal whether it contains a guess (BREACH)."""
    address = f"/api/v1/films/{demo_film.pk}"
    answers = [page.get(address, **ACCEPTS).content for _ in range(20)]
    assert len({gzip.decompress(answer) for answer in answers}) == 1
    assert len({len(answer) for answer in answers}) > 1


@pytest.mark.parametrize(
    "address",
    [
        "/films/{film}/clips/0-25.mp4",
        "/films/{film}/clips/50-75.mp4?stream",
        "/films/{film}/exact/0-25.mp4?progress",
        "/films/{film}/stills/3.jpg",
        "/thumbs/{uid}/{run}/3.jpg",
    ],
)
def test_streams_are_not_compressed(address: str, page: Client, demo_film: Film) -> None:
    names = {"film": demo_film.pk, "uid": demo_film.uid, "run": demo_film.searchable_run}
    response = page.get(address.format(**names), **ACCEPTS)
    assert response.status_code == 200
    assert response.streaming
    assert "Content-Encoding" not in response.headers
    assert b"".join(response.streaming_content)


def test_ranges_of_a_clip_are_of_uncompressed_bytes(page: Client, demo_film: Film) -> None:
    address = f"/films/{demo_film.pk}/clips/0-25.mp4"
    whole = b"".join(page.get(address).streaming_content)
    headers = {"Accept-Encoding": "gzip", "Range": "bytes=100-199"}
    part = page.get(address, headers=headers)
    assert part.status_code == 206
    assert b"".join(part.streaming_content) == whole[100:200]
    assert "Content-Encoding" not in part.headers
    etag = part.headers["ETag"]
    assert not etag.startswith("W/")
    unchanged = page.get(address, headers={"Accept-Encoding": "gzip", "If-None-Match": etag})
    assert unchanged.status_code == 304
    assert unchanged.headers["ETag"] == etag
