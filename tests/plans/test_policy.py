"""The policy of a run is enough, and not one action more: the simulator enforces it, word by word."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cli.app import run as command
from safe_reinit.client import Client
from safe_reinit.config import resolve
from safe_reinit.model import Call, Plan, Secret
from safe_reinit.planning.planner import calls_of
from safe_reinit.plans import ram_policy
from safe_reinit.simulator import Simulator
from tests import values, virtual
from tests.blackbox.test_secrets import assert_clean
from tests.cloudlike import DATA, INSTANCE, SYSTEM, client, lab_world, run_plan, simulated, wipes
from tests.conftest import changing
from tests.plans.test_plan import a_plan
from tests.samples import sampled

pytestmark = pytest.mark.virtual_time

REGION, ACCOUNT = "cn-hangzhou", "1000000000000001"
HERE = f"acs:ecs:{REGION}:{ACCOUNT}:"
PASSWORD = "Pl4nted&Secret=Word"

RUNS: dict[str, dict[str, Any]] = {
    "data-disk": {"disks": [DATA]},
    "left-stopped": {"disks": [DATA], "leave_stopped": True},
    "system-disk": {"disks": [SYSTEM], "key_pair": "ops"},
    "password": {"disks": [SYSTEM], "password": PASSWORD},
    "snapshot": {"disks": [DATA], "snapshot": True},
    "two-disks": {"disks": [DATA, SYSTEM]},
    "lock-tag": {"disks": [DATA], "lock_tag": True},
    "stopped": {"disks": [DATA], "status": "Stopped"},
}
UNPROVEN = ("TagResources", "CreateSnapshot", "ReInitDisk", "UntagResources")
"""What has no dry run, so that a missing right is found only when it is tried."""


def asked(name: str) -> tuple[list[str], dict[str, Any], str]:
    """Return the disks, the options and the power of a run."""
    options = {"stop_instance": True, **RUNS[name]}
    options.pop("lock_tag", None)
    return options.pop("disks"), options, options.pop("status", "Running")


def caller(sim: Simulator, name: str) -> Client:
    """Connect with the configuration of a run."""
    settings = {"region": REGION, "endpoint": sim.url, "lock_tag": RUNS[name].get("lock_tag")}
    return client(sim, config=resolve(settings, {"SAFE_REINIT_CONFIG": ""}))


@cache
def granted(name: str) -> dict[str, Any]:
    """Print the policy of a run, as somebody with all rights does."""
    disks, options, status = asked(name)
    with simulated(lab_world(status=status, key_pairs=["ops"])) as sim:
        us = caller(sim, name)
        plan = us.plan(disks, **options)
        needed = ram_policy.needed_permissions(plan, calls_of(plan))
    return ram_policy.document(needed, password="password" in options)


@contextmanager
def held_to(document: dict[str, Any], status: str = "Running") -> Iterator[Simulator]:
    """Start a world whose default key has this policy and no other right."""
    keys = [{"id": "testid", "secret": "testsecret", "policy": document}]
    with simulated(lab_world(status=status, keys=keys, key_pairs=["ops"])) as sim:
        yield sim


def without(document: dict[str, Any], action: str) -> dict[str, Any]:
    """Take one action out of a policy."""
    less = copy.deepcopy(document)
    for statement in less["Statement"]:
        if statement["Effect"] == "Allow":
            statement["Action"] = [each for each in statement["Action"] if each != action]
    less["Statement"] = [each for each in less["Statement"] if each["Action"]]
    return less


def allowed(document: dict[str, Any]) -> list[str]:
    """List the actions that a policy allows."""
    return [each for line in document["Statement"] if line["Effect"] == "Allow" for each in line["Action"]]


@pytest.mark.parametrize("name", RUNS)
def test_the_policy_is_enough(name: str) -> None:
    """With exactly the rights that are printed, and everything else denied, the run is done."""
    disks, options, status = asked(name)
    with held_to(granted(name), status) as sim:
        done = run_plan(sim, disks, using=caller(sim, name), **options)
        state = sim.state()

    assert done.outcome == "done", done.error
    assert all(wipes(state, disk_id) == 1 for disk_id in disks)
    assert "Forbidden.RAM" not in {call["code"] for call in state["calls"]}


@pytest.mark.parametrize("name", sampled(RUNS))
def test_not_one_action_is_too_many(name: str) -> None:
    """With any one right less the run is refused before the stop, or fails where it is tried and the machine is back.

    A look at what is only told (another product) is then told as one that could not be made.
    """
    document = granted(name)
    for action in allowed(document):
        disks, options, status = asked(name)
        with held_to(without(document, action), status) as sim:
            done = run_plan(sim, disks, using=caller(sim, name), **options)
            acts = changing(sim)
            state = sim.state()

        api = action.partition(":")[2]
        if api in UNPROVEN:
            assert done.outcome == ("done" if api == "UntagResources" else "failed"), action
            assert set(done.codes(api)) == {"Forbidden.RAM"}
            assert state["instances"][INSTANCE]["status"] == status
        else:
            assert done.outcome == "refused" or api in repr(done.plan.findings), action
            assert done.outcome == "done" or acts == [], action
        assert done.outcome == "done" or not any(wipes(state, disk_id) for disk_id in disks), action


def test_a_policy_without_a_password_denies_one() -> None:
    """Rights that were printed for a run without a password set none: ECS refuses the wipe, the machine is back."""
    with held_to(granted("system-disk")) as sim:
        done = run_plan(sim, [SYSTEM], password=PASSWORD)
        state = sim.state()

    assert done.outcome == "failed"
    assert done.codes("ReInitDisk") == ["Forbidden.RAM"]
    assert state["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.parametrize("disks", [["d-data-b"], [DATA, "d-data-b"]])
def test_a_policy_of_one_disk_wipes_no_other(disks: list[str]) -> None:
    """Rights for one disk and its instance do not reach another one's."""
    keys = [{"id": "testid", "secret": "testsecret", "policy": granted("data-disk")}]
    with simulated(lab_world(machines=(INSTANCE, "i-web-b"), keys=keys)) as sim:
        done = run_plan(sim, ["d-data-web-b" if each == "d-data-b" else each for each in disks])
        acts = changing(sim)

    assert done.outcome == "refused"
    assert acts == []


