"""A program that uses the library, for type checkers only: nobody runs it.

What must not pass is ignored, and a checker refuses an ignore that is not needed.
"""

from __future__ import annotations

import sys
from datetime import timedelta

import safe_reinit
from safe_reinit.testing import EcsWorld, SimulatedEcs


def wipe(disk_id: str) -> safe_reinit.Report:
    """Plan and run, with what a program reads of both."""
    client = safe_reinit.connect(region="cn-hangzhou", credentials=("id", "secret", "token"))
    plan = client.plan([disk_id], stop_instance=True, reason="CHG-1", once="nightly-2026-01-02")
    findings: list[safe_reinit.Finding] = [*plan.findings]
    jobs: tuple[safe_reinit.PlannedJob, ...] = plan.jobs
    sys.stdout.write(f"{safe_reinit.__version__} {findings} {jobs}")

    def collect(event: safe_reinit.Event) -> None:
        name: safe_reinit.EventName = event.event
        sys.stdout.write(name)
        sys.stdout.write(sentence(event))

    try:
        report = client.run(plan, confirm=plan.confirm_with, on_event=collect)
    except safe_reinit.Error as error:
        outcome: safe_reinit.Outcome = error.outcome
        sys.stdout.write(f"{outcome} {error.report}")
        raise
    states: list[safe_reinit.DataState] = [disk.data for job in report.jobs for disk in job.disks]
    sys.stdout.write(f"{states} {report.already_done}")
    return report


def sentence(event: safe_reinit.Event) -> str:
    """Match every kind: a checker knows what the data of each has, and that there is no other."""
    match event:
        case safe_reinit.ReadEvent(data=call) | safe_reinit.CallEvent(data=call):
            return call.action
        case safe_reinit.FindingEvent(data=finding):
            return finding.message
        case safe_reinit.IntendEvent(disk_id=disk_id, data=intended):
            return f"{disk_id} {intended['action']} {intended['attempt'] + 1}"
        case safe_reinit.AnswerEvent(data=answered):
            return answered["code"] + (answered.get("request_id") or "")
        case safe_reinit.WaitEvent(data=wait):
            return wait["for"] + wait["why"] + str(wait["elapsed"] / 2)
        case safe_reinit.StateEvent(data=state):
            return " ".join(state["disks"].values())
        case safe_reinit.DoneEvent(data=done):
            outcome: safe_reinit.Outcome = done["outcome"]
            return outcome + done.get("message", "")
        case safe_reinit.DroppedEvent(data=dropped):
            return str(dropped["count"] + 1)


def code(event: safe_reinit.Event) -> str:
    """Narrow by the name of the kind."""
    if event.event == "answer":
        return event.data["code"]
    return event.data["code"]  # type: ignore # pyright: ignore


def configured() -> safe_reinit.Client:
    """Return settings as arguments and as a value."""
    config: safe_reinit.Config = {"timeout_stop": "5m", "waves": [5, "25%"], "allow": {"disks": ["d-*"]}}
    return safe_reinit.connect(
        region="cn-hangzhou", config=config, canary=1, lock_tag=True, on_unknown="retry",
        deadline=timedelta(hours=2), max_parallel=20,
    )  # fmt: skip


def own_credentials(client: safe_reinit.CredentialsClient) -> list[safe_reinit.Client]:
    """Return a function and an object that know the key of now."""

    def key() -> safe_reinit.AccessKey:
        return "id", "secret", "token"

    return [safe_reinit.connect(region="cn-hangzhou", credentials=each) for each in (key, client)]


def simulated() -> tuple[str, ...]:
    """Test a program without an account."""
    with SimulatedEcs(EcsWorld("world.yaml")) as ecs:
        ecs.world.add_instance("i-1", status="Stopped", tags={"env": "lab"})
        ecs.world.add_snapshot("s-1", disk="d-1")
        ecs.lose_answer("ReInitDisk", nth=2)
        wipe("d-1")
        return ecs.wiped


def misspelt(client: safe_reinit.Client, world: EcsWorld) -> None:
    """Use names that are not there, and values of other types."""
    safe_reinit.conect(region="cn-hangzhou")  # type: ignore[attr-defined] # pyright: ignore
    safe_reinit.connect(regoin="cn-hangzhou")  # type: ignore[call-arg] # pyright: ignore
    safe_reinit.connect(on_unknown="sometimes")  # type: ignore[arg-type] # pyright: ignore
    safe_reinit.connect(config={"timeout_stp": "5m"})  # type: ignore[arg-type] # pyright: ignore
    client.plan(["d-1"], stop_instance="yes")  # type: ignore[arg-type] # pyright: ignore
    world.add_disk("d-1", sise=40)  # type: ignore[call-arg] # pyright: ignore
    world.add_instance("i-1", status="Runing")  # type: ignore[arg-type] # pyright: ignore
    world.add_snapshot("s-1")  # type: ignore[call-arg] # pyright: ignore
