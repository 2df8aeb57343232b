"""What a run over many machines costs on Temporal, beside the local runner: ``python bench/temporal.py [--write]``.

N running instances with one disk each (``--jobs``, 500), in a simulator in a process of its own:

1. the local runner, one process;
2. Temporal: the development server on its file, two workers and whoever follows, all of them on this machine.

Both sides are held against the simulator's own record: each disk wiped once, each machine running again. Besides:
workflows a second, the size of a job's history, what 10,000 jobs would take. ``--write`` puts the figures into
docs/scale.md. The development server is a test server on SQLite: a cluster is quicker, and costs more processors.

How far it is, is said every so often; with 500 jobs each side takes about four minutes, and a side that takes more than
``--minutes`` is ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fleet

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "scale.md"
ACCOUNT = "1000000000000001"
_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE = 20
_SAID_EVERY = 15.0


@dataclass(frozen=True)
class Side:
    """What one runner took."""

    calls: float
    """ECS calls a disk."""
    wall: float
    """Simulated seconds from consent to the report."""
    throttled: int
    cpu: dict[str, float]
    """Milliseconds a disk, by process."""


def free_port() -> int:
    """Find a free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def environment(folder: Path) -> dict[str, str]:
    """Give the environment of our processes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))}
    return {**kept, **fleet.KEY, "SAFE_REINIT_TIME_SCALE": str(fleet.SPEED), "HOME": str(folder)}


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """Run the development server on its file."""
    port = free_port()
    words = [str(Path(sys.executable).parent / "temporal"), "server", "start-dev", "--ip", "127.0.0.1", "--port",
             str(port), "--headless", "--db-filename", str(folder / "temporal.db"), "--log-level", "error"]  # fmt: skip
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 60
            while not _listens(port):
                assert time.monotonic() < until
                time.sleep(0.2)
            yield f"127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as line:
        line.settimeout(1.0)
        return line.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def worker(address: str, url: str, folder: Path, name: str) -> Iterator[int]:
    """Run a worker."""
    words = [sys.executable, "-m", "safe_reinit", "worker", "--temporal", address, "--endpoint", url,
             "--region", fleet.REGION, "--config", str(folder / "config.yaml"),
             "--journal", str(folder / f"{name}.db")]  # fmt: skip
    with subprocess.Popen(words, env=environment(folder), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            said = ""
            while "Working for" not in said:
                said = process.stderr.readline()
                assert said, f"{name} ended"
            yield process.pid
        finally:
            process.kill()


def cpu(pid: int) -> float:
    """Give the processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def follow(url: str, folder: Path, config: str, minutes: float) -> tuple[dict[str, Any], float]:
    """Run it through the library, telling how far it is; give what is said at the end, and the processor seconds."""
    words = [sys.executable, str(HERE / "our_fleet.py"), url, fleet.REGION, str(folder / "disks"), config, "run"]
    more = {"SAFE_REINIT_JOURNAL": str(folder / f"{Path(config).stem}.db")}
    process = subprocess.Popen(words, env={**environment(folder), **more}, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    over = threading.Event()
    threading.Thread(target=progress, args=(url, process, over, minutes), daemon=True).start()
    with process.stdout:
        lines = process.stdout.read().splitlines()
    over.set()
    assert lines, f"it ended without a word, or after {minutes} minutes"
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    said: dict[str, Any] = json.loads(lines[-1])
    assert said["outcome"] == "done", said
    return said, used.ru_utime + used.ru_stime


def progress(url: str, process: subprocess.Popen[str], over: threading.Event, minutes: float) -> None:
    """Say every so often how far it is, by the simulator's record, and end what takes too long."""
    began = time.monotonic()
    while not over.wait(_SAID_EVERY):
        found, took = fleet.state(url), time.monotonic() - began
        wiped = sum(bool(disk["wipes"]) for disk in found["disks"].values())
        back = sum(each["status"] == "Running" and each["starts"] > 1 for each in found["instances"].values())
        print(f"  {took:4.0f} s: {wiped} wiped, {back} running again, {len(found['calls'])} calls", flush=True)
        if took > minutes * 60:
            process.kill()


def counted(count: int, url: str, said: dict[str, Any], used: dict[str, float]) -> Side:
    """Hold a side against the simulator's record, and count what it took."""
    found = fleet.state(url)
    assert all(len(disk["wipes"]) == 1 for name, disk in found["disks"].items() if name.startswith("d-fleet"))
    assert {each["status"] for each in found["instances"].values()} == {"Running"}
    calls = [call for call in found["calls"] if call["source"] == "api"]
    print(f"  {dict(Counter(call['action'] for call in calls).most_common())}", flush=True)
    return Side(
        calls=len(calls) / count,
        wall=(said["ended"] - said["began"]) * fleet.SPEED,
        throttled=sum(call["code"].startswith("Throttling") for call in calls),
        cpu={name: seconds * 1000 / count for name, seconds in used.items()},
    )


async def histories(address: str, url: str, count: int) -> dict[str, float]:
    """Measure the histories of some jobs, and of the lane."""
    from temporalio.client import Client

    client = await Client.connect(address)
    key = f"{ACCOUNT}.{fleet.REGION}@{url.removeprefix('http://')}"
    events, size, kinds = 0, 0, Counter[str]()
    for number in range(1, count + 1, max(1, count // _SAMPLE)):
        handle = client.get_workflow_handle(f"ecs/{key}/i-fleet{number:05}")
        described = await handle.describe()
        events += described.history_length
        size += described.raw_description.workflow_execution_info.history_size_bytes
        history = await handle.fetch_history()
        kinds.update(event.WhichOneof("attributes") or "" for event in history.events)
    sampled = len(range(1, count + 1, max(1, count // _SAMPLE)))
    billed = ("workflow_execution_started", "activity_task_scheduled", "timer_started", "workflow_execution_signaled",
              "signal_external_workflow_execution_initiated")  # fmt: skip
    actions = sum(kinds[f"{name}_event_attributes"] for name in billed)
    return {"events": events / sampled, "bytes": size / sampled, "actions": actions / sampled}


def local(count: int, path: Path, folder: Path, minutes: float) -> Side:
    """Measure the local runner."""
    with fleet.simulator(path) as url:
        said, used = follow(url, folder, str(folder / "local.yaml"), minutes)
        return counted(count, url, said, {"runner": used})


def elsewhere(count: int, path: Path, folder: Path, minutes: float) -> tuple[Side, dict[str, float], float]:
    """Measure Temporal; give also what its histories are like, and the size of its file."""
    with ExitStack() as stack:
        url = stack.enter_context(fleet.simulator(path))
        address, server_pid = stack.enter_context(server(folder))
        config = f"{(folder / 'local.yaml').read_text('utf-8')}runner: temporal\ntemporal: '{address}'\n"
        _write(folder / "config.yaml", config)
        pids = {name: stack.enter_context(worker(address, url, folder, name)) for name in ("worker 1", "worker 2")}
        pids["server"] = server_pid
        before = {name: cpu(pid) for name, pid in pids.items()}
        said, used = follow(url, folder, str(folder / "config.yaml"), minutes)
        spent = {name: cpu(pid) - before[name] for name, pid in pids.items()}
        side = counted(count, url, said, {"runner": used, **spent})
        told = asyncio.run(histories(address, url, count))
        stored = sum(each.stat().st_size for each in folder.glob("temporal.db*"))
    return side, told, stored


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    path.chmod(0o600)


def table(count: int, cap: int, here: Side, there: Side, told: dict[str, float], stored: float) -> list[str]:
    """Write the results as lines of Markdown."""
    least = fleet.STOP + fleet.WIPE + fleet.START
    least *= -(-count // cap)
    workers = there.cpu["worker 1"] + there.cpu["worker 2"]
    whole = sum(there.cpu.values())
    rate = count / (there.wall / fleet.SPEED)
    return [
        f"{count} jobs, at most {cap} machines down at once, {fleet.SPEED:g} simulated seconds in a real one. Made by "
        f"`bench/temporal.py` (jobs {count}, parallel {cap}, speed {fleet.SPEED:g}).",
        "",
        "| | local runner | Temporal, two workers |",
        "|---|---|---|",
        f"| ECS calls a disk | {here.calls:.2f} | {there.calls:.2f} |",
        f"| time beside the least possible ({least} s) | {here.wall / least:.2f} | {there.wall / least:.2f} |",
        f"| throttled answers | {here.throttled} | {there.throttled} |",
        f"| CPU a disk of who runs or follows, ms | {here.cpu['runner']:.0f} | {there.cpu['runner']:.0f} |",
        f"| CPU a disk of both workers, ms | | {workers:.0f} |",
        f"| CPU a disk of the server, ms | | {there.cpu['server']:.0f} |",
        f"| workflows a second | | {rate:.1f} |",
        f"| events in the history of a job | | {told['events']:.0f} |",
        f"| bytes in the history of a job | | {told['bytes']:,.0f} |",
        f"| actions of a job as Temporal Cloud counts them, about | | {told['actions']:.0f} |",
        f"| the file of the server, MiB | | {stored / 2**20:.0f} |",
        f"| 10,000 jobs: events, GiB of histories, CPU hours of workers and server | | {told['events'] * 1e4:,.0f}, "
        f"{told['bytes'] * 1e4 / 2**30:.1f}, {(whole - there.cpu['runner']) * 1e4 / 3.6e6:.1f} |",
    ]


def write(lines: list[str]) -> None:
    """Put the results into their place on the page."""
    begin, end = "<!-- measured: begin -->", "<!-- measured: end -->"
    text = PAGE.read_text("utf-8")
    before, found, rest = text.partition(begin)
    assert found, f"{PAGE.name} has no place for it"
    results = "\n".join(lines)
    PAGE.write_text(f"{before}{begin}\n{results}\n{end}{rest.partition(end)[2]}", "utf-8")


def main() -> None:
    """Measure both, print it, and write it down where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--parallel", type=int, default=170)
    parser.add_argument("--speed", type=float, default=1.75)
    parser.add_argument("--minutes", type=float, default=5.5, help="real minutes for a side at most")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    fleet.SPEED = given.speed
    count, cap = given.jobs, given.parallel
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, built = folder / "world.json", fleet.world(count)
        path.write_text(json.dumps(built), "utf-8")
        (folder / "disks").write_text("\n".join(built["disks"]), "utf-8")
        _write(folder / "local.yaml", f"max_disks: {count}\nmax_parallel: {cap}\ncanary: 0\nquota_share: 1.0\n")
        here = local(count, path, folder, given.minutes)
        print(f"local: {here}", flush=True)
        there, told, stored = elsewhere(count, path, folder, given.minutes)
        print(f"Temporal: {there} {told}", flush=True)
    lines = table(count, cap, here, there, told, stored)
    print("\n".join(lines))
    if given.write:
        write(lines)


if __name__ == "__main__":
    main()
