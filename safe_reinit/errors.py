"""The ways a command can end badly, one class per exit code.

    Error                1  bug            unexpected
    ├── UsageError       2  usage          data untouched: arguments or configuration, found before any request
    ├── RunRefused       3  refused        data untouched: no changing call was sent
    ├── RunFailed        4  failed         data intact or untouched: something failed; the power state is as planned
    ├── OutcomeUnknown   5  unknown        the wipe may or may not have happened; the instance is left stopped
    ├── NotRestarted     6  not-restarted  wiped, but the power state is not as planned
    ├── PartlyDone       7  partial        several disks with different outcomes, none unknown
    └── Stranded         8  stranded       data intact or untouched, but the power state is not as planned

The errors of a single call to the cloud are in ``cloud/interface.py``, with the contract that they belong to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .model import Outcome, Report


TRY_IT = "safe-reinit --simulate --disk d-sim-web1-data --stop-instance"
"""The command that needs no setup."""


class Error(Exception):
    """The base class: its text is one sentence for people, and ``hint`` says what to do now."""

    exit_code: ClassVar[int] = 1
    outcome: ClassVar[Outcome] = "bug"
    data: ClassVar[str] = "see the report"
    meaning: ClassVar[str] = "an unexpected error; please report it"
    hint: str = "Please report this, with the output of safe-reinit show RUN --verbose if a run had begun."
    code: str | None = None
    """The ECS error code behind it, if there is one."""
    request_id: str | None = None
    """The ``RequestId`` of the answer."""
    action: str | None = None
    """The API that gave this answer."""
    report: Report | None = None
    """The report of the run, if there was one."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class UsageError(Error):
    """The arguments or the configuration cannot be used; nothing was sent."""

    exit_code = 2
    outcome: ClassVar[Outcome] = "usage"
    data = "untouched"
    meaning = "the arguments or the configuration cannot be used"
    hint = "See safe-reinit --help."


class RunRefused(Error):
    """A check stopped the run, nobody confirmed, the plan is stale, or a server did not answer; nothing was changed."""

    exit_code = 3
    outcome: ClassVar[Outcome] = "refused"
    data = "untouched"
    meaning = (
        "a check stopped the run, nobody confirmed, the plan is stale, another run has the machine, or a server did "
        "not answer; no changing call was sent"
    )
    hint = "Nothing was changed; check again with --dry-run."


class RunFailed(Error):
    """Something was tried and failed; this run wiped nothing, and the power state is as planned."""

    exit_code = 4
    outcome = "failed"
    data = "intact or untouched"
    meaning = "something was tried and failed; the power state is as planned"
    hint = "This run wiped nothing; check again with --dry-run before another try."


class OutcomeUnknown(Error):
    """The wipe may or may not have happened, or the run did not see it end; the instance is left stopped."""

    exit_code = 5
    outcome = "unknown"
    data = "unknown"
    meaning = "the wipe may or may not have happened, or the run did not see it end; the machine is left stopped"
    hint = (
        "Do not start the instance until you know whether the disk was wiped: search ActionTrail for the event "
        "ReInitDisk of this disk (for an undo: ResetDisk)."
    )


class NotRestarted(Error):
    """The wipe is verified, but the power state is not as planned."""

    exit_code = 6
    outcome = "not-restarted"
    data = "reinitialised"
    meaning = "wiped, but the power state is not as planned"
    hint = "See the report for the state of the instance; safe-reinit resume RUN restores its power state."


class PartlyDone(Error):
    """Several disks have different outcomes, none of them unknown."""

    exit_code = 7
    outcome = "partial"
    data = "mixed, none unknown"
    meaning = "several disks have different outcomes"
    hint = "The report shows the outcome of each disk."


class Stranded(Error):
    """The run wiped nothing, and the power state is not as planned (for example, the instance is still Stopping)."""

    exit_code = 8
    outcome = "stranded"
    data = "intact or untouched"
    meaning = "not wiped, and the power state is not as planned (for example still Stopping)"
    hint = "See the report for the state of the instance; safe-reinit resume RUN restores its power state."


BY_OUTCOME: dict[Outcome, type[Error]] = {
    cls.outcome: cls
    for cls in (Error, UsageError, RunRefused, RunFailed, OutcomeUnknown, NotRestarted, PartlyDone, Stranded)
}


def exit_code(outcome: Outcome) -> int:
    """Return the process exit code of an outcome; ``done`` and ``planned`` are 0."""
    return 0 if outcome in ("done", "planned") else BY_OUTCOME[outcome].exit_code
