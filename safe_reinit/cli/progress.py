"""What happens while it happens: a live line on a terminal (of many machines a table), lines elsewhere, and events."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Self

from ..clock import Clock
from ..config import Settings
from ..errors import UsageError
from ..model import LOCK_TAG, Call, CallEvent, DoneEvent, DroppedEvent, Event, FindingEvent, Plan, ReadEvent
from ..model.codec import encode
from ..model.letters import printable
from ..report import one_line
from .machineview import MachineView
from .output import LastWords, Output, print_stderr
from .writer import Writer

if TYPE_CHECKING:
    from ..client import Client
    from .fleetview import Ended, FleetView
    from .live import Screen

_REPEAT_WAIT_AFTER = 60.0
"""Cloud seconds after which a wait is told again where nobody sees a live line."""
_SUMMARY_INTERVAL = 30.0
"""Cloud seconds between two summaries of a run over many machines where nobody sees the table."""
_FLUSH_TIMEOUT = 2.0
"""Real seconds that events have to be written before a run begins; whoever does not read them does not stop it."""
_UNREAD = "they were not read in time."
_SILENCE_LIMIT = 1.0
"""Real seconds of reading after which a terminal says what is read: a slow cloud is no hung program."""
_STEP_BY_STEP_LIMIT = 3
"""Up to so many jobs are each told of step by step."""


class Progress:
    """Shows events; every output of it is a rendering of the same values.

    What it writes goes through two queues to threads of their own, one for the terminal and one for the events, so that
    nobody who stops reading holds up a run. It is written in order; where too much waits, some of it is dropped.
    """

    def __init__(
        self,
        config: Settings,
        clock: Clock,
        last: LastWords | None = None,
        simulated: Callable[[], bool] = lambda: False,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._warn = warn
        self._runs = False
        """Whether a run has begun: until then, events that cannot be written end the command."""
        self._simulated = simulated
        self._quiet: bool = config.quiet
        self._verbose: bool = config.verbose
        self._events = _open(config.events)
        self._clock = clock
        self._lock = threading.Lock()
        self._screen: Screen | None = None
        """Only used in the thread that writes to the terminal, as is what follows."""
        self._paused = False
        self._kept: list[tuple[str, str]] = []
        """Lines that were said while a question is open, which they must not tear apart."""
        self._fleet: FleetView | None = None
        self._since: datetime | None = None
        self._reported_at: float | None = None
        self._troubles: dict[str, float] = {}
        self._not_begun: set[str] = set()
        self._last_why = ""
        """Why the last job that failed did, without its own id."""
        self._waits: dict[str | None, tuple[object, float]] = {}
        self._names: dict[str, str] = {}
        self._waiting: MachineView | None = None
        self._answered: list[str] | None = None
        """The requests that were answered while a plan is made."""
        self._lines = Writer(
            "safe-reinit-progress", lambda lost: print_stderr(f"{lost} lines are not shown: {_UNREAD}")
        )
        self._log = Writer("safe-reinit-events", self._dropped, failing=self._unwritten)
        self._closed: list[threading.Event] = []
        self._last = last or LastWords(threading.Event())

    @classmethod
    def of_command(cls, config: Settings, client: Client, output: Output) -> Self:
        """Make the progress of a command that uses a client."""
        return cls(config, client.clock, output.last, client.is_simulated, output.warn)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what is drawn, and wait for what is still to be written as long as there is time for it."""
        if not self._closed:
            self._lines.must(self._stop)
            if self._events is not None and self._events is not sys.stdout:
                self._log.must(self._events.close)
            self._closed = [self._lines.close(), self._log.close()]
        for written in self._closed:
            self._last.wait(written)

    def settle(self) -> None:
        """Wait until everything so far is written; nothing has been changed yet.

        Raises:
            UsageError: the events cannot be written.
        """
        self._lines.flushed().wait()
        self._log.flushed().wait(_FLUSH_TIMEOUT)
        if self._log.failed is not None:
            why = self._log.failed.strerror or "an error"
            raise UsageError(f"The events could not be written: {why}.", hint="Nothing was changed; correct --events.")

    def print_line(self, text: str, style: str = "") -> None:
        """Print a line that is not lost under what is drawn; the style is for above a table."""
        self._lines.put(lambda: self._kept.append((text, style)) if self._paused else self._print(text, style))

    def note(self, text: str) -> None:
        """Print a line that only somebody who watches needs."""
        if not self._quiet:
            self.print_line(text)

    def print_then(self, text: str, then: Callable[[], None]) -> None:
        """Print a line however much waits, and then do something; a signal handler may call this."""

        def do() -> None:
            self._print(text)
            then()

        self._lines.must(do)

    def _print(self, text: str, style: str = "") -> None:
        if self._screen is not None:
            self._screen.print(text, style)
        else:
            print_stderr(text)

    def of(self, plan: Plan, ended: Mapping[str, str] | None = None, since: datetime | None = None) -> None:
        """Record what the run that follows is about.

        Args:
            plan: its plan.
            ended: what jobs came to before, by instance id, in a run that goes on.
            since: when this process joins a run that others carry: what happened before is not told, only counted.
        """
        self._since = since
        self._waiting = MachineView(plan)
        for job in plan.jobs:
            if job.instance_id and job.instance_name:
                self._names[job.instance_id] = printable(job.instance_name)
        if len(plan.jobs) > _STEP_BY_STEP_LIMIT:
            from .fleetview import FleetView  # noqa: PLC0415 - only for a fleet

            self._fleet = FleetView(plan, ended)

    def asking(
        self, prompt: Callable[[], None], read: Callable[[], str | None], ended: Callable[[], bool]
    ) -> str | None:
        """Ask a person something while nothing is drawn, and go on drawing after the answer.

        Args:
            prompt: writes the question.
            read: waits for what is typed.
            ended: whether there is nothing to ask any more.
        """

        def ask() -> None:
            self._paused = True
            if self._screen is not None:
                self._screen.stop()
            prompt()

        def go_on() -> None:
            self._paused = False
            kept, self._kept = self._kept, []
            for text, style in kept:
                self._print(text, style)
            if self._screen is not None:
                self._screen.start()

        self._lines.must(ask)
        asked = self._lines.flushed()
        while not asked.wait(0.1):
            if ended():
                return None
        try:
            return read()
        finally:
            self._lines.must(go_on)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Show on a terminal what is being read for a plan, once that takes more than a moment; then erase it."""
        if not _draws() or self._quiet or self._verbose:
            yield
            return
        ended, answered = threading.Event(), list[str]()
        self._answered = answered

        def draw() -> None:
            if self._screen is None and not ended.is_set():
                from .live import reading_screen  # noqa: PLC0415 - only on a terminal

                self._screen = reading_screen(answered, sys.stderr)
                self._screen.start()

        def wait() -> None:
            if not ended.wait(_SILENCE_LIMIT):
                self._lines.put(draw)

        threading.Thread(target=wait, name="safe-reinit-reading", daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            self._answered = None
            self._lines.must(self._stop)
            self._lines.flushed().wait()

    def findings(self, plan: Plan) -> None:
        """Report the plan's findings, and record what it is about."""
        self.of(plan)
        for found in plan.findings:
            self._write(FindingEvent(at=plan.made_at, run_id=None, data=found))

    def call(self, call: Call) -> None:
        """Report one HTTP exchange."""
        if (answered := self._answered) is not None:
            answered.append(call.action)
        if self._is_earlier(call.at):
            if self._fleet is not None:
                with self._lock:
                    self._fleet.call(call)
            return
        self._write((ReadEvent if call.only_reads else CallEvent)(at=call.at, run_id=None, data=call))
        if self._fleet is not None:
            with self._lock:
                self._fleet.call(call)
        if self._verbose and not self._quiet:
            what = f"{call.action}{' (dry run)' if call.dry_run else ''} {' '.join(call.subject)}".rstrip()
            self.print_line(f"{call.at:%H:%M:%S} {what}: {call.code} {call.request_id or ''}".rstrip())

    def event(self, event: Event) -> None:
        """Report one event of a run."""
        self._runs = True
        if self._is_earlier(event.at):
            self._count(event)
            return
        self._write(event)
        if event.event == "done" and event.data["tag_left"]:
            self.print_line(_tag_left(event))
        if self._quiet:
            return
        if self._fleet is not None:
            self._fleet_event(self._fleet, event)
        elif (waiting := self._waiting) is not None:
            self._machine_event(waiting, event)

    def _is_earlier(self, at: datetime) -> bool:
        return self._since is not None and at < self._since

    def _count(self, event: Event) -> None:
        """Count what happened before this process joined the run, at the time at which it happened."""
        if (fleet := self._fleet) is None:
            return
        with self._lock:
            fleet.event(event, self._clock.time() - (self._clock.now() - event.at).total_seconds())
        if self._screen is None and _draws() and not self._quiet:
            self._lines.put(lambda: self._draw(fleet))

    # ------------------------------------------------------------------------------------------------ many machines

    def _fleet_event(self, fleet: FleetView, event: Event) -> None:
        summary = ""
        with self._lock:
            now = self._clock.time()
            ended = fleet.event(event, now)
            if not _draws():
                self._reported_at = now if self._reported_at is None else self._reported_at
                if now - self._reported_at >= _SUMMARY_INTERVAL or self._is_new_trouble(fleet, now):
                    self._reported_at, summary = now, fleet.summary(now)
        if self._screen is None and _draws():
            self._lines.put(lambda: self._draw(fleet))
        if self._verbose and event.event in ("intend", "answer", "state"):
            self.print_line(f"{event.at:%H:%M:%S} {self._sentence(event)}")
        if ended is not None:
            self._ended(event, ended)
        if summary:
            self.print_line(f"{event.at:%H:%M:%S} {summary}")

    def _is_new_trouble(self, fleet: FleetView, now: float) -> bool:
        """Return whether something keeps machines from going on of which nothing was said a while ago."""
        kind = _kind(fleet.trouble)
        is_new = bool(kind) and now - self._troubles.get(kind, -_REPEAT_WAIT_AFTER) >= _REPEAT_WAIT_AFTER
        if kind:
            self._troubles[kind] = now
        return is_new

    def _draw(self, fleet: FleetView) -> None:
        """Begin to draw the table; in the thread that writes to the terminal."""
        if self._screen is None and not self._paused:
            from .live import fleet_screen  # noqa: PLC0415 - only on a terminal

            self._screen = fleet_screen(fleet, self._clock.time, sys.stderr)
            self._screen.start()

    def _stop(self) -> None:
        screen, self._screen = self._screen, None
        if screen is not None:
            screen.stop()

    def _ended(self, event: Event, ended: Ended) -> None:
        """Report one job that has ended: why, only if the failure before it had another reason."""
        text, why = ended.text, ended.why.replace(ended.instance_id, "")
        if ended.took is None:
            if ended.why in self._not_begun:
                return
            self._not_begun.add(ended.why)
            text = f"{ended.name} and others {ended.outcome.upper()}: {ended.why}"
        elif why and why == self._last_why:
            text = replace(ended, why="for the same reason").text
        self._last_why = why or self._last_why
        self.print_line(printable(f"{event.at:%H:%M:%S} {text}"), "" if ended.well else "red")

    # ------------------------------------------------------------------------------------------------- few machines

    def _machine_event(self, waiting: MachineView, event: Event) -> None:
        waiting.event(event, self._clock.time())
        if _draws():
            self._lines.put(lambda: self._live(waiting))
        elif event.event == "wait":
            self._lines.put(lambda: self._wait(event, waiting))
        if event.event in ("intend", "answer", "state"):
            self.print_line(f"{event.at:%H:%M:%S} {self._sentence(event)}")

    def _sentence(self, event: Event) -> str:
        data: Any = event.data
        subject = event.disk_id or event.instance_id or ""
        if event.event == "state":
            disks = ", ".join(f"{disk} {status}" for disk, status in data["disks"].items())
            return f"{self._name(event.instance_id)} is {data['instance'] or 'not seen yet'}; {disks}"
        step = self._waiting.step(data["action"], subject, force=data["force"]) if self._waiting else ""
        action = f"{step} {'forced ' if data['force'] else ''}{data['action']} {subject}".lstrip()
        if event.event == "intend":
            return f"{action}{'' if data['attempt'] == 1 else ' (attempt ' + str(data['attempt']) + ')'} ..."
        return f"{action}: {'accepted' if data['code'] == 'OK' else data['code']}"

    def _name(self, instance_id: str | None) -> str:
        return self._names.get(instance_id or "", instance_id or "")

    def _wait(self, event: Event, waiting: MachineView) -> None:
        """Report a wait where nobody sees a live line: what delays it, and now and then one that lasts."""
        data: Any = event.data
        text = waiting.line(event.instance_id or "", self._clock.time())
        trouble = _kind(data["why"])
        state = (data["phase"], data["instance"], tuple(data["disks"].items()), trouble)
        before, reported_at = self._waits.get(event.instance_id, (None, 0.0))
        if before != state:
            self._waits[event.instance_id] = (state, data["elapsed"])
            if trouble or data["phase"] == "wait-start":
                self.print_line(f"{event.at:%H:%M:%S} {text}")
        elif data["elapsed"] - reported_at >= _REPEAT_WAIT_AFTER:
            self._waits[event.instance_id] = (state, data["elapsed"])
            self.print_line(f"{event.at:%H:%M:%S} {text}")

    def _live(self, waiting: MachineView) -> None:
        """Draw the lines that stay as they are now; in the thread that writes to the terminal."""
        if self._screen is None and not self._paused:
            from .live import lines_screen  # noqa: PLC0415 - only on a terminal

            self._screen = lines_screen(waiting, self._clock.time, sys.stderr)
            self._screen.start()
        elif self._screen is not None:
            self._screen.refresh()

    def _write(self, event: Event) -> None:
        stream = self._events
        if stream is not None:
            marked = replace(event, simulated=event.simulated or self._simulated())
            self._log.put(lambda: _write(marked, stream))

    def _unwritten(self, error: OSError) -> None:
        """Warn once that events are missing in their file: a run is not stopped for that."""
        if self._runs:
            why = error.strerror or "an error"
            text = f"The events could not all be written: {why}. The run continues without them."
            self._warn(text)
            self.print_line(f"safe-reinit: {text}")

    def _dropped(self, count: int) -> None:
        if self._events is not None:
            dropped = DroppedEvent(at=self._clock.now(), run_id=None, data={"count": count})
            _write(replace(dropped, simulated=self._simulated()), self._events)


def _write(event: Event, stream: IO[str]) -> None:
    stream.write(one_line({"schema": 1, **encode(event)}) + "\n")
    stream.flush()


def _draws() -> bool:
    """Return whether a table can be drawn, and somebody sees it."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def _kind(why: str) -> str:
    """Return a reason without what changes with each observation: the seconds in which ECS answers."""
    return why.partition(":")[0]


def _tag_left(event: DoneEvent) -> str:
    until = (
        f"until the run is resumed: safe-reinit resume {event.run_id}"
        if event.data["owed"]
        else "and no other run can begin on it: remove the tag in the ECS console."
    )
    return f"safe-reinit: The tag {LOCK_TAG} of run {event.run_id} stays on {event.instance_id}, {until}"


def _open(name: str | None) -> IO[str] | None:
    if not name:
        return None
    if name == "-":
        return sys.stdout
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        return open(descriptor, "a", encoding="utf-8", errors="backslashreplace")
    except OSError:
        raise UsageError(f"{name} cannot be written.", hint="Correct --events.") from None
