"""Run the whole program through one scenario on virtual time, and hand what happened to the judge."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

import safe_reinit
from safe_reinit import report as reports_of
from safe_reinit.cli.writer import Writer
from safe_reinit.clock import Clock
from safe_reinit.interrupt import Interrupt
from safe_reinit.journal import Journal
from safe_reinit.model import Event
from safe_reinit.plan import to_json
from safe_reinit.simulator import console
from safe_reinit.simulator.engine import Engine, Options
from safe_reinit.simulator.state.clock import SimulatedClock
from tests import inprocess
from tests.simulation.judge import Evidence, Violation, judge, judge_end
from tests.simulation.network import Network
from tests.simulation.options import ACCEPTED, ASSUMPTIONS, Scenario
from tests.simulation.patching import cooperative
from tests.simulation.scheduler import Process, Scheduler, Stalled, Task

KEY, SECRET = "testid", "planted0secret0of0the0simulation"
LIMITS = {"timeout_stop": "4m", "timeout_snapshot": "8m", "timeout_reinit": "6m", "timeout_start": "5m"}
"""What the program may wait for each phase in a scenario: short, so that giving up is tried as often as success."""
LONGEST = 4 * 3600.0
"""Virtual seconds in which a run ends whatever happens: far more than its limits add up to."""
TIMES_RESUMED = 4
_BEGIN = 1_780_000_000.0
"""Virtual time begins near the present, so that certificates and signatures are of no other age than the program."""


class VirtualClock(SimulatedClock):
    """The simulator's clock, shared with the program."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(1.0)
        self._scheduler = scheduler
        self._start = scheduler.now

    def now(self) -> float:
        """Return virtual time."""
        return self._scheduler.now


