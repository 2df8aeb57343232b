"""Plans as files, from the command line: saved, shown, applied once, and refused when anything is not as it was."""

from __future__ import annotations

import json
import os
import shlex
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cli.app import run
from safe_reinit.journal import open_to_write
from safe_reinit.planning.plan_store import read_plan
from safe_reinit.plans import plan_file
from safe_reinit.simulator import Simulator
from tests.blackbox.test_secrets import assert_clean
from tests.cloudlike import BYSTANDER, DATA, INSTANCE, SOURCE, SYSTEM, lab_world, simulated
from tests.conftest import Ended, changing
from tests.simulator.support import Still

pytestmark = pytest.mark.virtual_time

PASSWORD = "Pl4nted&Secret=Word"
ALL = ["StopInstance", "ReInitDisk", "StartInstance"]


@dataclass
class Person:
    """Somebody at the command line, in front of one cloud."""

    capture: pytest.CaptureFixture[str]
    folder: Path
    sim: Simulator | None = None

    def __call__(self, *argv: str) -> Ended:
        """Run a command in this process."""
        self.capture.readouterr()
        code = run([str(word) for word in argv])
        out, err = self.capture.readouterr()
        return Ended(code, out, err)

    @property
    def file(self) -> Path:
        """The plan file."""
        return self.folder / "plan.json"

    @property
    def content(self) -> dict[str, Any]:
        """What is in it."""
        content: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        return content

    def plan(self, *more: str, disk: str = DATA) -> Ended:
        """Save a plan."""
        return self("plan", "--disk", disk, "--stop-instance", "--save", str(self.file), *more)

    def apply(self, *more: str, confirm: str | None = None) -> Ended:
        """Apply it with its own digest."""
        word = self.content["digest"] if confirm is None else confirm
        return self("apply", str(self.file), "--confirm", word, "--output", "json", *more)


@pytest.fixture
def person(capsys: pytest.CaptureFixture[str], own_home: Path) -> Person:
    """Return somebody with a home of their own."""
    return Person(capsys, own_home)


def at(monkeypatch: pytest.MonkeyPatch, sim: Simulator, key: str = "testid", secret: str = "testsecret") -> None:
    """Let the environment say where the cloud is and who asks."""
    monkeypatch.setenv("SAFE_REINIT_ENDPOINT", sim.url)
    monkeypatch.setenv("SAFE_REINIT_REGION", "cn-hangzhou")
    monkeypatch.setenv("SAFE_REINIT_TIME_SCALE", "1")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", key)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret)


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Start a small world and point everybody at it."""
    with simulated() as started:
        at(monkeypatch, started)
        yield started


# ----------------------------------------------------------------------------------------------------------- saving


def test_a_plan_is_saved_for_its_owner_alone(person: Person, sim: Simulator) -> None:
    """Saving changes nothing; the file has mode 0600 whatever the umask, and the report names its digest."""
    before = os.umask(0)
    try:
        text = person.plan("--output", "json")
    finally:
        os.umask(before)

    assert text.code == 0
    assert stat.S_IMODE(person.file.stat().st_mode) == 0o600
    assert text.document["plan"]["digest"] == person.content["digest"]
    assert text.document["next"] == [f"safe-reinit apply {person.file} --confirm {person.content['digest']}"]
    assert person.content["digest"] in text.err
    assert changing(sim) == []


def test_a_plan_that_may_not_run_is_saved_and_refused(person: Person, sim: Simulator) -> None:
    """A refused plan is kept and shown; apply refuses it with what stands against it, before it asks anything."""
    planned = person("plan", "--disk", DATA, "--save", str(person.file))
    shown = person("show", str(person.file))
    asked = len(sim.state()["calls"])
    text = person.apply()

    assert (planned.code, shown.code, text.code) == (3, 0, 3)
    assert "REFUSED" in shown.out
    assert "next: safe-reinit apply" not in shown.out
    assert text.document["error"]["message"].startswith("instance-running")
    assert len(sim.state()["calls"]) == asked


@pytest.mark.parametrize("there", ["plan", "text", "folder", "link", "dangling"])
def test_nothing_is_saved_over(person: Person, sim: Simulator, there: str) -> None:
    """Whatever stands there already stays as it is; the command ends 2 before it asks anything."""
    if there == "plan":
        person.plan()
    elif there == "text":
        person.file.write_text("mine")
    elif there == "folder":
        person.file.mkdir()
    else:
        target = person.folder / "target"
        if there == "link":
            target.write_text("mine")
        person.file.symlink_to(target)
    before = person.file.read_bytes() if person.file.is_file() else None
    asked = len(sim.state()["calls"])
    message = person.plan()

    assert message.code == 2
    assert "already exists" in message.err
    assert len(sim.state()["calls"]) == asked
    assert (person.file.read_bytes() if person.file.is_file() else None) == before
    assert not (person.folder / "target").exists() or (person.folder / "target").read_text() == "mine"


@pytest.mark.usefixtures("sim")
def test_a_plan_that_apply_would_not_read_is_not_saved(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more disks than a plan file can hold nobody learns it only once the plan is to be applied."""
    monkeypatch.setattr(plan_file, "MAX_BYTES", 1 << 10)
    planned = person.plan()

    assert planned.code == 3
    assert "plan fewer disks" in planned.err
    assert not person.file.exists()


