"""The answers of CreateSnapshot and of the calls for tags."""

from __future__ import annotations

from .row import ACCOUNT, CHECK_AGAIN, KMS, REPORT, SNAP, TAGGING, WAIT_SNAPSHOT, Code

_NO_QUOTA = f"Delete snapshots of the disk that nobody needs, {CHECK_AGAIN}"

CREATE_SNAPSHOT: tuple[Code, ...] = (
    Code(SNAP, "IncorrectInstanceStatus", 400, "2025", "again", "The instance was neither Running nor Stopped at that moment.", "Wait. A run asks again for at most 5 minutes."),
    Code(SNAP, "IncorrectDiskStatus.CreatingSnapshot", 403, "2025", "again", "A snapshot of the disk is being created already.", WAIT_SNAPSHOT, of_snapshot=True),
    Code(SNAP, "IncorrectDiskStatus.TooManyCreatingSnapshots", 403, "2025", "again", "Too many snapshots are being created.", WAIT_SNAPSHOT, of_snapshot=True),
    Code(SNAP, "QuotaExceed.ConcurrentSnapshotQuota", 403, "2025", "again", "Too many snapshots are being created.", WAIT_SNAPSHOT, of_snapshot=True),
    Code(SNAP, "DISK_HAS_CREATING_SNAPSHOT", 403, "2025", "again", "A snapshot of the disk is being created already.", WAIT_SNAPSHOT, of_snapshot=True),
    Code(SNAP, "IdempotentProcessing", 403, "2025", "again", "ECS is still working on the first request for this snapshot.", "Wait. A run asks again with the same token.", of_snapshot=True),
    Code(SNAP, "LastTokenProcessing", 403, "common errors", "again", "ECS is still working on the first request for this snapshot.", "Wait. A run asks again with the same token.", of_snapshot=True),
    Code(SNAP, "IdempotentParameterMismatch", 403, "2025", "refused", "The token was used for another request.", "Please report this: a run uses each token for one snapshot only."),
    Code(SNAP, "IncorrectDiskStatus", 403, "2025", "refused", "No snapshot can be taken of the disk in its current state.", f"Check the disk in the ECS console, {CHECK_AGAIN}"),
    Code(SNAP, "IncorrectDiskStatus.NeverAttached", 403, "2025", "refused", "The disk was never attached.", "You need not do anything: the disk still has its initial content."),
    Code(SNAP, "IncorrectDiskStatus.NeverUsed", 403, "2025", "refused", "The disk has never been used since it was created.", "You need not do anything: the disk still has its initial content."),
    Code(SNAP, "IncorrectDiskStatus.Invalid", 403, "2025", "refused", "No snapshot can be taken of the disk in its current state.", f"Check the disk in the ECS console, {CHECK_AGAIN}"),
    Code(SNAP, "IncorrectDiskStatus.Transferring", 403, "2025", "refused", "The disk is being moved, and no snapshot can be taken until that has ended.", f"Wait until the move has ended, {CHECK_AGAIN}"),
    Code(SNAP, "QuotaExceed.Snapshot", 403, "2025", "refused", "The disk has reached its snapshot limit.", _NO_QUOTA),
    Code(SNAP, "QuotaExceed.SnapshotQuota", 403, "2025", "refused", "The disk has reached its snapshot limit.", _NO_QUOTA),
    Code(SNAP, "CreateSnapshot.Failed", 400, "2025", "refused", "ECS could not create the snapshot.", "Try again; ask Alibaba Cloud support if it persists."),
    Code(SNAP, "DiskInArrears", 403, "2025", "refused", "The disk is expired or its account is in arrears, so no snapshot can be taken.", f"Renew the disk or settle the bill, {CHECK_AGAIN}"),
    Code(SNAP, "InvalidAccountStatus.NotEnoughBalance", 403, "2025", "refused", "The balance of the account is too low for a snapshot.", f"{ACCOUNT}, {CHECK_AGAIN}"),
    Code(SNAP, "InvalidAccountStatus.SnapshotServiceUnavailable", 403, "2025", "refused", "The snapshot service is not activated.", f"Activate it in the ECS console, {CHECK_AGAIN}"),
    Code(SNAP, "DiskId.ValueNotSupported", 403, "2025", "refused", "No snapshot can be taken of this disk.", "Back the disk up in another way, and wipe it without --snapshot."),
    Code(SNAP, "DiskCategory.OperationNotSupported", 400, "2025", "refused", "Disks of this category cannot have snapshots.", "Back the disk up in another way, and wipe it without --snapshot."),
    Code(SNAP, "InvalidSnapshotName.Malformed", 400, "2025", "refused", "ECS does not accept the name of the snapshot.", REPORT),
    Code(SNAP, "InvalidDescription.Malformed", 404, "2025", "refused", "ECS does not accept the description of the snapshot.", REPORT),
    Code(SNAP, "InvalidClientToken.Malformed", 403, "2025", "refused", "ECS does not accept the token of the request.", REPORT),
    Code(SNAP, "HibernationConfigured.InstanceOperationForbidden", 403, "2025", "refused", "The instance is configured for hibernation, and no snapshot can be taken.", "Back the disk up in another way, and wipe it without --snapshot."),
    Code(SNAP, "InstanceLockedForSecurity", 403, "2025", "refused", "The instance or the disk is locked for security, so no snapshot can be taken.", f"Clear the lock in the Security Center, {CHECK_AGAIN}"),
    Code(SNAP, "InvalidParameter.KMSKeyId.*", 403, "2025", "refused", "The disk's encryption key cannot be used, so no snapshot can be taken.", KMS),
    Code(SNAP, "KMSKeyId.*", 403, "2025", "refused", "The disk's encryption key cannot be used, so no snapshot can be taken.", KMS),
    Code(SNAP, "InvalidDiskId.NotFound", 404, "2025", "refused", "ECS finds no such disk in this region.", "Check the id and --region; replacing a system disk gives it a new id."),
    Code(SNAP, "InvalidInstanceId.NotFound", 404, "2025", "refused", "ECS finds no such instance in this region.", "Check in the ECS console whether the instance was released."),
    Code(SNAP, "InternalError", 500, "2025", "lost", "ECS had an internal error and did not say whether it takes the snapshot.", "The tool tries again with the same token."),
)  # fmt: skip
"""What is documented for CreateSnapshot."""