class ProgramClock(Clock):
    """The program's clock; its wall clock may be wrong."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(1.0)
        self._scheduler = scheduler

    def now(self) -> datetime:
        """Return the local time as the process sees it."""
        offset = self._scheduler.current.process.wall_offset if self._scheduler.current else 0.0
        return datetime.fromtimestamp(self._scheduler.now + offset, UTC)


@dataclass
class Result:
    """What became of one scenario."""

    scenario: Scenario
    violations: list[Violation]
    trace: list[str]
    outcomes: list[str]
    covered: Counter[tuple[str, str]]
    """How often each fault met each state of the machine."""
    simulated: float
    calls: int


@dataclass
class _Attempt:
    """One process that carries the run: what it left."""

    process: Process
    report: dict[str, Any] | None = None
    error: BaseException | None = None
    run_id: str = ""
    interrupt: Interrupt | None = None


@dataclass
class Simulation:
    """One scenario while it runs."""

    scenario: Scenario
    folder: Path
    scheduler: Scheduler = field(init=False)
    engine: Engine = field(init=False)
    network: Network = field(init=False)
    plan: dict[str, Any] | None = None
    reports: list[dict[str, Any]] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    covered: Counter[tuple[str, str]] = field(default_factory=Counter)
    run_id: str = ""
    began: float = 0.0

    def __post_init__(self) -> None:
        seed = self.scenario["seed"]
        self.scheduler = Scheduler(seed, _BEGIN + random.Random(f"begin {seed}").random() * 3600)
        keys = [{"id": KEY, "secret": SECRET}]
        world = {**self.scenario["world"], "keys": keys}
        clock = VirtualClock(self.scheduler)
        self.engine = Engine(Options(world=world, faults=self.scenario["faults"], clock=clock, seed=seed))
        self.network = Network(self.scheduler, self.engine, self.scenario, self._point)
        self._counted: Counter[tuple[str, str]] = Counter()
        self._attempt: _Attempt | None = None
        self._calm = False
        self._reading = True
        self._back_after = 1.0
        self._said: set[str] = set()
        self._judged: list[tuple[float, float]] = []
        self._sessions = 0

    # ------------------------------------------------------------------------------------------------ what happens

    def say(self, who: str, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.scheduler.now - _BEGIN:10.3f}  {who:<10} {text}")

    def _point(self, point: str, action: str, process: Process, dry_run: bool) -> None:
        """Let happen what waits for this moment of this call."""
        name = action.removesuffix("s") if action.startswith(("Stop", "Start")) else action
        if point == "arrived":
            last = self.engine.calls.last
            said = f"{action}{' (dry run)' if dry_run else ''} {' '.join(last.subject)[:60]}"
            self.say(process.name, f"{said} -> {last.code or last.http_status} {last.fault or ''}".rstrip())
            if last.fault:
                self._cover(f"{name}:{last.fault}")
        if dry_run or self._calm or not self.run_id:
            return
        self._counted[point, name] += 1
        for what in (*self.scenario["people"], *self.scenario["host"]):
            when = what["when"]
            if (when.get("point"), when.get("action")) == (point, name) and when["nth"] == self._counted[point, name]:
                self._later(when["delay"], what)
        if self.scheduler.current is not None and self.scheduler.current.process is process:
            if process.dead:
                self.scheduler.hang()
            if process.frozen_until > self.scheduler.now:
                self.scheduler.sleep(0)

    def _later(self, delay: float, what: dict[str, Any]) -> None:
        if delay == 0.0:
            self._happens(what)
        else:
            self.scheduler.at(self.scheduler.now + delay, lambda: self._happens(what))

    def _happens(self, what: dict[str, Any]) -> None:
        if self._calm or self._attempt is None:
            return
        if isinstance(what["does"], list):
            self._deed(what["does"])
            return
        process, does = self._attempt.process, what["does"]
        self.say("host", f"{does} {what.get('seconds', '')}".rstrip())
        self._cover(does)
        if does == "crash":
            self._back_after = what["back_after"]
            self.scheduler.kill(process)
        elif does == "pause":
            self.scheduler.freeze(process, what["seconds"])
        elif does == "cut_off":
            self.network.cut_off_until = max(self.network.cut_off_until, self.scheduler.now + what["seconds"])
        elif does == "wall_clock":
            process.wall_offset += what["seconds"]
        elif does == "reader_stops":
            self._reading = False
        elif self._attempt.interrupt is not None:
            self._ask(self._attempt.interrupt, what)

    def _ask(self, interrupt: Interrupt, what: dict[str, Any]) -> None:
        """Let the operator end the run, in order or at once."""
        if what["does"] == "leave":
            interrupt.leave()
        for _ in range(what.get("times", 0)):
            interrupt.ask()

    def _deed(self, steps: list[dict[str, Any]]) -> None:
        """Let somebody else do one thing, and the next ones after it."""
        if not steps or self._calm:
            return
        step, rest = steps[0], steps[1:]
        try:
            console.do(self.engine, step["do"])
            self.say("somebody", str(step["do"]))
            self._cover("somebody " + next(iter(step["do"])))
        except ValueError as error:
            self.say("somebody", f"cannot {step['do']}: {error}")
        if rest:
            self.scheduler.at(self.scheduler.now + step.get("wait", 0.0), lambda: self._deed(rest))

    def _cover(self, fault: str) -> None:
        """Count that a fault met this state of the machines."""
        states = sorted({row.status for row in self.engine.cloud.instances})
        disks = sorted({row.status for row in self.engine.cloud.disks if row.type == "data"})
        self.covered["+".join((*states, *disks)), fault] += 1

    # ------------------------------------------------------------------------------------------------- the program

    def _client(self) -> safe_reinit.Client:
        return safe_reinit.connect(
            region="cn-hangzhou",
            endpoint=inprocess.HOST,
            credentials=(KEY, SECRET),
            config=str(self.folder / "config.yaml"),
            journal=str(self.folder / "journal.db"),
            clock=ProgramClock(self.scheduler),
        )

    def _first(self, attempt: _Attempt) -> None:
        """Plan and run."""
        asked = self.scenario["request"]
        client = self._client()
        plan = client.plan(
            asked["disks"], stop_instance=True, leave_stopped=asked["leave_stopped"], snapshot=asked["snapshot"],
            accept=list(ACCEPTED), max_disks=20,
        )  # fmt: skip
        self.plan = to_json(plan)
        self.began = self.scheduler.now
        for what in (*self.scenario["people"], *self.scenario["host"]):
            if "at" in what["when"]:
                self._later(what["when"]["at"], what)
        attempt.interrupt = Interrupt()
        stop = attempt.interrupt
        self._carry(attempt, lambda told: client.run(plan, confirm=plan.confirm_with, on_event=told, stop=stop))

    def _again(self, attempt: _Attempt, verdict: Any) -> None:
        """Resume."""
        began = self.scheduler.now
        client = self._client()
        attempt.interrupt = Interrupt()
        self._carry(
            attempt,
            lambda told: client.resume(self.run_id, verdict=verdict, on_event=told, stop=attempt.interrupt),
        )
        if verdict is not None:
            self._judged.append((began, self.scheduler.now))

    def _carry(self, attempt: _Attempt, run: Callable[[Callable[[Event], None]], Any]) -> None:
        writer = Writer("events", lambda _lost: None)

        def write() -> None:
            if not self._reading:
                self.scheduler.hang()

        def told(event: Event) -> None:
            if event.run_id and not self.run_id:
                self.run_id = event.run_id
            writer.put(write)

        try:
            attempt.report = reports_of.to_json(run(told))
        except safe_reinit.Error as error:
            attempt.error = error
            attempt.report = reports_of.to_json(error.report) if error.report is not None else None

    def _process(self, name: str, work: Callable[[_Attempt], None]) -> _Attempt:
        """Let a process work until it ends or is killed."""
        attempt = self._attempt = _Attempt(Process(name))
        self._reading = True
        self._sessions += 1
        task: Task = self.scheduler.spawn("main", attempt.process, lambda: work(attempt))
        self.scheduler.run(task, self.scheduler.now + LONGEST)
        if attempt.process.dead:
            self.say(name, "is gone")
        elif task.error is not None:
            raise task.error
        elif attempt.report is not None:
            told = attempt.report
            self.say(name, f"ends: {told['outcome']} ({told['exit_code']}) {_message(told)}")
            if attempt.report["run_id"] is not None or not self.reports:
                self.reports.append(attempt.report)
        else:
            self.say(name, f"ends: {attempt.error}")
        return attempt

    # ------------------------------------------------------------------------------------------------- the two phases

    def run(self) -> list[Violation]:
        """Let everything go wrong that the scenario has, and judge; then let nothing go wrong, and judge the end."""
        name = self.scenario["request"]["verdict"]
        try:
            last = self._process("first", self._first)
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
        self.engine.faults.clear()
        self.say("world", "nothing goes wrong from here on")
        self.scheduler.advance(400.0)
        for row in list(self.engine.cloud.instances):
            with suppress(ValueError):
                console.do(self.engine, {"unlock": row.id})
        try:
            for number in range(3):
                if not self.run_id or not self._open_runs():
                    break
                truth = self._truth() if self._in_doubt() else None
                self._process(f"end-{number + 1}", partial(self._again, verdict=truth))
                self.scheduler.advance(60.0)
        except Stalled as error:
            return [Violation("stalled", str(error))]
        return [*judge(self.evidence()), *judge_end(self.evidence())]

    def _verdict(self, name: str | None) -> str | None:
        """Return what the operator says on a resume: the truth where it is asked for, or something unasked."""
        if name == "truth":
            return self._truth() if self._in_doubt() else None
        if name is not None:
            self._said.add(name)
        return name

    def _in_doubt(self) -> bool:
        return bool(self.reports) and any(
            disk["data"] == "unknown" for job in self.reports[-1]["jobs"] for disk in job["disks"]
        )

    def _truth(self) -> str:
        """Tell what ActionTrail would: whether the disks that are in doubt were wiped."""
        doubtful = [
            disk["disk_id"] for job in self.reports[-1]["jobs"] for disk in job["disks"] if disk["data"] == "unknown"
        ]
        rows = [self.engine.cloud.disks.get(disk_id) for disk_id in doubtful]
        return "reinitialised" if all(row is not None and row.wipes for row in rows) else "intact"

    def _open_runs(self) -> list[str]:
        with Journal(self.folder / "journal.db") as journal:
            return [run.run_id for run in journal.runs() if run.open]

    def evidence(self) -> Evidence:
        """Return what the judge sees now."""
        outputs = {path.name: path.read_bytes() for path in sorted(self.folder.iterdir()) if path.name != "config.yaml"}
        outputs |= {f"report {number}": str(told).encode() for number, told in enumerate(self.reports)}
        return Evidence(
            engine=self.engine,
            plan=self.plan,
            reports=self.reports,
            began=self.began or self.scheduler.now,
            outputs=outputs,
            secrets=(SECRET,),
            verdicts=sorted(self._said),
            judged=self._judged,
            sent=self.network.sent,
            sessions=self._sessions,
            open_runs=self._open_runs() if self.run_id else (),
            broken=[each for each in ASSUMPTIONS if each not in self.scenario["keeps"]],
        )


def _message(told: dict[str, Any]) -> str:
    errors = [told["error"], *(job["error"] for job in told["jobs"])]
    return "; ".join(dict.fromkeys(each["message"] for each in errors if each))


def simulate(scenario: Scenario) -> Result:
    """Run one scenario from its beginning to its end."""
    with tempfile.TemporaryDirectory(prefix="simulation-") as name:
        folder = Path(name)
        asked = scenario["request"]
        config = {**LIMITS, "on_unknown": asked["on_unknown"], "lock_tag": asked["lock_tag"]}
        if asked.get("canary"):
            config |= {"canary": asked["canary"], "pause": "none"}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "config.yaml").chmod(0o600)
        simulation = Simulation(scenario, folder)
        scheduler = simulation.scheduler
        began = scheduler.now
        drawn = random.getstate()
        random.seed(f"jitter {scenario['seed']}")  # the program's own, in the order of its tasks
        with cooperative(scheduler), inprocess.connected({inprocess.HOST: simulation.network}):
            outside = Process("harness")
            task = scheduler.spawn("harness", outside, lambda: None)
            scheduler.run(task, scheduler.now + 1)
            violations = simulation.run()
        random.setstate(drawn)
        return Result(
            scenario=scenario,
            violations=violations,
            trace=simulation.trace,
            outcomes=[each["outcome"] for each in simulation.reports],
            covered=simulation.covered,
            simulated=scheduler.now - began,
            calls=len(list(simulation.engine.calls)),
        )


def timed(scenario: Scenario) -> tuple[Result, float]:
    """Run one scenario and measure the real seconds that it took."""
    began = time.perf_counter()
    return simulate(scenario), time.perf_counter() - began
