"""Words, marks and tones: what the page says with a colour, it also says with a word and a mark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ...errors import BY_OUTCOME
from ...model import DataState, Failure, JobReport, Outcome, Report
from ..content import data_word
from .markup import NOTHING, Markup, code, escaped, facts, isolated_name, tag

Tone = Literal["good", "plain", "care", "bad"]
"""``bad``: somebody must see to a machine or its data now; ``care``: not done, and nothing is left to do."""

WORST_FIRST: tuple[Outcome, ...] = (
    "unknown", "stranded", "not-restarted", "bug", "partial", "failed", "refused", "usage", "planned", "done",
)  # fmt: skip
_TONES: dict[Outcome, Tone] = {
    "unknown": "bad", "stranded": "bad", "not-restarted": "bad", "bug": "bad", "planned": "good", "done": "good",
}  # fmt: skip
_DATA: dict[DataState, Tone] = {"reinitialised": "good", "intact": "plain", "untouched": "plain", "unknown": "bad"}


def tone(outcome: Outcome, jobs: Sequence[JobReport] = ()) -> Tone:
    """Return how urgent an outcome is; a partial one is as urgent as the worst of its jobs."""
    found = [_TONES.get(each, "care") for each in (outcome, *(job.outcome for job in jobs))]
    return "bad" if "bad" in found else "care" if "care" in found else "good"


def badge(word: str, how: Tone) -> Markup:
    """Write a word in its colour; the style puts the mark of the tone before it."""
    return tag("span", escaped(word), class_=f"badge {how}")


def outcome_badge(job: JobReport) -> Markup:
    """Write the outcome of a job."""
    return badge(job.outcome, tone(job.outcome))


def data_badge(data: DataState, verb: str) -> Markup:
    """Write what happened to the data of a disk."""
    return badge(data_word(data, verb), _DATA[data])


def meaning(report: Report) -> str:
    """Return in one sentence what the outcome means."""
    if report.outcome == "planned":
        return "The dry run found nothing that stops the run; nothing was changed."
    if report.outcome == "done":
        return "Every disk is verified and the power state is as planned."
    text = BY_OUTCOME[report.outcome].meaning
    return f"{text[0].upper()}{text[1:]}."


def label(job: JobReport) -> Markup:
    """Write the name of an instance."""
    return isolated_name(job.instance_name or job.instance_id or "no instance")


def link(job: JobReport, number: int, **attributes: str) -> Markup:
    """Link to the card of a job, by its position on the page."""
    return tag("a", label(job), href=f"#j{number}", **attributes)


def failure(error: Failure, whose: Markup = NOTHING) -> Markup:
    """Write what went wrong and what to do now."""
    return tag(
        "div",
        tag("p", tag("strong", whose, escaped(error.message))),
        tag("p", escaped(error.hint)) if error.hint else NOTHING,
        facts((
            ("Code", code(error.code) if error.code else NOTHING),
            ("Call", code(error.action) if error.action else NOTHING),
            ("RequestId", code(error.request_id) if error.request_id else NOTHING),
        )),
        class_="failure",
    )  # fmt: skip


def plural(count: int, what: str) -> str:
    """Count things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
