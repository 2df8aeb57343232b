"""The everyday case in one line, and the wrong target in none: guards and classes through the real command line."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.conftest import KEY, CommandLine, Ended, changing

pytestmark = pytest.mark.virtual_time

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "howto" / "target-rules.md").read_text("utf-8")
CONFIG = re.findall(r"```yaml\n(region:.*?)```", PAGE, re.S)[0]
"""The file of the everyday lines."""
LAB, STAGING, PROD = {"env": "lab"}, {"env": "staging"}, {"env": "prod"}
MACHINES: dict[str, dict[str, Any]] = {
    "lab1": {"status": "Stopped", "tags": LAB},
    "lab2": {"tags": LAB},
    "lab3": {"tags": LAB},
    "staging": {"tags": STAGING},
    "bare": {},
    "web-prod-1": {"tags": PROD},
    "kept": {"tags": {**LAB, "safe-reinit:protect": ""}},
}
WORLD: dict[str, Any] = {
    "durations": {"stop": 8, "wipe": 16, "start": 8, "snapshot": 8},
    "key_pairs": ["key"],
    "images": {"m-1": {}},
    "instances": {f"i-{name}": {"name": name, "key_pair": "key", **more} for name, more in MACHINES.items()},
    "disks": {
        **{f"d-{name}-sys": {"instance": f"i-{name}", "type": "system", "image": "m-1"} for name in MACHINES},
        **{f"d-{name}": {"instance": f"i-{name}", "snapshot": "s-source"} for name in MACHINES},
        **{f"d-many-{number}": {"instance": "i-lab1", "snapshot": "s-source"} for number in range(11)},
    },
    "snapshots": {
        "s-source": {"disk": "d-gone", "released": True, "created": "-40d"},
        **{f"s-{name}-sys": {"disk": f"d-{name}-sys"} for name in MACHINES if name != "lab1"},
        **{f"s-{name}": {"disk": f"d-{name}"} for name in MACHINES},
        **{f"s-many-{number}": {"disk": f"d-many-{number}"} for number in range(11)},
    },
}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start the world of the tests."""
    with virtual.simulate(world=WORLD) as started:
        yield started


@dataclass(frozen=True)
class Desk:
    """A person's machine: a home with a configuration, the credentials of a simulator, no terminal."""

    line: CommandLine
    sim: Simulator

    def __call__(self, *words: str, **env: str) -> Ended:
        """Run one line."""
        where = {"SAFE_REINIT_ENDPOINT": self.sim.url, "SAFE_REINIT_REGION": "cn-hangzhou"}
        return self.line(*words, env={**KEY, **where, **env})

    def write(self, text: str) -> None:
        """Write the configuration."""
        file = self.line.home / ".config" / "safe-reinit" / "config.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def wiped(self) -> list[str]:
        """List the disks that were wiped."""
        return sorted(name for name, disk in self.sim.state()["disks"].items() if disk["wipes"])

    def power(self, name: str) -> str:
        """Return whether a machine runs."""
        status: str = self.sim.state()["instances"][f"i-{name}"]["status"]
        return status


@pytest.fixture
def desk(command_line: CommandLine, sim: Simulator) -> Desk:
    """Return a desk with the configuration of the page."""
    made = Desk(command_line, sim)
    made.write(CONFIG)
    return made


def hours(*, now: bool) -> str:
    """Return a window that the present is in, or is far from."""
    begin = datetime.fromtimestamp(time.time(), UTC) + timedelta(hours=-2 if now else 6)
    return f"{begin:%H:00}-{begin + timedelta(hours=5):%H:00}"


# ------------------------------------------------------------------------------------------------------ in one line


def test_the_system_disk_of_a_stopped_lab_machine(desk: Desk) -> None:
    """One line wipes it, without any snapshot of it as its class accepts, and the machine stays as it was."""
    ended = desk("--disk", "d-lab1-sys", "--confirm", "d-lab1-sys")

    assert ended.code == 0, ended.err
    assert (desk.wiped(), desk.power("lab1")) == (["d-lab1-sys"], "Stopped")
    assert "class lab: stop_instance, accept no-login-set, accept no-recent-snapshot" in ended.err


