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
    "UnsupportedHTTPMethod": (403, "This http method is not supported."),
    "InternalError": (500, "The request processing has failed due to some unknown error, exception or failure."),
    # Parameters and rights.
    "MissingParameter": (400, "A mandatory input parameter is not supplied."),
    "MissingParamter.RegionId": (400, 'The input parameter "RegionId" that is mandatory is not supplied.'),
    "InvalidParameter": (400, "The specified parameter is not valid."),
    "Forbidden.RAM": (
        403,
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
    ),
    "Forbidden.NoPermission": (403, "This operation is forbidden by permission system."),  # KMS
    "Forbidden.KeyNotFound": (404, "The specified Key is not found."),  # KMS
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
    "InvalidCategory.ValueNotSupported": (400, "The specified Category is not supported."),
    "InvalidDiskChargeType.NotFound": (404, "The specified DiskChargeType does not exist."),
    "InvalidParameter.MultiAttach": (403, "The specified MultiAttach is not valid."),
    "InvalidZoneId.NotFound": (404, "The specified zone does not exist."),
    "InvalidInstanceChargeType.NotFound": (404, "The specified InstanceChargeType does not exist."),
    "InvalidInternetChargeType.ValueNotSupported": (404, "The specified InternetChargeType is not supported."),
    "InvalidNetworkType.NotFound": (404, "The specified InstanceNetworkType does not exist."),
    "InvalidUsage": (404, "The specified Usage is not valid."),
    "InvalidSourceDiskType": (404, "The specified SourceDiskType is not valid."),
    "InvalidOSType": (404, "The specified OSType is not valid."),
    "InvalidArchitecture": (404, "The specified Architecture is not valid."),
    # Tags.
    "InvalidTag.Mismatch": (400, "The specified Tag.n.Key and Tag.n.Value are not match."),
    "InvalidTagCount": (400, "The specified tags are beyond the permitted range."),
    "MissingParameter.RegionId": (404, "The parameter - RegionId should not be null"),
    "MissingParameter.ResourceType": (404, "The parameter - ResourceType should not be null"),
    "MissingParameter.Tags": (404, "The parameter - Tags should not be null"),
    "NumberExceed.ResourceIds": (400, "The ResourceIds parameter's number is exceed , Valid : 50"),
    "NumberExceed.Tags": (400, "The Tags parameter's number is exceed , Valid : 20"),
    "Duplicate.TagKey": (400, "The Tag.N.Key contain duplicate key."),
    "InvalidResourceId.NotFound": (404, "The specified ResourceIds are not found in our records."),
    "InvalidResourceType.NotFound": (404, "The ResourceType provided does not exist in our records."),
    "InvalidTagKey.Malformed": (400, "The specified Tag.n.Key is not valid."),
    "InvalidTagValue.Malformed": (400, "The specified Tag.n.Value is not valid."),
    "InvalidParameter.TagValue": (400, "The specified Tag.n.Value needs a Tag.n.Key."),  # status, text: choice
    "OperationDenied.QuotaExceed": (400, "The quota of tags on resource is beyond permitted range."),
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
    "InsufficientBalance": (403, "Your account does not have enough balance."),
    "DiskInArrears": (403, "The specified operation is denied as your disk has expired or is in arrears."),  # choice
    "DiskError": (403, "IncorrectDiskStatus."),
    "OperationDenied.NoStock": (403, "The requested resource is sold out in the specified zone."),  # text: choice
    "OperationDenied.SpotPriceLowerThanPublicPrice": (  # text: choice
        403,
        "The spot price limit is lower than the current public price.",
    ),
    "InvalidDedicatedHost.NotEnoughResource": (400, "The dedicated host does not have enough resource."),  # choice
    "InstanceType.ParameterMismatch": (403, "ConfirmStop must be true when an instance have localstorage"),
    "HibernationConfigured.NotEnabled": (403, "The instance is not configured for hibernation."),  # text: choice
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
    "OperationDenied": (403, "The snapshot which is used to create the specified disk has been deleted."),
    "UserNotInTheWhiteList": (403, "The user is not in volume white list."),
    "InvalidRegionId.MalFormed": (400, "The specified RegionId is not valid."),
    "LoginAsNonRoot.ImageNotSupport": (400, "The specified image does not support login as non-root."),
    "LoginAsNonRoot.RegionNotSupport": (403, "The specified region does not support login as non-root."),
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
    "QuotaExceed.Snapshot": (403, "The maximum number of snapshots of the disk has been reached."),  # text: choice
    "CreateSnapshot.Failed": (400, "The snapshot could not be created."),  # text: choice
    "InvalidAccountStatus.NotEnoughBalance": (403, "Your account does not have enough balance."),
    "SnapshotCreatedImage": (403, "The snapshot has been used to create user defined image(s)."),
    "SnapshotCreatedDisk": (403, "The snapshot has been used to create disk(s)."),
    # ResetDisk.
    "InvalidOperation.DiskResetInProgress": (403, "A reset of the disk is in progress."),  # status, text: choice
    "InvalidParameter.Mismatch": (403, "The snapshot was not made from the specified disk."),  # status, text: choice
    "InvalidSnapshotId.NotReady": (403, "The snapshot is not accomplished."),  # status, text: choice
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
