"""Commands in processes of their own that need not import Airflow first: forked from one that has."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

_PRELOADED = ["airflow.sdk", "airflow.sdk.log", "aksk_provider.hooks.object_storage", "aksk_provider.storage"]


@dataclass(frozen=True)
class Done:
    """How a command ended and what it wrote."""

    returncode: int
    stdout: bytes
    stderr: bytes


class Running:
    """A command that runs; its standard streams are files below a folder."""

    def __init__(self, words: Sequence[str], folder: Path, environment: Mapping[str, str], given: bytes = b"") -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "in").write_bytes(given)
        context: ForkServerContext = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        arguments = (list(words), str(Path.cwd()), str(folder), dict(environment))
        self.process: BaseProcess = context.Process(target=_command, args=arguments)
        self.process.start()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.kill(self.process.pid or 0, signal.SIGINT)

    def wait(self, timeout: float = 60) -> Done:
        """Wait for its end; what does not end is killed."""
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        code = self.process.exitcode
        self.process.close()
        assert code is not None
        return Done(code, (self._folder / "out").read_bytes(), (self._folder / "err").read_bytes())


def _command(words: list[str], cwd: str, folder: str, environment: dict[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(cwd)
    os.environ.update(environment)
    for number, (name, mode) in enumerate((("in", "rb"), ("out", "wb"), ("err", "wb"))):
        with Path(folder, name).open(mode) as file:
            os.dup2(file.fileno(), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process lives
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    from aksk_provider.cli import main

    try:
        code = main(words)
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
