"""The text of a plan file: what names it, what cannot be read, and what makes a plan stale. Nothing is sent."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safe_reinit.model import Attachment, DiskFacts, Plan, Secret
from safe_reinit.plans import plan_file
from safe_reinit.plans.plan import expected
from tests import values
from tests.blackbox.test_secrets import assert_clean
from tests.plans.test_plan import a_plan

PASSWORD = "Pl4nted&Secret=Word"


def a_file(plan: Plan | None = None) -> dict[str, Any]:
    """Return the content of a plan file."""
    _, text = plan_file.plan_as_text(plan or a_plan(), "", 3600.0)
    content: dict[str, Any] = json.loads(text)
    return content


def signed(content: dict[str, Any]) -> bytes:
    """Write a content with the digest that fits it, computed here by the words of the contract."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return json.dumps({**rest, "digest": hashlib.sha256(text.encode()).hexdigest()}).encode()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List every place in a JSON document where a value stands."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from places(each, (*path, name))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from places(each, (*path, position))
    yield path


def at(content: Any, path: tuple[Any, ...]) -> Any:
    """Return what stands at a place."""
    for step in path:
        content = content[step]
    return content


FILE = a_file(a_plan(values.system_facts(instance=values.an_instance(status="Running")), accept=("never-started",)))
PLACES = [path for path in places(FILE) if path]
OTHER: dict[type, Callable[[Any], Any]] = {
    str: lambda text: f"{text}x",
    bool: lambda flag: not flag,
    int: lambda number: number + 1,
    float: lambda number: number + 1,
    type(None): lambda _none: "x",
    list: lambda items: [*items, "x"],
    dict: lambda members: {**members, "x": "x"},
}


def test_a_plan_comes_back_as_it_was() -> None:
    """What is read is the plan that was saved, with the file's digest, its endpoint and its end."""
    plan = a_plan(values.system_facts(), accept=("never-started",), key_pair="ops-\u00fc")
    kept, text = plan_file.plan_as_text(plan, "http://127.0.0.1:1", 3600.0)
    known = plan_file.read_content(text.encode())

    assert known.plan == kept == replace(plan, digest=kept.digest)
    assert known.endpoint == "http://127.0.0.1:1"
    assert known.expires_at == plan.made_at + timedelta(hours=1)
    assert known.confirm_with == str(kept.digest)


def test_the_digest_is_the_one_of_the_contract() -> None:
    """The digest is SHA-256 of the canonical JSON without the member digest, 64 hex, computed here once more."""
    content = a_file()

    assert json.loads(signed(content))["digest"] == content["digest"]
    assert len(content["digest"]) == 64


def test_the_form_of_the_text_does_not_matter() -> None:
    """Other spaces and another order of the members are the same plan with the same digest."""
    content = a_file()
    other = json.dumps(dict(reversed(content.items())), separators=(",", ":")).encode()

    assert plan_file.read_content(other) == plan_file.read_content(json.dumps(content).encode())


def test_a_plan_of_ten_thousand_disks_is_no_larger_than_a_file_may_be() -> None:
    """As large as the plan of one disk, with all that is found of it, ten thousand times: it can still be read."""
    _, text = plan_file.plan_as_text(a_plan(values.system_facts(), accept=("never-started",)), "", 60.0)

    assert 10_000 * len(text.encode()) < plan_file.MAX_BYTES


def test_a_plan_that_may_not_run_is_saved_too() -> None:
    """A refused plan can be kept and read; that it is refused is in it."""
    plan = a_plan(values.disk_facts(disk=values.a_disk(locks=("security",))))

    assert not plan_file.read_content(plan_file.plan_as_text(plan, "", 60.0)[1].encode()).plan.runnable


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_whatever_is_changed_in_a_file_is_noticed(path: tuple[Any, ...]) -> None:
    """A value changed, a member taken away, at every place of a file: it is not used, and it is said to be edited."""
    changed, shorter = copy.deepcopy(FILE), copy.deepcopy(FILE)
    before = at(changed, path)
    at(changed, path[:-1])[path[-1]] = OTHER[type(before)](before)
    del at(shorter, path[:-1])[path[-1]]
    if path == ("kind",):
        with pytest.raises(plan_file.UnreadablePlanError, match="not a saved plan"):
            plan_file.read_content(json.dumps(changed).encode())
        return

    for edited in (changed, shorter):
        with pytest.raises(plan_file.EditedError, match="changed after it was saved"):
            plan_file.read_content(json.dumps(edited).encode())