def test_the_data_disk_of_a_running_staging_machine(desk: Desk) -> None:
    """One line stops the machine, takes a snapshot, wipes the disk and starts the machine, as its class says."""
    ended = desk("--disk", "d-staging", "--confirm", "d-staging")

    assert ended.code == 0, ended.err
    assert (desk.wiped(), desk.power("staging")) == (["d-staging"], "Running")
    assert changing(desk.sim) == ["StopInstance", "CreateSnapshot", "ReInitDisk", "StartInstance"]
    assert "class staging: stop_instance, snapshot" in ended.err


def test_the_nightly_reset_by_class(desk: Desk) -> None:
    """One line of cron, with the class as consent and no terminal, resets several machines."""
    ended = desk("--disk", "d-lab2", "--disk", "d-lab3", "--confirm", "lab")

    assert ended.code == 0, ended.err
    assert desk.wiped() == ["d-lab2", "d-lab3"]
    assert (desk.power("lab2"), desk.power("lab3")) == ("Running", "Running")


def test_a_staging_machine_on_a_rehearsal(desk: Desk) -> None:
    """A rehearsal needs no more flags than the run, and only looks at the machine."""
    ended = desk("rehearse", "--disk", "d-staging", "--output", "json")

    assert ended.code == 0, ended.err
    assert ended.document["plan"]["class"]["name"] == "staging"
    assert changing(desk.sim) == []


# ---------------------------------------------------------------------------------------- the class and its consent


def test_the_class_its_hash_and_the_caller_are_in_plan_journal_and_report(desk: Desk) -> None:
    """Whoever reads the report, the Markdown or the journal later sees which class allowed what, in which text."""
    ended = desk("--disk", "d-lab2", "--confirm", "lab", "--output", "json", "--report", "r.md")
    used = ended.document["plan"]["class"]
    with open_to_write(desk.line.home / "journal.db") as journal:
        stored = journal.run(ended.document["run_id"])
    assert stored is not None
    assert stored.report is not None
    result = (desk.line.home / "r.md").read_text("utf-8")
    desk("plan", "--disk", "d-lab2", "--report", "r.html")
    page = (desk.line.home / "r.html").read_text("utf-8")

    assert (used["name"], used["allowed"]) == (
        "lab", ["stop_instance", "accept no-login-set", "accept no-recent-snapshot", "max_disks 60"]
    )  # fmt: skip
    assert re.fullmatch("[0-9a-f]{64}", used["sha256"])
    assert stored.report["plan"]["class"] == used
    assert stored.plan["guard"]["class"]["sha256"] == used["sha256"]
    assert stored.plan["caller"]["arn"] == ended.document["caller"]["arn"] != ""
    assert "lab: stop" in result
    assert used["sha256"] in result
    assert used["sha256"] in page


def test_what_a_class_allows_is_an_option_in_force(desk: Desk) -> None:
    """The fingerprint is that of the same run with its options given by hand: the options in force are in it."""
    by_class = desk("plan", "--disk", "d-staging", "--output", "json").document
    desk.write("")
    by_hand = desk("plan", "--disk", "d-staging", "--stop-instance", "--snapshot", "--output", "json").document

    assert by_class["plan"]["class"]["allowed"] == ["stop_instance", "snapshot"]
    assert by_hand["plan"]["class"] is None
    assert by_class["plan"]["fingerprint"] == by_hand["plan"]["fingerprint"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--disk", "d-staging", "--confirm", "staging"), "not unattended"),
        (("--disk", "d-staging", "--confirm", "lab"), "'lab' does not confirm"),
        (("--disk", "d-lab1", "--confirm", "labs"), "'labs' does not confirm"),
        (("--disk", "d-lab1", "--confirm", "la"), "'la' does not confirm"),
        (("--disk", "d-bare", "--stop-instance", "--confirm", "lab"), "'lab' does not confirm"),
        (("--disk", "d-lab2", "--disk", "d-staging", "--stop-instance", "--confirm", "lab"), "Not every disk"),
        (("--disk", "d-lab2", "--disk", "d-bare", "--stop-instance", "--confirm", "lab"), "Not every disk"),
        (("--disk", "d-staging"), "no --confirm"),
    ],
)
def test_the_name_of_a_class_that_is_no_consent(desk: Desk, words: tuple[str, ...], text: str) -> None:
    """A class consents only by its whole name, where it is unattended and every disk of the run is in it."""
    ended = desk(*words)

    assert (ended.code, changing(desk.sim)) == (3, [])
    assert text in ended.err


