"""The settings as a program gives them, typed: ``docs/generate.py`` makes this file from the table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from os import PathLike
from typing import Any, Literal, TypedDict


class ConfigArguments(TypedDict, total=False):
    """Settings as arguments of ``connect``, by their names; the page about the configuration says what they are."""

    endpoints: dict[str, str] | None
    ca_bundle: str | None
    proxy: str | None
    timeout_stop: str | timedelta | None
    timeout_snapshot: str | timedelta | None
    timeout_reinit: str | timedelta | None
    timeout_start: str | timedelta | None
    force_stop_after: str | timedelta | None
    leave_stopped: bool | None
    snapshot: bool | None
    snapshot_retention: str | None
    snapshot_max_age: str | timedelta | None
    lock_tag: bool | None
    max_disks: int | None
    canary: int | None
    waves: Sequence[int | str] | None
    pause: Literal["none", "canary", "wave"] | None
    max_parallel: int | None
    stop_after_failures: int | None
    skip_refused: bool | None
    deadline: str | datetime | timedelta | None
    quota_share: float | None
    expect_instance: str | None
    reason: str | None
    key_pair: str | None
    security_enhancement: Literal["Active", "Deactive"] | None
    on_unknown: Literal["ask", "retry"] | None
    journal_outage: str | timedelta | None
    runner: Literal["local", "temporal"] | None
    temporal: str | None
    temporal_namespace: str | None
    temporal_queue: str | None
    temporal_tls: bool | None
    temporal_tls_ca: str | None
    temporal_tls_cert: str | None
    temporal_tls_key: str | None
    temporal_api_key_file: str | None
    plan_expires: str | timedelta | None


class Config(ConfigArguments, total=False):
    """What a configuration file would say, as a dict for ``connect(config=...)``."""

    region: str | None
    profile: str | None
    endpoint: str | None
    journal: str | PathLike[str] | None
    allow: dict[str, Any] | None
    protect: dict[str, Any] | None
    classes: dict[str, Any] | None
    may_be_raised: Sequence[str] | None
    hold: str | None
    require_answers: Sequence[str] | None
