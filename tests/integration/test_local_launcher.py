"""`python -m imgsearch.local`, as `make run` starts it."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from imgsearch.local import __main__ as launcher
from imgsearch.local import redis_server
from imgsearch.local.children import Children
from imgsearch.local.installation import read_installation
from imgsearch.local.lock import hold_run_lock
from imgsearch.local.port import allowed_hosts, http_get, lan_address, server_url
from imgsearch.local.sockets import embedded_redis_url
from imgsearch.local.terminal import LauncherError
from imgsearch.local.translations import compile_translations
from tests.integration.test_local_redis import plain_server
from tests.processes import find_processes, run_python, wait_for

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(var_dir: Path, **more: str) -> dict[str, str]:
    """This environment, with a separate installation."""
    own = {"VAR_DIR": str(var_dir), "IMPORT_DEMO": "0", "DATABASE_URL": "", "MEDIA_DIR": ""}
    environ = {**os.environ, **own, **more}
    return {name: value for name, value in environ.items() if value or name == "REDIS_URL"}


def launch(var_dir: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a launcher that is expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", "imgsearch.local"],
        cwd=ROOT,
        env=environment(var_dir, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_busy_port_is_reported(tmp_path: Path, busy_port: int) -> None:
    result = launch(tmp_path, PORT=str(busy_port))
    assert result.returncode == 1
    assert f"Port {busy_port} on 127.0.0.1 is already in use" in result.stderr
    assert "make run` to use another port." in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "redis").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PORT": "http"}, "PORT=http is not a whole number from 1 to 65535."),
        ({"PORT": "70000"}, "PORT=70000 is not a whole number from 1 to 65535."),
        ({"HOST": "203.0.113.9"}, "HOST=203.0.113.9 is not an address of this machine."),
        ({"DATABASE_URL": "nonsense://x"}, "Invalid settings"),
        ({"LEASE_SECONDS": "abc"}, "Invalid settings: LEASE_SECONDS: invalid literal"),
    ],
)
def test_settings_the_launcher_refuses(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    result = launch(tmp_path, **{"PORT": str(free_port()), **settings})
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = launch(tmp_path / "file" / "var")
    assert result.returncode == 1
    assert "Invalid settings" in result.stderr
    assert "Traceback" not in result.stderr


def test_one_launcher_for_each_folder(tmp_path: Path) -> None:
    with hold_run_lock(tmp_path, "http://127.0.0.1:1234/"):
        result = launch(tmp_path, PORT=str(free_port()))
    assert result.returncode == 1
    assert "already running: http://127.0.0.1:1234/" in result.stderr
    with hold_run_lock(tmp_path, "again"):
        pass


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    with (
        hold_run_lock(tmp_path, "http://127.0.0.1:8000/"),
        pytest.raises(LauncherError, match=f"process {os.getpid()}"),
        hold_run_lock(tmp_path, "second"),
    ):
        pass


def test_a_start_on_a_full_disk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", str(free_port()))
    monkeypatch.setattr(launcher, "is_disk_full", lambda _folder: True)
    here = read_installation()
    with pytest.raises(LauncherError, match=r"is full\. Free some space"):
        launcher.run(here, Children(here.log_dir, os.environ, here.base_dir))


def test_a_redis_without_search_is_refused(tmp_path: Path) -> None:
    with plain_server() as url:
        result = launch(tmp_path, PORT=str(free_port()), REDIS_URL=url)
    assert result.returncode == 1
    assert "has no search commands" in result.stderr
    assert "Redis 8 or Redis Stack" in result.stderr


def list_commands(var_dir: Path) -> list[str]:
    """The commands of all processes that belong to an installation (Linux)."""

    def belongs(process: psutil.Process) -> bool:
        # Redis overwrites its environment with its title, which has the socket.
        named = f":{var_dir}/" in " ".join(process.cmdline())
        return named or process.environ().get("VAR_DIR") == str(var_dir)

    return [" ".join(process.cmdline()) for process in find_processes(belongs)]


@contextmanager
def running_installation(var_dir: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running installation, and its output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "imgsearch.local"],
        cwd=ROOT,
        env=environment(var_dir, PORT=str(port), REDIS_URL=""),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "to stop" in line:
                break
        assert "to stop" in printed, printed
        yield process, printed
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="the embedded server is Linux only")
def test_an_installation_starts_stops_and_restarts(tmp_path: Path) -> None:
    var_dir, port = tmp_path / "var", free_port()
    login = var_dir / "admin-login.txt"
    with running_installation(var_dir, port) as (process, printed):
        password = login.read_text().split()[-1]
        assert password not in printed  # a pipe may be a log
        assert str(login) in printed
        assert stat.S_IMODE(login.stat().st_mode) == 0o600
        assert f"http://127.0.0.1:{port}/" in printed
        assert http_get("127.0.0.1", port, "/healthz")[0] == 200
        kinds = " ".join(list_commands(var_dir))
        assert all(kind in kinds for kind in ("redis-server", "gunicorn", "celery"))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert "Stopping" in output
        assert "Stopped" in output
        assert "Traceback" not in output
        assert process.returncode == 0
    assert list_commands(var_dir) == []

    with running_installation(var_dir, port) as (process, printed):
        assert password not in printed
        assert str(login) in printed
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert list_commands(var_dir) == []


CHILDREN = ("redis-server", "gunicorn", "imgsearch worker", "imgsearch.beat beat")


def find_named_children(launcher: int) -> dict[str, int]:
    """The launcher's direct children by a distinct part of their command (Linux)."""
    found = {}
    for process in psutil.Process(launcher).children():
        with suppress(psutil.Error):
            command = " ".join(process.cmdline())
            found |= {kind: process.pid for kind in CHILDREN if kind in command}
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_every_killed_child_is_restarted_and_nothing_is_lost(tmp_path: Path) -> None:
    """All four at once, which is harder: they depend on each other."""
    var_dir, port = tmp_path / "var", free_port()

    def health() -> dict[str, str]:
        try:
            answer: dict[str, str] = json.loads(http_get("127.0.0.1", port, "/healthz")[1])
        except (OSError, ValueError):
            return {}
        return answer

    def is_well() -> bool:
        status = health()
        return status.get("index") == "ok" and status["worker"] == "ok"

    with running_installation(var_dir, port) as (process, _printed):
        wait_for(is_well)
        client = redis_server.connect(embedded_redis_url(var_dir))
        client.set("kept", "yes")
        time.sleep(1.2)  # appendfsync everysec
        before = find_named_children(process.pid)
        assert set(before) == set(CHILDREN)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_for(
            lambda: len(find_named_children(process.pid).items() - before.items()) == len(CHILDREN)
        )
        wait_for(is_well)
        assert client.get("kept") in (b"yes", "yes")
        # The worker answers again; the heartbeat may be that of the killed one. A worker that is
        # not connected yet never gets the question.
        celery = ["-m", "celery", "-A", "imgsearch", "inspect", "ping", "--timeout", "5"]
        wait_for(lambda: "pong" in run_python(*celery, **environment(var_dir, REDIS_URL="")).stdout)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert output.count("stopped unexpectedly (killed by SIGKILL); restarting in 1 s") == 4
        assert output.count("has been restarted") == 4
        assert process.returncode == 0
    assert list_commands(var_dir) == []


