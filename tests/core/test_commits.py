"""What is written down after a commit failed, and what a pause of the process is."""

from __future__ import annotations

import pytest

from safe_reinit.core.commits import Commits
from safe_reinit.core.jobs import Job
from safe_reinit.core.pauses import MAX_PAUSE, Pauses
from tests.core.runs import Steps


def test_what_a_failed_commit_had_is_written_with_what_changed_since() -> None:
    """No state is missing in the journal because it changed while another one could not be written."""
    run = Steps(3).run
    jobs, commits = [Job(position, state) for position, state in enumerate(run.states)], Commits()
    commits.changed(jobs[0])
    commits.begin(jobs, run.scheduler, 1000.0, spool=False)
    commits.changed(jobs[2])
    commits.failed()

    assert [position for position, _ in commits.begin(jobs, run.scheduler, 1001.0, spool=False).states] == [0, 2]


@pytest.mark.parametrize("rate", [1.0, 5.0])
def test_a_process_that_did_not_run_for_long_was_paused_once(rate: float) -> None:
    """A lease that ran out while the process ran is no pause; one that did not run is told of once, and since when."""
    pauses = Pauses(rate)
    for at in (100.0, 100.0 + MAX_PAUSE * rate):
        pauses.stepped(at)
    ran = pauses.lapsed(at)
    pauses.stepped(at + MAX_PAUSE * rate + 0.1)

    assert not ran
    assert pauses.lapsed(500.0)
    assert pauses.until == 500.0
    assert not pauses.lapsed(501.0)
