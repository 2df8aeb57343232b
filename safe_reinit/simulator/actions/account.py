"""What an account has: DescribeKeyPairs, DescribeRegions and STS's GetCallerIdentity."""

from __future__ import annotations

from fnmatch import fnmatchcase

from ..state.clock import second_text
from ..state.model import KeyPair
from ..wire.answers import Body
from .context import Context
from .listing import Listing, tag_rows


def describe_key_pairs(ctx: Context) -> Body:
    """List key pairs by name; `*` in KeyPairName stands for anything. There is no dry run."""
    here = ctx.in_region() == ctx.cloud.settings.region
    pattern = ctx.params.text("KeyPairName", "*")
    pairs = ctx.cloud.key_pairs.values()
    return _KEY_PAIRS.answer(ctx, [pair for pair in pairs if here and fnmatchcase(pair.name, pattern)])


def _pair(_ctx: Context, pair: KeyPair) -> Body:
    return {
        "KeyPairName": pair.name,
        "KeyPairFingerPrint": pair.fingerprint,
        "CreationTime": second_text(pair.created),
        "ResourceGroupId": "",
        "Tags": tag_rows(pair.tags),
    }


_KEY_PAIRS = Listing[KeyPair](
    outer="KeyPairs",
    inner="KeyPair",
    key=lambda pair: pair.name,
    shape=_pair,
    resources=lambda pair: (pair.name,),
    max_results=None,
    max_page=50,
    has_dry_run=False,
)


def describe_regions(ctx: Context) -> Body:
    """List the regions of the world."""
    ctx.require()
    rows = [
        {"RegionId": region, "LocalName": region, "RegionEndpoint": f"ecs.{region}.aliyuncs.com", "Status": "available"}
        for region in ctx.cloud.settings.regions
    ]
    return {"Regions": {"Region": rows}}


def get_caller_identity(ctx: Context) -> Body:
    """Return who signed the request; this needs no permission."""
    return {
        "AccountId": ctx.key.account,
        "Arn": ctx.key.arn,
        "IdentityType": "AssumedRoleUser" if ctx.key.token else "RAMUser",
        "PrincipalId": f"2{ctx.key.account[1:]}",
        "UserId": f"2{ctx.key.account[1:]}",
    }
