"""The cloud over the SDK, put together from its parts."""

from __future__ import annotations

from .calls import Calls
from .dry_runs import DryRuns
from .exchange import Exchange
from .other_products import OtherProducts
from .reads import Reads


class Aliyun:
    """``Cloud`` over the real SDK; ``Cloud`` says what each method means. Safe to use from several threads.

    Each part has the calls of one purpose, and all send through one exchange, which signs with the credentials of the
    place, tells of each call, and maps what it ended with to one of our errors.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.loopback = exchange.where.loopback
        self.close = exchange.close

        reads = Reads(exchange)
        self.caller = reads.caller
        self.disks, self.disks_of, self.list_disks = reads.disks, reads.disks_of, reads.list_disks
        self.instances, self.tagged, self.list_instances = reads.instances, reads.tagged, reads.list_instances
        self.snapshots, self.snapshots_of, self.list_snapshots = (
            reads.snapshots, reads.snapshots_of, reads.list_snapshots,
        )  # fmt: skip
        self.snapshot_links, self.images, self.key_pairs = reads.snapshot_links, reads.images, reads.key_pairs

        others = OtherProducts(exchange)
        self.scaling_members, self.key, self.replica_pairs = others.scaling_members, others.key, others.replica_pairs
        self.system_events, self.auto_snapshot_policy = others.system_events, others.auto_snapshot_policy

        dry_runs = DryRuns(exchange)
        self.may, self.may_many, self.may_reset = dry_runs.may, dry_runs.may_many, dry_runs.may_reset
        self.may_stop, self.may_start = dry_runs.may_stop, dry_runs.may_start

        calls = Calls(exchange)
        self.stop, self.start, self.stop_many, self.start_many = (
            calls.stop, calls.start, calls.stop_many, calls.start_many,
        )  # fmt: skip
        self.reinit, self.reset_disk, self.create_snapshot = calls.reinit, calls.reset_disk, calls.create_snapshot
        self.tag, self.untag = calls.tag, calls.untag
