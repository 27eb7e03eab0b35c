"""The embedded Redis: it has search, keeps data, and unsuitable servers are refused."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imgsearch.local import redis_server
from imgsearch.local.sockets import (
    MAX_SOCKET_PATH_BYTES,
    embedded_redis_url,
    make_private_folder,
    socket_path,
)
from imgsearch.local.terminal import LauncherError


def ignore_progress(_text: str) -> None:
    """Discard progress messages."""


@contextmanager
def server(var_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(redis_server.command(var_dir), stdout=subprocess.DEVNULL) as process:
        try:
            redis_server.wait_ready(embedded_redis_url(var_dir), ignore_progress)
            yield process
        finally:
            process.kill()


@contextmanager
def plain_server() -> Iterator[str]:
    """A Redis without the search module, at a URL for REDIS_URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    binary, _ = redis_server.binaries()
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        url = f"redis://127.0.0.1:{port}/0"
        try:
            redis_server.wait_ready(url, ignore_progress)
            yield url
        finally:
            process.kill()


def test_it_searches_and_a_sigkill_loses_nothing(tmp_path: Path) -> None:
    with server(tmp_path) as process:
        client = redis_server.connect(embedded_redis_url(tmp_path))
        client.execute_command(
            "FT.CREATE", "i", "PREFIX", 1, "f:", "SCHEMA", "film", "TAG", "embedding", "VECTOR",
            "FLAT", 6, "TYPE", "FLOAT16", "DIM", 4, "DISTANCE_METRIC", "COSINE",
        )  # fmt: skip
        for number in range(100):
            client.hset(f"f:{number}", mapping={"film": "a", "embedding": bytes(range(8))})
        time.sleep(1.2)  # appendfsync everysec
        process.send_signal(signal.SIGKILL)
        process.wait()
    with server(tmp_path):
        client = redis_server.connect(embedded_redis_url(tmp_path))
        assert client.dbsize() == 100
        end = time.monotonic() + 10
        found = 0
        while found != 100 and time.monotonic() < end:
            answer = client.execute_command("FT.SEARCH", "i", "@film:{a}", "LIMIT", 0, 0)
            found = answer[b"total_results"] if isinstance(answer, dict) else answer[0]
        assert found == 100


def test_only_its_owner_can_connect(tmp_path: Path) -> None:
    with redis_server.running(tmp_path) as url:
        client = redis_server.connect(url)
        assert client.config_get("port")["port"] == "0"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert (tmp_path / "redis").stat().st_mode & 0o777 == 0o700
        assert socket_path(tmp_path).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["with space", "电影", "a#b?c%20d", "long" * 40])
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with redis_server.running(folder) as url:
        assert redis_server.connect(url).ping()
    assert list((folder / "redis").iterdir())


def test_a_long_path_moves_the_socket_to_a_private_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    path = socket_path(folder)
    assert len(str(path)) < MAX_SOCKET_PATH_BYTES
    assert path == socket_path(folder) != socket_path(tmp_path / ("other" * 40))
    assert socket_path(Path("/srv/scenes")) == Path("/srv/scenes/redis/redis.sock")


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(PermissionError):
        make_private_folder(tmp_path / "link")


def test_the_server_of_a_killed_launcher_is_stopped(tmp_path: Path) -> None:
    assert redis_server.stop_orphan_server(tmp_path) is False
    with server(tmp_path) as process:
        assert redis_server.stop_orphan_server(tmp_path) is True
        assert process.wait(timeout=60) == 0


def test_a_given_server_with_redisearch_is_used(tmp_path: Path) -> None:
    with redis_server.running(tmp_path) as url:
        assert redis_server.check_external_server(url, ignore_progress)[0].isdigit()


def test_a_given_server_without_redisearch_is_refused() -> None:
    with plain_server() as url, pytest.raises(LauncherError, match="has no search commands"):
        redis_server.check_external_server(url, ignore_progress)


def test_a_given_server_that_is_down_is_refused_without_its_password() -> None:
    with pytest.raises(LauncherError, match="does not respond") as caught:
        redis_server.check_external_server("redis://user:hush@127.0.0.1:1/0", ignore_progress)
    assert "hush" not in str(caught.value)


def test_without_wheels_the_platform_needs_redis_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.machinery.PathFinder.find_spec", lambda *_: None)
    with pytest.raises(LauncherError, match=r"not available for this platform.*REDIS_URL="):
        redis_server.binaries()