def test_addresses() -> None:
    assert server_url("127.0.0.1", 8000) == "http://127.0.0.1:8000/"
    assert server_url("::1", 8000) == "http://[::1]:8000/"
    assert allowed_hosts("127.0.0.1") == ["127.0.0.1"]
    everywhere = allowed_hosts("0.0.0.0")
    assert socket.gethostname() in everywhere
    assert (lan_address() or "0.0.0.0") in everywhere


def test_changed_translations_are_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "zh_Hans" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    source = folder / "django.po"
    source.write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "Film"\nmsgstr "影片"\n',
        encoding="utf-8",
    )
    assert compile_translations(tmp_path) == 1
    assert "影片".encode() in (folder / "django.mo").read_bytes()
    assert compile_translations(tmp_path) == 0
    later = time.time() + 10
    os.utime(source, (later, later))
    assert compile_translations(tmp_path) == 1


def test_the_launcher_does_not_load_pytorch_to_look_for_a_gpu() -> None:
    """It keeps running, and PyTorch would take 500 MB of it; `prepare_model` looks instead."""
    code = (
        "import django, sys; django.setup()\n"
        "from gallery.clip import runtimes\n"
        "from imgsearch.local.__main__ import missing_model_commands\n"
        "runtimes.has_gpu = lambda: True\n"
        "print(missing_model_commands(), 'torch' in sys.modules)"
    )
    done = run_python("-c", code, CLIP_DEVICE="auto", DJANGO_SETTINGS_MODULE="imgsearch.settings")
    assert done.stdout.strip() == "['prepare_model'] False", done.stderr
