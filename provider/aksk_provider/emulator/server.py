"""The emulator in process: a server in a thread of its own."""

from __future__ import annotations

import logging
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

import uvicorn

from aksk_provider.emulator.app import Application
from aksk_provider.emulator.faults import Fault, Faults
from aksk_provider.emulator.model import Account, Bucket
from aksk_provider.emulator.operations.call import Storage
from aksk_provider.emulator.wire import WireProtocol

DEFAULT_ACCOUNTS = (
    Account("emulator-ak", "emulator-sk"),
    Account("emulator-tmp-ak", "emulator-tmp-sk", "emulator-token"),
)
DEFAULT_BUCKETS = (Bucket("bos", "demo-bos"), Bucket("oss", "demo-oss"), Bucket("cos", "demo-1250000000"))


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(timezone.utc)


class Emulator:
    """A verifying server of the native protocols of BOS, OSS and COS.

    ::

        with Emulator(accounts=[Account("ak", "sk")], buckets=[Bucket("oss", "demo")]) as emulator:
            requests.get(url_signed_for(emulator.endpoint))

    :param accounts: key pairs that are accepted
    :param buckets: buckets that are there
    :param domains: custom domains (CNAME), by host name; their buckets are served as well
    :param host: address to listen at; keep it a loopback one
    :param port: port to listen at, 0 for a free one
    :param data_dir: where objects are kept; by default a temporary directory, removed at the end
    :param clock: tells the time, for tests of expiry and skewed clocks
    :param faults: what goes wrong; ``emulator.faults`` adds and clears them while it runs
    """

    def __init__(
        self,
        *,
        accounts: Iterable[Account] = DEFAULT_ACCOUNTS,
        buckets: Iterable[Bucket] = DEFAULT_BUCKETS,
        domains: Mapping[str, Bucket] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        data_dir: Path | str | None = None,
        clock: Callable[[], datetime] = utc_now,
        faults: Iterable[Fault] = (),
    ) -> None:
        self.accounts = {account.access_key: account for account in accounts}
        self.buckets = {(bucket.vendor, bucket.name): bucket for bucket in buckets}
        self.domains = {name.lower(): bucket for name, bucket in (domains or {}).items()}
        for bucket in self.domains.values():
            self.buckets.setdefault((bucket.vendor, bucket.name), bucket)
        self.host = host
        self.port = port
        self.clock = clock
        self.faults = Faults(faults)
        self._data_dir = data_dir
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._storage: Storage | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """URL of the server, without a path."""
        return f"http://{self.host}:{self.port}"

    @property
    def storage(self) -> Storage:
        """What is stored, to be looked at while no request is under way."""
        if self._storage is None:
            raise RuntimeError("the emulator is not running")
        return self._storage

    def start(self) -> Emulator:
        """Start to serve; returns when connections are accepted."""
        try:
            self._server = server = uvicorn.Server(self.server_config())
            listener = self._listen()
        except BaseException:
            self.stop()
            raise
        self._thread = threading.Thread(target=server.run, args=([listener],), name="aksk-emulator", daemon=True)
        self._thread.start()
        while not server.started:
            self._thread.join(0.005)
            if not self._thread.is_alive():
                self.stop()
                raise RuntimeError("the emulator did not start; its log says why")
        return self

    def stop(self) -> None:
        """Stop to serve, and remove a temporary data directory."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None
        if self._storage is not None:
            self._storage.close()
            self._storage = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def run(self, announce: Callable[[Emulator], None] = lambda _emulator: None) -> None:
        """Serve in this thread until a signal ends it.

        :param announce: called when connections are accepted
        """
        try:
            server = uvicorn.Server(self.server_config())
            listener = self._listen()
            announce(self)
            server.run([listener])
        finally:
            self.stop()

    def server_config(self) -> uvicorn.Config:
        """Open the storage and return how uvicorn serves it."""
        if self._data_dir is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="aksk-emulator-")
        directory = Path(self._temporary.name if self._temporary else str(self._data_dir))
        directory.mkdir(parents=True, exist_ok=True)
        self._storage = Storage(directory)
        app = Application(self._storage, self.accounts, self.buckets, self.domains, self.clock, self.faults)
        # Presigned URLs are in it, and Airflow's own log setup in the same process would bring it back.
        logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
        return uvicorn.Config(
            app,
            http=WireProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )

    def _listen(self) -> socket.socket:
        listener = socket.create_server((self.host, self.port))
        self.port = listener.getsockname()[1]
        return listener

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