TAGS: tuple[Code, ...] = (
    Code(TAGGING, "InvalidResourceId.NotFound", 404, "2025", "refused", "ECS does not know the instance that the tag is for.", "Check in the ECS console whether the instance was released."),
    Code(TAGGING, "InvalidResourceType.NotFound", 404, "2025", "refused", "ECS does not accept tags for this kind of resource.", REPORT),
    Code(("TagResources",), "OperationDenied.QuotaExceed", 400, "2025", "refused", "The instance has reached its tag limit.", "Remove a tag that nobody needs, or run without lock_tag."),
    Code(("TagResources",), "InvalidTagKey.Malformed", 400, "2025", "refused", "ECS does not accept the key of the tag.", REPORT),
    Code(("TagResources",), "InvalidTagValue.Malformed", 400, "2025", "refused", "ECS does not accept the value of the tag.", REPORT),
    Code(("TagResources",), "Duplicate.TagKey", 400, "2025", "refused", "The request contains the same tag key twice.", REPORT),
    Code(TAGGING, "NumberExceed.*", 400, "2025", "refused", "The request names too many tags or instances.", REPORT),
    Code(TAGGING, "MissingParameter.*", 404, "2025", "refused", "The request lacks a required parameter.", REPORT),
    Code(TAGGING, "InvalidRegionId.NotFound", 404, "2025", "refused", "ECS finds no such region.", "Check --region."),
    Code(TAGGING, "InternalError", 500, "2025", "lost", "ECS had an internal error and did not say whether it changed the tag.", "The tool tries again: setting or removing a tag twice has the same effect as once."),
)  # fmt: skip
"""What is documented for TagResources and UntagResources."""
