"""The ECS error codes: what each says of the data, whether it may be asked again, and what the person does.

One row per code that the ECS API reference documents for ReInitDisk, in any version of it (2017 to 2025), then the codes
that the other calls of a run and the gateway in front of ECS document. ``docs/errors.md`` is made from it. A code is never
judged by its message, since ECS has changed messages, and never by its status alone, since five codes over two statuses
say "the source is gone".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["again", "refused", "credentials", "lost"]
"""``again``: proven not done, may pass later; ``refused``: proven not done, for good; ``credentials``: nothing more can be
asked with these; ``lost``: whether it was done cannot be told from the answer."""


@dataclass(frozen=True)
class Code:
    """What ECS documents of one error code."""

    code: str
    status: int
    """The documented HTTP status."""
    versions: str
    """The editions of the API reference that document it."""
    meaning: str
    """What it says, in our words; no text of ECS is ever repeated, since such texts can quote the request."""
    fix: str
    """What the person does when it comes anyway."""
    checks: tuple[str, ...] = ()
    """The checks that foresee it."""
    unforeseen: str = ""
    """Why no check can foresee it, or not fully."""


_SOURCE_GONE = "The disk can never be reinitialised again; create a new disk from a snapshot that still exists."
_IMAGE_GONE = (
    "Ask the owner to share the image again, or replace the system disk from another image (ReplaceSystemDisk)."
)
_KMS = "Enable the key, or mend the grant, in the KMS console; then look again with --dry-run."

REINIT_DISK: tuple[Code, ...] = (
    Code("MissingParameter", 400, "2017", "The request named no disk.",
         "Please report this: the command line refuses an empty disk id.",
         unforeseen="the command line never sends a request without a disk id"),
    Code("InvalidDiskId.NotFound", 404, "all", "ECS knows no such disk in this region.",
         "Check the id and --region; replacing a system disk gives it a new id.",
         ("disk-not-found",)),
    Code("IncorrectDiskStatus", 403, "all", "The disk was not In_use at that moment, or its account is in arrears.",
         "See what else is using the disk, then look again with --dry-run.",
         ("disk-not-in-use",),
         unforeseen="the status can change between the last look and the call"),
    Code("IncorrectDiskStatus.NeverUsed", 403, "2017", "The disk has never been used since it was created.",
         "Nothing needs doing: its content is still the initial one.",
         ("never-started",),
         unforeseen="no field of ECS shows whether a disk was used; only the instance's StartTime hints at it"),
    Code("IncorrectInstanceStatus", 403, "all", "The instance was not Stopped, or was never started.",
         "Stop it with --stop-instance, or start it once, then look again with --dry-run.",
         ("instance-running", "instance-in-transition", "never-started"),
         unforeseen="the status can change between the last look and the call"),
    Code("InstanceLockedForSecurity", 403, "all", "The instance or the disk is locked for security.",
         "Clear the lock in the Security Center, then look again with --dry-run.",
         ("instance-locked", "disk-locked")),
    Code("InstanceExpiredOrInArrears", 403, "all", "The instance is expired or its account is in arrears.",
         "Renew the instance or settle the bill.",
         ("instance-expired", "disk-expired", "instance-locked", "disk-locked"),
         unforeseen="the balance of the account is not shown by ECS"),
    Code("InvalidSnapshot.TooOld", 403, "all", "The source snapshot is of 2013-07-15 or before and the disk was detached.",
         _SOURCE_GONE,
         ("source-snapshot-too-old",)),
    Code("InvalidSourceSnapshot", 403, "all", "The snapshot the disk was made from is deleted.",
         _SOURCE_GONE,
         ("source-snapshot-deleted",)),
    Code("OperationDenied", 403, "2018 to 2025", "The snapshot the disk was made from is deleted.",
         _SOURCE_GONE,
         ("source-snapshot-deleted",)),
    Code("DiskCreatingSnapshot", 403, "all", "A snapshot of the disk is being created.",
         "Wait until the snapshot is accomplished; the tool waits up to --timeout-snapshot.",
         ("snapshot-in-progress", "auto-snapshot-due"),
         unforeseen="an automatic snapshot can begin between the last look and the call"),
    Code("DiskCategory.OperationNotSupported", 400, "2018 to 2025", "Disks of this category cannot be reinitialised.",
         "Wipe it from inside the operating system instead.",
         ("category-unsupported", "category-unknown")),
    Code("SharedImageDeleted", 403, "2018 to 2025", "The shared image the disk was made from is deleted or not shared.",
         _IMAGE_GONE,
         ("source-image-deleted",)),
    Code("InvalidImageId.NotFound", 404, "2019 to 2025", "The image the disk was made from does not exist.",
         _IMAGE_GONE,
         ("source-image-deleted",)),
    Code("InvalidDiskId.OperationNotSupported", 404, "2019 to 2025", "The image the disk was made from does not exist.",
         _IMAGE_GONE,
         ("source-image-deleted",)),
    Code("InvalidPassword.Malformed", 400, "2019 to 2025", "The password does not follow the documented rule.",
         "Choose one of 8 to 30 characters with three of: upper case, lower case, digit, special.",
         ("password-malformed",)),
    Code("InvalidKeyPairName.NotFound", 400, "2019 to 2025", "ECS knows no such key pair in this region.",
         "Check --key-pair and --region.",
         ("key-pair-not-found",)),
    Code("DependencyViolation.WindowsInstance", 403, "2025", "A Windows instance cannot be logged in to by key pair.",
         "Use --password-env or --password-stdin instead of --key-pair.",
         ("key-pair-on-windows",)),
    Code("DependencyViolation.IoOptimize", 400, "2019 to 2025", "Image and instance do not agree on I/O optimisation.",
         "Replace the system disk from an image that supports the instance (ReplaceSystemDisk).",
         ("image-not-io-optimized",),
         unforeseen="only the two flags that ECS shows can be compared"),
    Code("LoginAsNonRoot.ImageNotSupport", 400, "2025", "The image does not support login as non-root.",
         "Use another image.",
         ("image-cannot-take-login",),
         unforeseen="what leads to it is not documented; an instance made for it and an image without it are a guess"),
    Code("LoginAsNonRoot.RegionNotSupport", 403, "2025", "The region does not support login as non-root.",
         "Use another region.",
         unforeseen="no call tells which regions support it"),
    Code("DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported", 400, "2025", "The disk has a snapshot with (legacy) instant access.",
         "Disable instant access on the snapshots of the disk (ModifySnapshotAttribute), then look again with --dry-run.",
         ("instant-access-snapshot", "local-snapshot"),
         unforeseen="legacy and new instant access look alike"),
    Code("InvalidRegionId.MalFormed", 400, "2019 to 2025", "ECS knows no such region.",
         "Check --region.",
         unforeseen="an unknown region has no endpoint, so the first look ends the run"),
    Code("UserNotInTheWhiteList", 403, "2019 to 2025", "The account is not admitted to this kind of block storage.",
         "Ask Alibaba Cloud support.",
         unforeseen="no call shows the list"),
    Code("InvalidOperation.MultiAttachDisk", 403, "2021 to 2025", "A multi-attach disk cannot be reinitialised.",
         "Wipe it from inside the operating system instead.",
         ("disk-multi-attached",)),
    Code("InvalidParameter.KMSKeyId.CMKNotEnabled", 403, "2021 to 2025", "The disk's encryption key is not enabled.",
         _KMS,
         ("encryption-key-unusable",),
         unforeseen="KMS shows the state of a key only to credentials with kms:DescribeKey"),
    Code("InvalidParameter.KMSKeyId.KMSUnauthorized", 403, "2020 to 2025", "ECS has no right to use the account's KMS.",
         _KMS,
         unforeseen="ECS does not show its own rights to KMS"),
    Code("InvalidParameter.KMSKeyId.CMKUnauthorized", 403, "2025", "The disk's encryption key lacks its ECS tag.",
         _KMS,
         unforeseen="the tags of a key are not looked at"),
    Code("HibernationConfigured.InstanceOperationForbidden", 403, "2025", "The instance is configured for hibernation.",
         "It cannot be reinitialised in this state; see the ECS documentation on hibernation.",
         ("instance-hibernated",)),
    Code("InternalError", 500, "2020 to 2025", "ECS failed inside; whether it acted is unknown.",
         "The tool looks for ReIniting; if it sees none, ask ActionTrail before anything else.",
         unforeseen="it is a failure, not a rule"),
)  # fmt: skip

_CLOCK = "Set the clock of this machine (NTP): ECS accepts signatures of the last 15 minutes only."
_KEY = "Check the credentials (environment, aliyun CLI profile or RAM role) and try again."
_RIGHTS = "Grant the right to these credentials (README: the RAM policy), then try again."
_SNAPSHOT = "Wait until that one is accomplished; the tool waits up to --timeout-snapshot."
_STOCK = "Wait, or move the instance; the tool asks again until --timeout-start."

COMMON: tuple[Code, ...] = (
    Code("Throttling", 400, "common", "Too many calls of this API by the account in this region.", "Wait a minute; the tool waits by itself."),
    Code("InvalidAccessKeyId.NotFound", 404, "common", "ECS knows no such AccessKey.", _KEY),
    Code("InvalidAccessKeyId.Inactive", 400, "common", "The AccessKey is disabled.", _KEY),
    Code("InvalidAccessKeyId", 400, "common", "The AccessKey is refused.", _KEY),
    Code("InvalidAccessKeySecret", 400, "common", "The AccessKey secret is wrong.", _KEY),
    Code("InvalidSecurityToken", 400, "common", "The security token is refused or expired.", "Get fresh temporary credentials and try again."),
    Code("SignatureDoesNotMatch", 400, "common", "The AccessKey secret is wrong.", _KEY),
    Code("IncompleteSignature", 400, "common", "The signature is incomplete.", _KEY),
    Code("SignatureNonceUsed", 400, "common", "The request was repeated on its way.", "Try again; look at the proxy if it persists."),
    Code("InvalidTimeStamp.Expired", 400, "common", "The clock of this machine is off.", _CLOCK),
    Code("InvalidTimeStamp", 400, "common", "The clock of this machine is off.", _CLOCK),
    Code("IllegalTimestamp", 400, "common", "The clock of this machine is off.", _CLOCK),
    Code("Forbidden.AccessKeyDisabled", 403, "common", "The AccessKey is disabled.", _KEY),
    Code("Forbidden.RiskControl", 403, "common", "Alibaba Cloud's risk control denied the call.", "Ask Alibaba Cloud support."),
    Code("Forbidden", 403, "common", "The credentials lack the right to this call.", _RIGHTS),
    Code("NoPermission", 403, "common", "The credentials lack the right to this call.", _RIGHTS),
    Code("InvalidInstanceId.NotFound", 404, "common", "ECS knows no such instance in this region.", "Check the id and --region."),
    Code("InvalidRegionId", 404, "common", "ECS knows no such region.", "Check --region."),
    Code("InvalidRegion", 404, "common", "ECS knows no such region.", "Check --region."),
    Code("OperationDenied.NoStock", 403, "StartInstance", "The zone has no stock for the instance type.", _STOCK),
    Code("LackResource", 400, "StartInstance", "There is no capacity for the instance.", _STOCK),
    Code("InvalidDedicatedHost.NotEnoughResource", 400, "StartInstance", "The dedicated host has no room.", _STOCK),
    Code("Invalid.PrivatePoolOptions.NoStock", 400, "StartInstance", "The capacity reservation is used up.", _STOCK),
    Code("InstanceNotReady", 403, "StartInstance", "The instance is not ready.", "The tool asks again until --timeout-start."),
    Code("InsufficientBalance", 403, "StartInstance", "The balance of the account is not enough.", "Settle the bill, then start it."),
    Code("InstanceExpired", 403, "StartInstance", "The instance is expired.", "Renew it, then start it."),
    Code("IncorrectDiskStatus.CreatingSnapshot", 403, "CreateSnapshot", "A snapshot of the disk is being created already.", _SNAPSHOT),
    Code("IncorrectDiskStatus.TooManyCreatingSnapshots", 403, "CreateSnapshot", "Too many snapshots are being created.", _SNAPSHOT),
    Code("QuotaExceed.ConcurrentSnapshotQuota", 403, "CreateSnapshot", "Too many snapshots are being created.", _SNAPSHOT),
    Code("DISK_HAS_CREATING_SNAPSHOT", 403, "CreateSnapshot", "A snapshot of the disk is being created already.", _SNAPSHOT),
    Code("IdempotentProcessing", 403, "CreateSnapshot", "The same request is being worked at.", _SNAPSHOT),
    Code("IdempotentParameterMismatch", 403, "CreateSnapshot", "The token was used for another request.", "Please report this: a run asks with one token for one snapshot."),
    Code("IncorrectDiskStatus.NeverAttached", 403, "CreateSnapshot", "The disk was never attached.", "Nothing needs doing: its content is still the initial one."),
    Code("QuotaExceed.Snapshot", 403, "CreateSnapshot", "The disk has as many snapshots as it may have.", "Delete snapshots of the disk that nobody needs, then look again with --dry-run."),
    Code("QuotaExceed.SnapshotQuota", 403, "CreateSnapshot", "The disk has as many snapshots as it may have.", "Delete snapshots of the disk that nobody needs, then look again with --dry-run."),
    Code("CreateSnapshot.Failed", 400, "CreateSnapshot", "ECS could not create the snapshot.", "Try again; ask Alibaba Cloud support if it persists."),
    Code("DiskInArrears", 403, "CreateSnapshot, StartInstance", "The disk is expired or its account is in arrears.", "Renew the disk or settle the bill."),
    Code("InvalidAccountStatus.NotEnoughBalance", 403, "CreateSnapshot", "The balance of the account is not enough.", "Settle the bill."),
    Code("InvalidAccountStatus.SnapshotServiceUnavailable", 403, "CreateSnapshot", "The snapshot service is not activated.", "Activate it in the ECS console."),
    Code("OperationConflict", 409, "common", "Another operation on the resource is under way.", "Wait until it has ended."),
    Code("InvalidOperation.Conflict", 409, "common", "Another operation on the resource is under way.", "Wait until it has ended."),
    Code("ServiceUnavailable", 503, "common", "ECS was not available.", "Try again in a few minutes."),
    Code("LimitedOperation.ServiceUnavailable", 503, "common", "ECS was not available.", "Try again in a few minutes."),
)  # fmt: skip

_BY_CODE = {row.code: row for row in (*COMMON, *REINIT_DISK)}

PROVEN = "DryRunOperation"
"""What a permitted DryRun answers (ECS API reference: DryRun)."""
_NO_RIGHT = ("Forbidden", "NoPermission")
_CREDENTIALS = (
    *_NO_RIGHT, "InvalidSecurityToken", "InvalidAccessKeyId", "InvalidAccessKeySecret",
    "SignatureDoesNotMatch", "IncompleteSignature", "InvalidTimeStamp", "IllegalTimestamp",
)  # fmt: skip
_PROVES_NOTHING = ("InternalError", "ServiceUnavailable", "LimitedOperation", "UnknownError", "SignatureNonceUsed")
"""What ECS calls its own failure, and the answer to a request that had arrived once before, whatever their status."""
_CONFLICT = ("OperationConflict", "InvalidOperation.Conflict")
_BUSY = ("IncorrectInstanceStatus", *_CONFLICT)
OF_ANOTHER_SNAPSHOT = frozenset(
    {
        "IncorrectDiskStatus.CreatingSnapshot",
        "IncorrectDiskStatus.TooManyCreatingSnapshots",
        "QuotaExceed.ConcurrentSnapshotQuota",
        "DISK_HAS_CREATING_SNAPSHOT",
        "IdempotentProcessing",
    }
)
"""What CreateSnapshot answers while a snapshot is being created, another one or this very one."""
_OVERWRITING = frozenset({"DiskCreatingSnapshot", "IncorrectDiskStatus", "IncorrectInstanceStatus"})
_AGAIN: dict[str, frozenset[str]] = {
    "ReInitDisk": _OVERWRITING,
    "ResetDisk": _OVERWRITING,
    "CreateSnapshot": OF_ANOTHER_SNAPSHOT.union(_BUSY),
    "TagResources": frozenset(_CONFLICT),
    "UntagResources": frozenset(_CONFLICT),
    "StopInstance": frozenset(_BUSY),
    "StartInstance": frozenset(
        {
            *_BUSY,
            "OperationDenied.NoStock",
            "LackResource",
            "InvalidDedicatedHost.NotEnoughResource",
            "Invalid.PrivatePoolOptions.NoStock",
            "InstanceNotReady",
        }
    ),
}


def lookup(code: str) -> Code | None:
    """Find the row of a code: the exact one, else the longest documented code it extends (``Throttling.User``)."""
    name = code
    while name:
        if name in _BY_CODE:
            return _BY_CODE[name]
        name = name.rpartition(".")[0]
    return None


def meaning_of(code: str) -> str:
    """Say what a code means, in our words: no text of ECS is ever repeated, since such texts can quote the request."""
    row = lookup(code)
    return row.meaning if row else "a code that the documentation does not know."


def fix_of(code: str) -> str:
    """Say what the person does about a code."""
    row = lookup(code)
    return row.fix if row else "Look the code up in the ECS API reference."


def of_credentials(code: str) -> bool:
    """Tell whether the code says that the credentials, their rights or the clock they are signed by are refused."""
    return code.startswith(_CREDENTIALS)


def lacks_right(code: str) -> bool:
    """Tell whether the code says that the credentials have no right to this call; others they may have."""
    return code.startswith(_NO_RIGHT)


def renews(code: str) -> bool:
    """Tell whether newer credentials, or the clock a moment later, may be accepted where these were refused."""
    return code == "Forbidden.AccessKeyDisabled" or (of_credentials(code) and not lacks_right(code))


def of_clock(code: str) -> bool:
    """Tell whether the code says that the clock is refused by which the request was signed."""
    return code.startswith(("InvalidTimeStamp", "IllegalTimestamp"))


def throttled(code: str) -> bool:
    """Tell whether the code says that the account called too often; by code, since the status is 400, 403 or other."""
    return code.startswith("Throttling")


def verdict(action: str, code: str, http_status: int) -> Verdict:
    """Tell what an error answer to a changing call means for it.

    Only an answer of the 400s can prove that nothing was done, and not every one of those. Of what is proven, only codes
    of the table may be asked again.
    """
    if http_status >= 500 or code.startswith(_PROVES_NOTHING):
        return "lost"
    if throttled(code):  # told by its code: its status is 400, 403 or another
        return "again"
    if http_status < 400 or http_status == 408:
        return "lost"
    if code in _AGAIN.get(action, ()):
        return "again"
    return "credentials" if of_credentials(code) else "refused"
