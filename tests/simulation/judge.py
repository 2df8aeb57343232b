"""Whether a run kept its promises: judged by what truly happened in the simulator, and by the JSON that a user gets.

Nothing here knows the program. What is believed of it is its saved plan, its reports and the bytes that it wrote.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safe_reinit.simulator.calls import Call
from safe_reinit.simulator.engine import Engine
from safe_reinit.simulator.state.model import Disk, Instance

MAY_BE_DOWN = ("unknown", "not-restarted", "partial", "stranded", "bug")
"""Outcomes whose report says that the power may not be as promised."""
EXIT_CODES = {
    "done": 0, "planned": 0, "bug": 1, "usage": 2, "refused": 3, "failed": 4, "unknown": 5, "not-restarted": 6,
    "partial": 7, "stranded": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Violation:
    """One promise that was broken: its kind, a word to search for, and what happened."""

    kind: str
    text: str


@dataclass
class Evidence:
    """Everything that the judge sees.

    Attributes:
        engine: the simulated ECS with its own record.
        plan: the plan that was confirmed; ``None`` where none was made.
        reports: every report that a process of the run left, oldest first.
        began: the simulated time at which the run was confirmed.
        outputs: everything that the program wrote, by name.
        secrets: texts that must be in none of them.
        broken: assumptions of the fault model that this scenario breaks.
        open_runs: the runs that can be resumed.
        verdicts: what the operator said of the data, true or not.
        judged: when each resume with such a verdict began and ended.
        sent: the changing calls that left the machine of the run, arrived or not.
        sessions: how many processes have carried the run.

    """

    engine: Engine
    plan: Mapping[str, Any] | None
    reports: Sequence[Mapping[str, Any]]
    began: float
    outputs: Mapping[str, bytes] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    broken: Sequence[str] = ()
    open_runs: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    judged: Sequence[tuple[float, float]] = ()
    sent: Collection[str] = ()
    sessions: int = 1

    @property
    def calls(self) -> list[Call]:
        """The calls that were accepted since the run began, oldest first."""
        return [call for call in self.engine.calls if call.at >= self.began and call.code == "" and not call.dry_run]

    def disk(self, disk_id: str) -> Disk | None:
        """Return a disk as it truly is."""
        return self.engine.cloud.disks.get(disk_id)

    def instance(self, instance_id: str) -> Instance | None:
        """Return an instance as it truly is."""
        return self.engine.cloud.instances.get(instance_id)


def judge(evidence: Evidence) -> list[Violation]:
    """Return what was broken of safety: what must hold at every moment, whatever goes wrong."""
    found = [*_targets(evidence), *_data(evidence), *_claims(evidence), *_power(evidence), *_verdicts(evidence)]
    found += _secrets(evidence)
    if evidence.broken:
        # Nobody can promise the data where an assumption does not hold; what is claimed must be true all the same.
        found = [each for each in found if each.kind not in ("used-then-wiped", "wiped-after-start")]
    return found


def judge_end(evidence: Evidence) -> list[Violation]:
    """Return what was broken of liveness: with nothing going wrong any more, the run or its ``resume`` has ended."""
    found = []
    ids = [job["instance_id"] or "" for job in (evidence.plan or {}).get("jobs", ())]
    rows = [row for each in ids if (row := evidence.instance(each)) is not None]
    if not any(row.status == "Stopping" and row.ignores_stop for row in rows):  # its stop never ends
        found = [
            Violation("still-open", f"{name} is still open after it was resumed without any fault")
            for name in evidence.open_runs
        ]
    for job in (evidence.plan or {}).get("jobs", ()):
        instance = evidence.instance(job["instance_id"] or "")
        if instance is None or _others_last(evidence, instance.id):
            continue
        ran = job["power_before"] == "Running"
        wiped = any(_ours(evidence, job["disks"]))
        left = evidence.plan is not None and evidence.plan["options"]["leave_stopped"] and wiped
        if ran and not left and instance.status != "Running" and not instance.locks and not instance.ignores_stop:
            found.append(Violation("left-down", f"{instance.id} ran before, and is {instance.status} at the very end"))
    return found


# ------------------------------------------------------------------------------------------------------------- data


def _api_wipes(evidence: Evidence) -> list[Call]:
    return [call for call in evidence.calls if call.source == "api" and call.action in ("ReInitDisk", "ResetDisk")]


def _ours(evidence: Evidence, disks: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return the overwrites of these disks that calls of the program made."""
    made = {call.request_id for call in _api_wipes(evidence)}
    rows = [row for each in disks if (row := evidence.disk(each["disk_id"])) is not None]
    return [done for row in rows for done in (*row.wipes, *row.resets) if done.request_id in made]


def _wiped_by_others(evidence: Evidence) -> bool:
    made = {call.request_id for call in _api_wipes(evidence)}
    every = [done for row in evidence.engine.cloud.disks for done in (*row.wipes, *row.resets)]
    return any(done.request_id not in made for done in every)


def _targets(evidence: Evidence) -> list[Violation]:
    planned = {disk["disk_id"] for job in (evidence.plan or {}).get("jobs", ()) for disk in job["disks"]}
    runnable = evidence.plan is not None
    touched = {call.subject[0] for call in _api_wipes(evidence) if call.subject}
    return [
        Violation("not-a-target", f"{disk_id} was wiped, and no confirmed plan names it")
        for disk_id in sorted(touched)
        if not runnable or disk_id not in planned
    ]


