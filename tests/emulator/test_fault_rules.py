"""Which requests a rule hits, and how rules are given: in Python, in a file, over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests

from aksk_provider.emulator import Emulator
from aksk_provider.emulator.__main__ import main
from aksk_provider.emulator.faults import (
    OPERATIONS,
    Cut,
    CutRequest,
    ExpireToken,
    Fault,
    Flip,
    FlipRequest,
    ForgetUpload,
    Hang,
    Redirect,
    Replace,
    Reset,
    Skew,
    Slow,
    Status,
    WrongChecksum,
    WrongLength,
)
from aksk_provider.emulator.faults.documents import KINDS, from_json, read, to_json
from aksk_provider.signing import Request
from tests.conftest import BUCKETS, PERMANENT
from tests.emulator.asking import BUCKETS as BUCKET_OF
from tests.emulator.asking import VENDORS, VERSIONED, Asker, credentials_of, send, signer_of
from tests.emulator.test_faults import BODY, part, upload_id

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "faults.json"

every_vendor = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture(scope="module")
def faulty() -> Iterator[Emulator]:
    with Emulator(accounts=[PERMANENT], buckets=BUCKETS) as running:
        yield running


@pytest.fixture
def ask(faulty: Emulator, vendor: str) -> Iterator[Asker]:
    yield Asker(faulty, vendor, credentials_of(PERMANENT))
    faulty.faults.clear()


@pytest.fixture
def key(ask: Asker) -> str:
    key = f"faults/{uuid.uuid4().hex}"
    ask.put(key, BODY)
    return key


def hits(ask: Asker, named: str, number: int, **wanted: Any) -> list[int]:
    """Return which of so many requests are hit, counted from 1."""
    rule = ask.emulator.faults.add(Fault(Status(500), **wanted))
    found = [turn for turn in range(1, number + 1) if ask.ask("HEAD", named).status_code == 500]
    assert (rule.seen, rule.fired) == (number, len(found))
    return found


@pytest.mark.parametrize("vendor", ["oss"])
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"nth": 2}, [2]),
        ({"times": 2}, [1, 2]),
        ({"skip": 4}, [5, 6]),
        ({"every": 3}, [3, 6]),
        ({"every": 2, "times": 2}, [2, 4]),
        ({"skip": 1, "nth": 2}, [3]),
        ({"skip": 1, "every": 2, "times": 1}, [3]),
        ({"probability": 0.0}, []),
        ({"probability": 1.0, "times": 3}, [1, 2, 3]),
    ],
    ids=str,
)
def test_a_rule_counts_the_requests_it_matches(
    ask: Asker, key: str, wanted: dict[str, Any], expected: list[int]
) -> None:
    assert hits(ask, key, 6, **wanted) == expected


@pytest.mark.parametrize("vendor", ["oss"])
def test_chance_repeats_itself_with_the_same_seed(ask: Asker, key: str) -> None:
    runs = []
    for seed in (1, 1, 2):
        ask.emulator.faults.clear()
        runs.append(hits(ask, key, 20, probability=0.5, seed=seed))
    assert runs[0] == runs[1] != runs[2]
    assert 0 < len(runs[0]) < 20


@every_vendor
def test_a_rule_hits_only_the_requests_it_describes(ask: Asker, key: str) -> None:
    other = next(vendor for vendor in VENDORS if vendor != ask.vendor)
    for wanted in (
        {"vendor": ask.vendor},
        {"method": "HEAD"},
        {"bucket": BUCKET_OF[ask.vendor]},
        {"key": "faults/*"},
        {"key": f"*{key[-4:]}"},
        {"operation": "head"},
    ):
        assert hits(ask, key, 1, **wanted) == [1], wanted
        ask.emulator.faults.clear()
    for wanted in (
        {"vendor": other},
        {"method": "GET"},
        {"bucket": VERSIONED[ask.vendor]},
        {"key": "FAULTS/*"},
        {"operation": "get"},
        {"operation": "head", "key": "other"},
    ):
        ask.emulator.faults.add(Fault(Status(500), **wanted))  # type: ignore[arg-type]
        assert ask.ask("HEAD", key).status_code == 200, wanted
        assert ask.emulator.faults.rules[-1].seen == 0


@every_vendor
def test_every_operation_has_its_name(ask: Asker, key: str) -> None:
    rules = {name: ask.emulator.faults.add(Fault(Skew(0), operation=name)) for name in OPERATIONS}

    def asked(name: str, *args: Any, **options: Any) -> requests.Response:
        before = {name: rule.seen for name, rule in rules.items()}
        answer = ask.ask(*args, **options)
        assert {name for name, rule in rules.items() if rule.seen != before[name]} == {name}
        return answer

    source = f"{BUCKET_OF[ask.vendor]}{'.cos.ap-guangzhou.myqcloud.com' if ask.vendor == 'cos' else ''}/{key}"
    copied = {f"{ask.prefix}copy-source": source if ask.vendor == "cos" else f"/{source}"}
    asked("put", "PUT", key, body=BODY)
    asked("copy", "PUT", f"{key}-2", headers=copied, body=b"")
    asked("get", "GET", key)
    asked("head", "HEAD", key)
    asked("list", "GET", None)
    asked("head_bucket", "HEAD", None)
    asked("get_bucket", "GET", None, [("location", "")])
    asked("list_uploads", "GET", None, [("uploads", "")])
    upload = upload_id(asked("initiate", "POST", key, [("uploads", "")]))
    asked("upload_part", "PUT", key, part(upload, 1), body=BODY)
    asked("copy_part", "PUT", key, part(upload, 2), headers=copied, body=b"")
    asked("list_parts", "GET", key, [("uploadId", upload)])
    asked("complete", "POST", key, [("uploadId", upload)], body=b"{}")
    asked("abort", "DELETE", key, [("uploadId", upload)])
    asked("delete", "DELETE", key)
    asked("post_form", "POST", None, body=b"")
    asked("delete_many", "POST", None, [("delete", "")], body=b"{}")
    assert {name for name, rule in rules.items() if not rule.seen} == {"list_buckets"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (lambda: Fault(Skew(1), vendor="s3"), "vendor"),
        (lambda: Fault(Skew(1), operation="upload"), "operation"),
        (lambda: Fault(Skew(1), method="get"), "method"),
        (lambda: Fault(Skew(1), probability=1.5), "probability"),
        (lambda: Fault(Skew(1), nth=0), "nth"),
        (lambda: Fault(Skew(1), every=0), "every"),
        (lambda: Fault(Skew(1), times=0), "times"),
        (lambda: Fault(Skew(1), skip=-1), "skip"),
        (lambda: Cut(after=-1), "after"),
        (lambda: CutRequest(after=-1), "after"),
        (lambda: Flip(at=-1), "at"),
        (lambda: FlipRequest(at=-1), "at"),
        (lambda: Replace(-1, b""), "after"),
        (lambda: Hang(-1), "seconds"),
        (lambda: Slow(0), "bytes_per_second"),
        (lambda: Status(99), "status"),
        (lambda: Status(503, retry_after=-1), "retry_after"),
        (lambda: Redirect("elsewhere"), "location"),
        (lambda: Redirect("http://elsewhere", 200), "status"),
    ],
)
def test_what_can_never_happen_is_refused_by_name(wrong: Callable[[], object], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be "):
        wrong()


FLAT: list[tuple[dict[str, Any], Fault]] = [
    ({"fault": "cut"}, Fault(Cut())),
    ({"fault": "cut", "after": 0, "operation": "get", "nth": 2}, Fault(Cut(after=0), operation="get", nth=2)),
    ({"fault": "cut_request", "after": 10, "times": 1}, Fault(CutRequest(10), times=1)),
    ({"fault": "expire_token", "nth": 5}, Fault(ExpireToken(), nth=5)),
    ({"fault": "flip", "at": 7, "key": "big/*"}, Fault(Flip(7), key="big/*")),
    ({"fault": "flip_request", "at": 7, "every": 3}, Fault(FlipRequest(7), every=3)),
    ({"fault": "forget_upload", "vendor": "oss"}, Fault(ForgetUpload(), vendor="oss")),
    ({"fault": "hang", "seconds": 0.5, "after": 3}, Fault(Hang(0.5, after=3))),
    ({"fault": "hang", "seconds": 30, "performed": True}, Fault(Hang(30, performed=True))),
    ({"fault": "redirect", "location": "http://other"}, Fault(Redirect("http://other"))),
    ({"fault": "replace", "after": 3, "content": "é"}, Fault(Replace(3, "é".encode()))),
    ({"fault": "reset", "method": "PUT", "skip": 2}, Fault(Reset(), method="PUT", skip=2)),
    ({"fault": "skew", "seconds": -3600}, Fault(Skew(-3600))),
    ({"fault": "slow", "bytes_per_second": 1, "bucket": "b"}, Fault(Slow(1), bucket="b")),
    (
        {"fault": "status", "status": 503, "retry_after": 2, "probability": 0.5, "seed": 3},
        Fault(Status(503, retry_after=2), probability=0.5, seed=3),
    ),
    ({"fault": "status", "status": 500, "headers": {"a": "b"}}, Fault(Status(500, headers={"a": "b"}))),
    ({"fault": "wrong_checksum"}, Fault(WrongChecksum())),
    ({"fault": "wrong_length", "by": -1}, Fault(WrongLength(-1))),
]


@pytest.mark.parametrize(("flat", "fault"), FLAT, ids=lambda value: value["fault"] if isinstance(value, dict) else "")
def test_json_says_what_python_does(flat: dict[str, Any], fault: Fault) -> None:
    assert from_json(flat) == fault
    assert to_json(fault) == flat


def test_every_kind_of_fault_is_told_in_json() -> None:
    assert {flat["fault"] for flat, _ in FLAT} == set(KINDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "this is not JSON: "),
        ("{}", "the rules must be a list"),
        ("[1]", "rule 1: a rule must be an object"),
        ("[{}]", "rule 1: fault must be one of cut, cut_request, "),
        ('[{"fault": "cut"}, {"fault": "bite"}]', "rule 2: fault must be one of .*, not 'bite'"),
        ('[{"fault": []}]', "rule 1: fault must be one of "),
        ('[{"fault": "flip"}]', "rule 1: flip needs at"),
        (
            '[{"fault": "flip", "at": 1, "after": 1}]',
            "rule 1: flip has no field 'after'; its own are at; ",
        ),
        ('[{"fault": "flip", "at": "1"}]', 'rule 1: at must be a whole number, not "1"'),
        ('[{"fault": "flip", "at": null}]', "rule 1: at must be a whole number, not null"),
        ('[{"fault": "flip", "at": true}]', "rule 1: at must be a whole number, not true"),
        ('[{"fault": "flip", "at": -1}]', "rule 1: at must be at least 0, not -1"),
        ('[{"fault": "cut", "performed": 1}]', "rule 1: performed must be true or false, not 1"),
        ('[{"fault": "cut", "key": 1}]', "rule 1: key must be text, not 1"),
        ('[{"fault": "cut", "effect": "x"}]', "rule 1: cut has no field 'effect'"),
        ('[{"fault": "cut", "operation": "GET"}]', "rule 1: operation must be one of .*, not 'GET'"),
        ('[{"fault": "hang", "seconds": "long"}]', 'rule 1: seconds must be a number, not "long"'),
        (
            '[{"fault": "status", "status": 500, "headers": {"a": 1}}]',
            "rule 1: headers must be an object ",
        ),
        ('[{"fault": "status", "status": 5000}]', "rule 1: status must be 200 to 599, not 5000"),
    ],
)
def test_a_wrong_rule_is_refused_by_its_number_and_field(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        read(text)


def control(emulator: Emulator, method: str, body: str = "") -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, f"{emulator.endpoint}/-/faults", data=body, timeout=10)


@pytest.mark.parametrize("vendor", ["oss"])
def test_rules_are_set_read_and_cleared_over_http(ask: Asker, key: str) -> None:
    rules = [{"fault": "status", "status": 500, "operation": "head", "times": 1}, {"fault": "cut", "key": "other"}]
    answer = control(ask.emulator, "PUT", json.dumps(rules))
    unused = [{"rule": rule, "seen": 0, "fired": 0} for rule in rules]
    assert (answer.status_code, answer.json()) == (200, unused)
    assert [ask.ask("HEAD", key).status_code for _ in range(3)] == [500, 200, 200]
    assert control(ask.emulator, "GET").json() == [{"rule": rules[0], "seen": 3, "fired": 1}, unused[1]]
    assert control(ask.emulator, "PUT", json.dumps(rules)).json() == unused
    assert control(ask.emulator, "DELETE").json() == []
    assert (control(ask.emulator, "GET").json(), ask.emulator.faults.rules) == ([], ())


@pytest.mark.parametrize("vendor", ["oss"])
def test_a_wrong_rule_over_http_changes_nothing(ask: Asker, key: str) -> None:
    rule = ask.emulator.faults.add(Fault(Skew(0)))
    answer = control(ask.emulator, "PUT", '[{"fault": "cut"}, {"fault": "flip"}]')
    assert (answer.status_code, answer.json()) == (400, {"error": "rule 2: flip needs at"})
    assert ask.emulator.faults.rules == (rule,)
    assert control(ask.emulator, "POST", "[]").status_code == 405
    assert ask.emulator.faults.rules == (rule,)


@every_vendor
def test_an_object_may_be_called_as_the_rules_are(ask: Asker) -> None:
    hosts = {"bos": "bj.bcebos.com", "oss": "oss-cn-hangzhou.aliyuncs.com", "cos": "cos.ap-guangzhou.myqcloud.com"}
    bucket = BUCKET_OF[ask.vendor]
    host = f"{bucket}.{hosts[ask.vendor]}"
    request = Request("PUT", f"http://{host}/-/faults", {"Host": host})
    signed = signer_of(ask.vendor, bucket).sign(request, ask.credentials, now=datetime.now(timezone.utc))
    assert send(replace(signed, url=f"{ask.emulator.endpoint}/-/faults"), BODY).status_code == 200
    assert ask.ask("GET", "-/faults").content == BODY


def test_the_documented_file_is_read() -> None:
    assert read(EXAMPLE.read_bytes())


def test_rules_of_a_file_are_in_force_from_the_start() -> None:
    command = [sys.executable, "-m", "aksk_provider.emulator", "--port", "0", "--faults", str(EXAMPLE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            endpoint = process.stdout.readline().split()[1]
            with requests.Session() as session:
                session.trust_env = False
                told = session.get(f"{endpoint}/-/faults", timeout=10).json()
            assert [entry["rule"] for entry in told] == json.loads(EXAMPLE.read_text())
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("content", "message"), [('[{"fault": "bite"}]', "rule 1: fault must be one of"), (None, "No such file")]
)
def test_a_wrong_file_is_refused_at_the_start(
    content: str | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "faults.json"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(sys, "argv", ["emulator", "--port", "0", "--faults", str(file)])
    with pytest.raises(SystemExit):
        main()
    assert f"error: --faults {file}: " in (told := capsys.readouterr().err)
    assert message in told


def test_the_page_has_every_fault_with_its_fields_and_every_operation() -> None:
    page = (DOCS / "emulator.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)\((.*?)\)` \|", page, re.MULTILINE)
    told = {kind: (name, re.findall(r"(?:^|, )(\w+)", listed)) for kind, name, listed in rows}
    assert told == {
        kind: (effect.__name__, [field.name for field in fields(effect)])  # type: ignore[arg-type]
        for kind, effect in KINDS.items()
    }
    (operations,) = re.findall(r"^\| `operation` \| (.*) \|$", page, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", operations)) == sorted(OPERATIONS)
    (last,) = re.findall(r"^\| field \| is \|\n\|---\|---\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    told_fields = [name for row in last.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(told_fields) == sorted(field.name for field in fields(Fault) if field.name != "effect")
