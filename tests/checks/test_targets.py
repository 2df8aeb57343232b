"""Which class a run is in, what it allows to it, and what is consent: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safe_reinit.checks.target_rules import (
    TargetRequest,
    class_of,
    consents,
    no_consent,
    settle,
    term_in,
    window,
    within,
)
from safe_reinit.model import (
    Allow,
    Disk,
    Guard,
    Hours,
    Instance,
    Match,
    Options,
    Protect,
    TargetClass,
    TargetFacts,
    TargetRules,
)
from tests import values
from tests.plans.test_plan import a_plan
from tests.values import ACCOUNT, DAY, LAB, NIGHT, NOW, REGION

STAGING = (("env", "staging"),)


def a_class(name: str = "lab", **members: Any) -> TargetClass:
    """Return a class that is matched by the tag env=NAME."""
    return TargetClass(**{"name": name, "sha256": name * 8, "match": Match(tags=(("env", name),)), **members})


def a_target(disk_id: str = values.DISK_ID, tags: Any = LAB, **changes: Any) -> TargetFacts:
    """Return a target on an instance with these tags."""
    seen: tuple[Disk, Instance] = (values.a_disk(disk_id=disk_id), values.an_instance(tags=tags))
    return replace(TargetFacts(disk_id, ACCOUNT, REGION, NOW, *seen), **changes)


def settled(
    *classes: TargetClass, targets: Sequence[TargetFacts] = (), chosen: Any = (), most: int | None = None, **more: Any
) -> tuple[Options, Guard]:
    """Return what is in force for one target of the lab, or these."""
    target_rules = TargetRules(classes=classes, max_disks=more.pop("max_disks", None))
    asked = TargetRequest(Options(**more.pop("options", {})), frozenset(chosen), most, **more)
    return settle(target_rules, asked, targets or (a_target(),))


def many(count: int, tags: Any = LAB) -> list[TargetFacts]:
    """Return so many targets."""
    return [a_target(f"d-{number}", tags) for number in range(count)]


# ------------------------------------------------------------------------------------------------------ which class


def test_the_first_class_that_matches_is_it() -> None:
    """Classes are tried in their order; a later one that fits better or allows more is not looked at."""
    wide, narrow = a_class("all", match=Match(regions=("cn-*",))), a_class(stop_instance=True)

    assert class_of((wide, narrow), a_target()) == wide
    assert class_of((narrow, wide), a_target()) == narrow
    assert not settled(wide, narrow)[0].stop_instance


def test_a_first_class_out_of_hours_is_not_passed_over() -> None:
    """The class whose hours are over is the class all the same: the next one is not taken instead."""
    options, guard = settled(a_class(hours=DAY), a_class("any", match=Match(regions=("*",)), stop_instance=True))

    assert not options.stop_instance
    assert guard.class_ is not None
    assert (guard.class_.name, guard.class_.in_force) == ("lab", False)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(accounts=(ACCOUNT,), regions=(REGION,), tags=LAB), True),
        (Match(accounts=("1000*",), tags=(("env", "l?b"),)), True),
        (Match(accounts=("2",), tags=LAB), False),
        (Match(regions=("cn-beijing",), tags=LAB), False),
        (Match(tags=(("env", "lab"), ("team", "web"))), False),
        (Match(tags=(("Env", "lab"),)), False),
        (Match(accounts=(), tags=LAB), False),
    ],
)
def test_a_class_matches_all_that_it_names(match: Match, *, fits: bool) -> None:
    """Account, region and each tag must be so, letter by letter."""
    assert (class_of((a_class(match=match),), a_target()) is not None) is fits


def test_a_tag_of_the_disk_alone_is_no_class() -> None:
    """What a class allows befalls the instance, so the instance must have the tag, and the disk must not contradict."""
    alone = a_target(tags=(), disk=values.a_disk(tags=LAB))
    against = a_target(disk=values.a_disk(tags=STAGING))
    agreeing = a_target(disk=values.a_disk(tags=LAB))

    assert [class_of((a_class(),), each) is not None for each in (alone, against, agreeing)] == [False, False, True]


@pytest.mark.parametrize("unseen", [{"disk": None}, {"instance": None}, {"disk": None, "instance": None}])
def test_what_was_not_seen_is_in_no_class(unseen: dict[str, Any]) -> None:
    """A target that was not seen whole gets nothing from a class, not even from one of its region."""
    assert class_of((a_class(match=Match(regions=(REGION,))),), a_target(**unseen)) is None


# ---------------------------------------------------------------------------------------------------- what it allows


def test_what_a_class_allows_is_as_if_it_was_asked_for() -> None:
    """Options and accepted risks of the class come to those asked for, and are told apart from them."""
    lab = a_class(
        stop_instance=True, accept=("never-started",), snapshot=True, force_stop_after=300.0, on_unknown="retry",
        max_disks=60,
    )  # fmt: skip
    options, guard = settled(lab, options={"accept": ("category-unknown",), "leave_stopped": True})

    assert options == Options(
        stop_instance=True, leave_stopped=True, snapshot=True, accept=("category-unknown", "never-started")
    )
    assert guard.max_disks == 60
    assert guard.class_ is not None
    assert guard.class_.allowed == (
        "stop_instance", "accept never-started", "snapshot", "force_stop_after 300s", "on_unknown retry",
        "max_disks 60",
    )  # fmt: skip
    assert (guard.class_.force_stop_after, guard.class_.on_unknown) == (300.0, "retry")
    assert guard.class_.limits_disks


def test_a_class_that_says_nothing_allows_nothing() -> None:
    """A class of a match alone changes no option."""
    options, guard = settled(a_class())

    assert options == Options()
    assert guard.class_ is not None
    assert (guard.class_.allowed, guard.class_.unattended) == ((), False)
    assert not guard.class_.limits_disks


def test_what_was_asked_for_by_hand_did_not_come_from_the_class() -> None:
    """A flag that the class would have given too is the person's own."""
    _, guard = settled(
        a_class(stop_instance=True, accept=("never-started",)),
        options={"stop_instance": True, "accept": ("never-started",)},
    )

    assert guard.class_ is not None
    assert guard.class_.allowed == ()


