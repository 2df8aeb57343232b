"""Every refusal the simulated ECS can give: code, HTTP status and message.

Codes, statuses and messages are those of the ECS API reference (ReInitDisk, StopInstance, StartInstance,
CreateSnapshot, Describe*, "Common error codes"). Where the reference documents a code without its status or its text,
the line says `choice`.
"""

from __future__ import annotations

from collections.abc import Mapping

_LOCKED = (
    "The specified operation is denied as your prepay instance is expired (prepay mode) or in arrears (afterpay mode)."
)
_STATE = "The current status of the resource does not support this operation."
_KMS = "ECS service have no right to access your KMS."
_FLOW = "Request was denied due to user flow control."
_IDS = "The specified parameter is not valid: at most 100 ids, as a JSON array of strings."

CATALOGUE: dict[str, tuple[int, str]] = {
    # Signatures, keys and the gateway.
    "IncompleteSignature": (400, "The request signature does not conform to Aliyun standards."),
    "InvalidAccessKeyId.Inactive": (400, "Specified access key is disabled."),  # text: choice
    "InvalidAccessKeyId.NotFound": (404, "Specified access key is not found."),
    "InvalidAction.NotFound": (404, "Specified api is not found, please check your url and method."),
    "InvalidSecurityToken.Expired": (403, "Specified SecurityToken is expired."),  # status: choice
    "InvalidSecurityToken.MismatchWithAccessKey": (  # status: choice
        400,
        "Specified SecurityToken mismatch with the AccessKey.",
    ),
    "InvalidSignatureMethod": (400, "Specified signature method is not valid."),
    "InvalidTimeStamp.Expired": (400, "Specified time stamp or date value is expired."),
    "InvalidTimeStamp.Format": (400, "Specified time stamp or date value is not well formatted."),
    "InvalidVersion": (400, "Specified parameter Version is not valid."),
    "SignatureDoesNotMatch": (400, "Specified signature is not matched with our calculation."),
    "SignatureNonceUsed": (400, "Specified signature nonce was used already."),
    "Throttling": (400, _FLOW),
    "Throttling.User": (400, _FLOW),
    # Parameters and rights.
    "MissingParameter": (400, "A mandatory input parameter is not supplied."),
    "MissingParamter.RegionId": (400, 'The input parameter "RegionId" that is mandatory is not supplied.'),
    "InvalidParameter": (400, "The specified parameter is not valid."),
    "Forbidden.RAM": (
        403,
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
    ),
    "DryRunOperation": (400, "Request validation has been passed with DryRun flag set."),  # status: choice
    "DRYRUN.SUCCESS": (400, "The dry run request succeeded."),  # text: choice
    # Describe calls.
    "InvalidRegion.NotFound": (400, "The specified region does not exist."),
    "InvalidRegionId.NotFound": (404, "The specified RegionId does not exist."),
    "InvalidParameter.DiskIds": (400, _IDS),
    "InvalidDiskIds.Malformed": (403, _IDS),
    "InvalidSnapshotIds.Malformed": (403, _IDS),
    "InvalidInstanceIds.Malformed": (403, _IDS),  # choice: DescribeInstances documents no code for it
    "InvalidParameter.TooManyInstanceIds": (403, "The number of instance ids exceeds the limit of 100."),
    "InvalidDiskType.ValueNotSupported": (400, "The specified DiskType is not supported."),
    "InvalidStatus.ValueNotSupported": (400, "The specified Status is not supported."),
    "InvalidStatus.NotFound": (404, "The specified Status does not exist."),
    "InvalidLockReason.NotFound": (404, "The specified LockReason does not exist."),
    "InvalidSnapshotType.NotFound": (404, "The specified SnapshotType does not exist."),
    "InvalidSnapshotCategory.Malformed": (403, "The specified Category is not valid."),
    "InvalidImageOwnerAlias.ValueNotSupported": (400, "The specified ImageOwnerAlias is not supported."),
    "InvalidImageOwnerAlias.PublicImageUnsupported": (400, "A community image needs the ImageOwnerAlias others."),
    # Things that are not there.
    "InvalidDiskId.NotFound": (404, "The specified disk does not exist."),
    "InvalidInstanceId.NotFound": (404, "The specified InstanceId does not exist."),
    "InvalidInstanceIds.NotFound": (404, "The specified InstanceIds do not exist."),
    "InvalidSnapshotId.NotFound": (404, "The specified SnapshotId does not exist."),
    "InvalidImageId.NotFound": (404, "The specified ImageId does not exist."),
    "InvalidKeyPairName.NotFound": (400, "The specified KeyPairName does not exist."),
    # States, locks and money.
    "IncorrectDiskStatus": (403, "The current disk status does not support this operation."),
    "IncorrectInstanceStatus": (403, _STATE),
    "InstanceLockedForSecurity": (403, "The instance is locked due to security."),
    "InstanceExpiredOrInArrears": (403, _LOCKED),
    "InstanceExpired": (403, "The instance is expired or in arrears."),  # text: choice
    # ReInitDisk.
    "InvalidSnapshot.TooOld": (
        403,
        "The disk is created from a snapshotId made before 2013-07-15, it cannot be re-initiated the specified disk any"
        " more since the detached first time.",
    ),
    "InvalidSourceSnapshot": (
        403,
        "The source snapshot of the disk has been deleted and cannot support the current operation.",
    ),
    "DiskCreatingSnapshot": (
        403,
        "The operation is denied due to a snapshot of the specified disk is not completed yet.",
    ),
    "DiskCategory.OperationNotSupported": (
        400,
        "The operation is not supported to the specified disk due to its disk category.",
    ),
    "SharedImageDeleted": (403, "The specified image by others shared is deleted."),
    "InvalidDiskId.OperationNotSupported": (404, "The operation is not supported due to image not exist."),
    "InvalidPassword.Malformed": (400, 'The specified parameter "Password" is not valid.'),
    "DependencyViolation.WindowsInstance": (
        403,
        "The instance creating is windows, cannot use ssh key pair to login.",
    ),
    "DependencyViolation.IoOptimize": (400, "The specified parameter InstanceId is not valid."),
    "DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported": (
        400,
        "The operation is not supported to the specified disk that have snapshots with InstantAccess enabled.",
    ),
    "InvalidOperation.MultiAttachDisk": (403, "Multi attach disk does not support this operation."),
    "InvalidParameter.KMSKeyId.CMKNotEnabled": (403, "The CMK needs to be enabled."),
    "InvalidParameter.KMSKeyId.KMSUnauthorized": (403, _KMS),
    "InvalidParameter.KMSKeyId.CMKUnauthorized": (403, "The CMK needs to be added ECS tag."),
    "HibernationConfigured.InstanceOperationForbidden": (
        403,
        "The operation is not permitted due to limit of the hibernation configured instance.",
    ),
    # Snapshots.
    "IncorrectDiskStatus.CreatingSnapshot": (403, "A previous snapshot creation is in process."),  # text: choice
    "IncorrectDiskStatus.NeverAttached": (403, "The specified disk has never been attached to any instance."),
    "IncorrectDiskStatus.NeverUsed": (403, "The specified disk has never been used after creating."),
    "InvalidSnapshotName.Malformed": (400, "The specified SnapshotName is not valid."),
    "InvalidClientToken.Malformed": (403, "The specified ClientToken is not valid."),
    "IdempotentParameterMismatch": (403, "The request uses the same client token as a previous, different request."),
    "IncorrectSnapshotStatus": (403, "The snapshot is not accomplished."),  # choice: ResetDisk
    "InvalidParameter.InconsistentDisk": (403, "The snapshot was not made from the specified disk."),  # choice
}


class Refusal(Exception):
    """An error answer of ECS.

    `code` is looked up in the catalogue; `message` and `status` replace what is found there; `headers` go
    with the answer.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        known_status, known_message = CATALOGUE.get(code, (400, code))
        self.code = code
        self.status = known_status if status is None else status
        self.message = known_message if message is None else message
        self.headers = dict(headers or {})
        super().__init__(code)


def missing(parameter: str) -> Refusal:
    """Refuse a request that lacks a mandatory parameter."""
    text = f'The input parameter "{parameter}" that is mandatory for processing this request is not supplied.'
    return Refusal("MissingParameter", text)


def invalid(parameter: str) -> Refusal:
    """Refuse a parameter whose value cannot be understood."""
    return Refusal("InvalidParameter", f'The specified parameter "{parameter}" is not valid.')
