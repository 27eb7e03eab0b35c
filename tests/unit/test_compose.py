"""docker-compose.yml is valid, every service has a health check, and the image is small."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from imgsearch.queues import DEFAULT_KINDS, KINDS
from tests.containers import compose_file, image_checks
from tests.containers.compose_file import ComposeError, read_services, start_order
from tests.containers.images import BASE_IMAGE

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


# --- what `.ci/containers`, which is not part of `make test`, reads from the file -----------------


@pytest.fixture(scope="module")
def services() -> dict[str, compose_file.Service]:
    return read_services(
        ROOT / "docker-compose.yml", {"POSTGRES_PASSWORD": "secret", "WORKERS": "3"}
    )


def test_commands_and_health_checks_are_read_with_their_variables(
    services: dict[str, compose_file.Service],
) -> None:
    worker = services["worker"]
    assert worker.command[:4] == ("celery", "-A", "imgsearch", "worker")
    assert worker.environment["WORKERS"] == "3"
    assert worker.environment["SPEECH_MODEL"] == "off"
    assert worker.environment["DATABASE_URL"].startswith("postgres://imgsearch:secret@postgres:")
    assert worker.volumes == (("var", "/data"), ("models", "/models"), ("media", "/media"))
    assert worker.health is not None
    assert worker.health.command[:2] == ("/bin/sh", "-c")
    assert "@$HOSTNAME " in worker.health.command[2]
    assert services["web"].command == ()  # the image's


def test_services_start_after_those_that_they_need(
    services: dict[str, compose_file.Service],
) -> None:
    order = [service.name for service in start_order(services.values())]
    assert {"postgres", "redis"} == set(order[:2])
    assert order[2] == "setup"
    assert {"web", "worker", "beat"} <= set(order[3:])


def test_a_missing_password_is_an_error() -> None:
    with pytest.raises(ComposeError, match=r"POSTGRES_PASSWORD: Copy \.env\.example"):
        read_services(ROOT / "docker-compose.yml", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$$NAME", "$NAME"),
        ("$SET ${SET} ${UNSET}", "x x "),
        ("${EMPTY-d} ${EMPTY:-d} ${UNSET-d} ${SET:-d}", " d d x"),
        ("${SET:+a}${EMPTY:+b}${EMPTY+c}", "ac"),
        ("${EMPTY?not an error}", ""),
    ],
)
def test_variables_are_replaced_as_in_compose(text: str, expected: str) -> None:
    assert compose_file.interpolate(text, {"SET": "x", "EMPTY": ""}) == expected


@pytest.mark.parametrize("text", ["${SET:-${OTHER}}", "${", "a $ b"])
def test_a_malformed_variable_is_an_error(text: str) -> None:
    with pytest.raises(ComposeError):
        compose_file.interpolate(text, {"SET": ""})


def test_containers_write_to_volumes_only(services: dict[str, compose_file.Service]) -> None:
    for service in services.values():
        if service.image == "imgsearch":
            assert service.is_read_only, service.name
            assert service.tmpfs == ("/tmp",), service.name


def test_the_image_gets_only_what_it_needs() -> None:
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in rules
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert allowed == image_checks.CONTENTS
    assert all((ROOT / name).exists() for name in allowed)


def test_the_image_has_pytorch_for_cpus_by_default() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert "ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu\n" in dockerfile
    assert BASE_IMAGE.search(dockerfile)
