"""The forms of the members of a plan file: with any digest, only what this program could have written is read."""

from __future__ import annotations

import copy
import json
from typing import Any

from safe_reinit.model import Guard, Hours, Limits, Match, Plan, Rollout, RunClass
from safe_reinit.plans import plan_file
from tests import values
from tests.blackbox.test_plan_files import signed
from tests.plans.test_plan import a_plan
from tests.plans.test_saved import at as there
from tests.plans.test_saved import places


def a_full_plan() -> Plan:
    """Return a plan that has as much in it as a plan can have."""
    from dataclasses import replace

    plan = a_plan(
        values.system_facts(instance=values.an_instance(status="Running")),
        accept=("never-started",), require_answers=("ess",), owner=(("owner_id", 1), ("owner_account", "ops")),
    )  # fmt: skip
    match = Match(accounts=("1*",), regions=("cn-*",), tags=(("env", "lab"),))
    used = RunClass(
        "lab", "0" * 64, match, Hours(0, 60, 480), in_force=True, unattended=True,
        allowed=("stop_instance", "accept never-started", "force_stop_after 300s", "on_unknown retry", "max_disks 5"),
        force_stop_after=300.0, on_unknown="retry",
    )  # fmt: skip
    return replace(
        plan,
        plan_id="0123456789abcdef",
        guard=Guard(class_=used, max_disks=5),
        limits=Limits(force_stop_after=300.0),
        rollout=Rollout(canary=1, waves=((5, False), (50, True)), pause="wave", deadline=plan.made_at),
    )


CONTENT: dict[str, Any] = json.loads(plan_file.plan_as_text(a_full_plan(), "http://127.0.0.1:8080", 3600.0)[1])


def is_read(text: str) -> bool:
    """Return whether a plan file of this text is read; it is refused in words or not at all."""
    try:
        plan_file.read_content(text.encode())
    except plan_file.UnreadablePlanError:
        return False
    return True


def test_a_plan_with_everything_in_it_is_read() -> None:
    """What is made worse below is right before."""
    assert is_read(signed(CONTENT))


WORSE: dict[type, list[Any]] = {
    str: ["x" * 400_001, "\ud800", 1, None, [], {"a": 1}, True],
    bool: [1, 0, "true", None, [], 2],
    int: [2**53, 2**63, -1, 0.5, "1", True, [], {}],
    type(None): [[], {}, 2**60, "x" * 400_001, True],
    list: [None, {}, "x", [None], [[]], 1],
    dict: [None, [], "x", 1],
}
ALSO_RIGHT = {("reason",), ("jobs", "disks", "size_gib")}
"""Members that may be null."""


def test_every_member_of_another_type_or_size_is_refused() -> None:
    """With a digest that fits, each member of a file is still of its type, in its bounds and of a length."""
    accepted = []
    for path in places(CONTENT):
        if not path or path == ("digest",):
            continue
        before = there(CONTENT, path)
        names = tuple(step for step in path if isinstance(step, str))
        for value in WORSE[type(before)]:
            if value is None and (names in ALSO_RIGHT or before is None):
                continue
            other = copy.deepcopy(CONTENT)
            there(other, path[:-1])[path[-1]] = value
            if is_read(signed(other)):
                accepted.append((path, value))

    left = [each for each in accepted if not may_be(each)]
    assert left == [], left


def may_be(case: tuple[tuple[Any, ...], Any]) -> bool:
    """Return whether this value could have been written there: what is optional, and facts of any kind."""
    path, value = case
    optional = (
        "class",
        "predicts",
        "deadline",
        "hours",
        "accounts",
        "regions",
        "tags",
        "reason",
        "pause",
        "id",
        "created_at",
        "on_unknown",
    )
    lists = ("accounts", "regions", "tags", "instances", "disks", "names")
    if value == [] and path[-1] in lists and path[0] == "guard":
        return True
    if value in (-1, "1", 1) and (path[-1] == "offset" or path[:2] == ("options", "owner")):
        return True
    return (value is None and path[-1] in optional) or path[-2:-1] == ("fact",)


def test_every_word_that_this_program_does_not_know_is_refused() -> None:
    """Where the program writes one of its own words, ids, digests or times, any other text is refused."""
    free = (
        "reason", "instance_name", "disk_name", "serial", "device", "message", "fix", "subject", "arn", "source",
        "key_pair", "expect_instance", "expected", "fact", "names", "regions", "tags", "terms", "tag", "accounts",
        "owner", "instances",
    )  # fmt: skip
    accepted = []
    for path in places(CONTENT):
        if path == ("digest",) or not isinstance(there(CONTENT, path), str) or any(name in free for name in path):
            continue
        for value in ("zzz zzz", "\u200b", f"{there(CONTENT, path)} ", f"{there(CONTENT, path)}\n"):
            other = copy.deepcopy(CONTENT)
            there(other, path[:-1])[path[-1]] = value
            if is_read(signed(other)):
                accepted.append((path, value))

    assert accepted == []


def test_every_unknown_and_every_missing_member_is_refused() -> None:
    """An object of the file has all of its members and no other, and none of them twice."""
    accepted: list[Any] = []
    for path in places(CONTENT):
        value = there(CONTENT, path)
        if not isinstance(value, dict) or path[-1:] in (("fact",), ("expected",)):
            continue
        for name in [*(name for name in value if name != "digest"), "more"]:
            other = copy.deepcopy(CONTENT)
            if name == "more":
                there(other, path)["more"] = 1
            else:
                del there(other, path)[name]
            if is_read(signed(other)):
                accepted.append((path, name))
        if value:
            first = next(iter(value))
            once = json.dumps(value)
            twice = f"{{{json.dumps(first)}: {json.dumps(value[first])}, {once[1:]}"
            text = json.dumps(CONTENT)
            if once not in text or is_read(text.replace(once, twice, 1)):
                accepted.append((path, "twice"))

    assert accepted == []
