"""The command line: ``safe-reinit``, the same as ``python -m safe_reinit``.

| file | what is in it |
|---|---|
| ``app`` | all commands; each calls the file that does its work |
| ``wipe``, ``apply``, ``resume``, ``undo`` | the commands that run a plan |
| ``session`` | what these commands all set up |
| ``rehearse``, ``regions``, ``verify`` | a plan on a simulated twin; a plan over several regions; ``verify-cloud`` |
| ``history``, ``run_list``, ``run_story``, ``waits`` | the commands about runs: end or hold them, list them, show one |
| ``explain``, ``settings``, ``ram_policy``, ``example`` | the commands that only explain |
| ``worker``, ``health``, ``scheduled`` | a worker, its health over HTTP, and the runs that it begins for a Schedule |
| ``options``, ``help``, ``examples``, ``contract`` | options, their help, lines to type, and all of it for programs |
| ``selection``, ``journals``, ``planfile``, ``files`` | which disks, journal, plan file; which files may be written |
| ``consent`` | the question before a run |
| ``progress``, ``live``, ``machineview``, ``fleetview`` | what a run shows while it goes on: of few machines, of many |
| ``output``, ``documents``, ``writer`` | what is printed; ``output.end`` turns an error into an exit code |
| ``next``, ``program`` | what to type next, and how this program was called |
| ``signals`` | what SIGINT, SIGTERM and others do |
| ``complete``, ``shells`` | completion in shells |
| ``sdk_models`` | a faster import of the SDK |
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading

MADE_BEFORE_COLLECTING = 200_000
"""Imports create some hundred thousand objects that stay. Scanning them each time would take a fifth of a dry run, and
of a run over many machines.
"""
_FLUSH_TIMEOUT = 1.0
"""Real seconds to write what is still waiting when the process ends."""
_THREADS_OF_ITS_OWN = "temporalio.bridge.temporal_sdk_bridge"
"""Temporal's SDK: its threads, which Python does not know about, outlive a worker."""


def main() -> None:
    """Run the command line and end the process with its exit code, or by SIGINT if it got one."""
    _open_missing()
    _refuse_platform()
    gc.set_threshold(MADE_BEFORE_COLLECTING)
    from .app import run  # noqa: PLC0415 - importing the package stays cheap
    from .sdk_models import load_by_name  # noqa: PLC0415 - see above
    from .signals import Signals, end_by_sigint  # noqa: PLC0415 - see above

    load_by_name()
    signals = Signals()
    code = run(sys.argv[1:], signals)
    if signals.interrupted:
        _finish()
        end_by_sigint()
    if threading.active_count() > 1 or _THREADS_OF_ITS_OWN in sys.modules or not _flushed():
        # If a call hangs, the output cannot be written, or foreign threads may call into the interpreter, then the
        # interpreter would wait for them, change the exit code, or be aborted by them while it shuts down.
        _finish()
        os._exit(code)
    gc.freeze()  # the process ends, so its memory need not be scanned once more
    sys.exit(code)


def _open_missing() -> None:
    """Open /dev/null for standard streams that the process was started without."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            # Like the streams that Python opens itself, it does not own its descriptor, so nothing is left to close.
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _refuse_platform() -> None:
    """End before importing anything that other systems lack."""
    from ..clock import refuse_platform  # noqa: PLC0415 - importing the package stays cheap
    from ..errors import UsageError  # noqa: PLC0415 - see above

    try:
        refuse_platform()
    except UsageError as error:
        sys.stderr.write(f"safe-reinit: {error}\n")
        sys.exit(error.exit_code)


def _flushed() -> bool:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return False
    return True


def _finish() -> None:
    """Do what Python does at the end of a process, but without waiting for anything."""
    from ..threads import Background  # noqa: PLC0415 - importing the package stays cheap

    def finish() -> None:
        _flushed()
        atexit._run_exitfuncs()

    finishing = Background(finish, "safe-reinit-finish")
    finishing.start()
    finishing.ended.wait(_FLUSH_TIMEOUT)
