"""Something in another product could not be checked.

What it does
    Reports every call to Auto Scaling, KMS, EBS or STS, and every query for system events or automatic snapshot
    policies, that got no answer: why it failed, and what is unknown as a result. A call that the configuration lists
    under require_answers is reported by could-not-check instead, and stops the run.

Why it matters
    It does not stop the run: a plan can be made without these answers. But what these answers would have shown can
    matter: a scaling group can destroy the instance, a disabled key can keep it from starting, or ECS can refuse the
    wipe.

How to fix it
    Grant the named permission to these credentials, or make the endpoint of the product reachable; then check again
    with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import repair_of, required, word
from .check import Check

_UNKNOWN = {
    "DescribeScalingInstances": "only tags can show whether the instance is in a scaling group, "
    "which may release a member that is stopped",
    "DescribeDiskReplicaPairs": "it is not known whether the disk is in a replication pair, "
    "whose disks ECS does not wipe",
    "DescribeKey": "it is not known whether the encryption key works, "
    "without which ECS refuses both the wipe and the start",
    "DescribeInstanceHistoryEvents": "it is not known whether ECS plans a maintenance of the instance, "
    "which may restart it during the run",
    "GetCallerIdentity": "the account of these credentials is not known; the run can use only this key, "
    "and no target rule that names an account allows it",
    "DescribeAutoSnapshotPolicyEx": "it is not known whether an automatic snapshot of the disk is due, "
    "during which ECS refuses the wipe",
}


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    for unseen in facts.other_products.unanswered if facts.disk is not None else ():
        if required(facts, unseen):
            continue
        action, why = word(unseen.action, "A call"), word(unseen.why, "no answer").rstrip(".")
        means = _UNKNOWN.get(unseen.action, "what it would have shown is not known")
        if unseen.row is not None:
            means = _UNKNOWN.get(unseen.action, "it counts as not seen; no disk of this plan depends on it")
            yield Finding(
                CHECK.name,
                "info",
                unseen.subject or unseen.action,
                f"In the answer to {action}, {why}, so {means}.",
                fix=repair_of(unseen.row),
                fact={"Subject": unseen.subject, "Field": unseen.row.field, "Value": unseen.row.value},
            )
            continue
        way = (
            f"Grant {word(unseen.right, action)} to these credentials" if unseen.right else "Try again in a few minutes"
        )
        yield Finding(
            CHECK.name,
            "info",
            unseen.action,
            f"{action} was not answered ({why}), so {means}.",
            fix=f"{way}, or check it yourself.",
            fact={"Right": unseen.right, "Why": unseen.why},
        )


CHECK = Check("not-checked", "info", (), check)
