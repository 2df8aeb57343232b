"""Run the whole program through one scenario on virtual time, and hand what happened to the judge."""

from __future__ import annotations

import json
import math
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import yaml

import safe_reinit
from safe_reinit import report as reports_of
from safe_reinit.cli.writer import Writer
from safe_reinit.execution.shards import Shards
from safe_reinit.interrupt import Interrupt
from safe_reinit.journal import Holder, Journal, Lease, sqlite
from safe_reinit.journal import place as journal_place
from safe_reinit.model import Event, Report
from safe_reinit.model.codec import decode, members
from safe_reinit.plans import shards
from safe_reinit.plans.plan import plan_to_json
from safe_reinit.simulator.engine import Engine, Options
from tests import direct, inprocess, virtual
from tests.postgresql import Server
from tests.simulation import engine as engines
from tests.simulation import people
from tests.simulation.database import Database
from tests.simulation.judge import (
    Evidence,
    Session,
    Take,
    Truth,
    Violation,
    judge,
    judge_end,
    judge_pauses,
    judge_slow_reads,
)
from tests.simulation.network import Network
from tests.simulation.options import ACCEPTED, ASSUMPTIONS, Scenario, has_only_pauses, has_only_slow_reads
from tests.simulation.patching import cooperative
from tests.simulation.scheduler import BEGIN_TIME, Process, Scheduler, Stalled, Task, VirtualClock
from tests.simulation.storage import JOURNAL_OUTAGE, File, Storage

KEYS = {
    "now": ("testid", "planted0secret0of0the0simulation"),
    "next": ("nextid", "another0secret0of0the0simulation"),
    "other": ("otherid", "foreign0secret0of0the0simulation"),
}
"""The key that the program has, the one that takes its place, and one of another account."""
SECRET = KEYS["now"][1]
LIMITS = {"timeout_stop": "2m", "timeout_snapshot": "4m", "timeout_reinit": "3m", "timeout_start": "2m"}
"""What the program may wait for each phase in a scenario: short, so that giving up is tried as often as success."""
RUN_LIMIT = 4 * 3600.0
"""Virtual seconds in which a run ends whatever happens: far more than its limits add up to."""
TIMES_RESUMED = 4
_MEMORY = Path("/dev/shm")


class Moment(NamedTuple):
    """A moment of the run at which something can happen to it.

    Attributes:
        point: ``intended``, ``leaving``, ``sent``, ``arrived`` or ``answered`` of a call; ``writing`` or ``written``.
        action: of the call, or ``journal``.
        dry_run: whether the call is one.
        nth: how many moments like it were counted until then, as ``when`` counts them; 0 where none are.

    """

    point: str
    action: str
    dry_run: bool
    nth: int


@dataclass
class Result:
    """What became of one scenario."""

    scenario: Scenario
    violations: list[Violation]
    trace: list[str]
    outcomes: list[str]
    reports: list[dict[str, Any]]
    covered: Counter[tuple[str, str]]
    """How often each fault met each state of the machine."""
    simulated: float
    calls: int
    moments: list[Moment]
    """Everything at which something could have happened, since faults began."""
    planning: int
    """How many of these moments came before the plan was made."""


@dataclass
class _Attempt:
    """One process that carries the run: what it left."""

    process: Process
    began: float
    task: Task | None = None
    report: dict[str, Any] | None = None
    error: BaseException | None = None
    interrupt: Interrupt | None = None
    truth: Truth | None = None
    ended: float = 0.0
    paused: float = 0.0
    traced: bool = False
    stepped: bool = False
    left: bool = False
    goes_on: bool = False
    worker: engines.Attempt | None = None
    """Of a run of shards: what an engine gave to it."""


