"""The plan: what would be done to which disk, what each becomes, and what the person types to agree. Pure.

The plan that is shown is the plan that runs: ``changed_facts`` compares later facts with those it is based on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ..checks import check_disk, check_disks
from ..checks.no_recent_snapshot import way_back
from ..model import (
    Becomes,
    Disk,
    DiskFacts,
    Facts,
    Finding,
    Image,
    Instance,
    Limits,
    Options,
    Plan,
    PlannedDisk,
    PlannedJob,
    Secret,
    Snapshot,
)
from ..model.codec import DecodeError, decode, members, timestamp
from ..model.duration import duration
from ..model.guard import ON_BY_DEFAULT
from ..model.letters import printable
from ..model.plan import PLAN_SCHEMA

SCHEMA = PLAN_SCHEMA


def make_plan(facts: Facts, options: Options, limits: Limits, reason: str | None, plan_id: str = "") -> Plan:
    """Check the facts and make the plan; refusals are in its findings, and raise no exception."""
    findings = {each.disk_id: check_disk(each) for each in facts.disks}
    jobs = tuple(_job(disks, findings, options) for disks in _by_instance(facts.disks))
    print_ = fingerprint(facts.caller.account, facts.region, jobs, options)
    return Plan(
        plan_id=plan_id,
        region=facts.region,
        account=facts.caller.account,
        caller=facts.caller,
        made_at=facts.now,
        options=options,
        limits=limits,
        reason=reason,
        jobs=jobs,
        findings=check_disks(facts.disks),
        fingerprint=print_,
        confirm_with=_confirm_with([each.disk_id for each in facts.disks], print_),
        guard=facts.disks[0].guard if facts.disks else ON_BY_DEFAULT,
    )


def without_refused(plan: Plan) -> Plan:
    """Leave out the refused jobs, unless none would be left; refusals of the run itself stay."""
    refused = {finding.subject for finding in plan.blockers}
    out = [job for job in plan.jobs if refused & _subjects(job)]
    left = [job for job in plan.jobs if job not in out]
    about = set[str]().union(*(_subjects(job) for job in out)) if out else set()
    kept = tuple(finding for finding in plan.findings if finding.subject not in about)
    if not out or not left:
        return plan
    print_ = fingerprint(plan.account, plan.region, left, plan.options)
    disk_ids = [disk.disk_id for job in left for disk in job.disks]
    return replace(
        plan,
        jobs=tuple(left),
        findings=kept,
        skipped=tuple(out),
        skipped_findings=tuple(finding for finding in plan.findings if finding.subject in about),
        fingerprint=print_,
        confirm_with=_confirm_with(disk_ids, print_),
    )


def _subjects(job: PlannedJob) -> set[str]:
    return {job.instance_id or "", *(disk.disk_id for disk in job.disks)} - {""}


def fingerprint(account: str, region: str, jobs: Sequence[PlannedJob], options: Options) -> str:
    """Return 64 hex digits for the intention: the same disks to become the same with the same options give the same."""
    disks = [
        [job.instance_id, disk.disk_id, disk.type, disk.size_gib, disk.becomes.kind, disk.becomes.id]
        for job in jobs
        for disk in job.disks
    ]
    intention: dict[str, object] = {
        "v": 1,
        "account": account,
        "region": region,
        "disks": sorted(disks, key=lambda row: [str(member or "") for member in row]),
        "options": {
            "stop_instance": options.stop_instance,
            "leave_stopped": options.leave_stopped,
            "snapshot": options.snapshot,
            "key_pair": options.key_pair or None,
            "password": options.password is not None,
            "security_enhancement": options.security_enhancement or None,
        },
        "accept": sorted(set(options.accept)),
    }
    if options.undo:
        intention["undo"] = options.undo
    return hashlib.sha256(canonical(intention)).hexdigest()


def canonical(data: object) -> bytes:
    """Write JSON in the one form that is hashed: sorted keys, no spaces, UTF-8."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def becomes(facts: DiskFacts) -> Becomes:
    """Return what a disk is after ReInitDisk (ECS API reference, ReInitDisk), if its source was seen to exist.

    In an undo: what it is after ResetDisk (ECS API reference, ResetDisk).
    """
    disk, image, source = facts.disk, facts.image, facts.source_snapshot
    if disk is None:
        return Becomes("unknown")
    if facts.restore_from:
        found = facts.restore_snapshot
        return Becomes("snapshot" if found else "unknown", facts.restore_from, found.creation_time if found else None)
    if disk.type == "data" and source is not None:
        return Becomes("snapshot", source.snapshot_id, source.creation_time)
    if disk.image_id:
        known = image is not None
        return Becomes("image" if known else "unknown", disk.image_id, image.creation_time if image else None)
    if disk.type == "data":
        return Becomes("unknown", disk.source_snapshot_id) if disk.source_snapshot_id else Becomes("empty")
    return Becomes("unknown")


