"""What the journal lacks of a run: a file of this host keeps it while the journal cannot be written.

A machine must come back also where nothing can be written to the journal. What is done for that is kept here, and
whoever resumes the run on this host, a person or a worker, writes it into the journal before anything else.
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
from ..files.whole import replace
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
    """What one session had known of a run when it could not write it into the journal."""

    epoch: int
    """Of the lease of that session."""
    session: str
    """Its id."""
    states: Mapping[int, JobState]
    """By the position of its job each state that the journal lacks."""
    events: Sequence[Mapping[str, Any]]
    """The events that it lacks, oldest first."""

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
    """Return the disks whose wipe was accepted by what is kept, and is not proven done by what is stored."""
    done = {wipe.disk_id for job in stored.jobs for wipe in job.state.wiped}
    return [each.subject for each in kept.accepted if each.subject not in done]


@dataclass(frozen=True)
class Spool:
    """A folder of this host, with a file for each run that could not write to its journal."""

    folder: Path

    def file(self, run_id: str) -> Path:
        """Return where a run is kept."""
        return self.folder / f"{run_id}.json"

    def keep(self, lease: Lease, states: Mapping[int, JobState], name: str) -> str:
        """Keep what the journal lacks of a run, in the place of what was kept of it before; say where that is.

        Args:
            lease: of the run, or of one of its shards.
            states: those that the journal lacks.
            name: the run by which people know it.

        """
        what = f"The part of run {name} that is missing in the journal"
        kept = {
            "epoch": lease.epoch,
            "session": lease.session,
            "states": list(states.items()),
            "events": lease.unwritten_events,
        }
        file = self.file(lease.run_id)
        try:
            make_folder(self.folder)
            replace(str(file), dumps(kept, sparse=True), 0o600)
        except OSError as error:
            return f"{what} cannot be kept in {file} either ({error.strerror}): keep this output."
        if name == lease.run_id:
            return f"{what} is kept in {file}; safe-reinit resume {name} on this host reads it."
        return (
            f"{what} is kept in {file}. Once the journal can be written, a worker continues the run automatically: one "
            "on this host reads the file first; one on another host continues without it."
        )

    def read(self, run_id: str) -> Spooled | None:
        """Return what is kept of a run; ``None`` if nothing is.

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
                f"The part of run {run_of(run_id)} that is missing in the journal cannot be read from {file}.",
                hint="Check its machines in the ECS console. Then remove the file, and resume the run.",
            ) from None

    def add_to(self, journal: Journal, lease: Lease, states: list[JobState]) -> None:
        """Add to the states of a run, by position, what its journal lacks, and write it there.

        It counts only where nobody has held the run since. Else whoever did has gone on without it, and only must know
        which wipes ECS had accepted.

        Raises:
            UsageError: it cannot be read, or the journal cannot be written.
        """
        kept = self.read(lease.run_id)
        if kept is None:
            return
        for event in kept.events:
            lease.emit(event)
        before = lease.follows
        put_back = before is not None and before.epoch == 0  # to before anybody held it
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
        """Remove what is kept of runs that others have ended since, on other hosts.

        Returns:
            what people must know: of each disk whose wipe ECS had accepted here, where the journal says otherwise.

        """
        messages = []
        for file in sorted(self.folder.glob("r-*.json")):
            run_id = file.stem
            with contextlib.suppress(UsageError):  # what cannot be read is said by the resume that reads it
                stored = journal.run(run_id)
                if stored is None or stored.open or (kept := self.read(run_id)) is None:
                    continue
                if disk_ids := _unknown_to(stored, kept):
                    messages.append(
                        f"Run {stored.whole or run_id} has ended, and ECS accepted the wipe of {', '.join(disk_ids)} "
                        f"in it, which the journal does not say. What this host knows of that is in {file}: "
                        "remove it once you have read it."
                    )
                else:
                    self.forget(run_id)
        return messages

    def forget(self, run_id: str) -> None:
        """Keep nothing of a run any more."""
        with contextlib.suppress(OSError):
            os.unlink(self.file(run_id))


class _NoSpool(Spool):
    """That of a journal in memory, of which nothing outlives the process: it keeps nothing."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))

    def keep(self, lease: Lease, states: Mapping[int, JobState], name: str) -> str:  # noqa: ARG002 - nothing is kept
        """Keep nothing, and say nothing."""
        return ""

    def read(self, run_id: str) -> Spooled | None:  # noqa: ARG002 - nothing is kept
        """Return ``None``."""
        return None

    def forget(self, run_id: str) -> None:
        """Do nothing."""


NO_SPOOL = _NoSpool()
"""The one of them."""
