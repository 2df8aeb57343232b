"""Keys under which a plan is run at most once. A key belongs to one plan, and is kept when its run is pruned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import OutcomeUnknown, RunRefused
from .stored import as_written

if TYPE_CHECKING:
    from .reading import Reader
    from .stored import StoredRun


class AlreadyDone(Exception):
    """A run with this key is done, so no other one begins."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__()
        self.document = document
        """Its report, as JSON."""


class KeyUnsettled(OutcomeUnknown):
    """A run with this key is open, or it is unknown whether it wiped."""

    def __init__(self, message: str, hint: str, run_id: str) -> None:
        super().__init__(message, hint=hint)
        self.run_id = run_id


def refuse_used_key(journal: Reader, key: str, fingerprint: str, endpoint: str) -> None:
    """Check that a run of a plan may begin under a key.

    Args:
        journal: where keys are kept.
        key: the key.
        fingerprint: the fingerprint of the plan.
        endpoint: the loopback endpoint, or ``""`` for the real cloud.

    Raises:
        AlreadyDone: a run with this key is done.
        KeyUnsettled: a run with this key is open, or its outcome is unknown.
        RunRefused: the key belongs to another plan, or a run with it wiped a disk but did not end as done.
        UsageError: the journal cannot be read.
    """
    use = journal.use_of_key(key)
    if use is None:
        return
    stored = journal.run(use.run_id)
    if use.endpoint == endpoint and stored is not None and (stored.open or stored.report is None):
        raise _open(key, stored)  # even if this is another plan: a disk that is being wiped shows no machine
    if (use.fingerprint, use.endpoint) != (fingerprint, endpoint):
        differs = "other disks or other options" if use.endpoint == endpoint else "another endpoint"
        raise RunRefused(
            f"The key {key} belongs to another plan, that of run {use.run_id}: it has {differs}.",
            hint=f"Nothing was changed. See safe-reinit show {use.run_id}; give this plan its own key.",
        )
    what = f"The report of run {use.run_id}"
    report = stored.report if stored else as_written(what, use.report_text, dict) if use.report_text else None
    if report is not None:
        _refuse_ended(key, use.run_id, report)


def _open(key: str, stored: StoredRun) -> KeyUnsettled:
    run_id = stored.run_id
    state, todo = f"is being carried out (held by {stored.holder})", f"See how it ends: safe-reinit show {run_id}."
    if not stored.at_work:
        state = "has not ended, and nobody is working on it"
        todo = (
            f"safe-reinit resume {run_id} continues it, and wipes each disk that it has not wiped yet; to wipe nothing "
            f"more, type safe-reinit cancel {run_id} first."
        )
    return KeyUnsettled(
        f"Run {run_id} with the key {key} {state}: its effect on the disks is not known yet. This command changed "
        "nothing.",
        todo,
        run_id,
    )


def _refuse_ended(key: str, run_id: str, report: Mapping[str, Any]) -> None:
    """Refuse a second run after one that ended, unless the first one wiped nothing."""
    if report["outcome"] == "done":
        raise AlreadyDone(report)
    wiped = [disk["disk_id"] for job in report["jobs"] for disk in job["disks"] if disk["data"] == "reinitialised"]
    unknown = [disk["disk_id"] for job in report["jobs"] for disk in job["disks"] if disk["data"] == "unknown"]
    if unknown or report["outcome"] == "unknown":
        raise KeyUnsettled(
            f"Run {run_id} with the key {key} ended, and whether it wiped {', '.join(unknown)} is unknown. This "
            "command changed nothing.",
            f"See safe-reinit show {run_id}. Once you know what is on the disk, plan again with another key.",
            run_id,
        )
    if wiped:
        raise RunRefused(
            f"Run {run_id} with the key {key} wiped {', '.join(wiped)} and ended {report['outcome']}: a second run "
            "would wipe it again.",
            hint=f"Nothing was changed. See safe-reinit show {run_id}; plan the remaining disks with another key.",
        )
