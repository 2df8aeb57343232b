"""The disk is not among the targets that the configuration allows.

What it does
    Compares the account (GetCallerIdentity), the region, the ids of the disk and its instance, the instance's name and
    its tags with the lists under `allow` of the configuration. Every list that is there must match; an entry is a
    pattern (*, ?, [...]) of the whole text, and capitals count. A tag of the same key on the disk must match too.

Why it stops you
    Whoever wrote the configuration said where this tool may work at all. The wrong profile, the wrong region or an id
    from the wrong window look the same as the right ones until the data is gone.

How to fix it
    Make sure that it is the disk you mean and that the credentials are those you mean. If both are right, add it to
    `allow` of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check
from .target_rules import fits, tags_amiss


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    allow, disk, instance = facts.guard.allow, facts.disk, facts.instance
    account = facts.account
    if not fits(allow.accounts, account):
        what = f"The account {word(account)} is not" if account else "The account is not known, so it is not"
        yield _finding(account or "account", what, "accounts", {"AccountId": account})
    if not fits(allow.regions, facts.region):
        yield _finding(facts.region, f"The region {word(facts.region)} is not", "regions", {"RegionId": facts.region})
    if disk is None:
        return
    if not fits(allow.disks, facts.disk_id):
        yield _finding(facts.disk_id, "The disk is not", "disks", {"DiskId": facts.disk_id})
    if instance is None:
        return
    subject, name = instance.instance_id, instance.instance_name
    if not fits(allow.instances, subject):
        yield _finding(subject, "The instance is not", "instances", {"InstanceId": subject})
    if not fits(allow.names, name):
        what = f"The instance's name {word(name, 'is empty, which')} is not"
        yield _finding(subject, what, "names", {"InstanceName": name})
    for key, value, of in tags_amiss(allow, disk, instance):
        yield _tag_finding("disk" if of == disk.disk_id else "instance", of, key, value)


def _finding(subject: str, what: str, name: str, fact: dict[str, str]) -> Finding:
    return Finding(
        CHECK.name,
        "block",
        subject,
        f"{what} among those that the configuration allows (allow.{name}).",
        fix=f"Make sure of the target and of the credentials; if both are right, add it to allow.{name}.",
        fact=fact,
    )


def _tag_finding(thing: str, subject: str, key: str, value: str | None) -> Finding:
    has = "no tag" if value is None else f"the value {word(value, 'of none')} in its tag"
    return Finding(
        CHECK.name,
        "block",
        subject,
        f"The {thing} has {has} {word(key)}, which is not what the configuration allows (allow.tags).",
        fix="Make sure of the target; if it is right, correct its tag or allow.tags.",
        fact={"TagKey": key, "TagValue": value},
    )


CHECK = Check("target-not-allowed", "block", (), check, of_options=True)
