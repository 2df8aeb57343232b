"""What becomes of runs that several hosts carry: ``python bench/hosts.py [SCENARIO ...]``.

PostgreSQL, a Temporal dev server, the simulator, workers and submitters are processes of their own on loopback, one
scenario after the other. Each is held against the simulator's own record: nothing is wiped twice or after a start,
nothing that the journal knows is reported as unknown, and every machine runs again or is said not to. The exit code is
1 if that does not hold. ``--list`` names the scenarios, ``--keep DIR`` keeps what the processes wrote, ``--write`` puts
what runs over many machines cost into docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fleet import fleet_world, write
from hosts_growth import Cost, growth, history, table
from hosts_place import ROOT, Place, Row, Truth, begun, ended, judge, moment, place, wait_for
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from safe_reinit.temporal.carrier import workflow_id
from safe_reinit.temporal.worker import build_id
from tests.temporals import PROGRAM

T = TypeVar("T")
_MAX_SHOWN = 4000
"""Characters shown of what failed: a command over 10,000 machines says a line of each."""


@dataclass(frozen=True)
class Scenario:
    """Something that happens to a run."""

    name: str
    does: Callable[[Callable[..., Any]], Row]


def handle(there: Place, run_id: str, work: Callable[[WorkflowHandle[Any, Any]], Coroutine[Any, Any, T]]) -> T:
    """Ask the workflow of a run something."""
    return there.temporal.ask(lambda client: work(client.get_workflow_handle(workflow_id(run_id))))


def has_workflow(there: Place, run_id: str) -> bool:
    """Whether Temporal has a workflow of a run."""
    try:
        handle(there, run_id, lambda of: of.describe())
    except RPCError:
        return False
    return True


def run_status(there: Place, run_id: str) -> str:
    """Name the status of the workflow of a run."""
    try:
        found = handle(there, run_id, lambda of: of.describe()).status
    except RPCError as error:
        return error.status.name
    return found.name if found else ""


def wiping(there: Place, least: int = 1) -> None:
    """Wait until disks are being wiped."""
    wait_for(lambda: sum(each["status"] == "ReIniting" for each in there.state()["disks"].values()) >= least)


def count_of(there: Place, *actions: str) -> int:
    """Count the calls of some APIs that were sent in earnest."""
    return sum(call["action"] in actions and not call["dry_run"] for call in there.calls())


# A worker that is lost.


def lost(placed: Callable[..., Any], how: str, phase: str) -> Row:
    """Lose the worker of a shard; another one, which has nothing to do yet, takes the shard over."""
    faults = [{"action": "ReInitDisk", "delay": 5, "dry_run": False}] if phase == "mid-call" else []
    with placed(fleet_world(12, stop=4, wipe=45, start=4), *faults) as there:
        temporal, address = there.temporal_line()
        database, journal = there.database_line()
        first = there.worker(temporal=address, journal=journal)
        submitter = there.apply(there.plan("--canary", "0"))
        run_id = begun(there)
        wait_for(lambda: there.holder(run_id)[0] == first.process.pid)
        there.worker()
        wiping(there)
        at = time.time()
        heal: Callable[[], object] = lambda: None  # noqa: E731
        if how == "killed":
            first.kill()
        elif how == "paused":
            first.signal(signal.SIGSTOP)
            heal = partial(first.signal, signal.SIGCONT)
        else:
            line = temporal if how == "cut off from Temporal" else database
            line.cut()
            heal = line.heal
        took = ""
        if how != "cut off from Temporal":
            wait_for(lambda: there.holder(run_id)[1] > 1 or there.has_ended(run_id))
            taken = taken_at(there, run_id)
            after = wait_for(lambda: next((each for each in read_times(there, run_id) if each >= taken), 0.0))
            took = f"successor's first look after {after - at:.0f} s"
            time.sleep(15.0)
        else:
            time.sleep(60.0)
        heal()
        code = submitter.wait()
        ended(there, run_id)
        time.sleep(3.0)  # what the first one would still send
        epochs = there.holder(run_id)[1]
        return Row(f"worker {how}, {phase}", judge(there, run_id),
                   f"{took or 'nobody takes over'}; taken {epochs} times; exit code {code}")  # fmt: skip


def read_times(there: Place, run_id: str) -> list[float]:
    """Return when the calls of a run were sent, as the journal has them."""
    with there.reading() as journal:
        events = journal.events(run_id)
    return sorted(moment(each["at"]) for each in events if each["event"] in ("read", "call"))


def taken_at(there: Place, run_id: str) -> float:
    """Return when the first shard of a run was taken last."""
    with there.reading() as journal:
        found = journal.holder(f"{run_id}.0")
    assert found is not None
    return moment(found.since)


# Submitters.


def two_submitters(placed: Callable[..., Any]) -> Row:
    """Have the same plan run by two at once: one run is begun, and the other one is refused."""
    with placed(fleet_world(12, stop=4, wipe=10, start=4)) as there:
        there.worker()
        plan = there.plan("--canary", "0")
        both = [there.apply(plan), there.apply(plan)]
        codes = [each.wait() for each in both]
        run_id = begun(there)
        ended(there, run_id)
        with there.reading() as journal:
            runs = journal.count()
        text = [line for each in both if each.process.returncode for line in each.output.splitlines()]
        refused = next((line for line in text if line.startswith("safe-reinit: ")), "").partition(".")[0]
        return Row("two submitters", judge(there, run_id), f"{runs} run; exit codes {sorted(codes)}: {refused}")


def submitter_killed(placed: Callable[..., Any], step: str) -> Row:
    """Kill who began a run; whoever resumes it brings it to its end."""
    with placed(fleet_world(12, stop=4, wipe=20, start=4)) as there:
        worker, _ = there.worker(), there.worker()
        line, address = there.temporal_line()
        plan = there.plan("--canary", "0")
        if step == "once it is in the journal":
            line.passes = 1  # for the question whether the server is there; the next one would start the workflow
        submitter = there.apply(plan, temporal=address)
        run_id = begun(there)
        if step == "once the workflow has started":
            wait_for(lambda: has_workflow(there, run_id), every=0.01)
        elif step == "while it follows":
            wiping(there)
        submitter.kill()
        line.heal()
        had = has_workflow(there, run_id)
        if step == "once it is in the journal":
            time.sleep(5.0)
            line.passes = 1
            again = there.resume(run_id, temporal=address)  # and that one, too
            time.sleep(6.0)
            again.kill()
            line.heal()
        codes = []
        while not there.has_ended(run_id):
            codes.append(there.resume(run_id).wait())
        del worker
        return Row(f"submitter killed {step}", judge(there, run_id),
                   f"a workflow: {'yes' if had else 'no'}; exit codes of resume {codes}")  # fmt: skip


# Versions, and people at the Temporal server.


def next_version(there: Place) -> Path:
    """Copy the program as its next version."""
    folder = there.folder / "next"
    shutil.copytree(ROOT / "safe_reinit", folder / "safe_reinit")
    path = folder / "safe_reinit" / "version.py"
    path.write_text(re.sub(r'"\d+\.\d+\.\d+"', '"99.0.0"', path.read_text("utf-8"), count=1), "utf-8")
    return folder


def versions(placed: Callable[..., Any], deployment: str) -> Row:
    """Let workers of two versions carry a run; with a deployment the next one is made current in its middle."""
    with placed(fleet_world(12, stop=4, wipe=25, start=4)) as there:
        words = ["--temporal-deployment", deployment] if deployment else []
        old, new = there.worker(*words), there.worker(*words, cwd=next_version(there))
        if deployment:
            wait_for(lambda: current(there, deployment, build_id()), 60.0)
        submitter = there.apply(there.plan("--canary", "1", "--pause", "none"))
        run_id = begun(there)
        wiping(there)
        carrier = there.holder(run_id)[0]
        if deployment:
            found = re.search(r"--build-id (99\S+)", new.output)
            assert found, new.output
            assert carrier == old.process.pid, "the version that is current has it"
            current(there, deployment, found[1])
        old.signal(signal.SIGTERM)
        code = submitter.wait()
        ended(there, run_id)
        case = f"two versions{', a deployment' if deployment else ''}; the old one ends"
        text = f"exit code {code}, of the old worker {old.wait(120.0)}; workflow {run_status(there, run_id)}"
        return Row(case, judge(there, run_id), text)


def current(there: Place, deployment: str, build: str) -> bool:
    """Make a version current, and return whether that worked."""
    named = ["--deployment-name", deployment, "--build-id", build, "--address", there.temporal.server.address]
    words = [str(PROGRAM), "worker", "deployment", "set-current-version", "--yes", *named]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def cancelled_twice(placed: Callable[..., Any], where: str) -> Row:
    """Cancel a run twice in the middle of its wipes."""
    with placed(fleet_world(24, stop=4, wipe=25, start=4)) as there:
        there.worker()
        submitter = there.apply(there.plan("--canary", "0", "--max-parallel", "12"))
        run_id = begun(there)
        wiping(there)
        codes = []
        for _ in range(2):
            if where == "at Temporal":
                handle(there, run_id, lambda of: of.cancel())
            else:
                codes.append(there.command("cancel", "cancel", run_id, temporal="none", cloud=False).wait())
        code = submitter.wait()
        ended(there, run_id)
        time.sleep(3.0)
        return Row(f"cancelled twice {where}", judge(there, run_id),
                   f"exit codes {codes}, of the submitter {code}; workflow {run_status(there, run_id)}")  # fmt: skip


def ended_at_the_server(placed: Callable[..., Any], how: str) -> Row:
    """Terminate or delete the workflow of a run of many shards in the middle of its wipes; then resume the run."""
    with placed(fleet_world(240, stop=4, wipe=25, start=4)) as there:
        there.worker()
        submitter = there.apply(there.plan("--canary", "0", "--max-parallel", "100"))
        run_id = begun(there)
        wiping(there)

        async def delete(client: Client) -> None:
            await client.workflow_service.delete_workflow_execution(
                DeleteWorkflowExecutionRequest(
                    namespace="default", workflow_execution=WorkflowExecution(workflow_id=workflow_id(run_id))
                )
            )

        if how == "deleted":
            there.temporal.ask(delete)
        else:
            handle(there, run_id, lambda of: of.terminate())
        code = submitter.wait()
        text = submitter.output.strip().splitlines()
        codes = []
        while not there.has_ended(run_id):
            codes.append(there.resume(run_id).wait())
            assert len(codes) < 4, "resume does not end it"
        hint = next((line.strip() for line in text if "workflow" in line.lower()), "")
        return Row(f"workflow {how}", judge(there, run_id), f"submitter {code} ({hint}); resume {codes}")


# Many machines.


def canary_fails(placed: Callable[..., Any], count: int, *, cancels: bool) -> Row:
    """Let the canary of a run of many machines fail: all others stay as they are, and the workflow ends."""
    fault = {"action": "ReInitDisk", "dry_run": False, "subject": "d-fleet00001", "error": {"code": "OperationDenied"}}
    with placed(fleet_world(count, stop=4, wipe=10, start=4), fault) as there:
        there.worker(), there.worker()
        began = time.monotonic()
        submitter = there.apply(there.plan("--canary", "1"))
        run_id = begun(there)
        wait_for(lambda: count_of(there, "ReInitDisk"), every=0.5)
        cancel = there.command("cancel", "cancel", run_id, temporal="none", cloud=False) if cancels else None
        code = submitter.wait()
        ended(there, run_id)
        took = time.monotonic() - began
        events, actions = history(there, run_id)
        state = there.state()
        touched = [name for name, each in state["instances"].items() if each["starts"] > 1]
        truth = judge(there, run_id)
        return Row(f"{count:,} machines, the canary fails{', cancelled meanwhile' if cancels else ''}", truth,
                   f"{took:.0f} s; exit code {code}, of cancel {cancel and cancel.wait()}; {len(touched)} touched; "
                   f"{sum(events.values())} events, {actions} actions; "
                   f"workflow {run_status(there, run_id)}")  # fmt: skip


# Servers that are away.


def away(placed: Callable[..., Any], which: str, seconds: float) -> Row:
    """Take a server away in the middle of a wipe."""
    with placed(fleet_world(120, stop=4, wipe=40, start=4)) as there:
        there.worker(), there.worker()
        submitter = there.apply(there.plan("--canary", "0", "--max-parallel", "100"))
        run_id = begun(there)
        wiping(there)
        went, before = time.time(), count_of(there, "ReInitDisk")
        there.temporal.kill() if which == "Temporal" else there.database.stop("immediate")
        time.sleep(seconds)
        back, sent = time.time(), count_of(there, "ReInitDisk") - before
        down = sum(each["status"] != "Running" for each in there.state()["instances"].values())
        there.temporal.start() if which == "Temporal" else there.database.start()
        code = submitter.wait()
        codes = []
        while not there.has_ended(run_id):
            codes.append(there.resume(run_id).wait())
            assert len(codes) < 4, "resume does not end it"
        sent_at = [moment(call["real_at"]) for call in there.calls() if call["action"] == "ReInitDisk"]
        late = sum(went + 5 < at < back for at in sent_at)
        figures = (
            f"{sent} wipes meanwhile ({late} after 5 s), {down} machines down at its end; "
            f"{time.time() - back:.0f} s from its return to the end; exit code {code}, resume {codes}"
        )
        return Row(f"{which} away for {seconds:.0f} s", judge(there, run_id), figures)


SCENARIOS = [
    *(Scenario(f"canary{'-cancelled' if cancels else ''}", partial(canary_fails, count=2500, cancels=cancels))
      for cancels in (False, True)),
    *(Scenario(f"lost-{how.replace(' ', '-')}-{at}", partial(lost, how=how, phase=at))
      for how in ("killed", "paused", "cut off from Temporal", "cut off from the database")
      for at in ("mid-wipe", "mid-call")),
    *(Scenario(f"away-{which}-{seconds}", partial(away, which=which, seconds=float(seconds)))
      for which, seconds in (("Temporal", 60), ("Temporal", 150), ("PostgreSQL", 10), ("PostgreSQL", 120))),
    Scenario("submitters-two", two_submitters),
    *(Scenario(f"submitter-killed-{number}", partial(submitter_killed, step=step)) for number, step in enumerate(
        ("once it is in the journal", "once the workflow has started", "while it follows"))),
    Scenario("versions", partial(versions, deployment="")),
    Scenario("versions-deployment", partial(versions, deployment="safe-reinit")),
    Scenario("cancel-journal", partial(cancelled_twice, where="in the journal")),
    Scenario("cancel-temporal", partial(cancelled_twice, where="at Temporal")),
    Scenario("terminated", partial(ended_at_the_server, how="terminated")),
    Scenario("deleted", partial(ended_at_the_server, how="deleted")),
    *(Scenario(f"growth-{count}-{runner}", partial(growth, count=count, runner=runner, speed=speed))
      for count, speed in ((100, 5.0), (1000, 5.0), (10000, 2.0)) for runner in ("local", "temporal")),
]  # fmt: skip


def main() -> int:
    """Go through the scenarios that are asked for, and print what came of them as a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", help="the beginning of a name; none: all")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--keep", type=Path, help="a folder for what the processes write")
    parser.add_argument("--write", action="store_true", help="put what the runs cost into docs/performance.md")
    given = parser.parse_args()
    expected = [each for each in SCENARIOS if each.name.startswith(tuple(given.scenario) or "")]
    if given.list:
        print("\n".join(each.name for each in expected))
        return 0
    rows, costs, broken = list[str](), list[Cost](), False
    for each in expected:
        began = time.monotonic()
        try:
            row = each.does(partial(place, keep=given.keep and given.keep / each.name))
        except (AssertionError, OSError, RPCError, TimeoutError) as failed:
            print("".join(traceback.format_exception(failed))[-_MAX_SHOWN:], flush=True)
            row = Row(each.name, Truth({}, 0, [f"{type(failed).__name__}: {str(failed)[-_MAX_SHOWN:]}"]), "")
        took = time.monotonic() - began
        rows.append(f"| {row.case} | {row.truth.text} | {row.figures} | {'no' if row.truth.broken else 'yes'} |")
        print(f"[{each.name}, {took:.0f} s] {rows[-1]}", flush=True)
        for what in row.truth.broken[:20]:
            print(f"BROKEN: {each.name}: {what}", flush=True)
        broken = broken or bool(row.truth.broken)
        costs += [row.cost] if row.cost else []
    print("\n| what happens | jobs | figures | all true |\n|---|---|---|---|")
    print("\n".join(rows))
    if costs:
        print("\n" + "\n".join(table(costs)))
        if given.write:
            write("several hosts", table(costs))
    return 1 if broken else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    os.nice(10)
    sys.exit(main())
