"""The context of an action, and what all actions share: permissions, regions, dry runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Refusal, missing
from ..state.cloud import Cloud
from ..state.model import Disk, Instance
from ..state.permissions import AccessKey
from ..wire.answers import Body
from ..wire.params import Params
from ..wire.request import Request

_DENIED = {"kms": "Forbidden.NoPermission"}
"""What a product answers if the permission for a call is missing, unless it answers as ECS does."""

_OF_LISTS = {
    "DescribeDisks": ("disk/*",),
    "DescribeInstances": ("instance/*",),
    "DescribeInstanceStatus": ("*",),
    "DescribeSnapshots": ("snapshot/*",),
    "DescribeSnapshotLinks": ("*",),
    "DescribeImages": ("image/*",),
    "DescribeKeyPairs": ("keypair/*",),
    "DescribeRegions": ("*",),
    "DescribeInstanceHistoryEvents": ("*",),
    "DescribeAutoSnapshotPolicyEx": ("*",),
    "DescribeScalingInstances": ("*",),
    "DescribeDiskReplicaPairs": ("*",),
    "DescribeKey": ("*",),
}
"""What a RAM policy must allow for a list: it is one resource, not its rows. If nothing is documented, everything."""

_KINDS = {"d": "disk", "i": "instance", "s": "snapshot", "m": "image"}
"""The kinds of RAM resources, by the prefix of their ids."""


@dataclass(frozen=True)
class Context:
    """One call: who asks for what, and the cloud at the simulated moment `now`."""

    cloud: Cloud
    key: AccessKey
    request: Request
    now: float
    request_id: str

    @property
    def action(self) -> str:
        """The name of the operation."""
        return self.request.action

    @property
    def params(self) -> Params:
        """The parameters."""
        return self.request.params

    @property
    def region(self) -> str:
        """The region of the call: RegionId, else that of the first thing it names, else the world's."""
        return self.params.text("RegionId") or self.cloud.region_of(self.request.subjects)

    @property
    def right(self) -> str:
        """The RAM action that it needs: `ecs:StopInstance`."""
        return f"{self.request.product}:{self.action}"

    # Permissions. Resources of another account do not exist for a caller; a denial is a separate answer.

    @property
    def at_home(self) -> bool:
        """Return whether the caller belongs to the account that owns everything here."""
        return self.key.account == self.cloud.settings.account

    def sees(self, *resources: str) -> bool:
        """Return whether a Describe call shows the caller a row with these ids."""
        return self.at_home and self._may(resources)

    def require(self, *resources: str) -> None:
        """Refuse a caller who may not do this to all the resources."""
        if not self._may(resources):
            raise Refusal(_DENIED.get(self.request.product, "Forbidden.RAM"))

    def _may(self, resources: tuple[str, ...]) -> bool:
        action, policy = self.right, self.key.policy
        if self.key.denied(action, resources):
            return False
        facts = {"ecs:PasswordCustomized": self.params.given("Password")}
        return policy is None or policy.allows(action, self._arns(resources), facts)

    def _arns(self, resources: tuple[str, ...]) -> list[str]:
        """Return the ARNs that RAM checks: a list as a whole (`disk/*`), otherwise each resource by its id."""
        kinds = _OF_LISTS.get(self.action)
        if kinds is not None:
            return [self._arn(kind, self.region) for kind in kinds]
        region = self.region
        named = [f"{_KINDS.get(each.partition('-')[0], 'keypair')}/{each}" for each in resources]
        new = ["snapshot/*"] if self.action == "CreateSnapshot" else []
        return [self._arn(each, region) for each in (*named, *new)] or ["*"]

    def _arn(self, name: str, region: str) -> str:
        return name if name == "*" else f"acs:ecs:{region}:{self.key.account}:{name}"

    def end_dry_run(self, code: str = "DryRunOperation") -> None:
        """End a dry run in which nothing was refused; its success is an error code."""
        if self.params.flag("DryRun"):
            raise Refusal(code)

    # Lookups.

    def in_region(self, missing_code: str = "", unknown_code: str = "InvalidRegionId.NotFound") -> str:
        """Check RegionId and return it: a known region, which may be empty."""
        region = self.params.text("RegionId")
        if not region:
            raise Refusal(missing_code) if missing_code else missing("RegionId")
        if region not in self.cloud.settings.regions:
            raise Refusal(unknown_code)
        return region

    def disk(self, disk_id: str) -> Disk:
        """Find a disk of the caller's account, here."""
        disk = self.cloud.disks.find(disk_id)
        if disk is None or not self._is_here(disk):
            raise Refusal("InvalidDiskId.NotFound")
        return disk

    def instance(self, instance_id: str) -> Instance:
        """Find an instance of the caller's account, here."""
        instance = self.cloud.instances.find(instance_id)
        if instance is None or not self._is_here(instance):
            raise Refusal("InvalidInstanceId.NotFound")
        return instance

    def _is_here(self, thing: Disk | Instance) -> bool:
        """Return whether a resource can be found: by its owner, and not under another region than its own."""
        return self.at_home and self.params.text("RegionId", thing.region) == thing.region


Action = Callable[[Context], Body]
