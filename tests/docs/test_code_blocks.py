"""Every code block of the pages runs, or is read as what it is meant for would read it."""

from __future__ import annotations

import doctest
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aksk_provider.cli.arguments import parser as command_parser
from aksk_provider.emulator.__main__ import parser as emulator_parser
from aksk_provider.provider_info import get_provider_info
from aksk_provider.storage.config import StoreConfig
from tests.cluster.__main__ import parser as cluster_parser
from tests.docs.pages import ROOT, Block, blocks, commands
from tests.support import dag_runs

RUN = ("python", "pycon")
READ = ("bash", "json")
PLACEHOLDER = re.compile(r"<[\w ]+>")


def pages_with_code() -> list[Path]:
    return sorted({block.page for block in blocks(*RUN)})


@pytest.mark.parametrize("page", pages_with_code(), ids=lambda page: page.name)
def test_python_of_a_page_runs_from_top_to_bottom(page: Path, world: dict[str, object]) -> None:
    for block in blocks(*RUN):
        if block.page != page:
            continue
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), world)
        else:
            case = doctest.DocTestParser().get_doctest(block.text, world, page.name, str(page), block.line - 1)
            runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
            said: list[str] = []
            runner.run(case, out=said.append, clear_globs=False)
            world.update(case.globs)
            assert not runner.failures, "".join(said)


def dag_blocks() -> list[Block]:
    return [block for block in blocks("python") if re.search(r"^with DAG\(", block.text, re.MULTILINE)]


@pytest.mark.parametrize("block", dag_blocks(), ids=str)
def test_a_dag_of_a_page_runs_in_airflow(
    block: Block, world: dict[str, object], connections: dict[str, Any], database: None, tmp_path: Path
) -> None:
    """As it is, but for the path of the file to upload."""
    source = block.text.replace("/data/report.csv", str(tmp_path / "report.csv"))
    (tmp_path / "page_dag.py").write_text(source)
    (dag,) = dag_runs.load(tmp_path / "page_dag.py").values()
    result = dag_runs.run(dag)
    assert result.state == "success", result.states()
    assert set(result.states()) == set(re.findall(r'task_id="(\w+)"', block.text))


def described(uri_or_json: str) -> Iterator[StoreConfig]:
    """Read a connection as tasks read it, and as the server does."""
    from airflow.models import Connection as ServerConnection
    from airflow.sdk import Connection

    from aksk_provider.hooks.connection import store_config

    text = PLACEHOLDER.sub("placeholder", uri_or_json)
    for kind in (Connection, ServerConnection):
        is_json = text.lstrip().startswith("{")
        yield store_config(kind.from_json(text, conn_id="c") if is_json else kind(conn_id="c", uri=text))


def reads_alike(uri_or_json: str) -> StoreConfig:
    in_task, on_server = described(uri_or_json)
    assert (in_task.endpoint, in_task.bucket, in_task.region) == (
        on_server.endpoint,
        on_server.bucket,
        on_server.region,
    )
    assert (in_task.verify, in_task.proxies, in_task.read_timeout) == (
        on_server.verify,
        on_server.proxies,
        on_server.read_timeout,
    )
    assert (in_task.public_endpoint, in_task.credentials()) == (on_server.public_endpoint, on_server.credentials())
    return in_task


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_a_connection_in_json_can_be_used(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "of-the-worker")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "of-the-worker")
    config = reads_alike(block.text)
    wanted = json.loads(PLACEHOLDER.sub("placeholder", block.text))
    assert config.vendor.name == wanted["extra"]["vendor"]
    assert config.credentials().token == wanted["extra"].get("security_token")


def export(words: list[str]) -> None:
    from airflow.configuration import conf

    for word in words:
        name, _, value = word.partition("=")
        if re.fullmatch(r"AIRFLOW__[A-Z]+__[A-Z_]+", name):
            _, section, option = name.lower().split("__")
            assert option in conf.configuration_description[section]["options"]
            continue
        assert re.fullmatch(r"AIRFLOW_CONN_[A-Z_]+", name)
        assert reads_alike(value).bucket


def airflow(words: list[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    options = get_parser().parse_args(words)
    if words[:2] == ["connections", "add"]:
        fields = {name: getattr(options, f"conn_{name}") for name in ("login", "password", "schema", "host", "extra")}
        text = options.conn_uri or options.conn_json or json.dumps({"conn_type": options.conn_type, **fields})
        assert reads_alike(text).bucket


def make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(words) <= set(targets)


def pip(words: list[str]) -> None:
    assert words[0] == "install"
    assert all(word == "." or word == "pytest" for word in words[1:])


def python(words: list[str]) -> None:
    assert words[0] == "-m"
    parsers = {
        "aksk_provider": command_parser,
        "aksk_provider.emulator": emulator_parser,
        "tests.cluster": cluster_parser,
    }
    parsers[words[1]]().parse_args(words[2:])


def curl(words: list[str]) -> None:
    """Only its options can be checked here; tests/vendor_pages runs it."""
    assert all(word in ("--fail", "--output", "--header", "--upload-file") for word in words if word.startswith("-"))


def docker(words: list[str]) -> None:
    """Only what it names can be checked here: there may be no engine. ``tests/docker`` looks closer."""
    if words[0] == "build":
        assert (ROOT / words[words.index("-f") + 1]).is_file()
        return
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text("utf-8"))["services"]
    assert words[:3] == ["compose", "--project-directory", "docker"]
    assert words[3] in ("logs", "down")
    assert all(word in services or word in ("--follow", "--volumes") for word in words[4:])


def docker_up(words: list[str]) -> None:
    assert words == []
    assert (ROOT / "docker" / "up").is_file()


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "airflow": airflow, "curl": curl, "docker": docker, "docker/up": docker_up, "export": export, "make": make,
    "pip": pip, "python": python,
}  # fmt: skip


@pytest.mark.parametrize(
    ("block", "command"), commands(), ids=lambda value: str(value) if isinstance(value, Block) else ""
)
def test_a_command_is_one_that_works(block: Block, command: list[str]) -> None:
    CHECKS[command[0]](command[1:])


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_a_block_is_run_read_or_included(block: Block) -> None:
    """Fails for a block in a language that nothing here checks; ``text`` is for what is not code."""
    directive = re.fullmatch(r"\{(toctree|literalinclude|include)\}.*", block.language)
    assert block.language in (*RUN, *READ, "text") or directive


def test_the_table_of_fields_has_every_field_of_the_form() -> None:
    page = (ROOT / "docs" / "connection.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| ([\w ]+) \| extra `(\w+)`", page, re.MULTILINE))
    (connection_type,) = get_provider_info()["connection-types"]
    assert rows == {field["label"]: name for name, field in connection_type["conn-fields"].items()}
