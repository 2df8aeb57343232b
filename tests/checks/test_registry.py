"""What holds for all checks."""

from __future__ import annotations

import importlib
import pkgutil
import py_compile
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safe_reinit import checks
from safe_reinit.checks import CHECK_NAMES, CHECKS, by_name, check_disk, check_disks, documentation
from safe_reinit.checks.check import Check
from safe_reinit.model import (
    Allow,
    Attachment,
    AutoSnapshotPolicy,
    Disk,
    DiskFacts,
    Finding,
    Guard,
    Hours,
    Image,
    Instance,
    Key,
    Match,
    Options,
    OtherProducts,
    Protect,
    ReplicaPair,
    RunClass,
    ScalingMember,
    Secret,
    Snapshot,
    SystemEvent,
    Unseen,
    error_codes,
)
from tests.values import (
    DISK_ID,
    INSTANCE_ID,
    a_disk,
    an_instance,
    disk_facts,
    options,
    stopping_facts,
    system_facts,
    unseen,
)

MODULES = [
    importlib.import_module(f"safe_reinit.checks.{info.name}")
    for info in pkgutil.iter_modules(checks.__path__)
    if info.name not in ("check", "_shared", "target_rules")
]
RANK = {"info": 0, "risk": 1, "block": 2}
OPTIONS = (
    "--disk",
    "--verdict",
    "--snapshot",
    "--stop-instance",
    "--leave-stopped",
    "--expect-instance",
    "--key-pair",
    "--password-env",
    "--password-stdin",
    "--password-prompt",
    "--security-enhancement",
    "--accept",
    "--region",
    "--dry-run",
    "--profile",
    "--timeout-snapshot",
    "--max-disks",
)

each_check = pytest.mark.parametrize("check", CHECKS, ids=CHECK_NAMES)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_module_is_listed_once_under_its_own_name(module: ModuleType) -> None:
    """A check that exists is run, and is called as its module is."""
    check: Check = module.CHECK

    assert CHECKS.count(check) == 1
    assert check.name.replace("-", "_") == module.__name__.rpartition(".")[2]
    assert check.run.__module__ == module.__name__


def test_nothing_else_is_listed() -> None:
    """The list has the modules of the folder and no more."""
    assert len(CHECKS) == len(MODULES)
    assert tuple(check.name for check in CHECKS) == CHECK_NAMES


@each_check
def test_every_check_is_found_by_its_name(check: Check) -> None:
    """A name leads to its check."""
    assert by_name(check.name) is check


def test_an_unknown_name_leads_nowhere() -> None:
    """A name that no check has gives None."""
    assert by_name("disk-on-fire") is None


@each_check
def test_every_docstring_explains_in_the_same_three_parts(check: Check) -> None:
    """The documentation states the problem in a sentence, then says what, why and how."""
    lines = check.text.splitlines()

    assert check.summary.endswith(".")
    assert lines[1] == ""
    assert [line for line in lines[1:] if line and not line.startswith(" ")] == [
        "What it does",
        "Why it matters",
        "How to fix it",
    ]


def test_documentation_does_not_need_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that was installed as bytecode alone, as in a frozen program, has its documentation too."""
    package, text = checks.__name__, documentation("spot")
    py_compile.compile(f"{checks.__path__[0]}/spot.py", str(tmp_path / "spot.pyc"), doraise=True)
    monkeypatch.setattr(checks, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{package}.spot")

    assert documentation("spot") == text != ""
    assert sys.modules[f"{package}.spot"].__file__ == str(tmp_path / "spot.pyc")


@each_check
def test_documentation_names_only_options_that_exist(check: Check) -> None:
    """Nobody is sent to an option that is not there, nor to another check's name."""
    words = [word.strip(".,;:()") for word in check.text.split()]

    assert [word for word in words if word.startswith("--") and word not in OPTIONS] == []
    assert [words[at + 1] for at, word in enumerate(words) if word == "--accept" and words[at + 1] != check.name] == []


@each_check
def test_only_documented_codes_are_predicted(check: Check) -> None:
    """A predicted code is one that the ECS API reference has for ReInitDisk."""
    assert set(check.predicts) <= {row.code for row in error_codes.REINIT_DISK}


@pytest.mark.parametrize("row", error_codes.REINIT_DISK, ids=lambda row: row.code)
def test_codes_and_checks_agree(row: error_codes.Code) -> None:
    """The table of codes names exactly the checks that predict the code, or says why none can."""
    assert set(row.checks) == {check.name for check in CHECKS if row.code in check.predicts}
    assert row.checks or row.unforeseen


