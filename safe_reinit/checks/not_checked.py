"""Something of another product could not be looked at.

What it does
    Tells every look at Auto Scaling, KMS, EBS, STS, system events and automatic snapshot policies that was not
    answered, why, and what is not known for want of it. A look that the configuration lists under require_answers is
    told by could-not-check instead, and stops you.

Why it stops you
    It does not: a plan can do without these looks. But what they would have shown can destroy the instance (a scaling
    group), keep it from starting (a key that is switched off) or have the wipe refused.

How to fix it
    Grant the right that is named to the credentials, or make the endpoint of the product reachable; then look again
    with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import repair_of, required, word
from .check import Check

_UNKNOWN = {
    "DescribeScalingInstances": "only tags tell whether the instance is in a scaling group, "
    "which releases a member that is stopped",
    "DescribeDiskReplicaPairs": "it is not known whether the disk is in a replication pair, "
    "whose disks ECS does not reinitialise",
    "DescribeKey": "it is not known whether the encryption key works, "
    "without which ECS refuses both the wipe and the start",
    "DescribeInstanceHistoryEvents": "it is not known whether ECS plans a maintenance of the instance, "
    "which may restart it meanwhile",
    "GetCallerIdentity": "it is not known whose credentials these are; only this key may be used for the run, "
    "and no rule that names an account allows it",
    "DescribeAutoSnapshotPolicyEx": "it is not known whether an automatic snapshot of the disk is due, "
    "during which ECS refuses the wipe",
}


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    for unseen in facts.other_products.unanswered if facts.disk is not None else ():
        if required(facts, unseen):
            continue
        action, why = word(unseen.action, "A look"), word(unseen.why, "no answer").rstrip(".")
        means = _UNKNOWN.get(unseen.action, "what it shows is not known")
        if unseen.row is not None:
            means = _UNKNOWN.get(unseen.action, "it counts as not seen; no disk of this plan depends on it")
            yield Finding(
                CHECK.name,
                "info",
                unseen.subject or unseen.action,
                f"In the answer to {action} {why}, so {means}.",
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
            fix=f"{way}, or find it out by yourself.",
            fact={"Right": unseen.right, "Why": unseen.why},
        )


CHECK = Check("not-checked", "info", (), check)
