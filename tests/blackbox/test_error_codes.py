"""What a run makes of the error codes of ECS: sent again, final or settled by observation, and what is said of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.model import error_codes
from safe_reinit.simulator import Simulator
from safe_reinit.simulator.errors import CATALOGUE
from tests.cloudlike import DATA, INSTANCE, Run, answered, client, lab_world, once, run_plan, simulated
from tests.commands import Command, command
from tests.servers import Answer, Request, Server, forward

pytestmark = pytest.mark.virtual_time

RISKS = ("no-recent-snapshot", "fstab-may-name-disk", "user-data-runs-again", "no-login-set")
QUICK = {"stop": 2, "wipe": 6, "start": 2, "snapshot": 2, "reset": 20}


@contextmanager
def cloud(*faults: dict[str, Any]) -> Iterator[Simulator]:
    """Start a simulator whose work is quickly done."""
    with simulated(lab_world(durations=QUICK), faults) as sim:
        yield sim


def carry_out(sim: Simulator, *disks: str, url: str = "", having: dict[str, Any] | None = None, **more: Any) -> Run:
    """Run; ``having`` are settings, ``url`` a server in front of it."""
    where = {"endpoint": url} if url else {}
    settings = {**where, **(having or {})} or None
    return run_plan(sim, disks or (DATA,), using=client(sim, settings), **more)


def refused(action: str, code: str, **more: Any) -> dict[str, Any]:
    """Return a fault that answers a call with a code."""
    return {"action": action, "dry_run": False, "error": {"code": code, "status": 403, "message": "x"}, **more}


def calls(sim: Simulator, action: str) -> list[str]:
    """Return what the changing calls of a kind were answered, in order."""
    return [each["code"] for each in sim.state()["calls"] if each["action"] == action and not each["dry_run"]]


def messages_of(done: Run) -> str:
    """Return everything that a run says of what went wrong."""
    error = done.report.jobs[0].error
    return f"{error.message} {error.hint}" if error else ""


# ---------------------------------------------------------------------------------------------- what passes by itself


@pytest.mark.parametrize(
    "codes",
    [
        ("IncorrectInstanceStatus.Initializing", "IncorrectDiskStatus.Initializing"), ("TaskConflict", "SystemBusy"),
        ("OperationConflict", "InvalidOperation.Conflict"), ("Operation.Conflict", "Rejected.Throttling"),
    ],
    ids="-".join,
)  # fmt: skip
def test_what_passes_for_every_call_is_sent_again_until_it_is_done(codes: tuple[str, str]) -> None:
    """Each call of a run is refused with two transient codes, and the run is done with one wipe and one start."""
    acts = ("StopInstance", "CreateSnapshot", "ReInitDisk", "StartInstance")
    with cloud(*(refused(action, code, nth=n) for n, code in enumerate(codes, 1) for action in acts)) as sim:
        done = carry_out(sim, snapshot=True)
        answers = {action: calls(sim, action) for action in acts}
        state = sim.state()

    assert done.outcome == "done", messages_of(done)
    assert answers == {action: [*codes, ""] for action in acts}
    assert len(state["disks"][DATA]["wipes"]) == 1
    assert state["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("ReInitDisk", "IncorrectDiskStatus.HasUnfinishedSnapshot"),
        ("StartInstance", "OperationDenied.HostRepairing"),
        ("StartInstance", "OperationDenied.NoStock"),
        ("StartInstance", "Brand.New"),
        ("StartInstance", "InvalidSecurityToken.Expired"),
        ("StartInstance", "Forbidden.RAM"),
    ],
)
def test_a_call_is_sent_again_after_the_refusals_that_pass_for_it(action: str, code: str) -> None:
    """Two refusals in a row end in a run that is done; a start is sent again after everything that is not final."""
    with cloud(refused(action, code, times=2)) as sim:
        done = carry_out(sim)
        answers = calls(sim, action)

    assert done.outcome == "done", messages_of(done)
    assert answers == [code, code, ""]


def test_a_lock_tag_is_taken_off_whatever_unknown_code_refuses_that_at_first() -> None:
    """UntagResources is sent again after an unknown code."""
    with cloud(refused("UntagResources", "Brand.New", times=2)) as sim:
        done = carry_out(sim, having={"lock_tag": True})
        answers = calls(sim, "UntagResources")

    assert done.outcome == "done", messages_of(done)
    assert answers == ["Brand.New", "Brand.New", ""]


def test_a_snapshot_whose_answer_was_lost_is_asked_for_with_the_same_token() -> None:
    """LastTokenProcessing says that the first request is still worked on: one snapshot is made, and the disk wiped."""
    faults = [
        {"action": "CreateSnapshot", "drop_answer": True},
        refused("CreateSnapshot", "LastTokenProcessing", nth=2, times=2),
    ]
    with cloud(*faults) as sim:
        done = carry_out(sim, snapshot=True)
        state = sim.state()
        answers = calls(sim, "CreateSnapshot")

    assert done.outcome == "done", messages_of(done)
    assert answers == ["", "LastTokenProcessing", "LastTokenProcessing", ""]
    assert sum(each["disk_id"] == DATA for each in state["snapshots"].values()) == 2  # the world has one of its own


@pytest.mark.parametrize("code", ["Rejected.Throttling", "SystemBusy", "OperationConflict", "ServiceUnavailable"])
def test_an_observation_that_is_refused_for_now_is_made_again(code: str) -> None:
    """A plan is made though a Describe call was refused with a transient code at first."""
    status = 503 if code == "ServiceUnavailable" else 400
    fault = {"action": "DescribeDisks", "error": {"code": code, "status": status, "message": "x"}}
    with cloud(fault) as sim:
        plan = client(sim).plan([DATA], stop_instance=True)

    assert plan.runnable


@pytest.mark.parametrize(
    ("action", "dry_run", "code"),
    [
        *(("DescribeInstances", False, code) for code in ("SystemBusy", "TaskConflict", "ServiceUnavailable")),
        *(("StopInstance", True, code) for code in ("SystemBusy", "TaskConflict", "ServiceUnavailable")),
        ("DescribeSnapshots", False, "SystemBusy"), ("DescribeImages", False, "TaskConflict"),
        ("StartInstance", True, "Throttling"), ("DescribeScalingInstances", False, "ServiceUnavailable"),
        ("DescribeInstanceHistoryEvents", False, "Throttling"), ("DescribeDiskReplicaPairs", False, "SystemBusy"),
        ("GetCallerIdentity", False, "ServiceUnavailable"), ("DescribeInstances", False, "Throttling"),
    ],
)  # fmt: skip
def test_every_read_of_a_plan_is_repeated(action: str, dry_run: bool, code: str) -> None:
    """Two transient refusals in a row of any look of a plan leave no trace in it."""
    fault = {"code": code, "status": 503 if code == "ServiceUnavailable" else 400, "message": "x"}
    with cloud({"action": action, "dry_run": dry_run, "times": 2, "error": fault}) as sim:
        plan = client(sim).plan(["d-sys"], stop_instance=True, accept=RISKS)
        asked = [each for each in sim.state()["calls"] if (each["action"], each["dry_run"]) == (action, dry_run)]
    with cloud() as sim:
        usual = client(sim).plan(["d-sys"], stop_instance=True, accept=RISKS)

    assert [each["code"] for each in asked][:2] == [code] * 2
    assert [(each.check, each.subject) for each in plan.findings] == [
        (each.check, each.subject) for each in usual.findings
    ]


# ------------------------------------------------------------------------------------------------------ what is final


@pytest.mark.parametrize(
    ("action", "code", "outcome", "word"),
    [
        ("StopInstance", "OperationDenied.SystemInstanceNotSupport", "failed", "service manages this instance"),
        ("StopInstance", "InvalidOperation.KMSServiceNotOpen", "failed", "KMS"),
        ("StartInstance", "OperationDenied.SpotPriceLowerThanPublicPrice", "not-restarted", "spot price"),
        ("StartInstance", "InvalidParameter.KMSKeyId.NotFound", "not-restarted", "key of an encrypted disk"),
        ("StartInstance", "QuotaExceed.ElasticQuota", "not-restarted", "quota"),
        ("ReInitDisk", "InvalidSourceSnapshot", "failed", "snapshot that the disk was made from is deleted"),
    ],
)
def test_a_final_refusal_is_explained_for_the_call_that_got_it(action: str, code: str, outcome: str, word: str) -> None:
    """It is not sent again, and the sentence is the one of this code at this call."""
    with cloud(refused(action, code, times=5)) as sim:
        done = carry_out(sim)
        answers = calls(sim, action)

    assert done.outcome == outcome
    assert answers == [code]
    assert word in messages_of(done)
    assert code in messages_of(done)
    assert ("made from" in messages_of(done)) == (action == "ReInitDisk")


def test_operation_denied_claims_nothing_about_snapshots_that_nobody_saw() -> None:
    """ECS documents one reason for it: it is told as the documentation's, and not as a fact."""
    with cloud(refused("ReInitDisk", "OperationDenied")) as sim:
        done = carry_out(sim, "d-sys")

    assert done.outcome == "failed"
    assert "documentation" in messages_of(done)


