"""The documented error table of ReInitDisk, walked code by code: a world that deserves it, the status, the message."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.simulator.errors import CATALOGUE
from tests.simulator.support import Simulate, call

SYSTEM = {"type": "system", "image": "m-1"}
GONE = "The snapshot which is used to create the specified disk has been deleted."
KMS = "InvalidParameter.KMSKeyId."


def stopped_world(
    disk: dict[str, Any] | None = None, instance: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return a world with one stopped instance and its disk."""
    base: dict[str, Any] = {
        "key_pairs": ["kp"],
        "images": {"m-1": {}},
        "instances": {"i-1": {"status": "Stopped", **(instance or {})}},
        "disks": {"d-1": {"instance": "i-1", **(disk or {})}},
    }
    return {**base, **more}


def of_snapshot(**snapshot: Any) -> dict[str, Any]:
    """Return a world whose disk was made from a snapshot."""
    row = {"disk": "d-0", "released": True, **snapshot}
    return stopped_world({"snapshot": "s-1", "detached": "-9d"}, snapshots={"s-1": row})


def of_image(**image: Any) -> dict[str, Any]:
    """Return a world whose system disk was made from an image."""
    return stopped_world(SYSTEM, images={"m-1": image})


EXPIRED = (
    "The specified operation is denied as your prepay instance is expired (prepay mode) or in arrears (afterpay mode)."
)
TABLE: list[tuple[str, int, str, dict[str, Any], dict[str, str]]] = [
    (
        "MissingParameter",
        400,
        'The input parameter "DiskId" that is mandatory for processing this request is not supplied.',
        stopped_world(),
        {"DiskId": ""},
    ),
    ("InvalidDiskId.NotFound", 404, "The specified disk does not exist.", stopped_world(), {"DiskId": "d-2"}),
    (
        "IncorrectDiskStatus",
        403,
        "The current disk status does not support this operation.",
        stopped_world({"instance": [], "detached": "-1d"}),
        {},
    ),
    (
        "IncorrectDiskStatus.NeverUsed",
        403,
        "The specified disk has never been used after creating.",
        stopped_world({"never_used": True}, edition=2017),
        {},
    ),
    (
        "IncorrectInstanceStatus",
        403,
        "The current status of the resource does not support this operation.",
        stopped_world(instance={"status": "Running"}),
        {},
    ),
    (
        "InstanceLockedForSecurity",
        403,
        "The instance is locked due to security.",
        stopped_world(instance={"locks": "security"}),
        {},
    ),
    ("InstanceExpiredOrInArrears", 403, EXPIRED, stopped_world(instance={"locks": "financial"}), {}),
    ("InstanceExpiredOrInArrears", 403, EXPIRED, stopped_world(arrears=True), {}),
    (
        "InvalidSnapshot.TooOld",
        403,
        "The disk is created from a snapshotId made before 2013-07-15, it cannot be re-initiated the specified disk any"
        " more since the detached first time.",
        of_snapshot(created="2013-07-15T12:00:00Z"),
        {},
    ),
    (
        "InvalidSourceSnapshot",
        403,
        "The source snapshot of the disk has been deleted and cannot support the current operation.",
        of_snapshot(deleted=True),
        {},
    ),
    ("InvalidSourceSnapshot", 403, GONE, {**of_snapshot(deleted=True), "edition": 2021}, {}),
    ("OperationDenied", 403, GONE, of_snapshot(deleted=True, code_when_deleted="OperationDenied"), {}),
    (
        "DiskCreatingSnapshot",
        403,
        "The operation is denied due to a snapshot of the specified disk is not completed yet.",
        stopped_world(snapshots={"s-1": {"disk": "d-1", "status": "progressing"}}),
        {},
    ),
    (
        "DiskCategory.OperationNotSupported",
        400,
        "The operation is not supported to the specified disk due to its disk category.",
        stopped_world({"category": "ephemeral"}),
        {},
    ),
    (
        "SharedImageDeleted",
        403,
        "The specified image by others shared is deleted.",
        of_image(owner="others", deleted=True),
        {},
    ),
    ("InvalidImageId.NotFound", 404, "The specified ImageId does not exist.", of_image(deleted=True), {}),
    (
        "InvalidDiskId.OperationNotSupported",
        404,
        "The operation is not supported due to image not exist.",
        of_image(deleted=True, code_when_deleted="InvalidDiskId.OperationNotSupported"),
        {},
    ),
    (
        "InvalidPassword.Malformed",
        400,
        'The specified parameter "Password" is not valid.',
        stopped_world(SYSTEM),
        {"Password": "short"},
    ),
    (
        "InvalidKeyPairName.NotFound",
        400,
        "The specified KeyPairName does not exist.",
        stopped_world(SYSTEM),
        {"KeyPairName": "nobody"},
    ),
    (
        "DependencyViolation.WindowsInstance",
        403,
        "The instance creating is windows, cannot use ssh key pair to login.",
        stopped_world(SYSTEM, {"os": "windows"}),
        {"KeyPairName": "kp"},
    ),
    (
        "DependencyViolation.IoOptimize",
        400,
        "The specified parameter InstanceId is not valid.",
        of_image(supports_io_optimized=False),
        {},
    ),
    (
        "LoginAsNonRoot.ImageNotSupport",
        400,
        "The specified image does not support login as non-root.",
        stopped_world(SYSTEM, {"login_as_non_root": True}),
        {},
    ),
    (
        "LoginAsNonRoot.RegionNotSupport",
        403,
        "The specified region does not support login as non-root.",
        stopped_world(SYSTEM, {"login_as_non_root": True}, login_as_non_root=False),
        {},
    ),
    (
        "DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported",
        400,
        "The operation is not supported to the specified disk that have snapshots with InstantAccess enabled.",
        stopped_world(snapshots={"s-1": {"disk": "d-1", "instant_access": True}}),
        {},
    ),
    ("InvalidRegionId.MalFormed", 400, "The specified RegionId is not valid.", stopped_world(), {"RegionId": "mars"}),
    (
        "UserNotInTheWhiteList",
        403,
        "The user is not in volume white list.",
        stopped_world({"multi_attach": True}, volume_white_list=False),
        {},
    ),
    (
        "InvalidOperation.MultiAttachDisk",
        403,
        "Multi attach disk does not support this operation.",
        stopped_world({"multi_attach": True}),
        {},
    ),
    (f"{KMS}CMKNotEnabled", 403, "The CMK needs to be enabled.", stopped_world({"kms": "CMKNotEnabled"}), {}),
    (
        f"{KMS}KMSUnauthorized",
        403,
        "ECS service have no right to access your KMS.",
        stopped_world({"kms": "KMSUnauthorized"}),
        {},
    ),
    (f"{KMS}CMKUnauthorized", 403, "The CMK needs to be added ECS tag.", stopped_world({"kms": "CMKUnauthorized"}), {}),
    (
        "HibernationConfigured.InstanceOperationForbidden",
        403,
        "The operation is not permitted due to limit of the hibernation configured instance.",
        stopped_world(instance={"hibernation": True}),
        {},
    ),
    (
        "InternalError",
        500,
        "The request processing has failed due to some unknown error, exception or failure.",
        stopped_world({"faulty": True}),
        {},
    ),
]