def test_disks_of_two_classes_get_nothing_of_either(desk: Desk) -> None:
    """Although each class allows the stop of its own machine, the two together are refused, and it is said why."""
    ended = desk("--disk", "d-lab2", "--disk", "d-staging", "--confirm", "lab")

    assert (ended.code, changing(desk.sim)) == (3, [])
    assert "instance-running" in ended.sentences[-1]
    assert "not all in one class" in ended.sentences[-1]


def test_outside_its_hours_a_class_allows_nothing_and_says_when_it_does(desk: Desk) -> None:
    """Neither the stop nor the consent comes from a class whose hours are over; what is given by hand goes on."""
    window = hours(now=False)
    desk.write(CONFIG.replace('# hours: "01:00-05:00 +08:00"', f'hours: "{window}"'))
    by_class = desk("--disk", "d-lab2", "--confirm", "lab")
    by_name = desk("--disk", "d-lab1", "--confirm", "lab")
    by_hand = desk("plan", "--disk", "d-lab2", "--stop-instance")

    assert (by_class.code, by_name.code, by_hand.code) == (3, 3, 0)
    assert changing(desk.sim) == []
    assert f"{window} UTC" in by_class.sentences[-1]
    assert f"{window} UTC" in by_name.sentences[-1]
    assert f"{window} UTC" in by_hand.out


def test_within_its_hours_a_class_allows_what_it_says(desk: Desk) -> None:
    """In the window the line is enough."""
    desk.write(CONFIG.replace('# hours: "01:00-05:00 +08:00"', f'hours: "{hours(now=True)}"'))

    assert desk("--disk", "d-lab1", "--confirm", "lab").code == 0
    assert desk.wiped() == ["d-lab1"]


def test_a_tag_is_read_when_it_matters(desk: Desk) -> None:
    """A class is matched on what ECS shows now: without the tag nothing comes from it."""
    desk.sim.do({"change": "i-staging", "to": {"tags": {}}})
    ended = desk("--disk", "d-staging", "--confirm", "d-staging")

    assert (ended.code, changing(desk.sim)) == (3, [])
    assert "instance-running" in ended.err


def test_a_class_accepts_a_risk_by_its_name(desk: Desk) -> None:
    """A risk that the class accepts is told as accepted and needs no flag; without the class it refuses."""
    desk.sim.do({"change": "i-bare", "to": {"tags": {"ack.aliyun.com": "c-1", "env": "test"}}})
    desk.sim.do({"stop": "i-bare"})
    refused = desk("plan", "--disk", "d-bare")
    desk.write("classes: {test: {match: {tags: {env: test}}, accept: [in-kubernetes]}}\n")
    allowed = desk("plan", "--disk", "d-bare")

    assert (refused.code, allowed.code) == (3, 0)
    assert "class test: accept in-kubernetes" in allowed.out
    assert "risk, accepted: in-kubernetes" in allowed.out


