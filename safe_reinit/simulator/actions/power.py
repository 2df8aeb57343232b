"""StopInstance and StartInstance with their forms for several instances, and RebootInstance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..errors import Refusal, missing
from ..state import power
from ..state.model import Instance
from ..wire.answers import Body
from .context import Context


@dataclass(frozen=True)
class _Change:
    """A change of power: a check that raises a refusal, the change, and the status right after it."""

    check: Callable[[Instance], None]
    change: Callable[[Instance], None]
    becomes: str


def _stopping(ctx: Context) -> _Change:
    mode = ctx.params.choice("StoppedMode", ("KeepCharging", "StopCharging"), "InvalidParameter")
    force, confirmed = ctx.params.flag("ForceStop"), ctx.params.flag("ConfirmStop")

    def check(instance: Instance) -> None:
        power.may_stop(ctx.cloud, instance, ctx.now, force=force, confirmed=confirmed)
        if ctx.params.flag("Hibernate") and not instance.hibernation:
            raise Refusal("HibernationConfigured.NotEnabled")

    return _Change(
        check=check,
        change=lambda instance: power.stop(ctx.cloud, instance, ctx.now, mode=mode, force=force),
        becomes="Stopping",
    )


def _starting(ctx: Context) -> _Change:
    return _Change(
        check=lambda instance: power.may_start(ctx.cloud, instance, ctx.now),
        change=lambda instance: power.start(ctx.cloud, instance, ctx.now),
        becomes="Starting",
    )


def _rebooting(ctx: Context) -> _Change:
    force = ctx.params.flag("ForceStop")
    return _Change(
        check=lambda instance: power.may_reboot(ctx.cloud, instance, ctx.now),
        change=lambda instance: power.reboot(ctx.cloud, instance, ctx.now, force=force),
        becomes="Starting",
    )


def _one(change_of: Callable[[Context], _Change], ctx: Context) -> Body:
    """Change one instance. A dry run checks permissions, then the state, then answers DryRunOperation."""
    instance_id = ctx.params.required("InstanceId")
    change = change_of(ctx)
    ctx.require(instance_id)
    instance = ctx.instance(instance_id)
    change.check(instance)
    ctx.end_dry_run()
    change.change(instance)
    return {}


def _many(change_of: Callable[[Context], _Change], ctx: Context) -> Body:
    """Change several: AllTogether (default) all or none, SuccessFirst each on its own, with its own code in the answer.

    A dry run with SuccessFirst answers with success whether or not the request would pass, as ECS documents it.
    """
    ctx.in_region()
    ids = ctx.params.repeated("InstanceId")
    if not ids:
        raise missing("InstanceId")
    if len(ids) > 100:
        raise Refusal("InvalidParameter.TooManyInstanceIds")
    batch = ctx.params.choice("BatchOptimization", ("AllTogether", "SuccessFirst"), "InvalidParameter")
    change = change_of(ctx)
    if batch == "SuccessFirst":
        ctx.end_dry_run("DRYRUN.SUCCESS")
    ctx.require(*ids)
    instances = _instances(ctx, ids)
    if batch != "SuccessFirst":
        for instance in instances:
            change.check(instance)
    ctx.end_dry_run("DRYRUN.SUCCESS")
    return {"InstanceResponses": {"InstanceResponse": [_changed(change, instance) for instance in instances]}}


def _instances(ctx: Context, ids: list[str]) -> list[Instance]:
    try:
        return [ctx.instance(instance_id) for instance_id in dict.fromkeys(ids)]
    except Refusal:
        raise Refusal("InvalidInstanceIds.NotFound") from None


def _changed(change: _Change, instance: Instance) -> Body:
    code, message, becomes = "200", "success", change.becomes
    try:
        change.check(instance)
        change.change(instance)
    except Refusal as refusal:
        code, message, becomes = refusal.code, refusal.message, instance.status
    return {
        "InstanceId": instance.id,
        "Code": code,
        "Message": message,
        "PreviousStatus": instance.status,
        "CurrentStatus": becomes,
    }


stop_instance = partial(_one, _stopping)
reboot_instance = partial(_one, _rebooting)
start_instance = partial(_one, _starting)
stop_instances = partial(_many, _stopping)
start_instances = partial(_many, _starting)
