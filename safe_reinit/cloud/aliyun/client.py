"""The cloud over the SDK, composed of its parts."""

from __future__ import annotations

from .calls import ChangingCalls
from .dry_runs import DryRuns
from .exchange import Exchange
from .other_products import OtherProductReads
from .reads import Reads


class Aliyun:
    """``Cloud`` over the real SDK; ``Cloud`` says what each method means. Safe to use from several threads.

    Each part has the calls for one purpose. All send through one exchange, which signs with the credentials of the
    connection, reports each call, and turns its result into one of our errors.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.loopback = exchange.connection.loopback
        self.close = exchange.close

        reads = Reads(exchange)
        self.get_caller = reads.get_caller
        self.describe_disks = reads.describe_disks
        self.describe_disks_of = reads.describe_disks_of
        self.list_disks = reads.list_disks
        self.describe_instances = reads.describe_instances
        self.describe_tagged = reads.describe_tagged
        self.list_instances = reads.list_instances
        self.describe_snapshots = reads.describe_snapshots
        self.describe_snapshots_of = reads.describe_snapshots_of
        self.list_snapshots = reads.list_snapshots
        self.describe_snapshot_links = reads.describe_snapshot_links
        self.describe_images = reads.describe_images
        self.describe_key_pairs = reads.describe_key_pairs

        other_products = OtherProductReads(exchange)
        self.describe_scaling_members = other_products.describe_scaling_members
        self.describe_key = other_products.describe_key
        self.describe_replica_pairs = other_products.describe_replica_pairs
        self.describe_system_events = other_products.describe_system_events
        self.describe_auto_snapshot_policy = other_products.describe_auto_snapshot_policy

        dry_runs = DryRuns(exchange)
        self.dry_run = dry_runs.dry_run
        self.dry_run_batch = dry_runs.dry_run_batch
        self.dry_run_reset = dry_runs.dry_run_reset
        self.dry_run_stop = dry_runs.dry_run_stop
        self.dry_run_start = dry_runs.dry_run_start

        calls = ChangingCalls(exchange)
        self.stop_instance = calls.stop_instance
        self.stop_instances = calls.stop_instances
        self.start_instance = calls.start_instance
        self.start_instances = calls.start_instances
        self.reinit_disk = calls.reinit_disk
        self.reset_disk = calls.reset_disk
        self.create_snapshot = calls.create_snapshot
        self.tag_instance = calls.tag_instance
        self.untag_instance = calls.untag_instance
