"""The configuration file that ``config example`` prints: every setting with its default, commented."""

from __future__ import annotations

from collections.abc import Mapping

from ..config import SETTINGS, Setting
from .options import sentence
from .settings import flow, shown

_SAMPLES: Mapping[str, str] = {
    "region": "cn-hangzhou",
    "profile": "ops",
    "endpoint": "ecs.cn-hangzhou.aliyuncs.com",
    "endpoints": "{sts: sts.cn-hangzhou.aliyuncs.com}",
    "ca_bundle": "/etc/ssl/certs/ca-certificates.crt",
    "snapshot_retention": "30d",
    "timeout_stop": "10m",
    "timeout_snapshot": "60m",
    "timeout_reinit": "30m",
    "timeout_start": "15m",
    "force_stop_after": "5m",
    "allow": (
        '{accounts: ["1000000000000001"], regions: [cn-hangzhou], instances: ["i-*"], disks: ["d-*"], '
        'names: ["lab-*", "staging-*"], tags: {env: "*"}}'
    ),
    "protect": (
        '{tag: safe-reinit:protect, terms: [prod, production, live], names: ["*-db-*"], '
        "instances: [i-bp1example], disks: [d-bp1example], tags: {env: prod}}"
    ),
    "max_disks": "10",
    "may_be_raised": "[max_disks]",
    "classes": (
        '{lab: {match: {accounts: ["1000000000000001"], regions: [cn-hangzhou], tags: {env: lab}}, '
        "stop_instance: true, accept: [no-recent-snapshot, no-login-set], snapshot: false, max_disks: 60, "
        'force_stop_after: 5m, on_unknown: retry, hours: "01:00-05:00", unattended: true}}'
    ),
    "snapshot_max_age": "24h",
    "canary": "1",
    "waves": "[5, 25%, 50%]",
    "pause": "canary",
    "max_parallel": "100",
    "stop_after_failures": "3",
    "deadline": "2h",
    "quota_share": "0.8",
    "expect_instance": "i-bp1example",
    "reason": '"CHG-1: nightly reset"',
    "key_pair": "ops-key",
    "password_env": "NEW_PASSWORD",
    "security_enhancement": "Active",
    "on_unknown": "retry",
    "hold": '"change freeze until Monday"',
    "journal": "/var/lib/safe-reinit/journal.db",
    "journal_outage": "2m",
    "runner": "temporal",
    "temporal": "temporal.example.com:7233",
    "temporal_namespace": "wipes",
    "temporal_queue": "wipes-lab",
    "temporal_tls_ca": "/etc/safe-reinit/temporal-ca.pem",
    "temporal_tls_cert": "/etc/safe-reinit/temporal.pem",
    "temporal_tls_key": "/etc/safe-reinit/temporal.key",
    "temporal_api_key_file": "/etc/safe-reinit/temporal-api-key",
    "temporal_deployment": "safe-reinit",
    "worker_metrics": "127.0.0.1:9464",
    "worker_health": "127.0.0.1:8080",
    "plan_expires": "24h",
    "output": "text",
    "report": "run.json",
    "events": "events.jsonl",
    "world": "world.yaml",
    "faults": "faults.yaml",
    "require_looks": "[kms]",
}
"""What each could be, as a line of a file has it; a switch could be ``false``."""

NOTES: Mapping[str, tuple[str, ...]] = {
    "allow": (
        "Accounts, regions, ids, instance names and tags by pattern (*, ?, [...]) of the whole text; capitals count.",
        "The instance must have each tag; a tag of the same key on the disk must match too.",
    ),
    "protect": (
        "A disk that has the tag (KEY or KEY=VALUE) or is like any of the rest, or whose instance is; capitals do not",
        "count. A term is a part of a name of its own: prod is one of web-prod-2 and of non-prod, not of product.",
        "A list that is given replaces its default.",
    ),
    "classes": (
        "Each is matched on what ECS shows: accounts, regions and tags, as in allow. All disks of a run must be in the",
        "same class. Its name is consent (the option --confirm lab) where it is unattended. A run must begin in the",
        'hours, which are UTC; those of another zone are "01:00-05:00 +08:00".',
    ),
}  # fmt: skip
"""What there is to know besides, of a setting that has members of its own."""

_DEFAULTS = {
    "region": "that of the aliyun CLI profile in use",
    "profile": "Alibaba's default chain",
    "endpoint": "that of the region",
    "endpoints": "those of the region",
    "ca_bundle": "those that come with Python's certifi",
    "force_stop_after": "never",
    "snapshot_retention": "until it is deleted",
    "allow": "anything",
    "max_disks": "10 named by hand, 1 found, or what their class says",
    "canary": "1 of more than ten jobs, else none",
    "pause": "canary on a terminal, else none",
    "security_enhancement": "what ECS does, which is Deactive",
    "hold": "nothing holds runs back",
    "temporal_queue": "safe-reinit-ACCOUNT-REGION",
    "temporal_tls_ca": "those of the system",
    "temporal_deployment": "none: any worker is sent runs",
    "journal": "/var/lib/safe-reinit/journal.db for root, else ~/.local/state/safe-reinit/journal.db",
}
"""What holds without a value of one's own, where a value does not say it."""


def example() -> str:
    """Write the file."""
    head = (
        "# safe-reinit: an example configuration with every setting and its default.\n"
        "# Copy it to ~/.config/safe-reinit/config.yaml, uncomment what you need, and run: safe-reinit config check\n"
        "# A flag wins over the environment (SAFE_REINIT_<OPTION>), the environment over this file.\n"
        "# But neither raises what limits how much a run does (max_disks, max_parallel, stop_after_failures,\n"
        "# deadline) above what this file says, unless may_be_raised names it.\n"
    )
    return head + "".join(_lines(setting) for setting in SETTINGS if setting.in_file)


def _lines(setting: Setting) -> str:
    notes = "".join(f"# {note}\n" for note in NOTES.get(setting.name, ()))
    return f"\n# {sentence(setting.help)} Default: {default(setting)}.\n{notes}# {sample(setting)}\n"


def default(setting: Setting) -> str:
    """Say what holds where a setting is not given."""
    if setting.name in _DEFAULTS:
        return _DEFAULTS[setting.name]
    if setting.default is False:
        return "off"
    if setting.default in (None, {}, ()):
        return "none"
    value = shown(setting.default)
    return flow(value) if setting.nested else str(value)


def sample(setting: Setting) -> str:
    """Give a line that a file could have for a setting."""
    return f"{setting.name}: {_SAMPLES.get(setting.name, 'false')}"
