"""What an action is given, and what all of them have in common: rights, regions, dry runs."""

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
"""What a product answers without the right to a call, where it is not what ECS answers."""

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
"""What a RAM policy must allow for a list: it is one thing, not its rows. Where nothing is documented, everything."""

_KINDS = {"d": "disk", "i": "instance", "s": "snapshot", "m": "image"}
"""The kinds of things in RAM, by how their ids begin."""


@dataclass(frozen=True)
class Context:
    """One call: who asks for what, and the cloud it is asked of at the simulated moment `now`."""

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
        """The region the call is about: RegionId, else that of the first thing it names, else the world's."""
        return self.params.text("RegionId") or self.cloud.region_of(self.request.subjects)

    @property
    def right(self) -> str:
        """The RAM action it takes: `ecs:StopInstance`."""
        return f"{self.request.product}:{self.action}"

    # Rights. Things of another account are not there for a caller; a denial is an answer of its own.

    @property
    def at_home(self) -> bool:
        """Return whether the caller is of the account that owns everything here."""
        return self.key.account == self.cloud.settings.account

    def sees(self, *resources: str) -> bool:
        """Return whether a Describe call shows the caller a row with these ids."""
        return self.at_home and self._may(resources)

    def require(self, *resources: str) -> None:
        """Refuse a caller without the right to do this to all the resources."""
        if not self._may(resources):
            raise Refusal(_DENIED.get(self.request.product, "Forbidden.RAM"))

    def _may(self, resources: tuple[str, ...]) -> bool:
        action, policy = self.right, self.key.policy
        if self.key.denied(action, resources):
            return False
        facts = {"ecs:PasswordCustomized": self.params.given("Password")}
        return policy is None or policy.allows(action, self._arns(resources), facts)

    def _arns(self, resources: tuple[str, ...]) -> list[str]:
        """Return the ARNs that RAM is asked about: a list as a whole (`disk/*`), else each thing by its id."""
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
        """End a dry run that has found nothing to refuse; its success is an error code."""
        if self.params.flag("DryRun"):
            raise Refusal(code)

    # Looking things up.

    def in_region(self, missing_code: str = "", unknown_code: str = "InvalidRegionId.NotFound") -> str:
        """Check RegionId and return it: a known region, of which there need not be anything."""
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
        """Return whether a thing can be found: by its owner, and not in the name of another region than its own."""
        return self.at_home and self.params.text("RegionId", thing.region) == thing.region


Action = Callable[[Context], Body]
