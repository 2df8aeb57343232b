"""The table of settings: one row says everything about one of them.

A new setting is one new row. The loader, options, help, completion, ``config show``, the example file, the contract of
``schema`` and the reference page are derived from it.
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
    """All settings, in the order in which people see them."""

    __slots__ = ()

    region: Setting[str | None] = Setting(
        read.region, None, "the region of the disks",
        group="Where", metavar="ID", sample="cn-hangzhou",
        unset="the region of the aliyun CLI profile in use", other_variable="ALIBABA_CLOUD_REGION_ID",
        several="repeatable for a run or a plan", offers="regions",
    )
    profile: Setting[str | None] = Setting(
        read.text, None, "the aliyun CLI profile to take the credentials from",
        group="Where", metavar="NAME", sample="ops", unset="Alibaba Cloud's default credential chain",
    )
    endpoint: Setting[str | None] = Setting(
        read.endpoint, None, "the ECS endpoint, as [http://|https://]HOST[:PORT]; http only for this machine",
        group="Where", metavar="URL", sample="ecs.cn-hangzhou.aliyuncs.com", unset="the region's endpoint",
    )
    endpoints: Setting[Mapping[str, str]] = Setting(
        read.endpoints, {}, "the endpoints of these products: ecs, sts, ess, ebs, kms",
        group=FILE_ONLY, sample="{sts: sts.cn-hangzhou.aliyuncs.com}", unset="the region's endpoints",
    )
    ca_bundle: Setting[str | None] = Setting(
        read.text, None, "a file with the CA certificates to trust",
        group="Where", metavar="FILE", sample="/etc/ssl/certs/ca-certificates.crt",
        unset="the certificates of Python's certifi package",
    )
    proxy: Setting[str | None] = Setting(
        read.proxy, None, "the HTTP proxy for HTTPS, as http://HOST:PORT or https://HOST:PORT",
        group=FILE_ONLY, sample="http://proxy.example.com:3128",
        unset="what HTTPS_PROXY and NO_PROXY in the environment say",
    )
    timeout_stop: Setting[float] = Setting(
        read.duration, 600.0, "the time limit for stopping an instance",
        group="Waiting", metavar="DURATION", sample="10m",
    )
    timeout_snapshot: Setting[float] = Setting(
        read.duration, 3600.0, "the time limit for a snapshot to complete",
        group="Waiting", metavar="DURATION", sample="60m",
    )
    timeout_reinit: Setting[float] = Setting(
        read.duration, 1800.0, "the time limit for wiping a disk",
        group="Waiting", metavar="DURATION", sample="30m",
    )
    timeout_start: Setting[float] = Setting(
        read.duration, 900.0, "the time limit for starting an instance",
        group="Waiting", metavar="DURATION", sample="15m",
    )
    force_stop_after: Setting[float | None] = Setting(
        read.duration, None, "cut the power if a graceful stop takes longer than this",
        group="Waiting", metavar="DURATION", sample="5m", unset="never",
    )
    leave_stopped: Setting[bool] = Setting(
        read.flag, False, "leave the instance stopped at the end",
        group="Consent", sample="false",
    )
    snapshot: Setting[bool] = Setting(
        read.flag, False, "take a snapshot after the stop, and wipe only once it is complete",
        group="Consent", sample="false",
    )
    snapshot_retention: Setting[int | None] = Setting(
        read.days, None, "how long ECS keeps a snapshot that a run takes, such as 30d",
        group=FILE_ONLY, sample="30d", unset="until it is deleted",
    )
    snapshot_max_age: Setting[float] = Setting(
        read.duration, 86400.0, "how old the newest snapshot may be to count as recent",
        group=FILE_ONLY, sample="24h",
    )
    lock_tag: Setting[bool] = Setting(
        read.flag, False, "tag the instance with the run's id, from before the stop until the job ends",
        group=FILE_ONLY, sample="false",
    )
    allow: Setting[Mapping[str, Any]] = Setting(
        nested.allow, {}, "which disks may be targets; each list that is given must match",
        group=FILE_ONLY, unset="any disk", nested=True,
        sample=(
            '{accounts: ["1000000000000001"], regions: [cn-hangzhou], instances: ["i-*"], disks: ["d-*"], '
            'names: ["lab-*", "staging-*"], tags: {env: "*"}}'
        ),
        notes=(
            "Accounts, regions, ids, instance names and tags are patterns (*, ?, [...]) for the whole text. Case "
            "matters.",
            "The instance must have every listed tag. If the disk has a tag with the same key, that must match too.",
        ),
    )
    protect: Setting[Mapping[str, Any]] = Setting(
        nested.protect, nested.PROTECTED, "which disks must never be targets",
        group=FILE_ONLY, nested=True,
        sample=(
            '{tag: safe-reinit:protect, terms: [prod, production, live], names: ["*-db-*"], '
            "instances: [i-bp1example], disks: [d-bp1example], tags: {env: prod}}"
        ),
        notes=(
            "A disk is protected if the disk or its instance has the tag (KEY or KEY=VALUE) or matches anything else "
            "here. Case does not matter. A term matches a whole word of a name: prod matches web-prod-2 and non-prod, "
            "but not product.",
            "A list in the file replaces the default list.",
        ),
    )
    max_disks: Setting[int | None] = Setting(
        read.count, None, "refuse a run with more disks than this",
        group="Consent", metavar="N", sample="10",
        unset="10 if the disks are named one by one, 1 if they are discovered, or what their class says", limit=True,
    )
    may_be_raised: Setting[tuple[str, ...]] = Setting(
        _limits, (),
        "the limits in the file that options and environment variables may raise: "
        "max_disks, max_parallel, stop_after_failures, deadline",
        group=FILE_ONLY, sample="[max_disks]",
    )
    classes: Setting[Mapping[str, Any]] = Setting(
        nested.classes, {}, "groups of targets, and what a run may do to each without an option; the first match wins",
        group=FILE_ONLY, nested=True,
        sample=(
            '{lab: {match: {accounts: ["1000000000000001"], regions: [cn-hangzhou], tags: {env: lab}}, '
            "stop_instance: true, accept: [no-recent-snapshot, no-login-set], snapshot: false, max_disks: 60, "
            'force_stop_after: 5m, on_unknown: retry, hours: "01:00-05:00", unattended: true}}'
        ),
        notes=(
            "A class matches by accounts, regions and tags, as in allow. All disks of a run must be in the same class. "
            "If the class is unattended, its name is consent (the option --confirm lab). A run must begin within the "
            'hours. They are in UTC unless they have an offset: "01:00-05:00 +08:00".',
        ),
    )
    canary: Setting[int | None] = Setting(
        read.whole, None,
        "how many jobs run first and must succeed before the others begin; by default 1 if there are more than ten",
        group="Many machines", metavar="N", sample="1", unset="1 if there are more than ten jobs, else none",
    )
    waves: Setting[tuple[tuple[int, bool], ...]] = Setting(
        read.waves, (), "the sizes of the waves after the canary, such as 5,25%,50%; the last size is repeated",
        group="Many machines", metavar="LIST", sample="[5, 25%, 50%]",
    )
    pause: Setting[Literal["none", "canary", "wave"] | None] = Setting(
        read.one_of("none", "canary", "wave"), None,
        "when to ask whether to continue: never, after the canary (the default on a terminal), or after each wave",
        group="Many machines", sample="canary", unset="canary on a terminal, else none",
    )
    max_parallel: Setting[int] = Setting(
        read.count, 100, "how many instances may be down at once, including those of other runs",
        group="Many machines", metavar="N", sample="100", limit=True,
    )
    stop_after_failures: Setting[int | None] = Setting(
        read.count, None, "begin no new job once this many have failed or can no longer succeed",
        group="Many machines", metavar="N", sample="3", limit=True,
    )
    skip_refused: Setting[bool] = Setting(
        read.flag, False, "leave out refused jobs and run the rest",
        group="Many machines", sample="false",
    )
    deadline: Setting[datetime | timedelta | None] = Setting(
        read.deadline, None, "begin no new job after this time (2026-01-02T05:00:00Z) or this duration from now (3h)",
        group="Many machines", metavar="TIME|DURATION", sample="2h", limit=True,
    )
    quota_share: Setting[float] = Setting(
        read.share, 0.8, "the share of each documented API quota that a run uses",
        group=FILE_ONLY, sample="0.8",
    )
    expect_instance: Setting[str | None] = Setting(
        read.text, None, "refuse the run unless the disk is attached to this instance",
        group="Consent", metavar="I", sample="i-bp1example", offers="instances",
    )
    reason: Setting[str | None] = Setting(
        read.text, None, "the reason for the run, such as a change ticket; kept in the plan and the report",
        group="Consent", metavar="TEXT", sample='"CHG-1: nightly wipe"',
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
        read.one_of("Active", "Deactive"), None, "whether ECS installs its security components",
        group="Logging in after a system disk is wiped", sample="Active",
        unset="the default of ECS, which is Deactive",
    )
    on_unknown: Setting[Literal["ask", "retry"]] = Setting(
        read.one_of("ask", "retry"), "ask",
        "what to do if it stays unknown whether ECS accepted ReInitDisk: ask a person, or wipe again",
        group="Waiting", sample="retry",
    )
    hold: Setting[str | None] = Setting(
        read.text, None, "the reason why no run may begin now, such as a change freeze",
        group=FILE_ONLY, sample='"change freeze until Monday"', unset="runs may begin",
    )
    journal: Setting[str | None] = Setting(
        read.journal, None,
        "the journal of runs: a file, or a postgresql://... database that several hosts share; by default, root and "
        "each user have their own file, and the built-in simulator has none",
        group="Where", metavar="FILE", sample="/var/lib/safe-reinit/journal.db",
        unset="/var/lib/safe-reinit/journal.db for root, else ~/.local/state/safe-reinit/journal.db", secret=True,
    )
    journal_outage: Setting[float] = Setting(
        read.duration, 120.0,
        "how long a run waits while the journal cannot be written, before it starts the machines that it stopped",
        group=FILE_ONLY, sample="2m",
    )
    runner: Setting[Literal["local", "temporal"]] = Setting(
        read.one_of("local", "temporal"), "local", "what carries out a run: this process, or Temporal's workers",
        group="Temporal", sample="temporal",
    )
    temporal: Setting[str | None] = Setting(
        read.address, None, "the address of the Temporal server that gives runs to workers",
        group="Temporal", metavar="HOST:PORT", sample="temporal.example.com:7233",
    )
    temporal_namespace: Setting[str] = Setting(
        read.text, "default", "the namespace on the Temporal server",
        group="Temporal", metavar="NAME", sample="wipes",
    )
    temporal_queue: Setting[str | None] = Setting(
        read.text, None, "the task queue for the workers of one account and region",
        group="Temporal", metavar="NAME", sample="wipes-lab", unset="safe-reinit-ACCOUNT-REGION",
    )
    temporal_tls: Setting[bool] = Setting(
        read.flag, False, "use TLS for the Temporal server; a certificate, key or API key file implies it",
        group="Temporal", sample="false",
    )
    temporal_tls_ca: Setting[str | None] = Setting(
        read.text, None, "a file with the CA certificates to trust for the Temporal server",
        group="Temporal", metavar="FILE", sample="/etc/safe-reinit/temporal-ca.pem",
        unset="the system's certificates",
    )
    temporal_tls_cert: Setting[str | None] = Setting(
        read.text, None, "a file with the client certificate for the Temporal server; read again when it is replaced",
        group="Temporal", metavar="FILE", sample="/etc/safe-reinit/temporal.pem",
    )
    temporal_tls_key: Setting[str | None] = Setting(
        read.text, None, "a file with the private key of that certificate",
        group="Temporal", metavar="FILE", sample="/etc/safe-reinit/temporal.key",
    )
    temporal_api_key_file: Setting[str | None] = Setting(
        read.text, None, "a file with the API key for the Temporal server; read again when it is replaced",
        group="Temporal", metavar="FILE", sample="/etc/safe-reinit/temporal-api-key",
    )
    temporal_deployment: Setting[str | None] = Setting(
        read.text, None,
        "the Worker Deployment that a worker belongs to; Temporal sends runs only to its current version",
        group="Temporal", metavar="NAME", sample="safe-reinit", unset="none: any worker gets runs",
    )
    worker_metrics: Setting[str | None] = Setting(
        read.address, None, "the address where a worker serves metrics for Prometheus (/metrics)",
        group="Temporal", metavar="HOST:PORT", sample="127.0.0.1:9464",
    )
    worker_health: Setting[str | None] = Setting(
        read.address, None, "the address where a worker reports whether it polls (/healthz)",
        group="Temporal", metavar="HOST:PORT", sample="127.0.0.1:8080",
    )
    scheduled_runs: Setting[Mapping[str, str]] = Setting(
        nested.scheduled_runs, {},
        "the runs that a Temporal Schedule may have a worker begin: the options of each, by its name",
        group=FILE_ONLY, nested=True, unset="none",
        sample='{lab: "--tag env=lab --system-disk --confirm lab --deadline 3h --reason nightly"}',
        notes=(
            "The options are those of the command line. A Schedule sends only the name, so it cannot choose a target. "
            "A worker reads them when it starts.",
        ),
    )
    plan_expires: Setting[float] = Setting(
        read.duration, 86400.0, "how long after it was made a saved plan can be applied",
        group=FILE_ONLY, sample="24h",
    )
    output: Setting[Literal["text", "json", "markdown"]] = Setting(
        read.one_of("text", "json", "markdown"), "text", "the format of the result on stdout",
        group="Output", sample="text",
    )
    report: Setting[str | None] = Setting(
        read.report_file, None,
        "write the report to this file, in the form of its ending (.json, .md, .html, .txt); another run's report is "
        "never replaced",
        group="Output", metavar="FILE", sample="run.json",
    )
    events: Setting[str | None] = Setting(
        read.text, None, "append events as JSON lines to this file (- for stdout)",
        group="Output", metavar="FILE|-", sample="events.jsonl",
    )
    quiet: Setting[bool] = Setting(
        read.flag, False, "print nothing if all goes well, otherwise only the result and the error",
        group="Output", sample="false",
    )
    verbose: Setting[bool] = Setting(
        read.flag, False, "show every call and every note",
        group="Output", sample="false",
    )
    simulate: Setting[bool] = Setting(
        read.flag, False, "use the built-in simulator; it needs no cloud and no credentials",
        group="Simulation", sample="false",
    )
    world: Setting[str | None] = Setting(
        read.text, None, "a file that describes the simulator's world; implies simulate",
        group="Simulation", metavar="FILE", sample="world.yaml",
    )
    faults: Setting[str | None] = Setting(
        read.text, None, "a file of faults for the simulator: which calls go wrong, and how",
        group="Simulation", metavar="FILE", sample="faults.yaml",
    )
    require_answers: Setting[tuple[str, ...]] = Setting(
        read.products, (), "the queries to other products that must be answered: ess, ebs, kms, events, sts",
        group=FILE_ONLY, sample="[kms]",
    )
# fmt: on


SETTINGS: tuple[Setting[Any], ...] = tuple(row for row in vars(Settings).values() if isinstance(row, Setting))
"""All rows, in order."""
BY_NAME = {row.name: row for row in SETTINGS}
LIMITS = tuple(row.name for row in SETTINGS if row.limit)
"""The settings that limit how much a run may do: how many, and until when. Time limits of waits do not count."""
