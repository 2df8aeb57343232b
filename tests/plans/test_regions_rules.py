"""The rules of several regions: what is agreed to, how a canary and a limit of failures are shared. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from safe_reinit import report
from safe_reinit.model import Finding, Guard, Match, Outcome, Plan, Rollout, RunClass
from safe_reinit.plans import regions
from tests.fleets import a_job, a_plan, a_report
from tests.values import NOW

CLASS = RunClass("lab", "c" * 64, Match(), None, in_force=True, unattended=True)
DONE: tuple[Outcome, ...] = ("done",)


def of(region: str, count: int = 3, **more: Any) -> Plan:
    """Return a plan of a region."""
    made = a_plan(count, more.pop("rollout", Rollout()))
    return replace(made, region=region, fingerprint=region[:1] * 64, **more)


def test_the_order_of_the_regions_changes_nothing_of_what_is_agreed_to() -> None:
    """The same regions in another order have the same fingerprint; other disks in one have another."""
    one, two = of("a"), of("b")
    whole = regions.as_one([one, two])
    assert whole.fingerprint == regions.as_one([two, one]).fingerprint
    assert whole.confirm_with == whole.fingerprint
    assert whole.fingerprint not in (one.fingerprint, two.fingerprint)
    assert regions.as_one([one, replace(two, fingerprint="c" * 64)]).fingerprint != whole.fingerprint


def test_one_region_alone_is_agreed_to_as_ever() -> None:
    """Where one region is left, its plan is what is agreed to."""
    one = of("a")
    assert regions.as_one([one]) is one


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (CLASS, "lab"),
        (replace(CLASS, allowed=("stop_instance",)), "lab"),
        (replace(CLASS, sha256="d" * 64), None),
        (replace(CLASS, name="test"), None),
        (None, None),
    ],
)
def test_a_class_is_that_of_all_only_where_it_is_that_of_each(other: RunClass | None, name: str | None) -> None:
    """The same name with another text is another class."""
    plans = [of("a", guard=Guard(class_=CLASS)), of("b", guard=Guard(class_=other))]
    used = regions.as_one(plans).guard.class_
    assert (used.name if used else None) == name


def test_disks_are_mixed_only_where_one_is_in_a_class() -> None:
    """Where no disk of any region is in a class nothing is mixed; where one is, each disk is told with its class."""
    plain, in_class = of("b"), of("a", guard=Guard(class_=CLASS))

    assert regions.as_one([of("a"), plain]).guard.mixed == ()
    assert {name for _, name in regions.as_one([in_class, plain]).guard.mixed} == {"lab", ""}


def test_a_class_whose_hours_are_over_in_one_region_is_not_in_force() -> None:
    """Its name is then no consent."""
    plans = [of("a", guard=Guard(class_=CLASS)), of("b", guard=Guard(class_=replace(CLASS, in_force=False)))]
    used = regions.as_one(plans).guard.class_
    assert used is not None
    assert not used.in_force


@pytest.mark.parametrize(
    ("canary", "counts", "parts"),
    [
        (None, (5, 5), [0, 0]),
        (None, (6, 6), [1, 0]),
        (3, (2, 4), [2, 1]),
        (2, (4, 4), [2, 0]),
        (0, (20, 20), [0, 0]),
        (99, (2, 3), [2, 3]),
    ],
)
def test_the_canary_is_one_of_all_jobs(canary: int | None, counts: Sequence[int], parts: list[int]) -> None:
    """More than ten jobs over all regions have one; it begins with the first region's first jobs."""
    plans = [of(f"r{n}", count, rollout=Rollout(canary=canary)) for n, count in enumerate(counts)]
    assert [plan.rollout.canary for plan in regions.shared(plans)] == parts


def test_the_deadline_is_one_for_all_regions() -> None:
    """A deadline so long from now is counted once, though the plans are made one after the other."""
    plans = [of("a", rollout=Rollout(deadline=NOW)), of("b", rollout=Rollout(deadline=NOW + timedelta(seconds=9)))]
    assert [plan.rollout.deadline for plan in regions.shared(plans)] == [NOW, NOW]


@pytest.mark.parametrize(
    ("rollout", "outcomes", "why"),
    [
        (Rollout(), ("done", "failed", "unknown"), ""),
        (Rollout(canary=1), ("done", "failed"), ""),
        (Rollout(canary=1), ("failed", "done"), "canary"),
        (Rollout(canary=4), ("done", "failed"), "canary"),
        (Rollout(canary=4), ("done", "done"), ""),
        (Rollout(stop_after_failures=2), ("failed", "done"), ""),
        (Rollout(stop_after_failures=2), ("failed", "refused"), "--stop-after-failures 2"),
        (Rollout(deadline=NOW - timedelta(seconds=1)), DONE, "deadline"),
        (Rollout(deadline=NOW + timedelta(seconds=1)), DONE, ""),
    ],
)
def test_when_no_later_region_begins(rollout: Rollout, outcomes: Sequence[Outcome], why: str) -> None:
    """A canary that did not end done, also one that goes on into the next region; a limit; the deadline."""
    text = regions.closed(rollout, 6, outcomes, NOW)
    assert why in text
    assert bool(text) == bool(why)


