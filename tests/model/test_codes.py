"""The verdict table: what each error answer means for the call that got it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safe_reinit.model import error_codes

# What ECS documents for ReInitDisk in any edition, with its HTTP status; written down here once more on purpose.
REINIT = {
    "MissingParameter": 400,
    "InvalidDiskId.NotFound": 404,
    "IncorrectDiskStatus": 403,
    "IncorrectDiskStatus.NeverUsed": 403,
    "IncorrectInstanceStatus": 403,
    "InstanceLockedForSecurity": 403,
    "InstanceExpiredOrInArrears": 403,
    "InvalidSnapshot.TooOld": 403,
    "InvalidSourceSnapshot": 403,
    "OperationDenied": 403,
    "DiskCreatingSnapshot": 403,
    "DiskCategory.OperationNotSupported": 400,
    "SharedImageDeleted": 403,
    "InvalidImageId.NotFound": 404,
    "InvalidDiskId.OperationNotSupported": 404,
    "InvalidPassword.Malformed": 400,
    "InvalidKeyPairName.NotFound": 400,
    "DependencyViolation.WindowsInstance": 403,
    "DependencyViolation.IoOptimize": 400,
    "LoginAsNonRoot.ImageNotSupport": 400,
    "LoginAsNonRoot.RegionNotSupport": 403,
    "DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported": 400,
    "InvalidRegionId.MalFormed": 400,
    "UserNotInTheWhiteList": 403,
    "InvalidOperation.MultiAttachDisk": 403,
    "InvalidParameter.KMSKeyId.CMKNotEnabled": 403,
    "InvalidParameter.KMSKeyId.KMSUnauthorized": 403,
    "InvalidParameter.KMSKeyId.CMKUnauthorized": 403,
    "HibernationConfigured.InstanceOperationForbidden": 403,
    "InternalError": 500,
}
AGAIN = {"DiskCreatingSnapshot", "IncorrectDiskStatus", "IncorrectInstanceStatus"}
SOURCE_GONE = [
    "InvalidSourceSnapshot", "OperationDenied", "SharedImageDeleted", "InvalidImageId.NotFound",
    "InvalidDiskId.OperationNotSupported",
]  # fmt: skip
ACTS = (
    "StopInstance", "ReInitDisk", "StartInstance", "CreateSnapshot", "ResetDisk", "TagResources", "UntagResources",
)  # fmt: skip
# What ECS documents for CreateSnapshot, with its HTTP status.
SNAPSHOT = {
    "IncorrectInstanceStatus": 400,
    "InvalidSnapshotName.Malformed": 400,
    "DiskCategory.OperationNotSupported": 400,
    "CreateSnapshot.Failed": 400,
    "Throttling": 403,
    "IncorrectDiskStatus.CreatingSnapshot": 403,
    "IncorrectDiskStatus.TooManyCreatingSnapshots": 403,
    "QuotaExceed.ConcurrentSnapshotQuota": 403,
    "IncorrectDiskStatus.NeverAttached": 403,
    "IncorrectDiskStatus.NeverUsed": 403,
    "IncorrectDiskStatus": 403,
    "IncorrectDiskStatus.Invalid": 403,
    "IncorrectDiskStatus.Transferring": 403,
    "QuotaExceed.Snapshot": 403,
    "QuotaExceed.SnapshotQuota": 403,
    "DiskInArrears": 403,
    "DiskId.ValueNotSupported": 403,
    "InvalidAccountStatus.NotEnoughBalance": 403,
    "InvalidAccountStatus.SnapshotServiceUnavailable": 403,
    "IdempotentParameterMismatch": 403,
    "IdempotentProcessing": 403,
    "InvalidClientToken.Malformed": 403,
    "DISK_HAS_CREATING_SNAPSHOT": 403,
    "HibernationConfigured.InstanceOperationForbidden": 403,
    "InstanceLockedForSecurity": 403,
    "InvalidParameter.KMSKeyId.CMKNotEnabled": 403,
    "InvalidDiskId.NotFound": 404,
    "InvalidInstanceId.NotFound": 404,
    "InvalidDescription.Malformed": 404,
    "LastTokenProcessing": 403,
    "InternalError": 500,
}
SNAPSHOT_AGAIN = {
    "IncorrectInstanceStatus", "Throttling", "IncorrectDiskStatus.CreatingSnapshot", "IdempotentProcessing",
    "LastTokenProcessing",
    "IncorrectDiskStatus.TooManyCreatingSnapshots", "QuotaExceed.ConcurrentSnapshotQuota", "DISK_HAS_CREATING_SNAPSHOT",
}  # fmt: skip
NO_STOCK = [
    "OperationDenied.NoStock", "LackResource", "InvalidDedicatedHost.NotEnoughResource",
    "Invalid.PrivatePoolOptions.NoStock", "InstanceNotReady",
]  # fmt: skip
CREDENTIALS = [
    "InvalidSecurityToken.Expired", "InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive", "Forbidden.RAM",
    "Forbidden", "NoPermission", "SignatureDoesNotMatch", "InvalidTimeStamp.Expired", "IllegalTimestamp",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    """Let each test ask the table itself, also after another one has."""
    error_codes.lookup.cache_clear()


def test_the_table_has_every_documented_code_with_its_status() -> None:
    """Each code that ECS documents for ReInitDisk has one row with the documented status."""
    assert {row.code: row.status for row in error_codes.REINIT_DISK} == REINIT


@pytest.mark.parametrize("code", REINIT)
def test_each_documented_refusal_of_a_wipe_has_its_verdict(code: str) -> None:
    """Only the three transitional refusals are asked again; a 500 proves nothing; all else is refused for good."""
    expected = "lost" if REINIT[code] >= 500 else "again" if code in AGAIN else "refused"

    assert error_codes.verdict_of_code("ReInitDisk", code, REINIT[code]) == expected


@pytest.mark.parametrize("code", SNAPSHOT)
def test_each_documented_refusal_of_a_snapshot_has_its_verdict(code: str) -> None:
    """Only what says that another snapshot, or the moment, is in the way is asked again; a 500 proves nothing."""
    expected = "lost" if SNAPSHOT[code] >= 500 else "again" if code in SNAPSHOT_AGAIN else "refused"

    assert error_codes.verdict_of_code("CreateSnapshot", code, SNAPSHOT[code]) == expected


RESET = {
    "InvalidOperation.DiskResetInProgress": "again", "Operation.Conflict": "again", "DiskCreatingSnapshot": "again",
    "IncorrectDiskStatus": "again", "IncorrectInstanceStatus": "again", "InvalidParameter.Mismatch": "refused",
    "InvalidSnapshotId.NotReady": "refused", "InvalidSnapshotId.NotFound": "refused", "Disk.NotFound": "refused",
    "OperationDenied": "refused", "InvalidSourceSnapshot": "unknown", "LackResource": "unknown",
}  # fmt: skip
TRANSIENT = [
    "IncorrectInstanceStatus.Initializing", "IncorrectDiskStatus.Initializing", "TaskConflict", "SystemBusy",
    "OperationConflict", "Operation.Conflict", "InvalidOperation.Conflict", "Rejected.Throttling",
]  # fmt: skip


@pytest.mark.parametrize("code", RESET)
def test_a_roll_back_is_judged_by_codes_of_its_own(code: str) -> None:
    """What ReInitDisk or StartInstance document says nothing of ResetDisk."""
    assert error_codes.verdict_of_code("ResetDisk", code, 403) == RESET[code]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("code", TRANSIENT)
def test_what_passes_for_every_call_is_sent_again(code: str, act: str) -> None:
    """Conflicts, initialising and throttling prove that nothing was done, and pass by themselves."""
    assert error_codes.verdict_of_code(act, code, 403) == "again"
    assert error_codes.is_retried(act, code, 403)


@pytest.mark.parametrize("act", ["TagResources", "UntagResources"])
@pytest.mark.parametrize("code", ["DiskCreatingSnapshot", "IncorrectInstanceStatus", *NO_STOCK])
def test_no_state_of_a_disk_or_an_instance_says_anything_of_a_tag(code: str, act: str) -> None:
    """Such a code is an unknown one there."""
    assert error_codes.verdict_of_code(act, code, 403) == "unknown"


@pytest.mark.parametrize("code", sorted(SNAPSHOT_AGAIN - {"Throttling", "IncorrectInstanceStatus"}))
def test_what_says_that_a_snapshot_is_in_progress_says_it_of_createsnapshot_alone(code: str) -> None:
    """A wipe is never sent again by a code of CreateSnapshot, and the person is told what it means."""
    row = error_codes.lookup("CreateSnapshot", code)

    assert error_codes.waits_for_snapshot("CreateSnapshot", code)
    assert (
        error_codes.verdict_of_code("ReInitDisk", code, 403)
        == error_codes.verdict_of_code("ResetDisk", code, 403)
        == "unknown"
    )
    assert row is not None
    assert row.code == code


@pytest.mark.parametrize("row", error_codes.TABLE, ids=lambda row: f"{row.actions[0]}-{row.code}")
def test_each_row_tells_the_person_something(row: error_codes.Code) -> None:
    """Every row says what the code means and what to do, in whole sentences."""
    assert row.meaning[0].isupper()
    assert row.meaning.endswith(".")
    assert row.fix.endswith(".")
    assert row.status >= 400
    assert row.verdict != "unknown"


def test_no_call_has_two_rows_for_one_code() -> None:
    """What a code means for a call stands in one place."""
    named = [(action, row.code) for row in error_codes.TABLE for action in row.actions]

    assert sorted(named) == sorted(set(named))


@pytest.mark.parametrize("code", REINIT)
def test_each_documented_code_of_a_wipe_says_what_foresees_it(code: str) -> None:
    """Every row of ReInitDisk names the checks that foresee the code, or says why none can."""
    row = error_codes.lookup("ReInitDisk", code)

    assert row is not None
    assert row.checks or row.unforeseen


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("code", ["Throttling", "DiskCreatingSnapshot", "Forbidden.RAM", "Brand.New", "InternalError"])
@pytest.mark.parametrize("act", ACTS)
def test_a_5xx_proves_nothing_whatever_its_code(act: str, code: str, status: int) -> None:
    """An answer of the 500s is a lost answer, also where its code could be sent again elsewhere."""
    assert error_codes.verdict_of_code(act, code, status) == "lost"


@pytest.mark.parametrize("status", [302, 400, 403, 409, 429])
@pytest.mark.parametrize("code", ["Throttling", "Throttling.User", "Throttling.Api", "Rejected.Throttling"])
@pytest.mark.parametrize("act", ACTS)
def test_throttling_is_reported_by_its_code_and_not_by_its_status(act: str, code: str, status: int) -> None:
    """ECS documents Throttling under several statuses, and each of them was not done."""
    assert error_codes.verdict_of_code(act, code, status) == "again"
    assert error_codes.throttled(code)


@pytest.mark.parametrize("act", ACTS)
def test_a_429_without_the_code_is_not_taken_for_throttling(act: str) -> None:
    """A status alone says nothing."""
    assert error_codes.verdict_of_code(act, "Brand.New", 429) == "unknown"


@pytest.mark.parametrize("code", SOURCE_GONE)
def test_a_source_that_is_gone_is_gone_under_all_its_codes(code: str) -> None:
    """The five codes over two statuses that say the source is gone are never sent again."""
    assert error_codes.verdict_of_code("ReInitDisk", code, REINIT[code]) == "refused"


@pytest.mark.parametrize("code", CREDENTIALS)
@pytest.mark.parametrize("act", ACTS)
def test_refused_credentials_are_renewed_and_a_missing_right_is_not(act: str, code: str) -> None:
    """Keys, tokens and the clock are renewed before the call is sent again; only what brings back asks in any case."""
    expected = error_codes.renews(code) or act in ("StartInstance", "UntagResources")

    assert error_codes.verdict_of_code(act, code, 403) == "credentials"
    assert error_codes.of_credentials(code)
    assert error_codes.is_retried(act, code, 403) == expected


def test_a_missing_right_is_distinguished_from_other_refused_credentials() -> None:
    """Only Forbidden and NoPermission say that this call, and not every call, is closed to these credentials."""
    lacking = {code for code in CREDENTIALS if error_codes.lacks_right(code)}

    assert lacking == {code for code in CREDENTIALS if code.startswith(("Forbidden", "NoPermission"))} != set()


@pytest.mark.parametrize("code", [*NO_STOCK, "OperationDenied.HostRepairing"])
def test_a_start_without_a_place_to_run_is_sent_again(code: str) -> None:
    """Stock comes back and repairs end, so StartInstance is sent again; of a wipe the same code says nothing."""
    assert error_codes.verdict_of_code("StartInstance", code, 403) == "again"
    assert error_codes.verdict_of_code("ReInitDisk", code, 403) == "unknown"


@pytest.mark.parametrize("act", ACTS)
def test_an_unknown_code_holds_back_only_what_brings_nothing_back(act: str) -> None:
    """While a machine is down its start is sent until the limit, whatever unknown code refuses it."""
    assert error_codes.verdict_of_code(act, "Brand.New", 403) == "unknown"
    assert error_codes.is_retried(act, "Brand.New", 403) == (act in ("StartInstance", "UntagResources"))


@pytest.mark.parametrize("code", ["IncorrectInstanceStatus", "OperationConflict", "InvalidOperation.Conflict"])
def test_a_busy_instance_is_asked_again_to_stop_and_to_start(code: str) -> None:
    """Another operation in progress passes by itself; the calls for many are judged like those for one."""
    for act in ("StopInstance", "StopInstances", "StartInstance", "StartInstances"):
        assert error_codes.verdict_of_code(act, code, 409) == "again"


@pytest.mark.parametrize(
    "code", ["DiskCreatingSnapshot.Other", "OperationDenied.NotSupported", "IncorrectDiskStatus.Other", "Operation"]
)
def test_a_code_that_merely_resembles_a_documented_one_is_unknown(code: str) -> None:
    """The table is held to exactly, by judgement and explanation alike: a longer code is another code."""
    assert error_codes.verdict_of_code("ReInitDisk", code, 403) == "unknown"
    assert error_codes.lookup("ReInitDisk", code) is None
    assert "does not know this code" in error_codes.meaning_of("ReInitDisk", code)
    assert code in error_codes.fix_of("ReInitDisk", code)


@pytest.mark.parametrize("act", ACTS)
def test_a_repeated_nonce_is_no_refusal(act: str) -> None:
    """SignatureNonceUsed says that this very request had arrived before, so what became of that is not known."""
    assert error_codes.verdict_of_code(act, "SignatureNonceUsed", 400) == "lost"


@pytest.mark.parametrize("code", ["InternalError", "ServiceUnavailable", "LimitedOperation.ServiceUnavailable"])
@pytest.mark.parametrize("act", ACTS)
def test_a_failure_inside_ecs_proves_nothing_under_any_status(act: str, code: str) -> None:
    """Codes are judged before statuses: what ECS calls its own failure is not a refusal because of a 400."""
    assert error_codes.verdict_of_code(act, code, 400) == "lost"


@pytest.mark.parametrize("status", [200, 302, 408])
def test_a_status_that_is_no_refusal_proves_none(status: int) -> None:
    """Only an answer of the 400s, and not that the request took too long, can prove that nothing was done."""
    assert error_codes.verdict_of_code("ReInitDisk", "Brand.New", status) == "lost"


def test_the_rows_of_a_code_are_what_it_means_to_each_call() -> None:
    """What is explained of a code are its rows for all calls, each once; an unknown code has none."""
    rows = error_codes.rows_of("IncorrectInstanceStatus")
    of_each = {error_codes.lookup(act, "IncorrectInstanceStatus") for act in ACTS} - {None}

    assert set(rows) == of_each
    assert len(rows) == len(set(rows)) > 1
    assert error_codes.rows_of("Brand.New") == ()


@pytest.mark.parametrize("code", ["InvalidTimeStamp.Expired", "IllegalTimestamp"])
def test_a_refused_clock_is_distinguished_from_refused_credentials(code: str) -> None:
    """Both are refused credentials, but only one of them is mended by another clock."""
    assert error_codes.of_credentials(code)
    assert error_codes.of_clock(code)
    assert not error_codes.of_clock("InvalidSecurityToken.Expired")


@given(st.sampled_from(ACTS), st.text(max_size=40), st.integers(100, 599))
def test_no_unknown_code_proves_anything(act: str, code: str, status: int) -> None:
    """Whatever ECS may answer one day, only what has a row is judged."""
    known = error_codes.lookup(act, code) is not None

    assert known or error_codes.verdict_of_code(act, code, status) in ("lost", "unknown")


@pytest.mark.parametrize(
    ("act", "code", "found"),
    [
        ("ReInitDisk", "Throttling.User", "Throttling*"),
        ("", "InvalidSecurityToken.Expired", "InvalidSecurityToken*"),
        ("DescribeDisks", "Forbidden.Unauthorized", "Forbidden*"),
        ("StopInstance", "Forbidden.RiskControl", "Forbidden.RiskControl"),
        ("ReInitDisk", "InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.NotFound"),
        ("StartInstances", "IncorrectInstanceStatus.Initializing", "*.Initializing"),
        ("ResetDisk", "IncorrectDiskStatus.HasUnfinishedSnapshot", "IncorrectDiskStatus.HasUnfinishedSnapshot"),
    ],
)
def test_a_family_is_a_row_of_its_own(act: str, code: str, found: str) -> None:
    """What is named exactly wins over a family, and only a row with a star stands for several codes."""
    row = error_codes.lookup(act, code)

    assert row is not None
    assert row.code == found


@pytest.mark.parametrize(
    ("code", "act", "word", "other"),
    [
        ("OperationDenied", "ResetDisk", "rolled back", "made from"),
        ("IncorrectInstanceStatus", "StartInstance", "not Stopped", "--stop-instance"),
        ("InvalidParameter.KMSKeyId.NotFound", "StartInstance", "key", "does not know"),
        ("InternalError", "StopInstance", "stops the instance", "reinitialised"),
    ],
)
def test_one_code_says_different_things_of_different_calls(code: str, act: str, word: str, other: str) -> None:
    """What is said of a code is said of the call that it answers."""
    text = f"{error_codes.meaning_of(act, code)} {error_codes.fix_of(act, code)}"

    assert word in text
    assert other not in text


@pytest.mark.parametrize(
    ("code", "renewed"),
    [("Forbidden.AccessKeyDisabled", True), ("InvalidSecurityToken.Expired", True), ("Forbidden.RAM", False),
     ("IncorrectInstanceStatus", False)],
)  # fmt: skip
def test_newer_credentials_help_where_these_were_refused(code: str, renewed: bool) -> None:
    """An expired token and a disabled key are renewed; a missing right does not come back by itself."""
    assert error_codes.renews(code) == renewed


@pytest.mark.parametrize(("act", "passes"), [("ReInitDisk", True), ("DescribeDisks", False)])
def test_whether_a_refusal_passes_is_judged_by_its_call(act: str, passes: bool) -> None:
    """A code that passes as the answer to one call need not pass as that to another."""
    assert error_codes.passes(act, "IncorrectDiskStatus", 403) == passes


def test_an_unknown_code_is_called_unknown() -> None:
    """Nothing is made up about a code that is not in the table."""
    assert error_codes.meaning_of("ReInitDisk", "Brand.New") == "This program does not know this code."
    assert error_codes.meaning_of("StopInstance", "DiskCreatingSnapshot") == (
        "ECS does not document this code for this call."
    )
    assert error_codes.fix_of("", "Brand.New") == "Look up Brand.New in the ECS API reference."
