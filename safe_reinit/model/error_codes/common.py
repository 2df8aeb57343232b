"""The codes with which the gateway, or every call, can answer."""

from __future__ import annotations

from .row import ACCOUNT, EVERY, OVERWRITE, REPORT, WAIT_SNAPSHOT, Code

_CLOCK = "Set the clock of this machine (NTP): ECS accepts only signatures from the last 15 minutes."
_KEY = "Check the credentials (environment, aliyun CLI profile or RAM role) and try again."
_PERMISSIONS = "Grant the permission to these credentials (the command policy prints what a run needs), then try again."
_BUSY = "Wait until it has ended. A run asks again only within its time limit."
_ALL = (EVERY,)

COMMON: tuple[Code, ...] = (
    Code(_ALL, "Throttling*", 400, "common errors", "again", "Too many calls of this API by the account in this region.", "Wait a minute. A run waits by itself."),
    Code(_ALL, "Rejected.Throttling", 400, "other clients", "again", "Too many calls of this API by the account in this region.", "Wait a minute. A run waits by itself."),
    Code(_ALL, "*.Initializing", 403, "other clients", "again", "The instance or the disk is still being initialised.", "Wait. A run asks again only within its time limit."),
    Code(_ALL, "OperationConflict", 409, "common errors", "again", "Another operation on the resource is in progress.", _BUSY),
    Code(_ALL, "Operation.Conflict", 409, "2025", "again", "Another operation on the resource is in progress.", _BUSY),
    Code(_ALL, "InvalidOperation.Conflict", 409, "common errors", "again", "Another operation on the resource is in progress.", _BUSY),
    Code(_ALL, "TaskConflict", 400, "other clients", "again", "Another task on the resource is in progress.", _BUSY),
    Code(_ALL, "SystemBusy", 400, "other clients", "again", "ECS is too busy for the request.", "Wait. A run asks again only within its time limit."),
    Code(("CreateSnapshot", *OVERWRITE), "IncorrectDiskStatus.HasUnfinishedSnapshot", 403, "other clients", "again", "A snapshot of the disk is not finished yet.", WAIT_SNAPSHOT, of_snapshot=True),
    Code(_ALL, "InvalidAccessKeyId.NotFound", 404, "common errors", "credentials", "ECS finds no such AccessKey.", _KEY),
    Code(_ALL, "InvalidAccessKeyId.Inactive", 400, "common errors", "credentials", "The AccessKey is disabled.", _KEY),
    Code(_ALL, "InvalidAccessKeyId*", 400, "common errors", "credentials", "The AccessKey is refused.", _KEY),
    Code(_ALL, "InvalidAccessKeySecret*", 400, "common errors", "credentials", "The AccessKey secret is wrong.", _KEY),
    Code(_ALL, "InvalidSecurityToken*", 400, "common errors", "credentials", "The security token is refused or expired.", "Get fresh temporary credentials and try again."),
    Code(_ALL, "SignatureDoesNotMatch", 400, "common errors", "credentials", "The AccessKey secret is wrong.", _KEY),
    Code(_ALL, "IncompleteSignature", 400, "common errors", "credentials", "The signature is incomplete.", _KEY),
    Code(_ALL, "SignatureNonceUsed", 400, "common errors", "lost", "ECS has already received this request once, and does not say what happened to it.", "Try again; check the proxy if it persists."),
    Code(_ALL, "InvalidTimeStamp*", 400, "common errors", "credentials", "The clock of this machine is wrong.", _CLOCK),
    Code(_ALL, "IllegalTimestamp", 400, "common errors", "credentials", "The clock of this machine is wrong.", _CLOCK),
    Code(_ALL, "Forbidden.AccessKeyDisabled", 403, "common errors", "credentials", "The AccessKey is disabled.", _KEY),
    Code(_ALL, "Forbidden.RiskControl", 403, "common errors", "credentials", "Alibaba Cloud's risk control denied the call.", "Ask Alibaba Cloud support."),
    Code(_ALL, "Forbidden*", 403, "common errors", "credentials", "The credentials lack the permission for this call.", _PERMISSIONS),
    Code(_ALL, "NoPermission*", 403, "common errors", "credentials", "The credentials lack the permission for this call.", _PERMISSIONS),
    Code(_ALL, "InsufficientBalance", 400, "common errors", "refused", "The balance of the account is too low.", f"{ACCOUNT}."),
    Code(_ALL, "InvalidDiskId.NotFound", 404, "common errors", "refused", "ECS finds no such disk in this region.", "Check the id and --region."),
    Code(_ALL, "InvalidInstanceId.NotFound", 404, "common errors", "refused", "ECS finds no such instance in this region.", "Check the id and --region."),
    Code(_ALL, "InvalidRegion*", 404, "common errors", "refused", "ECS finds no such region.", "Check --region."),
    Code(_ALL, "InvalidApi.NotFound", 404, "common errors", "refused", "The endpoint does not know this call.", "Check --endpoint and --region."),
    Code(_ALL, "InvalidAction*", 403, "common errors", "refused", "The endpoint does not know this call.", "Check --endpoint and --region."),
    Code(_ALL, "InvalidProduct.NotFound", 404, "common errors", "refused", "The endpoint does not know this service.", "Check --endpoint and --region."),
    Code(_ALL, "InvalidVersion", 400, "common errors", "refused", "The endpoint does not know this version of the API.", "Check --endpoint."),
    Code(_ALL, "InvalidSignatureMethod", 400, "common errors", "refused", "The endpoint does not know the signature method.", "Check --endpoint and the proxy."),
    Code(_ALL, "UnsupportedHTTPMethod", 403, "common errors", "refused", "The endpoint does not accept this kind of request.", "Check --endpoint and the proxy."),
    Code(_ALL, "MissingParameter*", 400, "common errors", "refused", "The request lacks a required parameter.", REPORT),
    Code(_ALL, "InvalidParameter", 400, "common errors", "refused", "The request has a value that ECS does not accept.", REPORT),
    Code(_ALL, "InternalError", 500, "common errors", "lost", "ECS had an internal error and did not say whether it carried out the call.", "Try again in a few minutes."),
    Code(_ALL, "UnknownError", 400, "common errors", "lost", "ECS had an internal error and did not say whether it carried out the call.", "Try again in a few minutes."),
    Code(_ALL, "ServiceUnavailable*", 503, "common errors", "lost", "The service was not available.", "Try again in a few minutes."),
    Code(_ALL, "LimitedOperation.ServiceUnavailable", 503, "common errors", "lost", "The service was not available.", "Try again in a few minutes."),
)  # fmt: skip
"""The codes with which the gateway, or every call, can answer."""
