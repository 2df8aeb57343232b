"""What several operations refuse for the same reasons: locks, unpaid bills, missing keys."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import Refusal
from .cloud import Cloud
from .model import Disk, Instance

FINANCIAL = frozenset({"financial", "recycling", "refunded", "dedicatedhostfinancial"})
"""Lock reasons that mean unpaid bills."""


def unlocked(cloud: Cloud, rows: Iterable[Disk | Instance], now: float, unpaid: str, indebted: str) -> None:
    """Refuse what is locked for security, then what is expired or locked for payment, then an account in arrears.

    `unpaid` and `indebted` are the codes for the latter two. Arrears concern only pay-as-you-go resources.
    """
    known = list(rows)
    locks = {reason for row in known for reason in row.locks}
    if "security" in locks:
        raise Refusal("InstanceLockedForSecurity")
    if FINANCIAL & locks or any(expired(row, now) for row in known):
        raise Refusal(unpaid)
    if cloud.settings.arrears and any(row.charge_type == "PostPaid" for row in known):
        raise Refusal(indebted)


def expired(row: Disk | Instance, now: float) -> bool:
    """Return whether a subscription has expired."""
    return row.charge_type == "PrePaid" and row.expires is not None and row.expires < now


def key_state(cloud: Cloud, key_id: str) -> str:
    """Return the KeyState of a KMS key, `Deleted` for one that KMS does not know.

    The disks of the key take precedence: if ECS refuses them with CMKNotEnabled, the key is not Enabled.
    """
    known = cloud.kms_keys.get(key_id, "Enabled")
    uses = [disk for disk in cloud.disks if disk.kms_key_id == key_id and disk.status != "Deleted"]
    if any(disk.kms_refusal == "CMKNotEnabled" for disk in uses):
        return "Disabled" if known == "Enabled" else known
    if uses:
        return "Enabled"
    return known if key_id in cloud.kms_keys else "Deleted"


def keys_work(disks: Iterable[Disk]) -> None:
    """Refuse if the key of an encrypted disk cannot be used."""
    for disk in disks:
        if disk.kms_refusal:
            raise Refusal(f"InvalidParameter.KMSKeyId.{disk.kms_refusal}")
