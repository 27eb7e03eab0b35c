"""Films with file names that are not UTF-8 can be imported."""

import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.core.management import call_command
from django.test import RequestFactory

from gallery.films.models import Film
from gallery.media.source_names import readable_name
from gallery.transcripts.models import Subtitles

LINES = b"1\n00:00:01,000 --> 00:00:02,000\nHello there\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"plain.mp4", "plain.mp4"),
        ("été 影片.mp4".encode(), "été 影片.mp4"),
        (b"latin1 \xe9t\xe9.mp4", "latin1 été.mp4"),
        (b"cr\xe9\xe9e \x80.mp4", "créée €.mp4"),
        ("电影 一.mp4".encode("gb2312")[:4] + b".mp4", "电影.mp4"),
        (b"a\x01b\x7f.mp4", "ab.mp4"),
        (b"undefined \x81.mp4", "undefined \ufffd.mp4"),
    ],
)
def test_names_are_readable(name: bytes, expected: str) -> None:
    assert readable_name(os.fsdecode(name)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("été 影片.png".encode(), "été 影片.png"),
        ("été.png".encode("latin-1"), "été.png"),
        ("电影.png".encode("gb2312"), "电影.png"),
    ],
)
def test_an_uploaded_file_is_kept_whatever_its_name(
    name: bytes, expected: str, rf: RequestFactory
) -> None:
    # The second part is not text either, and longer than what is read of a header.
    content = bytes(range(256)) * 20
    head = b'--edge\r\nContent-Disposition: form-data; name="%s"'
    body = b"".join([
        head % b"title", b"\r\n\r\nA title\r\n",
        head % b"file", b'; filename="', name, b'"\r\nContent-Type: image/png\r\n\r\n',
        content, b"\r\n--edge--\r\n",
    ])  # fmt: skip
    request = rf.generic("POST", "/", body, content_type="multipart/form-data; boundary=edge")
    assert request.POST["title"] == "A title"
    sent = request.FILES["file"]
    assert (sent.name, sent.read()) == (expected, content)
    sent.close()


def test_a_name_with_half_a_character_can_be_kept() -> None:
    assert readable_name("half \ud83d.mp4") == "half ?.mp4"


@pytest.mark.django_db(transaction=True)
def test_films_and_subtitles_are_imported_whatever_their_names(
    make_video: Callable[..., Path], tmp_path: Path, redis_server: redis.Redis
) -> None:
    odd = tmp_path / os.fsdecode(b"latin1 \xe9t\xe9.mp4")
    make_video("a.mp4", seconds=1).rename(odd)
    odd.with_name(os.fsdecode(b"latin1 \xe9t\xe9.en.srt")).write_bytes(LINES)
    missing = tmp_path / os.fsdecode(b"\xe9.mp4")
    plain = make_video("plain.mp4", seconds=2)
    out, err = StringIO(), StringIO()
    with pytest.raises(Exception, match="1 of 3 films could not be imported"):
        call_command("import_film", str(odd), str(missing), str(plain), stdout=out, stderr=err)
    titles = Film.objects.order_by("pk").values_list("title", "original_name")
    assert list(titles) == [("latin1 été", "latin1 été.mp4"), ("plain", "plain.mp4")]
    assert Subtitles.objects.get().original_name == "latin1 été.en.srt"
    assert "latin1 été.mp4: queued" in out.getvalue()
    assert "é.mp4: no such file" in err.getvalue()
    (out.getvalue() + err.getvalue()).encode()
