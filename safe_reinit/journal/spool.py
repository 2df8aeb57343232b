"""What is missing from the journal of a run: a file on this host keeps it while the journal cannot be written.

A machine must come back even if nothing can be written to the journal. The calls that bring it back are kept here, and
whoever resumes the run on this host, a person or a worker, first writes them to the journal.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..files.trust import refuse_untrusted
from ..files.whole import replace_file
from ..model import JobState
from ..model.codec import DecodeError, decode, dumps
from .database import LOCK_WAIT
from .journal import Journal
from .lease import JournalError, LateAnswer, Lease
from .place import make_folder
from .reading import Reader, run_of
from .stored import StoredRun


@dataclass(frozen=True)
class Spooled:
    """What one session knew about a run when it could not write it to the journal."""

    epoch: int
    """The epoch of that session's lease."""
    session: str
    """The id of that session."""
    states: Mapping[int, JobState]
    """By the position of its job, each state that is missing from the journal."""
    events: Sequence[Mapping[str, Any]]
    """The events that are missing, oldest first."""

    @property
    def accepted(self) -> Sequence[LateAnswer]:
        """The wipes among them that ECS had accepted."""
        return [
            LateAnswer(position, "ResetDisk" if wipe.snapshot_id else "ReInitDisk", wipe.disk_id, wipe.tries)
            for position, known in self.states.items()
            for wipe in known.disks
            if wipe.state in ("accepted", "done")
        ]


def _unknown_to(stored: StoredRun, kept: Spooled) -> list[str]:
    """Return the disks whose wipe the kept states show as accepted, and the stored ones do not prove done."""
    done = {wipe.disk_id for job in stored.jobs for wipe in job.state.wiped}
    return [each.subject for each in kept.accepted if each.subject not in done]


@dataclass(frozen=True)
class Spool:
    """A folder on this host with a file for each run that could not write to its journal."""

    folder: Path

    def file(self, run_id: str) -> Path:
        """Return the file of a run."""
        return self.folder / f"{run_id}.json"

    def keep(self, lease: Lease, states: Mapping[int, JobState], name: str) -> str:
        """Keep what is missing from the journal of a run, replacing what was kept before; return where.

        Args:
            lease: the lease of the run, or of one of its shards.
            states: those that are missing from the journal.
            name: the name by which people know the run.

        """
        what = f"The part of run {name} that is missing from the journal"
        kept = {
            "epoch": lease.epoch,
            "session": lease.session,
            "states": list(states.items()),
            "events": lease.unwritten_events,
        }
        file = self.file(lease.run_id)
        try:
            make_folder(self.folder)
            replace_file(str(file), dumps(kept, sparse=True), 0o600)
        except OSError as error:
            return f"{what} cannot be kept in {file} either ({error.strerror}): keep this output."
        if name == lease.run_id:
            return f"{what} is kept in {file}; safe-reinit resume {name} on this host reads it."
        return (
            f"{what} is kept in {file}. Once the journal can be written, a worker continues the run automatically: one "
            "on this host reads the file first; one on another host continues without it."
        )

    def read(self, run_id: str) -> Spooled | None:
        """Return what is kept for a run; ``None`` if nothing is.

        Raises:
            UsageError: others could have written it, or it cannot be read.
        """
        file = self.file(run_id)
        refuse_untrusted(file, "the spool file")
        try:
            kept = json.loads(file.read_text("utf-8"))
            states = {int(position): decode(JobState, known) for position, known in kept["states"]}
            return Spooled(int(kept["epoch"]), str(kept["session"]), states, [dict(each) for each in kept["events"]])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, DecodeError):
            raise UsageError(
                f"The part of run {run_of(run_id)} that is missing from the journal cannot be read from {file}.",
                hint="Check its machines in the ECS console. Then remove the file, and resume the run.",
            ) from None

    def add_to(self, journal: Journal, lease: Lease, states: list[JobState]) -> None:
        """Add to the states of a run, by position, what its journal lacks, and write it there.

        It counts only if nobody has held the run since. Otherwise the later holder has continued without it, and needs
        to know only which wipes ECS had accepted.

        Raises:
            UsageError: it cannot be read, or the journal cannot be written.
        """
        kept = self.read(lease.run_id)
        if kept is None:
            return
        for event in kept.events:
            lease.emit(event)
        before = lease.follows
        put_back = before is not None and before.epoch == 0  # the state before anybody held it
        if before is not None and (put_back or (kept.epoch, kept.session) == (before.epoch, before.session)):
            for position, state in kept.states.items():
                states[position] = state
            try:
                lease.save(*kept.states.items(), wait=LOCK_WAIT)
            except JournalError as error:
                raise UsageError(str(error), hint="Try again.") from None
        else:
            journal.keep_late(lease.run_id, kept.accepted)
        self.forget(lease.run_id)

    def tidy(self, journal: Reader) -> list[str]:
        """Remove what is kept for runs that others have ended since, on other hosts.

        Returns:
            what people must know: of each disk whose wipe ECS had accepted here, where the journal says otherwise.

        """
        messages = []
        for file in sorted(self.folder.glob("r-*.json")):
            run_id = file.stem
            with contextlib.suppress(UsageError):  # the resume that reads it reports what cannot be read
                stored = journal.run(run_id)
                if stored is None or stored.open or (kept := self.read(run_id)) is None:
                    continue
                if disk_ids := _unknown_to(stored, kept):
                    messages.append(
                        f"Run {stored.whole or run_id} has ended. During it, ECS accepted the wipe of "
                        f"{', '.join(disk_ids)}, but the journal does not say so. What this host recorded about that "
                        f"is in {file}: remove it once you have read it."
                    )
                else:
                    self.forget(run_id)
        return messages

    def forget(self, run_id: str) -> None:
        """Stop keeping anything for a run."""
        with contextlib.suppress(OSError):
            os.unlink(self.file(run_id))


class _NoSpool(Spool):
    """For a journal in memory, which does not outlive the process: it keeps nothing."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))

    def keep(self, lease: Lease, states: Mapping[int, JobState], name: str) -> str:  # noqa: ARG002 - nothing is kept
        """Keep nothing, and return nothing."""
        return ""

    def read(self, run_id: str) -> Spooled | None:  # noqa: ARG002 - nothing is kept
        """Return ``None``."""
        return None

    def forget(self, run_id: str) -> None:
        """Do nothing."""


NO_SPOOL = _NoSpool()
"""The only instance."""
