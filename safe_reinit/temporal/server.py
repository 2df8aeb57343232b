"""How to reach the Temporal server, and what is wrong if that fails: a sentence for people instead of a gRPC status."""

from __future__ import annotations

import asyncio
import logging
import re
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
from ..errors import RunRefused, UsageError
from .workflow import carrying_queue

SERVER_TIMEOUT = 10.0
"""Real seconds in which the server must answer."""
NO_VERSION = WorkerDeploymentVersion("", "")
"""The version of a worker whose version Temporal does not manage."""
_POLLED_WITHIN = timedelta(seconds=90)
"""A poll lasts a minute: a worker that has not polled for longer is gone."""
_FILES = "Correct temporal_tls_ca, temporal_tls_cert and temporal_tls_key."
_NO_TLS = "No TLS connection to the Temporal server {address}: "
_WRONG: tuple[tuple[str, type[RunRefused | UsageError], str, str], ...] = (
    (
        r"NOT_FOUND.*[Nn]amespace", RunRefused, "The Temporal server {address} has no namespace {namespace}.",
        "Correct temporal_namespace, or create it: temporal operator namespace create -n {namespace}",
    ),
    (
        r"Unauthenticated|UNAUTHENTICATED|PermissionDenied|PERMISSION_DENIED", RunRefused,
        "The Temporal server {address} refuses access to the namespace {namespace} with {shown}.",
        "Correct temporal_api_key_file or temporal_tls_cert, or have them given access to the namespace.",
    ),
    (
        r"PrivateKeyParseError|InconsistentKeys|NoCertificatesPresented|CertificateParseError", UsageError,
        "The client certificate for the Temporal server {address} cannot be used: a file is not PEM, or the key "
        "belongs to another certificate.",
        "Correct temporal_tls_cert and temporal_tls_key.",
    ),
    (
        r"InvalidContentType|InvalidMessage", RunRefused, f"{_NO_TLS}what listens there does not use TLS.",
        "Correct temporal (HOST:PORT), or leave the TLS settings out.",
    ),
    (r"NotValidForName", RunRefused, f"{_NO_TLS}its certificate is for another name.", "Correct temporal (HOST:PORT)."),
    (r"Expired", RunRefused, f"{_NO_TLS}its certificate has expired.", "Have it renewed."),
    (r"InvalidCertificate", RunRefused, f"{_NO_TLS}its certificate is not from a CA that is trusted here.", _FILES),
    (
        r"Alert|PeerIncompatible|connection closed|UnexpectedEof|HandshakeEof|ConnectionReset|BrokenPipe", RunRefused,
        "The Temporal server {address} closes the connection at once. It may need TLS or another client certificate.",
        f"Set temporal_tls if it needs TLS. {_FILES}",
    ),
    (
        r"dns error|[Ii]nvalid ?[Uu]ri|invalid authority", RunRefused,
        "The name of the Temporal server {address} cannot be found.", "Correct temporal (HOST:PORT).",
    ),
)  # fmt: skip
"""What a failure says, and what people are told then; the first match counts."""


