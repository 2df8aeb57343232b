"""What a run needs from its process, checked in advance: enough file descriptors, and all modules imported."""

from __future__ import annotations

import contextlib
import errno
import os
from importlib import import_module

from .. import checks, model
from ..errors import RunRefused

MIN_DESCRIPTORS = 24
"""The most descriptors that the connections, the journal and the outputs of a run take, with some to spare."""


def demand_descriptors() -> None:
    """Open as many descriptors as a run takes, and close them again.

    Raises:
        RunRefused: the process cannot open that many. Nothing was sent.
    """
    opened: list[int] = []
    try:
        while len(opened) < MIN_DESCRIPTORS:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        if error.errno == errno.EMFILE:
            what, hint = "This process may", "Raise the limit (ulimit -n 256; LimitNOFILE in a systemd unit)."
        elif error.errno == errno.ENFILE:
            what, hint = "This host can", "End other programs, or raise fs.file-max."
        else:
            what, hint = "This process can", f"Find out why {os.devnull} cannot be opened."
        raise RunRefused(
            f"{what} open only {len(opened)} more files, but a run needs {MIN_DESCRIPTORS}. Nothing was changed.",
            hint=hint,
        ) from None
    finally:
        for each in opened:
            os.close(each)


def load_all(journal: str | None) -> None:
    """Import everything that plans and runs need, on this thread and before anything starts.

    If a process is forked while another thread imports, the child waits forever for the lock of that import.
    """
    parts = (f"model.{part}" for part in model.PARTS)
    for name in ("cloud.aliyun.client", "execution.session", "journal.sqlite", *parts):
        import_module(f"..{name}", __package__)
    from ..journal.place import is_shared  # noqa: PLC0415 - see above

    if is_shared(journal):
        with contextlib.suppress(ImportError):  # this is reported when the journal is opened
            import_module("..journal.postgres", __package__)
    for name in checks.__all__:  # those are imported on demand
        getattr(checks, name)
