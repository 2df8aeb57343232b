"""Something that the wipe depends on could not be checked.

What it does
    Reports every Describe call whose answer cannot be relied on, and the permission that would allow it.
    A missing answer to DescribeInstances is reported by instance-not-seen instead. Missing answers from other products
    are reported here only if the configuration lists them under require_answers.

Why it matters
    Without the permission for a Describe call, ECS can answer it with an empty list (ECS API reference,
    DescribeInstances). "No snapshot in progress" and "no permission to see snapshots" then look the same, and the
    machine would be stopped for a wipe that could not be checked.

    If one row of an answer cannot be read (a size that is not a number, an invalid time), only that resource counts as
    not seen. The finding names the id, the field and its content.

How to fix it
    Grant the named permission to these credentials, then check again with --dry-run. If a row cannot be read, compare
    it with the console, and ask Alibaba Cloud support.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding, Unseen
from ._shared import repair_of, required, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    for unseen in facts.unseen:
        if unseen.action == "DescribeInstances":
            continue
        yield _finding(facts, unseen, "so the tool cannot check whether the wipe is safe")
    for unseen in facts.other_products.unanswered:
        if required(facts, unseen):
            yield _finding(facts, unseen, "and the configuration requires it (require_answers)")


def _finding(facts: DiskFacts, unseen: Unseen, consequence: str) -> Finding:
    action, subject = word(unseen.action, "A call"), word(unseen.subject, word(facts.disk_id))
    why = word(unseen.why, "no answer").rstrip(".")
    if unseen.row is not None:
        return Finding(
            CHECK.name,
            "block",
            facts.disk_id,
            f"In the answer to {action}, {why}, {consequence}.",
            fix=repair_of(unseen.row),
            fact={"Subject": unseen.subject, "Field": unseen.row.field, "Value": unseen.row.value},
        )
    return Finding(
        CHECK.name,
        "block",
        unseen.action,
        f"{action} gave no reliable answer for {subject} ({why}), {consequence}.",
        fix=f"Grant {word(unseen.right, action)} to these credentials, then check again with --dry-run."
        if unseen.right
        else "Check again with --dry-run in a few minutes.",
        fact={"Subject": unseen.subject, "Right": unseen.right, "Why": unseen.why},
    )


CHECK = Check("could-not-check", "block", (), check)