# ------------------------------------------------------------------------------------------------------ unknown codes


@pytest.mark.parametrize("code", ["Brand.New", "OperationDenied.NotSupported", "DiskCreatingSnapshot.Foo"])
def test_an_unknown_code_to_a_wipe_is_settled_by_observation(code: str) -> None:
    """It is never sent again; no ReIniting through the settling time counts as refused: intact, and power back."""
    with cloud(refused("ReInitDisk", code, times=5)) as sim:
        done = carry_out(sim)
        answers, state = calls(sim, "ReInitDisk"), sim.state()

    assert (done.outcome, done.report.exit_code) == ("failed", 4), messages_of(done)
    assert answers == [code]
    assert done.report.jobs[0].disks[0].data == "intact"
    assert state["instances"][INSTANCE]["status"] == "Running"
    assert code in messages_of(done)
    assert "does not know" in messages_of(done)
    assert "made from" not in messages_of(done)


def test_after_an_unknown_code_and_a_gap_nobody_knows() -> None:
    """Where nothing is seen for longer than somebody needs to use the machine, the wipe counts as lost (5)."""
    unseen = {"action": "DescribeDisks", "error": {"code": "ServiceUnavailable", "status": 503}, "times": 16}
    with cloud(refused("ReInitDisk", "Brand.New")) as sim:
        done = carry_out(sim, on_event=once(answered("ReInitDisk"), lambda: sim.do({"fault": unseen})))
        answers, state = calls(sim, "ReInitDisk"), sim.state()

    assert (done.outcome, done.report.exit_code) == ("unknown", 5)
    assert answers == ["Brand.New"]
    assert state["instances"][INSTANCE]["status"] == "Stopped"
    assert "Brand.New" in messages_of(done)


