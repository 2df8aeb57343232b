"""The external command from which some aliyun CLI profiles get their key."""

from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Callable, Sequence

from ...clock import boottime
from .profile import CredentialsError

COMMAND_TIMEOUT = 60.0
"""Real seconds that it may take."""
_MAX_OUTPUT = 1 << 20


def run_to_end(words: Sequence[str], failed: Callable[[str], CredentialsError]) -> tuple[int | None, bytes]:
    """Run a command to its end, and return its status and its output; ``None`` if it took too long.

    It stays in our process group: otherwise it could not ask for a one-time password on the terminal.
    """
    until = boottime() + COMMAND_TIMEOUT
    try:
        process = subprocess.Popen(  # noqa: S603 - the person's own configuration names it
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not a command"
        raise failed(f"its process_command {words[0]!r} cannot be run ({why})") from None
    printed = b""
    with process, selectors.DefaultSelector() as ready:
        assert process.stdout is not None  # noqa: S101 - for the types
        ready.register(process.stdout, selectors.EVENT_READ)
        try:
            while len(printed) < _MAX_OUTPUT and ready.select(max(0.0, until - boottime())):
                piece = os.read(process.stdout.fileno(), 1 << 16)
                if not piece:
                    return process.wait(max(0.0, until - boottime())), printed
                printed += piece
        except subprocess.TimeoutExpired:
            pass
        process.kill()
    return None, printed
