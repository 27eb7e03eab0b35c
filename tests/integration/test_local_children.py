"""The launcher's children: all are stopped in order, however they behave."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsearch.local.children import ChildDied, Children
from tests.processes import find_processes

ROOT = Path(__file__).resolve().parents[2]

# A server, a worker that ignores SIGTERM, and a child of the worker in its own session.
LAUNCHER = """
    import sys
    from pathlib import Path
    from imgsearch.local.children import Children, Interrupted
    folder = Path(sys.argv[1])
    stubborn = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen(['sleep', '600'], start_new_session=True);"
        "print('up', flush=True); time.sleep(600)"
    )
    import os
    with Children(folder, os.environ, folder) as children:
        try:
            children.start("base", ["sleep", "600"], stop_last=True)
            children.start("stubborn", [sys.executable, "-c", stubborn], grace=GRACE)
            children.wait_until(lambda: "up" in (folder / "stubborn.log").read_text(), 20)
            print("ready", flush=True)
            ACTION
        except Interrupted:
            print("interrupted", flush=True)
    print("end", flush=True)
"""


def find_marked(mark: str) -> list[int]:
    """The processes with MARK=mark in their environment."""
    found = find_processes(lambda process: process.environ().get("MARK") == mark)
    return [process.pid for process in found]


def wait_until_none(mark: str, timeout: float = 5.0) -> bool:
    end = time.monotonic() + timeout
    while find_marked(mark):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def launch(folder: Path, action: str = "children.watch()", grace: float = 0.5) -> subprocess.Popen:
    code = textwrap.dedent(LAUNCHER).replace("ACTION", action).replace("GRACE", str(grace))
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env={**os.environ, "MARK": str(folder), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
class TestNoChildIsLeft:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_after_a_signal(self, tmp_path: Path, number: signal.Signals) -> None:
        process = launch(tmp_path)
        assert len(find_marked(str(tmp_path))) == 4
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert output == "interrupted\nend\n"
        assert process.returncode == 0
        assert find_marked(str(tmp_path)) == []

    def test_after_a_second_ctrl_c_without_waiting(self, tmp_path: Path) -> None:
        process = launch(tmp_path, grace=60)
        process.send_signal(signal.SIGINT)
        time.sleep(1.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert find_marked(str(tmp_path)) == []

    def test_after_a_signal_in_the_midst_of_a_command(self, tmp_path: Path) -> None:
        process = launch(tmp_path, "children.run('command', ['sleep', '600'])")
        time.sleep(0.3)
        process.terminate()
        process.communicate(timeout=60)
        assert find_marked(str(tmp_path)) == []

    def test_after_the_launcher_itself_is_killed(self, tmp_path: Path) -> None:
        process = launch(tmp_path, "children.run('command', ['sleep', '600'])")
        stubborn = [pid for pid in find_marked(str(tmp_path)) if pid != process.pid]
        process.kill()
        process.communicate(timeout=60)
        # Those that obey SIGTERM have ended; kill the other one.
        time.sleep(0.3)
        names = [
            Path(f"/proc/{pid}/comm").read_text().strip() for pid in find_marked(str(tmp_path))
        ]
        assert len(names) == 2
        assert sum(name.startswith("python") for name in names) == 1
        for pid in stubborn:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        assert wait_until_none(str(tmp_path))


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """Restore the signal handlers that Children replaces."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("restored_signals")
def test_a_child_that_dies_during_start_is_reported_with_its_output(tmp_path: Path) -> None:
    last_words = "import sys; print('famous last words'); sys.exit(3)"
    with (
        pytest.raises(ChildDied, match=r"(?s)worker .* during the start \(exit code 3\).*famous"),
        Children(tmp_path, os.environ, tmp_path) as children,
    ):
        children.start("worker", [sys.executable, "-c", last_words])
        children.watch()


