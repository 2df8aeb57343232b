"""Something the wipe depends on could not be looked at.

What it does
    Tells every Describe call that gave no answer to rely on, and the right that would allow it. DescribeInstances is
    told by instance-not-seen. Looks at other products count only where the configuration lists them under
    require_answers.

Why it stops you
    ECS can answer a Describe call without the right to it with an empty list (ECS API reference, DescribeInstances).
    "No snapshot in progress" and "no right to see snapshots" then look alike, and the machine would be stopped for a
    wipe that nobody could check.

    A row that cannot be read (a size that is no number, a time that is none) counts as not seen, for its own resource
    only: the finding names the id, the field and what was in it.

How to fix it
    Grant the right that is named to the credentials, then look again with --dry-run. If a row cannot be read, compare
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
        yield _finding(facts, unseen, "so the wipe cannot be checked")
    for unseen in facts.other_products.unanswered:
        if required(facts, unseen):
            yield _finding(facts, unseen, "and the configuration requires it (require_answers)")


def _finding(facts: DiskFacts, unseen: Unseen, consequence: str) -> Finding:
    action, subject = word(unseen.action, "A look"), word(unseen.subject, word(facts.disk_id))
    why = word(unseen.why, "no answer").rstrip(".")
    if unseen.row is not None:
        return Finding(
            CHECK.name,
            "block",
            facts.disk_id,
            f"In the answer to {action} {why}, {consequence}.",
            fix=repair_of(unseen.row),
            fact={"Subject": unseen.subject, "Field": unseen.row.field, "Value": unseen.row.value},
        )
    return Finding(
        CHECK.name,
        "block",
        unseen.action,
        f"{action} showed nothing to rely on for {subject} ({why}), {consequence}.",
        fix=f"Grant {word(unseen.right, action)} to these credentials, then look again with --dry-run."
        if unseen.right
        else "Look again with --dry-run in a few minutes.",
        fact={"Subject": unseen.subject, "Right": unseen.right, "Why": unseen.why},
    )


CHECK = Check("could-not-check", "block", (), check)
