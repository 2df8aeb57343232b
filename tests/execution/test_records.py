"""When the shard of a run counts as one that has begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from safe_reinit.execution.records import may_have_begun
from safe_reinit.journal import ShardToBegin, Spool, open_to_write

PLAN = {"plan_id": "p", "account": "1", "region": "cn-hangzhou", "options": {}, "jobs": []}


@pytest.mark.parametrize(
    ("happened", "begun"), [("nothing", False), ("carried", True), ("put back", True), ("failed over", True)]
)
def test_a_shard_may_have_begun_though_the_journal_does_not_show_it(tmp_path: Path, happened: str, begun: bool) -> None:
    """A journal that was put back or failed over since may lack that somebody carried it: nothing is wiped twice."""
    spool = Spool(tmp_path / "spool")
    with open_to_write(tmp_path / "j.db") as journal:
        shard = ShardToBegin({**PLAN, "plan_id": "p.0"}, "5e", [("i-1", ["d-1"], {})])
        journal.begin_shards("r-a", PLAN, "", "", [shard])
        if happened in ("carried", "put back"):
            before = journal.acquire_lease("r-a.0")
            assert before is not None
            spool.keep(before, {}, "r-a")
            before.release()
        if happened == "put back":  # to what it was then; this host has kept what it lacks
            journal._db.execute("UPDATE leases SET epoch=0")
        elif happened == "carried":
            spool.forget("r-a.0")
        elif happened == "failed over":
            journal._db.execute("UPDATE leases SET server='another'")
        lease = journal.acquire_lease("r-a.0")
        assert lease is not None
        result = may_have_begun(lease, spool)
        lease.release()

    assert result is begun
