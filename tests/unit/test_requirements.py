"""Requirements are pinned, have a reason, and are the same everywhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ("requirements.txt", "requirements-dev.txt", "requirements-int8.txt")
PIN = re.compile(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)")


def read_pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = (PIN.match(line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


@pytest.mark.parametrize("name", FILES)
def test_constraints_agree_with_the_requirements(name: str) -> None:
    constraints = read_pins("constraints.txt")
    pins = read_pins(name)
    assert pins
    assert {package: constraints.get(package) for package in pins} == pins


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert [line for line in packages if not PIN.match(line)] == []


@pytest.mark.parametrize("name", FILES[:2])
def test_every_direct_requirement_says_why_it_is_there(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if PIN.match(line) and "# " not in line] == []
