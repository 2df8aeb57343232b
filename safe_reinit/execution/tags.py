"""The lock tag of a run that is released: removed from its machines, and verified to be gone."""

from __future__ import annotations

from collections.abc import Sequence

from ..clock import Clock
from ..cloud.interface import Cloud, CloudError
from ..cloud.retry import Patient
from ..core.polling import TICK_INTERVAL
from ..errors import RunFailed
from ..model import LOCK_TAG

_TAG_READS = 10
"""Observations that check whether a removed lock tag is gone."""


def remove_lock_tags(cloud: Cloud, clock: Clock, run_id: str, instance_ids: Sequence[str]) -> None:
    """Remove the lock tags of a run, and check that they are gone; the tag of another run stays where it is.

    Raises:
        RunFailed: one could not be removed.
    """

    def tagged() -> list[str]:
        listed = Patient(clock)(lambda: cloud.describe_instances(instance_ids)).items
        return [each.instance_id for each in listed if dict(each.tags).get(LOCK_TAG) == run_id]

    try:
        for instance_id in tagged():
            cloud.untag_instance(instance_id, LOCK_TAG)
        for _ in range(_TAG_READS):
            if not tagged():
                break
            clock.sleep(TICK_INTERVAL)
    except CloudError as error:
        raise RunFailed(
            f"The tag {LOCK_TAG} of run {run_id} could not be removed: {error}",
            hint="Remove it in the ECS console, then try again.",
        ) from None