@pytest.mark.parametrize(
    ("facts", "result"),
    [
        (disk_facts(), {"kept-snapshots"}),
        (system_facts(), {"kept-snapshots", "user-data-runs-again"}),
        (stopping_facts(), {"kept-snapshots"}),
        (disk_facts(snapshots=(), options=options(snapshot=True)), set()),
    ],
    ids=["data", "system", "stopping", "snapshotted"],
)
def test_a_healthy_world_is_left_alone(facts: DiskFacts, result: set[str]) -> None:
    """Where nothing is wrong nothing is said, but for what keeps the old data and what any system disk does."""
    assert {(found.check, found.level) for found in check_disk(facts)} == {(name, "info") for name in result}


def nothing_kept(**changes: Any) -> DiskFacts:
    """Return the facts of a disk that has no snapshot yet and gets one, so that nothing is told of snapshots."""
    return disk_facts(**{"snapshots": (), "options": options(snapshot=True), **changes})


def test_findings_come_in_the_order_of_the_checks() -> None:
    """What is said first is what the list has first."""
    facts = nothing_kept(disk=a_disk(status="Available", locks=("security",)), clock_skew=900.0)

    assert [finding.check for finding in check_disk(facts)] == ["clock-off", "disk-not-in-use", "disk-locked"]


def test_two_disks_of_one_instance_show_its_problems_once() -> None:
    """A finding about the instance is told once, one about each disk for each."""
    running = an_instance(status="Running")
    facts = [nothing_kept(disk=a_disk(disk_id=each, status="Available"), instance=running) for each in ("d-1", "d-2")]

    assert [(finding.check, finding.subject) for finding in check_disks(facts)] == [
        ("disk-not-in-use", "d-1"),
        ("instance-running", INSTANCE_ID),
        ("disk-not-in-use", "d-2"),
    ]


def test_findings_that_differ_only_in_their_facts_are_both_reported() -> None:
    """Only an exact duplicate is dropped."""
    facts = [nothing_kept(disk=a_disk(status=each)) for each in ("Available", "Detaching", "Available")]

    assert [finding.fact["Status"] for finding in check_disks(facts)] == ["Available", "Detaching"]


def test_no_disks_give_no_findings() -> None:
    """An empty run is judged too."""
    assert check_disks([]) == ()


def test_importing_the_checks_imports_nothing_heavy() -> None:
    """The explanation of a check must not wait for the SDK, a terminal library or a parser."""
    code = "import sys, safe_reinit.checks; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    root = Path(checks.__file__).parents[2]
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=root)

    heavy = {
        "alibabacloud_ecs20140526",
        "aiohttp",
        "click",
        "pydantic",
        "requests",
        "rich",
        "sqlite3",
        "tenacity",
        "yaml",
    }
    assert heavy & set(run.stdout.split()) == set()


def words(*known: str) -> st.SearchStrategy[str]:
    """Any text, and often a word that means something."""
    return st.sampled_from(("", *known)) | st.text(max_size=12)


ids = words("d-1", "i-1", "s-1", "m-1", "aliyun_3.vhd")
times = st.none() | st.datetimes(timezones=st.just(UTC)) | st.just(datetime(2013, 7, 15, tzinfo=UTC))
locks = st.lists(words("security", "financial", "recycling", "Refunded"), max_size=3).map(tuple)
tags = st.lists(
    st.tuples(words("acs:autoscaling:scalingGroupId", "ack.aliyun.com", "createdby"), words("alibabacloud-csi-plugin")),
    max_size=3,
).map(tuple)
prepaid = words("PrePaid", "PostPaid")
named: dict[str, st.SearchStrategy[Any]] = {
    "type": words("system", "data"),
    "category": words("cloud_essd", "local_ssd_pro", "flash", "Flash"),
    "os_type": words("linux", "windows", "Windows"),
    "charge_type": prepaid,
    "locks": locks,
    "tags": tags,
    "multi_attach": words("Enabled", "Disabled", "LegacyShared"),
    "stopped_mode": words("KeepCharging", "StopCharging"),
    "spot_strategy": words("NoSpot", "SpotAsPriceGo"),
    "owner_alias": words("system", "self", "others"),
    "attachments": st.lists(st.builds(Attachment, ids, ids, times), max_size=3).map(tuple),
}
names = dict.fromkeys(("disk_id", "instance_id", "snapshot_id", "image_id", "source_snapshot_id"), ids)
names |= {"kms_key_id": words("k-1"), "auto_snapshot_policy_id": words("sp-1")}