def test_a_policy_is_a_policy_of_ram() -> None:
    """Version and statements are RAM's; each statement has the members that RAM knows and names whole resources."""
    for name in RUNS:
        document = granted(name)
        assert document["Version"] == "1"
        assert set(document) == {"Version", "Statement"}
        for statement in document["Statement"]:
            assert set(statement) - {"Condition"} == {"Effect", "Action", "Resource"}
            assert all(each == "*" or each.startswith("acs:") for each in statement["Resource"])
            assert statement["Action"]
        assert len(set(allowed(document))) == len(allowed(document))
        assert not [each for each in allowed(document) if "*" in each]


def resources(document: dict[str, Any], action: str) -> list[str]:
    """Return what an action is allowed on."""
    for line in document["Statement"]:
        if line["Effect"] == "Allow" and action in line["Action"]:
            found: list[str] = line["Resource"]
            return found
    return []


def test_writes_are_held_to_their_ids() -> None:
    """Each changing call is allowed on the very things of the run, and looks on their kind."""
    document = granted("two-disks")

    assert resources(document, "ecs:ReInitDisk") == [f"{HERE}disk/{DATA}", f"{HERE}disk/{SYSTEM}"]
    assert resources(document, "ecs:StopInstance") == [f"{HERE}instance/{INSTANCE}"]
    assert resources(document, "ecs:StartInstance") == [f"{HERE}instance/{INSTANCE}"]
    assert resources(document, "ecs:DescribeDisks") == [f"{HERE}disk/*"]
    assert resources(document, "ecs:DescribeSnapshots") == [f"{HERE}snapshot/*"]