MADE_AGAIN: dict[str, Callable[[dict[str, Any]], None]] = {
    "another-disk": lambda file: file["jobs"][0]["disks"][0].update(disk_id="d-other"),
    "another-instance": lambda file: file["jobs"][0].update(instance_id="i-other"),
    "another-account": lambda file: file.update(account="2000000000000002"),
    "another-region": lambda file: file.update(region="cn-shanghai"),
    "more-is-accepted": lambda file: file["options"].update(accept=["in-scaling-group"]),
    "it-may-stop": lambda file: file["options"].update(stop_instance=not file["options"]["stop_instance"]),
    "it-becomes-another": lambda file: file["jobs"][0]["disks"][0]["becomes"].update(id="m-other"),
    "another-word": lambda file: file.update(confirm_with="d-other"),
    "an-unknown-member": lambda file: file.update(force=True),
    "a-lost-member": lambda file: file.pop("limits"),
    "no-end": lambda file: file.update(expires_at="never"),
    "no-endpoint": lambda file: file.update(endpoint=None),
    "no-options": lambda file: file.update(options=[]),
    "no-schema": lambda file: file.update(schema=2),
}


@pytest.mark.parametrize("name", MADE_AGAIN)
def test_a_digest_that_was_made_to_fit_does_not_help(name: str) -> None:
    """Where the intention was changed with a digest that fits, the fingerprint or the shape gives it away."""
    content = copy.deepcopy(FILE)
    MADE_AGAIN[name](content)

    with pytest.raises(plan_file.EditedError):
        plan_file.read_content(signed(content))


def test_a_file_of_another_version_says_so() -> None:
    """A file that another version saved and this one cannot read names both versions, and is not called edited."""
    content = {**copy.deepcopy(FILE), "tool_version": "9.9.9", "new_member": 1}

    with pytest.raises(plan_file.UnreadablePlanError, match=r"version 9\.9\.9, but this is") as caught:
        plan_file.read_content(signed(content))
    assert not isinstance(caught.value, plan_file.EditedError)


