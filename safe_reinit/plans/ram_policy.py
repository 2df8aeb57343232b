"""Least privilege: which permissions a run of this plan needs, and the policy that grants them and no more. Pure.

Read calls are taken from the calls that making the plan made, since a run makes the same ones again; changing calls are
taken from the plan. A new call needs one line in ``APIS``. Resources are those of the ECS API reference (RAM
authorization): writes are limited to one id, a list needs ``disk/*`` and the like; permissions for other products are
not divided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..model import Call, Plan, PlannedJob
from ..model.other_products import REQUIRABLE
from .plan import steps


@dataclass(frozen=True)
class CallPermissions:
    """The permissions that RAM demands for a call."""

    product: str = "ecs"
    resources: tuple[str, ...] = ("*",)
    """What follows ``acs:ecs:REGION:ACCOUNT:``, with ``{}`` for the id that the call is about; ``*`` alone is
    everything.
    """
    dry_run: bool = False
    """Whether it can be asked with DryRun, whose answer shows whether the permission exists."""
    optional: bool = False
    """Whether a run can do without this read call, unless the configuration requires it (``not-checked``)."""


_OF_INSTANCE, _OF_DISK = ("instance/{}",), ("disk/{}",)

FREE = frozenset({"GetCallerIdentity"})
"""Calls that need no permission."""

APIS: dict[str, CallPermissions] = {
    "DescribeDisks": CallPermissions(resources=("disk/*",), dry_run=True),
    "DescribeInstances": CallPermissions(resources=("instance/*",), dry_run=True),
    "DescribeSnapshots": CallPermissions(resources=("snapshot/*",), dry_run=True),
    "DescribeImages": CallPermissions(resources=("image/*",), dry_run=True),
    "DescribeKeyPairs": CallPermissions(resources=("keypair/*",)),
    "DescribeSnapshotLinks": CallPermissions(),
    "DescribeInstanceHistoryEvents": CallPermissions(optional=True),
    "DescribeAutoSnapshotPolicyEx": CallPermissions(optional=True),
    "DescribeScalingInstances": CallPermissions("ess", optional=True),
    "DescribeDiskReplicaPairs": CallPermissions("ebs", optional=True),
    "DescribeKey": CallPermissions("kms", optional=True),
    "StopInstance": CallPermissions(resources=_OF_INSTANCE, dry_run=True),
    "StartInstance": CallPermissions(resources=_OF_INSTANCE, dry_run=True),
    "StopInstances": CallPermissions(resources=_OF_INSTANCE, dry_run=True),
    "StartInstances": CallPermissions(resources=_OF_INSTANCE, dry_run=True),
    "ReInitDisk": CallPermissions(resources=_OF_DISK),
    "ResetDisk": CallPermissions(resources=_OF_DISK, dry_run=True),
    "CreateSnapshot": CallPermissions(resources=(*_OF_DISK, "snapshot/*")),
    "TagResources": CallPermissions(resources=_OF_INSTANCE),
    "UntagResources": CallPermissions(resources=_OF_INSTANCE),
}
"""Every call that planning or a run makes, except those that need no permission."""


@dataclass(frozen=True)
class Right:
    """One RAM action on the resources for which a run needs it."""

    action: str
    """``ecs:StopInstance``."""
    resources: tuple[str, ...]
    subjects: tuple[str, ...]
    """The ids that a changing call is about; none for a read call."""
    dry_run: bool
    optional: bool
    """Whether the run can do without it and says so."""

    @property
    def api(self) -> str:
        """The call that it permits."""
        return self.action.partition(":")[2]


def needed_permissions(plan: Plan, calls: Sequence[Call]) -> tuple[Right, ...]:
    """List what a run of a plan needs: its read calls by name, since several are made at once, then what it changes.

    Args:
        plan: any plan, even one that may not run.
        calls: the exchanges that making it took (``planner.calls_of``).
    """
    needed: dict[str, list[str]] = {}
    several = sum(job.will_stop or job.will_start for job in plan.jobs) > 1  # in one call for many, if there is one
    changes = [call for job in plan.jobs for call in _changing_calls(job, plan)]
    changes += [(f"{action}s", subject) for action, subject in changes if several and f"{action}s" in APIS]
    for action, subject in (*sorted(_calls_made(calls)), *changes):
        if action not in FREE:
            needed.setdefault(action, []).extend([subject] if subject else [])
    return tuple(_right(plan, action, tuple(dict.fromkeys(subjects))) for action, subjects in needed.items())


def _calls_made(calls: Sequence[Call]) -> Iterator[tuple[str, str]]:
    for call in calls:
        if call.dry_run and not call.action.startswith("Describe"):  # asked only for its permission
            yield from ((call.action, subject) for subject in call.subject)
        else:
            yield call.action, ""


def _changing_calls(job: PlannedJob, plan: Plan) -> Iterator[tuple[str, str]]:
    """List the changing calls of a job; what is stopped may have to be started, since a failed wipe brings it back."""
    yield from ((action, subject) for action, subject, _, _ in steps(job, plan))
    if job.will_stop and job.instance_id:
        yield "StartInstance", job.instance_id


def _right(plan: Plan, action: str, subjects: tuple[str, ...]) -> Right:
    api = APIS.get(action, CallPermissions())
    place = f"acs:{api.product}:{plan.region}:{plan.account or '*'}:"
    resources = [
        "*" if each == "*" else f"{place}{each.format(subject)}"
        for each in api.resources
        for subject in (subjects if "{}" in each else ("",))
    ]
    required = {REQUIRABLE.get(name) for name in plan.options.require_answers}
    optional = api.optional and action not in required
    return Right(f"{api.product}:{action}", tuple(resources), subjects, api.dry_run, optional)


def document(needed: Iterable[Right], *, password: bool) -> dict[str, Any]:
    """Write a RAM policy that grants these permissions and nothing else.

    Args:
        needed: the result of ``rights``.
        password: whether ReInitDisk may set a password; if not, this is denied (condition key
            ``ecs:PasswordCustomized``).
    """
    by_resources: dict[tuple[str, ...], list[str]] = {}
    wipes: tuple[str, ...] = ()
    for right in needed:
        by_resources.setdefault(right.resources, []).append(right.action)
        wipes = right.resources if right.api == "ReInitDisk" else wipes
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": actions, "Resource": list(resources)}
        for resources, actions in by_resources.items()
    ]
    if wipes and not password:
        statements.append(
            {
                "Effect": "Deny",
                "Action": ["ecs:ReInitDisk"],
                "Resource": list(wipes),
                "Condition": {"Bool": {"ecs:PasswordCustomized": ["true"]}},
            }
        )
    return {"Version": "1", "Statement": statements}