def test_what_a_run_does_not_do_is_not_granted() -> None:
    """A stopped machine is neither stopped nor started, and a data disk that was made blank needs no image."""
    stopped, data = granted("stopped"), granted("data-disk")

    assert not {"ecs:StopInstance", "ecs:StartInstance"} & set(allowed(stopped))
    assert "ecs:DescribeImages" not in allowed(data)
    assert "ecs:DescribeKeyPairs" not in allowed(data)
    for name in RUNS:
        assert not [each for each in allowed(granted(name)) if "Delete" in each or "Detach" in each or "Reset" in each]
    assert not {"ecs:CreateSnapshot", "ecs:TagResources", "ecs:UntagResources"} & set(allowed(data))


# ------------------------------------------------------------------------------------------------ what is pure in it


def of(plan: Plan, *calls: Call) -> dict[str, Any]:
    """Write the policy of a plan."""
    return ram_policy.document(ram_policy.needed_permissions(plan, calls), password=plan.options.password is not None)


def test_a_snapshot_needs_its_right() -> None:
    """With --snapshot the disk may be snapshotted, and new snapshots made, and nothing is deleted."""
    document = of(a_plan(snapshot=True))

    assert resources(document, "ecs:CreateSnapshot") == [f"{HERE}disk/{values.DISK_ID}", f"{HERE}snapshot/*"]
    assert "ecs:DeleteSnapshot" not in allowed(document)


def test_a_lock_tag_needs_its_rights() -> None:
    """With lock_tag the instance may be tagged and untagged, and nothing else."""
    document = of(a_plan(lock_tag=True))

    for action in ("ecs:TagResources", "ecs:UntagResources"):
        assert resources(document, action) == [f"{HERE}instance/{values.INSTANCE_ID}"]


def test_a_machine_that_is_left_stopped_may_be_started_all_the_same() -> None:
    """A wipe that fails brings the machine back, so the right to start it is needed."""
    assert "ecs:StartInstance" in allowed(of(a_plan(leave_stopped=True)))


def test_a_password_that_is_asked_for_is_not_denied() -> None:
    """The denial is left out exactly where the run sets a password."""
    expected = of(a_plan(values.system_facts(), password=Secret(PASSWORD)))
    not_requested = of(a_plan(values.system_facts()))

    assert [line["Effect"] for line in expected["Statement"]].count("Deny") == 0
    assert [line for line in not_requested["Statement"] if line["Effect"] == "Deny"] == [
        {
            "Effect": "Deny",
            "Action": ["ecs:ReInitDisk"],
            "Resource": [f"{HERE}disk/{values.SYSTEM_DISK_ID}"],
            "Condition": {"Bool": {"ecs:PasswordCustomized": ["true"]}},
        }
    ]
    assert_clean(json.dumps(expected), PASSWORD)


def a_call(action: str, *subject: str, dry_run: bool = False) -> Call:
    """Return one exchange."""
    return Call(values.NOW, action, subject, dry_run, 200, "REQ-1", "OK")


@pytest.mark.parametrize(
    ("action", "right"),
    [
        ("DescribeScalingInstances", "ess:DescribeScalingInstances"),
        ("DescribeDiskReplicaPairs", "ebs:DescribeDiskReplicaPairs"),
        ("DescribeKey", "kms:DescribeKey"),
        ("DescribeInstanceHistoryEvents", "ecs:DescribeInstanceHistoryEvents"),
        ("DescribeSomethingNew", "ecs:DescribeSomethingNew"),
    ],
)
def test_a_read_that_planning_made_is_in_the_policy(action: str, right: str) -> None:
    """Every look is taken from the calls: those at other products by their own names, a new one as one of ECS."""
    assert resources(of(a_plan(), a_call(action, "x")), right) == ["*"]


def test_asking_who_one_is_needs_no_right() -> None:
    """GetCallerIdentity is free."""
    assert not [each for each in allowed(of(a_plan(), a_call("GetCallerIdentity"))) if "Caller" in each]


def test_a_rollback_that_planning_asked_about_is_held_to_its_disk() -> None:
    """A dry run of a changing call means that the run may make that call, on that disk."""
    document = of(a_plan(), a_call("ResetDisk", values.DISK_ID, dry_run=True))

    assert resources(document, "ecs:ResetDisk") == [f"{HERE}disk/{values.DISK_ID}"]


