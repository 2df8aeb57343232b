"""The plan: what it says, what names it, and that it is the same one when it is read back."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safe_reinit.model import Allow, Caller, DiskFacts, Facts, Limits, Options, Plan, Secret
from safe_reinit.model.codec import DecodeError
from safe_reinit.plans.plan import (
    becomes,
    canonical,
    changed_facts,
    expected,
    from_json,
    make_plan,
    plan_to_json,
    steps,
    unforeseen,
)
from tests import values

CALLER = Caller("1000000000000001", "acs:ram::1000000000000001:user/ops", "RAMUser")
PASSWORD = "Sup3r-Secret!word"


def a_plan(*facts: DiskFacts, reason: str | None = "CHG-1", **options: Any) -> Plan:
    """Return the plan for these facts, by default the healthy data disk on a running instance."""
    chosen = Options(**{"stop_instance": True, **options})
    facts = tuple(replace(each, options=chosen) for each in facts or (values.stopping_facts(),))
    return make_plan(Facts(values.REGION, CALLER, values.NOW, facts), chosen, Limits(), reason)


def rehash(plan: Plan) -> str:
    """Compute the fingerprint by the words of the contract, with nothing of the package."""
    disks = [
        [job.instance_id, disk.disk_id, disk.type, disk.size_gib, disk.becomes.kind, disk.becomes.id]
        for job in plan.jobs
        for disk in job.disks
    ]
    intention = {
        "v": 1,
        "account": plan.account,
        "region": plan.region,
        "disks": sorted(disks, key=lambda row: (row[0] or "", row[1])),
        "options": {
            "stop_instance": plan.options.stop_instance,
            "leave_stopped": plan.options.leave_stopped,
            "snapshot": False,
            "key_pair": plan.options.key_pair or None,
            "password": plan.options.password is not None,
            "security_enhancement": plan.options.security_enhancement or None,
        },
        "accept": sorted(plan.options.accept),
    }
    text = json.dumps(intention, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


OPTIONS: list[dict[str, Any]] = [
    {},
    {"leave_stopped": True},
    {"key_pair": "ops-\u00fc"},
    {"password": Secret(PASSWORD)},
    {"security_enhancement": "Active"},
    {"accept": ("never-started", "category-unknown")},
    {"stop_instance": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda each: "-".join(each) or "plain")
def test_the_fingerprint_is_the_one_of_the_contract(options: dict[str, Any]) -> None:
    """The fingerprint is SHA-256 of the canonical JSON of the intention, computed here once more."""
    plan = a_plan(values.system_facts(), values.disk_facts(), **options)

    assert plan.fingerprint == rehash(plan)


def test_each_part_of_the_intention_changes_the_fingerprint() -> None:
    """Two different intentions never share a fingerprint."""
    plans = [a_plan(**options) for options in OPTIONS]
    plans += [
        a_plan(values.stopping_facts(disk=values.a_disk(size_gib=41))),
        a_plan(
            values.stopping_facts(disk=values.a_disk(source_snapshot_id="s-1"), source_snapshot=values.a_snapshot())
        ),
        a_plan(values.system_facts()),
    ]

    assert len({plan.fingerprint for plan in plans}) == len(plans)


def test_the_fingerprint_names_the_intention_and_not_the_moment() -> None:
    """Times, names, states and the order of the disks do not change what a plan is called tomorrow."""
    one, two = values.system_facts(), values.disk_facts()
    later = values.disk_facts(
        disk=values.a_disk(disk_name="renamed", serial="other"),
        instance=values.an_instance(status="Running", instance_name="renamed"),
        now=values.TOMORROW,
    )

    assert a_plan(one, two).fingerprint == a_plan(later, one, reason=None).fingerprint


@pytest.mark.parametrize("changes", [{"snapshot_max_age": 60.0}, {"pending_starts": ("i-other",)}])
def test_what_a_run_is_judged_by_is_not_what_it_is_called_by(changes: dict[str, Any]) -> None:
    """How old a snapshot may be, and what another run owes, are read back with the plan but change no fingerprint."""
    plan = a_plan(**changes)

    assert plan.fingerprint == a_plan().fingerprint
    assert from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


@pytest.mark.parametrize(
    ("status", "options", "power"),
    [
        ("Stopped", {"pending_starts": (values.INSTANCE_ID,)}, (False, True, "Running")),
        ("Stopped", {"pending_starts": (values.INSTANCE_ID,), "leave_stopped": True}, (False, False, "Stopped")),
        ("Stopped", {"pending_starts": ("i-other",)}, (False, False, "Stopped")),
        ("Running", {"pending_starts": (values.INSTANCE_ID,)}, (True, True, "Running")),
        ("Running", {"pending_starts": (values.INSTANCE_ID,), "stop_instance": False}, (False, False, "Running")),
    ],
)
def test_a_start_that_an_earlier_run_owes_is_planned(
    status: str, options: dict[str, Any], power: tuple[bool, bool, str]
) -> None:
    """A machine that another run stopped is started after the wipe, and no other one is."""
    (job,) = a_plan(values.disk_facts(instance=values.an_instance(status=status)), **options).jobs

    assert (job.will_stop, job.will_start, job.power_promised) == power


def test_accepted_risks_are_sorted_in_the_fingerprint() -> None:
    """The order in which risks were accepted does not matter."""
    assert a_plan(accept=("b", "a")).fingerprint == a_plan(accept=("a", "b")).fingerprint


def test_one_disk_is_confirmed_by_its_id_and_several_by_the_fingerprint() -> None:
    """What to type is the disk's id for one, and the fingerprint for several."""
    several = a_plan(values.system_facts(), values.disk_facts())

    assert a_plan().confirm_with == values.DISK_ID
    assert several.confirm_with == several.fingerprint


