"""Which rights a run of a plan has: asked with DryRun where ECS has one; what cannot be proven is said to be so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..clock import Clock
from ..cloud.connection import Connection
from ..cloud.interface import Cloud, CloudError
from ..cloud.locate import connect
from ..cloud.retry import Patient
from ..error_mapping import refusal_of
from ..model import Call, Plan, error_codes
from ..plans.ram_policy import Right, needed_permissions


@dataclass(frozen=True)
class Proof:
    """What is known of one right."""

    right: Right
    state: Literal["allowed", "missing", "unproven", "optional"]
    """``optional``: it is missing, and the run does without it."""
    why: str
    """How it is known, or why it cannot be."""


def prove(
    connection: Connection, clock: Clock, plan: Plan, calls: Sequence[Call], on_call: Callable[[Call], None]
) -> tuple[Proof, ...]:
    """Return of each right that a run of a plan needs whether these credentials have it. Nothing is changed.

    Args:
        connection: the cloud that is asked, with DryRun, for the looks that have one.
        clock: what waits run on where ECS asks to come again.
        plan: any plan; of a disk that could not be seen only what is known so far is told.
        calls: the exchanges that making it took: what they were answered counts as it is.
        on_call: is told every further exchange.

    Raises:
        RunRefused: ECS could not be asked.
    """
    ask = Patient(clock)
    answers = _answers(calls)
    with contextlib.closing(connect(connection, on_call)) as cloud:
        try:
            return tuple(_proof(cloud, ask, plan, right, answers) for right in needed_permissions(plan, calls))
        except CloudError as error:
            raise refusal_of(error) from None


def _answers(calls: Sequence[Call]) -> dict[str, list[str]]:
    """List the codes that each look, and each dry run of a changing call, was answered."""
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
            return Proof(right, "allowed", "it has no dry run; it was answered")
        return Proof(right, "unproven", "it has no dry run")
    if right.subjects:  # a changing call, asked with DryRun when the plan was made
        unproven = [code for code in codes if code != error_codes.PROVEN]  # each id was asked by itself, or with others
        return _judged(right, (unproven or codes or [""])[0])
    probe, ids = _probe(right.api, plan)
    return _judged(right, ask(lambda: cloud.dry_run(probe, ids)) if ids else "")


def _judged(right: Right, code: str) -> Proof:
    """Judge the answer to a dry run."""
    if code == error_codes.PROVEN:
        return Proof(right, "allowed", f"a dry run answered {code}")
    if error_codes.of_credentials(code):
        return Proof(right, "missing", f"a dry run answered {code}")
    why = f"a dry run answered {code}, which says nothing about the permission" if code else "it could not be asked"
    return Proof(right, "unproven", why)


def _probe(action: str, plan: Plan) -> tuple[str, list[str]]:
    """Return how a look is asked with DryRun, and about what."""
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