@pytest.mark.parametrize("key", ["accept: [never-started]", "stop_instance: true"])
def test_consent_in_the_file_stands_in_a_class_only(desk: Desk, key: str) -> None:
    """At its top level the file accepts nothing and stops nothing: it is refused as a whole."""
    desk.write(f"{CONFIG}\n{key}\n")
    ended = desk("--disk", "d-lab1", "--confirm", "lab")

    assert (ended.code, desk.sim.state()["calls"]) == (2, [])
    assert f"{key.partition(':')[0]} is not a setting" in ended.err


def test_a_saved_plan_is_applied_by_its_class(desk: Desk) -> None:
    """The unattended class of a saved plan is consent to it too; the name of another class, or of none, is not."""
    desk("plan", "--disk", "d-lab1", "--save", "p.json")
    wrong = desk("apply", "p.json", "--confirm", "staging")
    right = desk("apply", "p.json", "--confirm", "lab", "--output", "json")

    assert (wrong.code, right.code) == (3, 0), right.err
    assert right.document["plan"]["class"]["name"] == "lab"
    assert desk.wiped() == ["d-lab1"]


def without(line: str) -> str:
    """Return the configuration without a line of it."""
    assert line in CONFIG
    return CONFIG.replace(line, "")


@pytest.mark.parametrize(
    ("now", "do", "text"),
    [
        (without("    unattended: true"), {}, "The class lab in the configuration has changed"),
        ("", {}, "allow or protect rules"),
        (CONFIG.replace("live]", "live, db]"), {}, "allow or protect rules"),
        (CONFIG, {"change": "i-lab1", "to": {"tags": {}}}, "not-in-class"),
        (CONFIG, {"change": "d-lab1", "to": {"tags": {"safe-reinit:protect": ""}}}, "target-protected"),
    ],
)
def test_a_saved_plan_is_applied_under_what_it_was_made_under(
    desk: Desk, now: str, do: dict[str, Any], text: str
) -> None:
    """Where the guards or the class are others by then, or the disk is no longer one of them, it is stale."""
    saved = desk("plan", "--disk", "d-lab1", "--save", "p.json", "--output", "json")
    desk.write(now)
    if do:
        desk.sim.do(do)
    refused = desk("apply", "p.json", "--confirm", saved.document["plan"]["digest"])

    assert (refused.code, changing(desk.sim)) == (3, [])
    assert text in refused.sentences[-1]


def test_the_policy_of_a_run_has_what_its_class_allows(desk: Desk) -> None:
    """The rights that are printed for a disk are those that the run needs with what came from its class."""
    printed = desk("policy", "--disk", "d-staging")

    assert printed.code == 0, printed.err
    assert {"ecs:StopInstance", "ecs:CreateSnapshot"} <= set(re.findall(r"ecs:\w+", printed.out))


# ----------------------------------------------------------------------------------------------------------- guards

