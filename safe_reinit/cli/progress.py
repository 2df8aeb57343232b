"""What happens while it happens: a live line on a terminal (of many machines a table), lines elsewhere, and events."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any

from ..clock import Clock
from ..config import Config
from ..errors import UsageError
from ..model import LOCK_TAG, Call, Event, Plan
from ..model.codec import encode, printable
from ..report.text import duration
from .output import say

if TYPE_CHECKING:
    from .fleetview import Ended, FleetView
    from .live import Screen

_QUIET_FOR = 60.0
"""Cloud seconds after which a wait is told again where nobody sees a live line."""
_SUMMARY_EVERY = 30.0
"""Cloud seconds between two summaries of a run over many machines where nobody sees the table."""
_FEW = 3
"""Up to so many jobs are each told of step by step."""


class Progress:
    """Shows events; every output of it is a rendering of the same values."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._quiet: bool = config["quiet"]
        self._verbose: bool = config["verbose"]
        self._events = _open(config["events"])
        self._clock = clock
        self._lock = threading.Lock()
        self._status: Any = None
        self._console: Any = None
        self._fleet: FleetView | None = None
        self._screen: Screen | None = None
        self._told_at: float | None = None
        self._not_begun: set[str] = set()
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
            screen, self._screen = self._screen, None
            events, self._events = self._events, None
            with contextlib.suppress(OSError):  # a terminal that is gone is no reason to forget how the run ended
                for live in (status, screen):
                    if live is not None:
                        live.stop()
                if events is not None and events is not sys.stdout:
                    events.close()

    def say(self, text: str, style: str = "") -> None:
        """Say a line that is not lost under the live one; the style is for above a table."""
        if self._screen is not None:
            self._screen.print(text, style)
        elif self._console is not None and self._status is not None:
            with contextlib.suppress(OSError):
                self._console.print(text, highlight=False, markup=False)
        else:
            say(text)

    def of(self, plan: Plan, ended: Mapping[str, str] | None = None) -> None:
        """Take note of what the run that follows is about.

        Args:
            ended: what jobs came to before, by instance id, in a run that goes on.
        """
        for job in plan.jobs:
            if job.instance_id and job.instance_name:
                self._names[job.instance_id] = printable(job.instance_name)
        if len(plan.jobs) > _FEW:
            from .fleetview import FleetView  # noqa: PLC0415 - only for a fleet

            self._fleet = FleetView(plan, ended)

    def asking(self, question: Callable[[], bool]) -> bool:
        """Ask a person something while nothing is drawn, and go on drawing after the answer."""
        status, self._status = self._status, None
        for live in (status, self._screen):
            if live is not None:
                with contextlib.suppress(OSError):
                    live.stop()
        try:
            return question()
        finally:
            if self._screen is not None:
                self._screen.start()

    def findings(self, plan: Plan) -> None:
        """Tell of the plan's findings, and remember what it is about."""
        self.of(plan)
        for found in plan.findings:
            self._write(Event(plan.made_at, None, "finding", data=encode(found)))

    def call(self, call: Call) -> None:
        """Tell of one HTTP exchange."""
        self._write(Event(call.at, None, "look" if call.is_look else "call", data=encode(call)))
        if self._fleet is not None:
            with self._lock:
                self._fleet.call(call)
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
        if self._fleet is not None:
            self._of_many(self._fleet, event)
        elif event.event == "wait":
            self._wait(event)
        elif event.event in ("intend", "answer", "state"):
            self.say(f"{event.at:%H:%M:%S} {self._sentence(event)}")

    # ------------------------------------------------------------------------------------------------ many machines

    def _of_many(self, fleet: FleetView, event: Event) -> None:
        summary = ""
        with self._lock:
            now = self._clock.time()
            ended = fleet.event(event, now)
            if self._screen is None and not self._draws(fleet):
                self._told_at = now if self._told_at is None else self._told_at
                if now - self._told_at >= _SUMMARY_EVERY:
                    self._told_at, summary = now, fleet.summary(now)
        if self._verbose and event.event in ("intend", "answer", "state"):
            self.say(f"{event.at:%H:%M:%S} {self._sentence(event)}")
        if ended is not None:
            self._ended(event, ended)
        if summary:
            self.say(f"{event.at:%H:%M:%S} {summary}")

    def _draws(self, fleet: FleetView) -> bool:
        """Begin to draw the table where somebody sees it, and tell whether that is so."""
        if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM", "") in ("", "dumb", "unknown"):
            return False
        from .live import Screen  # noqa: PLC0415 - only on a terminal

        self._screen = Screen(fleet, self._clock.time, sys.stderr)
        self._screen.start()
        return True

    def _ended(self, event: Event, ended: Ended) -> None:
        """Tell of one job that has ended; of those that were never begun only why, once."""
        said = ended.text
        if ended.took is None:
            if ended.why in self._not_begun:
                return
            self._not_begun.add(ended.why)
            said = f"{ended.name} and others {ended.outcome.upper()}: {ended.why}"
        self.say(printable(f"{event.at:%H:%M:%S} {said}"), "" if ended.well else "red")

    # ------------------------------------------------------------------------------------------------- few machines

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
    until = (
        f"until the run is resumed: safe-reinit resume {event.run_id}"
        if event.data["owed"]
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
