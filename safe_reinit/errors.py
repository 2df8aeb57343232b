"""The ways a command can end badly, one class per exit code.

    Error                1  bug            unexpected
    ├── UsageError       2  usage          data untouched: arguments or configuration, found before any request
    ├── RunRefused       3  refused        data untouched: no changing call was sent
    ├── RunFailed        4  failed         data intact or untouched: something was tried and failed, power as promised
    ├── OutcomeUnknown   5  unknown        the wipe may or may not have happened; the instance is left stopped
    ├── NotRestarted     6  not-restarted  reinitialised, but power is not as promised
    ├── PartlyDone       7  partial        several disks, not one outcome, none unknown
    └── Stranded         8  stranded       data intact or untouched, but power is not as promised

What a single call to the cloud can end with is in ``cloud/interface.py``, beside the contract it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .model import Outcome, Report


TRY_IT = "safe-reinit --simulate --disk d-sim-web1-data --stop-instance"
"""The command that needs nothing set up."""


class Error(Exception):
    """The base: its text is one sentence for people; ``hint`` says what to do now."""

    exit_code: ClassVar[int] = 1
    outcome: ClassVar[Outcome] = "bug"
    data: ClassVar[str] = "the report says"
    meaning: ClassVar[str] = "unexpected; please report"
    hint: str = "Please report this with the output of the same command and --verbose."
    code: str | None = None
    """The ECS error code behind it, where there is one."""
    request_id: str | None = None
    """The ``RequestId`` of that answer."""
    action: str | None = None
    """The API that answered so."""
    report: Report | None = None
    """The report of the run, where there was one."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class UsageError(Error):
    """Arguments or configuration are not usable; nothing was sent."""

    exit_code = 2
    outcome: ClassVar[Outcome] = "usage"
    data = "untouched"
    meaning = "arguments or configuration"
    hint = "See safe-reinit --help."


class RunRefused(Error):
    """A check, no consent, a stale plan, or a server that cannot be asked: no changing call was sent."""

    exit_code = 3
    outcome: ClassVar[Outcome] = "refused"
    data = "untouched"
    meaning = "a check, no consent, a stale plan, another holder, a server that is away: no changing call was sent"
    hint = "Nothing was changed; check again with --dry-run."


class RunFailed(Error):
    """Something was tried and failed; this run wiped nothing, and the power is as promised."""

    exit_code = 4
    outcome = "failed"
    data = "intact or untouched"
    meaning = "something was tried and failed; power as promised"
    hint = "This run wiped nothing; check again with --dry-run before another try."


class OutcomeUnknown(Error):
    """The wipe may or may not have happened, or was not seen to end; the instance is left stopped."""

    exit_code = 5
    outcome = "unknown"
    data = "unknown"
    meaning = "the wipe may or may not have happened, or was not seen to end; left stopped"
    hint = (
        "Do not start the instance before you know: ask ActionTrail for the event ReInitDisk of this disk (of an "
        "undo: ResetDisk)."
    )


class NotRestarted(Error):
    """The wipe is proven, but the instance is not as promised."""

    exit_code = 6
    outcome = "not-restarted"
    data = "reinitialised"
    meaning = "wiped, but power is not as promised"
    hint = "See the report for the state of the instance; safe-reinit resume RUN restores its power state."


class PartlyDone(Error):
    """Several disks, not one outcome, none of them unknown."""

    exit_code = 7
    outcome = "partial"
    data = "mixed, none unknown"
    meaning = "several disks, not one outcome"
    hint = "The report shows the outcome of each disk."


class Stranded(Error):
    """The run wiped nothing, and the instance is not as promised (also: still Stopping)."""

    exit_code = 8
    outcome = "stranded"
    data = "intact or untouched"
    meaning = "power is not as promised (also: still Stopping)"
    hint = "See the report for the state of the instance; safe-reinit resume RUN restores its power state."


BY_OUTCOME: dict[Outcome, type[Error]] = {
    cls.outcome: cls
    for cls in (Error, UsageError, RunRefused, RunFailed, OutcomeUnknown, NotRestarted, PartlyDone, Stranded)
}


def exit_code(outcome: Outcome) -> int:
    """Return the process exit code of an outcome; ``done`` and ``planned`` are 0."""
    return 0 if outcome in ("done", "planned") else BY_OUTCOME[outcome].exit_code
