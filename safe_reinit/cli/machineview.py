"""What a person is shown of a run over few machines: what each waits for. No clock of its own, no output.

Times are cloud seconds, given by whoever asks. What is waited for is known as soon as a call is sent or answered; what
ECS shows comes later and corrects it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..model import Event, Limits, Plan, PlannedJob
from ..model.job import WIPES
from ..model.letters import printable
from ..plans.plan import steps
from ..report.text import duration

_SHOWS = {
    "TagResources": "the tag", "UntagResources": "the tag", "StopInstance": "Stopped", "CreateSnapshot": "accomplished",
    "StartInstance": "Running",
}  # fmt: skip
"""By call that ECS has accepted: what is waited for then, as events name it."""
_CALLS = {"stop": "StopInstance", "start": "StartInstance", "snapshot": "CreateSnapshot"}
"""By phase: the call that is waited for in it, as long as ECS shows nothing newer."""
_WORDS = {
    "Stopped": "waits until ECS shows it as Stopped",
    "Running": "waits until ECS shows it as Running",
    "accomplished": "waits until its safety snapshot is complete{progress}",
    "the snapshot": "waits until another snapshot of its disk is complete{progress}",
    "the tag": "waits until ECS shows what became of its lock tag",
    "an answer": "waits for the answer of ECS to {call}",
    "the next try": "waits until it can try the next call",
    "other runs": "waits for other runs",
}
"""By what is waited for, as events name it: the same in a person's words."""
_ALL_WIPED = "is wiped, and waits until ECS shows that it can be started"


@dataclass
class _Machine:
    """One machine, and what it waits for."""

    job: PlannedJob
    steps: dict[tuple[str, str, bool], str]
    """By action, subject and whether it is forced: which of the planned steps it is, as ``2/3``."""
    step: str
    action: str = ""
    """The call that was sent last."""
    force: bool = False
    answered: bool = False
    what: str = "waits until ECS shows it"
    shown: str = ""
    """What ECS shows of it."""
    why: str = ""
    since: float | None = None
    limit: float = 0.0
    until: str = ""
    """What comes at the limit, where that is not the end of the wait."""