def test_every_call_of_planning_and_of_a_run_has_its_line() -> None:
    """No call is left to the rule for unknown ones: what a plan and a run send is in the table, or is free."""
    sent: set[str] = set()
    for name in RUNS:
        disks, options, status = asked(name)
        with simulated(lab_world(status=status, key_pairs=["ops"])) as sim:
            run_plan(sim, disks, using=caller(sim, name), **options)
            sent |= {call["action"] for call in sim.state()["calls"] if call["source"] == "api"}
    with virtual.simulate() as sim:  # what other products are asked about
        for disk_id in ("d-sim-encryption-key-unusable", "d-sim-auto-snapshot-due", "d-sim-in-replication-pair"):
            client(sim).plan([disk_id], stop_instance=True)
        sent |= {call["action"] for call in sim.state()["calls"] if call["source"] == "api"}

    assert sent - set(ram_policy.APIS) - ram_policy.FREE == set()
    assert {action for action, api in ram_policy.APIS.items() if api.optional} <= sent


def test_several_machines_are_in_one_policy() -> None:
    """Each call names the things of all jobs, and each machine only where it is stopped."""
    plan = a_plan(snapshot=True)
    job = plan.jobs[0]
    other = replace(
        job, instance_id="i-other", will_stop=False, will_start=False,
        disks=tuple(replace(disk, disk_id="d-other") for disk in job.disks),
    )  # fmt: skip
    document = of(replace(plan, jobs=(job, other)))

    assert resources(document, "ecs:ReInitDisk") == [f"{HERE}disk/{values.DISK_ID}", f"{HERE}disk/d-other"]
    assert resources(document, "ecs:StopInstance") == [f"{HERE}instance/{values.INSTANCE_ID}"]
    assert resources(document, "ecs:CreateSnapshot") == [
        f"{HERE}disk/{values.DISK_ID}", f"{HERE}disk/d-other", f"{HERE}snapshot/*",
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- the command


class Person:
    """Somebody at the command line of one simulator."""

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capture = capture
        self._patch = patch

    def __call__(self, sim: Simulator, *words: str) -> tuple[int, str, str]:
        """Run ``policy`` and give its exit code, stdout and stderr."""
        for name, value in {
            "SAFE_REINIT_ENDPOINT": sim.url,
            "SAFE_REINIT_REGION": REGION,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
            "NEW_PASSWORD": PASSWORD,
        }.items():
            self._patch.setenv(name, value)
        self._capture.readouterr()
        code = command(["policy", *words])
        out, err = self._capture.readouterr()
        assert_clean(out + err, PASSWORD)
        assert changing(sim) == []
        return code, out, err


@pytest.fixture
def person(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Person:
    """Return somebody with a home of their own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return Person(capsys, monkeypatch)


RUN_OF_DATA = ("--disk", DATA, "--stop-instance")


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_policy_is_printed_as_it_is_taken(person: Person, form: str) -> None:
    """Stdout has the policy and nothing else, in either form, and what is to be said about it is on stderr."""
    with simulated() as sim:
        code, out, err = person(sim, *RUN_OF_DATA, "--output", form)

    assert code == 0
    assert json.loads(out) == granted("data-disk")
    assert "denies setting a password" in err


@pytest.mark.parametrize(
    "more",
    [
        ("--timeout-stop", "9m", "--reason", "x"),
        ("--accept", "never-started"),
        ("--force-stop-after", "5m"),
        ("--leave-stopped",),
        ("--on-unknown", "retry"),
    ],
    ids=lambda more: more[0],
)
def test_what_changes_no_right_changes_no_policy(person: Person, more: tuple[str, ...]) -> None:
    """The options of a run are taken as they are; those that change no right leave the policy as it is."""
    with simulated() as sim:
        code, out, _ = person(sim, *RUN_OF_DATA, *more)

    assert code == 0
    assert json.loads(out) == granted("data-disk")


def test_options_that_change_rights_change_the_policy(person: Person) -> None:
    """A snapshot, a key pair and a password each show in the policy."""
    with simulated(lab_world(key_pairs=["ops"])) as sim:
        _, snapshot, _ = person(sim, *RUN_OF_DATA, "--snapshot")
        _, key_pair, _ = person(sim, "--disk", SYSTEM, "--stop-instance", "--key-pair", "ops")
        _, password, err = person(sim, "--disk", SYSTEM, "--stop-instance", "--password-env", "NEW_PASSWORD")

    assert "ecs:CreateSnapshot" in snapshot
    assert "ecs:DescribeKeyPairs" in key_pair
    assert "PasswordCustomized" not in password
    assert "denies" not in err


def test_a_run_that_would_be_refused_has_its_policy_and_a_word(person: Person) -> None:
    """What stands against the run now is said on stderr; the policy is printed."""
    with simulated(lab_world(instance={"locks": "security"})) as sim:
        code, out, err = person(sim, *RUN_OF_DATA)

    assert code == 0
    assert json.loads(out)["Version"] == "1"
    assert "would be refused now: " in err


@pytest.mark.parametrize("words", [("--disk", "d-nothing"), (), ("--disk", "nonsense")], ids=["unknown", "none", "bad"])
def test_without_a_disk_there_is_no_policy(person: Person, words: tuple[str, ...]) -> None:
    """A disk that cannot be seen has no policy: nothing is on stdout."""
    with simulated() as sim:
        code, out, err = person(sim, *words)

    assert code == (3 if words == ("--disk", "d-nothing") else 2)
    assert out == ""
    assert err.startswith("safe-reinit: ")


@pytest.mark.parametrize("form", ["markdown", "xml"])
def test_a_policy_has_two_forms(person: Person, form: str) -> None:
    """Another form than text and json is a usage error."""
    with simulated() as sim:
        code, _, err = person(sim, *RUN_OF_DATA, "--output", form)

    assert (code, "--output" in err) == (2, True)


@pytest.mark.parametrize("option", ["--confirm=x", "--report=r.json", "--events=-", "--dry-run"])
def test_an_option_that_means_nothing_here_is_refused(person: Person, option: str) -> None:
    """What a policy cannot do is a usage error, never ignored."""
    with simulated() as sim:
        assert person(sim, *RUN_OF_DATA, option)[0] == 2


# ------------------------------------------------------------------------------------------------------------ --check


def checked(person: Person, sim: Simulator, *words: str) -> tuple[int, dict[str, Any], str]:
    """Run ``policy --check`` and give its exit code, its document and stderr."""
    code, out, err = person(sim, *words, "--check", "--output", "json")
    document: dict[str, Any] = json.loads(out)
    return code, document, err


def states(document: dict[str, Any]) -> dict[str, str]:
    """Return the state of each right by its action."""
    return {each["action"]: each["state"] for each in document["rights"]}


def test_with_every_right_nothing_is_missing(person: Person) -> None:
    """Exit code 0; what has a dry run is allowed by it, and what has none is said to be unproven."""
    with held_to(granted("data-disk")) as sim:
        code, document, err = checked(person, sim, *RUN_OF_DATA)

    assert code == 0
    assert document["schema"] == 1
    assert document["missing"] == []
    assert states(document) == {
        "ecs:DescribeDisks": "allowed",
        "ecs:DescribeInstances": "allowed",
        "ecs:DescribeSnapshots": "allowed",
        "ecs:StopInstance": "allowed",
        "ecs:StartInstance": "unproven",
        "ecs:ReInitDisk": "unproven",
        "ecs:DescribeInstanceHistoryEvents": "allowed",
        "ess:DescribeScalingInstances": "allowed",
        "ebs:DescribeDiskReplicaPairs": "allowed",
    }
    assert "it has no dry run" in repr(document["rights"])
    assert "Missing" not in err


PROVABLE = (
    "ecs:DescribeDisks",
    "ecs:DescribeInstances",
    "ecs:DescribeSnapshots",
    "ecs:StopInstance",
    "ecs:StartInstance",
)


@pytest.mark.parametrize("action", PROVABLE)
def test_a_missing_right_is_named_before_anything_starts(person: Person, action: str) -> None:
    """Each right that can be proven is named when it is missing, with exit code 3, in words too."""
    with held_to(without(granted("data-disk"), action)) as sim:
        code, document, err = checked(person, sim, *RUN_OF_DATA)
        again, text, _ = person(sim, *RUN_OF_DATA, "--check")

    assert code == again == 3
    assert document["missing"] == [action]
    assert states(document)[action] == "missing"
    assert f"Missing: {action}" in err
    assert f"missing   {action}" in text


OPTIONAL = ("ess:DescribeScalingInstances", "ebs:DescribeDiskReplicaPairs", "ecs:DescribeInstanceHistoryEvents")


@pytest.mark.parametrize("action", OPTIONAL)
def test_a_read_that_a_run_can_do_without_is_reported_and_not_counted(
    person: Person, action: str, tmp_path: Path
) -> None:
    """A right to look at another product may be left out: exit code 0, unless the configuration requires the look."""
    config = tmp_path / "config.yaml"
    config.write_text("require_answers: [ess, ebs, events]\n")
    with held_to(without(granted("data-disk"), action)) as sim:
        code, document, _ = checked(person, sim, *RUN_OF_DATA)
        required, strict, err = checked(person, sim, *RUN_OF_DATA, "--config", str(config))

    assert (code, document["missing"], states(document)[action]) == (0, [], "optional")
    assert (required, strict["missing"], states(strict)[action]) == (3, [action], "missing")
    assert f"Missing: {action}" in err


def test_a_right_that_cannot_be_proven_is_not_reported_as_present(person: Person) -> None:
    """Without ReInitDisk, CreateSnapshot and the tags nothing is missing that can be proven; all are unproven."""
    with held_to(without(granted("data-disk"), "ecs:ReInitDisk")) as sim:
        code, document, _ = checked(person, sim, *RUN_OF_DATA, "--snapshot")

    assert code == 0
    assert states(document)["ecs:ReInitDisk"] == "unproven"
    assert states(document)["ecs:CreateSnapshot"] == "unproven"


@pytest.mark.parametrize("odd", ["i-1", "i-2"])
def test_a_right_on_one_machine_does_not_prove_it_on_another(person: Person, odd: str) -> None:
    """A right is said to be there only where every machine it was asked for answered so, in whatever order."""
    fault = {
        "action": "StopInstance", "subject": odd, "dry_run": True, "error": {"code": "IncorrectInstanceStatus"},
    }  # fmt: skip
    with simulated(lab_world(machines=("i-1", "i-2")), faults=[fault]) as sim:
        code, document, _ = checked(person, sim, *RUN_OF_DATA, "--disk", f"{DATA}-2", "--accept", "no-recent-snapshot")

    assert code == 0
    assert states(document)["ecs:StopInstance"] == "unproven"


def test_without_any_right_it_is_reported_that_more_may_be_needed(person: Person) -> None:
    """Where not even the disk can be seen, the rights to look are named, and that the rest is not known yet."""
    with held_to({"Version": "1", "Statement": []}) as sim:
        code, document, err = checked(person, sim, *RUN_OF_DATA)

    assert code == 3
    assert document["missing"] == ["ecs:DescribeDisks"]
    assert "Once they are granted, the others can be checked" in err


def test_a_disk_that_is_not_there_is_no_missing_right(person: Person) -> None:
    """Every right is there and the disk is not: exit code 3, and the sentence says which."""
    with simulated() as sim:
        code, document, err = checked(person, sim, "--disk", "d-nothing")

    assert code == 3
    assert document["missing"] == []
    assert "disk-not-found" in err


def test_a_cloud_that_does_not_answer_is_no_answer(person: Person) -> None:
    """Where the dry runs are not answered nothing is said of the rights: exit code 3."""
    faults = [{"action": "DescribeDisks", "dry_run": True, "html": 502, "nth": "every"}]
    with simulated(faults=faults) as sim:
        code, out, err = person(sim, *RUN_OF_DATA, "--check")

    assert code == 3
    assert "missing" not in out
    assert "DescribeDisks" in err
