"""The simulated ECS of a test: what clients of the process reach, what it records, and what goes wrong in it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_ecs20140526.client import Client as VendorClient
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.exceptions import UnretryableException

import safe_reinit
from safe_reinit.cli.app import run as run_command
from safe_reinit.testing import EcsWorld, RealCloudError, SimulatedEcs, VirtualClock
from tests.conftest import CommandLine

DISK, OTHER, INSTANCE = "d-lab", "d-other", "i-lab"


def lab() -> EcsWorld:
    """Make a running machine with two data disks, of which each came from a snapshot and has a fresh one."""
    world = EcsWorld()
    world.add_instance(INSTANCE)
    for disk_id in (DISK, OTHER):
        world.add_snapshot(f"s-source-{disk_id[2:]}", disk="d-gone", released=True)
        world.add_disk(disk_id, instance=INSTANCE, snapshot=f"s-source-{disk_id[2:]}")
        world.add_snapshot(f"s-{disk_id[2:]}", disk=disk_id)
    return world


@pytest.fixture
def ecs(tmp_path: Path) -> Iterator[SimulatedEcs]:
    """Start a simulated ECS with the lab."""
    with SimulatedEcs(lab(), journal=tmp_path / "of-the-test.db") as started:
        yield started


def wipe(*disk_ids: str, **arguments: Any) -> safe_reinit.Report:
    """Plan and run as a program does, and return the report however the run ends."""
    client = safe_reinit.connect(region="cn-hangzhou", **arguments)
    plan = client.plan(disk_ids or [DISK], stop_instance=True)
    assert plan.runnable, plan.blockers
    try:
        return client.run(plan, confirm=plan.confirm_with)
    except safe_reinit.Error as error:
        if error.report is None:
            raise
        return error.report


def vendor(endpoint: str, key: tuple[str, str]) -> VendorClient:
    """Make a client of the vendor's SDK."""
    key_id, secret = key
    return VendorClient(
        Config(endpoint=endpoint, protocol="http", region_id="cn-hangzhou", access_key_id=key_id,
               access_key_secret=secret)
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------------- what is reached


def test_a_whole_run_is_on_record(ecs: SimulatedEcs) -> None:
    """What was wiped, stopped and started is what the run did, in virtual time, and nothing else was touched."""
    report = wipe()

    assert report.outcome == "done"
    assert (ecs.wiped, ecs.stopped, ecs.started) == ((DISK,), (INSTANCE,), (INSTANCE,))
    assert [call.action for call in ecs.changing_calls] == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert (ecs.disk(DISK).wipes, ecs.disk(OTHER).wipes, ecs.instance(INSTANCE).starts) == (1, 0, 2)
    assert {snapshot.snapshot_id for snapshot in ecs.snapshots} >= {"s-lab", "s-other"}
    assert ecs.clock is not None
    assert report.ended_at == ecs.clock.now() > datetime(2026, 1, 1, 12, 2, tzinfo=UTC)


def test_the_same_run_takes_the_same_virtual_time(tmp_path: Path) -> None:
    """However busy the machine is, the changing calls of a run and their times are the same each time."""
    runs = []
    for number in range(2):
        with SimulatedEcs(lab(), journal=tmp_path / f"{number}.db") as ecs:
            wipe()
            runs.append([(call.at, call.action, call.subjects) for call in ecs.changing_calls])

    assert runs[0] == runs[1]


def test_runs_at_the_same_time_share_the_clock(ecs: SimulatedEcs) -> None:
    """Two threads of a program each wipe a disk of their own machine, and no wait of one hurries the other."""
    ecs.world.add_instance("i-two")
    ecs.world.add_disk("d-two", instance="i-two", snapshot="s-source-lab")
    ecs.world.add_snapshot("s-two", disk="d-two")
    outcomes: list[str] = []
    threads = [
        threading.Thread(target=lambda each=each: outcomes.append(wipe(each).outcome)) for each in (DISK, "d-two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == ["done", "done"]
    assert sorted(ecs.wiped) == [DISK, "d-two"]


def test_a_throttled_plan_waits_in_virtual_time(ecs: SimulatedEcs) -> None:
    """A question that ECS answers later is asked again after a wait that takes no time, also in the middle of a run."""
    ecs.refuse("DescribeDisks", "Throttling", times=2)
    ecs.refuse("DescribeInstances", "Throttling", nth=2, times=3)

    assert wipe().outcome == "done"


@pytest.mark.parametrize(
    "arguments",
    [
        {"profile": "production"},
        {"credentials": ("LTAI5real", "real-secret")},
        {"credentials": lambda: pytest.fail("nobody asks for a real key")},
        {"journal": "/production/journal.db"},
    ],
    ids=" ".join,
)
def test_whatever_a_client_is_given_it_reaches_the_simulated_ecs(ecs: SimulatedEcs, arguments: dict[str, Any]) -> None:
    """Profile, credentials and journal of the real cloud count for nothing: key and journal are those of the test."""
    assert wipe(**arguments).outcome == "done"
    assert ecs.wiped == (DISK,)
    assert ecs.journal is not None
    assert ecs.journal.exists()


def test_no_configuration_of_the_person_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The configuration file in the home folder is not read; one that the program names is."""
    own = tmp_path / "safe-reinit" / "config.yaml"
    own.parent.mkdir()
    own.write_text("hold: nothing may be wiped now\n", "utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    with SimulatedEcs(lab()) as ecs:
        named = wipe(config=own)
        assert named.outcome == "refused"
        assert "nothing may be wiped now" in str(named.error)
        assert wipe().outcome == "done"
        assert ecs.wiped == (DISK,)


def test_another_endpoint_is_refused(ecs: SimulatedEcs) -> None:
    """A client that names an endpoint of its own is not made."""
    with pytest.raises(safe_reinit.UsageError, match=r"client is for https://ecs\.cn-hangzhou\.aliyuncs\.com"):
        safe_reinit.connect(region="cn-hangzhou", endpoint="ecs.cn-hangzhou.aliyuncs.com")

    assert ecs.calls == ()


def test_a_client_from_before_the_test_is_refused(tmp_path: Path) -> None:
    """A client that was made on import, for the real cloud or for an earlier test, sends nothing."""
    clients = [safe_reinit.connect(region="cn-hangzhou", credentials=("testid", "testsecret"))]
    with SimulatedEcs(lab()):
        clients.append(safe_reinit.connect(region="cn-hangzhou"))

    with SimulatedEcs(lab(), journal=tmp_path / "second.db") as ecs:
        for client in clients:
            with pytest.raises(safe_reinit.UsageError, match="may only reach its simulated ECS"):
                client.plan([DISK], stop_instance=True)
        assert ecs.calls == ()


def test_the_vendors_sdk_reaches_the_simulated_ecs_and_nothing_else(ecs: SimulatedEcs) -> None:
    """A client of the program's own finds the same disks at ``endpoint``, and no host of Alibaba Cloud by its name."""
    request = ecs_models.DescribeDisksRequest(region_id="cn-hangzhou")
    disks = vendor(ecs.endpoint, ecs.access_key).describe_disks(request).body.disks.disk

    assert {disk.disk_id for disk in disks} == {DISK, OTHER}
    with pytest.raises(UnretryableException, match=r"tried to reach ecs\.cn-hangzhou\.aliyuncs\.com"):
        vendor("ecs.cn-hangzhou.aliyuncs.com", ecs.access_key).describe_disks(request)
    for host in ("sts.aliyuncs.com.", "100.100.100.200"):
        with pytest.raises(RealCloudError, match="Nothing was sent"):
            socket.create_connection((host, 80))


def test_the_environment_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials and settings are those of the test while it lasts, and what they were before afterwards."""
    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "of-a-real-role")
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    before = dict(os.environ)

    with SimulatedEcs() as ecs:
        during = dict(os.environ)
        assert during["ALIBABA_CLOUD_ACCESS_KEY_ID"] == ecs.access_key[0]
        assert not {"ALIBABA_CLOUD_SECURITY_TOKEN", "https_proxy"} & set(during)

    assert dict(os.environ) == before


def test_there_is_one_at_a_time(ecs: SimulatedEcs) -> None:
    """A second simulated ECS in the same process is an error, and the first one stays."""
    with pytest.raises(RuntimeError, match="one at a time"), SimulatedEcs():
        pass

    assert wipe().outcome == "done"
    assert ecs.wiped == (DISK,)


def test_a_run_is_resumed_by_another_client(ecs: SimulatedEcs) -> None:
    """Clients of one test share its journal: what one left open, another one finds and ends."""
    ecs.lose_request("ReInitDisk", times=None)
    assert wipe().outcome == "unknown"

    client = safe_reinit.connect(region="cn-hangzhou")
    (run,) = client.runs()
    with pytest.raises(safe_reinit.RunFailed, match="the data of d-lab is intact"):
        client.resume(run.run_id, verdict="intact")

    assert ecs.instance(INSTANCE).status == "Running"


def test_the_library_needs_no_connection(ecs: SimulatedEcs, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library sends goes over no socket, so no busy machine makes it hit a time limit of a connection."""

    def connect(*_: object) -> None:
        pytest.fail("something connects")

    monkeypatch.setattr(socket.socket, "connect", connect)

    assert wipe().outcome == "done"
    assert ecs.wiped == (DISK,)


def test_a_command_in_the_process_is_on_virtual_time(ecs: SimulatedEcs, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that calls the command line in its own process gets the same cloud and the same clock."""
    assert run_command(["--disk", DISK, "--stop-instance", "--confirm", DISK]) == 0

    assert ecs.wiped == (DISK,)
    assert "d-lab on lab (i-lab): wiped" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------ child processes


def variables(ecs: SimulatedEcs) -> dict[str, str]:
    """Return the environment of a child."""
    return {name: value for name, value in ecs.environment.items() if value is not None}


def test_a_command_needs_real_time(ecs: SimulatedEcs, command_line: CommandLine) -> None:
    """A command that the program starts has no virtual clock, so it is refused at once instead of waiting in vain."""
    ended = command_line("--disk", DISK, "--stop-instance", "--confirm", DISK, env=variables(ecs))

    assert ended.code == 2
    assert "SAFE_REINIT_TIME_SCALE" in ended.err
    assert ecs.changing_calls == ()


def test_in_real_time_a_command_reaches_the_simulated_ecs(command_line: CommandLine) -> None:
    """A command that the program starts plans with the disks of the test."""
    with SimulatedEcs(lab(), real_time=True) as ecs:
        ended = command_line("--disk", DISK, "--stop-instance", "--dry-run", env=variables(ecs))

        assert ended.code == 0, ended.err
        assert DISK in ended.out
        assert "DescribeDisks" in [call.action for call in ecs.calls]
    with pytest.raises(ValueError, match="no virtual clock"):
        SimulatedEcs(real_time=True, clock=VirtualClock())


# ------------------------------------------------------------------------------------------------------ what goes wrong


def test_a_refused_call_is_not_done(ecs: SimulatedEcs) -> None:
    """ECS refuses the wipe with the code that the test wants: the data is intact, and the record says so."""
    ecs.refuse("ReInitDisk", "OperationDenied", subject=DISK)

    report = wipe()

    assert report.outcome == "failed"
    (call,) = (call for call in ecs.changing_calls if call.action == "ReInitDisk")
    assert (call.code, call.done, call.answered) == ("OperationDenied", False, True)
    assert ecs.wiped == ()


def test_a_lost_answer_is_of_a_call_that_was_done(ecs: SimulatedEcs) -> None:
    """The wipe is done, and its answer lost: the run observes it, and sends no second one."""
    ecs.lose_answer("ReInitDisk")

    assert wipe().outcome == "done"
    (call,) = (call for call in ecs.changing_calls if call.action == "ReInitDisk")
    assert (call.done, call.answered) == (True, False)
    assert ecs.wiped == (DISK,)


def test_a_fault_strikes_the_call_that_it_is_for(ecs: SimulatedEcs) -> None:
    """A fault of another disk, or of a later call, does nothing to this one."""
    ecs.refuse("ReInitDisk", "OperationDenied", subject=OTHER)
    ecs.refuse("ReInitDisk", "OperationDenied", nth=2)

    assert wipe().outcome == "done"
    with pytest.raises(ValueError, match="there is no action ReinitDisk"):
        ecs.refuse("ReinitDisk", "OperationDenied")


def test_a_delay_passes_in_virtual_time(ecs: SimulatedEcs) -> None:
    """An answer that comes minutes later comes at once, and the clock shows the minutes."""
    ecs.delay("DescribeRegions", 120)
    assert ecs.clock is not None
    before = ecs.clock.now()

    vendor(ecs.endpoint, ecs.access_key).describe_regions(ecs_models.DescribeRegionsRequest())

    assert ecs.clock.now() - before == timedelta(seconds=120)


def test_other_people_do_something(ecs: SimulatedEcs) -> None:
    """What the test does at the console is on record as not of a client."""
    ecs.do({"stop": INSTANCE})

    assert ecs.instance(INSTANCE).status == "Stopped"
    assert [(call.action, call.source) for call in ecs.calls] == [("StopInstance", "console")]
    assert (ecs.stopped, ecs.changing_calls) == ((), ())


# ----------------------------------------------------------------------------------------------------------- the world


def test_a_world_comes_from_a_dict_or_a_file(tmp_path: Path) -> None:
    """The same world as a dict, as YAML and built thing by thing is the same."""
    file = tmp_path / "world.yaml"
    file.write_text("instances: {i-1: {status: Stopped}}\ndisks: {d-1: {instance: i-1}}\n", "utf-8")
    built = EcsWorld()
    built.add_instance("i-1", status="Stopped")
    built.add_disk("d-1", instance="i-1")

    assert built.to_dict() == EcsWorld(file).to_dict() == EcsWorld(built.to_dict()).to_dict()


def test_a_mistake_is_an_error_where_it_is_made() -> None:
    """What does not fit is refused by the line that adds it, in words, and the world stays as it was."""
    world = lab()
    before = world.to_dict()

    with pytest.raises(ValueError, match="there is no instance i-none"):
        world.add_disk("d-1", instance="i-none")
    with pytest.raises(ValueError, match="This world already has a d-lab"):
        world.add_disk(DISK)
    with pytest.raises(ValueError, match=r"disks\.d-1\.sise: this member is not known"):
        world.add_disk("d-1", sise=40)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="The world is not valid"):
        EcsWorld({"instance": {}})

    assert world.to_dict() == before


def test_what_somebody_did_is_not_lost_with_the_world(ecs: SimulatedEcs) -> None:
    """A permission that was taken away stays away: adding to the world, which would begin anew, is an error."""
    ecs.do({"deny": {"action": "ReInitDisk"}})

    with pytest.raises(ValueError, match="has had its first call"):
        ecs.world.add_disk("d-1", instance=INSTANCE)


def test_the_world_takes_more_until_the_first_call(ecs: SimulatedEcs) -> None:
    """A test adds what only it needs, and faults that it has set stay; once there was a call, adding is an error."""
    ecs.refuse("ReInitDisk", "OperationDenied")
    ecs.world.add_image("m-1")
    ecs.world.add_disk("d-1", instance=INSTANCE, snapshot="s-source-lab")
    ecs.world.add_snapshot("s-1", disk="d-1")

    assert wipe("d-1").outcome == "failed"
    with pytest.raises(ValueError, match="has had its first call"):
        ecs.world.add_disk("d-2", instance=INSTANCE)
