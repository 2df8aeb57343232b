"""The disk is not among the targets that the configuration allows.

What it does
    Compares the account (GetCallerIdentity), the region, the ids of the disk and its instance, and the name and tags of
    the instance with the lists under `allow` in the configuration. Every list that is present must match. An entry is a
    pattern (*, ?, [...]) for the whole text, and case matters. If the disk has a tag with the same key, that tag must
    match too.

Why it matters
    The configuration says where this tool may work at all. A wrong profile, a wrong region or an id copied from the
    wrong window looks just like the right one until the data is gone.

How to fix it
    Make sure that this is the disk you mean and that these are the credentials you mean. If both are right, add the
    disk to `allow` in the configuration.
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
        f"{what} among those that the configuration allows (allow.{name}), so the tool must not touch the disk.",
        fix=f"Check the target and the credentials; if both are right, add it to allow.{name}.",
        fact=fact,
    )


def _tag_finding(thing: str, subject: str, key: str, value: str | None) -> Finding:
    has = "no tag" if value is None else f"the value {word(value, 'of none')} in its tag"
    return Finding(
        CHECK.name,
        "block",
        subject,
        f"The {thing} has {has} {word(key)}, which the configuration does not allow (allow.tags).",
        fix="Check the target; if it is right, correct its tag or allow.tags.",
        fact={"TagKey": key, "TagValue": value},
    )


CHECK = Check("target-not-allowed", "block", (), check, of_options=True)