def _data(evidence: Evidence) -> list[Violation]:
    """No wipe after anybody started the machine since our stop (or since we began, of one that was stopped)."""
    found = []
    for job in (evidence.plan or {}).get("jobs", ()):
        ids = {disk["disk_id"] for disk in job["disks"]}
        starts: list[Call] = []
        for call in evidence.calls:
            about = call.subject
            ours, action = call.source == "api", call.action.removesuffix("s")
            if action == "StopInstance" and ours and job["instance_id"] in about:
                starts = []
            elif action == "StartInstance" and job["instance_id"] in about:
                starts.append(call)
            elif action in ("ReInitDisk", "ResetDisk") and ours and ids & set(about) and starts:
                last = starts[-1]
                kind = "wiped-after-start" if last.source == "api" else "used-then-wiped"
                who = "by the run itself" if last.source == "api" else "by somebody else"
                text = f"{about[0]} was wiped {call.at - last.at:.1f} s after {job['instance_id']} was started {who}"
                found.append(Violation(kind, text))
    return found


# ----------------------------------------------------------------------------------------------------------- claims


def _claims(evidence: Evidence) -> list[Violation]:
    """Hold what a report says of the data and of its own outcome against the truth."""
    found = []
    for report in evidence.reports:
        if report["exit_code"] != EXIT_CODES.get(report["outcome"]):
            found.append(Violation("wrong-code", f"{report['outcome']} with exit code {report['exit_code']}"))
        for job in report["jobs"]:
            for disk in job["disks"]:
                wiped = bool(_ours(evidence, [disk]))
                said = disk["data"]
                if said == "reinitialised" and not wiped and "reinitialised" not in evidence.verdicts:
                    found.append(Violation("false-wiped", f"{disk['disk_id']} is said to be wiped, and never was"))
                last = report is evidence.reports[-1]
                if said in ("intact", "untouched") and wiped and last and "intact" not in evidence.verdicts:
                    found.append(Violation("false-intact", f"{disk['disk_id']} is said to be {said}, and was wiped"))
        if report["outcome"] == "done" and any(
            disk["data"] != "reinitialised" for job in report["jobs"] for disk in job["disks"]
        ):
            found.append(Violation("false-done", "the run is done, and not every disk is wiped"))
        found += _doubts(evidence, report)
        if report["outcome"] == "bug":
            found.append(Violation("bug", str((report.get("error") or {}).get("message"))))
    return found


def _doubts(evidence: Evidence, report: Mapping[str, Any]) -> list[Violation]:
    """Doubt is said only where there is a reason for it, and another holder only where there is one."""
    found = []
    if evidence.sessions == 1 and re.search("[Aa]nother (process|session)", str(report)):
        found.append(Violation("false-holder", "another process is said to hold the run, and there was none"))
    doubtful = [disk for job in report["jobs"] for disk in job["disks"] if disk["data"] == "unknown"]
    if doubtful and not {"ReInitDisk", "ResetDisk"} & set(evidence.sent) and not _wiped_by_others(evidence):
        found.append(Violation("false-doubt", f"{doubtful[0]['disk_id']} is unknown, and no wipe was ever sent"))
    return found


# ------------------------------------------------------------------------------------------------------------ power


def _others_last(evidence: Evidence, instance_id: str) -> bool:
    """Whether somebody else, or ECS by itself, was the last to act on the power of an instance, or released it."""
    acted = [
        call
        for call in evidence.calls
        if instance_id in call.subject
        and call.action.removesuffix("s") in ("StopInstance", "StartInstance", "DeleteInstance")
    ]
    return bool(acted) and acted[-1].source != "api"


def _power(evidence: Evidence) -> list[Violation]:
    """After the last report the power is as promised, or the report says that it is not and how to go on."""
    if not evidence.reports:
        return []
    report = evidence.reports[-1]
    found = []
    for job in report["jobs"]:
        instance = evidence.instance(job["instance_id"] or "")
        if instance is None or _others_last(evidence, instance.id):
            continue
        down = job["power_before"] == "Running" and instance.status in ("Stopped", "Stopping")
        promised = job["power_promised"] == "Stopped" and job["outcome"] == "done"
        if down and not promised and job["outcome"] not in MAY_BE_DOWN and report["outcome"] != "bug":
            text = f"{instance.id} ran before and is {instance.status}, and its outcome is {job['outcome']}"
            found.append(Violation("down-unsaid", text))
        if (
            down
            and job["outcome"] in ("unknown", "not-restarted", "stranded")
            and report["run_id"] not in evidence.open_runs
        ):
            found.append(Violation("no-way-on", f"{instance.id} is {instance.status}, and its run cannot be resumed"))
        if job["outcome"] == "done" and job["power_promised"] == "Running" and instance.status == "Stopped":
            found.append(Violation("false-power", f"{instance.id} is said to be as promised, and is Stopped"))
    return found


def _verdicts(evidence: Evidence) -> list[Violation]:
    """No wipe follows from what an operator says of the data: that needs a new plan and new consent."""
    wipes = [call for call in _api_wipes(evidence) for began, ended in evidence.judged if began <= call.at <= ended]
    return [Violation("wiped-on-verdict", f"{call.subject[0]} was wiped by a resume with a verdict") for call in wipes]


def _secrets(evidence: Evidence) -> list[Violation]:
    return [
        Violation("secret", f"a secret is in {name}")
        for name, written in evidence.outputs.items()
        if any(secret.encode() in written for secret in evidence.secrets)
    ]