FLAGS = (
    (), ("--stop-instance",), ("--accept", "target-protected"), ("--accept", "target-not-allowed"),
    ("--max-disks", "99"), ("--reason", "I know"), ("--leave-stopped",), ("--on-unknown", "retry"),
    ("--force-stop-after", "5m"), ("--expect-instance", "i-kept"), ("--quiet",), ("--confirm", "lab"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("disk", "flag"),
    [*(("d-kept", flag) for flag in FLAGS), ("d-web-prod-1", ()), ("d-web-prod-1-sys", ("--max-disks", "99"))],
)
def test_no_flag_leads_around_a_guard(desk: Desk, disk: str, flag: tuple[str, ...]) -> None:
    """What is called prod, and what has the tag, is refused by default, with every option that there is."""
    desk.write("")
    more = () if "--confirm" in flag else ("--confirm", disk)
    ended = desk("--disk", disk, "--stop-instance", *more, *flag)

    assert (ended.code, changing(desk.sim)) == (3, [])
    assert ("is a block" if "--accept" in flag else "target-protected") in ended.err


@pytest.mark.parametrize("variable", ["PROTECT", "ALLOW", "CLASSES", "ACCEPT", "PROTECT_TAG"])
def test_no_variable_leads_around_a_guard(desk: Desk, variable: str) -> None:
    """The environment has no say in what is protected."""
    value = "target-protected" if variable == "ACCEPT" else "{}"
    ended = desk("--disk", "d-kept", "--confirm", "d-kept", "--stop-instance", **{f"SAFE_REINIT_{variable}": value})

    assert (ended.code, changing(desk.sim)) == (3, [])
    assert "target-protected" in ended.err


def test_a_class_does_not_allow_what_is_protected(desk: Desk) -> None:
    """A protected machine of the lab is protected from the nightly reset too."""
    ended = desk("--disk", "d-lab1", "--disk", "d-kept", "--confirm", "lab")

    assert (ended.code, changing(desk.sim)) == (3, [])
    assert "target-protected: i-kept" in ended.sentences[-1]


@pytest.mark.parametrize(
    ("allow", "text"),
    [
        ("accounts: ['2000000000000002']", "account 1000000000000001"),
        ("regions: [cn-beijing]", "region cn-hangzhou"),
        ("instances: [i-lab1]", "i-lab2"),
        ("disks: ['d-lab2-*']", "d-lab2"),
        ("names: [lab1]", "lab2"),
        ("tags: {env: 'l', team: x}", "i-lab2"),
    ],
)
def test_what_is_not_allowed_is_refused(desk: Desk, allow: str, text: str) -> None:
    """Each list refuses by itself, whatever is confirmed, and says what was not allowed."""
    desk.write(CONFIG.replace(CONFIG.partition("protect:")[0], f"allow: {{{allow}}}\n"))
    ended = desk("--disk", "d-lab2", "--confirm", "lab")

    assert (ended.code, changing(desk.sim)) == (3, [])
    assert "target-not-allowed" in ended.sentences[-1]
    assert text in ended.sentences[-1]


def test_a_guard_is_changed_in_the_file_alone(desk: Desk) -> None:
    """Whoever means it changes the configuration: then, and only then, what is called prod may be wiped."""
    desk.write("protect: {terms: []}\n")
    named = desk("plan", "--disk", "d-web-prod-1", "--stop-instance")
    tagged = desk("plan", "--disk", "d-kept", "--stop-instance")

    assert (named.code, tagged.code) == (0, 3)


MANY = tuple(word for number in range(11) for word in ("--disk", f"d-many-{number}"))


def test_a_run_of_too_many_disks_is_refused_whole(desk: Desk) -> None:
    """Eleven disks by hand are refused and none is left out; the number, said by hand or by a class, allows them."""
    desk.write("")
    refused = desk("plan", *MANY, "--output", "json")
    text = desk("plan", *MANY, "--max-disks", "11")
    fewer = desk("plan", *MANY[:4], "--max-disks", "1")
    in_env = desk("plan", *MANY, SAFE_REINIT_MAX_DISKS="11")
    desk.write(CONFIG)
    by_class = desk("plan", *MANY)
    less = desk("plan", *MANY, "--max-disks", "10")

    assert [each.code for each in (refused, text, fewer, in_env, by_class, less)] == [3, 0, 3, 0, 0, 3]
    assert [found["check"] for found in refused.document["findings"] if found["level"] == "block"] == ["too-many-disks"]
    assert sum(len(job["disks"]) for job in refused.document["jobs"]) == 11
    assert "If you mean all 11 disks, add --max-disks 11." in refused.err


def test_a_class_keeps_its_own_number(desk: Desk) -> None:
    """The number of a class is not widened by an option: it is what its name consents to."""
    desk.write(CONFIG.replace("max_disks: 60", "max_disks: 1"))
    ended = desk("--disk", "d-lab1", "--disk", "d-lab1-sys", "--max-disks", "99", "--confirm", "lab")

    assert (ended.code, changing(desk.sim)) == (3, [])
    assert "max_disks of the class lab" in ended.sentences[-1]