@dataclass
class MachineView:
    """Follows the machines of one run."""

    plan: Plan
    _machines: dict[str, _Machine] = field(init=False)
    _owners: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._machines = {job.instance_id or "": self._machine(job) for job in self.plan.jobs}
        self._owners = {disk.disk_id: job.instance_id or "" for job in self.plan.jobs for disk in job.disks}

    def _machine(self, job: PlannedJob) -> _Machine:
        numbers: dict[tuple[str, str, bool], str] = {}
        planned = steps(job, self.plan)
        for number, (action, subject, _, _) in enumerate(planned, 1):
            numbers[action, subject, (action, subject, False) in numbers] = f"{number}/{len(planned)}"
        return _Machine(job, numbers, next(iter(numbers.values()), ""))

    @property
    def limits(self) -> Limits:
        """The limits of the run."""
        return self.plan.limits

    def step(self, action: str, subject: str, *, force: bool) -> str:
        """Return which of the planned steps of its machine a call is, as ``2/3``; ``""`` if it is none."""
        machine = self._of(subject)
        return machine.steps.get((action, subject, force), "") if machine else ""

    def _of(self, subject: str | None) -> _Machine | None:
        return self._machines.get(self._owners.get(subject or "", subject or ""))

    # ---------------------------------------------------------------------------------------------------- folding

    def event(self, event: Event, now: float) -> None:
        """Learn from one event."""
        machine = self._of(event.disk_id or event.instance_id)
        if machine is None:
            return
        data: Any = event.data
        match event.event:
            case "intend":
                self._intended(machine, data, event.disk_id or event.instance_id or "", now)
            case "answer":
                self._answered(machine, data, now)
            case "state":
                machine.shown = data["instance"] or machine.shown
            case "wait":
                self._waits(machine, data, now)
            case "done":
                machine.since = None
            case _:
                pass

    def _intended(self, machine: _Machine, data: Any, subject: str, now: float) -> None:  # noqa: ANN401 - as events have it
        machine.action, machine.force, machine.answered = data["action"], data["force"], False
        machine.step = machine.steps.get((data["action"], subject, data["force"]), machine.step)
        machine.what = f"waits for the answer of ECS to {data['action']}"
        machine.since, machine.limit, machine.until, machine.why = now, 0.0, "", ""

    def _answered(self, machine: _Machine, data: Any, now: float) -> None:  # noqa: ANN401 - as events have it
        machine.answered, machine.since, machine.why = True, now, ""
        if data["code"] == "OK":
            machine.what = self._of_call(machine)
            machine.limit, machine.until = self._limit_of(machine)
        else:
            machine.what, machine.limit, machine.until = "waits until ECS shows what became of it", 0.0, ""
            machine.why = f"ECS answered {data['action']} with {data['code']}"

    def _of_call(self, machine: _Machine) -> str:
        """Return what is waited for once ECS has accepted a call."""
        return self._wiped(machine) if machine.action in WIPES else _WORDS[_SHOWS[machine.action]].format(progress="")

    def _limit_of(self, machine: _Machine) -> tuple[float, str]:
        """Return how long the call that was sent last may take, and what comes then."""
        cut, limits = self.limits.force_stop_after, self.limits
        if machine.action == "StopInstance" and not machine.force and cut is not None and cut < limits.stop:
            return cut, " until a forced stop"
        limit = {"StopInstance": limits.stop, "StartInstance": limits.start, "CreateSnapshot": limits.snapshot}
        return limit.get(machine.action, limits.reinit if machine.action in WIPES else limits.retry), ""

    def _waits(self, machine: _Machine, data: Any, now: float) -> None:  # noqa: ANN401 - as events have it
        """Learn from what the run says that it waits for."""
        before = machine.what
        first = machine.action == "" and not data["elapsed"]
        if machine.action == "":  # of a run that goes on, the call that it waits for was sent before
            machine.step = self._step_in(machine, data["phase"]) or machine.step
        shown = self._shown(machine, data)
        machine.shown = shown if data["seen"] or not shown else f"last seen {shown}"
        machine.what, machine.why = self._awaited(machine, data), data["why"]
        if data["for"] == "an answer":
            return  # which has a limit of its own, and begins when the call is sent
        if data["phase"] == "wait-start":  # of which each observation says only how much is left
            machine.since = now if machine.what != before or machine.since is None else machine.since
            machine.limit, machine.until = now - machine.since + data["limit"], ""
            return
        if machine.what == _ALL_WIPED:  # what counts from here on is its start
            machine.since = now if before != _ALL_WIPED or machine.since is None else machine.since
            machine.limit, machine.until = self.limits.start, ""
            return
        began = now - data["elapsed"]
        machine.since = machine.since if first and machine.since is not None else began
        machine.limit, machine.until = data["limit"], "" if data["limit"] else " without a limit; nothing was stopped"
        cut = self.limits.force_stop_after
        if first and data["limit"] and data["phase"] == "stop":  # nothing is down yet: only its retries count
            machine.limit = self.limits.retry
        elif (data["phase"], data["for"], data["instance"]) == ("stop", "the next try", "Stopped"):
            machine.limit = self.limits.down_before_wipe(snapshot=self.plan.options.snapshot)
            machine.until = " down before the wipe"
        elif data["phase"] == "stop" and cut is not None and data["elapsed"] < cut < data["limit"]:
            machine.limit, machine.until = cut, " until a forced stop"

    @staticmethod
    def _step_in(machine: _Machine, phase: str) -> str:
        """Return the first step of a phase; ``""`` if there is none."""
        actions = WIPES if phase == "reinit" else (_CALLS.get(phase, ""),)
        return next((step for (action, *_), step in machine.steps.items() if action in actions), "")

    @staticmethod
    def _shown(machine: _Machine, data: Any) -> str:  # noqa: ANN401 - as events have it
        """Return the status of what is waited for: of a machine, or of its disks while they are wiped."""
        if data["for"] != "In_use" or not data["disks"]:
            return str(data["instance"] or machine.shown)
        if len(data["disks"]) == 1:
            return f"disk {next(iter(data['disks'].values()))}"
        return ", ".join(f"{disk_id} {status}" for disk_id, status in data["disks"].items())

    def _awaited(self, machine: _Machine, data: Any) -> str:  # noqa: ANN401 - as events have it
        if data["phase"] == "wait-start":
            return "was started a moment ago, so the run changes nothing until a further start would show"
        if data["for"] == "In_use":
            return self._wiped(machine)
        if words := _WORDS.get(data["for"], ""):
            progress = f" ({', '.join(each for each in data['progress'] if each)})" if any(data["progress"]) else ""
            return words.format(call=machine.action or "a call", progress=progress)
        if machine.answered and _CALLS.get(data["phase"]) == machine.action:
            return self._of_call(machine)
        if not data["seen"]:
            return "waits until ECS answers"
        wiped = data["phase"] == "reinit" and machine.action in WIPES and set(data["disks"].values()) == {"In_use"}
        return _ALL_WIPED if wiped else "waits until ECS shows its present state"

    def _wiped(self, machine: _Machine) -> str:
        noun = "roll-back" if self.plan.options.undo else "wipe"
        return f"waits until ECS shows the {noun} of its {'disk' if len(machine.job.disks) == 1 else 'disks'} as done"

    # ---------------------------------------------------------------------------------------------------- reading

    def lines(self, now: float) -> list[str]:
        """Return what each machine that has not ended waits for, a line each."""
        return [text for each in list(self._machines) if (text := self.line(each, now))]

    def line(self, instance_id: str, now: float) -> str:
        """Return what one machine waits for; ``""`` if it waits for nothing."""
        machine = self._machines.get(instance_id)
        if machine is None or machine.since is None:
            return ""
        name = printable(machine.job.instance_name) or instance_id
        shown = f" ({'now ' if not machine.shown.startswith('last') else ''}{machine.shown})" if machine.shown else ""
        passed = duration(max(0.0, now - machine.since))
        most = f" of at most {duration(machine.limit)}{machine.until}" if machine.limit else machine.until
        why = f"; {machine.why}" if machine.why else ""
        return f"{machine.step} {name}{shown}: {machine.what}, {passed}{most}{why}".lstrip()
