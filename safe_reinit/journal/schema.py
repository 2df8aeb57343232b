"""The tables of the journal; a new schema is one more migration, and the file is carried to it when it is opened."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT, outcome TEXT, exit_code INTEGER,
        region TEXT NOT NULL, account TEXT NOT NULL, endpoint TEXT NOT NULL, profile TEXT NOT NULL,
        plan TEXT NOT NULL, report TEXT, plan_id TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE jobs (
        run_id TEXT NOT NULL REFERENCES runs, position INTEGER NOT NULL, lock TEXT NOT NULL, instance_id TEXT NOT NULL,
        record TEXT NOT NULL, open INTEGER NOT NULL, report TEXT, PRIMARY KEY (run_id, position)
    ) STRICT;
    CREATE UNIQUE INDEX one_open_job ON jobs (lock) WHERE open = 1;
    CREATE TABLE disks (
        disk_id TEXT NOT NULL, run_id TEXT NOT NULL REFERENCES runs, position INTEGER NOT NULL,
        PRIMARY KEY (disk_id, run_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX disks_of_run ON disks (run_id);
    CREATE TABLE leases (
        run_id TEXT PRIMARY KEY REFERENCES runs, epoch INTEGER NOT NULL, session TEXT NOT NULL, user TEXT NOT NULL,
        host TEXT NOT NULL, pid INTEGER NOT NULL, boot TEXT NOT NULL, pid_namespace TEXT NOT NULL, until REAL NOT NULL,
        since TEXT NOT NULL, cancelled TEXT
    ) STRICT;
    CREATE TABLE events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL REFERENCES runs, event TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_of_run ON events (run_id);
    CREATE TABLE late_answers (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL REFERENCES runs, position INTEGER NOT NULL,
        action TEXT NOT NULL, subject TEXT NOT NULL, attempt INTEGER NOT NULL,
        UNIQUE (run_id, position, action, subject, attempt)
    ) STRICT;
    CREATE TABLE used_plans (plan_id TEXT PRIMARY KEY, run_id TEXT NOT NULL) STRICT
    """,
)
"""``cancelled`` says who asked the holder to end the run. The report of a job lies with the job, so that no text holds
thousands. ``late_answers`` holds the wipes that ECS accepted of a session that had lost the run by then. ``used_plans``
keeps the plans of forgotten runs, since a plan runs once."""
SCHEMA = len(MIGRATIONS)
