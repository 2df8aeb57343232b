"""The Temporal server: where it is, how it is reached, and whether anybody works for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import RunRefused, UsageError
from ..model import Secret
from . import names, needed

if TYPE_CHECKING:
    from temporalio.client import Client

API_KEY = "SAFE_REINIT_TEMPORAL_API_KEY"
"""The environment variable of the API key; it is read from nowhere else."""
_FRESH = timedelta(seconds=75)
"""A poll lasts a minute: who has not polled for longer is gone."""


@dataclass(frozen=True)
class Server:
    """How the server is reached."""

    address: str
    """``HOST:PORT``."""
    namespace: str = "default"
    tls: bool = False
    ca: str = ""
    """Files: the CA to trust, our certificate and its key (mTLS)."""
    cert: str = ""
    key: str = ""
    name: str = ""
    """The name in the server's certificate, where it is another than the host's."""
    api_key: Secret | None = None

    @property
    def text(self) -> str:
        """How the journal names it."""
        return f"{self.namespace}@{self.address}"

    async def connect(self) -> Client:
        """Connect.

        Raises:
            UsageError: the extra is not installed, or a file cannot be read.
            RunRefused: the server does not answer, or does not let us in.
        """
        needed()
        from temporalio.client import Client as TemporalClient  # noqa: PLC0415 - an extra

        try:
            return await TemporalClient.connect(
                self.address,
                namespace=self.namespace,
                tls=self._tls(),
                api_key=self.api_key.reveal() if self.api_key else None,
            )
        except (RuntimeError, ValueError, OSError):  # its text may hold what was sent
            raise RunRefused(
                f"The Temporal server {self.address} does not answer, or does not let us in.",
                hint="Nothing was begun; check --temporal, the TLS options and the namespace.",
            ) from None

    def _tls(self) -> Any:  # noqa: ANN401 - of an extra
        from temporalio.service import TLSConfig  # noqa: PLC0415 - an extra

        if not (self.tls or self.ca or self.cert or self.api_key):
            return False
        return TLSConfig(
            server_root_ca_cert=_read(self.ca, "--temporal-tls-ca"),
            client_cert=_read(self.cert, "--temporal-tls-cert"),
            client_private_key=_read(self.key, "--temporal-tls-key"),
            domain=self.name or None,
        )


def server_of(config: Config, runner: str = "") -> Server:
    """Give the server that the settings name.

    Args:
        runner: the server that a run is at, as the journal has it: it is asked unless the settings name another.

    Raises:
        UsageError: they name none, or half a certificate.
    """
    namespace, _, address = runner.partition("@")
    if not (config["temporal"] or address):
        raise UsageError("The runner temporal needs a server.", hint="Give --temporal HOST:PORT.")
    if bool(config["temporal_tls_cert"]) != bool(config["temporal_tls_key"]):
        raise UsageError(
            "A certificate goes with its key: --temporal-tls-cert and --temporal-tls-key.", hint="Give both."
        )
    api_key = os.environ.get(API_KEY)
    return Server(
        address=config["temporal"] or address,
        namespace=config["namespace"] if config["temporal"] or not namespace else namespace,
        tls=config["temporal_tls"],
        ca=config["temporal_tls_ca"] or "",
        cert=config["temporal_tls_cert"] or "",
        key=config["temporal_tls_key"] or "",
        name=config["temporal_tls_name"] or "",
        api_key=Secret(api_key) if api_key else None,
    )


async def pollers(client: Client, queue: str) -> int:
    """Count the workers that have polled within the last minute, for workflows and for what this version writes."""
    from temporalio.api.enums.v1 import TaskQueueType  # noqa: PLC0415 - an extra
    from temporalio.api.taskqueue.v1 import TaskQueue  # noqa: PLC0415 - an extra
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest  # noqa: PLC0415 - an extra

    counts = []
    now = datetime.now(timezone.utc)
    kinds = {
        TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW: queue,
        TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY: names.of_version(queue, names.VERSION),
    }
    for kind, name in kinds.items():
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
        )
        answer = await client.workflow_service.describe_task_queue(request)
        last = [each.last_access_time.ToDatetime(tzinfo=timezone.utc) for each in answer.pollers]
        counts.append(sum(now - each < _FRESH for each in last))
    return min(counts)


def _read(path: str, option: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError:
        raise UsageError(f"{path} cannot be read.", hint=f"Correct {option}.") from None