@pytest.mark.usefixtures("restored_signals")
class TestRestart:
    def test_a_killed_child_is_restarted_and_others_keep_running(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Children(tmp_path, os.environ, tmp_path, restart_delays=(0.2, 60)) as children:
            base = children.start("base", ["sleep", "600"], stop_last=True)
            worker = children.start("worker", ["sleep", "600"])
            children.enable_restarts()
            first = worker.process.pid
            os.kill(first, signal.SIGKILL)
            assert children.wait_until(lambda: worker.process.pid != first, 20)
            assert worker.process.poll() is None
            assert base.process.poll() is None
        words = "The worker process stopped unexpectedly (killed by SIGKILL); restarting in 0.2 s."
        assert words in capsys.readouterr().err
        assert words in (tmp_path / "worker.log").read_text()

    @pytest.mark.skipif(sys.platform != "linux", reason="orphans are found in /proc")
    def test_what_a_dead_child_left_is_ended_before_its_restart(self, tmp_path: Path) -> None:
        """A decoder in its own session, like FFmpeg."""
        code = (
            "import subprocess, time; from pathlib import Path;"
            "pid = subprocess.Popen(['sleep', '600'], start_new_session=True).pid;"
            "file = open('pids', 'a'); file.write(f'{pid}\\n'); file.close(); time.sleep(600)"
        )
        pids = tmp_path / "pids"

        def decoders() -> list[int]:
            return [int(line) for line in pids.read_text().split()] if pids.exists() else []

        def is_alive(pid: int) -> bool:
            return Path(f"/proc/{pid}").exists()

        with Children(tmp_path, os.environ, tmp_path, restart_delays=(0.2, 60)) as children:
            worker = children.start("worker", [sys.executable, "-c", code])
            other = children.start("other", ["sleep", "600"])
            children.enable_restarts()
            assert children.wait_until(lambda: len(decoders()) == 1, 20)
            os.kill(worker.process.pid, signal.SIGKILL)
            assert children.wait_until(lambda: len(decoders()) == 2, 20)
            assert [is_alive(pid) for pid in decoders()] == [False, True]
            assert other.process.poll() is None

    def test_pauses_grow_and_several_deaths_in_a_row_are_too_many(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """For example a port in use: it must not be restarted forever."""
        with (
            pytest.raises(ChildDied, match=r"(?s)web .* stopped 4 times in a row.*address in use"),
            Children(tmp_path, os.environ, tmp_path, restart_delays=(0.1, 0.2, 0.3)) as children,
        ):
            children.enable_restarts()
            children.start("web", ["sh", "-c", "echo address in use; exit 1"])
            children.watch()
        output = capsys.readouterr().err
        assert re.findall(r"restarting in ([\d.]+) s", output) == ["0.1", "0.2", "0.3"]
        assert (tmp_path / "web.log").read_text().count("address in use") == 4

    def test_a_full_disk_is_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A child that fails because the disk is full is retried until there is space."""
        monkeypatch.setattr("imgsearch.local.children.is_disk_full", lambda _folder: True)
        with Children(tmp_path, os.environ, tmp_path, restart_delays=(0.1, 0.2)) as children:
            children.enable_restarts()
            web = children.start("web", ["sh", "-c", "[ -e space ] && exec sleep 600"])
            output = ""
            while output.count("restarting in 0.2 s") < 3:
                children.check()
                time.sleep(0.02)
                output += capsys.readouterr().err
            (tmp_path / "space").touch()
            assert children.wait_until(lambda: web.process.poll() is None, 20)

    def test_a_child_that_ran_long_enough_counts_as_healthy(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Children(
            tmp_path, os.environ, tmp_path, restart_delays=(0.1,), healthy_seconds=0.3
        ) as children:
            children.enable_restarts()
            worker = children.start("worker", ["sleep", "0.5"])
            for _ in range(3):
                first = worker.process.pid
                assert children.wait_until(lambda first=first: worker.process.pid != first, 20)
        assert capsys.readouterr().err.count("has been restarted") == 3

    def test_a_log_that_cannot_be_written_stops_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "worker.log").mkdir()
        with Children(tmp_path, os.environ, tmp_path, restart_delays=(0.1, 60)) as children:
            children.enable_restarts()
            worker = children.start("worker", ["sleep", "600"])
            first = worker.process.pid
            os.kill(first, signal.SIGKILL)
            assert children.wait_until(lambda: worker.process.pid != first, 20)

    @pytest.mark.parametrize("is_full", [False, True])
    def test_the_log_of_a_running_child_is_rotated(
        self, is_full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("imgsearch.local.children.MAX_LOG_BYTES", 10_000)
        log, older = tmp_path / "worker.log", tmp_path / "worker.log.1"
        if is_full:
            older.mkdir()  # so that the log cannot be rotated
        program = (
            "import itertools, time\n"
            "for n in itertools.count(): print(f'{n:0100d}', flush=True); time.sleep(.01)"
        )
        with Children(tmp_path, os.environ, tmp_path) as children:
            worker = children.start("worker", [sys.executable, "-c", program])

            def is_rotated() -> bool:
                lines = log.read_text().splitlines()
                return len(lines) > 1 and int(lines[-1]) > 200

            # Read at once: the log may be rotated again.
            assert children.wait_until(older.exists, 60)
            assert is_full or older.read_text().startswith("0" * 100)
            assert children.wait_until(is_rotated, 60)
            assert worker.process.poll() is None
            assert older.is_dir() == is_full
        assert log.stat().st_size < 100 * int(log.read_text().splitlines()[-1])

    def test_it_can_be_stopped_while_a_child_waits_for_its_restart(self, tmp_path: Path) -> None:
        with Children(tmp_path, os.environ, tmp_path, restart_delays=(60,)) as children:
            children.enable_restarts()
            worker = children.start("worker", ["sleep", "600"])
            os.kill(worker.process.pid, signal.SIGKILL)
            assert children.wait_until(lambda: worker.restart_at is not None, 20)


def test_a_command_returns_its_exit_code(tmp_path: Path) -> None:
    children = Children(tmp_path, os.environ, tmp_path)
    assert children.run("command", [sys.executable, "-c", "raise SystemExit(7)"]) == 7
