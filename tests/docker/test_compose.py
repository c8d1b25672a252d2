"""``docker/`` as far as it can be checked without a container engine: no image is pulled, nothing is started."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from cryptography.fernet import Fernet

from tests.support.processes import REPOSITORY

DOCKER = REPOSITORY / "docker"
TEXT = (DOCKER / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = {"api-server", "scheduler", "dag-processor", "triggerer", "worker", "migrate"}
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])[^}]*)?\}")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What ``docker/up`` writes."""
    return written(tmp_path_factory.mktemp("up"))[1]


def up(folder: Path, *arguments: str) -> list[str]:
    """Run a copy of ``docker/up`` beside a ``docker`` that only writes down what it is asked; return that."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "docker").write_text('#!/bin/sh\nprintf "%s\\n" "$PWD" "$@" > "$ASKED"\n')
    (folder / "bin" / "docker").chmod(0o755)
    (folder / "up").write_text((DOCKER / "up").read_text("utf-8"))
    environment = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "ASKED": str(folder / "asked")}
    subprocess.run(["sh", str(folder / "up"), *arguments], env=environment, check=True, capture_output=True)
    return (folder / "asked").read_text().splitlines()


def written(folder: Path) -> tuple[list[str], dict[str, str]]:
    asked = up(folder)
    lines = (folder / ".env").read_text().splitlines()
    return asked, dict(line.split("=", 1) for line in lines)


def filled(text: str, secrets: dict[str, str]) -> str:
    """Put in the variables as Compose does."""
    return VARIABLE.sub(lambda found: secrets[found[1]], text).replace("$$", "$")


def environment(service: str) -> dict[str, str]:
    return SERVICES[service].get("environment", {})


def test_the_file_is_valid_by_the_compose_specification(secrets: dict[str, str]) -> None:
    whole = yaml.safe_load(filled(TEXT, {**secrets, "AIRFLOW_PORT": "8080"}))
    compose = PyCompose.from_json(json.dumps(whole))
    assert set(compose.service_names()) == set(SERVICES)


@pytest.mark.parametrize(
    "wrong", [{"heathcheck": {}}, {"ports": ["a:b"]}, {"healthcheck": {"test": ["CMD"], "interval": "soon"}}]
)
def test_what_is_not_of_the_specification_would_be_found(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        PyCompose.from_json(json.dumps({"services": {"redis": {"image": "redis", **wrong}}}))


def test_every_part_of_the_cluster_is_there_and_is_asked_whether_it_is_healthy() -> None:
    assert set(SERVICES) == AIRFLOW | {"postgres", "redis", "emulator"}
    assert [name for name, service in SERVICES.items() if "healthcheck" not in service] == ["migrate"]
    assert SERVICES["worker"]["deploy"] == {"replicas": 2}
    for name, service in SERVICES.items():
        for other, condition in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other == "migrate" else "service_healthy"
            assert condition == {"condition": wanted}, name


def test_one_service_builds_the_image_of_all() -> None:
    builds = {name: service["build"] for name, service in SERVICES.items() if "build" in service}
    assert builds == {"migrate": {"context": "..", "dockerfile": "docker/Dockerfile"}}
    assert (DOCKER / builds["migrate"]["context"] / builds["migrate"]["dockerfile"]).is_file()
    assert {name for name, service in SERVICES.items() if service["image"] == "airflow-aksk"} == {*AIRFLOW, "emulator"}


def test_every_volume_that_is_mounted_is_declared_or_is_there() -> None:
    mounts = [mount.split(":")[:2] for service in SERVICES.values() for mount in service.get("volumes", [])]
    named = {source for source, _ in mounts if "/" not in source}
    assert named == set(COMPOSE["volumes"])
    assert {(DOCKER / source).resolve() for source, _ in mounts if "/" in source} == {REPOSITORY / "dags"}


def test_ports_are_for_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:${AIRFLOW_PORT:-8080}:8080"]


def test_every_variable_is_one_that_up_writes_and_no_secret_has_a_default(secrets: dict[str, str]) -> None:
    needed = {name: kind for name, kind in VARIABLE.findall(TEXT) if name != "AIRFLOW_PORT"}
    assert set(needed) == set(secrets)
    assert set(needed.values()) == {"?"}


def test_no_secret_stands_in_the_file() -> None:
    """Fails for a password, key or token that is written out instead of named."""
    for found in re.finditer(r'(?:PASSWORD|SECRET|KEY|TOKEN|password|token|AUTH)"?: +(\S+)', TEXT):
        assert re.match(r'"?\$\{', found[1]), found[0]
    assert re.findall(r"//[^$\s]*:[^$\s]*@", TEXT) == []
    assert all("${" in found for found in re.findall(r"--account=\S+", TEXT))


def test_up_writes_secrets_once_for_their_owner_alone(tmp_path: Path) -> None:
    asked, secrets = written(tmp_path)
    assert asked == [str(tmp_path), "compose", "up", "--build", "--detach", "--wait"]
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert up(tmp_path, "--no-build")[-1] == "--no-build"
    assert written(tmp_path)[1] == secrets
    assert len(set(secrets.values())) == len(secrets)
    assert not list(tmp_path.glob(".env.*"))
    Fernet(secrets.pop("FERNET_KEY"))
    assert all(re.fullmatch(r"[0-9a-f]{48,}", value) for value in secrets.values())


def test_git_ignores_what_up_writes() -> None:
    assert "docker/.env" in (REPOSITORY / ".gitignore").read_text().splitlines()
    assert (DOCKER / "up").stat().st_mode & stat.S_IXUSR


@cache
def options() -> frozenset[str]:
    """Return every option of Airflow and of its Celery provider, as a variable."""
    from airflow.configuration import conf
    from airflow.providers.celery.get_provider_info import get_provider_info

    sections = (*conf.configuration_description.items(), *get_provider_info()["config"].items())
    return frozenset(
        f"AIRFLOW__{section.upper()}__{option.upper()}" for section, about in sections for option in about["options"]
    )


def test_every_airflow_variable_is_an_option_of_airflow() -> None:
    used = {name for service in SERVICES for name in environment(service) if name.startswith("AIRFLOW__")}
    assert len(used) > 8
    assert used - options() == set()
    assert "AIRFLOW__CORE__EXECUTER" not in options()


def test_every_airflow_service_has_the_same_settings() -> None:
    common = environment("scheduler")
    assert all(common.items() <= environment(name).items() for name in AIRFLOW)
    assert {environment(name).get("AIRFLOW__CORE__EXECUTOR") for name in AIRFLOW} == {"CeleryExecutor"}


def commands() -> Iterator[tuple[str, list[str]]]:
    for name, service in SERVICES.items():
        command = service.get("command", [])
        words = shlex.split(command) if isinstance(command, str) else command
        yield name, [*service.get("entrypoint", []), *words]
        kind, *test = service.get("healthcheck", {}).get("test", ["CMD"])
        yield f"{name} is healthy", shlex.split(test[0]) if kind == "CMD-SHELL" else test


def parsed_airflow(words: list[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    get_parser().parse_args(words)


def parsed_python(words: list[str]) -> None:
    from aksk_provider.emulator.__main__ import parser

    assert words[:2] == ["-m", "aksk_provider.emulator"]
    parser().parse_args(words[2:])


def parsed_celery(words: list[str]) -> None:
    from celery import Celery
    from celery.app.control import Inspect
    from celery.bin.control import inspect

    assert words[0] == "--app"
    module, _, name = words[1].rpartition(".")
    assert isinstance(getattr(import_module(module), name), Celery)
    assert words[2] == "inspect"
    method, *rest = words[3:]
    assert callable(getattr(Inspect, method))
    inspect.make_context("inspect", [method, *rest], resilient_parsing=True)


def parsed_elsewhere(words: list[str]) -> None:
    """Of the images of PostgreSQL and Redis, and curl: nothing here can parse it."""


PARSERS = {
    "airflow": parsed_airflow,
    "celery": parsed_celery,
    "python": parsed_python,
    **dict.fromkeys(("curl", "pg_isready", "redis-cli", "sh"), parsed_elsewhere),
}


@pytest.mark.parametrize(("service", "words"), [pair for pair in commands() if pair[1]])
def test_every_command_exists(service: str, words: list[str], secrets: dict[str, str]) -> None:
    words = [filled(word, secrets) for word in words]
    PARSERS[words[0]](words[1:])


def test_a_command_that_does_not_exist_would_be_found() -> None:
    for parse, words in ((parsed_airflow, ["webserver"]), (parsed_airflow, ["celery", "workers"])):
        with pytest.raises(SystemExit):
            parse(words)


def test_every_component_runs_its_own_command() -> None:
    for name in AIRFLOW - {"migrate", "worker"}:
        assert SERVICES[name]["command"] == f"airflow {name}"
    assert SERVICES["worker"]["command"] == "airflow celery worker"


def test_the_connections_reach_an_emulator_started_with_the_same_arguments(
    secrets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aksk_provider.emulator import Emulator
    from aksk_provider.emulator.__main__ import parser
    from aksk_provider.hooks.object_storage import ObjectStorageHook

    given = parser().parse_args([filled(word, secrets) for word in SERVICES["emulator"]["command"]])
    with Emulator(accounts=given.account, buckets=given.bucket, data_dir=tmp_path) as emulator:
        for name, text in environment("worker").items():
            if name.startswith("AIRFLOW_CONN_"):
                fields = json.loads(filled(text, secrets))
                assert fields.pop("host") == f"http://emulator:{given.port}"
                monkeypatch.setenv(name, json.dumps({**fields, "host": emulator.endpoint}))
        for conn_id in ("aksk_default", "aksk_bos", "aksk_oss", "aksk_cos"):
            hook = ObjectStorageHook(conn_id)
            assert hook.upload(b"1", "here.txt").size == 1
            assert hook.store.config.vendor.name in (conn_id.rpartition("_")[2], "oss")


def test_the_host_of_the_emulator_takes_the_bucket_in_the_path(secrets: dict[str, str]) -> None:
    from airflow.sdk import Connection

    from aksk_provider.hooks.connection import store_config

    text = filled(environment("worker")["AIRFLOW_CONN_AKSK_OSS"], secrets)
    assert store_config(Connection.from_json(text, conn_id="c")).endpoint.addressing == "path"