def test_an_unknown_code_that_came_though_the_disk_is_wiped_does_not_hide_the_wipe() -> None:
    """ReIniting is seen: the disk is wiped, whatever the answer said."""

    def respond(request: Request) -> Answer:
        came = forward(request, sim.url.removeprefix("http://"))
        if request.action != "ReInitDisk":
            return came
        body = json.dumps({"RequestId": "REQ-1", "HostId": "x", "Code": "Brand.New", "Message": "x"}).encode()
        head = "HTTP/1.1 400 x\r\nContent-Type: application/json\r\nX-Safe-Reinit-Simulator: 1\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        return Answer(head.encode() + body, "close")

    with cloud() as sim, Server(respond) as between:
        done = carry_out(sim, url=between.url)
        state = sim.state()

    assert done.outcome == "done", messages_of(done)
    assert done.report.jobs[0].disks[0].data == "reinitialised"
    assert len(state["disks"][DATA]["wipes"]) == 1


def test_an_answer_of_a_failure_inside_ecs_is_reported_as_what_it_is() -> None:
    """InternalError came: nobody says that the answer was lost."""
    fault = {"action": "ReInitDisk", "error": {"code": "InternalError"}, "times": 9}
    with cloud(fault) as sim:
        done = carry_out(sim)

    assert (done.outcome, done.report.exit_code) == ("unknown", 5)
    assert "with InternalError" in messages_of(done)
    assert "lost" not in messages_of(done)
    assert "No answer" not in messages_of(done)


def test_a_start_that_is_refused_until_its_limit_names_the_refusal() -> None:
    """Whoever reads that a machine is still down reads which code of ECS keeps it down, and what that code means."""
    fault = {"action": "StartInstance", "dry_run": False, "nth": "every", "error": {"code": "OperationDenied.NoStock"}}
    with cloud(fault) as sim:
        done = carry_out(sim, limits={"start": 120.0})
    error = done.report.jobs[0].error

    assert done.outcome == "not-restarted", messages_of(done)
    assert "OperationDenied.NoStock" in messages_of(done)
    assert error is not None
    assert (error.action, error.code) == ("StartInstance", "OperationDenied.NoStock")