class _OnlySentences(DefaultFailureConverter):
    """Sends only the sentence of a failure, without its stack, which contains paths of files on this host."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        failure.stack_trace = ""


_SENT = replace(DataConverter.default, failure_converter_class=_OnlySentences)


@dataclass(frozen=True)
class Server:
    """Where the server is, and what is needed to connect. Files are named and not read, because they rotate."""

    address: str
    """``HOST:PORT``."""
    namespace: str = "default"
    tls: bool = False
    """Whether TLS is used even if none of the files below implies it."""
    ca: str = ""
    """A file with the CA certificates to trust; by default those of the system."""
    cert: str = ""
    key: str = ""
    """The files with our certificate and its key (mTLS)."""
    api_key_file: str = ""

    @property
    def text(self) -> str:
        """Its name for people."""
        return f"the Temporal server {self.address} (namespace {self.namespace})"

    def command_for(self, version: WorkerDeploymentVersion) -> str:
        """Return the command with which a person gives this version of workers the work."""
        options = ["--address", self.address, "--namespace", self.namespace]
        if self.tls:
            options += ["--tls"]
        files = {"--tls-ca-path": self.ca, "--tls-cert-path": self.cert, "--tls-key-path": self.key}
        options += [each for option, name in files.items() if name for each in (option, name)]
        which = ["--deployment-name", version.deployment_name, "--build-id", version.build_id]
        key = f' --api-key "$(cat {shlex.quote(self.api_key_file)})"' if self.api_key_file else ""
        return shlex.join(["temporal", "worker", "deployment", "set-current-version", *options, *which]) + key

    async def connect(self, runs_on: Runtime | None = None, identity: str | None = None) -> Client:
        """Connect with the present content of the files, and check that the namespace exists.

        Raises:
            UsageError: a file cannot be read or used.
            RunRefused: the server does not answer, or refuses the connection.
        """
        secret = self._read(self.api_key_file, "temporal_api_key_file")
        tls: TLSConfig | bool = self.tls or bool(secret)
        if self.ca or self.cert:
            tls = TLSConfig(
                server_root_ca_cert=self._read(self.ca, "temporal_tls_ca"),
                client_cert=self._read(self.cert, "temporal_tls_cert"),
                client_private_key=self._read(self.key, "temporal_tls_key"),
            )
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

    def stamp(self) -> tuple[object, ...]:
        """Return a value that changes when a file is replaced."""
        stamps: list[object] = []
        for name in filter(None, (self.ca, self.cert, self.key, self.api_key_file)):
            try:
                stat = Path(name).stat()
                stamps.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
            except OSError:
                stamps.append(None)
        return tuple(stamps)

    def explain(self, error: BaseException) -> RunRefused | UsageError:
        """Return, for people, why the server did not do what it was asked; nothing that was sent is repeated."""
        status = error.status.name if isinstance(error, RPCError) else ""
        with_what = "this API key" if self.api_key_file else "this client certificate" if self.cert else "no key"
        names = {"address": self.address, "namespace": self.namespace, "shown": with_what}
        for pattern, kind, sentence, hint in _WRONG:
            if re.search(pattern, f"{status} {error}", re.DOTALL):
                return kind(sentence.format(**names), hint=hint.format(**names))
        if status in ("", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN"):
            return RunRefused(
                f"The Temporal server {self.address} does not answer.",
                hint="Check that it runs and can be reached from here, then try again. The journal has every run.",
            )
        return RunRefused(
            f"The Temporal server {self.address} refused the request ({status}).",
            hint="Try again; the server's log says why.",
        )

    def _read(self, name: str, setting: str) -> bytes | None:
        if not name:
            return None
        try:
            return Path(name).read_bytes()
        except OSError as error:
            raise UsageError(f"{name} cannot be read: {error.strerror}.", hint=f"Correct {setting}.") from None


def server_of(settings: Settings) -> Server:
    """Return the server that the settings name.

    Raises:
        UsageError: they name none, or only half of a certificate and key.
    """
    if not settings.temporal:
        raise UsageError("No Temporal server given.", hint="Set temporal: HOST:PORT, or give --temporal.")
    if bool(settings.temporal_tls_cert) is not bool(settings.temporal_tls_key):
        raise UsageError("A client certificate needs its key, and a key its certificate.",
                         hint="Set both temporal_tls_cert and temporal_tls_key.")  # fmt: skip
    return Server(
        settings.temporal, settings.temporal_namespace, settings.temporal_tls,
        settings.temporal_tls_ca or "", settings.temporal_tls_cert or "", settings.temporal_tls_key or "",
        settings.temporal_api_key_file or "",
    )  # fmt: skip


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

    @property
    def makes_current(self) -> WorkerDeploymentVersion:
        """The version that could be made current: the last one, by name, of those in a deployment."""
        return max(self.versions.values(), key=lambda each: (each.deployment_name, each.build_id), default=NO_VERSION)


async def pollers(client: Client, queue: str) -> Pollers:
    """Return the workers that poll for everything a run needs."""
    kinds = {
        queue: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        carrying_queue(queue): TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    }
    everyone, current = [], []
    for name, kind in kinds.items():
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
        )
        answer = await client.workflow_service.describe_task_queue(request, timeout=timedelta(seconds=SERVER_TIMEOUT))
        since = datetime.now(UTC) - _POLLED_WITHIN
        live = [each for each in answer.pollers if each.last_access_time.ToDatetime(UTC) > since]
        everyone.append({each.identity: _version(each.deployment_options) for each in live})
        versioning = answer.versioning_info
        ramping = [versioning.ramping_deployment_version] if versioning.ramping_version_percentage else []
        given = {
            WorkerDeploymentVersion(each.deployment_name, each.build_id)
            for each in (versioning.current_deployment_version, *ramping)
        }
        current.append({identity for identity, version in everyone[-1].items() if version in given})
    both = set.intersection(*map(set, everyone))
    return Pollers(
        {identity: version for identity, version in everyone[0].items() if identity in both},
        frozenset(both.intersection(*current)),
    )


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
    try:
        return Runtime(
            telemetry=TelemetryConfig(
                logging=log_settings, metrics=PrometheusConfig(bind_address=metrics) if metrics else None
            )
        )
    except (RuntimeError, ValueError):
        raise UsageError(
            f"The worker cannot listen on {metrics} for metrics.",
            hint="Correct worker_metrics, or end the process that listens there.",
        ) from None
