"""TagResources, UntagResources and ListTagResources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from ..errors import Refusal, invalid
from ..state.cloud import Cloud
from ..state.model import Disk, Image, Instance, KeyPair, Snapshot
from ..wire.answers import Body
from .context import Context
from .listing import Page, tagged

_TYPES = (
    *("instance", "disk", "snapshot", "image", "keypair", "securitygroup", "volume", "eni", "ddh", "ddhcluster"),
    *("launchtemplate", "reservedinstance", "snapshotpolicy", "elasticityassurance", "capacityreservation"),
)
"""All types that the reference names; only the first five exist here."""

_MAX_TAGS = 20
"""The maximum numbers of tags of a resource, and of tags in one call."""

_PAGE = Page(50, by_token=True)

Resource = Instance | Disk | Snapshot | Image | KeyPair


def tag_resources(ctx: Context) -> Body:
    """Add tags to resources; a key that exists gets the new value."""
    kind, ids = _resources(ctx)
    tags = dict(_tags(ctx))
    if not tags:
        raise Refusal("MissingParameter.Tags")
    rows = _chosen(ctx, kind, ids)
    if any(len({**row.tags, **tags}) > _MAX_TAGS for row in rows):
        raise Refusal("OperationDenied.QuotaExceed")
    for row in rows:
        _keep(ctx.cloud, row, {**row.tags, **tags}, ctx.now)
    return {}


def untag_resources(ctx: Context) -> Body:
    """Remove tags: those named, or every one with All and no names."""
    kind, ids = _resources(ctx)
    keys = ctx.params.repeated("TagKey")
    every = ctx.params.flag("All") and not keys
    if len(keys) > _MAX_TAGS:
        raise Refusal("NumberExceed.Tags")
    for row in _chosen(ctx, kind, ids):
        left = {} if every else {key: value for key, value in row.tags.items() if key not in keys}
        _keep(ctx.cloud, row, left, ctx.now)
    return {}


def list_tag_resources(ctx: Context) -> Body:
    """List tags by resource, by exact tags or by patterns (`TagFilter.N`), 50 rows a page."""
    kind, ids = _resources(ctx, needs_ids=False)
    tags, patterns = _requested_tags(ctx), _patterns(ctx)
    if not (ids or tags or patterns):
        raise Refusal("MissingParameter.Tags")
    if tags and patterns:
        raise invalid("TagFilter")
    found = [
        {"ResourceType": kind, "ResourceId": key, "TagKey": name, "TagValue": value}
        for key, row in _rows(ctx, kind).items()
        if (not ids or key in ids) and tagged(row.tags, tags) and _like(row.tags, patterns)
        for name, value in row.tags.items()
    ]
    page = replace(_PAGE, after=Page.of_params(ctx.params, 50, 50).after)
    shown, paging = page.cut(sorted(found, key=_place), _place)
    return {"TagResources": {"TagResource": shown}, "NextToken": paging["NextToken"]}


def _place(row: Mapping[str, str]) -> str:
    return f"{row['ResourceId']} {row['TagKey']}"


def _resources(ctx: Context, *, needs_ids: bool = True) -> tuple[str, list[str]]:
    """Read the region, the type and the ids; the resources must exist, and the caller must be allowed to tag them."""
    ctx.in_region("MissingParameter.RegionId")
    if not ctx.params.given("ResourceType"):
        raise Refusal("MissingParameter.ResourceType")
    kind = ctx.params.choice("ResourceType", _TYPES, "InvalidResourceType.NotFound")
    ids = ctx.params.repeated("ResourceId")
    if needs_ids and not ids:
        ctx.params.required("ResourceId.1")
    if len(ids) > 50:
        raise Refusal("NumberExceed.ResourceIds")
    if needs_ids:
        ctx.require(*ids)
    return kind, ids


def _tags(ctx: Context) -> list[tuple[str, str]]:
    """Read the tags to set, which have more rules than those to look for."""
    tags = ctx.params.tags("NumberExceed.Tags")
    if len({key for key, _ in tags}) < len(tags):
        raise Refusal("Duplicate.TagKey")
    for key, value in tags:
        if len(key) > 128 or key.startswith(("aliyun", "acs:")) or "http://" in key or "https://" in key:
            raise Refusal("InvalidTagKey.Malformed")
        if len(value) > 128 or value.startswith("acs:") or "http://" in value or "https://" in value:
            raise Refusal("InvalidTagValue.Malformed")
    return tags


def _requested_tags(ctx: Context) -> list[tuple[str, str]]:
    """Read the tags to look for; a value without a key has a code of its own here."""
    try:
        return ctx.params.tags("NumberExceed.Tags")
    except Refusal as refusal:
        raise Refusal("InvalidParameter.TagValue") if refusal.code == "InvalidTag.Mismatch" else refusal from None


def _patterns(ctx: Context) -> list[tuple[str, list[str]]]:
    """Read TagFilter.N.TagKey and TagFilter.N.TagValues.M."""
    names = [(f"TagFilter.{place}.TagKey", f"TagFilter.{place}.TagValues") for place in range(1, 6)]
    return [(ctx.params.text(key), ctx.params.repeated(values)) for key, values in names if ctx.params.given(key)]


def _like(tags: Mapping[str, str], patterns: Iterable[tuple[str, list[str]]]) -> bool:
    """Return whether each pattern has a tag: a key that matches, or that very key with a value that matches."""
    return all(
        any(
            fnmatchcase(key, pattern) and (not values or any(fnmatchcase(value, each) for each in values))
            for key, value in tags.items()
        )
        for pattern, values in patterns
    )


def _rows(ctx: Context, kind: str) -> dict[str, Resource]:
    """Return the resources of a type that the caller may see, by id."""
    cloud = ctx.cloud
    tables: dict[str, Iterable[Resource]] = {
        "instance": cloud.instances,
        "disk": cloud.disks,
        "snapshot": cloud.snapshots,
        "image": cloud.images.values(),
        "keypair": cloud.key_pairs.values(),
    }
    rows = {row.name if isinstance(row, KeyPair) else row.id: row for row in tables.get(kind, ())}
    region = ctx.region
    there = {
        key: row
        for key, row in rows.items()
        if (region == cloud.settings.region if isinstance(row, KeyPair) else _is_there(row, region))
    }
    return {key: row for key, row in there.items() if ctx.sees(key)}


def _is_there(row: Instance | Disk | Snapshot | Image, region: str) -> bool:
    return row.status != "Deleted" and row.region == region


def _chosen(ctx: Context, kind: str, ids: Iterable[str]) -> list[Resource]:
    rows = _rows(ctx, kind)
    if not set(ids) <= set(rows):
        raise Refusal("InvalidResourceId.NotFound")
    return [rows[key] for key in dict.fromkeys(ids)]


def _keep(cloud: Cloud, row: Resource, tags: dict[str, str], now: float) -> None:
    """Replace a resource by one with other tags."""
    if isinstance(row, Instance):
        cloud.put_instance(replace(row, tags=tags), now)
    elif isinstance(row, Disk):
        cloud.put_disk(replace(row, tags=tags), now)
    elif isinstance(row, Snapshot):
        cloud.put_snapshot(replace(row, tags=tags), now)
    elif isinstance(row, Image):
        cloud.images[row.id] = replace(row, tags=tags)
    else:
        cloud.key_pairs[row.name] = replace(row, tags=tags)