@pytest.mark.parametrize(
    ("action", "shown", "outcome"),
    [("StopInstance", "Running", "failed"), ("StartInstance", "Stopped", "not-restarted")],
)
@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("Brand.New", 503)])
def test_a_call_that_fails_inside_ecs_until_its_limit_is_reported_by_what_was_seen(
    action: str, shown: str, outcome: str, code: str, status: int
) -> None:
    """The report says in which state the machine is, and quotes the code that ECS answered: an answer came."""
    fault = {"action": action, "dry_run": False, "nth": "every", "error": {"code": code, "status": status}}
    with cloud(fault) as sim:
        done = carry_out(sim, limits={"stop": 120.0, "start": 120.0})

    assert done.outcome == outcome, messages_of(done)
    assert f"{INSTANCE} was still {shown} when" in messages_of(done)
    assert f"ECS answered {action} with {code}" in messages_of(done)
    assert "not seen" not in messages_of(done)
    assert "No answer" not in messages_of(done)
    error = done.report.jobs[0].error
    assert error is not None
    assert (error.code, error.action) == (code, action)


# ------------------------------------------------------------------------------------------------------------- undo


def wiped(sim: Simulator) -> str:
    """Wipe a disk behind a safety snapshot, and return the name of the run."""
    done = carry_out(sim, snapshot=True)
    assert done.outcome == "done", messages_of(done)
    assert done.report.run_id
    return done.report.run_id


def test_a_machine_is_started_only_when_its_roll_back_is_over() -> None:
    """A reset takes time and shows no status: its end is asked for with DryRun, and the start comes after it."""
    with cloud() as sim:
        name = wiped(sim)
        before = len(calls(sim, "StartInstance"))
        done = carry_out(sim, undoing=name)
        state = sim.state()
        made = [each for each in state["calls"] if each["action"] in ("ResetDisk", "StartInstance")]
        asked, answers = [each["action"] for each in made], [each["code"] for each in made]
        starts = calls(sim, "StartInstance")

    assert done.outcome == "done", messages_of(done)
    assert done.report.jobs[0].disks[0].evidence == "transition"
    assert starts[before:] == [""]
    assert asked[-1] == "StartInstance"  # and so none while a DryRun of ResetDisk was still to be answered
    assert "InvalidOperation.DiskResetInProgress" in answers
    assert len(state["disks"][DATA]["resets"]) == 1


@pytest.mark.parametrize(
    ("code", "dry_run"),
    [
        ("InvalidOperation.DiskResetInProgress", False), ("IncorrectDiskStatus.HasUnfinishedSnapshot", False),
        ("Operation.Conflict", False), ("InvalidOperation.DiskResetInProgress", None),
    ],
)  # fmt: skip
def test_a_roll_back_that_is_refused_for_now_is_sent_again(code: str, dry_run: bool | None) -> None:
    """The disk is rolled back once, also where the DryRun before the stop was refused so."""
    with cloud() as sim:
        name = wiped(sim)
        sim.do({"fault": refused("ResetDisk", code, dry_run=dry_run)})
        done = carry_out(sim, undoing=name)
        answers = calls(sim, "ResetDisk")

    assert done.outcome == "done", messages_of(done)
    assert answers == ([code, ""] if dry_run is False else [""])


@pytest.mark.parametrize(
    ("code", "word"),
    [("OperationDenied", "cannot be rolled back"), ("InvalidSnapshotId.NotReady", "not finished")],
)
def test_a_final_refusal_of_a_roll_back_is_explained_as_one(code: str, word: str) -> None:
    """The sentence speaks of the roll-back, the disk stays as the wipe left it, and the machine runs."""
    with cloud() as sim:
        name = wiped(sim)
        sim.do({"fault": refused("ResetDisk", code)})
        done = carry_out(sim, undoing=name)
        state = sim.state()

    assert (done.outcome, done.report.exit_code) == ("failed", 4)
    assert word in messages_of(done)
    assert "made from" not in messages_of(done)
    assert state["disks"][DATA]["resets"] == []


