"""The checks: one rule in each file, listed here in the order in which they speak.

A check is pure: it looks at the ``DiskFacts`` of one target and gives findings, so it needs no network and never
raises. Each is named after the problem it states, and the docstring of its module is its documentation.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..model import DiskFacts, Finding
from . import (
    auto_snapshot_due,
    capacity_reservation,
    category_unknown,
    category_unsupported,
    classes_differ,
    clock_off,
    could_not_look,
    dedicated_host,
    deletion_protection,
    disk_expired,
    disk_locked,
    disk_multi_attached,
    disk_not_found,
    disk_not_in_use,
    disk_on_other_instance,
    downtime_shared,
    economical_mode,
    encryption_key_unusable,
    fstab_may_name_disk,
    image_cannot_take_login,
    image_not_io_optimized,
    in_kubernetes,
    in_replication_pair,
    in_scaling_group,
    instance_expired,
    instance_hibernated,
    instance_in_transition,
    instance_locked,
    instance_not_seen,
    instance_running,
    instant_access_snapshot,
    kept_snapshots,
    key_pair_and_password,
    key_pair_not_found,
    key_pair_on_windows,
    local_disks_on_instance,
    local_snapshot,
    never_started,
    no_login_set,
    no_recent_snapshot,
    not_allowed_to_start,
    not_allowed_to_stop,
    not_in_class,
    not_looked_at,
    option_for_system_disk_only,
    outside_hours,
    password_in_query,
    password_malformed,
    public_ip,
    release_or_expiry_soon,
    reset_refused,
    safety_snapshot_gone,
    scheduled_maintenance,
    security_not_public_image,
    shared_source_image,
    snapshot_in_progress,
    source_image_deleted,
    source_image_not_available,
    source_snapshot_deleted,
    source_snapshot_too_old,
    spot,
    tagged_by_other_run,
    target_not_allowed,
    target_protected,
    too_many_disks,
    user_data_runs_again,
)
from .check import Check

CHECKS: tuple[Check, ...] = (
    # whether the judgement can be relied on at all
    could_not_look.CHECK,
    not_looked_at.CHECK,
    clock_off.CHECK,
    # whether it may be a target at all
    target_not_allowed.CHECK,
    target_protected.CHECK,
    too_many_disks.CHECK,
    not_in_class.CHECK,
    outside_hours.CHECK,
    classes_differ.CHECK,
    # the disk
    disk_not_found.CHECK,
    disk_not_in_use.CHECK,
    disk_on_other_instance.CHECK,
    disk_multi_attached.CHECK,
    category_unsupported.CHECK,
    category_unknown.CHECK,
    disk_locked.CHECK,
    disk_expired.CHECK,
    encryption_key_unusable.CHECK,
    in_replication_pair.CHECK,
    # its instance
    instance_not_seen.CHECK,
    instance_in_transition.CHECK,
    instance_running.CHECK,
    never_started.CHECK,
    instance_locked.CHECK,
    instance_expired.CHECK,
    instance_hibernated.CHECK,
    # what it would go back to
    source_snapshot_deleted.CHECK,
    source_snapshot_too_old.CHECK,
    source_image_deleted.CHECK,
    source_image_not_available.CHECK,
    image_not_io_optimized.CHECK,
    shared_source_image.CHECK,
    # its snapshots
    no_recent_snapshot.CHECK,
    snapshot_in_progress.CHECK,
    local_snapshot.CHECK,
    instant_access_snapshot.CHECK,
    kept_snapshots.CHECK,
    auto_snapshot_due.CHECK,
    # the options
    option_for_system_disk_only.CHECK,
    key_pair_on_windows.CHECK,
    key_pair_not_found.CHECK,
    key_pair_and_password.CHECK,
    security_not_public_image.CHECK,
    password_malformed.CHECK,
    password_in_query.CHECK,
    # an undo
    safety_snapshot_gone.CHECK,
    reset_refused.CHECK,
    # whether the machine comes back, and whether one can log in
    no_login_set.CHECK,
    image_cannot_take_login.CHECK,
    fstab_may_name_disk.CHECK,
    economical_mode.CHECK,
    spot.CHECK,
    release_or_expiry_soon.CHECK,
    local_disks_on_instance.CHECK,
    dedicated_host.CHECK,
    capacity_reservation.CHECK,
    # what else the stop and the wipe mean
    user_data_runs_again.CHECK,
    downtime_shared.CHECK,
    public_ip.CHECK,
    deletion_protection.CHECK,
    # who else owns the machine, and what these credentials may do
    in_scaling_group.CHECK,
    in_kubernetes.CHECK,
    tagged_by_other_run.CHECK,
    scheduled_maintenance.CHECK,
    not_allowed_to_stop.CHECK,
    not_allowed_to_start.CHECK,
)

OF_TARGET: tuple[Check, ...] = (target_not_allowed.CHECK, target_protected.CHECK, not_in_class.CHECK)
"""Those that say whether it may be a target at all, which hold in whatever state it is."""

NAMES: tuple[str, ...] = tuple(check.name for check in CHECKS)

_BY_NAME = {check.name: check for check in CHECKS}


def by_name(name: str) -> Check | None:
    """Give the check of this name, where there is one."""
    return _BY_NAME.get(name)


def judge(facts: DiskFacts) -> tuple[Finding, ...]:
    """Run every check on one target, in order."""
    undoing = bool(facts.options.undo)
    return tuple(finding for check in CHECKS if not (undoing and check.of_reinit) for finding in check.run(facts))


def judge_target(facts: DiskFacts) -> tuple[Finding, ...]:
    """Run the checks that say whether it may be a target at all."""
    return tuple(finding for check in OF_TARGET for finding in check.run(facts))


def judge_all(disks: Iterable[DiskFacts]) -> tuple[Finding, ...]:
    """Run every check on every target, in order; what two disks of one instance both say is said once."""
    said: dict[tuple[object, ...], Finding] = {}
    for facts in disks:
        for finding in judge(facts):
            said.setdefault(_identity(finding), finding)
    return tuple(said.values())


def _identity(finding: Finding) -> tuple[object, ...]:
    fact = tuple(sorted(finding.fact.items(), key=lambda item: item[0]))
    return (finding.check, finding.level, finding.subject, finding.message, finding.fix, fact, finding.predicts)


__all__ = ["CHECKS", "NAMES", "Check", "by_name", "judge", "judge_all", "judge_target"]
