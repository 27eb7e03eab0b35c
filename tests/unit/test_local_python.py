"""Which Python `make run` chooses, tested with scripts that imitate Python."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIND = ROOT / "imgsearch" / "local" / "find-python"
TOOLS = ("sh", "env", "uname", "find", "rm", "touch", "cat")


def write_script(folder: Path, name: str, code: str) -> Path:
    """An executable shell script."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)
    return path


def fake_python(folder: Path, name: str, version: str, *, can_make_venvs: bool = True) -> Path:
    """A script that answers find-python like Python `version`, and creates a venv."""
    words = f"{version} {'yes' if can_make_venvs else 'no'}"
    return write_script(
        folder,
        name,
        f'case "$1" in -c) echo "{words}";; --version) echo "Python {version}.9";;\n'
        '-m) mkdir -p "$3/bin" && cp "$0" "$3/bin/python";; *) exit 1;; esac',
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The only folder in PATH: the tools that a script needs, but no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in (*TOOLS, "make", "mkdir", "cp", "grep", "tail", "head"):
        found = shutil.which(tool)
        assert found, tool
        (folder / tool).symlink_to(found)
    return folder


def run(path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": str(path), "HOME": str(path.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def find_python(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(path, str(FIND), *arguments)


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        ({"python3": "3.12"}, "python3"),
        ({"python3": "3.14", "python3.14": "3.14", "python3.13": "3.13"}, "python3.13"),
        ({"python3": "3.14", "python3.12": "3.12", "python3.11": "3.11"}, "python3.12"),
        ({"python3": "3.9", "python3.11": "3.11"}, "python3.11"),
        ({"python3.11": "3.11"}, "python3.11"),
    ],
)
def test_the_default_python_is_used_if_suitable_else_the_newest(
    path: Path, installed: dict[str, str], chosen: str
) -> None:
    for name, version in installed.items():
        fake_python(path, name, version)
    assert find_python(path).stdout.strip() == chosen


def test_a_python_that_can_create_environments_is_preferred(path: Path) -> None:
    fake_python(path, "python3", "3.12", can_make_venvs=False)
    fake_python(path, "python3.11", "3.11")
    assert find_python(path).stdout.strip() == "python3.11"


def test_pythons_of_uv_and_pyenv_are_found(path: Path) -> None:
    fake_python(path, "python3", "3.14")
    pyenv = fake_python(path.parent / ".pyenv" / "versions" / "3.13.0" / "bin", "python3", "3.13")
    assert find_python(path).stdout.strip() == str(pyenv)
    of_uv = fake_python(path.parent / "uv", "python3.12", "3.12")
    write_script(
        path, "uv", f"[ \"$*\" = 'python find --no-project >=3.11,<3.14' ] && echo {of_uv}"
    )
    assert find_python(path).stdout.strip() == str(of_uv)


def test_a_python_that_does_not_run_is_skipped(path: Path) -> None:
    write_script(path, "python3", "echo pyenv: not found >&2; exit 127")
    write_script(path, "python3.13", "exit 0")  # PyPy, 32 bits or free-threaded: no output
    fake_python(path, "python3.12", "3.12")
    assert find_python(path).stdout.strip() == "python3.12"


@pytest.mark.parametrize(
    ("tool", "code", "line"),
    [
        ("brew", "", "brew install python@3.13"),
        (
            "apt-cache",
            '[ "$2" = python3.12-venv ]',
            "sudo apt-get install -y python3.12 python3.12-venv",
        ),
        ("apt-cache", "exit 100", "install Python 3.13 from"),
        ("dnf", "", "sudo dnf install -y python3.13"),
        ("pacman", "", "sudo pacman -S --needed uv && uv python install 3.13"),
        ("nothing", "", "install Python 3.13 from"),
    ],
)
def test_without_a_python_it_says_what_to_install(
    path: Path, tool: str, code: str, line: str
) -> None:
    fake_python(path, "python3", "3.14")
    write_script(path, tool, code)
    result = find_python(path)
    assert result.returncode == 1
    assert result.stdout == ""
    sentence, todo, command = result.stderr.splitlines()
    assert sentence.startswith("Python 3.11 to 3.13 is needed")
    assert "python3 is 3.14" in sentence
    assert todo == "Type this, then make run again:"
    assert line in command