def test_a_roll_back_whose_answer_was_lost_is_known_when_it_is_seen_to_be_over() -> None:
    """While the reset goes on nothing is claimed and nothing is sent; when it is over the run is done."""
    with cloud() as sim:
        name = wiped(sim)
        sim.do({"fault": {"action": "ResetDisk", "dry_run": False, "drop_answer": True}})
        sim.do({"fault": refused("ResetDisk", "InvalidOperation.DiskResetInProgress", nth=2, times=30)})
        done = carry_out(sim, undoing=name)
        disk = sim.state()["disks"][DATA]

    assert (done.outcome, done.report.jobs[0].disks[0].data) == ("done", "reinitialised"), messages_of(done)
    assert len(disk["resets"]) == 1
    assert disk["resets"][0]["content_after"] == disk["wipes"][0]["content_before"]


def test_a_roll_back_that_does_not_end_is_unknown() -> None:
    """A reset that is in progress at the limit is not taken for done, and the machine stays stopped (5)."""
    with cloud() as sim:
        name = wiped(sim)
        hold = once(answered("ResetDisk"), lambda: sim.do({"hold": {"disk": DATA}}))
        done = carry_out(sim, undoing=name, on_event=hold, limits={"reinit": 30.0})
        state = sim.state()

    assert (done.outcome, done.report.exit_code) == ("unknown", 5)
    assert "in progress" in messages_of(done)
    assert state["instances"][INSTANCE]["status"] == "Stopped"


# -------------------------------------------------------------------------------------------------------- explaining

REFERENCE = {
    "StartInstance": """LackResource InvalidDedicatedHost.NotEnoughResource InvalidInstance.NotFoundSystemDisk
        Invalid.PrivatePoolOptions.NoStock InvalidParameter.KMSKeyId.NotFound InvalidParameter.KMSKeyId.CMKNotEnabled
        InvalidParameter.KMSKeyId.CMKUnauthorized InvalidParameter.KMSKeyId.KMSUnauthorized IncorrectInstanceStatus
        InstanceLockedForSecurity InsufficientBalance DiskError InstanceExpired InstanceNotReady DiskInArrears
        OperationDenied.NoStock OperationDenied.SpotPriceLowerThanPublicPrice QuotaExceed.ElasticQuota
        OperationDenied.HostRepairing InvalidInstanceId.NotFound InvalidCapacityReservationId.NotFound InternalError
        ServiceUnavailable InvalidInstanceIds.NotFound""",
    "StopInstance": """InvalidParameter.Encrypted.KmsNotEnable DiskError IncorrectInstanceStatus
        InstanceLockedForSecurity InstanceType.ParameterMismatch InstanceExpiredOrInArrears InvalidInstanceId.NotSupport
        KMSKeyId.CMKUnauthorized KMSKeyId.CMKNotEnabled KMSKeyId.KMSUnauthorized
        HibernationConfigured.InstanceOperationForbidden HibernationConfigured.NotEnabled
        InvalidOperation.KMSKeyIdNotFound InvalidOperation.KMSServiceNotOpen OperationDenied.SystemInstanceNotSupport
        InvalidInstanceId.NotFound InternalError LimitedOperation.ServiceUnavailable InvalidInstanceIds.NotFound
        InsufficientBalance InstanceNotReady InvalidOperation.Conflict""",
    "CreateSnapshot": """IncorrectInstanceStatus InvalidSnapshotName.Malformed DiskCategory.OperationNotSupported
        CreateSnapshot.Failed Throttling IncorrectDiskStatus.CreatingSnapshot
        IncorrectDiskStatus.TooManyCreatingSnapshots QuotaExceed.ConcurrentSnapshotQuota
        IncorrectDiskStatus.NeverAttached IncorrectDiskStatus.NeverUsed IncorrectDiskStatus IncorrectDiskStatus.Invalid
        IncorrectDiskStatus.Transferring QuotaExceed.Snapshot QuotaExceed.SnapshotQuota DiskInArrears
        DiskId.ValueNotSupported InvalidAccountStatus.NotEnoughBalance
        InvalidAccountStatus.SnapshotServiceUnavailable IdempotentParameterMismatch IdempotentProcessing
        InvalidClientToken.Malformed DISK_HAS_CREATING_SNAPSHOT HibernationConfigured.InstanceOperationForbidden
        InstanceLockedForSecurity KMSKeyId.CMKNotEnabled InvalidParameter.KMSKeyId.CMKNotEnabled
        InvalidDiskId.NotFound InvalidInstanceId.NotFound InvalidDescription.Malformed InternalError
        LastTokenProcessing""",
    "ResetDisk": """InvalidOperation.DiskResetInProgress Operation.Conflict InvalidParameter.Mismatch
        InvalidSnapshotId.NotReady InvalidSnapshotId.NotFound Disk.NotFound OperationDenied InternalError
        IncorrectDiskStatus IncorrectInstanceStatus DiskCreatingSnapshot InstanceLockedForSecurity
        InstanceExpiredOrInArrears DiskCategory.OperationNotSupported InvalidOperation.MultiAttachDisk
        UserNotInTheWhiteList InvalidDiskId.NotFound Forbidden.RAM MissingParameter""",
    "TagResources": """InvalidResourceId.NotFound InvalidResourceType.NotFound OperationDenied.QuotaExceed
        InvalidTagKey.Malformed InvalidTagValue.Malformed Duplicate.TagKey NumberExceed.Tags NumberExceed.ResourceIds
        MissingParameter.RegionId MissingParameter.Tags InvalidRegionId.NotFound Forbidden.RAM""",
}
"""What the reference, and the simulator where it has none, answers by call; ReInitDisk's thirty are held elsewhere."""
OF_DESCRIBE_CALLS = {
    "DryRunOperation", "DRYRUN.SUCCESS", "InvalidTag.Mismatch", "InvalidTagCount", "InvalidParameter.TagValue",
    "SnapshotCreatedImage", "SnapshotCreatedDisk", "InvalidUsage",
}  # fmt: skip