# JSON both ways.


@pytest.mark.parametrize("options", OPTIONS, ids=lambda each: "-".join(each) or "plain")
def test_a_plan_is_the_same_when_it_is_read_back(options: dict[str, Any]) -> None:
    """Through JSON text and back a plan is equal in every member; a password is given again, not read."""
    plan = a_plan(values.system_facts(), values.disk_facts(), **options)
    password = options.get("password")

    assert from_json(json.loads(json.dumps(plan_to_json(plan))), password) == plan


def test_a_plan_of_a_class_is_the_same_when_it_is_read_back() -> None:
    """What is judged of targets, and the class that allowed some options, are in the JSON of the plan."""
    used = values.run_class(hours=values.NIGHT, allowed=("stop_instance",), force_stop_after=300.0, on_unknown="retry")
    guard = values.guard(allow=Allow(accounts=("1",), tags=values.LAB), class_=used, mixed=(("d-1", ""),))
    plan = a_plan(values.stopping_facts(guard=guard))
    data = json.loads(json.dumps(plan_to_json(plan)))

    assert plan.guard == guard
    assert from_json(data) == plan
    assert data["guard"]["class"]["name"] == "lab"


def test_a_plan_for_a_disk_that_is_not_there_is_the_same_when_it_is_read_back() -> None:
    """A plan with nothing seen in it survives JSON too."""
    plan = a_plan(values.disk_facts(disk=None, disk_id="d-nowhere", instance=None))

    assert from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


def test_a_password_is_in_no_form_of_a_plan() -> None:
    """Neither the JSON of a plan nor its repr holds the password; JSON says only that there is one."""
    plan = a_plan(values.system_facts(), password=Secret(PASSWORD))
    shown = json.dumps(plan_to_json(plan)) + repr(plan) + str(plan)

    assert PASSWORD not in shown
    assert plan_to_json(plan)["options"]["password"] is True


def test_a_plan_with_a_password_needs_it_again() -> None:
    """A plan made with a password is not run without it, and one made without takes none."""
    with_it, without = a_plan(password=Secret(PASSWORD)), a_plan()

    with pytest.raises(DecodeError, match="password"):
        from_json(plan_to_json(with_it))
    with pytest.raises(DecodeError, match="password"):
        from_json(plan_to_json(without), Secret(PASSWORD))


