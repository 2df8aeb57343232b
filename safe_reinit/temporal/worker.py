"""A worker: it polls for shards of one account and region until it is told to end. Any number may run."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkerDeploymentConfig

from .. import logs
from ..errors import Error
from ..version import VERSION
from . import workflow
from .activities import Activities
from .server import Server, pollers, runtime

MAX_SHARDS = 20
"""Shards that one worker carries out at once; others wait for it, or are taken by another worker."""
_MAX_STEPS = 10
_CHECK_INTERVAL = 10.0
"""Real seconds between two checks whether a key or certificate was replaced, and whether the server answers."""
_BEAT = timedelta(seconds=8)
"""The shortest time between heartbeats: one may be lost before the worker counts as silent."""


def build_id() -> str:
    """Return the version of this worker: that of the package, and a digest of the workflow."""
    return f"{VERSION}-{hashlib.sha256(Path(workflow.__file__).read_bytes()).hexdigest()[:8]}"


class Serving:
    """A worker in operation.

    Args:
        server: the server.
        queue: the task queue.
        activities: what it does.
        end: set to take no new work: work in progress is finished, and the rest left to other workers.

    Attributes:
        identity: its name on the server.
        version: its version there; the deployment is "" if Temporal does not manage its version.
    """

    def __init__(self, server: Server, queue: str, activities: Activities, end: asyncio.Event) -> None:
        self.identity = f"{os.getpid()}@{socket.gethostname()}"
        self.version = WorkerDeploymentVersion(server.settings.temporal_deployment or "", build_id())
        self._server, self._queue, self._activities, self._end = server, queue, activities, end
        self._runtime = runtime(server.settings.worker_metrics or "")
        self._workers: list[Worker] = []
        self._files: tuple[bytes | None, ...] = ()
        self._client: Client
        self._trouble = ""

    async def connect(self) -> None:
        """Connect with the present content of the files.

        Raises:
            UsageError: a file cannot be used, or the address for metrics is in use.
            RunRefused: the server does not answer, or refuses the connection.
        """
        files = self._server.read()
        self._client = await self._server.connect(self._runtime, self.identity)
        self._files = files
        for worker in self._workers:
            worker.client = self._client

    async def check(self) -> None:
        """Load replaced files, and log, once each, that the server does not answer and that it answers again."""
        try:
            if self._server.read() != self._files:
                await self.connect()
        except Error as error:  # the present connection may still be good
            logs.worker(f"A key or certificate was replaced, but the new one cannot be used: {error} {error.hint}")
        _, trouble = await self._is_seen()
        if trouble and not self._trouble:
            logs.worker(f"{trouble} This worker continues its shards, and starts their machines again.")
        if self._trouble and not trouble:
            logs.worker(f"The Temporal server {self._server.address} answers again.")
        self._trouble = trouble

    async def health(self) -> tuple[bool, str]:
        """Return whether this worker polls, as the server recently saw it, and a sentence about it."""
        if self._end.is_set():
            return False, "This worker is stopping: it finishes its shards and takes no new ones."
        polling, trouble = await self._is_seen()
        return polling, trouble or ("ready" if polling else "The Temporal server has not seen this worker poll.")

    async def _is_seen(self) -> tuple[bool, str]:
        """Return whether the server recently saw this worker poll, or why it cannot be asked."""
        try:
            return self.identity in (await pollers(self._client, self._queue)).versions, ""
        except RPCError as error:
            return False, str(self._server.explain(error))

    async def run(self, ready: Callable[[Serving], None]) -> None:
        """Poll until ``end`` is set, and then until this worker has stopped working on its shards.

        Args:
            ready: called once it begins to poll.

        Raises:
            UsageError: the server cannot be used with these settings.
            RunRefused: the server does not answer, or refuses the connection.
        """
        does, workflows = self._activities, [workflow.RunWorkflow, workflow.ScheduledWorkflow]
        with ThreadPoolExecutor(_MAX_STEPS) as steps, ThreadPoolExecutor(MAX_SHARDS) as carrying:
            self._workers = [  # shards wait for hours, so they have slots of their own
                self._make(self._queue, steps, _MAX_STEPS, [does.next_stage, does.cancel, does.begin], workflows),
                self._make(workflow.carrying_queue(self._queue), carrying, MAX_SHARDS, [does.carry]),
            ]
            running = [asyncio.create_task(worker.run()) for worker in self._workers]
            checking = asyncio.create_task(self._check_again_and_again())
            ending = asyncio.create_task(self._end.wait())
            ready(self)
            await asyncio.wait([*running, ending], return_when=asyncio.FIRST_COMPLETED)
            self._activities.hand_over.set()
            self._end.set()
            for worker in self._workers:
                await worker.shutdown()
            checking.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
        for why in filter(None, ended):
            raise self._server.explain(why) from None

    async def _check_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_INTERVAL)
            await self.check()

    def _make(
        self, queue: str, executor: ThreadPoolExecutor, slots: int, activities: Sequence[Callable[..., Any]],
        workflows: Sequence[type] = (),
    ) -> Worker:  # fmt: skip
        # If a run stayed with the version that began it, it could not continue after the last worker of that version
        # has ended, and its machines would stay down. So it follows the current version.
        versioned = WorkerDeploymentConfig(
            self.version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE
        )
        return Worker(
            self._client, task_queue=queue, activities=activities, workflows=workflows, activity_executor=executor,
            max_concurrent_activities=slots, identity=self.identity,
            deployment_config=versioned if self.version.deployment_name else None,
            max_heartbeat_throttle_interval=_BEAT, default_heartbeat_throttle_interval=_BEAT,
        )  # fmt: skip
