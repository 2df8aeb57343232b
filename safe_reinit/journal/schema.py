"""The tables of the journal. A new schema is one more migration; opening a journal upgrades it."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT, outcome TEXT, exit_code INTEGER,
        region TEXT NOT NULL, account TEXT NOT NULL, endpoint TEXT NOT NULL, profile TEXT NOT NULL,
        plan TEXT NOT NULL, report TEXT, plan_id TEXT NOT NULL UNIQUE, undoes TEXT NOT NULL,
        shards INTEGER NOT NULL DEFAULT 0, agreed INTEGER NOT NULL DEFAULT 0, whole TEXT NOT NULL DEFAULT '',
        shard INTEGER NOT NULL DEFAULT 0, digest TEXT NOT NULL DEFAULT ''
    ) {strict};
    CREATE INDEX shards_of_run ON runs (whole);
    CREATE TABLE jobs (
        run_id TEXT NOT NULL REFERENCES runs, position INTEGER NOT NULL, lock TEXT NOT NULL, instance_id TEXT NOT NULL,
        state TEXT NOT NULL, open INTEGER NOT NULL, report TEXT, down INTEGER NOT NULL DEFAULT 0,
        wipes INTEGER NOT NULL DEFAULT 0, unbegun INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (run_id, position)
    ) {strict};
    CREATE INDEX jobs_in_use ON jobs (run_id) WHERE open = 1 AND (down > 0 OR wipes > 0);
    CREATE INDEX jobs_unbegun ON jobs (run_id) WHERE open = 1 AND unbegun > 0;
    CREATE UNIQUE INDEX one_open_job ON jobs (lock) WHERE open = 1;
    CREATE TABLE disks (
        disk_id TEXT NOT NULL, run_id TEXT NOT NULL REFERENCES runs, position INTEGER NOT NULL,
        PRIMARY KEY (disk_id, run_id)
    ) {strict};
    CREATE INDEX disks_of_run ON disks (run_id);
    CREATE TABLE leases (
        run_id TEXT PRIMARY KEY REFERENCES runs, epoch INTEGER NOT NULL, session TEXT NOT NULL, username TEXT NOT NULL,
        host TEXT NOT NULL, pid INTEGER NOT NULL, boot TEXT NOT NULL, pid_namespace TEXT NOT NULL,
        until {real} NOT NULL, since TEXT NOT NULL, writes INTEGER NOT NULL, cancelled TEXT, server TEXT NOT NULL
    ) {strict};
    CREATE TABLE events (
        sequence {sequence}, run_id TEXT NOT NULL REFERENCES runs, event TEXT NOT NULL
    ) {strict};
    CREATE INDEX events_of_run ON events (run_id);
    CREATE TABLE late_answers (
        sequence {sequence}, run_id TEXT NOT NULL REFERENCES runs, position INTEGER NOT NULL,
        action TEXT NOT NULL, subject TEXT NOT NULL, attempt INTEGER NOT NULL,
        UNIQUE (run_id, position, action, subject, attempt)
    ) {strict};
    CREATE TABLE learnt (
        sequence {sequence}, run_id TEXT NOT NULL REFERENCES runs, what TEXT NOT NULL, at {real} NOT NULL,
        taken INTEGER NOT NULL, closed_for {real} NOT NULL, took {real} NOT NULL
    ) {strict};
    CREATE INDEX learnt_by_run ON learnt (run_id);
    CREATE INDEX learnt_by_time ON learnt (at);
    CREATE TABLE hold (
        one INTEGER PRIMARY KEY CHECK (one = 1), reason TEXT NOT NULL, username TEXT NOT NULL, since TEXT NOT NULL
    ) {strict};
    CREATE TABLE used_plans (plan_id TEXT PRIMARY KEY, run_id TEXT NOT NULL) {strict};
    CREATE TABLE once_keys (
        once TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, endpoint TEXT NOT NULL, run_id TEXT NOT NULL, report TEXT
    ) {strict};
    CREATE TABLE audit (
        sequence {sequence}, at TEXT NOT NULL, username TEXT NOT NULL, role TEXT NOT NULL DEFAULT '',
        action TEXT NOT NULL, run_id TEXT NOT NULL, detail TEXT NOT NULL
    ) {strict};
    CREATE INDEX audit_of_run ON audit (run_id);
    {guard_audit};
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit {refuse};
    CREATE TRIGGER audit_is_not_shortened BEFORE {delete} ON audit {refuse}
    """,
)
"""The words in braces differ between the kinds of databases.

``undoes`` is the run that this one undoes, or ``""``. A run that several hosts carry out is split into ``shards``. Each
shard is a run with the ``whole`` that it is part of, its number there, and the ``digest`` of its plan; the whole has no
jobs and no lease. ``agreed`` is the last stage that somebody confirmed, or -1 once somebody refused one. ``cancelled``
says who asked the holder to end the run, ``server`` is the one on which the run began, and ``writes`` counts what the
holder wrote, so that it notices a journal that was restored to an earlier state. The jobs of a report are stored with
the jobs, and its findings with the plan, so that no text has them twice. ``down`` and ``wipes`` of a job say how much
of the shared limits it uses (``down`` is 2 once its machine is left down, until somebody resumes the run), ``unbegun``
how many wipes it has while no call was made for it, ``failed`` whether it can no longer end as done, and ``learnt`` how
many calls of a run ECS accepted and what it throttles, by the clock of the database, and how long a phase takes.
``late_answers`` holds the wipes that ECS accepted from a session that had already lost the run. ``hold`` has a row
while nothing may be stopped or wiped. ``used_plans`` keeps the plans of pruned runs, since a plan runs once.
``once_keys`` has, for each key, its plan and its last run, and keeps the report of that run once it is pruned.
``audit`` keeps who did what, even to runs that are pruned: its rows are only ever added.
"""
SCHEMA = len(MIGRATIONS)
