"""How to reach the Temporal server, and what is wrong if that fails: a sentence for people instead of a gRPC status."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RPCError, TLSConfig

from ..config import Settings
from ..error_mapping import temporal_error
from ..errors import RunRefused, UsageError
from .workflow import carrying_queue

SERVER_TIMEOUT = 10.0
"""Real seconds in which the server must answer."""
NO_VERSION = WorkerDeploymentVersion("", "")
"""The version of a worker whose version Temporal does not manage."""
_POLLED_WITHIN = timedelta(seconds=90)
"""A poll lasts a minute: a worker that has not polled for longer is gone."""


class _OnlySentences(DefaultFailureConverter):
    """Sends only the sentence of a failure, without its stack, which contains paths of files on this host."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        failure.stack_trace = ""


_SENT = replace(DataConverter.default, failure_converter_class=_OnlySentences)
_FILES = (
    Settings.temporal_tls_ca, Settings.temporal_tls_cert, Settings.temporal_tls_key, Settings.temporal_api_key_file,
)  # fmt: skip


@dataclass(frozen=True)
class Server:
    """The server that the settings name. The files that they name are read for each connection, because they rotate.

    Raises:
        UsageError: they name no server, or only half of a certificate and key.
    """

    settings: Settings

    def __post_init__(self) -> None:
        if not self.settings.temporal:
            raise UsageError("No Temporal server given.", hint="Set temporal: HOST:PORT, or give --temporal.")
        if bool(self.settings.temporal_tls_cert) is not bool(self.settings.temporal_tls_key):
            raise UsageError("A client certificate needs its key, and a key its certificate.",
                             hint="Set both temporal_tls_cert and temporal_tls_key.")  # fmt: skip

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return str(self.settings.temporal)

    @property
    def namespace(self) -> str:
        """The namespace of the workers."""
        return self.settings.temporal_namespace

    def command_for(self, version: WorkerDeploymentVersion) -> str:
        """Return the command with which a person gives this version of workers the work."""
        given = self.settings
        options = ["--address", self.address, "--namespace", self.namespace, *(["--tls"] if given.temporal_tls else [])]
        for option, row in zip(("--tls-ca-path", "--tls-cert-path", "--tls-key-path"), _FILES, strict=False):
            options += [option, name] if (name := given.of(row).value) else []
        which = ["--deployment-name", version.deployment_name, "--build-id", version.build_id]
        key = f' --api-key "$(cat {shlex.quote(given.temporal_api_key_file)})"' if given.temporal_api_key_file else ""
        return shlex.join(["temporal", "worker", "deployment", "set-current-version", *options, *which]) + key

    async def connect(self, runs_on: Runtime | None = None, identity: str | None = None) -> Client:
        """Connect with the present content of the files, and check that the namespace exists.

        Raises:
            UsageError: a file cannot be read or used.
            RunRefused: the server does not answer, or refuses the connection.
        """
        ca, cert, key, secret = self.read()
        tls: TLSConfig | bool = self.settings.temporal_tls or bool(secret)
        if ca or cert:
            tls = TLSConfig(server_root_ca_cert=ca, client_cert=cert, client_private_key=key)
        try:
            async with asyncio.timeout(SERVER_TIMEOUT):
                client = await Client.connect(
                    self.address, namespace=self.namespace, tls=tls, runtime=runs_on or runtime(), identity=identity,
                    api_key=secret.decode("ascii", "replace").strip() if secret else None, data_converter=_SENT,
                )  # fmt: skip
                await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=self.namespace))
        except (RuntimeError, ValueError, TimeoutError, RPCError) as error:  # its text may contain what was sent
            raise self.explain(error) from None
        return client

    def read(self) -> tuple[bytes | None, ...]:
        """Return the present content of the files; ``None`` for one that is not used.

        Raises:
            UsageError: one cannot be read.
        """
        content = list[bytes | None]()
        for row in _FILES:
            name = self.settings.of(row).value
            try:
                content.append(Path(name).read_bytes() if name else None)
            except OSError as error:
                raise UsageError(f"{name} cannot be read: {error.strerror}.", hint=f"Correct {row.name}.") from None
        return tuple(content)

    def explain(self, error: BaseException) -> RunRefused | UsageError:
        """Return, for people, why the server did not do what it was asked; nothing that was sent is repeated."""
        status = error.status.name if isinstance(error, RPCError) else ""
        given = self.settings
        key = "this API key" if given.temporal_api_key_file else ""
        shown = key or ("this client certificate" if given.temporal_tls_cert else "no key")
        return temporal_error(status, str(error), address=self.address, namespace=self.namespace, shown=shown)


def queue_of(settings: Settings, account: str, region: str) -> str:
    """Return the name of the task queue: workers serve one account and region, determined by their credentials."""
    return settings.temporal_queue or f"safe-reinit-{account}-{region}"


@dataclass(frozen=True)
class Pollers:
    """The workers that poll for everything a run needs, by their identities."""

    versions: Mapping[str, WorkerDeploymentVersion]
    """The versions of all of them; ``NO_VERSION`` if Temporal does not manage them."""
    current: frozenset[str]
    """Those to which the server gives tasks: they have the current version."""


async def pollers(client: Client, queue: str) -> Pollers:
    """Return the workers that poll for everything a run needs."""
    everyone, current, since = [], [], datetime.now(UTC) - _POLLED_WITHIN
    for name, kind in (
        (queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
        (carrying_queue(queue), TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    ):
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
        )
        answer = await client.workflow_service.describe_task_queue(request, timeout=timedelta(seconds=SERVER_TIMEOUT))
        live = [each for each in answer.pollers if each.last_access_time.ToDatetime(UTC) > since]
        everyone.append({each.identity: _version(each.deployment_options) for each in live})
        routing = answer.versioning_info
        ramping = [routing.ramping_deployment_version] if routing.ramping_version_percentage else []
        given = [routing.current_deployment_version, *ramping]
        versions = {WorkerDeploymentVersion(each.deployment_name, each.build_id) for each in given}
        current.append({identity for identity, version in everyone[-1].items() if version in versions})
    both = everyone[0].keys() & everyone[1].keys()
    return Pollers({identity: everyone[0][identity] for identity in both}, frozenset(current[0] & current[1]))


def _version(options: WorkerDeploymentOptions) -> WorkerDeploymentVersion:
    if options.worker_versioning_mode != WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED:
        return NO_VERSION
    return WorkerDeploymentVersion(options.deployment_name, options.build_id)


@cache
def runtime(metrics: str = "") -> Runtime:
    """Make the runtime of the SDK, once per process; its messages go to Python's logging."""
    log = logging.getLogger("temporalio")
    log.addHandler(logging.NullHandler())  # else Python shows it to whoever has set no logging up
    forwarding = LogForwardingConfig(log, append_target_to_name=False)
    log_settings = LoggingConfig(TelemetryFilter(core_level="ERROR", other_level="ERROR"), forwarding=forwarding)
    prometheus = PrometheusConfig(bind_address=metrics) if metrics else None
    try:
        return Runtime(telemetry=TelemetryConfig(logging=log_settings, metrics=prometheus))
    except (RuntimeError, ValueError):
        raise UsageError(
            f"The worker cannot listen on {metrics} for metrics.",
            hint="Correct worker_metrics, or end the process that listens there.",
        ) from None
