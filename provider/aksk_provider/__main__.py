"""``python -m aksk_provider``: the stores of Airflow's connections from a shell."""

from __future__ import annotations

import sys

from aksk_provider.cli import main

if __name__ == "__main__":
    sys.exit(main())
