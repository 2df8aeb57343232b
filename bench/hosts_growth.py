"""What runs over many machines cost that several hosts carry; for hosts.py."""

from __future__ import annotations

import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hosts_place import Place, Row, begun, ended, fleet, judge, moment
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from safe_reinit.temporal.submit import workflow_id
from tests.servers import refused_port

BILLED = {
    "WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_EXECUTION_CANCEL_REQUESTED",
    "ACTIVITY_TASK_SCHEDULED", "TIMER_STARTED", "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
}  # fmt: skip
"""Events of a history that Temporal Cloud counts as an action; a continue-as-new shows as a start."""


def history(there: Place, run_id: str) -> tuple[Counter[str], int]:
    """Count the events of all histories of a run, and the actions in them."""

    async def read(client: Client) -> Counter[str]:
        found: Counter[str] = Counter()
        async for each in client.list_workflows(f"WorkflowId = '{workflow_id(run_id)}'"):
            told = await client.get_workflow_handle(each.id, run_id=each.run_id).fetch_history()
            found.update(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in told.events)
        return found

    events: Counter[str] = there.temporal.ask(read)
    return events, sum(number for name, number in events.items() if name in BILLED)


def metric(port: int, name: str, label: str) -> int:
    """Return what a worker counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    return sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith(name) and label in line)


def growth(placed: Callable[..., Any], count: int, runner: str, more: int = 0, speed: float = 5.0) -> Row:
    """Wipe many machines, by workers or by this process, on the same journal."""
    with placed(fleet(count, stop=30, wipe=60, start=45), speed=speed) as there:
        config = there.folder / "config.yaml"
        config.write_text("quota_share: 1.0\n")
        config.chmod(0o600)
        ports = [refused_port(), refused_port()] if runner == "temporal" else []
        workers = [there.worker("--worker-metrics", f"127.0.0.1:{port}", "--config", str(config)) for port in ports]
        plan = there.plan("--canary", "0", "--max-parallel", str(count + more), "--config", str(config), runner=runner)
        before = len(there.calls())
        idle = [each.cpu() for each in workers]
        temporal = "" if runner == "temporal" else "none"
        submitter = there.apply(plan, "--config", str(config), temporal=temporal)
        own = submitter.wait_cpu()
        run_id = begun(there)
        ended(there, run_id)
        run = there.run(run_id)
        wall = (moment(str(run.ended_at)) - moment(run.started_at)) * speed
        cpu = [each.cpu() - was for each, was in zip(workers, idle, strict=True)]
        calls = there.calls()
        figures = (
            f"{wall:.0f} s; {len(calls) / count:.2f} calls a disk ({(len(calls) - before) / count:.2f} of the run); "
            f"downtime {downtime(calls):.0f} s; "
            f"throttled {sum(each['code'].startswith('Throttling') for each in calls)}; "
            f"CPU a disk, ms: submitter {own * 1000 / count:.1f}"
        )
        if workers:
            events, actions = history(there, run_id)
            beats = sum(metric(port, "temporal_request", 'operation="RecordActivityTaskHeartbeat"') for port in ports)
            told = ", ".join(f"{each * 1000 / count:.1f}" for each in cpu)
            figures += (
                f", workers {told}; {sum(events.values())} events; {actions} actions and {beats} heartbeats: "
                f"{(actions + beats) / count:.2f} a disk"
            )
        name = f"{count:,} machines, {runner}{f', room for {more} more' if more else ''}"
        return Row(name, judge(there, run_id), figures)


def downtime(calls: Sequence[Mapping[str, Any]], start: float = 45.0) -> float:
    """Return for how many simulated seconds a machine was down on average."""
    stopped: dict[str, float] = {}
    started: dict[str, float] = {}
    for call in calls:
        if call["dry_run"] or call["code"]:
            continue
        at = datetime.fromisoformat(call["at"]).timestamp()
        for subject in call["subject"]:
            if call["action"].startswith("StopInstance"):
                stopped.setdefault(subject, at)
            elif call["action"].startswith("StartInstance"):
                started[subject] = at + start
    return sum(started[each] - stopped[each] for each in started) / max(1, len(started))