@pytest.mark.parametrize(("chosen", "snapshot"), [(("snapshot",), True), ((), False)])
def test_a_snapshot_asked_for_by_hand_is_taken_whatever_the_class_says(
    chosen: tuple[str, ...], *, snapshot: bool
) -> None:
    """The class wins over the file, and the command line over the class."""
    options, _ = settled(a_class(snapshot=False), options={"snapshot": True}, chosen=chosen)

    assert options.snapshot is snapshot


def test_what_is_given_by_hand_is_not_changed_by_the_class() -> None:
    """How a stop is forced and what a lost answer means are the person's where the person said it."""
    lab = a_class(force_stop_after=300.0, on_unknown="retry")
    _, guard = settled(lab, chosen=("force_stop_after", "on_unknown"))

    assert guard.class_ is not None
    assert (guard.class_.force_stop_after, guard.class_.on_unknown, guard.class_.allowed) == (None, None, ())


def test_outside_its_hours_a_class_allows_nothing() -> None:
    """Neither options nor risks nor consent nor more disks come from a class whose hours are over."""
    lab = a_class(
        stop_instance=True, accept=("never-started",), snapshot=True, force_stop_after=300.0, on_unknown="retry",
        max_disks=60, hours=DAY, unattended=True,
    )  # fmt: skip
    options, guard = settled(lab)

    assert options == Options()
    assert guard.max_disks == 10
    assert guard.class_ is not None
    assert (guard.class_.allowed, guard.class_.force_stop_after, guard.class_.on_unknown) == ((), None, None)
    assert settled(replace(lab, hours=NIGHT))[0].stop_instance


@pytest.mark.parametrize("other", [STAGING, ()])
def test_disks_of_two_classes_get_nothing(other: Any) -> None:
    """Where one disk is in another class, or in none, no class allows anything to the run, and each is named."""
    classes = (a_class(stop_instance=True), a_class("staging", stop_instance=True, accept=("never-started",)))
    options, guard = settled(*classes, targets=(a_target("d-1"), a_target("d-2", other)))

    assert options == Options()
    assert guard.class_ is None
    assert guard.mixed == (("d-1", "lab"), ("d-2", "staging" if other else ""))


