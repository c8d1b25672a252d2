"""Tickets and hand-over as tasks: what lands in XCom, what is masked, what is refused."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from aksk_provider.errors import InvalidRequestError
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import PresignURLOperator, UploadTicketOperator
from aksk_provider.storage.presigning.handover import COMMANDS, LISTINGS
from aksk_provider.storage.presigning.ticket_client import abort_multipart_ticket, use_multipart_ticket
from aksk_provider.storage.presigning.tickets import form_document, links_of, read_form
from tests.support import dag_runs, leaks
from tests.support.clouds import Cloud
from tests.support.forms import submit

Put = Callable[..., str]


@pytest.fixture(autouse=True)
def connection(any_cloud: Cloud, in_environment: Put) -> None:
    in_environment(any_cloud)


CONTEXT: Any = {"ti": SimpleNamespace(xcom_push=lambda *_: None)}


def executed(**arguments: Any) -> dict[str, Any]:
    return UploadTicketOperator(task_id="ticket", **arguments).execute({})  # type: ignore[arg-type]


def test_a_form_ticket_is_a_plain_dict_that_works(any_cloud: Cloud) -> None:
    ticket = executed(key="tickets/task.csv", content_type="text/csv", max_size="10", success_status="200")
    assert json.loads(json.dumps(ticket)) == ticket
    assert (ticket["kind"], ticket["uri"]) == ("form", any_cloud.uri("tickets/task.csv"))
    form = read_form(ticket)
    assert form_document(form) == {name: ticket[name] for name in form_document(form)}
    assert submit(form, b"0123456789").status_code == 200
    assert submit(form, b"0123456789x").status_code == 400
    lifetime = form.expires_at - datetime.now(timezone.utc)
    assert timedelta(minutes=59) < lifetime <= timedelta(hours=1)


def test_a_multipart_ticket_is_a_plain_dict_that_works(any_cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    ticket = executed(kind="multipart", key="tickets/task.bin", size="10", expires_in="600", metadata={"a": "b"})
    assert json.loads(json.dumps(ticket)) == ticket
    assert (ticket["kind"], ticket["uri"], ticket["size"]) == ("multipart", any_cloud.uri("tickets/task.bin"), 10)
    assert use_multipart_ticket(ticket, tmp_path / "file").size == 10
    assert ObjectStorageHook().head("tickets/task.bin").metadata == {"a": "b"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "letter", "key": "a"},
        {"key": "a", "size": 10},
        {"kind": "multipart", "key": "a"},
        {"kind": "multipart", "size": 10},
        {"kind": "multipart", "key": "a", "size": 10, "max_size": 10},
        {"key": "a", "max_size": "ten"},
        {"key": "a", "expires_in": "soon"},
        {},
    ],
)
def test_a_ticket_that_cannot_be_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        executed(**arguments)


def test_a_ticket_is_in_xcom_only(
    any_cloud: Cloud,
    in_database: Put,
    home: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    in_database(any_cloud)
    caplog.set_level(logging.DEBUG, "airflow.task")
    with DAG("tickets", schedule=None) as dag:
        UploadTicketOperator(task_id="form", key_prefix="tickets/")
        UploadTicketOperator(task_id="parts", kind="multipart", key="tickets/parts", size=10)
        PresignURLOperator(task_id="list", key=["a", "b"], handover="html")
    result = dag_runs.run(dag)
    assert result.state == "success", result.errors
    form, parts, listed = (result.xcom(name) for name in ("form", "parts", "list"))
    signatures = [leaks.signature(url) for url in links_of(parts)]
    signatures += [value for name, value in form["fields"].items() if "ignature" in name and len(value) == 64]
    signatures += [form["fields"]["policy"], *(leaks.signature(link["url"]) for link in listed)]
    assert leaks.tables_with(home / "airflow.db", signatures) == {"xcom"}
    assert leaks.files_with(home / "logs", signatures) == set()
    printed = capfd.readouterr()
    logged = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn"))
    assert not [text for text in signatures if text in printed.out + printed.err + logged]
    abort_multipart_ticket(parts)


@pytest.mark.parametrize("tool", COMMANDS)
def test_a_link_comes_with_its_command(any_cloud: Cloud, tool: str, tmp_path: Path) -> None:
    ObjectStorageHook().upload(b"content", "handover/it's.csv")
    operator = PresignURLOperator(task_id="link", key="handover/it's.csv", handover=tool)
    link = operator.execute(CONTEXT)
    subprocess.run(["bash", "-c", link["command"]], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "it's.csv").read_bytes() == b"content"


@pytest.mark.parametrize("kind", LISTINGS)
def test_links_come_as_a_list(any_cloud: Cloud, kind: str) -> None:
    operator = PresignURLOperator(task_id="links", key=["a/1.csv", any_cloud.uri("a/2.csv")], handover=kind)
    links = operator.execute(CONTEXT)
    assert ["1" in link["listing"] and "UTC" in link["listing"] for link in links] == [True, True]
    assert all("command" not in link for link in links)


def test_a_link_comes_alone_by_default(any_cloud: Cloud) -> None:
    link = PresignURLOperator(task_id="link", key="a").execute(CONTEXT)
    assert not {"command", "listing"} & set(link)