@pytest.mark.usefixtures("sim")
def test_a_file_that_comes_meanwhile_is_not_saved_over(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file made by somebody else while the plan was made stays, and the command ends 3."""
    monkeypatch.setattr(
        "safe_reinit.planning.plan_store.refuse_existing", lambda _path, _option: person.file.write_text("mine")
    )
    text = person.plan()

    assert text.code == 3
    assert "could not be saved" in text.err
    assert person.file.read_text() == "mine"


@pytest.mark.parametrize("name", ["", "no-such-folder/plan.json"])
def test_where_nothing_can_be_saved_nothing_is_asked(person: Person, sim: Simulator, name: str) -> None:
    """A file that cannot be made is said before the cloud is asked."""
    text = person("plan", "--disk", DATA, "--save", name)

    assert text.code == 2
    assert "--save" in text.err
    assert sim.state()["calls"] == []


def test_a_full_disk_leaves_no_half_file(person: Person, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that could not be written whole is taken away again."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    text = person.plan("--output", "json")

    assert text.code == 3
    assert "No space left" in text.document["error"]["message"]
    assert not person.file.exists()
    assert changing(sim) == []


# --------------------------------------------------------------------------------------------------------- applying


def test_the_saved_plan_is_the_one_that_runs_once(person: Person, sim: Simulator) -> None:
    """Apply runs the very plan of the file, names its digest, and refuses it the second time by the run that ran it."""
    person.plan("--reason", "CHG-1")
    first = person.apply()
    asked = len(sim.state()["calls"])
    second = person.apply()
    asked_again = len(sim.state()["calls"])
    story = person("show", first.document["run_id"], "--output", "json").document

    assert first.code == 0, first.err
    assert changing(sim) == ALL
    assert first.document["plan"]["digest"] == person.content["digest"] == story["plan"]["digest"]
    assert first.document["plan"]["fingerprint"] == person.content["fingerprint"]
    assert first.document["reason"] == "CHG-1"
    assert [call["action"] for call in first.document["calls"] if call["action"] in ALL and not call["dry_run"]] == ALL
    assert second.code == 3
    assert asked_again == asked
    assert f"already been run, by run {first.document['run_id']}" in second.err
    assert second.document["plan"]["digest"] == person.content["digest"]
    assert len(sim.state()["disks"][DATA]["wipes"]) == 1


def test_a_copy_of_a_plan_is_the_same_plan(person: Person, sim: Simulator) -> None:
    """Single use is of the plan, not of the file."""
    person.plan()
    copy = person.folder / "copy.json"
    copy.write_text(json.dumps(person.content))
    copy.chmod(0o600)
    assert person.apply().code == 0
    text = person("apply", str(copy), "--confirm", person.content["digest"])

    assert text.code == 3
    assert "already been run" in text.err
    assert len(sim.state()["disks"][DATA]["wipes"]) == 1


@pytest.mark.usefixtures("sim")
def test_a_forgotten_run_does_not_free_its_plan(person: Person) -> None:
    """A plan whose run was pruned is still used."""
    import sqlite3

    person.plan()
    assert person.apply().code == 0
    with sqlite3.connect(os.environ["SAFE_REINIT_JOURNAL"]) as database:
        database.execute("UPDATE runs SET ended_at='2020-01-01T00:00:00Z'")
    database.close()
    assert "1 run forgotten" in person("runs", "--prune", "1h").err
    text = person.apply()

    assert text.code == 3
    assert "already been run" in text.err
    assert "USED" in person("show", str(person.file)).out


def test_the_digest_is_compared_whole_and_without_regard_to_case(person: Person, sim: Simulator) -> None:
    """The digest in capitals is the same consent."""
    person.plan()

    assert person.apply(confirm=person.content["digest"].upper()).code == 0
    assert changing(sim) == ALL


@pytest.mark.parametrize("word", ["", DATA, "0" * 64, "first-8", "first-31", "longer", "fingerprint", "with-space"])
def test_another_word_applies_nothing(person: Person, sim: Simulator, word: str) -> None:
    """Only the digest or at least its first 32 characters will do; nothing is asked of the cloud for another word."""
    person.plan()
    digest, asked = person.content["digest"], len(sim.state()["calls"])
    words = {
        "first-8": digest[:8], "first-31": digest[:31], "longer": f"{digest}0", "with-space": f"{digest} ",
        "fingerprint": person.content["fingerprint"],
    }  # fmt: skip
    text = person.apply(confirm=words.get(word, word))

    assert text.code == 3
    assert "is neither the digest of" in text.err
    assert word in {"longer", "with-space"} or digest not in text.err
    assert text.document["outcome"] == "refused"
    assert len(sim.state()["calls"]) == asked


def test_without_a_word_nothing_is_applied(person: Person, sim: Simulator) -> None:
    """Where nobody can be asked the digest is needed."""
    person.plan()
    text = person("apply", str(person.file))

    assert text.code == 3
    assert "only with --confirm DIGEST" in text.err
    assert changing(sim) == []


@pytest.mark.parametrize(
    "option",
    ["--disk=d-1", "--stop-instance", "--accept=never-started", "--snapshot", "--leave-stopped", "--key-pair=ops",
     "--timeout-stop=1m", "--reason=x", "--expect-instance=i-1", "--dry-run", "--save=x"],
)  # fmt: skip
def test_apply_takes_nothing_that_the_plan_has(person: Person, sim: Simulator, option: str) -> None:
    """What was agreed to is in the file; an option that would say it again is a usage error."""
    person.plan()
    text = person.apply(option)

    assert text.code == 2
    assert option.partition("=")[0] in text.err
    assert changing(sim) == []


def test_the_options_and_limits_of_the_plan_hold(person: Person, sim: Simulator) -> None:
    """What the command line of the plan said is done, whatever the configuration of the one who applies it says."""
    person.plan("--leave-stopped", "--timeout-stop", "7m")
    config = person.folder / "other.yaml"
    config.write_text("leave_stopped: false\nsnapshot: true\ntimeout_stop: 1s\n")
    text = person.apply("--config", str(config))

    assert text.code == 0, text.err
    assert changing(sim) == ["StopInstance", "ReInitDisk"]
    assert text.document["jobs"][0]["power_promised"] == "Stopped"


# ------------------------------------------------------------------------------------------------------------ stale

MOVED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "stopped": ([{"stop": INSTANCE}], f"{INSTANCE}.Status: Running -> Stopped"),
    "restarted": ([{"stop": INSTANCE}, {"start": INSTANCE}], f"{INSTANCE}.StartTime: "),
    "renamed": ([{"change": INSTANCE, "to": {"name": "prod-1"}}], f"{INSTANCE}.InstanceName: web -> prod-1"),
    "disk-renamed": ([{"change": DATA, "to": {"name": "ledger"}}], f"{DATA}.DiskName: data -> ledger"),
    "detached": ([{"stop": INSTANCE}, {"detach": DATA}], f"{DATA}.InstanceId: {INSTANCE} -> none"),
    "locked": ([{"lock": INSTANCE, "reason": "security"}], f"{INSTANCE}.OperationLocks: none -> security"),
    "source-gone": ([{"delete_snapshot": SOURCE}], f"{DATA}.SourceSnapshot: accomplished -> none"),
    "neighbour-gone": (
        [{"stop": INSTANCE}, {"detach": BYSTANDER}, {"start": INSTANCE}],
        f"{INSTANCE}.OtherDisks: {BYSTANDER},{SYSTEM} -> {SYSTEM}",
    ),
    "right-gone": ([{"deny": {"action": "ecs:StopInstance", "resource": INSTANCE}}], "block not-allowed-to-stop"),
    "in-a-cluster": (
        [{"change": INSTANCE, "to": {"tags": {"ack.aliyun.com": "c-1"}}}],
        "block in-kubernetes",
    ),
}


@pytest.mark.parametrize("name", MOVED)
def test_a_plan_is_refused_with_what_has_moved(person: Person, sim: Simulator, name: str) -> None:
    """Each kind of moved fact and each new block refuses the plan, and is told as it was and is."""
    person.plan()
    done, result = MOVED[name]
    for request in done:
        sim.do(request)
    text = person.apply()
    error = text.document["error"]["message"]

    assert text.code == 3
    assert "is stale" in error
    assert result in error
    assert changing(sim) == []
    assert text.document["plan"]["digest"] == person.content["digest"]
    assert text.document["calls"]
    assert text.document["next"][0] == shlex.join(["safe-reinit", "show", str(person.file)])


def test_a_stale_plan_can_be_shown_and_planned_again(person: Person, sim: Simulator) -> None:
    """What was refused can still be read, and the command that is named plans the same anew."""
    person.plan("--reason", "CHG 1", "--accept", "never-started")
    sim.do({"change": INSTANCE, "to": {"name": "other"}})
    refused = person.apply()
    shown = person("show", str(person.file))
    words = shlex.split(refused.document["next"][1])
    again = person(*words[1:], "--output", "json")

    assert (refused.code, shown.code, again.code) == (3, 0, 0)
    assert DATA in shown.out
    assert again.document["plan"]["fingerprint"] == person.content["fingerprint"]
    assert again.document["reason"] == "CHG 1"


def test_a_stale_plan_for_workers_is_planned_for_workers_again(person: Person, sim: Simulator) -> None:
    """The command that is named would never have the disks wiped here, whatever the settings say."""
    person.plan("--runner", "temporal", "--temporal", "127.0.0.1:1")
    sim.do({"change": INSTANCE, "to": {"name": "other"}})
    refused = person.apply()
    again = person(*shlex.split(refused.document["next"][1])[1:], "--save", str(person.folder / "again.json"))

    assert (refused.code, again.code) == (3, 0)
    plans = [read_plan(str(file), trusted=False).plan for file in person.folder.glob("*.json")]
    assert [each.rollout.runner for each in plans] == ["temporal", "temporal"]


def test_an_info_does_not_make_a_plan_stale(person: Person, sim: Simulator) -> None:
    """A new snapshot of the disk, and another disk's name, are no reason to refuse."""
    sim.do({"snapshot": DATA})
    person.plan()
    sim.do({"change": BYSTANDER, "to": {"name": "other"}})

    assert person.apply().code == 0


# ---------------------------------------------------------------------------------------------------------- expired


@pytest.mark.real_time  # what is shown is held against the date of this host
def test_a_plan_expires_by_the_clock_of_the_cloud(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over by the cloud's clock is refused, though the clock of this machine says that it is not."""
    config = person.folder / "config.yaml"
    config.write_text("plan_expires: 30s\n")
    with Still(lab_world()) as sim:
        at(monkeypatch, sim)
        person.plan("--config", str(config))
        before = person("show", str(person.file))
        sim.pass_time(60)
        text = person.apply()
        after = person("show", str(person.file), "--output", "json").document
        acts = changing(sim)

    assert text.code == 3
    assert f"expired at {person.content['expires_at']}; ECS's clock says" in text.err
    assert "EXPIRED" not in before.out
    assert after["file"]["expired"] is False
    assert acts == []


@pytest.mark.usefixtures("sim")
def test_an_expired_plan_can_be_shown(person: Person) -> None:
    """Show says that a plan is expired, by the clock of this machine, and shows it."""
    person.plan()
    text = person.file.read_text("utf-8")
    old = {**person.content, "made_at": "2020-01-01T00:00:00Z", "expires_at": "2020-01-02T00:00:00Z"}
    from tests.plans.test_saved import signed

    person.file.write_bytes(signed(old))
    shown = person("show", str(person.file))
    document = person("show", str(person.file), "--output", "json").document
    message = person.apply()

    assert shown.code == 0
    assert "EXPIRED at 2020-01-02T00:00:00Z" in shown.out
    assert "gets the content of snapshot" in shown.out
    assert document["file"]["expired"] is True
    assert document["next"] == []
    assert message.code == 3
    assert "expired at 2020-01-02T00:00:00Z" in message.err
    assert text


def test_a_configuration_can_allow_less_than_the_file(person: Person, sim: Simulator) -> None:
    """Where this machine's configuration says how long plans may live, a file cannot say longer."""
    person.plan()
    config = person.folder / "config.yaml"
    config.write_text("plan_expires: 1s\n")
    time.sleep(2)
    text = person.apply("--config", str(config))

    assert text.code == 3
    assert "expired at" in text.err
    assert changing(sim) == []


# ------------------------------------------------------------------------------------------- another cloud or account


def test_a_plan_of_another_account_is_refused(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names both accounts, and nothing was changed."""
    keys = [{"id": "one", "secret": "one"}, {"id": "two", "secret": "two", "account": "1000000000000077"}]
    with simulated(lab_world(keys=keys)) as sim:
        at(monkeypatch, sim, "one", "one")
        person.plan()
        at(monkeypatch, sim, "two", "two")
        text = person.apply()
        acts = changing(sim)

    assert text.code == 3
    assert "belongs to account 1000000000000001" in text.err
    assert "belong to 1000000000000077" in text.err
    assert acts == []


def test_another_user_of_the_account_may_apply_it(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """One plans and another applies; the report says who ran it."""
    keys = [{"id": "one", "secret": "one"}, {"id": "two", "secret": "two", "token": "t"}]
    with simulated(lab_world(keys=keys)) as sim:
        at(monkeypatch, sim, "one", "one")
        person.plan()
        at(monkeypatch, sim, "two", "two")
        monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "t")
        text = person.apply()

    assert text.code == 0, text.err
    assert person.content["caller"]["type"] == "RAMUser"
    assert text.document["caller"]["type"] == "AssumedRoleUser"


def test_a_plan_of_another_region_is_refused(person: Person, sim: Simulator) -> None:
    """--region is not needed; one that differs ends 2, before anything is asked, and names both."""
    person.plan()
    asked = len(sim.state()["calls"])
    text = person.apply("--region", "cn-shanghai")

    assert text.code == 2
    assert "cn-hangzhou" in text.err
    assert "cn-shanghai" in text.err
    assert len(sim.state()["calls"]) == asked


@pytest.mark.usefixtures("sim")
def test_the_region_of_the_plan_wins_over_the_surroundings(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A region in the environment is for plans that are made, not for one that has its own."""
    person.plan()
    monkeypatch.setenv("SAFE_REINIT_REGION", "cn-shanghai")

    assert person.apply().code == 0


def test_a_plan_of_another_endpoint_is_refused(person: Person, sim: Simulator) -> None:
    """A plan that was made at one simulator is not applied at another; the sentence names both."""
    person.plan()
    with simulated() as other:
        text = person.apply("--endpoint", other.url)
        asked = other.state()["calls"]

    assert text.code == 2
    assert sim.url in text.err
    assert other.url in text.err
    assert asked == []


def test_a_plan_of_the_real_cloud_is_not_applied_at_a_simulator(person: Person, sim: Simulator) -> None:
    """A plan of the real cloud stays one, whatever endpoint the surroundings name."""
    from tests.plans.test_saved import signed

    person.plan()
    person.file.write_bytes(signed({**person.content, "endpoint": ""}))
    text = person.apply()

    assert text.code == 2
    assert "is for the real cloud" in text.err
    assert sim.url in text.err
    assert changing(sim) == []


def test_a_simulated_plan_never_meets_the_real_cloud(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of an embedded simulator is shown, and refused without --simulate before anything is asked."""
    text = person("plan", "--simulate", "--disk", "d-sim-web1-data", "--stop-instance", "--save", str(person.file))
    shown = person("show", str(person.file))
    monkeypatch.setenv("SAFE_REINIT_REGION", "cn-hangzhou")
    applied = person.apply()

    assert (text.code, shown.code, applied.code) == (0, 0, 2)
    assert "for the built-in simulator (--simulate)" in applied.err
    assert "the real cloud" in applied.err


def test_a_simulated_plan_is_applied_where_the_world_is_the_same(person: Person) -> None:
    """With a world whose times are fixed a plan can be tried from save to apply; in another world it is stale."""
    past = "2026-01-01T00:00:00Z"
    given = {
        "instances": {"i-1": {"status": "Running", "started": past, "created": past}},
        "disks": {"d-1": {"instance": "i-1", "attached": past, "created": past, "snapshot": "s-source"}},
        "snapshots": {"s-source": {"disk": "d-gone", "released": True, "created": past}, "s-fresh": {"disk": "d-1"}},
        "durations": {"stop": 1, "wipe": 1, "start": 1},
    }
    file = person.folder / "world.yaml"
    file.write_text(json.dumps(given))
    planned = person("plan", "--world", str(file), "--disk", "d-1", "--stop-instance", "--save", str(person.file))
    text = person.apply("--world", str(file))
    person.file.unlink()
    person("plan", "--world", str(file), "--disk", "d-1", "--stop-instance", "--save", str(person.file))
    again = person.apply("--simulate")

    assert planned.code == 0, planned.err
    assert text.code == 0, text.err
    assert again.code == 3
    assert "stale" in again.err


# --------------------------------------------------------------------------------------------- files that are not right


def test_an_edited_plan_is_not_applied(person: Person, sim: Simulator) -> None:
    """A changed member ends 2 before anything is asked, in show as in apply, with either digest."""
    person.plan()
    digest = person.content["digest"]
    asked = len(sim.state()["calls"])
    person.file.write_text(person.file.read_text().replace(DATA, BYSTANDER))
    text = person("apply", str(person.file), "--confirm", digest)
    shown = person("show", str(person.file))

    assert (text.code, shown.code) == (2, 2)
    assert "changed after it was saved" in text.err
    assert len(sim.state()["calls"]) == asked


WRONG: dict[str, tuple[int, str]] = {
    "missing": (2, "no such file"),
    "folder": (2, "is a directory"),
    "fifo": (2, "it is not a file"),
    "device": (2, "it is not a file"),
    "empty": (2, "it is empty"),
    "large": (2, "too large"),
    "text": (2, "it is not valid JSON"),
    "report": (2, "not a saved plan"),
    "world-writable": (2, "Others may write"),
    "link-to-plan": (0, ""),
    "link-to-nothing": (2, "no such file"),
    "loop": (2, "too many levels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_explained_in_words(person: Person, sim: Simulator, name: str) -> None:
    """What cannot be a trusted plan file ends 2 with a sentence, before anything is asked; a link to one is one."""
    person.plan()
    digest, asked = person.content["digest"], len(sim.state()["calls"])
    other = person.folder / "other.json"
    if name == "folder":
        other.mkdir()
    elif name == "fifo":
        os.mkfifo(other)
    elif name == "device":
        other = Path("/dev/zero")
    elif name == "large":
        with other.open("wb") as file:
            file.truncate(plan_file.MAX_BYTES + 1)
    elif name == "world-writable":
        other.write_text(person.file.read_text())
        other.chmod(0o606)
    elif name == "loop":
        other.symlink_to(other)
    elif name.startswith("link"):
        other.symlink_to(person.file if name == "link-to-plan" else person.folder / "nothing")
    elif name != "missing":
        other.write_text({"empty": "", "text": "hello", "report": "{}"}[name])
    text = person("apply", str(other), "--confirm", digest)
    code, words = WRONG[name]

    assert text.code == code
    assert words in text.err
    assert code == 0 or len(sim.state()["calls"]) == asked
    assert "Traceback" not in text.err


@pytest.mark.usefixtures("sim")
def test_a_file_of_another_user_is_not_trusted(person: Person) -> None:
    """A plan file that belongs to neither root nor the caller is refused; show still shows it."""
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    person.plan()
    os.chown(person.file, 12345, 12345)
    text = person.apply()

    assert text.code == 2
    assert "Others may write" in text.err
    assert person("show", str(person.file)).code == 0


@pytest.mark.usefixtures("sim")
def test_show_tells_a_run_from_a_file(person: Person) -> None:
    """A name of the form of a run is a run, anything else a file; what is neither ends 2."""
    assert "There is no journal at " in person("show", "r-20260101T000000Z-ffff").err
    text = person("show", "nonsense")

    assert text.code == 2
    assert "neither a run nor a plan file" in text.err


@pytest.mark.real_time  # what is shown is held against the date of this host
def test_a_plan_is_shown_without_asking_the_cloud(person: Person, sim: Simulator) -> None:
    """Show sends nothing, makes no journal, and says what apply takes; as JSON it is a report with the file beside."""
    person.plan()
    asked = len(sim.state()["calls"])
    text = person("show", str(person.file))
    document = person("show", str(person.file), "--output", "json").document

    assert person.content["digest"] in text.out
    assert f"next: safe-reinit apply {person.file} --confirm {person.content['digest']}" in text.out
    assert document["file"] == {
        "path": str(person.file), "digest": person.content["digest"], "confirm_with": person.content["digest"],
        "endpoint": sim.url, "expires_at": person.content["expires_at"], "expired": False, "used_by": None,
    }  # fmt: skip
    assert document["plan"]["digest"] == person.content["digest"]
    assert document["events"] == []
    assert len(sim.state()["calls"]) == asked
    assert not Path(os.environ["SAFE_REINIT_JOURNAL"]).exists()


@pytest.mark.usefixtures("sim")
def test_a_journal_that_cannot_be_read_does_not_hide_a_plan(person: Person) -> None:
    """Show says that it cannot tell whether the plan was run."""
    person.plan()
    Path(os.environ["SAFE_REINIT_JOURNAL"]).write_text("no journal, but text that is long enough to be looked at")
    shown = person("show", str(person.file))

    assert shown.code == 0
    assert "it is unknown whether it was run" in shown.out


def test_a_held_instance_is_not_touched(person: Person, sim: Simulator) -> None:
    """Another open run of the instance refuses a saved plan as it refuses any other."""
    person.plan()
    with open_to_write(Path(os.environ["SAFE_REINIT_JOURNAL"])) as journal:
        plan = {"plan_id": "x", "account": "1000000000000001", "region": "cn-hangzhou"}
        lease = journal.begin("r-20260101T000000Z-0001", plan, sim.url, "", [(INSTANCE, (), {})])
        text = person.apply()
        lease.release()

    assert text.code == 3
    assert "has not finished with i-web" in text.err
    assert changing(sim) == []


# --------------------------------------------------------------------------------------------------------- passwords


def test_a_password_is_needed_again(person: Person, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan with a password is saved without it, is refused without it, and sets the one that is given at apply."""
    monkeypatch.setenv("NEW_PASSWORD", PASSWORD)
    planned = person.plan("--password-env", "NEW_PASSWORD", "--verbose", disk=SYSTEM)
    asked = len(sim.state()["calls"])
    without = person.apply()
    asked_without = len(sim.state()["calls"])
    shown = person("show", str(person.file))
    with_it = person.apply("--password-env", "NEW_PASSWORD", "--verbose")
    text = person.file.read_text() + Path(os.environ["SAFE_REINIT_JOURNAL"]).read_bytes().decode("latin-1")

    assert planned.code == 0
    assert without.code == 2
    assert "give it again" in without.err
    assert asked_without == asked
    assert with_it.code == 0, with_it.err
    assert changing(sim) == ALL
    outputs = "".join(each.out + each.err for each in (planned, without, shown, with_it))
    assert_clean(outputs + text, PASSWORD)


def test_a_password_that_the_plan_has_not_is_refused(
    person: Person, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password is not slipped into a plan that was shown without one."""
    monkeypatch.setenv("NEW_PASSWORD", PASSWORD)
    person.plan(disk=SYSTEM)
    text = person.apply("--password-env", "NEW_PASSWORD")

    assert text.code == 2
    assert "sets no password" in text.err
    assert changing(sim) == []


def test_a_password_that_breaks_the_rule_is_refused_at_apply(
    person: Person, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule is held against the password that is given at apply, while the machine is still up."""
    monkeypatch.setenv("NEW_PASSWORD", PASSWORD)
    person.plan("--password-env", "NEW_PASSWORD", disk=SYSTEM)
    monkeypatch.setenv("NEW_PASSWORD", "planted")
    text = person.apply("--password-env", "NEW_PASSWORD")

    assert text.code == 3
    assert "password-malformed" in text.err
    assert "planted" not in text.out + text.err
    assert changing(sim) == []


def test_several_disks_are_saved_and_applied(person: Person, sim: Simulator) -> None:
    """A plan for several disks of a machine is confirmed by its digest like any other, and stops it once."""
    text = person(
        "plan", "--disk", DATA, "--disk", SYSTEM, "--stop-instance", "--save", str(person.file), "--output", "json"
    )
    applied = person.apply()

    assert text.code == 0
    assert applied.code == 0, applied.err
    assert changing(sim) == ["StopInstance", "ReInitDisk", "ReInitDisk", "StartInstance"]


def test_a_run_that_fails_names_how_to_go_on_with_it(person: Person, sim: Simulator) -> None:
    """After the first changing call the report is that of the run, with the run's own next commands."""
    person.plan()
    sim.do({"deny": {"action": "ecs:ReInitDisk"}})
    text = person.apply()

    assert text.code == 4
    assert text.document["plan"]["digest"] == person.content["digest"]
    assert text.document["next"][0].startswith(f"safe-reinit show {text.document['run_id']}")
    assert sim.state()["instances"][INSTANCE]["status"] == "Running"
