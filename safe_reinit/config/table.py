"""The table of settings: one row says everything about one of them.

A new setting is one new row. The loader, options, help, completion, ``config show``, the example of a file, the
contract of ``schema`` and the reference page are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from . import nested
from . import readers as read
from .setting import FILE_ONLY, Setting, Table


def _limits(value: object) -> tuple[str, ...]:
    """Read the names of limits that may be raised."""
    if not isinstance(value, list) or any(word not in LIMITS for word in value):
        raise ValueError(f"not a list of {', '.join(LIMITS)}")
    return tuple(value)


# fmt: off
class Settings(Table):
    """All settings that are in force, in the order in which people are shown them."""

    __slots__ = ()

    region: Setting[str | None] = Setting(
        read.region, None, "the region of the disks",
        group="Where", metavar="ID", sample="cn-hangzhou",
        unset="that of the aliyun CLI profile in use", other_variable="ALIBABA_CLOUD_REGION_ID",
        several="a run and a plan take several", offers="regions",
    )
    profile: Setting[str | None] = Setting(
        read.text, None, "the aliyun CLI profile whose credentials are used",
        group="Where", metavar="NAME", sample="ops", unset="Alibaba's default chain",
    )
    endpoint: Setting[str | None] = Setting(
        read.endpoint, None, "[http://|https://]HOST[:PORT] of ECS; http only on this machine",
        group="Where", metavar="URL", sample="ecs.cn-hangzhou.aliyuncs.com", unset="that of the region",
    )
    endpoints: Setting[Mapping[str, str]] = Setting(
        read.endpoints, {}, "the endpoint of each product: ecs, sts, ess, ebs, kms",
        group=FILE_ONLY, sample="{sts: sts.cn-hangzhou.aliyuncs.com}", unset="those of the region",
    )
    ca_bundle: Setting[str | None] = Setting(
        read.text, None, "a file of CA certificates to trust",
        group="Where", metavar="FILE", sample="/etc/ssl/certs/ca-certificates.crt",
        unset="those that come with Python's certifi",
    )
    timeout_stop: Setting[float] = Setting(
        read.duration, 600.0, "how long stopping may take",
        group="Waiting", metavar="DURATION", sample="10m",
    )
    timeout_snapshot: Setting[float] = Setting(
        read.duration, 3600.0, "how long a snapshot in progress is waited for",
        group="Waiting", metavar="DURATION", sample="60m",
    )
    timeout_reinit: Setting[float] = Setting(
        read.duration, 1800.0, "how long reinitialising may take",
        group="Waiting", metavar="DURATION", sample="30m",
    )
    timeout_start: Setting[float] = Setting(
        read.duration, 900.0, "how long starting may take",
        group="Waiting", metavar="DURATION", sample="15m",
    )
    force_stop_after: Setting[float | None] = Setting(
        read.duration, None, "cut the power when a graceful stop has had this long",
        group="Waiting", metavar="DURATION", sample="5m", unset="never",
    )
    leave_stopped: Setting[bool] = Setting(
        read.flag, False, "leave the instance stopped after the wipe",
        group="Consent", sample="false",
    )
    snapshot: Setting[bool] = Setting(
        read.flag, False, "take a snapshot after the stop, and wipe only once it is accomplished",
        group="Consent", sample="false",
    )
    snapshot_retention: Setting[int | None] = Setting(
        read.days, None, "how long ECS keeps such a snapshot: 30d",
        group=FILE_ONLY, sample="30d", unset="until it is deleted",
    )
    snapshot_max_age: Setting[float] = Setting(
        read.duration, 86400.0, "how old the newest snapshot may be and still be a way back",
        group=FILE_ONLY, sample="24h",
    )
    lock_tag: Setting[bool] = Setting(
        read.flag, False, "tag the instance with the run from before the stop to the end",
        group=FILE_ONLY, sample="false",
    )
    allow: Setting[Mapping[str, Any]] = Setting(
        nested.allow, {}, "what may be a target at all; a list that is there must match",
        group=FILE_ONLY, unset="anything", nested=True,
        sample=(
            '{accounts: ["1000000000000001"], regions: [cn-hangzhou], instances: ["i-*"], disks: ["d-*"], '
            'names: ["lab-*", "staging-*"], tags: {env: "*"}}'
        ),
        notes=(
            "Accounts, regions, ids, instance names and tags by pattern (*, ?, [...]) of the whole text; capitals "
            "count.",
            "The instance must have each tag; a tag of the same key on the disk must match too.",
        ),
    )
    protect: Setting[Mapping[str, Any]] = Setting(
        nested.protect, nested.PROTECTED, "what must never be a target",
        group=FILE_ONLY, nested=True,
        sample=(
            '{tag: safe-reinit:protect, terms: [prod, production, live], names: ["*-db-*"], '
            "instances: [i-bp1example], disks: [d-bp1example], tags: {env: prod}}"
        ),
        notes=(
            "A disk that has the tag (KEY or KEY=VALUE) or is like any of the rest, or whose instance is; capitals do "
            "not count. A term is a part of a name of its own: prod is one of web-prod-2 and of non-prod, not of "
            "product.",
            "A list that is given replaces its default.",
        ),
    )
    max_disks: Setting[int | None] = Setting(
        read.count, None, "refuse a run of more disks than this",
        group="Consent", metavar="N", sample="10",
        unset="10 named by hand, 1 found, or what their class says", limit=True,
    )
    may_be_raised: Setting[tuple[str, ...]] = Setting(
        _limits, (),
        "limits of the file that options and variables may raise: "
        "max_disks, max_parallel, stop_after_failures, deadline",
        group=FILE_ONLY, sample="[max_disks]",
    )
    classes: Setting[Mapping[str, Any]] = Setting(
        nested.classes, {}, "what needs no flag for some targets; the first match wins",
        group=FILE_ONLY, nested=True,
        sample=(
            '{lab: {match: {accounts: ["1000000000000001"], regions: [cn-hangzhou], tags: {env: lab}}, '
            "stop_instance: true, accept: [no-recent-snapshot, no-login-set], snapshot: false, max_disks: 60, "
            'force_stop_after: 5m, on_unknown: retry, hours: "01:00-05:00", unattended: true}}'
        ),
        notes=(
            "Each is matched on what ECS shows: accounts, regions and tags, as in allow. All disks of a run must be in "
            "the same class. Its name is consent (the option --confirm lab) where it is unattended. A run must begin "
            'in the hours, which are UTC; those of another zone are "01:00-05:00 +08:00".',
        ),
    )
    canary: Setting[int | None] = Setting(
        read.whole, None, "how many jobs go first, and must end done before others begin; 1 of more than ten",
        group="Many machines", metavar="N", sample="1", unset="1 of more than ten jobs, else none",
    )
    waves: Setting[tuple[tuple[int, bool], ...]] = Setting(
        read.waves, (), "the sizes of the waves after the canary: 5,25%,50%; the last is repeated",
        group="Many machines", metavar="LIST", sample="[5, 25%, 50%]",
    )
    pause: Setting[Literal["none", "canary", "wave"] | None] = Setting(
        read.one_of("none", "canary", "wave"), None,
        "ask whether to go on: after the canary (the default on a terminal), after each wave, or never",
        group="Many machines", sample="canary", unset="canary on a terminal, else none",
    )
    max_parallel: Setting[int] = Setting(
        read.count, 100, "how many instances may be down at once, with those of other runs",
        group="Many machines", metavar="N", sample="100", limit=True,
    )
    stop_after_failures: Setting[int | None] = Setting(
        read.count, None, "begin no new job once this many have failed, or can no longer end done",
        group="Many machines", metavar="N", sample="3", limit=True,
    )
    skip_refused: Setting[bool] = Setting(
        read.flag, False, "leave out the jobs that are refused, and run the rest",
        group="Many machines", sample="false",
    )
    deadline: Setting[datetime | timedelta | None] = Setting(
        read.deadline, None, "begin no new job after this time (2026-01-02T05:00:00Z), or this long (3h) from now",
        group="Many machines", metavar="TIME|DURATION", sample="2h", limit=True,
    )
    quota_share: Setting[float] = Setting(
        read.share, 0.8, "the part of a documented quota of calls that a run uses",
        group=FILE_ONLY, sample="0.8",
    )
    expect_instance: Setting[str | None] = Setting(
        read.text, None, "refuse unless the disk is on this instance",
        group="Consent", metavar="I", sample="i-bp1example", offers="instances",
    )
    reason: Setting[str | None] = Setting(
        read.text, None, "a change ticket; kept in plan and report",
        group="Consent", metavar="TEXT", sample='"CHG-1: nightly reset"',
    )
    key_pair: Setting[str | None] = Setting(
        read.text, None, "the key pair to log in with after a system disk is wiped",
        group="Logging in after a system disk is wiped", metavar="NAME", sample="ops-key",
    )
    password_env: Setting[str | None] = Setting(
        read.variable, None, "the environment variable that holds the password to set",
        group="Logging in after a system disk is wiped", metavar="VAR", sample="NEW_PASSWORD",
    )
    security_enhancement: Setting[Literal["Active", "Deactive"] | None] = Setting(
        read.one_of("Active", "Deactive"), None, "whether ECS adds its security components",
        group="Logging in after a system disk is wiped", sample="Active",
        unset="what ECS does, which is Deactive",
    )
    on_unknown: Setting[Literal["ask", "retry"]] = Setting(
        read.one_of("ask", "retry"), "ask",
        "when the answer to ReInitDisk is lost and the observations had a gap: ask a person, or wipe again",
        group="Waiting", sample="retry",
    )
    hold: Setting[str | None] = Setting(
        read.text, None, "a reason why no run is to begin now, such as a change freeze",
        group=FILE_ONLY, sample='"change freeze until Monday"', unset="nothing holds runs back",
    )
    journal: Setting[str | None] = Setting(
        read.journal, None,
        "the journal of runs: a file, or postgresql://... that several hosts share; root and each user have a file of "
        "their own, an embedded simulator none",
        group="Where", metavar="FILE", sample="/var/lib/safe-reinit/journal.db",
        unset="/var/lib/safe-reinit/journal.db for root, else ~/.local/state/safe-reinit/journal.db", secret=True,
    )
    journal_outage: Setting[float] = Setting(
        read.duration, 120.0,
        "how long a run waits for a journal that cannot be written before it starts the machines that it stopped",
        group=FILE_ONLY, sample="2m",
    )
    runner: Setting[Literal["local", "temporal"]] = Setting(
        read.one_of("local", "temporal"), "local", "what carries a run: this process, or workers of Temporal",
        group="Temporal", sample="temporal",
    )
    temporal: Setting[str | None] = Setting(
        read.address, None, "the Temporal server that hands runs to workers, HOST:PORT",
        group="Temporal", metavar="HOST:PORT", sample="temporal.example.com:7233",
    )
    temporal_namespace: Setting[str] = Setting(
        read.text, "default", "the namespace at the Temporal server",
        group="Temporal", metavar="NAME", sample="wipes",
    )
    temporal_queue: Setting[str | None] = Setting(
        read.text, None, "the task queue of the workers of an account and region",
        group="Temporal", metavar="NAME", sample="wipes-lab", unset="safe-reinit-ACCOUNT-REGION",
    )
    temporal_tls: Setting[bool] = Setting(
        read.flag, False, "reach the Temporal server by TLS; a file or key below implies it",
        group="Temporal", sample="false",
    )
    temporal_tls_ca: Setting[str | None] = Setting(
        read.text, None, "a file of CA certificates to trust for the Temporal server",
        group="Temporal", metavar="FILE", sample="/etc/safe-reinit/temporal-ca.pem", unset="those of the system",
    )
    temporal_tls_cert: Setting[str | None] = Setting(
        read.text, None, "a file of our certificate for the Temporal server, read again when replaced",
        group="Temporal", metavar="FILE", sample="/etc/safe-reinit/temporal.pem",
    )
    temporal_tls_key: Setting[str | None] = Setting(
        read.text, None, "a file of the key of that certificate",
        group="Temporal", metavar="FILE", sample="/etc/safe-reinit/temporal.key",
    )
    temporal_api_key_file: Setting[str | None] = Setting(
        read.text, None, "a file of the API key for the Temporal server, read again when replaced",
        group="Temporal", metavar="FILE", sample="/etc/safe-reinit/temporal-api-key",
    )
    temporal_deployment: Setting[str | None] = Setting(
        read.text, None, "the Worker Deployment of a worker: Temporal sends runs to its current version only",
        group="Temporal", metavar="NAME", sample="safe-reinit", unset="none: any worker is sent runs",
    )
    worker_metrics: Setting[str | None] = Setting(
        read.address, None, "HOST:PORT at which a worker has metrics for Prometheus (/metrics)",
        group="Temporal", metavar="HOST:PORT", sample="127.0.0.1:9464",
    )
    worker_health: Setting[str | None] = Setting(
        read.address, None, "HOST:PORT at which a worker tells whether it polls (/healthz)",
        group="Temporal", metavar="HOST:PORT", sample="127.0.0.1:8080",
    )
    plan_expires: Setting[float] = Setting(
        read.duration, 86400.0, "how long a saved plan may be applied",
        group=FILE_ONLY, sample="24h",
    )
    output: Setting[Literal["text", "json", "markdown"]] = Setting(
        read.one_of("text", "json", "markdown"), "text", "the form of the result on stdout",
        group="Output", sample="text",
    )
    report: Setting[str | None] = Setting(
        read.report_file, None,
        "write the report to this file (.json, .md, .html, .txt); that of another run is never replaced",
        group="Output", metavar="FILE", sample="run.json",
    )
    events: Setting[str | None] = Setting(
        read.text, None, "append events as JSON lines to this file, or - for stdout",
        group="Output", metavar="FILE|-", sample="events.jsonl",
    )
    quiet: Setting[bool] = Setting(
        read.flag, False, "print nothing where all goes well, and else only the result and the error",
        group="Output", sample="false",
    )
    verbose: Setting[bool] = Setting(
        read.flag, False, "say every call",
        group="Output", sample="false",
    )
    simulate: Setting[bool] = Setting(
        read.flag, False, "run against an embedded simulator; no cloud, no credentials",
        group="Simulation", sample="false",
    )
    world: Setting[str | None] = Setting(
        read.text, None, "the simulator's world (implies simulate)",
        group="Simulation", metavar="FILE", sample="world.yaml",
    )
    faults: Setting[str | None] = Setting(
        read.text, None, "the simulator's faults: which calls go wrong, and how",
        group="Simulation", metavar="FILE", sample="faults.yaml",
    )
    require_answers: Setting[tuple[str, ...]] = Setting(
        read.products, (), "facts of other products that must be seen: ess, ebs, kms, events, sts",
        group=FILE_ONLY, sample="[kms]",
    )
# fmt: on


SETTINGS: tuple[Setting[Any], ...] = tuple(row for row in vars(Settings).values() if isinstance(row, Setting))
"""All rows, in their order."""
BY_NAME = {row.name: row for row in SETTINGS}
LIMITS = tuple(row.name for row in SETTINGS if row.limit)
"""What limits how much a run may do: how many, and until when. How long something is waited for is none of these."""
