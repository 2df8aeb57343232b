"""The lock tag of a run that is let go: taken off its machines, and seen to be gone."""

from __future__ import annotations

from collections.abc import Sequence

from ..clock import Clock
from ..cloud.interface import Cloud, CloudError
from ..cloud.retry import Patient
from ..core.polling import TICK
from ..errors import RunFailed
from ..model import LOCK_TAG

_TAG_LOOKS = 10
"""Looks for a lock tag that was taken off to be gone."""


def take_off(cloud: Cloud, clock: Clock, run_id: str, instances: Sequence[str]) -> None:
    """Remove the lock tags of a run, and check that they are gone; a tag of another run stays where it is.

    Raises:
        RunFailed: one could not be taken off.
    """

    def tagged() -> list[str]:
        found = Patient(clock)(lambda: cloud.instances(instances)).shown
        return [each.instance_id for each in found if dict(each.tags).get(LOCK_TAG) == run_id]

    try:
        for instance_id in tagged():
            cloud.untag(instance_id, LOCK_TAG)
        for _ in range(_TAG_LOOKS):
            if not tagged():
                break
            clock.sleep(TICK)
    except CloudError as error:
        raise RunFailed(
            f"The tag {LOCK_TAG} of run {run_id} could not be taken off: {error}",
            hint="Take it off in the ECS console, then try again.",
        ) from None