@dataclass
class Simulation:
    """One scenario while it runs."""

    scenario: Scenario
    folder: Path
    through_sdk: bool = False
    server: Server | None = None
    scheduler: Scheduler = field(init=False)
    engine: Engine = field(init=False)
    network: Network = field(init=False)
    storage: Storage = field(init=False)
    plan: dict[str, Any] | None = None
    trace: list[str] = field(default_factory=list)
    covered: Counter[tuple[str, str]] = field(default_factory=Counter)
    moments: list[Moment] = field(default_factory=list)
    planning: int = 0
    run_id: str = ""
    began: float = 0.0

    def __post_init__(self) -> None:
        seed = self.scenario["seed"]
        self.scheduler = Scheduler(seed, BEGIN_TIME + random.Random(f"begin {seed}").random() * 3600)
        keys = [{"id": key, "secret": secret} for key, secret in KEYS.values()]
        keys[-1]["account"] = people.OTHER_ACCOUNT
        world = {**self.scenario["world"], "keys": keys}
        clock = VirtualClock(self.scheduler)
        self.engine = Engine(Options(world=world, clock=clock, seed=seed))
        self.network = Network(self.scheduler, self.engine, self.scenario, self._point, self._cover)
        if self.scenario.get("journal") == "postgresql":
            assert self.server is not None, "the scenario needs a PostgreSQL"
            self.storage = Database(self.scheduler, self._journal_point, self.server)
        else:
            self.storage = File(self.scheduler, self._journal_point, self.folder)
        self._counted: Counter[tuple[str, str]] = Counter()
        self._attempts: list[_Attempt] = []
        self._current: _Attempt | None = None
        self._others: list[_Attempt] = []
        self._foreign: set[str] = set()
        self._apart: set[str] = set()
        self._calm = False
        self._reading = True
        self._back_after = 1.0
        self._verdicts: set[str] = set()
        self._judged: list[tuple[float, float]] = []
        self._unrecorded: float | None = None
        self._away = 0.0
        self._outages: list[tuple[float, float]] = []
        self._abandoned = False
        self._events: list[str] = []
        self._cancelled: float | None = None
        self._disturbed = False
        self._taking: dict[Task, str] = {}
        self._takes: list[Take] = []
        self._seen_open: tuple[tuple[float, int], list[str]] = ((0.0, 0), [])
        self._temporal = engines.Temporal(self.scheduler, self._connect, self._submitted)
        self._write_credentials("now")

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The reports of the run, in the order in which their processes began."""
        result = [each.report for each in self._attempts if each.report is not None]
        shown = self._shown()
        return [*result, shown] if shown is not None else result

    # ------------------------------------------------------------------------------------------------ what happens

    def note(self, who: str, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.scheduler.now - BEGIN_TIME:10.3f}  {who:<10} {text}")

    def _point(self, point: str, action: str, process: Process, dry_run: bool) -> None:
        """Let happen what waits for this moment of this call."""
        name = action.removesuffix("s") if action.startswith(("Stop", "Start")) else action
        if point == "arrived":
            last = self.engine.calls.last
            text = f"{action}{' (dry run)' if dry_run else ''} {' '.join(last.subject)[:60]}"
            self.note(process.name, f"{text} -> {last.code or last.http_status} {last.fault or ''}".rstrip())
            if last.fault:
                self._cover(f"{name}:{last.fault}")
            if any(each.process is process for each in self._others):
                self._foreign.add(last.request_id)
                self._apart |= {last.request_id} if process.elsewhere else set()
        if self._calm or not self.began or not any(each.process is process for each in self._attempts):
            return
        if dry_run or not self.run_id:
            self.moments.append(Moment(point, action, dry_run, 0))
        else:
            self._meet(point, action, name, process)

    def _journal_point(self, point: str) -> None:
        """Let happen what waits for this moment of a transaction of the journal."""
        task = self.scheduler.current
        process = task.process if task is not None else None
        taken = self._taking.pop(task, "") if task is not None else ""
        if process is not None and point == "written":
            self.network.recorded(process)
            if taken:  # from now on, however late whoever took it is told
                self._takes.append(Take(self.scheduler.now, process.name, taken))
        if process is not None and self.began and not self._calm and process in [e.process for e in self._attempts]:
            self._meet(point, "journal", "journal", process)

    def _meet(self, point: str, action: str, name: str, process: Process) -> None:
        self._counted[point, name] += 1
        self.moments.append(Moment(point, action, False, self._counted[point, name]))
        for what in (*self.scenario["people"], *self.scenario["host"]):
            when = what["when"]
            if (when.get("point"), when.get("action")) == (point, name) and when["nth"] == self._counted[point, name]:
                self._later(when["delay"], what, process)
        self.scheduler.stay(process)

    def _later(self, delay: float, what: dict[str, Any], met: Process | None = None) -> None:
        readings = what["when"].get("readings", 0)
        if readings and self.scheduler.current is not None:
            self.scheduler.current.process.alarm = (readings, lambda: self._happens(what, met))
        elif delay == 0.0:
            self._happens(what, met)
        else:
            self.scheduler.at(self.scheduler.now + delay, lambda: self._happens(what, met))

    def _happens(self, what: dict[str, Any], met: Process | None = None) -> None:
        if self._calm or self._current is None:
            return
        if isinstance(what["does"], list):
            self._act(what["does"])
            return
        does = what["does"]
        self._cover(does)
        for attempt in self._struck(what, met):
            who = f" to {attempt.process.name}" if attempt.worker is not None else ""
            self.note("host", f"{does} {what.get('seconds', '')}".rstrip() + who)
            getattr(self, f"_{does}")(attempt, what)

    def _struck(self, what: dict[str, Any], met: Process | None) -> list[_Attempt]:
        """Return whom something happens to: of a run of shards the worker that met its moment, or one that is there."""
        assert self._current is not None
        workers = [each for each in self._attempts if each.worker is not None and not _is_over(each)]
        if not workers or what.get("who") != "worker":
            return [self._current]
        there = [each for each in workers if each.process is met]
        return workers if what.get("together") else (there or workers)[-1:]

    # What happens to those who carry a run of shards.

    def _submitted(self, engine: engines.Engine) -> None:
        self.run_id = self.run_id or engine.run_id

    def _connect(self, worker: engines.Attempt) -> Shards:
        """Connect as a worker does, in its process."""
        self._attempts.append(_Attempt(worker.process, self.scheduler.now, worker.task, worker=worker))
        return self._client().own_runs.shards(partial(self.note, worker.process.name))

    def _engine(self) -> engines.Engine | None:
        return self._temporal.engines.get(self.run_id)

    def _hand_over(self, attempt: _Attempt, _what: dict[str, Any]) -> None:
        if attempt.worker is not None:
            attempt.worker.hand_over.set()
            self._disturbed = True

    def _heartbeats_lost(self, attempt: _Attempt, _what: dict[str, Any]) -> None:
        """Let a worker count as lost that works on: another one is given its shard at the same time."""
        if attempt.worker is not None:
            attempt.worker.lost = self._disturbed = True

    def _ask_again(self, _attempt: _Attempt, _what: dict[str, Any]) -> None:
        if (engine := self._engine()) is not None:
            engine.ask_again()

    def _terminate(self, _attempt: _Attempt, _what: dict[str, Any]) -> None:
        if (engine := self._engine()) is not None:
            engine.terminate()

    def _cancel_workflow(self, _attempt: _Attempt, _what: dict[str, Any]) -> None:
        if (engine := self._engine()) is not None:
            engine.cancel()

    def _temporal_away(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        self._disturbed = True
        self._away += what["seconds"]
        self._temporal.stay_away(what["seconds"])

    def _tamper(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        """Let somebody have the journal name another disk, once they can write it: the run is nobody's from then on."""

        def tamper() -> None:
            while not self._calm:
                with suppress(safe_reinit.Error):  # it is locked, full or away
                    self.storage.tamper(what["disk"], what["for"])
                    self._abandoned = True
                    return
                self.scheduler.sleep(1.0)

        self.scheduler.spawn("tamper", Process("somebody"), tamper)

    @contextmanager
    def in_shards(self) -> Iterator[None]:
        """Let the run be cut into small shards and submitted to the engine, and see who takes them."""
        begin = Journal._begin_lease

        def seen(journal: Journal, run_id: str, before: Holder | None) -> Lease:
            self._taking[self.scheduler.this()] = run_id  # it has it once that is committed
            return begin(journal, run_id, before)

        with (
            patch.object(shards, "SHARD_SIZE", self.scenario["shards"]),
            patch.object(Journal, "_begin_lease", seen),
            patch.object(Journal, "shared", True),  # every worker of a simulation sees the file
            self._temporal.in_place(),
        ):
            yield

    def _shown(self) -> dict[str, Any] | None:
        """Return what the journal tells of a run of shards that has ended, where whoever followed it does not."""
        if not self.scenario.get("shards") or not self.run_id:
            return None
        run = next((each for each in self.storage.runs() if each.run_id == self.run_id), None)
        if run is None or run.ended_at is None or run.report is None:
            return None
        result = reports_of.to_json(decode(Report, run.report))
        return result if [result] != [each.report for each in self._attempts if each.report is not None][-1:] else None

    # What happens to the process and its host, by the names in a scenario.

    def _crash(self, attempt: _Attempt, what: dict[str, Any]) -> None:
        self._back_after = what["back_after"]
        self._disturbed = True
        self.scheduler.kill(attempt.process)
        self.storage.killed(attempt.process)

    def _pause(self, attempt: _Attempt, what: dict[str, Any]) -> None:
        self._disturbed = True
        self.scheduler.freeze(attempt.process, what["seconds"])
        attempt.paused += what["seconds"]
        attempt.process.slept += what["seconds"] if what.get("host_sleeps") else 0.0
        self._act(what.get("meanwhile", []))
        taken = what.get("taken_over_after")
        if taken is not None:
            self.scheduler.at(self.scheduler.now + taken, self._take_over)

    def _take_over(self) -> None:
        """Let somebody resume the run while its process does not run."""
        if not self._calm and self._current is not None:
            self.note("host", "somebody resumes the run")
            self._cover("taken over")
            self._spawn(f"taker-{len(self._attempts)}", partial(self._again, verdict=None))

    def _cut_off(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        self.network.cut_off_until = max(self.network.cut_off_until, self.scheduler.now + what["seconds"])

    def _wall_clock(self, attempt: _Attempt, what: dict[str, Any]) -> None:
        attempt.process.wall_offset += what["seconds"]
        attempt.stepped = True

    def _reader_stops(self, _attempt: _Attempt, _what: dict[str, Any]) -> None:
        self._reading = False

    def _interrupt(self, attempt: _Attempt, what: dict[str, Any]) -> None:
        for _ in range(what["times"] if attempt.interrupt is not None else 0):
            attempt.interrupt.ask()  # type: ignore[union-attr]

    def _leave(self, attempt: _Attempt, _what: dict[str, Any]) -> None:
        if attempt.interrupt is not None:
            attempt.left = True
            attempt.interrupt.leave()

    def _cancel(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        def cancel() -> None:
            for _ in range(what["times"]):
                with suppress(safe_reinit.Error):
                    self._client().cancel(self.run_id)
                    self._cancelled = self._cancelled or self.scheduler.now

        self.scheduler.spawn("cancel", Process("operator"), cancel)

    def _journal_locked(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        if self.storage.lock(what["seconds"]):
            self._outage(what["seconds"])

    def _journal_full(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        self.storage.full_until = max(self.storage.full_until, self._outage(what["seconds"]))

    def _journal_away(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        self.storage.away_until = max(self.storage.away_until, self._outage(what["seconds"]))

    def _journal_killed(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        """Kill the database, which is there again after a while with all that was committed."""
        assert isinstance(self.storage, Database)
        self._outage(what["seconds"])
        self.storage.kill(what["seconds"])

    def _journal_fails_over(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        """Let a copy of now, or of so long before the database is gone for good, take the place of it."""
        self.storage.back_up("standby")
        self._soon(what["lag"], lambda: self._fail_over(what["seconds"]))

    def _fail_over(self, seconds: float) -> None:
        assert isinstance(self.storage, Database)
        self.note("host", "a copy of the database takes over")
        self._outages.append((self.scheduler.now, math.inf))  # for those who knew the other one
        self._away += min(seconds, JOURNAL_OUTAGE)
        if self.storage.fail_over(seconds, "standby"):
            self._unrecorded = self._unrecorded or self.scheduler.now

    def _soon(self, delay: float, happens: Callable[[], None]) -> None:
        """Let something happen after so long, if anything still goes wrong then."""
        if delay:
            self.scheduler.at(self.scheduler.now + delay, lambda: None if self._calm else happens())
        else:
            happens()

    def _outage(self, seconds: float) -> float:
        """Note an outage of the journal that begins now, and return when it ends."""
        self._away += min(seconds, JOURNAL_OUTAGE)
        self._outages.append((self.scheduler.now, self.scheduler.now + seconds))
        return self._outages[-1][1]

    def _journal_unanswered(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        """Let the answers to the next commits be lost: they are done, or not, and nobody hears of it."""
        self.storage.unanswered = [what.get("arrives", True)] * what["times"]
        self._away += min(10.0 * what["times"], JOURNAL_OUTAGE)

    def _journal_removed(self, _attempt: _Attempt, _what: dict[str, Any]) -> None:
        self._unrecorded = self._unrecorded or self.scheduler.now
        self._away += self.storage.missed_for
        self.storage.remove()

    def _journal_restored(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        """Put the journal back as it was before this run began, or, after a while, as it is now."""
        if "after" in what:
            self.storage.back_up("backup")
            self._soon(what["after"], lambda: self._put_back("backup"))
        else:
            self._put_back("before")

    def _put_back(self, copy: str) -> None:
        self.note("host", f"the journal is put back: {copy}")
        self._away += self.storage.missed_for
        if self.storage.restore(copy):
            self._unrecorded = self._unrecorded or self.scheduler.now

    def _second_run(self, _attempt: _Attempt, what: dict[str, Any]) -> None:
        """Let somebody else plan and run the same or other disks, from the same journal or another host's."""
        other = _Attempt(Process("second", elsewhere=what["journal"] == "other"), self.scheduler.now)
        other.interrupt = Interrupt() if "disks" in what else None  # of other disks: it may wait until the end
        self._others.append(other)
        journal = self.storage.place if what["journal"] == "same" else self.storage.other

        def work() -> None:
            with suppress(safe_reinit.Error):
                client = self._client(journal, "alone")
                plan = self._planned(client, what.get("disks"))
                client.run(plan, confirm=plan.confirm_with, stop=other.interrupt)

        other.task = self.scheduler.spawn("second", other.process, work)

    # What other people do.

    def _act(self, steps: list[dict[str, Any]]) -> None:
        """Let somebody else do one thing, and the next ones after it."""
        if not steps or self._calm:
            return
        step, rest = steps[0], steps[1:]
        action = dict(step["do"])
        if "key" in action:
            if action["to"] == "chosen":
                self._write_credentials(action["key"])
                action["to"] = "valid"
            action["key"] = KEYS[action["key"]][0]
        try:
            people.do(self.engine, action)
            self.note("somebody", str(step["do"]))
            self._cover("somebody " + next(iter(step["do"])))
        except ValueError as error:
            self.note("somebody", f"cannot {step['do']}: {error}")
        if rest:
            self.scheduler.at(self.scheduler.now + step.get("wait", 0.0), lambda: self._act(rest))

    def _write_credentials(self, name: str) -> None:
        self._key = key, secret = KEYS[name]
        file = self.folder / "credentials.ini"
        file.write_text(f"[default]\ntype = access_key\naccess_key_id = {key}\naccess_key_secret = {secret}\n")
        file.chmod(0o600)

    def _cover(self, fault: str) -> None:
        """Count that a fault met this state of the machines."""
        states = sorted({row.status for row in self.engine.cloud.instances})
        disks = sorted({row.status for row in self.engine.cloud.disks if row.type == "data"})
        self.covered["+".join((*states, *disks)), fault] += 1

    # ------------------------------------------------------------------------------------------------- the program

    def _client(self, journal: str = "", settings: str = "config") -> safe_reinit.Client:
        config, place = str(self.folder / f"{settings}.yaml"), journal or self.storage.place
        connect = partial(safe_reinit.connect, region="cn-hangzhou", config=config, journal=place)
        if self.through_sdk:
            return connect(endpoint=inprocess.HOST)
        return connect(cloud=direct.factory(self.network, lambda: self._key))

    def _planned(self, client: safe_reinit.Client, disks: Sequence[str] | None = None) -> Any:
        asked = self.scenario["request"]
        return client.plan(
            disks or asked["disks"], stop_instance=True, leave_stopped=asked["leave_stopped"],
            snapshot=asked["snapshot"], accept=list(ACCEPTED), max_disks=200,
        )  # fmt: skip

    def _first(self, attempt: _Attempt) -> None:
        """Plan and run."""
        client, undo = self._client(), self.scenario["request"]["undo"]
        plan = self._planned(client) if undo or not self.scenario.get("while_planning") else None
        if undo:
            assert plan is not None
            try:
                done = client.run(plan, confirm=plan.confirm_with)
            except safe_reinit.Error:
                return  # what goes wrong with a wipe is other scenarios' matter
        if self.scenario.get("while_planning"):
            self._begin(attempt)
        try:
            if undo:
                plan = client.plan_undo(str(done.run_id), stop_instance=True, accept=list(ACCEPTED), max_disks=200)
            plan = plan or self._planned(client)
        except safe_reinit.Error as error:
            if not self.began:
                raise
            attempt.error = error
            return
        self.plan = plan_to_json(plan)
        self.planning = len(self.moments)
        if not self.began:
            self._begin(attempt)
        self.storage.back_up("before")
        attempt.interrupt = Interrupt()
        stop = attempt.interrupt
        confirm, goes_on = plan.confirm_with, self._goes_on
        self._carry(
            attempt, lambda result: client.run(plan, confirm=confirm, on_event=result, stop=stop, go_on=goes_on)
        )

    def _goes_on(self, _question: str) -> bool:
        """Answer whether the next stage may begin, after a while."""
        self.scheduler.sleep(20.0)
        agrees = bool(self.scenario["request"].get("agrees", True))
        if not agrees:
            self._cancelled = self._cancelled or self.scheduler.now
        return agrees

    def _begin(self, attempt: _Attempt) -> None:
        """Let go wrong from here on what the scenario has."""
        self.began = attempt.began = self.scheduler.now
        for each in self.scenario["faults"]:
            self.engine.do({"fault": {key: value for key, value in each.items() if key != "name"}})
        self.network.arm()
        if self.scenario["beyond"].get("silent_starts"):
            people.keep_start_time(self.engine)
        for at, seconds in self.scenario["beyond"].get("lag_changes", ()):
            self.scheduler.at(self.scheduler.now + at, partial(self._lag, seconds))
        for what in (*self.scenario["people"], *self.scenario["host"]):
            if "at" in what["when"]:
                self._later(what["when"]["at"], what)

    def _lag(self, seconds: float) -> None:
        if not self._calm:
            people.change_lag(self.engine, seconds)
            self._cover("lag changes")

    def _again(self, attempt: _Attempt, verdict: Any) -> None:
        """Resume."""
        client = self._client()
        attempt.interrupt = Interrupt()
        if verdict == "wipe-again":
            verdict = None
            if self._in_doubt():  # it plans anew; the run that is judged is let go
                with suppress(safe_reinit.Error):
                    client.abandon(self.run_id)
                    self._abandoned = True
                return
        self._carry(
            attempt,
            lambda result: client.resume(
                self.run_id, verdict=verdict, on_event=result, stop=attempt.interrupt, go_on=self._goes_on
            ),
        )
        if verdict is not None:
            self._judged.append((attempt.began, self.scheduler.now))

    def _carry(self, attempt: _Attempt, run: Callable[[Callable[[Event], None]], Any]) -> None:
        writer = Writer("events", lambda _lost: None)

        def write(event: Event) -> None:
            if not self._reading:
                self.scheduler.hang()
            self._events.append(json.dumps(members(event), default=str))

        def result(event: Event) -> None:
            if event.run_id and not self.run_id:
                self.run_id = event.run_id
            if event.event == "intend":
                self._point("intended", str(event.data["action"]), attempt.process, dry_run=False)
            writer.put(partial(write, event))

        try:
            attempt.report = reports_of.to_json(run(result))
        except safe_reinit.Error as error:
            attempt.error = error
            attempt.report = reports_of.to_json(error.report) if error.report is not None else None
        except KeyboardInterrupt as error:  # it was asked to end while it waited for another one's lease
            attempt.error = error
        attempt.ended, attempt.truth = self.scheduler.now, self._truth()
        attempt.goes_on = bool(self.scenario.get("shards")) and any(
            run.run_id == self.run_id and run.ended_at is None for run in self.storage.runs()
        )
        if attempt.report is not None and attempt.report["run_id"] is None and len(self._attempts) > 1:
            attempt.report = None  # it did not hold the run

    def _truth(self) -> Truth:
        cloud = self.engine.cloud
        self.engine.tick()
        return Truth(
            {row.id: row.status for row in cloud.instances},
            {row.id: tuple(done.request_id for done in (*row.wipes, *row.resets)) for row in cloud.disks},
        )

    def _spawn(self, name: str, work: Callable[[_Attempt], None]) -> _Attempt:
        attempt = _Attempt(Process(name), self.scheduler.now)
        self._attempts.append(attempt)
        attempt.task = self.scheduler.spawn("main", attempt.process, lambda: work(attempt))
        return attempt

    def _process(self, name: str, work: Callable[[_Attempt], None]) -> _Attempt:
        """Let a process work until it ends or is killed, and everybody who began something meanwhile, too."""
        attempt = self._current = self._spawn(name, work)
        self._reading, began = True, self.scheduler.now
        while True:
            self._wait_for(*self._attempts, *(each for each in self._others if each.interrupt is None))
            if self._temporal.is_idle and all(map(_is_over, self._attempts)):
                break
            if self._unrecorded is not None:  # what no journal knows nobody can carry: somebody ends that
                self._temporal.give_up()
            if self.scheduler.now > began + RUN_LIMIT:
                raise Stalled(f"the shards of {self.run_id} have not ended")
            self.scheduler.advance(1.0)
        for each in self._attempts:
            self._trace_end(each)
        return attempt

    def _wait_for(self, *attempts: _Attempt) -> None:
        """Run until all of these have ended; one that waits for a run which nobody resumes is asked to end."""
        while left := [each for each in attempts if each.task and not _is_over(each)]:
            first = left[0]
            assert first.task is not None
            try:
                self.scheduler.run(first.task, self.scheduler.now + RUN_LIMIT)
            except Stalled:
                if first.interrupt is None or first.interrupt.asked or not self._waits_for_nobody():
                    raise
                first.interrupt.ask()

    def _waits_for_nobody(self) -> bool:
        """Return whether somebody else left a run behind from which a machine may be down."""
        over = all(_is_over(each) for each in self._others)
        return over and any(run.open for run in self.storage.runs() if run.run_id != self.run_id)

    def _trace_end(self, attempt: _Attempt) -> None:
        """Report in the trace how a process ended."""
        if attempt.traced:
            return
        attempt.traced, name = True, attempt.process.name
        assert attempt.task is not None
        if attempt.process.dead:
            self.note(name, "is gone")
        elif attempt.task.error is not None:
            raise attempt.task.error
        elif attempt.worker is not None:
            self.note(name, f"ends: {attempt.worker.error or 'for this worker'}")
        elif attempt.report is not None:
            result = attempt.report
            self.note(name, f"ends: {result['outcome']} ({result['exit_code']}) {_message(result)}")
        else:
            self.note(name, f"ends: {str(attempt.error) or repr(attempt.error)}")

    # ------------------------------------------------------------------------------------------------- the two phases

    def run(self) -> list[Violation]:
        """Let everything go wrong that the scenario has, and judge; then let nothing go wrong, and judge the end."""
        name = self.scenario["request"]["verdict"]
        try:
            last = self._process("first", self._first)
            self._find_run()
            for number in range(TIMES_RESUMED):
                if not self.run_id or not self._open_runs() or not (last.process.dead or number == 0):
                    break
                self.scheduler.advance(self._back_after if last.process.dead else 5.0)
                last = self._process(f"resume-{number + 1}", partial(self._again, verdict=self._verdict(name)))
        except Stalled as error:
            return [Violation("stalled", str(error)), *judge(self.evidence())]
        found = judge(self.evidence())
        return found or self._end()

    def _end(self) -> list[Violation]:
        """Take everything away that goes wrong, and see that the run reaches its end."""
        self._calm = True
        self.network.calm()
        self.storage.calm()
        self.engine.faults.clear()
        self.note("world", "nothing goes wrong from here on")
        self._write_credentials("now")
        people.restore_rights(self.engine)
        self.scheduler.advance(400.0)
        for row in list(self.engine.cloud.instances):
            with suppress(ValueError):
                self.engine.do({"unlock": row.id})
        refused = False  # then it says how to go on: without a verdict
        try:
            for number in range(3):
                if not self.run_id or not self._open_runs():
                    break
                truth = self._true_verdict() if self._in_doubt() and not refused else None
                last = self._process(f"end-{number + 1}", partial(self._again, verdict=truth))
                refused = truth is not None and last.report is None
                self.scheduler.advance(60.0)
            for other in self._others if self._open_runs() else ():  # whose machine is down for as long as that lasts
                if other.interrupt is not None:
                    other.interrupt.ask()
            self._wait_for(*self._others)
        except Stalled as error:
            return [Violation("stalled", str(error))]
        evidence = self.evidence()
        return [*judge(evidence), *judge_end(evidence)]

    def _find_run(self) -> None:
        """Find the run of a process that was killed before its first event, as ``runs`` does."""
        if not self.run_id and self.plan is not None:
            self.run_id = next((run.run_id for run in self.storage.runs() if run.open), "")

    def _verdict(self, name: str | None) -> str | None:
        """Return what the operator says on a resume: the truth where it is asked for, or something unasked."""
        if name == "truth":
            return self._true_verdict() if self._in_doubt() else None
        if name in ("reinitialised", "intact"):
            self._verdicts.add(name)
        return name

    def _in_doubt(self) -> bool:
        return bool(self.reports) and any(
            disk["data"] == "unknown" for job in self.reports[-1]["jobs"] for disk in job["disks"]
        )

    def _true_verdict(self) -> str:
        """Return what ActionTrail would: whether the disks that are in doubt were wiped."""
        doubtful = [
            disk["disk_id"] for job in self.reports[-1]["jobs"] for disk in job["disks"] if disk["data"] == "unknown"
        ]
        undo = self.scenario["request"]["undo"]
        rows = [self.engine.cloud.disks.get(disk_id) for disk_id in doubtful]
        done = [row is not None and bool(row.resets if undo else row.wipes) for row in rows]
        text = "reinitialised" if all(done) else "intact"
        if any(done) and not all(done):  # one word for all of them cannot be true of each
            self._verdicts.add(text)
        return text

    def _open_runs(self) -> list[str]:
        """List the run if it is open. The journal is read again only once anything has happened since."""
        moment = self.scheduler.now, self.scheduler.switches
        if self._seen_open[0] != moment:
            found = [run.run_id for run in self.storage.runs() if run.open and run.run_id == self.run_id]
            self._seen_open = moment, found
        return self._seen_open[1]

    def evidence(self) -> Evidence:
        """Return what the judge sees now."""
        files = [path for path in sorted(self.folder.rglob("*")) if path.suffix not in (".yaml", ".ini")]
        outputs = {path.name: path.read_bytes() for path in files if path.is_file()}
        outputs |= self.storage.text()
        outputs |= {f"report {number}": str(result).encode() for number, result in enumerate(self.reports)}
        outputs |= {"events": "\n".join(self._events).encode(), "plan": str(self.plan).encode()}
        outputs |= {f"error {number}": str(each.error).encode() for number, each in enumerate(self._attempts)}
        beyond = self.scenario["beyond"]
        return Evidence(
            engine=self.engine,
            plan=self.plan,
            sessions=self._sessions(),
            began=self.began or self.scheduler.now,
            outputs=outputs,
            secrets=[secret for _, secret in KEYS.values()],
            broken=[each for each in ASSUMPTIONS if each not in self.scenario["keeps"]],
            lag=None if "lag_changes" in beyond else self.scenario["world"].get("describe_lag", 0.0),
            open_runs=self._open_runs() if self.run_id else (),
            run_id=self.run_id,
            verdicts=sorted(self._verdicts),
            judged=self._judged,
            sent=[each for each in self.network.sent if each.at >= (self.began or self.scheduler.now)],
            starts={each.process.name: each.began for each in self._attempts},
            foreign=self._foreign,
            apart=self._apart,
            unrecorded=self._unrecorded,
            outages=self._outages,
            tags_reported={
                result["instance_id"] for result in map(json.loads, self._events) if result["data"].get("tag_left")
            },
            away=self._away,
            abandoned=self._abandoned,
            cancelled=self._cancelled,
            disturbed=bool(self.scenario.get("shards")) and self._disturbed,
            shards={each.process.name: each.worker.shard for each in self._attempts if each.worker is not None},
            takes=self._takes,
            sends_again=self.scenario["request"]["on_unknown"] == "retry",
        )

    def _sessions(self) -> list[Session]:
        result = [self._session(each) for each in self._attempts if each.report is not None]
        shown = self._shown()
        if shown is not None:
            result.append(Session(shown, process="show", began=self.began, ended=self.scheduler.now, overlapped=True))
        if self.scenario.get("shards"):  # what its workers met is theirs, too
            paused, stepped = sum(each.paused for each in self._attempts), any(each.stepped for each in self._attempts)
            result = [replace(each, paused=paused, stepped=stepped) for each in result]
        return result

    def _session(self, attempt: _Attempt) -> Session:
        assert attempt.report is not None
        meanwhile = [
            each
            for each in self._attempts
            if each is not attempt and each.began <= attempt.ended and (each.ended or each.began) >= attempt.began
        ]
        return Session(
            attempt.report, attempt.truth, attempt.process.name, attempt.began, attempt.ended, attempt.paused,
            overlapped=bool(meanwhile), stepped=attempt.stepped, left=attempt.left,
            goes_on=attempt.goes_on,
        )  # fmt: skip


def _is_over(attempt: _Attempt) -> bool:
    return attempt.process.dead or (attempt.task is not None and attempt.task.done)


def _message(result: dict[str, Any]) -> str:
    errors = [result["error"], *(job["error"] for job in result["jobs"])]
    return "; ".join(dict.fromkeys(each["message"] for each in errors if each))


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of the program: nothing but where its credentials are."""
    return {"HOME": str(folder), "ALIBABA_CLOUD_CREDENTIALS_FILE": str(folder / "credentials.ini"), "PATH": os.defpath}


def simulate(scenario: Scenario, *, through_sdk: bool = False, server: Server | None = None) -> Result:
    """Run one scenario from its beginning to its end.

    Args:
        scenario: what happens.
        through_sdk: whether the program calls over the real SDK, which signs, and finds its key in a file. Else it asks
            the engine in this process, which is faster.
        server: has the journal, if the scenario says that PostgreSQL does.

    """
    place = _MEMORY if _MEMORY.is_dir() else None  # a journal waits for its disk, and here that is real time
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=place) as name:
        folder = Path(name)
        asked = scenario["request"]
        config = {**LIMITS, "on_unknown": asked["on_unknown"], "lock_tag": asked["lock_tag"], "pause": "none"}
        rollout = ("canary", "waves", "max_parallel", "stop_after_failures")
        config |= {key: asked[key] for key in rollout if asked.get(key)}
        config["pause"] = asked.get("pause", "none")
        if asked["force_stop_after"]:
            config["force_stop_after"] = f"{asked['force_stop_after']}s"
        carried = {"runner": "temporal"} if scenario.get("shards") else {}
        for file, settings in (("config.yaml", config | carried), ("alone.yaml", config)):
            (folder / file).write_text(yaml.safe_dump(settings))
            (folder / file).chmod(0o600)
        simulation = Simulation(scenario, folder, through_sdk, server)
        scheduler = simulation.scheduler
        began = scheduler.now
        drawn = random.getstate()
        random.seed(f"jitter {scenario['seed']}")  # the program's own, in the order of its tasks
        try:
            with (
                patch.dict(os.environ, _environment(folder), clear=True),
                patch.object(journal_place, "default_journal", lambda _: folder / "journal.db"),
                patch.object(
                    sqlite, "_RESERVE_SIZE", virtual.JOURNAL_ROOM
                ),  # what a disk that fills up takes, the storage decides
                cooperative(scheduler, more=simulation.storage.replaced()),
                inprocess.connected({inprocess.HOST: simulation.network}),
                simulation.in_shards() if scenario.get("shards") else nullcontext(),
            ):
                found, reports = simulation.run(), simulation.reports
        finally:
            random.setstate(drawn)
            simulation.storage.close()
        if has_only_pauses(scenario) and not found:
            unpaused = {**scenario, "host": []}
            again = partial(simulate, unpaused, through_sdk=through_sdk, server=server)
            found = judge_pauses(reports, lambda: again().reports)
        if has_only_slow_reads(scenario):
            found += judge_slow_reads(reports)
        return Result(
            scenario=scenario,
            violations=found,
            trace=simulation.trace,
            outcomes=[each["outcome"] for each in reports],
            reports=reports,
            covered=simulation.covered,
            simulated=scheduler.now - began,
            calls=len(list(simulation.engine.calls)),
            moments=simulation.moments,
            planning=simulation.planning,
        )


def timed(scenario: Scenario) -> tuple[Result, float]:
    """Run one scenario and measure the real seconds that it took."""
    began = time.perf_counter()
    return simulate(scenario), time.perf_counter() - began