TAMPER: dict[str, Callable[[dict[str, Any]], object]] = {
    "another disk": lambda data: data["jobs"][0]["disks"][0].update(disk_id="d-other"),
    "another instance": lambda data: data["jobs"][0].update(instance_id="i-other"),
    "another size": lambda data: data["jobs"][0]["disks"][0].update(size_gib=1),
    "another source": lambda data: data["jobs"][0]["disks"][0]["becomes"].update(kind="snapshot", id="s-1"),
    "one disk more": lambda data: data["jobs"][0]["disks"].append(
        {**data["jobs"][0]["disks"][0], "disk_id": "d-other"}
    ),
    "another account": lambda data: data.update(account="2"),
    "another region": lambda data: data.update(region="cn-beijing"),
    "a risk accepted": lambda data: data["options"].update(accept=["never-started"]),
    "stop allowed": lambda data: data["options"].update(stop_instance=not data["options"]["stop_instance"]),
    "left stopped": lambda data: data["options"].update(leave_stopped=True),
    "another fingerprint": lambda data: data.update(fingerprint="0" * 64),
    "what to type": lambda data: data.update(confirm_with="yes"),
}


@pytest.mark.parametrize("how", TAMPER)
def test_a_plan_that_was_changed_is_not_read(how: str) -> None:
    """A plan whose intention is not the one of its fingerprint is refused."""
    data = plan_to_json(a_plan())
    TAMPER[how](data)

    with pytest.raises(DecodeError):
        from_json(data)


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "no schema": lambda data: data.pop("schema"),
    "another schema": lambda data: data.update(schema=2),
    "a missing member": lambda data: data.pop("limits"),
    "an unknown member": lambda data: data.update(extra=1),
    "no options": lambda data: data.update(options=None),
    "options that are a list": lambda data: data.update(options=[]),
    "jobs that are a text": lambda data: data.update(jobs="all"),
    "a job that is a number": lambda data: data.update(jobs=[1]),
    "a time that is none": lambda data: data.update(made_at="tomorrow"),
    "a limit that is a text": lambda data: data["limits"].update(stop="10m"),
    "a limit that is no number": lambda data: data["limits"].update(stop=float("nan")),
    "a limit that is endless": lambda data: data["limits"].update(reinit=float("inf")),
    "a truth that is a number": lambda data: data["options"].update(stop_instance=1),
    "a power that is unknown": lambda data: data["jobs"][0].update(power_promised="Sideways"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_plan_is_refused_with_its_place(how: str) -> None:
    """A document of another shape ends in a DecodeError, never in another error and never in a plan."""
    data = plan_to_json(a_plan())
    BROKEN[how](data)

    with pytest.raises(DecodeError, match=r"^At \$"):
        from_json(data)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
PLAN = plan_to_json(a_plan(values.system_facts(), values.disk_facts()))


def places(data: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the places of all members in a document."""
    found = [path] if path else []
    members = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return found + [place for key, item in members for place in places(item, (*path, key))]


@settings(max_examples=300)
@given(st.sampled_from(places(PLAN)), json_values)
def test_a_member_replaced_by_anything_makes_no_other_error(place: tuple[Any, ...], value: object) -> None:
    """Whatever stands in a member's place, reading gives a plan or a DecodeError."""
    data = copy.deepcopy(PLAN)
    inner: Any = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value

    try:
        plan = from_json(data)
    except DecodeError:
        return
    assert isinstance(plan, Plan)
    assert plan.fingerprint == rehash(plan)


# What a plan says.


def test_what_a_disk_becomes_is_reported_only_where_it_was_seen() -> None:
    """Blank is empty, a snapshot and an image are named where they exist, and what was not seen is unknown."""
    source = values.a_snapshot(snapshot_id="s-1")
    made = values.a_disk(source_snapshot_id="s-1")

    assert becomes(values.disk_facts()).kind == "empty"
    assert becomes(values.disk_facts(disk=made, source_snapshot=source)).id == "s-1"
    assert becomes(values.disk_facts(disk=made)).kind == "unknown"
    assert becomes(values.system_facts()).kind == "image"
    assert becomes(values.system_facts(image=None)).kind == "unknown"
    assert becomes(values.disk_facts(disk=None, disk_id="d-x")).kind == "unknown"


def test_disks_of_one_instance_are_one_job_and_those_of_none_are_their_own() -> None:
    """Disks share a job where they share an instance; a disk on no instance is a job with none."""
    alone = values.disk_facts(disk=values.a_disk(disk_id="d-alone", instance_id=""), instance=None)
    plan = a_plan(values.system_facts(), alone, values.disk_facts())

    assert [(job.instance_id, len(job.disks)) for job in plan.jobs] == [(values.INSTANCE_ID, 2), (None, 1)]
    assert not plan.runnable


def test_the_calls_of_a_plan_are_listed_in_order() -> None:
    """A running machine is stopped, wiped and started; a stopped one is only wiped; left stopped, it is not started."""
    job, stopped = a_plan().jobs[0], a_plan(values.disk_facts())
    left = a_plan(leave_stopped=True)

    assert [step[0] for step in steps(job, a_plan())] == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert [step[0] for step in steps(stopped.jobs[0], stopped)] == ["ReInitDisk"]
    assert [step[0] for step in steps(left.jobs[0], left)] == ["StopInstance", "ReInitDisk"]
    assert any("ReInitDisk" in text for text in unforeseen(a_plan()))


def test_a_running_machine_is_promised_to_run_unless_it_is_left_stopped() -> None:
    """The promise about power is the state before, or Stopped where that was asked for."""
    assert a_plan().jobs[0].power_promised == "Running"
    assert a_plan(leave_stopped=True).jobs[0].power_promised == "Stopped"
    assert a_plan(values.disk_facts()).jobs[0].power_promised == "Stopped"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("d-bp1data.InstanceId", {"disk": values.a_disk(instance_id="i-other")}),
        ("d-bp1data.AttachedTime", {"disk": values.a_disk(attached_time=values.NOW)}),
        ("d-bp1data.SerialNumber", {"disk": values.a_disk(serial="other")}),
        ("d-bp1data.Size", {"disk": values.a_disk(size_gib=1)}),
        ("d-bp1data.DiskName", {"disk": values.a_disk(disk_name="other")}),
        ("d-bp1data.OperationLocks", {"disk": values.a_disk(locks=("security",))}),
        ("i-bp1web.InstanceName", {"instance": values.an_instance(instance_name="other")}),
        ("i-bp1web.StartTime", {"instance": values.an_instance(start_time=values.NOW)}),
        ("i-bp1web.Status", {"instance": values.an_instance(status="Running")}),
    ],
)
def test_each_fact_a_plan_stands_on_is_reported_when_it_changes(field: str, change: dict[str, Any]) -> None:
    """What moved is told as ``field: planned -> now``, each fact by ECS's name, and nothing else is."""
    before, now = expected([values.disk_facts()]), expected([values.disk_facts(**change)])
    result = changed_facts(before, now)

    assert [line.partition(":")[0] for line in result] == [field]
    assert f"{before[field] or 'none'} -> {now[field] or 'none'}" in result[0]


def test_what_our_own_calls_change_is_no_drift() -> None:
    """A field that is ours is left out, and every other one still counts."""
    before = {"i-1.Status": "Running", "i-1.StartTime": "a"}

    assert changed_facts(before, {"i-1.Status": "Stopped", "i-1.StartTime": "a"}, ours=["i-1.Status"]) == ()
    assert len(changed_facts(before, {"i-1.Status": "Stopped", "i-1.StartTime": "b"}, ours=["i-1.Status"])) == 1


def test_a_hostile_name_cannot_fake_a_line_of_what_moved() -> None:
    """Names are other people's words: in what moved they hold no control characters."""
    result = changed_facts({"i-1.InstanceName": "web"}, {"i-1.InstanceName": "x\x1b[2J\nYour data is safe\r"})

    assert "".join(result).isprintable()


def test_canonical_json_is_sorted_dense_and_utf8() -> None:
    """The form that is hashed has sorted keys, no spaces and plain UTF-8."""
    assert canonical({"b": [1, None], "a": "\u00fc"}) == '{"a":"\u00fc","b":[1,null]}'.encode()
