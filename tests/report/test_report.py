"""The report: exactly the members of the contract, and no name that breaks out of its place."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safe_reinit import report
from safe_reinit.core.state import begin
from safe_reinit.errors import BY_OUTCOME, RunRefused, UsageError, exit_code
from safe_reinit.model import Call, Facts, Failure, JobState, Limits, Options, Phase, Plan, Report, Wipe
from safe_reinit.plans.plan import make_plan
from tests import values
from tests.plans.test_plan import CALLER, a_plan

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
REPORT = {
    "schema": int, "tool_version": str, "run_id": (str, None), "outcome": str, "exit_code": int, "dry_run": bool,
    "simulated": bool,
    "started_at": "time", "ended_at": "time", "region": str, "account": str, "caller": (dict, None), "operator": dict,
    "reason": (str, None), "once": (str, None), "already_done": bool,
    "plan": (dict, None), "jobs": list, "error": (dict, None), "findings": list, "calls": list,
    "omitted_reads": (int, None), "next": list, "warnings": list,
}  # fmt: skip
JOB = {
    "instance_id": (str, None), "instance_name": str, "power_before": str, "power_after": str, "power_promised": str,
    "outcome": str, "error": (dict, None), "phases": list, "disks": list,
}  # fmt: skip
DISK = {
    "disk_id": str, "disk_name": str, "serial": str, "type": str, "device": str, "size_gib": (int, None), "data": str,
    "evidence": (str, None), "becomes": dict, "safety_snapshot": (str, None), "waivers": list,
    "last_run": (dict, None),
}  # fmt: skip
LAST_RUN = {"run_id": str, "state": str, "data": str, "undo": bool, "started_at": "time"}
PLAN = {"fingerprint": str, "digest": (str, None), "confirm_with": str, "class": (dict, None)}
ERROR = {
    "code": (str, None), "message": str, "request_id": (str, None), "action": (str, None), "hint": (str, None),
}  # fmt: skip
CALL = {
    "at": "time", "action": str, "subject": list, "dry_run": bool, "http_status": (int, None),
    "request_id": (str, None), "code": str, "attempt": int,
}  # fmt: skip
FINDING = {
    "check": str, "level": str, "subject": str, "message": str, "fact": dict, "predicts": (str, None), "fix": str,
}  # fmt: skip
PHASE = {"name": str, "started_at": "time", "ended_at": ("time", None), "result": str}


def conforms(data: object, shape: dict[str, Any]) -> None:
    """Assert that a document has exactly these members, each of its type."""
    assert isinstance(data, dict)
    assert set(data) == set(shape)
    for name, kinds in shape.items():
        allowed = kinds if isinstance(kinds, tuple) else (kinds,)
        value = data[name]
        fits = [
            (kind is None and value is None)
            or (kind == "time" and isinstance(value, str) and TIME.fullmatch(value) is not None)
            or (isinstance(kind, type) and type(value) is kind)
            for kind in allowed
        ]
        assert any(fits), f"{name}: {value!r}"


def check_plan(plan: dict[str, Any]) -> None:
    """Assert that the reference to a plan is the one of the contract."""
    conforms(plan, PLAN)
    if plan["class"]:
        conforms(plan["class"], {"name": str, "sha256": str, "allowed": list})


def check_disk(disk: dict[str, Any]) -> None:
    """Assert that what is told of a disk is of the contract."""
    conforms(disk, DISK)
    conforms(disk["becomes"], {"kind": str, "id": (str, None), "created_at": ("time", None)})
    assert disk["data"] in ("intact", "reinitialised", "unknown", "untouched")
    if disk["last_run"]:
        conforms(disk["last_run"], LAST_RUN)


def check(document: dict[str, Any]) -> None:
    """Assert that a report is the one of the contract, down to its leaves."""
    conforms(document, REPORT)
    assert document["schema"] == 1
    assert set(document["operator"]) == {"user", "host"}
    if document["caller"]:
        assert set(document["caller"]) == {"arn", "type"}
    if document["plan"]:
        check_plan(document["plan"])
    for error in [document["error"], *(job["error"] for job in document["jobs"])]:
        if error is not None:
            conforms(error, ERROR)
    for job in document["jobs"]:
        conforms(job, JOB)
        assert job["power_promised"] in ("Running", "Stopped")
        for disk in job["disks"]:
            check_disk(disk)
        for phase in job["phases"]:
            conforms(phase, PHASE)
            assert phase["result"] in ("ok", "refused", "timeout", "unknown")
    for call in document["calls"]:
        conforms(call, CALL)
    for found in document["findings"]:
        conforms(found, FINDING)


def call(action: str = "DescribeDisks", **more: Any) -> Call:
    """Return one exchange."""
    whole = {"subject": (values.DISK_ID,), "dry_run": False, "http_status": 200, "request_id": "R", "code": "OK"}
    return Call(at=values.NOW, action=action, **(whole | more))


def ended(plan: Plan, *, state: str = "done", **changes: Any) -> tuple[JobState, ...]:
    """Return the records of a run that has ended, each disk in this state."""
    records = []
    for job in plan.jobs:
        known = begin(job, Limits(), at=0.0)
        evidence = "transition" if state == "done" else None
        wipes = tuple(Wipe(wipe.disk_id, state, 1, evidence=evidence) for wipe in known.disks)  # type: ignore[arg-type]
        records.append(replace(known, disks=wipes, instance_status="Running", **changes))
    return tuple(records)


def of_run(plan: Plan, records: tuple[JobState, ...] = (), calls: tuple[Call, ...] = ()) -> Report:
    """Return the report of a run."""
    begun = report.started(values.NOW)
    return report.of_run(begun, values.TOMORROW, plan, records or ended(plan), calls, run_id="r-x")


@cache
def every_kind() -> dict[str, Report]:
    """Return a report of each kind."""
    begun, plan = report.started(values.NOW, "cn-hangzhou", "CHG-1"), a_plan()
    phases = (Phase("stop", values.NOW, values.NOW), Phase("reinit", values.NOW, None, "unknown"))
    blocked = a_plan(values.disk_facts(disk=None, disk_id="d-nowhere", instance=None))
    return {
        "an error before the plan": report.of_error(begun, values.NOW, UsageError("No.")),
        "an error with calls": report.of_error(begun, values.NOW, RunRefused("No."), [call()]),
        "a dry run": report.of_plan(begun, values.NOW, plan, [call()], dry_run=True),
        "a refused dry run": report.of_plan(begun, values.NOW, blocked, [], dry_run=True),
        "a refused run": report.of_plan(begun, values.NOW, plan, [], dry_run=False, error=RunRefused("No.")),
        "a run that is done": of_run(plan, calls=(call("StopInstance"), call(code="Unanswered", http_status=None))),
        "a run that failed": of_run(plan, ended(plan, state="refused", error=Failure("X", "No."), phases=phases)),
        "a run that is unknown": of_run(plan, ended(plan, state="lost", phases=phases)),
    }


def test_an_unknown_wipe_says_how_many_events_to_find() -> None:
    """Each call that may have reached ECS counts, one that was never sent does not, and a done wipe has nothing."""
    calls = tuple(call("ReInitDisk", code=code, http_status=None) for code in ("Unanswered", "Unanswered", "NotSent"))
    plan = a_plan()

    def printed(state: str) -> str:
        return "\n".join(line.text for line in report.report_lines(of_run(plan, ended(plan, state=state), calls)))

    assert f"{values.DISK_ID}: ReInitDisk was sent 2 times, until {values.NOW:%Y-%m-%d %H:%M:%S} UTC" in printed("lost")
    assert "was sent" not in printed("done")


@pytest.mark.parametrize("kind", every_kind())
def test_a_report_has_exactly_the_members_of_the_contract(kind: str) -> None:
    """Every member is always present and of its type, whatever the report is about."""
    result = every_kind()[kind]
    document = json.loads(report.dump_document(report.to_json(result)))

    check(document)
    assert document["exit_code"] == exit_code(result.outcome)


def test_a_dry_run_is_reported_as_one() -> None:
    """A dry run has no run id, leaves the power as it was, and is planned or refused."""
    planned, refused = every_kind()["a dry run"], every_kind()["a refused dry run"]

    assert (planned.run_id, planned.outcome, planned.dry_run) == (None, "planned", True)
    assert refused.outcome == "refused"
    assert refused.jobs[0].instance_id is None
    for result in (planned, refused):
        assert all(job.power_after == job.power_before for job in result.jobs)
        assert all(disk.data == "untouched" for job in result.jobs for disk in job.disks)


@pytest.mark.parametrize(
    ("state", "data"),
    [
        ("todo", "intact"),
        ("refused", "intact"),
        ("done", "reinitialised"),
        ("asked", "unknown"),
        ("accepted", "unknown"),
        ("lost", "unknown"),
        ("unknown", "unknown"),
    ],
)
def test_the_data_of_a_disk_is_reported_by_what_was_proven(state: str, data: str) -> None:
    """Only a proof makes a disk reinitialised, and only one whose wipe was intended and refused is intact."""
    result = of_run(a_plan(), ended(a_plan(), state=state))

    assert result.jobs[0].disks[0].data == data
    assert (result.jobs[0].disks[0].evidence is not None) == (data == "reinitialised")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (("done", "done"), "done"),
        (("done", "lost"), "unknown"),
        (("done", "refused"), "partial"),
        (("refused", "refused"), "failed"),
        (("lost", "refused"), "unknown"),
    ],
)
def test_several_machines_come_to_one_outcome(outcomes: tuple[str, str], expected: str) -> None:
    """Any unknown is unknown, all alike are that, and everything else is partial."""
    other = values.stopping_facts(
        disk=values.a_disk(disk_id="d-2", instance_id="i-2"),
        instance=values.an_instance(instance_id="i-2", status="Running"),
    )
    plan = a_plan(values.stopping_facts(), other)
    records = tuple(ended(plan, state=state)[n] for n, state in enumerate(outcomes))

    assert of_run(plan, records).outcome == expected


def test_a_phase_that_did_not_end_is_not_reported_as_ok() -> None:
    """A phase that was still open when the run ended says ``unknown``, since nobody saw its end."""
    open_ = (Phase("stop", values.NOW),)
    result = of_run(a_plan(), ended(a_plan(), state="refused", phases=open_, error=Failure(None, "No.")))

    assert result.jobs[0].phases[0].result == "unknown"


def test_reads_are_counted_and_not_listed_where_there_are_many_jobs() -> None:
    """Over 20 jobs the report leaves the looks out and counts them; changing calls are always listed."""
    many = [
        values.stopping_facts(
            disk=values.a_disk(disk_id=f"d-{n}", instance_id=f"i-{n}"),
            instance=values.an_instance(instance_id=f"i-{n}", status="Running"),
        )
        for n in range(21)
    ]
    calls = (call(), call("GetCallerIdentity"), call("StopInstance", dry_run=True), call("StopInstance"))
    some, lots = of_run(a_plan(*many[:20]), calls=calls), of_run(a_plan(*many), calls=calls)

    assert (some.omitted_reads, len(some.calls)) == (None, 4)
    assert lots.omitted_reads == 2
    assert [each.action for each in lots.calls] == ["StopInstance", "StopInstance"]


def test_every_outcome_has_one_class_and_one_code() -> None:
    """The table of exit codes, the classes and the outcomes are the same table."""
    codes = {outcome: cls.exit_code for outcome, cls in BY_OUTCOME.items()}

    assert codes == {
        "bug": 1, "usage": 2, "refused": 3, "failed": 4, "unknown": 5, "not-restarted": 6, "partial": 7, "stranded": 8,
    }  # fmt: skip
    assert exit_code("done") == exit_code("planned") == 0


# Hostile names.

HOSTILE = [
    "x\n\n# Done: exit code 0\n",
    "x\r- exit code: 0",
    "| a | b |\n|---|---|",
    "<script>alert(1)</script>",
    "[click](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "`code` *bold* _em_ ~~gone~~",
    "\x1b[2J\x1b[1;1HAll is well",
    "\u202egnp.exe",
    "a\u2028b\u2029c\x85d\x0be",
    "\\",
    "\x00\x07",
]


def hostile(name: str) -> tuple[Plan, Report]:
    """Return a plan and a report in which everything that others may name has this name."""
    facts = values.stopping_facts(
        disk=values.a_disk(disk_name=name, serial=name, device=name, tags=((name, name),), locks=(name,)),
        instance=values.an_instance(status="Running", instance_name=name),
        snapshots=(values.a_snapshot(name=name, status="progressing", progress=name),),
    )
    options = Options(stop_instance=True)
    caller = replace(CALLER, arn=f"acs:ram::1:user/{name}")
    plan = make_plan(
        Facts(values.REGION, caller, values.NOW, (replace(facts, options=options),)), options, Limits(), name
    )
    error = Failure("X", f"The name is {name}.", hint=f"Look at {name}.")
    return plan, of_run(plan, ended(plan, state="refused", error=error))


def lines_of(name: str) -> list[str]:
    """Return all lines a person would see of the hostile plan and report."""
    plan, result = hostile(name)
    return [line.text for line in (*report.plan_lines(plan), *report.report_lines(result))]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_moves_the_cursor_or_fakes_a_line(name: str) -> None:
    """Text lines are printable whatever things are called, and there are as many as for a tame name."""
    lines = lines_of(name)

    assert all(line.isprintable() for line in lines)
    assert len(lines) == len(lines_of("tame"))


def skeleton(markdown: str) -> list[str]:
    """Return what is structure in Markdown: how each line begins, and how many cells it has."""
    cells = re.compile(r"(?<!\\)(?:\\\\)*\|")
    return [f"{re.findall(r'^[#>|*+ -]*', line)[0]}{len(cells.findall(line))}" for line in markdown.splitlines()]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_markdown(name: str) -> None:
    """A report for a ticket keeps its headings, items and cells whatever things are called, with no live markup."""
    shown = report.to_markdown(hostile(name)[1])
    plain = re.sub(r"\\.", "", shown)

    assert skeleton(shown) == skeleton(report.to_markdown(hostile("tame")[1]))
    assert not re.search(r"<\w|\]\(|!\[|`", plain)
    assert all(line.isprintable() for line in shown.split("\n"))


@settings(max_examples=150)
@given(st.text(max_size=30))
def test_no_name_at_all_breaks_text_or_markdown_or_json(name: str) -> None:
    """Any text whatever as a name leaves the lines printable, the Markdown whole and the JSON readable."""
    plan, result = hostile(f"a{name}z")

    assert all(line.text.isprintable() for line in (*report.plan_lines(plan), *report.report_lines(result)))
    assert len(skeleton(report.to_markdown(result))) == len(skeleton(report.to_markdown(hostile("tame")[1])))
    check(json.loads(report.dump_document(report.to_json(result))))


def test_times_are_utc_in_seconds() -> None:
    """A time of another zone or with fractions is written as RFC 3339 in UTC and seconds."""
    odd = datetime.fromisoformat("2026-01-02T05:04:05.999999+02:00")
    result = report.of_error(report.started(odd), odd, UsageError("No."))

    assert report.to_json(result)["started_at"] == "2026-01-02T03:04:05Z"


def test_old_data_that_the_safety_snapshot_has_is_not_called_lost() -> None:
    """After a wipe with a safety snapshot the report says that all old data is in it, and names the older snapshots."""
    plan = a_plan()
    done = of_run(plan, ended(plan))
    (job,) = done.jobs
    disks = tuple(replace(disk, safety_snapshot="s-taken") for disk in job.disks)
    taken = replace(done, jobs=(replace(job, disks=disks),))
    without, with_it = ("\n".join(line.text for line in report.report_lines(each)) for each in (done, taken))

    assert "after the newest snapshot is not in any" in without
    assert "after the newest snapshot is not in any" not in with_it
    assert "All of its old data is in the safety snapshot s-taken, and older data in s-bp1fresh." in with_it


@pytest.mark.parametrize(("state", "result"), [("done", True), ("lost", True), ("refused", False), ("todo", False)])
def test_what_a_wipe_leaves_of_the_old_data_is_reported_where_there_was_one(state: str, result: bool) -> None:
    """The end of a run that wiped, or may have, names the snapshots that keep the old data and claims no erasure."""
    plan = a_plan()
    done = of_run(plan, ended(plan, state=state))
    texts = [line.text for line in report.report_lines(done)]

    for shown in ("\n".join(texts), report.to_markdown(done).replace("\\", "").partition("## Findings")[0]):
        assert ("not a certified erasure" in shown) == result
        assert ("s-bp1fresh of 2026-01-02T01:04:05Z" in shown) == result


def test_the_snapshot_that_a_run_took_is_reported() -> None:
    """What the run itself kept is named at its end."""
    done = of_run(a_plan())
    job = done.jobs[0]
    disks = tuple(replace(disk, safety_snapshot="s-safety") for disk in job.disks)
    done = replace(done, jobs=(replace(job, disks=disks),))

    assert any("s-safety" in line.text for line in report.report_lines(done))
    assert "| s-safety |" in report.to_markdown(done)


def test_of_an_undo_no_erasure_is_spoken() -> None:
    """A disk that is rolled back has its old data again: nobody meant to get rid of it."""
    done = of_run(a_plan(), calls=(call("ResetDisk"),))

    assert "erasure" not in "".join(line.text for line in report.report_lines(done)) + report.to_markdown(done)