def test_debian_without_venv_names_the_package(path: Path) -> None:
    fake_python(path, "python3", "3.11", can_make_venvs=False)
    result = find_python(path)
    assert result.returncode == 1
    assert "sudo apt-get install -y python3.11-venv" in result.stderr


def test_a_named_python_is_the_only_candidate(path: Path) -> None:
    named = fake_python(path.parent / "opt", "python", "3.12")
    assert find_python(path, str(named)).stdout.strip() == str(named)
    fake_python(path, "python3", "3.13")
    assert find_python(path, str(fake_python(path, "old", "3.10"))).returncode == 1


def test_a_real_python_is_recognised(path: Path) -> None:
    assert find_python(path, sys.executable).stdout.strip() == sys.executable


def test_the_versions_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    script = FIND.read_text("utf-8")
    assert "OLDEST=11 NEWEST=13" in script
    assert project["requires-python"] == ">=3.11,<3.14"


# --- the Makefile ---------------------------------------------------------------------------------


def make(path: Path, venv: Path, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
    words = [f"{name}={value}" for name, value in variables.items()]
    return run(path, "make", "--no-print-directory", target, f"VENV={venv}", *words)


def test_make_creates_the_environment_with_the_chosen_python(path: Path, tmp_path: Path) -> None:
    fake_python(path, "python3", "3.14")
    fake_python(path, "python3.13", "3.13")
    venv = tmp_path / "venv"
    result = make(path, venv, f"{venv}/.made")
    assert result.returncode == 0, result.stderr
    assert "with Python 3.13.9" in result.stdout
    assert (venv / ".made").exists()


def test_make_stops_without_a_suitable_python(path: Path, tmp_path: Path) -> None:
    fake_python(path, "python3", "3.14")
    result = make(path, tmp_path / "venv", "run")
    assert result.returncode != 0
    assert "Python 3.11 to 3.13 is needed" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_an_environment_of_an_unsuitable_python_is_reported(path: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    fake_python(venv / "bin", "python", "3.14")
    fake_python(path, "python3", "3.13")
    result = make(path, venv, "run")
    assert result.returncode != 0
    assert "was made by Python 3.14.9" in result.stderr
    assert "make clean" in result.stderr


def test_an_environment_without_its_python_is_reported(path: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(tmp_path / "gone")
    fake_python(path, "python3", "3.13")
    result = make(path, venv, "run")
    assert result.returncode != 0
    assert "made by a Python that is gone" in result.stderr


@pytest.mark.parametrize(
    ("system", "installs"),
    [
        ("Linux x86_64", True),
        ("Darwin arm64", True),
        ("Linux aarch64", False),
        ("Darwin x86_64", False),
    ],
)
def test_redis_is_installed_for_any_python_where_it_has_wheels(
    path: Path, tmp_path: Path, system: str, installs: bool
) -> None:
    venv = tmp_path / "venv"
    fake_python(path, "python3", "3.13")
    assert make(path, venv, f"{venv}/.made").returncode == 0
    write_script(
        venv / "bin",
        "python",
        f'case "$1" in -c) echo "3.13 yes";; *) echo "$@" >>{tmp_path}/calls;; esac',
    )
    (path / "uname").unlink()
    write_script(path, "uname", f'echo "{system}"')
    result = make(path, venv, f"{venv}/.redis-installed")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "calls").exists() == (venv / ".redis-installed").exists() == installs
    if installs:
        call = (tmp_path / "calls").read_text()
        for words in (f"--target {venv}/redis", "--python-version 3.11", "--only-binary=:all:"):
            assert words in call