def test_the_failures_before_count_in_a_region() -> None:
    """Of three that may fail one has; a limit that was never reached leaves at least one."""
    assert regions.left_of(Rollout(stop_after_failures=3), ("failed", "done")).stop_after_failures == 2
    assert regions.left_of(Rollout(), ("failed",)).stop_after_failures is None


@pytest.mark.parametrize(
    ("rollout", "ended", "asks"),
    [
        (Rollout(pause="none", canary=2), 2, False),
        (Rollout(pause="canary", canary=2), 2, True),
        (Rollout(pause="canary", canary=1), 2, False),
        (Rollout(pause="canary", canary=0), 2, False),
        (Rollout(pause="wave"), 2, True),
    ],
)
def test_when_somebody_is_asked_between_regions(rollout: Rollout, ended: int, asks: bool) -> None:
    """Where the canary ended with the region before, which that run itself could not tell; at each end of a wave."""
    assert regions.pauses(rollout, 6, ended) == asks


@pytest.mark.parametrize(("subject", "can"), [("d-1", True), ("i-1", True), ("run", False), ("DescribeDisks", False)])
def test_a_region_is_left_out_only_for_what_is_wrong_with_its_jobs(subject: str, can: bool) -> None:
    """What is wrong with the whole run, or could not be looked at, refuses all."""
    found = Finding("check", "block", subject, "It is so.", "Do this.")
    assert regions.can_be_left_out(of("a", findings=(found,))) == can


# ------------------------------------------------------------------------------------------------------ the report

WHOLE = regions.as_one([of("a"), of("b")])


@pytest.mark.parametrize(
    ("one", "two", "outcome"),
    [
        ("done", "done", "done"),
        ("done", "failed", "partial"),
        ("failed", "failed", "failed"),
        ("unknown", "done", "unknown"),
        ("stranded", "unknown", "unknown"),
        ("not-restarted", "stranded", "partial"),
        ("refused", "refused", "refused"),
    ],
)
def test_the_outcome_is_that_of_several_disks(one: Outcome, two: Outcome, outcome: Outcome) -> None:
    """Any unknown is 5, all alike that code, else 7."""
    result = report.of_regions([a_report(a_job(1, one)), a_report(a_job(2, two))], WHOLE)
    assert result.outcome == outcome
    assert (result.error is None) == (outcome == "done")


@pytest.mark.parametrize(("job", "outcome"), [("done", "bug"), ("unknown", "unknown")])
def test_a_bug_in_one_region_is_one_of_all(job: Outcome, outcome: Outcome) -> None:
    """What nobody foresaw is told before anything but an unknown wipe."""
    broken = a_report(a_job(1, "done"), outcome="bug", exit_code=1)
    assert report.of_regions([broken, a_report(a_job(2, job))], WHOLE).outcome == outcome


def test_the_members_of_the_report_are_put_together() -> None:
    """Jobs, findings and calls one after the other, runs and regions with commas, times from first to last."""
    one = a_report(a_job(1), region="a", run_id="r-1", next=("x",))
    two = a_report(a_job(2), region="b", run_id=None, next=("y", "x"), ended_at=NOW + timedelta(hours=1))
    result = report.of_regions([one, two], WHOLE)
    assert (result.region, result.run_id, result.next) == ("a,b", "r-1", ("x", "y"))
    assert result.jobs == (*one.jobs, *two.jobs)
    assert result.findings == (*one.findings, *two.findings)
    assert result.calls == (*one.calls, *two.calls)
    assert (result.started_at, result.ended_at, result.omitted_reads) == (one.started_at, two.ended_at, None)
    assert result.plan is not None
    assert result.plan.confirm_with == WHOLE.confirm_with


def test_the_reads_of_many_jobs_are_counted_over_all_regions() -> None:
    """Over twenty jobs no look is listed, and those that each report left out count too."""
    some = a_report(*(a_job(n) for n in range(3)))
    many = a_report(*(a_job(n) for n in range(3, 24)))
    result = report.of_regions([some, many], WHOLE)
    assert not any(call.action.startswith("Describe") for call in result.calls)
    reads = sum(call.action.startswith("Describe") for made in (some, many) for call in made.calls)
    assert result.omitted_reads == reads + 7
