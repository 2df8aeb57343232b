"""The cloud as the rest of the program sees it: Describe calls, changing calls, and the three ways a call can fail.

    CloudError
    ├── Refused      ECS answered with an error code: it says what happened
    ├── Unanswered   no answer that can be read: whether it was done is not known
    └── NotSent      no byte of the request left: it was not done

Describe calls take many ids and return what ECS showed for them; what is not shown is left out. An empty answer alone
does not prove absence, because ECS answers a Describe call without permission with an empty list (ECS API reference,
DescribeInstances): ``Cloud.dry_run`` asks the same with DryRun, and ``describe.py`` does so where it matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from ..model import (
    Accepted,
    AutoSnapshotPolicy,
    Call,
    Caller,
    Disk,
    Image,
    Instance,
    Key,
    Options,
    ReplicaPair,
    ScalingMember,
    Snapshot,
    SnapshotLink,
    SystemEvent,
    UnreadableRow,
    error_codes,
)

Item = TypeVar("Item", covariant=True)


class CloudError(Exception):
    """A call that did not succeed. Its message is our own: it has no text of ECS, the SDK or the HTTP library."""

    action: str
    """The API that was called."""
    hint = "Check the network, the proxy, --region and --endpoint."
    """What a person can do about it."""

    @property
    def trouble(self) -> str:
        """In a few words, why ECS was not seen."""
        raise NotImplementedError

    @property
    def credentials_refused(self) -> str | None:
        """The code by which the credentials were refused, if that is what happened."""
        return None


class Refused(CloudError):
    """ECS answered with an error code.

    Attributes:
        code: the ECS error code, ``IncorrectDiskStatus``.
        http_status: the HTTP status it came with.
        message: what the code says, in our words.
        request_id: the ``RequestId`` of the answer.
        retry_after: seconds that ECS asks to wait (header ``x-acs-retry-after``), if it says.

    """

    def __init__(
        self,
        code: str,
        http_status: int,
        message: str,
        request_id: str | None,
        *,
        action: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"ECS refused {action or 'the call'} with {code}: {message}")
        self.code = code
        self.http_status = http_status
        self.message = message
        self.request_id = request_id
        self.action = action
        self.retry_after = retry_after

    @property
    def trouble(self) -> str:
        """As in ``CloudError``."""
        if error_codes.throttled(self.code):
            return f"ECS throttles {self.action or 'the call'} ({self.code})"
        if error_codes.of_credentials(self.code):
            return f"ECS refuses the credentials ({self.code})"
        return f"ECS refuses {self.action or 'the call'} ({self.code})"

    @property
    def credentials_refused(self) -> str | None:
        """As in ``CloudError``."""
        return self.code if error_codes.of_credentials(self.code) else None


class Unanswered(CloudError):
    """No readable answer arrived: the call may or may not have been carried out.

    Attributes:
        why: what of the answer is missing or cannot be read, in our words; ``""`` if that is not known.
        host: who was asked, ``HOST[:PORT]``; ``""`` if that is not known.

    """

    def __init__(self, action: str, why: str = "", host: str = "") -> None:
        origin = f" from {host}" if host else ""
        super().__init__(f"No readable answer to {action} came{origin}{': ' if why else ''}{why}.")
        self.action = action
        self.why = why
        self.host = host

    @property
    def trouble(self) -> str:
        """As in ``CloudError``."""
        return f"ECS does not answer {self.action}{': ' if self.why else ''}{self.why}"


class NotSent(CloudError):
    """No byte of the request left this machine: the call was not made.

    Attributes:
        why: the step that failed, in our words: ``the name of the endpoint cannot be resolved``.
        host: whom it was for, ``HOST[:PORT]``; ``""`` if that is not known.

    """

    def __init__(self, action: str, why: str, host: str = "", hint: str = "") -> None:
        super().__init__(f"{action} was not sent{' to ' if host else ''}{host}: {why}.")
        self.action = action
        self.why = why
        self.host = host
        self.hint = hint or self.hint

    @property
    def trouble(self) -> str:
        """As in ``CloudError``."""
        return f"ECS cannot be reached ({self.why})"


class NoCredentials(NotSent):
    """The source of the credentials has nothing to sign with.

    Attributes:
        summary: which source it is, and why it gives no key.
        hint: what to do about it; ``""`` if that is not known.
        was_asked: whether a service was asked for them.

    """

    def __init__(self, action: str, summary: str, hint: str = "", *, was_asked: bool = False) -> None:
        super().__init__(action, summary[:1].lower() + summary[1:].rstrip("."))
        self.summary = summary
        self.hint = hint
        self.was_asked = was_asked

    @property
    def trouble(self) -> str:
        """As in ``CloudError``."""
        return f"ECS cannot be asked: {self.why}"

    @property
    def credentials_refused(self) -> str | None:
        """As in ``CloudError``."""
        return "NoCredentials"


class OtherCaller(NoCredentials):
    """The credentials belong to another caller than before."""

    def __init__(self, action: str, summary: str, hint: str = "") -> None:
        super().__init__(action, summary, hint, was_asked=True)


@dataclass(frozen=True)
class Described(Generic[Item]):
    """What a Describe call showed."""

    items: tuple[Item, ...]
    date: datetime | None
    """The ``Date`` header of the (last) answer."""
    complete: bool = True
    """Whether the list is complete; a listing that was cut short is not."""
    unreadable: tuple[UnreadableRow, ...] = ()
    """The unreadable rows: what they describe was not seen, whatever else is shown about it."""


OnCall = Callable[[Call], None]
MaySend = Callable[[str], str]
"""Called immediately before the first byte of a changing call: ``""``, or why it must not be sent (any more)."""


class Cloud(Protocol):
    """The calls that a run makes to the cloud. Every method may raise ``Refused``, ``Unanswered`` or ``NotSent``."""

    @property
    def loopback(self) -> bool:
        """Whether the endpoint is on this machine, so that its clock is not ECS's."""

    def close(self) -> None:
        """Close the connections; a request that has not left by then is never sent."""

    def get_caller(self) -> Described[Caller]:
        """Return who the credentials belong to (STS, GetCallerIdentity)."""

    def describe_disks(self, disk_ids: Sequence[str]) -> Described[Disk]:
        """Show these disks (DescribeDisks)."""

    def describe_disks_of(self, instance_id: str) -> Described[Disk]:
        """Show the disks of an instance (DescribeDisks)."""

    def describe_instances(self, instance_ids: Sequence[str]) -> Described[Instance]:
        """Show these instances (DescribeInstances)."""

    def describe_tagged(self, tags: Sequence[tuple[str, str]]) -> Described[Instance]:
        """Show the instances of the region that have all these tags (DescribeInstances)."""

    def list_instances(self, pages: int) -> Described[Instance]:
        """Show the instances of the region, up to this many pages of 100 (DescribeInstances)."""

    def describe_snapshots(self, snapshot_ids: Sequence[str]) -> Described[Snapshot]:
        """Show these snapshots (DescribeSnapshots)."""

    def describe_snapshots_of(self, disk_id: str, status: str = "") -> Described[Snapshot]:
        """Show the snapshots of a disk, with one status or all (DescribeSnapshots)."""

    def list_snapshots(self, pages: int, status: str = "") -> Described[Snapshot]:
        """Show the snapshots of the region, with one status or all, up to this many pages (DescribeSnapshots)."""

    def list_disks(self, pages: int) -> Described[Disk]:
        """Show the In_use disks of the region, up to this many pages of 500 (DescribeDisks)."""

    def describe_snapshot_links(self, disk_ids: Sequence[str]) -> Described[SnapshotLink]:
        """Count the snapshots of these disks (DescribeSnapshotLinks)."""

    def describe_images(self, image_ids: Sequence[str]) -> Described[Image]:
        """Show these images in any status, community images included (DescribeImages)."""

    def describe_key_pairs(self, name: str) -> Described[str]:
        """Return which key pairs have this name (DescribeKeyPairs)."""

    def describe_scaling_members(self, instance_ids: Sequence[str]) -> Described[ScalingMember]:
        """Show which of these instances are in a scaling group (Auto Scaling, DescribeScalingInstances)."""

    def describe_key(self, key_id: str) -> Described[Key]:
        """Show the state of a key, or that KMS does not know it (KMS, DescribeKey)."""

    def describe_replica_pairs(self) -> Described[ReplicaPair]:
        """Show all replication pairs with a disk in this region (EBS, DescribeDiskReplicaPairs)."""

    def describe_system_events(self, instance_ids: Sequence[str]) -> Described[SystemEvent]:
        """Show what is planned for, or being done to, these instances (DescribeInstanceHistoryEvents)."""

    def describe_auto_snapshot_policy(self, policy_id: str) -> Described[AutoSnapshotPolicy]:
        """Show an automatic snapshot policy (DescribeAutoSnapshotPolicyEx)."""

    def dry_run(self, action: str, ids: Sequence[str]) -> str:
        """Make a Describe call with DryRun: the code of the answer, ``DryRunOperation`` if it is allowed."""

    def dry_run_stop(self, instance_id: str) -> str:
        """Ask StopInstance with DryRun: the code of the answer."""

    def dry_run_start(self, instance_id: str) -> str:
        """Ask StartInstance with DryRun: the code of the answer."""

    def dry_run_batch(self, action: str, instance_ids: Sequence[str]) -> str:
        """Ask StopInstances or StartInstances for up to 100 with DryRun: the code; on success, of one instance."""

    def dry_run_reset(self, disk_id: str, snapshot_id: str) -> str:
        """Ask ResetDisk with DryRun: the code of the answer."""

    def stop_instance(self, instance_id: str, *, force: bool = False, attempt: int = 1) -> Accepted:
        """Stop an instance, keeping it billed so that it can start again (StopInstance, KeepCharging)."""

    def start_instance(self, instance_id: str, *, attempt: int = 1) -> Accepted:
        """Start an instance (StartInstance; InitLocalDisk is never sent)."""

    def stop_instances(
        self, instance_ids: Sequence[str], *, force: bool = False, attempt: int = 1
    ) -> Mapping[str, Accepted | Refused]:
        """Stop up to 100 instances together (StopInstances, SuccessFirst): the answer for each, if there was one."""

    def start_instances(self, instance_ids: Sequence[str], *, attempt: int = 1) -> Mapping[str, Accepted | Refused]:
        """Start up to 100 instances (StartInstances, SuccessFirst): the answer for each, if there was one."""

    def reinit_disk(self, disk_id: str, options: Options, *, attempt: int = 1, until: float = math.inf) -> Accepted:
        """Wipe a disk (ReInitDisk; AutoStartInstance is never sent).

        Args:
            disk_id: the disk.
            options: what to set with it.
            attempt: how often it has been intended.
            until: real seconds since boot after which it must not be sent any more, because its observation is too old.
        """

    def create_snapshot(  # noqa: PLR0913 - the parameters of CreateSnapshot
        self,
        disk_id: str,
        *,
        name: str,
        description: str,
        token: str,
        retention_days: int | None,
        tags: Sequence[tuple[str, str]],
        attempt: int = 1,
    ) -> Accepted:
        """Create a snapshot of a disk, idempotent by ``token`` (CreateSnapshot)."""

    def reset_disk(self, disk_id: str, snapshot_id: str, *, attempt: int = 1, until: float = math.inf) -> Accepted:
        """Roll a disk back to one of its snapshots (ResetDisk); ``until`` as for ``reinit_disk``."""

    def tag_instance(self, instance_id: str, tag: tuple[str, str], *, attempt: int = 1) -> Accepted:
        """Put a tag on an instance (TagResources)."""

    def untag_instance(self, instance_id: str, key: str, *, attempt: int = 1) -> Accepted:
        """Remove a tag from an instance (UntagResources)."""


class CloudFactory(Protocol):
    """Makes the ``Cloud`` that a plan or a run uses, and that is closed at its end."""

    def __call__(self, on_call: OnCall, may_send: MaySend) -> Cloud:
        """Make one; nothing is sent yet.

        Args:
            on_call: must be called for every exchange once it has ended, in whatever way: reports, journals and rate
                limits depend on it.
            may_send: must be called with the action immediately before the first byte of every changing call, each time
                that it is sent. If it returns a text, nothing may be sent: raise ``NotSent`` with that text.

        """
