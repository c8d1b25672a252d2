"""Runs in Airflow's UI: graph, log, links, what tasks returned and were given, in English and Chinese."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.ui.conftest import ACCOUNTS, BUCKETS, RunningAirflow
from tests.ui.pictures import take

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]
TOUR, REPORTS = "object_storage_tour", "monthly_reports"


@pytest.fixture
def tour(airflow_ui: RunningAirflow) -> RunningAirflow:
    assert airflow_ui.finished(TOUR) == "success"
    return airflow_ui


@pytest.fixture
def reports(airflow_ui: RunningAirflow) -> RunningAirflow:
    assert airflow_ui.finished(REPORTS) == "failed", "of its three tasks one has no connection"
    return airflow_ui


def links(airflow: RunningAirflow, dag_id: str, task_id: str) -> dict[str, str | None]:
    return dict(airflow.api.call("GET", f"{airflow.runs[dag_id]}/taskInstances/{task_id}/links")["extra_links"])


def log(airflow: RunningAirflow, dag_id: str, task_id: str) -> str:
    return str(airflow.api.call("GET", f"{airflow.runs[dag_id]}/taskInstances/{task_id}/logs/1"))


def expanded(page: Page) -> Locator:
    """Unfold the values of a page of XComs and return them."""
    editor = page.locator(".view-lines").last
    expect(editor).to_be_visible()
    page.get_by_role("button", name=re.compile("Expand all extra JSON|展开所有额外 JSON")).click()
    expect(page.locator(".view-line").nth(4)).to_be_visible()
    return editor


def test_the_graph_of_the_tour(tour: RunningAirflow, english: Page, tmp_path: Path) -> None:
    english.set_viewport_size({"width": 1600, "height": 620})
    english.goto(tour.page(TOUR))
    english.get_by_role("button", name="Show Graph").click()
    for task_id in ("make_large_file", "upload", "upload_small", "wait", "link", "download", "compare"):
        expect(english.locator(".react-flow__node").filter(has_text=task_id).first).to_be_visible()
    english.wait_for_timeout(1000)
    take(english, "tour-graph", tmp_path)


def test_the_log_of_an_upload_tells_how_far_it_is(tour: RunningAirflow, english: Page, tmp_path: Path) -> None:
    english.set_viewport_size({"width": 1200, "height": 520})
    english.goto(tour.page(TOUR, "tasks/upload"))
    expect(english.get_by_text(re.compile(r"% of 48 MiB, \d+ MiB/s, \d+ s left")).first).to_be_visible()
    expect(english.get_by_text("uploaded 50331648 bytes to oss://examplebucket-oss/tour/").first).to_be_visible()
    take(english, "task-log", tmp_path)


def test_the_links_of_an_upload_lead_to_the_object_and_its_folder_without_a_secret(
    tour: RunningAirflow, english: Page, tmp_path: Path
) -> None:
    english.set_viewport_size({"width": 1200, "height": 520})
    english.goto(tour.page(TOUR, "tasks/upload/details"))
    shown = {name: english.get_by_role("link", name=name, exact=True) for name in ("Object", "Open in console")}
    found = links(tour, TOUR, "upload")
    for name, link in shown.items():
        assert link.get_attribute("href") == found[name]
    take(english, "task-links", tmp_path)
    console = f"https://oss.console.aliyun.com/bucket/oss-cn-hangzhou/{BUCKETS['oss']}/object?path="
    assert str(found["Open in console"]).startswith(console)
    assert unquote(str(found["Open in console"]).removeprefix(console)) == "tour/first/"
    assert unquote(str(found["Object"])) == f"{tour.store.endpoint}/{BUCKETS['oss']}/tour/first/large.bin"
    assert requests.get(str(found["Object"]), timeout=10).status_code == 403, "the object is private"


def test_the_link_of_a_presign_task_is_the_one_it_made_and_works(tour: RunningAirflow, english: Page) -> None:
    found = str(links(tour, TOUR, "link")["Object"])
    made = tour.api.call("GET", f"{tour.runs[TOUR]}/taskInstances/link/xcomEntries/return_value?deserialize=true")
    assert found in str(made["value"])
    assert requests.get(found, timeout=30).ok
    assert "x-oss-signature" not in log(tour, TOUR, "link")
    english.goto(tour.page(TOUR, "tasks/link/details"))
    assert english.get_by_role("link", name="Object", exact=True).get_attribute("href") == found


def test_every_mapped_download_has_links_of_its_own(tour: RunningAirflow) -> None:
    path = f"{tour.runs[TOUR]}/taskInstances/download/links?map_index="
    found = [tour.api.call("GET", f"{path}{index}")["extra_links"]["Object"] for index in range(6)]
    assert len(set(found)) == 6
    assert all("/tour/" in link and "signature" not in link for link in found)


def test_a_task_without_its_connection_has_no_links_and_logs_one_failure(reports: RunningAirflow) -> None:
    assert links(reports, REPORTS, "not_configured") == {"Object": None, "Open in console": None}
    told = log(reports, REPORTS, "not_configured")
    assert "aksk_missing" in told
    assert "Failed to push an xcom" not in told


def test_tasks_over_many_objects_link_to_their_folder(reports: RunningAirflow) -> None:
    for task_id in ("upload", "links"):
        found = links(reports, REPORTS, task_id)
        assert found["Object"] is None
        assert unquote(str(found["Open in console"])).endswith(f"/{BUCKETS['oss']}/object?path=报表/")


def test_what_an_upload_returned_can_be_read(tour: RunningAirflow, english: Page, tmp_path: Path) -> None:
    english.goto(tour.page(TOUR, "tasks/upload/xcom"))
    editor = expanded(english)
    for text in ('"uri": "oss://examplebucket-oss/tour/', '"size": 50331648', '"crc64": "'):
        expect(editor).to_contain_text(text.replace(" ", "\xa0"))
    take(english, "task-xcom", tmp_path)


def test_names_in_chinese_are_readable_in_xcom_templates_and_log(
    reports: RunningAirflow, chinese: Page, tmp_path: Path
) -> None:
    chinese.goto(reports.page(REPORTS, "tasks/upload/xcom"))
    editor = expanded(chinese)
    expect(editor).to_contain_text("oss://examplebucket-oss/报表/月报")
    take(chinese, "task-xcom-zh", tmp_path)
    chinese.goto(reports.page(REPORTS, "tasks/upload/rendered_templates"))
    expect(chinese.get_by_text("报表/").first).to_be_visible()
    expect(chinese.get_by_text("财务部").first).to_be_visible()
    expect(chinese.get_by_text("渲染后的模板").first).to_be_visible()
    chinese.goto(reports.page(REPORTS, "tasks/links/rendered_templates"))
    expect(chinese.get_by_text("报表/月报 40.csv").first).to_be_visible()


def test_no_page_of_a_task_shows_a_secret(tour: RunningAirflow, english: Page) -> None:
    for path in ("upload", "upload/xcom", "link/rendered_templates", "download/mapped/0/details"):
        english.goto(tour.page(TOUR, f"tasks/{path}"))
        english.wait_for_load_state("networkidle")
        expect(english.get_by_text("Success").first).to_be_visible()
        assert ACCOUNTS["oss"].secret_key not in english.content()
