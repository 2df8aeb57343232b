"""A key binds one plan, and under it one run begins: in one process, in two at once, and after the run is forgotten."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from safe_reinit.errors import OutcomeUnknown, RunRefused
from safe_reinit.journal import AlreadyDone, Journal, KeyUnsettled, Lease, open_to_write

KEY = "nightly-1"
LATER = "0002"


def begin(
    journal: Journal, name: str, fingerprint: str = "f1", endpoint: str = "", region: str = "cn-hangzhou"
) -> Lease:
    """Write a run with the key down; each has an instance and a plan of its own, so that only the key is shared."""
    plan = {
        "plan_id": name, "account": "1", "region": region, "options": {"password": None}, "jobs": [],
        "findings": [], "skipped_findings": [], "fingerprint": fingerprint, "once": KEY,
    }  # fmt: skip
    return journal.begin(f"r-20260101T000000Z-{name}", plan, endpoint, "", [(f"i-{name}", ("d-1",), {})])


def end(lease: Lease, outcome: str, data: str, still_open: tuple[int, ...] = ()) -> None:
    """End a run so."""
    job: dict[str, Any] = {"outcome": outcome, "disks": [{"disk_id": "d-1", "data": data}]}
    lease.end({"outcome": outcome, "exit_code": 0, "jobs": [job]}, still_open)


def runs(journal: Journal) -> list[str]:
    """List the runs by the end of their names."""
    return sorted(run.run_id[-4:] for run in journal.runs())


def test_a_run_that_is_done_is_the_only_one(place: str) -> None:
    """Whoever comes with the key of a run that is done is given its report, and begins nothing."""
    with open_to_write(place) as journal:
        end(begin(journal, "0001"), "done", "reinitialised")
        with pytest.raises(AlreadyDone) as found:
            begin(journal, LATER)
        assert runs(journal) == ["0001"]

    assert found.value.document["outcome"] == "done"
    assert found.value.document["jobs"][0]["disks"] == [{"disk_id": "d-1", "data": "reinitialised"}]


@pytest.mark.parametrize("how", ["at work", "nobody", "left open"])
def test_while_a_run_is_open_its_outcome_is_unknown(place: str, how: str) -> None:
    """A run that goes on, whose process is gone or that left something to do keeps its key: the next one ends 5."""
    with open_to_write(place) as journal:
        lease = begin(journal, "0001")
        if how == "nobody":
            lease.release()
        if how == "left open":
            end(lease, "stranded", "untouched", (0,))
        with pytest.raises(KeyUnsettled, match="0001 with the key nightly-1") as found:
            begin(journal, LATER)
        assert runs(journal) == ["0001"]
        lease.release()

    assert isinstance(found.value, OutcomeUnknown)
    assert found.value.run_id == "r-20260101T000000Z-0001"
    assert ("resume" in found.value.hint) is (how != "at work")


def test_a_run_that_ended_unknown_keeps_its_key(place: str) -> None:
    """Also a run that nobody can resume any more lets no other one wipe what it may have wiped."""
    with open_to_write(place) as journal:
        end(begin(journal, "0001"), "unknown", "unknown")
        with pytest.raises(KeyUnsettled, match="whether it wiped d-1 is unknown"):
            begin(journal, LATER)
        assert runs(journal) == ["0001"]


@pytest.mark.parametrize("outcome", ["partial", "not-restarted"])
def test_no_disk_is_wiped_twice_under_one_key(place: str, outcome: str) -> None:
    """A run that wiped a disk and is not done is not repeated: the disk would be wiped again."""
    with open_to_write(place) as journal:
        end(begin(journal, "0001"), outcome, "reinitialised")
        with pytest.raises(RunRefused, match=f"wiped d-1 and ended {outcome}"):
            begin(journal, LATER)
        assert runs(journal) == ["0001"]


@pytest.mark.parametrize("data", ["intact", "untouched"])
def test_a_run_that_wiped_nothing_may_be_repeated_until_one_is_done(place: str, data: str) -> None:
    """Only a run that is done uses the key up; the last run under it decides."""
    with open_to_write(place) as journal:
        end(begin(journal, "0001"), "failed", data)
        end(begin(journal, LATER), "done", "reinitialised")
        with pytest.raises(AlreadyDone):
            begin(journal, "0003")
        assert runs(journal) == ["0001", LATER]


@pytest.mark.parametrize("other", [{"fingerprint": "f2"}, {"endpoint": "http://127.0.0.1:1"}])
@pytest.mark.parametrize("outcome", ["failed", "done"])
def test_another_plan_has_no_part_in_the_key(place: str, other: dict[str, str], outcome: str) -> None:
    """Other disks, other options or another cloud under the same key are refused, however the run with it ended."""
    with open_to_write(place) as journal:
        end(begin(journal, "0001"), outcome, "intact")
        with pytest.raises(RunRefused, match="belongs to another plan, that of run r-20260101T000000Z-0001") as refused:
            begin(journal, LATER, **other)
        assert runs(journal) == ["0001"]

    assert ("another endpoint" in str(refused.value)) == ("endpoint" in other)


def test_an_open_run_of_the_key_is_named_whatever_the_plan_is(place: str) -> None:
    """A disk that is being wiped shows no machine, so that the same command makes another plan: its run is named."""
    with open_to_write(place) as journal:
        begin(journal, "0001")
        with pytest.raises(KeyUnsettled) as refused:
            begin(journal, LATER, fingerprint="f2")
    assert "has not ended" in str(refused.value) or "is being carried out" in str(refused.value)
    assert refused.value.hint.endswith(" r-20260101T000000Z-0001.")


def test_a_refused_run_takes_no_key(place: str) -> None:
    """Key and run are written together: what may not begin for another reason leaves the key as it was."""
    with open_to_write(place) as journal:
        journal.hold_all("change freeze")
        with pytest.raises(RunRefused, match="change freeze"):
            begin(journal, "0001")
        assert journal.use_of_key(KEY) is None
        journal.lift_hold()
        begin(journal, LATER, "f2").release()


def test_a_key_outlives_its_run(place: str) -> None:
    """A run that is forgotten leaves its key and its report: it is still done, and another plan is still refused."""
    with open_to_write(place) as journal:
        end(begin(journal, "0001"), "done", "reinitialised")
        journal._db.execute("UPDATE runs SET ended_at='2020-01-01T00:00:00Z'")
        assert journal.prune(3600.0) == 1
        with pytest.raises(AlreadyDone) as found:
            begin(journal, LATER)
        with pytest.raises(RunRefused, match="belongs to another plan"):
            begin(journal, LATER, "f2")
        assert runs(journal) == []

    assert found.value.document["jobs"][0]["disks"][0]["data"] == "reinitialised"


def test_of_runs_that_begin_at_once_one_has_the_key(place: str) -> None:
    """However many sessions begin with one key at the same moment, also in several regions, one of them begins."""
    sessions = 4
    together, leases, refused = threading.Barrier(sessions), list[Lease](), list[str]()
    journals = [open_to_write(place) for _ in range(sessions)]

    def begin_one(number: int) -> None:
        together.wait()
        try:
            leases.append(begin(journals[number], f"000{number}", region=f"cn-region{number}"))
        except KeyUnsettled as error:
            refused.append(error.run_id)

    threads = [threading.Thread(target=begin_one, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (lease,) = leases
    lease.release()
    with journals[0] as journal:
        assert [run.run_id for run in journal.runs()] == [lease.run_id]
    for journal in journals[1:]:
        journal.close()

    assert refused == [lease.run_id] * (sessions - 1)
