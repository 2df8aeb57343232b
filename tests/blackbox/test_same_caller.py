"""Who a run is: chosen at its start, renewed while it goes on, and never somebody else."""

from __future__ import annotations

import json
import sys

import pytest

import safe_reinit
from safe_reinit.errors import Error
from safe_reinit.model import Event
from tests.commands import until
from tests.issuers import ACTS, FIRST, NEXT, RISKS, ROLE, Surroundings, ak, instance_status, wipe, wipes

pytestmark = pytest.mark.virtual_time


def test_another_current_profile_changes_nothing(around: Surroundings) -> None:
    """Somebody switches the aliyun CLI's profile in another terminal: the run goes on as who it was."""
    both = (ak("lab"), ak("prod", "other"))
    around.profile(*both, current="lab")

    report = wipe(lambda: (around.profile(*both, current="prod"), None)[1])

    assert report.outcome == "done"
    assert {signer for _, signer in around.issuers.signers} == {"LTAIfakemain"}


def test_a_key_of_somebody_else_in_the_profile_wipes_nothing(around: Surroundings) -> None:
    """The profile gets the key of another account after the stop: no wipe is sent, and the machine is started."""
    around.profile(ak())

    report = wipe(lambda: (around.profile(ak("default", "other")), None)[1])

    assert wipes(around) == 0
    assert "LTAIfakeother" not in around.issuers.by(*ACTS)
    assert instance_status(around) == "Running"
    assert report.outcome == "failed"
    assert report.error is not None
    assert "another caller" in report.error.message


def test_a_key_of_somebody_else_before_the_stop_stops_nothing(around: Surroundings) -> None:
    """The profile gets the key of another account between plan and run: nothing is stopped."""
    around.profile(ak())
    client = safe_reinit.connect(region="cn-hangzhou")
    plan = client.plan(["d-1"], stop_instance=True, accept=RISKS)
    around.profile(ak("default", "other"))

    with pytest.raises(Error) as raised:
        client.run(plan, confirm=plan.confirm_with)

    assert "LTAIfakeother" not in around.issuers.by(*ACTS)
    assert instance_status(around) == "Running"
    assert raised.value.exit_code == 3
    assert "another caller" in str(raised.value)


@pytest.mark.parametrize("after", ["StopInstance", "ReInitDisk"])
def test_a_role_gets_a_new_key_when_its_key_is_refused(around: Surroundings, after: str) -> None:
    """The key of a role ends early: the next one of the same role is asked for, and the run is done."""
    around.profile({**ak(), "mode": "RamRoleArn", "ram_role_arn": ROLE, "ram_session_name": "ops"})

    def end() -> None:
        around.issuers.key = NEXT
        around.simulator.do({"expire_key": FIRST[0]})

    report = wipe(end, after)

    assert report.outcome == "done"
    assert wipes(around) == 1
    assert around.issuers.asked_for == ["assume", "assume"]


@pytest.mark.parametrize("old", ["ends", "lasts"])
def test_a_start_is_not_held_back(around: Surroundings, old: str) -> None:
    """The profile gets the key of another user after the stop: the machine is started with a key that is accepted."""
    around.profile(ak())

    def change() -> None:
        around.profile({"name": "default", "mode": "StsToken", "access_key_id": NEXT[0],
                        "access_key_secret": NEXT[1], "sts_token": NEXT[2]})  # fmt: skip
        if old == "ends":
            around.simulator.do({"deactivate_key": "LTAIfakemain"})

    wipe(change)

    assert wipes(around) == 0
    assert around.issuers.by(*ACTS) == {"LTAIfakemain"}
    until(lambda: instance_status(around) == "Running")


def test_an_external_command_runs_once_for_each_key(around: Surroundings) -> None:
    """A plan and a whole run need one key, so the command that gives it is run once."""
    result = json.dumps({"mode": "AK", "access_key_id": "LTAIfakemain", "access_key_secret": "fakemainsecret"})
    script, ran = around.home / "command.py", around.home / "ran"
    script.write_text(f"open({str(ran)!r}, 'a').write('x'); print({result!r})", "utf-8")
    file = around.profile({"name": "default", "mode": "External", "process_command": f"{sys.executable} {script}"})
    before = file.read_bytes()

    report = wipe(lambda: None)

    assert report.outcome == "done"
    assert ran.read_text("utf-8") == "x"
    assert file.read_bytes() == before


def test_a_file_that_is_being_written_does_not_end_a_run(around: Surroundings) -> None:
    """The configuration is cut short for a moment while somebody writes it: the run waits, and is done."""
    file = around.profile(ak())
    whole = file.read_bytes()
    calls: list[int] = []

    def cut() -> None:
        file.write_bytes(whole[:40])
        calls.append(len(around.issuers.signers))

    client = safe_reinit.connect(region="cn-hangzhou")
    plan = client.plan(["d-1"], stop_instance=True, accept=RISKS)

    def notify(event: Event) -> None:
        if event.event == "answer" and event.data["action"] == "StopInstance":
            cut()
        elif calls and event.event in ("state", "wait") and len(around.issuers.signers) > calls[0] + 6:
            file.write_bytes(whole)

    report = client.run(plan, confirm=plan.confirm_with, on_event=notify)

    assert report.outcome == "done"
    assert wipes(around) == 1


def test_who_was_not_known_is_the_only_one_whose_key_is_used(around: Surroundings) -> None:
    """STS did not say whose key the plan was made with: the key of somebody else then wipes nothing, and starts."""
    around.profile(ak())
    around.simulator.do({"fault": {"action": "GetCallerIdentity", "nth": "every", "error": {"code": "SystemBusy"}}})

    report = wipe(lambda: (around.profile(ak("default", "other")), None)[1], retry=20.0)

    assert wipes(around) == 0
    assert "LTAIfakeother" not in around.issuers.by(*ACTS)
    assert instance_status(around) == "Running"
    assert report.outcome == "failed"
