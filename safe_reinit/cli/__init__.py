"""The command line: ``safe-reinit``, the same as ``python -m safe_reinit``."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading

_CALLING = "safe-reinit-act"
"""How the threads that make calls are named."""
MADE_BEFORE_COLLECTING = 200_000
"""Imports make some hundred thousand objects that stay; to look through them each time is a fifth of a dry run, and of
a run over many machines."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    gc.set_threshold(MADE_BEFORE_COLLECTING)
    from .app import run  # noqa: PLC0415 - importing the package stays cheap

    code = run(sys.argv[1:])
    if any(thread.name.startswith(_CALLING) for thread in threading.enumerate()):
        # A call still hangs and the person asked twice to leave: the interpreter would wait for it.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    gc.freeze()  # the process ends: its memory need not be looked through once more
    sys.exit(code)