@pytest.mark.parametrize(
    ("code", "status", "message", "setting", "options"), TABLE, ids=[f"{n}-{row[0]}" for n, row in enumerate(TABLE)]
)
def test_each_code_of_the_table(
    simulate: Simulate, code: str, status: int, message: str, setting: dict[str, Any], options: dict[str, str]
) -> None:
    """A world that deserves it is answered with the documented code, status and message, and nothing is wiped."""
    sim = simulate(setting)
    answer = call(sim, "ReInitDisk", {"DiskId": "d-1", **options})
    assert (answer.status, answer.code, answer.json["Message"]) == (status, code, message)
    assert sim.state()["disks"]["d-1"]["wipes"] == []


def test_the_table_is_whole() -> None:
    """Every code that any edition of the page documents is walked."""
    documented = """
        MissingParameter InvalidDiskId.NotFound IncorrectDiskStatus IncorrectDiskStatus.NeverUsed
        IncorrectInstanceStatus InstanceLockedForSecurity InstanceExpiredOrInArrears InvalidSnapshot.TooOld
        InvalidSourceSnapshot OperationDenied DiskCreatingSnapshot DiskCategory.OperationNotSupported
        SharedImageDeleted InvalidImageId.NotFound InvalidDiskId.OperationNotSupported InvalidPassword.Malformed
        InvalidKeyPairName.NotFound DependencyViolation.WindowsInstance DependencyViolation.IoOptimize
        LoginAsNonRoot.ImageNotSupport LoginAsNonRoot.RegionNotSupport
        DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported InvalidRegionId.MalFormed
        UserNotInTheWhiteList InvalidOperation.MultiAttachDisk InvalidParameter.KMSKeyId.CMKNotEnabled
        InvalidParameter.KMSKeyId.KMSUnauthorized InvalidParameter.KMSKeyId.CMKUnauthorized
        HibernationConfigured.InstanceOperationForbidden InternalError
    """
    assert {row[0] for row in TABLE} == set(documented.split())
    assert {row[0] for row in TABLE} <= set(CATALOGUE)


@pytest.mark.parametrize(
    ("first", "setting", "options"),
    [
        ("MissingParameter", stopped_world(), {"DiskId": "", "RegionId": "mars"}),
        ("InvalidRegionId.MalFormed", stopped_world(), {"DiskId": "d-2", "RegionId": "mars"}),
        ("InvalidDiskId.NotFound", stopped_world(SYSTEM), {"DiskId": "d-2", "Password": "short"}),
        ("InvalidPassword.Malformed", stopped_world({**SYSTEM, "locks": "security"}), {"Password": "short"}),
        ("InvalidOperation.MultiAttachDisk", stopped_world({"multi_attach": True, "locks": "security"}), {}),
        ("InstanceLockedForSecurity", stopped_world({"locks": ["financial", "security"]}), {}),
        ("InstanceExpiredOrInArrears", stopped_world({"locks": "financial"}, {"status": "Running"}), {}),
        ("IncorrectInstanceStatus", stopped_world({"kms": "CMKNotEnabled"}, {"status": "Running"}), {}),
        ("InvalidSourceSnapshot", {**of_snapshot(deleted=True, created="2013-01-01")}, {}),
        (f"{KMS}CMKNotEnabled", stopped_world({"kms": "CMKNotEnabled", "faulty": True}), {}),
    ],
)
def test_which_refusal_comes_first(
    simulate: Simulate, first: str, setting: dict[str, Any], options: dict[str, str]
) -> None:
    """Where several things are wrong the first in the chosen order is answered."""
    assert call(simulate(setting), "ReInitDisk", {"DiskId": "d-1", **options}).code == first


def test_a_right_is_looked_at_before_the_disk(simulate: Simulate) -> None:
    """Who may not wipe is not told whether the disk exists."""
    sim = simulate(stopped_world())
    sim.do({"deny": {"action": "ecs:ReInitDisk"}})
    for disk in ("d-1", "d-2"):
        assert call(sim, "ReInitDisk", {"DiskId": disk}).code == "Forbidden.RAM"
