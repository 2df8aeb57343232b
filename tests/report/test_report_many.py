"""The plan and the report of many machines as lines for people: short, and nothing that stands out is lost."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from safe_reinit import report
from safe_reinit.model import Becomes, Failure, Finding, Limits, Options, Plan, PlannedDisk, Rollout
from safe_reinit.model.duration import duration
from safe_reinit.plans.plan import downtime, steps
from tests.fleets import NO_CANARY, a_job, a_plan, a_report
from tests.plans.test_plan import a_plan as a_plan_of_one
from tests.report.test_report import ended, of_run
from tests.values import LONG_AGO

FLEET_SIZE = 30
PLACE = " in cn-hangzhou, account 1, as user/night"


def a_finding(check: str, level: Any, subject: str, message: str = "It is so.", fix: str = "Do this.") -> Finding:
    """Return something that a check found."""
    return Finding(check, level, subject, message, fix)


def shown(plan: Plan, *, full: bool = False) -> list[str]:
    """Return the lines of a plan."""
    return [line.text for line in report.plan_lines(plan, full=full)]


def changed(plan: Plan, number: int, **changes: Any) -> Plan:
    """Return a plan again with one machine changed."""
    jobs = list(plan.jobs)
    jobs[number] = replace(jobs[number], **changes)
    return replace(plan, jobs=tuple(jobs))


# ------------------------------------------------------------------------------------------------------------ the plan


def test_one_machine_is_shown_with_its_steps() -> None:
    """One machine has its power, its disk and its numbered steps; then comes what is lost."""
    assert shown(a_plan(1)) == [
        "Plan: wipe 1 disk in cn-hangzhou, account 1, as user/night",
        "  lab-0 (i-0): Running; stopped and started, down at most 1h",
        "    d-0  data disk",
        "    becomes EMPTY (as a blank disk)",
        "    At most: 1/3 StopInstance 10m, 2/3 ReInitDisk 35m, 3/3 StartInstance 15m",
        f"  Cannot be checked in advance: permission for ReInitDisk, capacity to restart. {report.text.NO_ERASURE}",
        "WIPE d-0 (data disk) on lab-0: everything written to it is lost.",
    ]


def test_several_machines_share_what_is_alike() -> None:
    """What several machines have in common is said once, and each disk is named right above what is lost."""
    assert shown(a_plan(2)) == [
        "Plan: wipe 2 disks on 2 instances in cn-hangzhou, account 1, as user/night",
        "  In order: all 2; at most 100 down at once",
        f"  Cannot be checked in advance: permission for ReInitDisk, capacity to restart. {report.text.NO_ERASURE}",
        "  2 instances, each stopped and started, down at most 1h",
        "    at most: StopInstance 10m, ReInitDisk 35m, StartInstance 15m",
        "    2 data disks, become EMPTY (as a blank disk):",
        "    lab-0 (i-0) d-0",
        "    lab-1 (i-1) d-1",
        "WIPE these 2 disks: everything written to them is lost.",
    ]
    assert not any("1/3" in line for line in shown(a_plan(2)))
    assert sum("1/3 StopInstance" in line for line in shown(a_plan(5), full=True)) == 5


@pytest.mark.parametrize("stop", [60.0, 7200.0])
@pytest.mark.parametrize("start", [60.0, 7200.0])
@pytest.mark.parametrize("snapshot", [False, True])
def test_the_steps_add_up_to_the_downtime(stop: float, start: float, snapshot: bool) -> None:
    """The limits of the steps are together what a machine is down for at most; where they are not, a line says why."""
    plan = replace(a_plan(1), limits=Limits(stop=stop, start=start))
    plan = replace(plan, options=replace(plan.options, snapshot=snapshot))
    together = sum(limit for *_, limit in steps(plan.jobs[0], plan))
    explained = [line for line in shown(plan) if "A stop that takes longer" in line]

    assert (together == downtime(plan.jobs[0], plan)) == (not explained)
    assert all(line.endswith(f"{duration(downtime(plan.jobs[0], plan))}.") for line in explained)


def test_steps_that_go_on_at_the_same_time_have_one_limit() -> None:
    """Of several disks the snapshots are taken and the wipes sent together, and have their limit together."""
    disks = (PlannedDisk("d-a", type="data"), PlannedDisk("d-b", type="data"))
    plan = changed(a_plan(1), 0, disks=disks)
    lines = shown(replace(plan, options=replace(plan.options, snapshot=True)))

    (at_most,) = (line for line in lines if line.startswith("    At most: "))
    assert "3/6 CreateSnapshot d-b and wait for it, 4/6 ReInitDisk d-a 35m, 5/6 ReInitDisk d-b, 6/6" in at_most
    assert lines[-1].startswith("WIPE 2 disks (d-a, d-b) on lab-0: ")


def test_a_refused_plan_says_so_first_and_lists_no_step() -> None:
    """What refuses it comes before everything else, each with its fix, and nothing reads as if it would happen."""
    levels = {"public-ip": "info", "spot": "risk", "disk-locked": "block"}
    found = tuple(a_finding(check, level, "d-0") for check, level in levels.items())
    lines = shown(replace(a_plan(1), findings=found))

    assert lines == [
        "REFUSED: 2 findings stop this plan; nothing is done.",
        "  block: disk-locked: d-0: It is so.",
        "      fix: Do this.",
        "  risk: spot: d-0: It is so.",
        "      fix: Do this.",
        "Plan: wipe 1 disk in cn-hangzhou, account 1, as user/night",
        "  lab-0 (i-0): Running",
        "    d-0  data disk",
        "  1 note, nothing to decide; --verbose shows it.",
    ]


def test_notes_are_counted_and_accepted_risks_shown() -> None:
    """Notes of one machine are one line, until all are asked for; an accepted risk is always shown."""
    options = Options(stop_instance=True, accept=("spot",))
    notes = [a_finding(check, "info", "i-0", f"Of {check}.") for check in ("public-ip", "just-started", "not-checked")]
    plan = replace(a_plan(1), findings=(*notes, a_finding("spot", "risk", "i-0")), options=options)
    text = [line for line in shown(plan) if line.startswith(("  risk", "  info", "  2 notes"))]

    assert text == [
        "  risk, accepted: spot: i-0: It is so.",
        "  info: not-checked: i-0: Of not-checked.",
        "  2 notes, nothing to decide; --verbose shows them.",
    ]
    assert sum("  info: " in line for line in shown(plan, full=True)) == 3
    assert "notes" not in " ".join(shown(plan, full=True))


@pytest.mark.parametrize(
    ("undo", "text"),
    [
        (None, "WIPE d-0 (data disk) on lab-0: everything written to it is lost."),
        ("r-1", "ROLL BACK d-0 (data disk) on lab-0: everything written to it since the snapshot is lost."),
    ],
)
def test_the_last_line_says_what_is_lost(undo: str | None, text: str) -> None:
    """The disk, its kind and size, its machine and the loss are the last thing that is read."""
    assert shown(a_plan(1, undo=undo))[-1] == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "everything written to it is lost, except in the safety snapshot that is taken first."),
        (2, "everything written to them is lost, except in the safety snapshots that are taken first."),
    ],
)
def test_the_last_line_does_not_call_lost_what_a_safety_snapshot_keeps(count: int, text: str) -> None:
    """A plan that takes snapshots first says so beside the loss."""
    plan = a_plan(count)
    plan = replace(plan, options=replace(plan.options, snapshot=True))

    assert shown(plan)[-1].endswith(text)


@pytest.mark.parametrize("count", [2, 5, FLEET_SIZE])
@pytest.mark.parametrize("refused", [False, True])
def test_every_disk_is_named_once(count: int, refused: bool) -> None:
    """However many there are, each disk stands in one place, behind the name of its machine, refused or not."""
    plan = changed(a_plan(count), 1, disks=(PlannedDisk("d-first"), PlannedDisk("d-second")))
    found = (a_finding("disk-locked", "block", "d-first"), a_finding("spot", "risk", "i-0"))
    text = "\n".join(shown(replace(plan, findings=found) if refused else plan))
    ids = [disk.disk_id for job in plan.jobs for disk in job.disks]

    assert [len(re.findall(rf"\b{each}\b", text)) for each in ids] == [1] * len(ids)
    for job in plan.jobs:
        name = re.escape(f"{job.instance_name} ({job.instance_id})" if count <= 5 else job.instance_name)
        assert all(re.search(rf"{name} +{disk.disk_id}\b", text) for disk in job.disks)


def test_a_name_that_many_have_comes_with_the_id() -> None:
    """Where the name does not tell which machine it is, or there is none, the id stands with it."""
    plan = changed(changed(changed(a_plan(6), 1, instance_name="same"), 2, instance_name="same"), 3, instance_name="")
    text = "\n".join(shown(plan))

    for named in ("lab-0 ", "same (i-1) ", "same (i-2) ", "no name (i-3) "):
        assert named in text


def test_sixty_machines_take_two_screens() -> None:
    """Ids as long as real ones stand two in a row of 80 columns, and the whole plan of 60 on two screens of 24 rows."""
    plan = a_plan(60, Rollout())
    for number in range(60):
        (disk,) = plan.jobs[number].disks
        plan = changed(plan, number, disks=(replace(disk, disk_id=f"d-bp{number:020}", size_gib=40),))
    lines = [part for line in shown(plan) for part in textwrap.wrap(line, 80)]

    assert sum("d-bp" in line for line in lines) == 30
    assert max(map(len, lines)) <= 80
    assert len(lines) + len(["the banner", "the question", "its answer"]) <= 48


def test_three_machines_take_one_screen() -> None:
    """A healthy plan of three and the question below it fit on 24 rows of 80 columns."""
    plan = a_plan(3)
    for number, name in enumerate(("lab-web-1", "lab-web-2", "lab-database-3")):
        job = plan.jobs[number]
        disk = replace(job.disks[0], disk_id=f"d-bp{number:020}", size_gib=40 + 60 * number)
        plan = changed(plan, number, instance_name=name, disks=(disk,), sharing=(f"d-bp1{number:019}",))
    rows = sum(len(textwrap.wrap(line, 80)) for line in shown(plan))

    assert rows + len(["the banner", "credentials", "notes", "notes", "the question", "its answer"]) <= 24


def test_one_machine_among_many_is_named_in_the_singular() -> None:
    """What is of one machine alone is not said of each."""
    lines = shown(a_plan(6, NO_CANARY, stopped=range(1)))

    assert "  1 instance stays stopped" in lines
    assert "    1 data disk, becomes EMPTY (as a blank disk):" in lines


def test_machines_are_grouped_by_what_happens_to_them() -> None:
    """Machines with the same steps stand together, below what is done to them; how many there are comes first."""
    lines = shown(a_plan(FLEET_SIZE, NO_CANARY, stopped=range(10)))
    stays = lines.index("  10 instances, each stays stopped")
    stops = lines.index("  20 instances, each stopped and started, down at most 1h")

    assert lines[0] == f"Plan: wipe 30 disks on 30 instances{PLACE}"
    assert "  In order: all 30; at most 100 down at once" in lines
    assert lines[stays + 1 : stays + 3] == [
        "    at most: ReInitDisk 35m",
        "    10 data disks, become EMPTY (as a blank disk):",
    ]
    assert lines[stops + 1] == "    at most: StopInstance 10m, ReInitDisk 35m, StartInstance 15m"
    assert all(f"d-{number}" in " ".join(lines[stays:stops]).split() for number in range(10))
    assert all(f"d-{number}" in " ".join(lines[stops:]).split() for number in range(10, 30))


def test_disks_that_differ_have_headings_or_rows_of_their_own() -> None:
    """Where some are alike, each kind has a heading with accepted risks; where none are, each row says its own."""
    kinds = changed(a_plan(6), 0, disks=(PlannedDisk("d-0", type="data", size_gib=40, becomes=Becomes("empty")),))
    kinds = replace(kinds, jobs=tuple(
        replace(job, disks=(replace(job.disks[0], size_gib=40 + 60 * (number % 2), waivers=("spot",) * (number % 2)),))
        for number, job in enumerate(kinds.jobs)
    ))  # fmt: skip
    single = replace(a_plan(6), jobs=tuple(
        replace(job, disks=(replace(job.disks[0], size_gib=40 + number, becomes=Becomes("image", f"m-{number}")),))
        for number, job in enumerate(a_plan(6).jobs)
    ))  # fmt: skip

    assert "    3 data disks, 40 GiB each, become EMPTY (as a blank disk):" in shown(kinds)
    assert "    3 data disks, 100 GiB each, become EMPTY (as a blank disk); accepted: spot:" in shown(kinds)
    assert "    6 data disks, 40 to 45 GiB, get the content of an image (6 different ones):" in shown(single)
    assert "lab-5 d-5 45 GiB -> m-5" in "\n".join(shown(single))


def test_what_is_lost_of_a_machine_without_start_time_is_reported() -> None:
    """Nothing but observations shows its use, so the plan says from when they count."""
    plan = a_plan(FLEET_SIZE, NO_CANARY, stopped=range(FLEET_SIZE))
    plan = replace(plan, jobs=tuple(replace(job, expected={}) for job in plan.jobs))

    assert shown(plan)[5] == (
        "    It shows no StartTime, so the run observes it from your confirmation on, "
        "and wipes nothing after a gap. Data written before the first observation is lost, too."
    )


def test_the_end_says_it_again() -> None:
    """What would be lost stands at the end, where the question comes; a refused plan has no question."""
    plan = a_plan(FLEET_SIZE)
    refused = replace(plan, findings=(a_finding("disk-locked", "block", "d-1"), a_finding("spot", "risk", "i-1")))
    lost = "WIPE these 30 disks: everything written to them is lost."

    assert shown(plan)[-1] == lost
    assert not any("WIPE" in line or "at most: " in line for line in shown(refused))


def test_a_power_cut_is_called_one() -> None:
    """A forced stop is said of many machines as of one."""
    plan = replace(a_plan(FLEET_SIZE), limits=Limits(force_stop_after=300.0))

    assert any("POWER CUT" in line for line in shown(plan))


def test_snapshots_and_tags_are_among_the_calls() -> None:
    """Every changing call of a machine is named, those of several disks with how often."""
    options = Options(stop_instance=True, snapshot=True, lock_tag=True)
    plan = changed(replace(a_plan(6), options=options), 2, disks=(PlannedDisk("d-a"), PlannedDisk("d-b")))
    calls = [line for line in shown(plan) if "at most: " in line]

    assert len(calls) == 2
    assert "CreateSnapshot and wait for it 1h, ReInitDisk 35m" in calls[0]
    assert "2 times CreateSnapshot and wait for it 1h, 2 times ReInitDisk 35m" in calls[1]
    assert all("TagResources" in line and "UntagResources" in line for line in calls)


def test_an_undo_says_so() -> None:
    """An undo of many speaks of rolling back and names the snapshot of each disk."""
    plan = a_plan(6, undo="r-20260102T030405Z-4f2a")
    jobs = [
        replace(job, disks=(replace(job.disks[0], becomes=Becomes("snapshot", f"s-safe-{number}", LONG_AGO)),))
        for number, job in enumerate(plan.jobs)
    ]
    lines = shown(replace(plan, jobs=tuple(jobs)))

    assert lines[0].startswith("Plan: undo run r-20260102T030405Z-4f2a: roll 6 disks on 6 instances back")
    assert "    6 data disks, get the content of a snapshot (6 different ones):" in lines
    assert "    at most: StopInstance 10m, ResetDisk 35m, StartInstance 15m" in lines
    assert re.findall(r"d-(\d) -> s-safe-(\d)", "\n".join(lines)) == [(each, each) for each in "012345"]


def test_what_nobody_knows_is_reported() -> None:
    """A disk whose origin was not seen is not counted among those that become something."""
    plan = changed(a_plan(6), 0, disks=(PlannedDisk("d-0", becomes=Becomes("unknown", "s-gone")),))

    assert "    1 disk not seen, gets unknown content: s-gone was not seen:" in shown(plan)


def test_disks_that_share_the_downtime_are_named() -> None:
    """Other disks of machines that are stopped are down with them, and that is said; of many the first ten by name."""
    some = changed(changed(a_plan(6), 0, sharing=("d-x", "d-y")), 1, sharing=("d-z",))
    many = changed(a_plan(6), 0, sharing=tuple(f"d-x{number}" for number in range(12)))

    assert "  3 other disks go down with them (their data is untouched): d-x, d-y, d-z" in shown(some)
    assert any("12 other disks go down" in line and line.endswith("d-x9 and 2 more") for line in shown(many))


@pytest.mark.parametrize(
    ("rollout", "text"),
    [
        (Rollout(), "1 first, as a canary that must succeed, then the other 29; at most 100 down at once"),
        (Rollout(canary=0, max_parallel=5), "all 30; at most 5 down at once"),
        (
            Rollout(canary=2, waves=((10, False),)),
            "2 first, as a canary that must succeed, then 3 waves of 10, 10, 8;",
        ),
        (Rollout(canary=0, stop_after_failures=3), "no job begins once 3 have failed"),
        (
            Rollout(canary=0, deadline=datetime(2026, 1, 2, 5, 0, tzinfo=UTC)),
            "no job begins after 2026-01-02 05:00 UTC",
        ),
        (
            Rollout(canary=0, deadline=datetime(2026, 1, 2, 5, 0, tzinfo=timezone(timedelta(hours=8)))),
            "no job begins after 2026-01-01 21:00 UTC",
        ),
    ],
)
def test_the_order_of_the_run_is_shown(rollout: Rollout, text: str) -> None:
    """Canary, waves, the cap and what ends the run early stand in one line."""
    line = next(line for line in shown(a_plan(FLEET_SIZE, rollout)) if "In order: " in line)

    assert text in line


def findings() -> tuple[Finding, ...]:
    """Return findings of every level, the harmless first."""
    return (
        *(a_finding("public-ip", "info", f"i-{number}", f"Address {number}.") for number in range(20)),
        *(a_finding("spot", "risk", f"i-{number}") for number in range(9)),
        *(a_finding("no-recent-snapshot", "risk", f"d-{each}", f"None of {each}.", f"Fix {each}.") for each in (1, 2)),
        a_finding("disk-locked", "block", "d-8", "d-8 is locked.", "Unlock d-8."),
    )  # fmt: skip


def test_findings_of_one_check_are_one() -> None:
    """The same check over many is one line with a count; what stands against the run comes first."""
    plan = replace(a_plan(FLEET_SIZE), findings=findings(), options=Options(stop_instance=True, accept=("spot",)))
    lines = shown(plan)

    assert lines[:5] == [
        "REFUSED: 3 of 30 instances stop this plan; nothing is done.",
        "  block: disk-locked: lab-8: d-8 is locked.",
        "      fix: Unlock d-8.",
        "  risk: no-recent-snapshot: 2 disks: No recent snapshot of the disk could restore its data.",
        "      fix: safe-reinit explain no-recent-snapshot, or the plan with --verbose, says what to do.",
    ]
    assert lines[-2:] == [
        "  risk, accepted: spot: 9 instances: It is so.",
        "  20 notes, nothing to decide; --verbose shows them.",
    ]


def test_every_finding_is_shown_where_that_is_asked_for() -> None:
    """With --verbose each finding stands by itself with its own message, still the worst first."""
    lines = shown(replace(a_plan(FLEET_SIZE), findings=findings()), full=True)
    found = [line for line in lines if line.startswith(("  block: ", "  risk: ", "  info: "))]

    assert len(found) == len(findings())
    assert [line.split(":")[0].strip() for line in found] == ["block"] + ["risk"] * 11 + ["info"] * 20
    assert all(any(each.message in line for line in found) for each in findings())


def test_refused_disks_stand_below_what_refuses_them() -> None:
    """Disks with the same blocks and risks that refuse the run stand together, before those that nothing refuses."""
    lines = shown(replace(a_plan(FLEET_SIZE), findings=findings(), options=Options(accept=("spot",))))
    locked, old, fine = (
        lines.index(f"  {title}:")
        for title in ("Refused by disk-locked", "Refused by no-recent-snapshot", "Not refused themselves")
    )

    assert lines[locked + 1].split() == ["lab-8", "d-8"]
    assert lines[old + 1].split() == ["lab-1", "d-1", "lab-2", "d-2"]
    assert lines[fine + 1].split()[:2] == ["lab-0", "d-0"]
    assert max(locked, old) < fine < lines.index(f"Plan: wipe 30 disks on 30 instances{PLACE}")


def skipping(plan: Plan, count: int) -> Plan:
    """Return a plan again with its last machines left out, whose disks are locked."""
    out = plan.jobs[-count:]
    found = tuple(a_finding("disk-locked", "block", job.disks[0].disk_id, f"{job.instance_name} is.") for job in out)
    result = a_finding("public-ip", "info", str(out[0].instance_id))
    return replace(plan, jobs=plan.jobs[:-count], skipped=out, skipped_findings=(*found, result))


@pytest.mark.parametrize(("jobs", "full"), [(4, False), (FLEET_SIZE, False), (FLEET_SIZE, True)])
def test_what_is_left_out_is_named_with_the_reason(jobs: int, full: bool) -> None:
    """What --skip-refused leaves out comes first: all named, with what refuses it, apart from what is wiped."""
    lines = shown(skipping(a_plan(jobs), 2), full=full)
    first = lines.index("  Refused by disk-locked:")
    head = lines.index(f"Plan: wipe {jobs - 2} disks on {jobs - 2} instances{PLACE}")
    last = jobs - 1

    assert lines[0] == f"LEFT OUT: 2 of {jobs} instances, since refused:"
    assert lines[first + 1 : first + 3] == [f"    lab-{each} (i-{each}) d-{each}" for each in (last - 1, last)]
    assert first + 3 == head
    assert any("fix: Do this." in line for line in lines[:first])
    assert not any(f"d-{last}" in line for line in lines[head:])


def test_the_length_grows_by_the_rows_of_the_disks() -> None:
    """A person finds the same few lines before and after the disks, however many of them there are."""
    assert len(shown(a_plan(500))) - len(shown(a_plan(200))) == 300 / 5


def test_columns_stand_under_each_other_whatever_the_letters() -> None:
    """Names of wide letters take the columns that a terminal gives them."""
    plan = changed(a_plan(6), 2, instance_name="实验室-长的名称-实验室-长的名称-实验室-长的名称")
    lines = [line for line in shown(plan) if re.search(r" d-\d$", line)]
    places = [
        sum(2 if unicodedata.east_asian_width(each) == "W" else 1 for each in line.partition("d-")[0]) for line in lines
    ]

    assert (len(lines), len(set(places))) == (6, 1)


# ---------------------------------------------------------------------------------------------------------- the report


def texts(result: Any, *, full: bool = False) -> list[str]:
    """Return the lines of a report."""
    return [line.text for line in report.report_lines(result, full=full)]


def test_what_went_well_is_counted() -> None:
    """Machines that are done share one line; with --verbose each has its own."""
    result = a_report(*(a_job(number) for number in range(FLEET_SIZE)))

    assert texts(result)[0] == "30 instances done: 30 disks wiped (ECS showed the wipe begin and end)"
    assert not any("lab-0001" in line for line in texts(result))
    assert any("lab-0001" in line for line in texts(result, full=True))


@pytest.mark.parametrize("outcome", ["failed", "unknown", "not-restarted", "stranded"])
def test_what_went_wrong_has_a_line_of_its_own(outcome: Any) -> None:
    """Each machine that is not done is named first, with its disks, its power, the message and the code."""
    result = a_report(*(a_job(number) for number in range(10)), a_job(11, outcome), a_job(12, outcome))
    lines = [line for line in report.report_lines(result) if "lab-001" in line.text]
    data = {"unknown": "UNKNOWN", "not-restarted": "wiped"}.get(outcome, "intact")
    power = {"failed": "Running", "unknown": "Stopped", "not-restarted": "Starting", "stranded": "Stopping"}[outcome]
    owes = "" if power == "Running" else " (should be Running)"

    assert texts(result)[0] == f"12 instances: 2 {outcome}, 10 done"
    assert texts(result)[3] == "10 instances done: 10 disks wiped (ECS showed the wipe begin and end)"
    assert [line.text for line in lines] == [
        f"lab-00{each} (i-bp0000{each}) {outcome}: d-bp0000{each} {data}, {power}{owes}: Message {each}. (Code{each})"
        for each in (11, 12)
    ]
    assert {line.style for line in lines} == {"bold red"}


def test_what_went_wrong_for_one_reason_shares_a_sentence() -> None:
    """25 machines that ECS does not start for the same reason share a sentence, and each is named below it."""
    bad = [a_job(number, "not-restarted") for number in range(25)]
    errors = [Failure("NoStock", f"ECS refused StartInstance of {job.instance_id}.", None, None, None) for job in bad]
    jobs = [replace(job, error=error) for job, error in zip(bad, errors, strict=True)]
    lines = texts(a_report(a_job(30), *jobs))

    assert lines[:2] == [
        "26 instances: 25 not-restarted, 1 done",
        "25 instances not-restarted: 25 disks wiped, Starting (should be Running): "
        "ECS refused StartInstance of the instance. (NoStock)",
    ]
    assert all(sum(f"({job.instance_id}) {job.disks[0].disk_id}" in line for line in lines) == 1 for job in jobs)
    assert [line for line in lines if line.endswith(" so far, 25 of them still down")], lines
    assert len(lines) < 40


def test_the_end_of_several_machines_names_each_once() -> None:
    """What happened to all of a few machines is one sentence, with their snapshots, the time and the downtime."""
    result = a_report(*(a_job(number) for number in range(3)))
    lines = texts(result)

    assert lines[0] == "3 instances done: 3 disks wiped (ECS showed the wipe begin and end)"
    assert lines[1:4] == [
        f"    lab-000{each} (i-bp00000{each}) d-bp00000{each} safety snapshot s-safe00000{each}" for each in range(3)
    ]
    (outcome,) = (line for line in lines if line.startswith("done (exit code 0)"))
    assert re.search(r"; 3 instances down for at most \w+$", outcome), outcome


def test_what_was_not_touched_for_one_reason_shares_a_line() -> None:
    """Machines that were never begun are counted, with the reason once."""
    why = replace(a_job(0, "refused").error, message="Not begun: the canary did not succeed.", code=None)  # type: ignore[type-var]
    never = [replace(a_job(number, "refused"), error=why, phases=()) for number in range(1, FLEET_SIZE)]
    result = a_report(a_job(0, "failed"), *never)

    line = "29 instances (i-bp000001, i-bp000002 and 27 more) refused, untouched: "
    assert f"{line}Not begun: the canary did not succeed." in texts(result)


def test_the_snapshots_that_keep_old_data_are_counted() -> None:
    """What a wipe does not take away is said once, with how many disks it is about."""
    kept = [a_finding("kept-snapshots", "info", f"d-bp{number:06}") for number in range(FLEET_SIZE)]
    result = a_report(*(a_job(number) for number in range(FLEET_SIZE)), findings=tuple(kept))

    assert [line for line in texts(result) if line.startswith("  ")] == [
        "  30 safety snapshots taken by this run; the JSON report or --verbose lists each.",
        "  30 disks have snapshots that keep old data; the JSON report or --verbose lists them.",
        f"  {report.text.NO_ERASURE}",
    ]


def test_a_plan_of_many_says_that_nothing_happened() -> None:
    """The report of a dry run counts the disks, which it has not touched."""
    result = a_report(*(replace(a_job(number, "planned"), phases=()) for number in range(FLEET_SIZE)), run_id=None)

    assert texts(result)[0] == "30 instances planned: 30 disks untouched"


def test_the_next_command_can_be_read() -> None:
    """A command that names many disks is shortened where it is read, and whole where it is run from."""
    disks = [word for number in range(FLEET_SIZE) for word in ("--disk", f"d-{number}")]
    command = shlex.join(["safe-reinit", *disks, "--reason", "a b", "--confirm", "ffffffff"])
    result = a_report(*(a_job(number) for number in range(FLEET_SIZE)), next=(command,))

    assert texts(result)[-1] == "next: safe-reinit --disk d-0 [--disk ... 29 more] --reason 'a b' --confirm ffffffff"
    assert json.loads(report.dump_document(report.to_json(result)))["next"] == [command]
    assert texts(result, full=True)[-1] == f"next: {command}"


def test_the_error_of_many_is_that_of_the_outcome() -> None:
    """Of several machines with something wrong, the one that the outcome is about gives the report its error."""
    one = a_plan_of_one()
    two = replace(one, jobs=(one.jobs[0], replace(one.jobs[0], instance_id="i-2")))
    records = (
        *ended(one, state="refused", error=Failure("A", "The first.")),
        *ended(one, state="unknown", error=Failure("B", "The second.")),
    )
    result = of_run(two, records)

    assert result.outcome == "unknown"
    assert result.error
    assert result.error.message == "The second."


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "\u202eevil", "`x`|y"])
def test_no_name_breaks_a_line(name: str) -> None:
    """Whatever machines and disks are called, every line is printable and there are as many as for tame names."""
    plan = changed(a_plan(5), 3, instance_name=name)
    result = a_report(*(a_job(number) for number in range(6)), replace(a_job(7, "failed"), instance_name=name))

    assert all(line.isprintable() for line in (*shown(plan), *texts(result)))
    assert len(shown(plan)) == len(shown(a_plan(5)))


def test_what_many_machines_lost_is_counted() -> None:
    """The disks that were wiped are counted by what they have now, and by what is in no snapshot any more."""
    bare = [replace(a_job(n), disks=(replace(a_job(n).disks[0], safety_snapshot=None),)) for n in (1, 2)]
    jobs = [*bare, a_job(3), a_job(4, "failed")]
    kept = Finding("kept-snapshots", "info", "d-bp000001", "Kept.", "", fact={"SnapshotIds": "s-9,s-8", "Count": 2})
    result = a_report(*jobs, findings=(kept,))

    assert list(report.lost_lines(result)) == [
        "3 disks now: each its own snapshot",
        "lost of 1 disk: what was written after the newest snapshot",
        "lost of 1 disk: everything: no snapshot was seen",
        "lost of 1 disk: nothing that is not in the safety snapshot",
    ]
    assert report.lost_text(jobs[0].disks[0], result) == "what was written after the newest snapshot, s-9"
    assert report.lost_text(jobs[2].disks[0], result) == "nothing that is not in the safety snapshot s-safe000003"
    undo = replace(result, calls=(replace(result.calls[0], action="ResetDisk"),))
    assert report.lost_text(jobs[0].disks[0], undo) == "what was written since the snapshot"
