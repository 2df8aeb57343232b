"""The command line: ``safe-reinit``, the same as ``python -m safe_reinit``."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

_CALLING = "safe-reinit-act"
"""How the threads that make calls are named."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from .app import run  # noqa: PLC0415 - importing the package stays cheap

    code = run(sys.argv[1:])
    if any(thread.name.startswith(_CALLING) for thread in threading.enumerate()):
        # A call still hangs and the person asked twice to leave: the interpreter would wait for it.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