GARBAGE: dict[str, bytes] = {
    "empty": b"",
    "half": json.dumps(FILE).encode()[:-20],
    "text": b"hello",
    "list": b"[]",
    "word": b"null",
    "binary": bytes(range(256)),
    "utf-16": json.dumps(FILE).encode("utf-16"),
    "twice": json.dumps(FILE).encode()[:-1] + b', "region": "cn-shanghai"}',
    "no-number": json.dumps({**FILE, "x": float("nan")}).encode(),
    "deep": b"[" * 200_000,
    "huge-number": json.dumps(FILE).encode().replace(b'"schema": 1', b'"schema": ' + b"1" * 6000),
    "half-a-letter": json.dumps(FILE).encode()[:-1] + b', "x": "\\ud800"}',
    "a-report": b'{"schema": 1, "outcome": "planned"}',
    "another-kind": json.dumps({**FILE, "kind": "terraform plan"}).encode(),
    "two-files": json.dumps(FILE).encode() * 2,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_plan_file_is_not_read(name: str) -> None:
    """Anything else is refused in words, never with an error of another kind."""
    with pytest.raises(plan_file.UnreadablePlanError, match=r"it is|its JSON|in it|it contains"):
        plan_file.read_content(GARBAGE[name])


@given(st.binary(max_size=64), st.integers(0, 4000))
def test_any_bytes_are_refused_in_words(noise: bytes, where: int) -> None:
    """Noise alone, and noise in the middle of a file, is refused, or it is still the same plan."""
    whole = json.dumps(FILE).encode()
    for raw in (noise, whole[:where] + noise + whole[where:]):
        with contextlib.suppress(plan_file.UnreadablePlanError):
            assert plan_file.read_content(raw).plan.digest == FILE["digest"]


def test_a_password_is_in_no_file() -> None:
    """A plan with a password is saved without it, and read back waiting for it."""
    plan = a_plan(values.system_facts(), password=Secret(PASSWORD))
    kept, text = plan_file.plan_as_text(plan, "", 60.0)
    known = plan_file.read_content(text.encode())
    again = known.with_password(PASSWORD)

    assert_clean(text, PASSWORD)
    assert json.loads(text)["options"]["password"] is True
    assert known.plan.fingerprint == kept.fingerprint
    assert known.plan.options.password is not None
    assert known.plan.options.password.reveal() == ""
    assert again.options.password is not None
    assert again.options.password.reveal() == PASSWORD


# ---------------------------------------------------------------------------------------------------------- stale


def stale(before: DiskFacts, after: DiskFacts, **options: Any) -> tuple[str, ...]:
    """Return what moved between two looks at one disk."""
    return plan_file.stale(a_plan(before, **options), a_plan(after, **options))


def test_nothing_has_moved() -> None:
    """The same facts later are no reason to refuse: neither the time, nor who asks, nor what is only told."""
    before = a_plan(values.system_facts(snapshots=()))
    after = replace(
        a_plan(replace(values.system_facts(snapshots=()), now=values.TOMORROW)),
        caller=replace(before.caller, arn="acs:ram::1000000000000001:user/other"),
        plan_id="another",
    )

    assert plan_file.stale(before, after) == ()


DISKS: dict[str, tuple[dict[str, Any], str]] = {
    "DiskName": ({"disk_name": "other"}, "web-data -> other"),
    "SerialNumber": ({"serial": "other"}, "bp1data -> other"),
    "Status": ({"status": "Detaching"}, "In_use -> Detaching"),
    "Type": ({"type": "system"}, "data -> system"),
    "Category": ({"category": "cloud_auto"}, "cloud_essd -> cloud_auto"),
    "Size": ({"size_gib": 80}, "40 -> 80"),
    "InstanceId": ({"instance_id": "i-other"}, f"{values.INSTANCE_ID} -> i-other"),
    "AttachedTime": ({"attached_time": values.YESTERDAY}, "2024-11-28T03:04:05Z -> 2026-01-01T03:04:05Z"),
    "MultiAttach": ({"multi_attach": "Enabled"}, "Disabled -> Enabled"),
    "ImageId": ({"image_id": "m-other"}, "none -> m-other"),
    "SourceSnapshotId": ({"source_snapshot_id": "s-other"}, "s-bp1source -> s-other"),
    "OperationLocks": ({"locks": ("security",)}, "none -> security"),
}
INSTANCES: dict[str, tuple[dict[str, Any], str]] = {
    "InstanceName": ({"instance_name": "other"}, "web -> other"),
    "Status": ({"status": "Stopped"}, "Running -> Stopped"),
    "StartTime": ({"start_time": values.NOW}, "2026-01-01T03:04:05Z -> 2026-01-02T03:04:05Z"),
    "OperationLocks": ({"locks": ("financial",)}, "none -> financial"),
}


@pytest.mark.parametrize("field", DISKS)
def test_every_fact_of_a_disk_that_changed_is_reported(field: str) -> None:
    """A moved fact of the disk is told as field: planned -> now."""
    changes, result = DISKS[field]
    before = values.stopping_facts()

    assert f"{values.DISK_ID}.{field}: {result}" in stale(before, replace(before, disk=values.a_disk(**changes)))


@pytest.mark.parametrize("field", INSTANCES)
def test_every_fact_of_an_instance_that_changed_is_reported(field: str) -> None:
    """A moved fact of the instance is told as field: planned -> now."""
    changes, result = INSTANCES[field]
    before = values.stopping_facts()
    after = replace(before, instance=values.an_instance(**{"status": "Running", **changes}))

    assert f"{values.INSTANCE_ID}.{field}: {result}" in stale(before, after)


def test_a_source_that_is_gone_is_reported() -> None:
    """A snapshot or an image that is not there any more, or in another status, is told, and what it becomes then."""
    disk = values.a_disk(source_snapshot_id="s-source")
    before = values.disk_facts(disk=disk, source_snapshot=values.a_snapshot(snapshot_id="s-source"))
    system = values.system_facts()

    gone = stale(before, replace(before, source_snapshot=None))
    old = stale(system, replace(system, image=values.an_image(status="Deprecated")))

    assert f"{values.DISK_ID}.SourceSnapshot: accomplished -> none" in gone
    assert f"{values.DISK_ID}.becomes: snapshot s-source -> unknown s-source" in gone
    assert any(each.startswith("block source-snapshot-deleted") for each in gone)
    assert f"{values.SYSTEM_DISK_ID}.Image: Available -> Deprecated" in old


def test_no_fact_of_a_plan_is_left_out_of_these_tests() -> None:
    """Every fact that a plan stands on has its test above."""
    facts = {name.rpartition(".")[2] for name in expected((values.system_facts(),))}

    assert facts == {*DISKS, *INSTANCES, "Image", "SourceSnapshot"}


def test_another_disk_that_would_be_down_with_it_is_reported() -> None:
    """Who shares the downtime is part of what was agreed to."""
    other = values.a_disk(disk_id="d-other", attachments=(Attachment(values.INSTANCE_ID, "/dev/xvdc", values.NOW),))
    before = values.stopping_facts()

    assert stale(before, replace(before, neighbours=(other,))) == (f"{values.INSTANCE_ID}.OtherDisks: none -> d-other",)


def test_a_disk_that_is_not_there_any_more_is_reported() -> None:
    """Every fact of a lost disk is told, and that it is not found."""
    before = values.stopping_facts()
    result = stale(before, replace(before, disk=None, instance=None))

    assert f"{values.DISK_ID}.Status: In_use -> none" in result
    assert any(each.startswith("block disk-not-found") for each in result)


def test_a_new_block_and_a_new_risk_are_reported() -> None:
    """What stands against the plan now and was not shown then makes it stale, and is told in its words."""
    before = values.stopping_facts()
    grouped = values.an_instance(status="Running", tags=(("acs:autoscaling:scalingGroupId", "asg-1"),))
    unknown = replace(before, dry_run_codes={**before.dry_run_codes, "StopInstance": "Forbidden.RAM"})

    assert any("in-scaling-group" in each for each in stale(before, replace(before, instance=grouped)))
    assert any("not-allowed-to-stop" in each for each in stale(before, unknown))


def test_a_new_risk_that_was_accepted_beforehand_was_not_shown() -> None:
    """A risk that is accepted by name and arises only now is told too: nobody saw it in the plan."""
    before = values.disk_facts()
    fresh = replace(before, snapshots=(values.a_snapshot(instant_access=True, instant_access_retention_days=3),))
    result = stale(before, fresh, accept=("instant-access-snapshot",))

    assert [each.split()[:2] for each in result] == [["risk", "instant-access-snapshot"]]


def test_a_risk_that_was_shown_is_no_news() -> None:
    """A risk that was there when the plan was made, and accepted, does not make it stale."""
    facts = values.disk_facts(snapshots=(values.a_snapshot(instant_access=True, instant_access_retention_days=3),))

    assert stale(facts, facts, accept=("instant-access-snapshot",)) == ()


def test_another_intention_is_never_the_same() -> None:
    """Where nothing that is known moved and the fingerprint is still another, that alone is told."""
    before = a_plan()
    job = before.jobs[0]
    odd = replace(before, jobs=(replace(job, expected=job.expected),), fingerprint="0" * 64)

    assert plan_file.stale(before, odd) == (f"fingerprint: {before.fingerprint} -> {'0' * 64}",)
    assert before.jobs[0].disks[0].becomes.kind == "snapshot"


def test_a_name_in_what_moved_moves_no_cursor() -> None:
    """Names that other people chose are told with nothing in them that a terminal obeys."""
    before = values.stopping_facts()
    after = replace(before, instance=values.an_instance(status="Running", instance_name="web\x1b[2J\nfake"))

    assert all(each.isprintable() for each in stale(before, after))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "it is empty"),
        (b"\xff\xfe{\x00", "it is not UTF-8"),
        (b'{"kind": "x",\n "a', "not valid JSON at line 2"),
        (b'{"kind": "x", "kind": "x"}', "it contains a name twice"),
        (b'{"kind": NaN}', "NaN in it is not a JSON number"),
        (b"[]", "not a saved plan"),
    ],
)
def test_what_is_no_plan_file_is_called_by_what_it_is(text: bytes, why: str) -> None:
    """Each way in which a file is none has its own words, which are true of it."""
    with pytest.raises(plan_file.UnreadablePlanError, match=why):
        plan_file.read_content(text)


def test_a_byte_order_mark_changes_no_plan() -> None:
    """An editor of Windows puts one in front of what it saves."""
    text = plan_file.plan_as_text(a_plan(values.disk_facts()), "", 60.0)[1].encode()

    assert plan_file.read_content(b"\xef\xbb\xbf" + text) == plan_file.read_content(text)
