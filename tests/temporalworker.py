"""Forks ``safe-reinit`` commands from a process that has everything imported; each may be disturbed.

Reads JSON lines from stdin: ``argv``, ``log``, ``environment``, and what goes wrong in ``disturbed``: where it is
killed, which guards are off, which version it is of. Answers each with the process id.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from tests import sweep


def disturb(disturbed: dict[str, Any]) -> None:
    """Let something go wrong in this process."""
    from safe_reinit.aliyun import exchange
    from safe_reinit.temporal import names

    if "timeout" in disturbed:
        exchange.ACT_TIMEOUT = disturbed["timeout"]
    if "limit" in disturbed:
        from safe_reinit import pace

        pace.LIMITS["ReInitDisk"] = disturbed["limit"]
    if "version" in disturbed:
        names.VERSION = disturbed["version"]
    if "lease" in disturbed:
        from safe_reinit.journal import file, lease

        file.LEASE = lease.LEASE = disturbed["lease"]
        lease.RENEWAL = disturbed["lease"] / 4
    sweep.switch_off(disturbed.get("off", ()))
    if "kill" in disturbed:
        sweep.kill_at(*disturbed["kill"])
    if "stop" in disturbed:
        _stop_before(disturbed["stop"])


def _stop_before(action: str) -> None:
    """Let this process be stopped, as by SIGSTOP, when everything is ready for a call but its last checks."""
    from safe_reinit.act import Act

    make = Act.make

    def stopping(self: Act, attempts: Any) -> bool:
        if attempts[0].send.action == action:
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.5)  # it stops the whole process, but not at once this thread
        return make(self, attempts)

    Act.make = stopping  # type: ignore[method-assign]


def _child(asked: dict[str, Any]) -> None:
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(asked["environment"])
    disturb(asked["disturbed"])
    from safe_reinit.cli.app import run

    code = 1
    try:
        code = run(asked["argv"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork what is asked for, until nothing more is."""
    import safe_reinit.aliyun.client
    import safe_reinit.cli.app
    import safe_reinit.cli.worker
    import safe_reinit.temporal.execution
    import safe_reinit.temporal.worker  # noqa: F401 - everything is imported before the forks

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(json.loads(line))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
