"""What several checks share: how ECS's words are put into sentences, and rules that two checks have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..model import Finding, error_codes
from ..model.letters import printable

if TYPE_CHECKING:
    from ..model import Disk, DiskFacts, Instance, Level, Snapshot, UnreadableRow, Unseen

DAY = 86400
"""A day in seconds."""
_EVER = datetime.min.replace(tzinfo=UTC)

RUN = "run"
"""The subject of findings about the whole run."""

_LOCK_CODES = {"security": "InstanceLockedForSecurity", "financial": "InstanceExpiredOrInArrears"}
_LOCK_FIXES = {
    "security": "Have the security lock cleared, then check again with --dry-run.",
    "financial": "Settle the overdue bill, then check again with --dry-run.",
    "recycling": "Find out in the ECS console whether a release is pending, and wipe only once this lock is gone.",
    "dedicatedhostfinancial": "Settle the overdue bill of the dedicated host, then check again with --dry-run.",
    "refunded": "Ask Alibaba Cloud support about the refund behind this lock, then check again with --dry-run.",
}
_UNKNOWN_LOCK_FIX = (
    "Ask Alibaba Cloud support what this lock means and how to lift it, then check again with --dry-run."
)


def word(text: str, blank: str = "not shown") -> str:
    """Return a text from ECS or the command line as one line that fits into a sentence."""
    return printable(text).strip() or blank


def restarted(facts: DiskFacts) -> Instance | None:
    """Return the instance of the disk if the plan stops or starts it."""
    return facts.instance if facts.disk is not None and (facts.will_stop or facts.will_start) else None


def listed(ids: Iterable[str], most: int = 3) -> str:
    """Return some ids as text, with a count of those that are left out."""
    all_ids = [word(each) for each in ids]
    rest = len(all_ids) - most
    return ", ".join(all_ids[:most]) + (f" and {rest} more" if rest > 0 else "")


def moment(when: datetime) -> str:
    """Write a time as ECS does."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def span(seconds: float) -> str:
    """Write a duration as in a setting: ``24h``, ``90m``, ``45s``."""
    whole = round(seconds)
    size, unit = next(((size, unit) for size, unit in ((3600, "h"), (60, "m")) if whole % size == 0), (1, "s"))
    return f"{whole // size}{unit}"


def newest_first(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Sort snapshots by creation time, with those that show none last."""
    return sorted(snapshots, key=lambda shot: (shot.creation_time or _EVER, shot.snapshot_id), reverse=True)


def overwriting(facts: DiskFacts) -> str:
    """Return the name of the call of the plan: an undo rolls the disk back (ResetDisk)."""
    return "ResetDisk" if facts.options.undo else "ReInitDisk"


def is_system(disk: Disk) -> bool:
    """Return whether it is a system disk; every other word counts as a data disk."""
    return disk.type.lower() == "system"


def on_windows(facts: DiskFacts) -> bool:
    """Return whether the instance runs Windows: by its own OSType, otherwise by that of the disk's image."""
    shown = facts.instance.os_type if facts.instance else ""
    return (shown or (facts.image.os_type if facts.image else "")).lower() == "windows"


def repair_of(row: UnreadableRow) -> str:
    """Return what to do about an unreadable row."""
    return (
        f"Check {word(row.subject, 'the resource')} in the console. If it is correct there, ask Alibaba Cloud "
        f"support about this answer to {word(row.action)}. Other disks are not affected."
    )


def required(facts: DiskFacts, unseen: Unseen) -> bool:
    """Return whether the configuration requires this question to another product."""
    from ..model.other_products import REQUIRABLE  # noqa: PLC0415 - to explain a check takes none of it

    return unseen.action in {REQUIRABLE.get(name) for name in facts.options.require_answers}


def locked(check: str, thing: Disk | Instance, facts: DiskFacts) -> Iterator[Finding]:
    """Find each lock of a disk or an instance: every lock refuses, whether its word is known or not."""
    what, subject = ("disk", facts.disk_id) if thing is facts.disk else ("instance", thing.instance_id)
    call = overwriting(facts)
    for lock in dict.fromkeys(thing.locks):
        code = _LOCK_CODES.get(lock.lower())
        meaning = (
            f"ECS refuses {call} while it is locked" if code else f"what {call} does under this lock is not documented"
        )
        yield Finding(
            check,
            "block",
            subject,
            f"The {what} has the lock {word(lock, 'without a reason')}, and {meaning}.",
            fix=_LOCK_FIXES.get(lock.lower(), _UNKNOWN_LOCK_FIX),
            fact={"LockReason": lock},
            predicts=code,
        )


def expired(check: str, thing: Disk | Instance, facts: DiskFacts) -> Iterator[Finding]:
    """Find that the subscription of a disk or an instance has ended; pay-as-you-go resources have none."""
    kind, subject = ("Disk", facts.disk_id) if thing is facts.disk else ("Instance", thing.instance_id)
    if thing.charge_type.lower() != "prepaid" or thing.expired_time is None or thing.expired_time >= facts.now:
        return
    since, what = moment(thing.expired_time), kind.lower()
    yield Finding(
        check,
        "block",
        subject,
        f"The subscription of the {what} expired at {since}, and ECS refuses {overwriting(facts)} until it is renewed.",
        fix=f"Renew the subscription of the {what}, then check again with --dry-run.",
        fact={f"{kind}ChargeType": thing.charge_type, "ExpiredTime": since},
        predicts="InstanceExpiredOrInArrears",
    )


def level_of_standstill(facts: DiskFacts) -> Level | None:
    """Find a stop that somebody else reacts to: block if the run would cause it, risk if it is stopped already."""
    if facts.will_stop:
        return "block"
    return "risk" if facts.instance is not None and facts.instance.status == "Stopped" else None


def not_allowed(
    check: str, action: str, consequence: str, facts: DiskFacts, *, expected: str | None = None
) -> Iterator[Finding]:
    """Interpret the answer to a DryRun of StopInstance or StartInstance, if the plan will make that call.

    Args:
        expected: the answer for every instance without a problem; it is not reported.
    """
    code, instance = facts.dry_run_codes.get(action), facts.instance
    if facts.disk is None or instance is None or not facts.will_stop:
        return
    if code is None or code in (error_codes.PROVEN, expected):
        return
    act = action.removesuffix("Instance").lower()
    resource = f"acs:ecs:{word(facts.region, '*')}:*:instance/{word(instance.instance_id, '*')}"
    if error_codes.lacks_right(code):
        yield Finding(
            check,
            "block",
            instance.instance_id,
            f"These credentials may not {act} the instance (a DryRun of {action} answered {word(code)}), "
            f"{consequence}.",
            fix=f"Grant ecs:{action} on {resource} to these credentials, then check again with --dry-run.",
            fact={"Code": code},
        )
        return
    yield Finding(
        check,
        "info",
        instance.instance_id,
        f"A DryRun of {action} answered {word(code)}, "
        f"which proves nothing about whether these credentials may {act} the instance.",
        fix=f"Make sure that these credentials have ecs:{action} on {resource}.",
        fact={"Code": code},
    )
