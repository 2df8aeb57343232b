"""What a person is shown of a run over few machines: what each waits for. No clock of its own, no output.

Times are cloud seconds, which the caller passes in. The run's events say what a machine waits for and until when; this
module turns that into words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..model import Event, LimitName, Plan, PlannedJob
from ..model.duration import duration
from ..model.job import PHASE_OF
from ..model.letters import printable
from ..plans.plan import steps

_WORDS = {
    "Stopped": "waits until ECS shows it as Stopped",
    "Running": "waits until ECS shows it as Running",
    "In_use": "waits until ECS shows the {noun} of its {disks} as done",
    "the start": "is {did}, and waits until ECS shows that it can be started",
    "accomplished": "waits until its safety snapshot is complete{progress}",
    "the snapshot": "waits until another snapshot of its disk is complete{progress}",
    "the tag": "waits until ECS shows what became of its lock tag",
    "an answer": "waits for the answer of ECS to {call}",
    "the next try": "waits until it can try the next call",
    "other runs": "waits for other runs",
}
"""By what is waited for, as events name it: the same in a person's words."""
_JUST_STARTED = "was started a moment ago: waits until ECS can tell another start from that one"
LIMIT_WORDS: dict[LimitName | None, str] = {
    "graceful-stop": " until a forced stop",
    "downtime": " down before the wipe",
    "sending": " to send its wipes",
    "retries": " of retries",
    "silence": " without an answer",
}
"""By what a limit is for: what comes at its end, unless that is only the end of the wait."""


@dataclass
class _Machine:
    """One machine, and what it waits for."""

    job: PlannedJob
    steps: dict[tuple[str, str, bool], str]
    """By action, subject and whether it is forced: which of the planned steps it is, as ``2/3``."""
    step: str
    action: str = ""
    """The call that was sent last."""
    what: str = "waits until ECS shows it"
    shown: str = ""
    """What ECS shows of it, or showed when it was last ``seen``."""
    seen: bool = True
    why: str = ""
    refused: str = ""
    """How ECS answered the last call, until ECS shows more."""
    since: float | None = None
    limit: float = 0.0
    until: str = ""
    """What the limit is for, or that there is none."""


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
                machine.refused = "" if data["code"] == "OK" else f"ECS answered {data['action']} with {data['code']}"
            case "state":
                machine.shown, machine.seen = data["instance"] or machine.shown, True
            case "wait":
                self._waits(machine, data, now)
            case "done":
                machine.since = None
            case _:
                pass

    def _intended(self, machine: _Machine, data: Any, subject: str, now: float) -> None:  # noqa: ANN401 - as events have it
        machine.action, machine.refused = data["action"], ""
        machine.step = machine.steps.get((data["action"], subject, data["force"]), machine.step)
        machine.what = _WORDS["an answer"].format(call=data["action"])
        machine.since, machine.limit, machine.until, machine.why = now, 0.0, "", ""

    def _waits(self, machine: _Machine, data: Any, now: float) -> None:  # noqa: ANN401 - as events have it
        """Learn from what the run says that it waits for."""
        if machine.action == "":  # of a run that goes on, the call that it waits for was sent before
            at = (step for (action, *_), step in machine.steps.items() if PHASE_OF.get(action) == data["phase"])
            machine.step = next(at, machine.step)
        machine.shown, machine.seen = self._shown(machine, data), data["seen"]
        before, machine.what = machine.what, self._words(machine, data)
        machine.refused = "" if data["seen"] else machine.refused
        machine.why = data["why"] or machine.refused
        if data["for"] == "an answer" and machine.action:
            return  # this wait began when the call was sent
        if machine.since is None or data["limit"] or data["elapsed"] or machine.what != before:
            machine.since = now - data["elapsed"]
        machine.limit, machine.until = data["limit"], LIMIT_WORDS.get(data["limit_of"], "")
        if data["for"] == "other runs":
            machine.until = " without a limit; nothing was stopped"

    @staticmethod
    def _shown(machine: _Machine, data: Any) -> str:  # noqa: ANN401 - as events have it
        """Return the status of what is waited for: of a machine, or of its disks while they are wiped."""
        if data["for"] != "In_use" or not data["disks"]:
            return str(data["instance"] or machine.shown)
        if len(data["disks"]) == 1:
            return f"disk {next(iter(data['disks'].values()))}"
        return ", ".join(f"{disk_id} {status}" for disk_id, status in data["disks"].items())

    def _words(self, machine: _Machine, data: Any) -> str:  # noqa: ANN401 - as events have it
        if data["phase"] == "wait-start":
            return _JUST_STARTED
        words = _WORDS.get(data["for"])
        if words is None:
            return "waits until ECS shows its present state" if data["seen"] else "waits until ECS answers"
        return words.format(
            call=machine.action or "a call",
            noun="roll-back" if self.plan.options.undo else "wipe",
            did="rolled back" if self.plan.options.undo else "wiped",
            disks="disk" if len(machine.job.disks) == 1 else "disks",
            progress=f" ({', '.join(each for each in data['progress'] if each)})" if any(data["progress"]) else "",
        )

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
        shown = f" ({'now' if machine.seen else 'last seen'} {machine.shown})" if machine.shown else ""
        passed = duration(max(0.0, now - machine.since))
        most = f" of at most {duration(machine.limit)}{machine.until}" if machine.limit else machine.until
        why = f"; {machine.why}" if machine.why else ""
        return f"{machine.step} {name}{shown}: {machine.what}, {passed}{most}{why}".lstrip()