def build(kind: type[Any], status: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Build a value of ECS with arbitrary fields, by the types they are declared with."""
    by_type: dict[str, st.SearchStrategy[Any]] = {
        "str": st.text(max_size=8),
        "bool": st.booleans(),
        "bool | None": st.none() | st.booleans(),
        "int": st.integers(),
        "int | None": st.none() | st.integers(),
        "datetime | None": times,
        "tuple[str, ...]": st.lists(st.text(max_size=8), max_size=2).map(tuple),
    }
    own = {"status": status, **named, **names}
    fields = kind.__annotations__.items()
    return st.builds(kind, **{name: own[name] if name in own else by_type[declared] for name, declared in fields})


disks = build(Disk, words("In_use", "Available"))
instances = build(Instance, words("Running", "Stopped", "Starting"))
snapshots = build(Snapshot, words("progressing", "accomplished"))
images = build(Image, words("Available", "Deprecated"))
members = st.builds(ScalingMember, ids, words("asg-1"), words("InService", "Standby", "Protected"))
keys = st.builds(Key, words("k-1"), words("Enabled", "Disabled"))
pairs = st.builds(ReplicaPair, ids, ids, ids, words("normal", "deleted"))
events = st.builds(
    SystemEvent,
    ids,
    ids,
    words("SystemMaintenance.Reboot", "InstanceExpiration.Stop"),
    words("Scheduled", "Executed"),
    times,
)
policies = st.builds(
    AutoSnapshotPolicy,
    words("sp-1"),
    st.lists(st.integers(0, 23), max_size=24).map(tuple),
    st.lists(st.integers(1, 7), max_size=7).map(tuple),
    words("Normal", "Expire"),
)
actions = words("DescribeDisks", "DescribeInstances", "DescribeSnapshots", "DescribeImages", "DescribeKeyPairs")
other_actions = words(
    "DescribeScalingInstances", "DescribeKey", "DescribeDiskReplicaPairs", "DescribeInstanceHistoryEvents"
)
answers = words("DryRunOperation", "Forbidden.RAM", "NoPermission", "IncorrectInstanceStatus")
PASSWORD = "/Geheim\N{SNOWMAN}"
all_options = st.builds(
    Options,
    stop_instance=st.booleans(),
    leave_stopped=st.booleans(),
    snapshot=st.booleans(),
    snapshot_max_age=st.floats(1.0, 1e10),
    pending_starts=st.lists(ids, max_size=2).map(tuple),
    expect_instance=ids,
    key_pair=words("ops"),
    password=st.none() | st.just(Secret(PASSWORD)),
    security_enhancement=words("Active", "Deactive"),
    require_answers=st.lists(st.sampled_from(("ess", "ebs", "kms", "events")), max_size=4).map(tuple),
)
patterns = st.none() | st.lists(words("*", "d-*", "cn-hangzhou", "[", "Web?"), max_size=2).map(tuple)
some_patterns = st.lists(words("*", "d-*", "[a"), max_size=2).map(tuple)
tag_patterns = st.none() | tags
minutes = st.integers(0, 1439)
guards = st.builds(
    Guard,
    allow=st.builds(Allow, patterns, patterns, tag_patterns, patterns, patterns, patterns),
    protect=st.builds(
        Protect, words("createdby", "a="), some_patterns, some_patterns, some_patterns, some_patterns, tags
    ),
    disks=st.integers(0, 99),
    max_disks=st.integers(1, 99),
    class_=st.none()
    | st.builds(
        RunClass,
        words("lab"),
        st.just("0" * 64),
        st.builds(Match, patterns, patterns, tag_patterns),
        st.none() | st.builds(Hours, minutes, minutes, st.integers(-840, 840)),
        st.booleans(),
        st.booleans(),
    ),
    mixed=st.lists(st.tuples(ids, words("lab")), max_size=3).map(tuple),
)
all_facts = st.builds(
    DiskFacts,
    disk_id=ids,
    options=all_options,
    now=st.datetimes(timezones=st.just(UTC)),
    region=words("cn-hangzhou"),
    disk=st.none() | disks,
    instance=st.none() | instances,
    snapshots=st.lists(snapshots, max_size=3).map(tuple),
    source_snapshot=st.none() | snapshots,
    image=st.none() | images,
    key_pairs=st.lists(words("ops"), max_size=2).map(tuple),
    neighbours=st.lists(disks, max_size=2).map(tuple),
    dry_run_codes=st.dictionaries(words("StopInstance", "StartInstance"), answers, max_size=2),
    unseen=st.lists(
        st.builds(Unseen, actions, ids, words("ecs:DescribeDisks"), words("Forbidden.RAM")), max_size=3
    ).map(tuple),
    other_products=st.builds(
        OtherProducts,
        *(st.lists(each, max_size=2).map(tuple) for each in (members, keys, pairs, events)),
        st.none() | policies,
        st.lists(st.builds(Unseen, other_actions, ids, words("kms:DescribeKey"), words("no answer")), max_size=3).map(
            tuple
        ),
    ),
    clock_skew=st.none() | st.floats(),
    account=words("1000000000000001"),
    guard=st.just(Guard()) | guards,
)


def assert_whole_sentences(findings: Sequence[Finding], drawn: str = "") -> None:
    """No check speaks beyond its level, in fragments, without a way out or of a password.

    ``drawn`` is what ECS shows: a text of it that is quoted may look like an option.
    """
    for finding in findings:
        check = by_name(finding.check)

        assert check is not None
        assert RANK[finding.level] <= RANK[check.level]
        assert finding.predicts is None or finding.predicts in check.predicts
        for text in (finding.message, finding.fix):
            assert text.endswith(".")
            assert text.isprintable()
            assert PASSWORD not in text
        options = [word.strip(".,;)") for word in finding.fix.split() if re.match(r"--[a-z]", word)]
        assert [word for word in options if word not in OPTIONS and word not in drawn] == []
        assert (f"--accept {finding.check}" in finding.fix) == ("--accept" in finding.fix)
        assert all(isinstance(value, (str, int, bool, type(None))) for value in finding.fact.values())
        assert PASSWORD not in repr(finding)


def a_risk_says_how_to_accept_it_and_an_info_asks_for_nothing(findings: Sequence[Finding]) -> None:
    """Each finding that can be waived names the option that waives it."""
    for finding in findings:
        assert finding.level != "risk" or f"--accept {finding.check}" in finding.fix
        assert finding.level != "info" or "--accept" not in finding.fix


def only_three_checks_speak_of_a_disk_that_was_not_seen(facts: DiskFacts, findings: Sequence[Finding]) -> None:
    """Without the disk, nothing can be said of what surrounds it; what is true of the whole run is so all the same."""
    of_the_run = {"target-not-allowed", "too-many-disks", "outside-hours", "classes-differ"}
    if facts.disk is None:
        found = {each.check for each in findings} - of_the_run

        assert found <= {"could-not-check", "clock-off", "disk-not-found"}


def a_disk_that_was_not_seen_is_never_waved_through(facts: DiskFacts, findings: Sequence[Finding]) -> None:
    """Every target without a disk or an instance has a block."""
    if facts.disk is None or facts.instance is None:
        assert "block" in {finding.level for finding in findings}


@given(all_facts)
def test_whatever_ecs_shows_is_judged_by_the_rules(facts: DiskFacts) -> None:
    """No world makes a check fail, or break one of the rules above."""
    findings = check_disk(facts)

    assert_whole_sentences(findings, repr(facts))
    a_risk_says_how_to_accept_it_and_an_info_asks_for_nothing(findings)
    only_three_checks_speak_of_a_disk_that_was_not_seen(facts, findings)
    a_disk_that_was_not_seen_is_never_waved_through(facts, findings)


def test_no_check_of_absence_speaks_where_nothing_could_be_looked_at() -> None:
    """A right that is missing is told as such, not as a thing that is missing."""
    actions = ("DescribeDisks", "DescribeSnapshots", "DescribeImages", "DescribeKeyPairs")
    blind = tuple(unseen(action) for action in actions)
    gone = a_disk(type="system", source_snapshot_id="s-1", image_id="m-1")

    for disk in (None, gone, a_disk(source_snapshot_id="s-1")):
        facts = disk_facts(disk=disk, disk_id=DISK_ID, unseen=blind, options=options(key_pair="ops"))
        found = {each.check for each in check_disk(facts)} - {"option-for-system-disk-only", "user-data-runs-again"}

        assert found == {"could-not-check"}


def test_the_clock_may_be_off_by_any_amount() -> None:
    """An absurd clock is told like any other."""
    for skew in (float("inf"), float("-inf"), timedelta.max.total_seconds()):
        assert [each.level for each in check_disk(nothing_kept(clock_skew=skew))] == ["block"]