def expected(disks: Sequence[DiskFacts]) -> dict[str, str]:
    """Return the facts that a plan for one job is based on, as a flat mapping with ECS's names."""
    facts: dict[str, str] = {}
    for each in disks:
        if each.instance is not None:
            facts.update(_instance_facts(each.instance))
        if each.disk is not None:
            facts.update(_disk_facts(each.disk, each.source_snapshot, each.image))
        if each.restore_from:
            snapshot = each.restore_snapshot
            facts[f"{each.disk_id}.RestoreSnapshot"] = (
                f"{each.restore_from} {snapshot.status if snapshot else ''}".rstrip()
            )
    return facts


def changed_facts(planned: Mapping[str, str], now: Mapping[str, str], *, ours: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what changed, as ``field: planned -> now``; ``ours`` are the fields that our own calls change."""
    return tuple(
        printable(f"{name}: {planned.get(name) or 'none'} -> {now.get(name) or 'none'}")
        for name in sorted({*planned, *now})
        if name not in ours and planned.get(name, "") != now.get(name, "")
    )


def steps(job: PlannedJob, plan: Plan) -> list[tuple[str, str, str, float]]:
    """List the changing calls of a job in order: action, subject, special options, and how long it may take (s).

    That is counted from the end of the call before, retries included; 0 for what may take no time of its own, since it
    goes on at the same time. So the limits of what a machine is down for add up to its downtime.
    """
    limits = plan.limits
    calls: list[tuple[str, str, str, float]] = []
    instance = job.instance_id or "no instance"
    if plan.options.lock_tag:
        calls.append(("TagResources", instance, "safe-reinit:run", limits.retry))
    if job.will_stop:
        calls.append(("StopInstance", instance, "", limits.stop))
        if limits.force_stop_after is not None:
            calls.append(("StopInstance", instance, _power_cut(limits.force_stop_after), 0.0))
    once = [True, *(False for _ in job.disks[1:])]
    if plan.options.snapshot:
        calls += [
            ("CreateSnapshot", disk.disk_id, "and wait for it", limits.snapshot * first)
            for disk, first in zip(job.disks, once, strict=True)
        ]
    what = "with key pair" if plan.options.key_pair else "with password" if plan.options.password else ""
    undo, most = plan.options.undo, limits.retry + limits.reinit
    calls += [
        ("ResetDisk" if undo else "ReInitDisk", disk.disk_id, f"to {disk.becomes.id}" if undo else what, most * first)
        for disk, first in zip(job.disks, once, strict=True)
    ]
    if job.will_start:
        calls.append(("StartInstance", instance, "", limits.start))
    if plan.options.lock_tag:
        calls.append(("UntagResources", instance, "safe-reinit:run", limits.retry))
    return calls


def _power_cut(after: float) -> str:
    return f"ForceStop, a POWER CUT, if it is still Stopping after {duration(after)}"


def wiping_time(plan: Plan) -> float:
    """Return for how many seconds a machine is down at most that is wiped: its steps from the stop to the start."""
    limits = plan.limits
    return limits.down_before_wipe(snapshot=plan.options.snapshot) + limits.reinit + limits.start


def downtime(job: PlannedJob, plan: Plan) -> float:
    """Return how many seconds the instance may be down at most, if ECS takes as long as it may."""
    limits = plan.limits
    turned_back = limits.stop + 2 * limits.start  # a stop that takes too long is waited for as long as a start
    return max(wiping_time(plan), turned_back) if job.will_stop else 0.0


def unforeseen(plan: Plan) -> list[str]:
    """Return what cannot be known before the run, because ECS describes it nowhere."""
    unknown_calls = [] if plan.options.undo else ["ReInitDisk"]
    unknown_calls += ["CreateSnapshot"] if plan.options.snapshot else []
    unknown_calls += ["TagResources and UntagResources"] if plan.options.lock_tag else []
    texts = [f"permission for {' and '.join(unknown_calls)}"] if unknown_calls else []
    if any(job.will_start for job in plan.jobs):
        texts.append("capacity to restart")
    return texts


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Write the plan as JSON; a password is written as ``true``, never itself."""
    return plan.to_dict()


def as_members(plan: Plan) -> dict[str, Any]:
    """Return the members that ``plan_to_json`` writes, without copying them: thousands of jobs are not held twice."""
    return {"schema": SCHEMA, **members(plan)}


def from_json(data: Mapping[str, Any], password: Secret | None = None) -> Plan:
    """Read a plan from JSON; a plan made with a password needs it again.

    Raises:
        DecodeError: it is not a plan of this schema, or not the one that was written.

    """
    if data.get("schema") != SCHEMA:
        raise DecodeError("At $.schema: not a plan of schema 1.")
    options = data.get("options")
    if not isinstance(options, dict):
        raise DecodeError("At $.options: not the members of Options.")
    had_password = bool(options.get("password"))
    if had_password != (password is not None):
        raise DecodeError("At $.options.password: the plan was made with a password; give it again.")
    plan = decode(Plan, {name: member for name, member in data.items() if name != "schema"})
    plan = replace(plan, options=replace(plan.options, password=password))
    if fingerprint(plan.account, plan.region, plan.jobs, plan.options) != plan.fingerprint:
        raise DecodeError("At $.fingerprint: the plan was changed after it was made.")
    disk_ids = [disk.disk_id for job in plan.jobs for disk in job.disks]
    if plan.confirm_with != _confirm_with(disk_ids, plan.fingerprint):
        raise DecodeError("At $.confirm_with: the plan was changed after it was made.")
    return plan


def part_of(plan: Plan, jobs: tuple[PlannedJob, ...]) -> Plan:
    """Return the plan of some of the jobs of a plan."""
    print_ = fingerprint(plan.account, plan.region, jobs, plan.options)
    disk_ids = [disk.disk_id for job in jobs for disk in job.disks]
    return replace(plan, jobs=jobs, fingerprint=print_, confirm_with=_confirm_with(disk_ids, print_))


def _confirm_with(disk_ids: Sequence[str], print_: str) -> str:
    return disk_ids[0] if len(disk_ids) == 1 else print_


def _by_instance(disks: Sequence[DiskFacts]) -> list[list[DiskFacts]]:
    jobs: dict[str, list[DiskFacts]] = {}
    for each in disks:
        attached = each.disk.instance_id if each.disk else ""
        jobs.setdefault(attached or each.disk_id, []).append(each)
    return list(jobs.values())


def _job(disks: Sequence[DiskFacts], findings: Mapping[str, Sequence[Finding]], options: Options) -> PlannedJob:
    first = disks[0]
    instance = first.instance
    attached = first.disk.instance_id if first.disk else ""
    power = instance.status if instance else ""
    comes_back = first.will_start or (power == "Running" and not options.leave_stopped)
    promised: Literal["Running", "Stopped"] = "Running" if comes_back else "Stopped"
    return PlannedJob(
        instance_id=attached or None,
        instance_name=instance.instance_name if instance else "",
        power_before=power,
        power_promised=promised,
        will_stop=first.will_stop,
        will_start=first.will_start,
        disks=tuple(_disk(each, findings[each.disk_id], options) for each in disks),
        sharing=tuple(disk.disk_id for disk in first.neighbours),
        expected=expected(disks),
    )


def _disk(facts: DiskFacts, findings: Sequence[Finding], options: Options) -> PlannedDisk:
    disk = facts.disk
    waived = tuple(
        dict.fromkeys(each.check for each in findings if each.level == "risk" and each.check in options.accept)
    )
    if disk is None:
        return PlannedDisk(facts.disk_id, waivers=waived)
    newest = way_back(facts)
    return PlannedDisk(
        disk_id=disk.disk_id,
        disk_name=disk.disk_name,
        serial=disk.serial,
        type=disk.type,
        device=disk.device,
        size_gib=disk.size_gib,
        becomes=becomes(facts),
        waivers=waived,
        way_back=newest.snapshot_id if newest else "",
    )


def _instance_facts(instance: Instance) -> dict[str, str]:
    return {
        f"{instance.instance_id}.{name}": value
        for name, value in {
            "InstanceName": instance.instance_name,
            "Status": instance.status,
            "StartTime": timestamp(instance.start_time) if instance.start_time else "",
            "OperationLocks": ",".join(instance.locks),
        }.items()
    }


def _disk_facts(disk: Disk, source: Snapshot | None, image: Image | None) -> dict[str, str]:
    return {
        f"{disk.disk_id}.{name}": value
        for name, value in {
            "DiskName": disk.disk_name,
            "SerialNumber": disk.serial,
            "Status": disk.status,
            "Type": disk.type,
            "Category": disk.category,
            "Size": str(disk.size_gib),
            "InstanceId": disk.instance_id,
            "AttachedTime": timestamp(disk.attached_time) if disk.attached_time else "",
            "MultiAttach": disk.multi_attach,
            "ImageId": disk.image_id,
            "Image": image.status if image else "",
            "SourceSnapshotId": disk.source_snapshot_id,
            "SourceSnapshot": source.status if source else "",
            "OperationLocks": ",".join(disk.locks),
        }.items()
    }