def test_disks_of_no_class_are_not_reported() -> None:
    """Where no disk is in a class there is nothing to say about classes."""
    assert settled(a_class("other"), targets=(a_target("d-1"), a_target("d-2", STAGING)))[1].mixed == ()


def test_the_guards_of_the_configuration_go_with_every_run() -> None:
    """What is allowed and protected is in what is judged, with a class or without."""
    target_rules = TargetRules(Allow(accounts=("1",)), Protect(terms=("live",)), (a_class(),))

    for target in (a_target(), a_target(tags=())):
        _, guard = settle(target_rules, TargetRequest(Options()), (target,))

        assert (guard.allow, guard.protect, guard.disks) == (target_rules.allow, target_rules.protect, 1)


# ----------------------------------------------------------------------------------------------------- how many disks


@pytest.mark.parametrize(
    ("case", "most"),
    [
        ({}, 10),
        ({"discovered": True}, 1),
        ({"max_disks": 3}, 3),
        ({"max_disks": 3, "discovered": True}, 3),
        ({"max_disks": 12, "most": 12}, 12),
    ],
)
def test_how_many_disks_without_a_class(case: dict[str, Any], most: int) -> None:
    """Ten that were named, one that was found, or the number that is said."""
    assert settled(targets=many(2, ()), **case)[1].max_disks == most


@pytest.mark.parametrize(
    ("own", "case", "most"),
    [
        (60, {}, 60),
        (60, {"discovered": True}, 60),
        (60, {"max_disks": 3}, 60),
        (60, {"max_disks": 100, "most": 100}, 60),
        (60, {"max_disks": 3, "most": 3}, 3),
        (2, {}, 2),
        (None, {}, 10),
        (None, {"discovered": True}, 1),
        (None, {"max_disks": 12, "most": 12}, 12),
    ],
)
def test_how_many_disks_in_a_class(own: int | None, case: dict[str, Any], most: int) -> None:
    """A class has its own number, which the command line may only make smaller; else it is as without a class."""
    assert settled(a_class(max_disks=own), targets=many(2), **case)[1].max_disks == most


def test_a_class_out_of_hours_does_not_widen_the_number() -> None:
    """Outside the hours the smaller number holds."""
    assert settled(a_class(max_disks=60, hours=DAY), targets=many(2))[1].max_disks == 10
    assert settled(a_class(max_disks=2, hours=DAY), targets=many(2))[1].max_disks == 2


@given(count=st.integers(1, 30), most=st.none() | st.integers(1, 30), discovered=st.booleans())
def test_a_run_of_more_disks_than_it_may_have_is_refused_whole(
    count: int, most: int | None, *, discovered: bool
) -> None:
    """Whatever the number is, one disk more refuses the whole plan, and no disk is left out of it."""
    _, guard = settled(targets=many(count), most=most, max_disks=most, discovered=discovered)
    plan = a_plan(*(values.stopping_facts(disk=values.a_disk(disk_id=f"d-{n}"), guard=guard) for n in range(count)))

    assert sum(len(job.disks) for job in plan.jobs) == count
    refused = any(finding.check == "too-many-disks" for finding in plan.blockers)
    assert refused == (count > (most or (1 if discovered else 10)))


# ------------------------------------------------------------------------------------------------------------- hours


