"""What runs over many machines cost that several hosts carry; for hosts.py."""

from __future__ import annotations

import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleet import fleet_world
from hosts_place import Place, Row, ended, judge, moment
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from safe_reinit.temporal.carrier import workflow_id
from tests.servers import refused_port

BILLED = {
    "WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_EXECUTION_CANCEL_REQUESTED",
    "ACTIVITY_TASK_SCHEDULED", "TIMER_STARTED", "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
}  # fmt: skip
"""Events of a history that Temporal Cloud counts as an action; a continue-as-new shows as a start."""


@dataclass(frozen=True)
class Cost:
    """What a run cost; times of ECS are simulated seconds, CPU is milliseconds a disk."""

    count: int
    carried_by: str
    wall: float
    """Seconds from its beginning to its report."""
    calls: float
    """ECS calls a disk, without those of the plan."""
    downtime: float
    throttled: int
    command: float
    """CPU of who began it."""
    workers: float
    """CPU of all workers together."""
    events: int
    """In all histories of its workflow."""
    actions: int
    beats: int

    @property
    def billed(self) -> float:
        """Actions that Temporal Cloud counts for a disk, heartbeats too."""
        return (self.actions + self.beats) / self.count

    @property
    def text(self) -> str:
        """Return it as one line."""
        return (
            f"{self.wall:.0f} s; {self.calls:.2f} calls a disk; downtime {self.downtime:.0f} s; throttled "
            f"{self.throttled}; CPU a disk, ms: command {self.command:.1f}, workers {self.workers:.1f}; {self.events} "
            f"events; {self.actions} actions and {self.beats} heartbeats: {self.billed:.2f} a disk"
        )


def history(there: Place, run_id: str) -> tuple[Counter[str], int]:
    """Count the events of all histories of a run, and the actions in them."""

    async def read(client: Client) -> Counter[str]:
        found: Counter[str] = Counter()
        async for each in client.list_workflows(f"WorkflowId = '{workflow_id(run_id)}'"):
            result = await client.get_workflow_handle(each.id, run_id=each.run_id).fetch_history()
            found.update(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in result.events)
        return found

    events: Counter[str] = there.temporal.ask(read)
    return events, sum(number for name, number in events.items() if name in BILLED)


def metric(port: int, name: str, label: str) -> int:
    """Return what a worker counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name}_total{{")) and label in line]
    return sum(int(float(line.split()[-1])) for line in lines)


def growth(placed: Callable[..., Any], count: int, runner: str, speed: float) -> Row:
    """Wipe many machines, by workers or by this process, on the same journal."""
    with placed(fleet_world(count, stop=30, wipe=60, start=45), speed=speed) as there:
        config = there.folder / "config.yaml"
        config.write_text("quota_share: 1.0\n")
        config.chmod(0o600)
        ports = [refused_port(), refused_port()] if runner == "temporal" else []
        workers = [there.worker("--worker-metrics", f"127.0.0.1:{port}", "--config", str(config)) for port in ports]
        plan = there.plan("--canary", "0", "--max-parallel", str(count), "--config", str(config), runner=runner)
        before = len(there.calls())
        idle = [each.cpu() for each in workers]
        temporal = "" if runner == "temporal" else "none"
        submitter = there.apply(plan, "--config", str(config), temporal=temporal)
        own = submitter.wait_cpu()
        assert submitter.process.returncode == 0, submitter.output
        run_id = there.run_id()
        ended(there, run_id)
        run = there.run(run_id)
        wall = (moment(str(run.ended_at)) - moment(run.started_at)) * speed
        cpu = [each.cpu() - was for each, was in zip(workers, idle, strict=True)]
        calls = there.calls()
        events, actions, beats = 0, 0, 0
        if workers:
            counted, actions = history(there, run_id)
            events = sum(counted.values())
            beats = sum(metric(port, "temporal_request", 'operation="RecordActivityTaskHeartbeat"') for port in ports)
        throttled = sum(each["code"].startswith("Throttling") for each in calls)
        cost = Cost(
            count, runner, wall, (len(calls) - before) / count,
            downtime(calls), throttled, own * 1000 / count, sum(cpu) * 1000 / count, events, actions, beats,
        )  # fmt: skip
        return Row(f"{count:,} machines, {runner}", judge(there, run_id), cost.text, cost)


def table(costs: Sequence[Cost]) -> list[str]:
    """Write what the runs cost as lines of Markdown."""
    lines = [
        "| machines, runner | time | multiple of local | ECS calls per disk | average downtime | throttled "
        "| CPU per disk, ms: command | workers | events in histories | actions and heartbeats per disk |",
        f"|{'---|' * 10}",
    ]
    local = {each.count: each.wall for each in costs if each.carried_by == "local"}
    for each in costs:
        beside = f"{each.wall / local[each.count]:.2f}" if each.count in local else ""
        of_engine = f"{each.events:,} | {each.billed:.2f}" if each.events else " | "
        lines.append(
            f"| {each.count:,}, {each.carried_by} | {each.wall:.0f} s | {beside} | {each.calls:.2f} "
            f"| {each.downtime:.0f} s | {each.throttled} | {each.command:.1f} | {each.workers:.1f} | {of_engine} |"
        )
    return lines


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
