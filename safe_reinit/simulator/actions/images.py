"""DescribeImages."""

from __future__ import annotations

from ..errors import Refusal
from ..state.clock import second_text
from ..state.model import Image
from ..wire.answers import Body
from ..wire.params import Params
from .context import Context
from .listing import Listing, matches, of_region, one_of, tag_rows, tagged

_STATUSES = ("Creating", "Waiting", "Available", "UnAvailable", "CreateFailed", "Deprecated")
_OWNERS = ("system", "self", "others", "marketplace")


def describe_images(ctx: Context) -> Body:
    """List images: only Available ones unless other statuses are given, and community images only on request."""
    params = ctx.params
    region = ctx.in_region()
    statuses = [word.strip() for word in params.text("Status", "Available").split(",")]
    for status in statuses:
        one_of(status, _STATUSES, "InvalidStatus.NotFound")
    owner = params.choice("ImageOwnerAlias", _OWNERS, "InvalidImageOwnerAlias.ValueNotSupported")
    community = _community(params, owner)
    ids = [image_id for image_id in params.text("ImageId").split(",") if image_id]
    usage = params.choice("Usage", ("instance", "none"), "InvalidUsage")
    params.choice("OSType", ("windows", "linux"), "InvalidOSType")
    params.choice("Architecture", ("i386", "x86_64", "arm64"), "InvalidArchitecture")
    tags = params.tags()

    def fits(image: Image) -> bool:
        return (
            (not ids or image.id in ids)
            and image.status in statuses
            and owner in ("", image.owner)
            and community == (image.owner == "others" and image.public)
            and tagged(image.tags, tags)
            and (not usage or usage == _usage(ctx, image))
            and matches(params, _filters(image))
        )

    found = [image for image in of_region(region, ctx.cloud.images.values()) if fits(image)]
    return {"RegionId": params.text("RegionId"), **_IMAGES.answer(ctx, found)}


def _filters(image: Image) -> dict[str, str]:
    return {
        "ImageName": image.name,
        "OSType": image.os_type,
        "Architecture": "x86_64",
        "SnapshotId": image.snapshot_id,
    }


def _usage(ctx: Context, image: Image) -> str:
    return "instance" if ctx.cloud.disks.linked(image.id) else "none"


def _community(params: Params, owner: str) -> bool:
    """Return whether community images are requested: IsPublic=true, and then ImageOwnerAlias must be others."""
    public = params.flag("IsPublic")
    if public and owner != "others":
        raise Refusal("InvalidImageOwnerAlias.PublicImageUnsupported")
    return public


def _shape(ctx: Context, image: Image) -> Body:
    return {
        "ImageId": image.id,
        "ImageName": image.name,
        "ImageFamily": "",
        "ImageVersion": "",
        "Description": "",
        "Status": image.status,
        "Progress": "100%",
        "ImageOwnerAlias": image.owner,
        "ImageOwnerId": int(image.owner_account),
        "IsPublic": image.public or image.owner == "system",
        "IsSelfShared": "",
        "IsCopied": False,
        "IsSubscribed": False,
        "IsSupportCloudinit": image.cloud_init,
        "IsSupportIoOptimized": image.supports_io_optimized,
        "LoginAsNonRootSupported": image.login_as_non_root,
        "OSType": image.os_type,
        "OSName": "Windows Server" if image.os_type == "windows" else "Alibaba Cloud Linux",
        "Platform": "Windows Server 2022" if image.os_type == "windows" else "Aliyun",
        "Architecture": "x86_64",
        "Size": image.size,
        "Usage": _usage(ctx, image),
        "ProductCode": "",
        "CreationTime": second_text(image.created),
        "DiskDeviceMappings": {
            "DiskDeviceMapping": [
                {"Type": "system", "Device": "/dev/xvda", "Size": str(image.size), "SnapshotId": image.snapshot_id}
            ]
        },
        "Tags": tag_rows(image.tags),
    }


def _resources(image: Image) -> tuple[str, ...] | None:
    """Only a self-made image can be denied: according to the documentation, RAM policies are ignored for the others."""
    return (image.id,) if image.owner == "self" else None


_IMAGES = Listing[Image](
    outer="Images",
    inner="Image",
    key=lambda image: image.id,
    shape=_shape,
    resources=_resources,
    max_results=None,
)
