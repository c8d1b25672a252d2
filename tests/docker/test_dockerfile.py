"""The Dockerfile as far as it can be checked without a container engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from tests.support.processes import REPOSITORY

FILE = REPOSITORY / "docker" / "Dockerfile"
TEXT = FILE.read_text("utf-8")


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint, "hadolint is of the extra `test`"
    return subprocess.run([hadolint, str(path)], capture_output=True, text=True, check=False)


def test_hadolint_has_nothing_to_say() -> None:
    done = lint(FILE)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_say_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM apache/airflow\nUSER root\n")
    assert "DL3002" in lint(tmp_path / "Dockerfile").stdout


def test_it_starts_from_the_official_image_of_the_airflow_that_is_tested() -> None:
    images = set(re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE))
    assert images == {"apache/airflow:${AIRFLOW_VERSION}-python${PYTHON_VERSION}"}
    version = re.search(r"^ARG AIRFLOW_VERSION=(\S+)", TEXT, re.MULTILINE)
    pinned = re.search(r"^apache-airflow==(\S+)", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    assert version
    assert pinned
    assert version[1] == pinned[1]


def test_it_ends_as_a_user_other_than_root() -> None:
    assert re.findall(r"^USER (\S+)", TEXT, re.MULTILINE) == ["50000:0"]


def test_what_it_copies_is_there_and_is_let_through() -> None:
    ignored = (REPOSITORY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    through = [line[1:] for line in ignored if line.startswith("!")]
    copied = [word for line in re.findall(r"^COPY (.+)", TEXT, re.MULTILINE) for word in line.split()[1:-1]]
    mounted = re.findall(r"--mount=type=bind,source=([^,\s]+)", TEXT)
    assert len(copied) > 3
    for name in (*copied, *mounted):
        assert (REPOSITORY / name).exists()
        assert any(fnmatch(name, pattern) for pattern in through), name


def test_the_volumes_of_the_cluster_have_folders_of_their_own_in_the_image() -> None:
    import yaml

    services = yaml.safe_load((REPOSITORY / "docker" / "compose.yaml").read_text())["services"]
    targets = {mount.split(":")[1] for name in ("worker", "emulator") for mount in services[name]["volumes"]}
    made = set(re.findall(r"mkdir -p (.+)$", TEXT, re.MULTILINE)[0].split())
    # dags and logs are folders of the official image
    assert targets - {"/opt/airflow/dags", "/opt/airflow/logs"} == made
