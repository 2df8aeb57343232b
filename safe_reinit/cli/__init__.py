"""The command line: ``safe-reinit``, the same as ``python -m safe_reinit``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from .app import run  # noqa: PLC0415 - importing the package stays cheap

    sys.exit(run(sys.argv[1:]))
