"""The command line: ``python -m aksk_provider doctor|presign|upload|download|ls``, with Airflow's connections."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence

from aksk_provider.cli.arguments import parser
from aksk_provider.errors import TransferCancelledError

OK, FAILED, INTERRUPTED = 0, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 130 interrupted. Bad usage exits with 2.

    :param arguments: by default those of the process
    """
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except (KeyboardInterrupt, TransferCancelledError) as error:
        _say(str(error) or "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # What reads the output has gone, for example `head`; Python would complain once more as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:  # noqa: BLE001 - a line for people; --debug shows where it came from
        if options.debug:
            traceback.print_exc()
        _say(str(error) or type(error).__name__)
        return FAILED
    return code


def _say(text: str) -> None:
    sys.stderr.write(f"error: {' '.join(text.split())}\n")
