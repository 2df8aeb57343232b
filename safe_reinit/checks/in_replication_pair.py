"""The disk is in a replication pair.

What it does
    Looks for the disk among the replication pairs of the region (EBS, DescribeDiskReplicaPairs), both as the source
    disk and as the replica. Only deleted pairs are ignored.

Why it matters
    The disks of an asynchronous replication pair, primary and secondary, cannot be wiped. It is not documented
    which error ECS returns, or what a wipe would do to the replica.

How to fix it
    Delete the replication pair in the EBS console once you no longer need the replica, then check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is None:
        return
    disk_id = facts.disk.disk_id
    for pair in facts.other_products.pairs:
        if pair.status == "deleted" or disk_id not in (pair.source_disk_id, pair.destination_disk_id):
            continue
        role = "primary" if disk_id == pair.source_disk_id else "secondary"
        yield Finding(
            CHECK.name,
            "block",
            disk_id,
            f"The disk is the {role} disk of replication pair {word(pair.pair_id)} (status {word(pair.status)}), "
            "and ECS does not wipe disks of a replication pair.",
            fix="Delete the replication pair once you no longer need the replica, then check again with --dry-run.",
            fact={"ReplicaPairId": pair.pair_id, "Status": pair.status},
        )


CHECK = Check("in-replication-pair", "block", (), check)
