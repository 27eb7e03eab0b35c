"""docker-compose.yml is valid, and every service has a health check."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from imgsearch.queues import DEFAULT_KINDS, KINDS

ROOT = Path(__file__).resolve().parents[2]


FILES = ("docker-compose.yml", "docker-compose.machines.yml")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("name", FILES)
def test_it_follows_the_compose_schema(name: str) -> None:
    result = subprocess.run(
        [
            sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
            str(ROOT / name),
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_long_running_service_has_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {
        *("web", "worker", "speech", "beat", "redis", "postgres", "setup"),
        *("cpu-worker", "gpu-worker"),
    }
    for name in set(services) - {"setup"}:
        assert services[name]["healthcheck"]["test"], name
        assert services[name]["restart"] == "unless-stopped", name


def test_servers_start_after_the_setup_and_healthy_stores(compose: dict[str, Any]) -> None:
    for name in ("web", "worker", "speech", "beat"):
        waits_for = compose["services"][name]["depends_on"]
        assert waits_for["setup"]["condition"] == "service_completed_successfully"
        assert waits_for["redis"]["condition"] == "service_healthy"
        assert waits_for["postgres"]["condition"] == "service_healthy"


def test_the_speech_worker_takes_from_the_queue_of_speech(compose: dict[str, Any]) -> None:
    assert compose["services"]["speech"]["environment"]["WORKER_QUEUES"] == "speech"
    assert "speech" in KINDS
    assert "speech" not in DEFAULT_KINDS


def test_workers_on_other_machines_need_no_other_container(compose: dict[str, Any]) -> None:
    """`docker compose up cpu-worker` starts nothing else."""
    for name in ("cpu-worker", "gpu-worker"):
        service = compose["services"][name]
        assert service["profiles"] == [name]
        assert "depends_on" not in service
        assert "shared-media:/media" in service["volumes"]
        assert service["environment"]["MEDIA_DIR"] == "/media"
        assert service["command"] == compose["services"]["worker"]["command"]
    gpu = compose["services"]["gpu-worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert gpu == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]


def test_stores_are_open_to_other_machines_only_with_passwords() -> None:
    text = (ROOT / "docker-compose.machines.yml").read_text("utf-8")
    assert "${CLUSTER_ADDRESS:?" in text
    assert "${REDIS_PASSWORD:?" in text
    services = yaml.safe_load(text)["services"]
    assert set(services) == {"postgres", "redis"}


def test_state_lives_in_named_volumes(compose: dict[str, Any]) -> None:
    used = {
        volume.removeprefix("${MEDIA_PATH:-").partition(":")[0].rstrip("}")
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    }
    assert (
        used
        == set(compose["volumes"])
        == {
            *("var", "models", "media", "shared-media", "postgres", "redis"),
        }
    )


def test_redis_keeps_everything(compose: dict[str, Any]) -> None:
    redis = compose["services"]["redis"]
    assert redis["image"] == "redis:8"
    command = " ".join(redis["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_secrets_and_stores_are_not_exposed(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert "${POSTGRES_PASSWORD:?" in text
    assert "POSTGRES_PASSWORD=\n" in (ROOT / ".env.example").read_text("utf-8")
    for name in set(compose["services"]) - {"web"}:
        assert "ports" not in compose["services"][name], name
    assert compose["services"]["web"]["ports"][0].startswith("${HOST:-127.0.0.1}:")