def at(hour: int, minute: int = 0) -> datetime:
    """Return a time of day in UTC."""
    return datetime(2026, 5, 6, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("begin", "end", "inside", "outside"),
    [
        ("01:00", "05:00", ["01:00", "04:59"], ["00:59", "05:00", "13:00"]),
        ("22:00", "04:00", ["22:00", "23:59", "00:00", "03:59"], ["21:59", "04:00", "12:00"]),
        ("22:00", "24:00", ["22:00", "23:59"], ["00:00", "21:59"]),
        ("00:00", "06:00", ["00:00", "05:59"], ["06:00", "23:59"]),
        ("23:59", "00:01", ["23:59", "00:00"], ["00:01", "23:58"]),
    ],
)
def test_hours_are_from_the_first_minute_to_before_the_last(
    begin: str, end: str, inside: list[str], outside: list[str]
) -> None:
    """A window holds its first minute and not its last, over midnight too."""

    def minutes(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    hours = Hours(minutes(begin), minutes(end))

    assert all(within(hours, at(*divmod(minutes(each), 60))) for each in inside)
    assert not any(within(hours, at(*divmod(minutes(each), 60))) for each in outside)


def test_hours_of_another_zone() -> None:
    """01:00-05:00 +08:00 is 17:00-21:00 UTC, and 01:00-05:00 -03:30 is 04:30-08:30 UTC."""
    east, west = Hours(60, 300, 480), Hours(60, 300, -210)

    assert [within(east, at(hour)) for hour in (16, 17, 20, 21)] == [False, True, True, False]
    assert [within(west, at(*when)) for when in ((4, 29), (4, 30), (8, 29), (8, 30))] == [False, True, True, False]
    assert (window(east), window(west)) == ("01:00-05:00 +08:00", "01:00-05:00 -03:30")
    assert window(Hours(0, 24 * 60)) == "00:00-24:00 UTC"


@given(st.integers(0, 1439), st.integers(1, 1440), st.integers(-840, 840), st.integers(0, 1439))
def test_a_window_and_the_rest_of_the_day_share_no_minute(begin: int, end: int, offset: int, minute: int) -> None:
    """Each minute is either in a window or in the window that has its ends exchanged."""
    if begin == end % 1440:
        return
    now = datetime(2026, 5, 6, tzinfo=UTC) + timedelta(minutes=minute)

    assert within(Hours(begin, end, offset), now) != within(Hours(end % 1440, begin, offset), now)


@given(st.text(max_size=20))
def test_a_word_set_apart_is_always_found(name: str) -> None:
    """Whatever else is in a name, the term between two signs that are no letters is found."""
    assert term_in(("prod",), f"{name}-Prod.{name}") == "prod"


# ----------------------------------------------------------------------------------------------------------- consent


def planned(**members: Any) -> Any:
    """Return a plan whose class has these members."""
    facts = values.stopping_facts(guard=values.guard(class_=values.run_class(**members)))
    return a_plan(facts)


def test_the_name_of_an_unattended_class_is_consent() -> None:
    """The name, whole and in any case of letters, and beside it what the plan is confirmed with."""
    plan = planned()

    assert [consents(plan, word) for word in ("lab", "LAB", values.DISK_ID)] == [True] * 3
    assert [consents(plan, word) for word in ("la", "lab ", "labs", "", "staging")] == [False] * 5


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"unattended": False}, "not unattended"),
        ({"in_force": False, "hours": DAY}, "09:00-17:00 UTC"),
    ],
)
def test_the_name_of_another_class_is_no_consent(members: dict[str, Any], text: str) -> None:
    """A class that is not unattended, or not in force, consents to nothing, and that is said; the disk's id does."""
    plan = planned(**members)

    assert not consents(plan, "lab")
    assert text in no_consent(plan, "lab")
    assert consents(plan, values.DISK_ID)
    assert values.DISK_ID in no_consent(plan, "lab")


def test_the_name_of_a_class_that_only_some_disks_are_in_is_no_consent() -> None:
    """Where not every disk is in the class its name consents to nothing, and that is said."""
    plan = a_plan(values.stopping_facts(guard=values.guard(mixed=((values.DISK_ID, "lab"), ("d-2", "")))))

    assert not consents(plan, "lab")
    assert "Not every disk" in no_consent(plan, "lab")


def test_an_unknown_word_is_no_consent() -> None:
    """Without a class there is what the plan is confirmed with, and nothing else."""
    plan = a_plan()

    assert not consents(plan, "lab")
    assert "'lab' does not confirm" in no_consent(plan, "lab")


def test_the_class_is_in_the_plan_and_not_in_its_fingerprint() -> None:
    """The same options have the same fingerprint whether a person asked for them or a class allowed them."""
    assert planned().fingerprint == a_plan().fingerprint
    assert planned().guard.class_.name == "lab"