@pytest.mark.parametrize(
    ("action", "code"), [(action, code) for action, listed in REFERENCE.items() for code in listed.split()]
)
def test_each_documented_code_has_a_sentence_for_its_call(action: str, code: str) -> None:
    """Nobody is told that a documented code is unknown, or what it means for another call."""
    row = error_codes.lookup(action, code)

    assert row is not None
    assert row.covers(code)
    assert set(row.actions) & {action, error_codes.EVERY}


@pytest.mark.parametrize("code", sorted(set(CATALOGUE) - OF_DESCRIBE_CALLS))
def test_each_code_of_the_simulator_that_a_changing_call_can_get_is_known(code: str) -> None:
    """What the simulator can answer to a changing call has a row; what only Describe calls answer needs none."""
    of_reads = code.startswith("Invalid") and code.rpartition(".")[2] in (
        "ValueNotSupported",
        "NotFound",
        "Malformed",
    )
    described = of_reads or code.startswith(("MissingParamter", "InvalidParameter.", "InvalidImage", "InvalidOSType",
                                             "InvalidArch", "InvalidSourceDiskType", "InvalidInstanceIds"))  # fmt: skip

    assert error_codes.rows_of(code) or described


@pytest.fixture
def tool(tmp_path: Path) -> Command:
    """Return a command line that asks no cloud."""
    return command("http://127.0.0.1:9", tmp_path)


@pytest.mark.parametrize(
    ("code", "words", "absent"),
    [
        ("OperationDenied", ("ReInitDisk", "made from", "ResetDisk", "rolled back"), ()),
        ("OperationDenied.SpotPriceLowerThanPublicPrice", ("StartInstance", "spot price"), ("made from",)),
        ("Throttling.User", ("any call", "Throttling*"), ()),
        ("IncorrectDiskStatus.HasUnfinishedSnapshot", ("snapshot of the disk is not finished",), ("arrears",)),
        ("DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported", ("instant access",), ("Disable", "Turn")),
    ],
)
def test_explain_tells_a_code_by_the_calls_that_it_answers(
    tool: Command, code: str, words: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    """Each call that the code can answer has its own sentence."""
    ended = tool("explain", code, journal=None)

    assert ended.returncode == 0, ended.stderr
    assert [word for word in words if word not in ended.stdout] == []
    assert [word for word in absent if word in ended.stdout] == []


@pytest.mark.parametrize("code", ["DiskCreatingSnapshot.Foo", "OperationDenied.Foo", "IncorrectDiskStatus.Other"])
def test_explain_promises_nothing_of_a_code_that_only_resembles_one(tool: Command, code: str) -> None:
    """It is as unknown to explain as it is to a run (2)."""
    ended = tool("explain", code, journal=None)

    assert ended.returncode == 2
    assert "knows" in ended.stderr
