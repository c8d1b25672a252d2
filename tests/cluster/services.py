"""PostgreSQL and Redis as processes of their own, from Debian's packages, on free ports of the loopback interface."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import redis

from tests.support import processes

_POSTGRES = Path("/usr/lib/postgresql")  # where Debian has, by version, what is not for everybody's PATH


def missing() -> list[str]:
    """Return the Debian packages that the cluster needs and that are not there."""
    needed = {"postgresql": _program("initdb"), "redis-server": _program("redis-server")}
    return [package for package, program in needed.items() if program is None]


@contextlib.contextmanager
def postgres(logs: Path) -> Iterator[str]:
    """Run PostgreSQL with an empty database of its own until the block ends, and yield its address.

    It refuses to be root, so a test that is root runs it as somebody else.
    """
    port, password = processes.free_port(), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="aksk-postgres-") as home, tempfile.NamedTemporaryFile("w") as secret:
        secret.write(password)
        secret.flush()
        for path in (home, secret.name):
            shutil.chown(path, _user().pw_uid)
        data = f"{home}/data"
        options = ["--username=airflow", f"--pwfile={secret.name}", "--auth=scram-sha-256", "--no-sync"]
        initdb = [*_as_user(), str(_program("initdb")), "--pgdata", data, *options]
        made = subprocess.run(initdb, capture_output=True, cwd="/")
        if made.returncode:
            raise processes.StartError(made.stderr.decode(errors="replace"))
        # Nothing here has to survive the machine
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        server = [*_as_user(), str(_program("postgres")), "-D", data, "-p", str(port), *options]
        place = f"airflow:{password}@127.0.0.1:{port}"
        with processes.command(server, {}, logs / "postgres.log", stdin=subprocess.DEVNULL) as process:
            _until_answering(process, logs / "postgres.log", lambda: _create_database(f"postgresql://{place}/postgres"))
            yield f"postgresql+psycopg2://{place}/airflow"


class Redis:
    """A Redis that can be killed and started again, with what it held.

    :param folder: for its configuration, data and log
    """

    def __init__(self, folder: Path) -> None:
        self.port, self._password = processes.free_port(), secrets.token_hex(16)
        self._folder = folder
        self._running = contextlib.ExitStack()
        self._process: Any = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, or start it again; returns when it has read what it held."""
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "redis.conf"
        configuration.touch(mode=0o600)
        told = ["bind 127.0.0.1", f"port {self.port}", f"requirepass {self._password}", "appendonly yes", 'save ""']
        configuration.write_text("\n".join([*told, f"dir {self._folder}", ""]))
        command, log = [str(_program("redis-server")), str(configuration)], self._folder / "redis.log"
        self._process = self._running.enter_context(processes.command(command, {}, log, stdin=subprocess.DEVNULL))
        with redis.Redis.from_url(self.url) as client:
            _until_answering(self._process, log, client.ping)

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        processes.kill_tree(self._process)

    def __enter__(self) -> Redis:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()


def _program(name: str) -> str | None:
    folders = [os.environ.get("PATH", ""), *map(str, sorted(_POSTGRES.glob("*/bin"), reverse=True))]
    return shutil.which(name, path=os.pathsep.join(folders))


def _user() -> pwd.struct_passwd:
    """Return whom PostgreSQL runs as."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid())
    return next(user for name in ("postgres", "nobody") for user in pwd.getpwall() if user.pw_name == name)


def _as_user() -> list[str]:
    """Return what comes before a command so that it does not run as root."""
    user = _user()
    return [] if os.geteuid() else ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _create_database(address: str) -> None:
    with contextlib.closing(psycopg2.connect(address)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE airflow")


def _until_answering(process: Any, log: Path, ask: Callable[[], object]) -> None:
    """Ask until there is an answer."""
    deadline = time.monotonic() + 60
    while True:
        try:
            ask()
            return
        except (psycopg2.OperationalError, redis.ConnectionError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise processes.StartError(processes.tail(log)) from error
        time.sleep(0.1)
