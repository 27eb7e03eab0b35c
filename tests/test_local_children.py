"""The launcher's children: all are stopped, in order, whatever they do and however it ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A server, a worker that will not go, and what the worker started in a session of its own.
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
            children.start("base", ["sleep", "600"], foundation=True)
            children.start("stubborn", [sys.executable, "-c", stubborn], grace=GRACE)
            children.wait_until(lambda: "up" in (folder / "stubborn.log").read_text(), 20)
            print("ready", flush=True)
            ACTION
        except Interrupted:
            print("interrupted", flush=True)
    print("end", flush=True)
"""


def marked(mark: str) -> list[int]:
    """The processes whose environment holds MARK=mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"MARK={mark}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def none_left(mark: str, patience: float = 5.0) -> bool:
    end = time.monotonic() + patience
    while marked(mark):
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
        assert len(marked(str(tmp_path))) == 4
        process.send_signal(number)
        output, _ = process.communicate(timeout=10)
        assert output == "interrupted\nend\n"
        assert process.returncode == 0
        assert marked(str(tmp_path)) == []

    def test_after_a_second_ctrl_c_without_waiting(self, tmp_path: Path) -> None:
        process = launch(tmp_path, grace=60)
        process.send_signal(signal.SIGINT)
        time.sleep(1.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        assert marked(str(tmp_path)) == []

    def test_after_a_signal_in_the_midst_of_a_command(self, tmp_path: Path) -> None:
        process = launch(tmp_path, "children.run('command', ['sleep', '600'])")
        time.sleep(0.3)
        process.terminate()
        process.communicate(timeout=10)
        assert marked(str(tmp_path)) == []

    def test_after_the_launcher_itself_is_killed(self, tmp_path: Path) -> None:
        process = launch(tmp_path, "children.run('command', ['sleep', '600'])")
        stubborn = [pid for pid in marked(str(tmp_path)) if pid != process.pid]
        process.kill()
        process.communicate(timeout=10)
        # Those that obey SIGTERM are gone; the one that does not is ours to end.
        time.sleep(0.3)
        names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in marked(str(tmp_path))]
        assert len(names) == 2
        assert sum(name.startswith("python") for name in names) == 1
        for pid in stubborn:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        assert none_left(str(tmp_path))


def test_a_child_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    from imgsearch.local.children import ChildDied, Children

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with (
            pytest.raises(ChildDied, match=r"(?s)worker ended by itself \(exit code 3\).*famous"),
            Children(tmp_path, os.environ, tmp_path) as children,
        ):
            last_words = "import sys; print('famous last words'); sys.exit(3)"
            children.start("worker", [sys.executable, "-c", last_words])
            children.watch()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_command_returns_its_exit_code(tmp_path: Path) -> None:
    from imgsearch.local.children import Children

    children = Children(tmp_path, os.environ, tmp_path)
    assert children.run("command", [sys.executable, "-c", "raise SystemExit(7)"]) == 7
