"""Which permissions a run of a plan has: asked with DryRun if ECS has it; otherwise reported as not provable."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..clock import Clock
from ..cloud.connection import Connection
from ..cloud.interface import Cloud, CloudError
from ..cloud.locate import make_cloud
from ..cloud.retry import Patient
from ..error_mapping import refusal_of
from ..model import Call, Plan, error_codes
from ..plans.ram_policy import Right, needed_permissions


@dataclass(frozen=True)
class Proof:
    """What is known about one permission."""

    right: Right
    state: Literal["allowed", "missing", "unproven", "optional"]
    """``optional``: it is missing, and the run can do without it."""
    why: str
    """How it is known, or why it cannot be known."""


def prove(
    connection: Connection, clock: Clock, plan: Plan, calls: Sequence[Call], on_call: Callable[[Call], None]
) -> tuple[Proof, ...]:
    """Return, for each permission that a run of a plan needs, whether these credentials have it. Nothing is changed.

    Args:
        connection: the cloud that is asked, with DryRun, for the read calls that have it.
        clock: for waiting when ECS asks to try again later.
        plan: any plan; for a disk that could not be seen, only what is known so far is returned.
        calls: the exchanges that making it took: their answers count as they are.
        on_call: is called for every further exchange.

    Raises:
        RunRefused: ECS could not be asked.
    """
    ask = Patient(clock)
    answers = _answers(calls)
    with contextlib.closing(make_cloud(connection, on_call)) as cloud:
        try:
            return tuple(_proof(cloud, ask, plan, right, answers) for right in needed_permissions(plan, calls))
        except CloudError as error:
            raise refusal_of(error) from None


def _answers(calls: Sequence[Call]) -> dict[str, list[str]]:
    """List the codes that answered each read call, and each dry run of a changing call."""
    answers: dict[str, list[str]] = {}
    for call in calls:
        answers.setdefault(call.action, []).append(call.code)
    return answers


def _proof(cloud: Cloud, ask: Patient, plan: Plan, right: Right, answers: Mapping[str, Sequence[str]]) -> Proof:
    codes = answers.get(right.api, ())
    refused = next((code for code in codes if error_codes.of_credentials(code)), None)
    if refused is not None and right.optional:
        return Proof(
            right, "optional", f"it is missing ({refused}); the run reports that it could not check, and continues"
        )
    if refused is not None:
        return Proof(right, "missing", f"ECS answered {refused}")
    if not right.dry_run:
        if "OK" in codes:
            return Proof(right, "allowed", "it has no dry run; the call itself was answered")
        return Proof(right, "unproven", "it has no dry run")
    if right.subjects:  # a changing call, whose dry run was made for the plan
        unproven = [code for code in codes if code != error_codes.PROVEN]  # each id was asked by itself, or with others
        return _judged(right, (unproven or codes or [""])[0])
    probe, ids = _probe(right.api, plan)
    return _judged(right, ask(lambda: cloud.dry_run(probe, ids)) if ids else "")


def _judged(right: Right, code: str) -> Proof:
    """Interpret the answer to a dry run."""
    if code == error_codes.PROVEN:
        return Proof(right, "allowed", f"a dry run answered {code}")
    if error_codes.of_credentials(code):
        return Proof(right, "missing", f"a dry run answered {code}")
    why = f"a dry run answered {code}, which says nothing about the permission" if code else "it could not be asked"
    return Proof(right, "unproven", why)


def _probe(action: str, plan: Plan) -> tuple[str, list[str]]:
    """Return how a read call is asked with DryRun, and about what."""
    disks = [disk.disk_id for job in plan.jobs for disk in job.disks]
    about = {
        "DescribeDisks": disks,
        "DescribeInstances": [job.instance_id for job in plan.jobs if job.instance_id],
        "DescribeSnapshots": disks[:1],
        "DescribeImages": list(dict.fromkeys(_images(plan))),
    }
    return ("DescribeSnapshotsOfDisk" if action == "DescribeSnapshots" else action), about.get(action, [])


def _images(plan: Plan) -> list[str]:
    return [value for job in plan.jobs for name, value in job.expected.items() if name.endswith(".ImageId") and value]
