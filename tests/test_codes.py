"""The verdict table: what each error answer means for the call that got it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safe_reinit import codes

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
    "InternalError": 500,
}
SNAPSHOT_AGAIN = {
    "IncorrectInstanceStatus", "Throttling", "IncorrectDiskStatus.CreatingSnapshot", "IdempotentProcessing",
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


def test_the_table_has_every_documented_code_with_its_status() -> None:
    """Each code that ECS documents for ReInitDisk has one row with the documented status."""
    assert {row.code: row.status for row in codes.REINIT_DISK} == REINIT


@pytest.mark.parametrize("code", REINIT)
def test_each_documented_refusal_of_a_wipe_has_its_verdict(code: str) -> None:
    """Only the three transitional refusals are asked again; a 500 proves nothing; all else is refused for good."""
    expected = "lost" if REINIT[code] >= 500 else "again" if code in AGAIN else "refused"

    assert codes.verdict("ReInitDisk", code, REINIT[code]) == expected


@pytest.mark.parametrize("code", SNAPSHOT)
def test_each_documented_refusal_of_a_snapshot_has_its_verdict(code: str) -> None:
    """Only what says that another snapshot, or the moment, is in the way is asked again; a 500 proves nothing."""
    expected = "lost" if SNAPSHOT[code] >= 500 else "again" if code in SNAPSHOT_AGAIN else "refused"

    assert codes.verdict("CreateSnapshot", code, SNAPSHOT[code]) == expected


@pytest.mark.parametrize("code", REINIT)
def test_a_roll_back_is_asked_again_like_a_wipe(code: str) -> None:
    """Of ResetDisk no list of codes is at hand: it is asked again by what is asked again of ReInitDisk, no more."""
    assert codes.verdict("ResetDisk", code, REINIT[code]) == codes.verdict("ReInitDisk", code, REINIT[code])


@pytest.mark.parametrize("act", ["TagResources", "UntagResources"])
@pytest.mark.parametrize("code", [*REINIT, *SNAPSHOT, *NO_STOCK, "InvalidResourceId.NotFound", "OperationConflict"])
def test_a_tag_is_asked_again_only_for_a_conflict_or_throttling(code: str, act: str) -> None:
    """No state of a disk or an instance passes for a tag: such a code is a refusal."""
    status = REINIT.get(code, SNAPSHOT.get(code, 403))
    expected = "lost" if status >= 500 else "again" if code in ("Throttling", "OperationConflict") else "refused"

    assert codes.verdict(act, code, status) == expected


@pytest.mark.parametrize("code", sorted(SNAPSHOT_AGAIN - {"Throttling", "IncorrectInstanceStatus"}))
def test_what_says_that_a_snapshot_is_under_way_says_it_of_createsnapshot_alone(code: str) -> None:
    """A wipe is never asked again by a code of CreateSnapshot, and the person is told what it means."""
    row = codes.lookup(code)

    assert code in codes.OF_ANOTHER_SNAPSHOT
    assert codes.verdict("ReInitDisk", code, 403) == codes.verdict("ResetDisk", code, 403) == "refused"
    assert row is not None
    assert row.code == code


@pytest.mark.parametrize("code", REINIT)
def test_each_documented_code_tells_the_person_something(code: str) -> None:
    """Every row says what the code means, what to do, and what foresees it or why nothing can."""
    row = codes.lookup(code)

    assert row is not None
    assert row.meaning.endswith(".")
    assert row.fix
    assert row.checks or row.unforeseen


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("code", ["Throttling", "DiskCreatingSnapshot", "Forbidden.RAM", "Brand.New", "InternalError"])
@pytest.mark.parametrize("act", ACTS)
def test_a_5xx_proves_nothing_whatever_its_code(act: str, code: str, status: int) -> None:
    """An answer of the 500s is a lost answer, also where its code could be asked again elsewhere."""
    assert codes.verdict(act, code, status) == "lost"


@pytest.mark.parametrize("status", [302, 400, 403, 409, 429])
@pytest.mark.parametrize("code", ["Throttling", "Throttling.User", "Throttling.Api"])
@pytest.mark.parametrize("act", ACTS)
def test_throttling_is_told_by_its_code_and_not_by_its_status(act: str, code: str, status: int) -> None:
    """ECS documents Throttling under several statuses, and each of them was not done."""
    assert codes.verdict(act, code, status) == "again"


@pytest.mark.parametrize("act", ACTS)
def test_a_429_without_the_code_is_not_taken_for_throttling(act: str) -> None:
    """A status alone says nothing: a code outside the table is never asked again."""
    assert codes.verdict(act, "Brand.New", 429) != "again"


@pytest.mark.parametrize("code", SOURCE_GONE)
def test_a_source_that_is_gone_is_gone_under_all_its_codes(code: str) -> None:
    """The five codes over two statuses that say the source is gone are never asked again."""
    assert codes.verdict("ReInitDisk", code, REINIT[code]) == "refused"


@pytest.mark.parametrize("code", CREDENTIALS)
@pytest.mark.parametrize("act", ACTS)
def test_refused_credentials_are_never_asked_again(act: str, code: str) -> None:
    """A missing right, a dead key, an expired token and a wrong clock do not mend themselves during a run."""
    assert codes.verdict(act, code, 403) == "credentials"
    assert codes.of_credentials(code)


def test_a_missing_right_is_told_from_other_refused_credentials() -> None:
    """Only Forbidden and NoPermission say that this call, and not every call, is closed to these credentials."""
    lacking = {code for code in CREDENTIALS if codes.lacks_right(code)}

    assert lacking == {code for code in CREDENTIALS if code.startswith(("Forbidden", "NoPermission"))} != set()


@pytest.mark.parametrize("code", NO_STOCK)
def test_a_start_without_stock_is_asked_again_and_nothing_else_is(code: str) -> None:
    """Stock comes back, so StartInstance asks again; the same code to another call is no reason to repeat it."""
    assert codes.verdict("StartInstance", code, 403) == "again"
    assert codes.verdict("ReInitDisk", code, 403) == "refused"
    assert codes.verdict("StopInstance", code, 403) == "refused"


@pytest.mark.parametrize("code", ["IncorrectInstanceStatus", "OperationConflict", "InvalidOperation.Conflict"])
def test_a_busy_instance_is_asked_again_to_stop_and_to_start(code: str) -> None:
    """Another operation under way passes by itself."""
    assert codes.verdict("StopInstance", code, 409) == codes.verdict("StartInstance", code, 409) == "again"


@pytest.mark.parametrize("code", ["IncorrectDiskStatus.NeverUsed", "DiskCreatingSnapshot.Other", "OperationConflict"])
def test_a_code_that_merely_resembles_a_retryable_one_is_not_asked_again(code: str) -> None:
    """The table is held to exactly: a longer code is another code."""
    assert codes.verdict("ReInitDisk", code, 403) == "refused"


@pytest.mark.parametrize("act", ACTS)
def test_a_repeated_nonce_is_no_refusal(act: str) -> None:
    """SignatureNonceUsed says that this very request had arrived before, so what became of that is not known."""
    assert codes.verdict(act, "SignatureNonceUsed", 400) == "lost"


@pytest.mark.parametrize("code", ["InternalError", "ServiceUnavailable", "LimitedOperation.ServiceUnavailable"])
def test_a_failure_inside_ecs_proves_nothing_under_any_status(code: str) -> None:
    """Codes are judged before statuses: what ECS calls its own failure is not a refusal because of a 400."""
    assert codes.verdict("ReInitDisk", code, 400) == "lost"


@pytest.mark.parametrize("status", [200, 302, 408])
def test_a_status_that_is_no_refusal_proves_none(status: int) -> None:
    """Only an answer of the 400s, and not that the request took too long, can prove that nothing was done."""
    assert codes.verdict("ReInitDisk", "Brand.New", status) == "lost"


@pytest.mark.parametrize("code", ["Brand.New", "IncorrectInstanceStatus", "DiskCreatingSnapshot"])
def test_of_a_call_that_the_table_does_not_know_nothing_is_asked_again(code: str) -> None:
    """What passes for one call says nothing of another."""
    assert codes.verdict("RebootInstance", code, 403) == "refused"


@given(st.sampled_from(ACTS), st.text(max_size=40), st.integers(100, 599))
def test_no_unknown_code_is_ever_asked_again(act: str, code: str, status: int) -> None:
    """Whatever ECS may answer one day, only what the table names or calls Throttling is repeated."""
    known = code.startswith("Throttling") or codes.lookup(code) is not None

    assert known or codes.verdict(act, code, status) != "again"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("Throttling.User", "Throttling"),
        ("InvalidSecurityToken.Expired", "InvalidSecurityToken"),
        ("Forbidden.Unauthorized", "Forbidden"),
        ("IncorrectDiskStatus.Other", "IncorrectDiskStatus"),
        ("Brand.New", None),
        ("", None),
    ],
)
def test_a_code_is_looked_up_by_the_longest_name_that_is_documented(code: str, found: str | None) -> None:
    """A code with more parts than the documented one gets that one's row, and an unknown one gets none."""
    row = codes.lookup(code)

    assert (row.code if row else None) == found


@pytest.mark.parametrize(
    ("code", "row"),
    [
        ("Throttling.User", "Throttling"),
        ("OperationDenied", "OperationDenied"),
        ("OperationDenied.X", "OperationDenied"),
    ],
)
def test_what_is_said_of_a_code_is_what_its_row_says(code: str, row: str) -> None:
    """Meaning and fix come from the row of the code, or of the one that it extends."""
    known = codes.lookup(row)

    assert known is not None
    assert (codes.meaning_of(code), codes.fix_of(code)) == (known.meaning, known.fix)


def test_of_a_code_that_nobody_documents_it_is_said_that_nobody_does() -> None:
    """A person is told where to look it up, and nothing is made up."""
    assert codes.meaning_of("Brand.New") == "a code that the documentation does not know."
    assert codes.fix_of("Brand.New") == "Look the code up in the ECS API reference."
