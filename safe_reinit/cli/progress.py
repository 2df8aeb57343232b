"""What happens while it happens: a live line on a terminal, plain lines elsewhere, and events as JSON lines."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from typing import IO, Any

from ..config import Config
from ..errors import UsageError
from ..model import LOCK_TAG, Call, Event, Plan
from ..model.codec import encode, printable
from ..report.text import duration
from .output import say

_QUIET_FOR = 60.0
"""Cloud seconds after which a wait is told again where nobody sees a live line."""


class Progress:
    """Shows events; every output of it is a rendering of the same values."""

    def __init__(self, config: Config, region: str) -> None:
        self._quiet: bool = config["quiet"]
        self._verbose: bool = config["verbose"]
        self._events = _open(config["events"])
        self._region = region
        self._lock = threading.Lock()
        self._status: Any = None
        self._console: Any = None
        self._waits: dict[str | None, tuple[object, float]] = {}
        self._names: dict[str, str] = {}

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the live line and the file of events."""
        with self._lock:
            status, self._status = self._status, None
            events, self._events = self._events, None
            with contextlib.suppress(OSError):  # a terminal that is gone is no reason to forget how the run ended
                if status is not None:
                    status.stop()
                if events is not None and events is not sys.stdout:
                    events.close()

    def say(self, text: str) -> None:
        """Say a line that is not lost under the live one."""
        if self._console is not None and self._status is not None:
            with contextlib.suppress(OSError):
                self._console.print(text, highlight=False, markup=False)
        else:
            say(text)

    def findings(self, plan: Plan) -> None:
        """Tell of the plan's findings, and remember its names."""
        for job in plan.jobs:
            if job.instance_id and job.instance_name:
                self._names[job.instance_id] = printable(job.instance_name)
        for found in plan.findings:
            self._write(Event(plan.made_at, None, "finding", data=encode(found)))

    def call(self, call: Call) -> None:
        """Tell of one HTTP exchange."""
        looking = call.action.startswith(("Describe", "Get"))
        self._write(Event(call.at, None, "look" if looking else "call", data=encode(call)))
        if self._verbose and not self._quiet:
            what = f"{call.action}{' (dry run)' if call.dry_run else ''} {' '.join(call.subject)}".rstrip()
            self.say(f"{call.at:%H:%M:%S} {what}: {call.code} {call.request_id or ''}".rstrip())

    def event(self, event: Event) -> None:
        """Tell of one event of a run."""
        self._write(event)
        if event.event == "done" and event.data.get("tag_left"):
            self.say(_tag_left(event))
        if self._quiet:
            return
        if event.event == "wait":
            self._wait(event)
        elif event.event in ("intend", "answer", "state"):
            self.say(f"{event.at:%H:%M:%S} {self._sentence(event)}")

    def _sentence(self, event: Event) -> str:
        data: Any = event.data
        subject = event.disk_id or event.instance_id or ""
        if event.event == "state":
            disks = ", ".join(f"{disk} {status}" for disk, status in data["disks"].items())
            return f"{self._name(event.instance_id)} is {data['instance']}; {disks}"
        action = f"{'forced ' if data['force'] else ''}{data['action']} {subject}"
        if event.event == "intend":
            return f"{action}{'' if data['attempt'] == 1 else ' (attempt ' + str(data['attempt']) + ')'} ..."
        return f"{action}: {'accepted' if data['code'] == 'OK' else data['code']}"

    def _name(self, instance_id: str | None) -> str:
        return self._names.get(instance_id or "", instance_id or "")

    def _wait(self, event: Event) -> None:
        data: Any = event.data
        shown = f"{self._name(event.instance_id)}: {data['phase']}: {data['instance']}"
        for disk, status in data["disks"].items():
            shown += f", {disk} {status}"
        if any(data["progress"]):
            shown += f", snapshot {' '.join(data['progress'])}"
        shown += f"  {duration(data['elapsed'])} of at most {duration(data['limit'])}"
        if sys.stderr.isatty():
            self._live(shown)
            return
        state = (data["phase"], data["instance"], tuple(data["disks"].items()))
        before, told_at = self._waits.get(event.instance_id, (None, 0.0))
        if before != state:
            self._waits[event.instance_id] = (state, data["elapsed"])
        elif data["elapsed"] - told_at >= _QUIET_FOR:
            self._waits[event.instance_id] = (state, data["elapsed"])
            self.say(f"{event.at:%H:%M:%S} {shown}")

    def _live(self, shown: str) -> None:
        from rich.markup import escape  # noqa: PLC0415 - only on a terminal

        with self._lock:
            if self._status is None:
                from rich.console import Console  # noqa: PLC0415 - see above

                self._console = Console(stderr=True)
                self._status = self._console.status("")
                self._status.start()
            self._status.update(escape(shown))

    def _write(self, event: Event) -> None:
        with self._lock:
            if self._events is not None:
                self._events.write(json.dumps({"schema": 1, **encode(event)}, ensure_ascii=False) + "\n")
                self._events.flush()


def _tag_left(event: Event) -> str:
    owed = event.data["outcome"] in ("unknown", "not-restarted", "stranded")
    until = (
        f"until the run is resumed: safe-reinit resume {event.run_id}"
        if owed
        else "and no other run begins on it: take it off in the ECS console."
    )
    return f"safe-reinit: The tag {LOCK_TAG} of run {event.run_id} stays on {event.instance_id}, {until}"


def _open(name: str | None) -> IO[str] | None:
    if not name:
        return None
    if name == "-":
        return sys.stdout
    try:
        return open(name, "w", encoding="utf-8")
    except OSError:
        raise UsageError(f"{name} cannot be written.", hint="Correct --events.") from None
