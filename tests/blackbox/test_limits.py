"""What a configuration limits stays limited, and what is read has a size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from safe_reinit import connect
from safe_reinit.cli.app import run
from safe_reinit.errors import RunRefused
from tests.cli.test_planfile import at
from tests.cloudlike import DATA, SYSTEM, simulated
from tests.conftest import Ended

RunWith = Callable[..., Ended]
LIMITS = ("max_disks", "max_parallel", "stop_after_failures")


@pytest.fixture
def run_with(capsys: pytest.CaptureFixture[str], own_home: Path) -> RunWith:
    """Return what runs a command with a configuration of this text."""

    def command(text: str, *words: str) -> Ended:
        (own_home / "c.yaml").write_text(text)
        capsys.readouterr()
        return Ended(run([*words, "--config", str(own_home / "c.yaml")]), *capsys.readouterr())

    return command


def counts(ended: Ended, name: str) -> tuple[object, str]:
    """Return the value that counts, and where it comes from."""
    assert ended.code == 0, ended.err
    found = next(each for each in ended.document["values"] if each["path"] == name)
    return found["value"], found["location"]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("given", [1, 3, 9])
def test_a_variable_narrows_what_the_file_limits_and_never_widens_it(
    run_with: RunWith, monkeypatch: pytest.MonkeyPatch, name: str, given: int
) -> None:
    """The smaller one counts, and config show says which it is and which it outranks."""
    variable = f"SAFE_REINIT_{name.upper()}"
    monkeypatch.setenv(variable, str(given))
    value, where = counts(run_with(f"{name}: 3\n", "config", "show", "--output", "json"), name)

    assert value == min(given, 3)
    assert variable in where
    assert ("c.yaml" in where) == (given > 3)


@pytest.mark.parametrize("name", LIMITS)
def test_the_file_may_allow_it(run_with: RunWith, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A limit that may_be_raised names is raised by a variable, and the others are not."""
    for each in LIMITS:
        monkeypatch.setenv(f"SAFE_REINIT_{each.upper()}", "9")
    text = "".join(f"{each}: 3\n" for each in LIMITS) + f"may_be_raised: [{name}]\n"
    message = run_with(text, "config", "show", "--output", "json")

    assert {each: counts(message, each)[0] for each in LIMITS} == {each: 9 if each == name else 3 for each in LIMITS}


@pytest.mark.parametrize("of_file", ["2h", "2100-01-01T00:00:00Z"])
@pytest.mark.parametrize(
    ("given", "wider"), [("1m", False), ("9h", True), ("2000-01-01T00:00:00Z", False), ("2200-01-01T00:00:00Z", True)]
)
def test_a_deadline_of_the_file_is_not_put_off(
    run_with: RunWith, monkeypatch: pytest.MonkeyPatch, of_file: str, given: str, *, wider: bool
) -> None:
    """The earlier one counts, whether it is a time or a duration; the file may allow a later one."""
    wider = wider and not (given == "9h" and of_file.startswith("2100"))
    monkeypatch.setenv("SAFE_REINIT_DEADLINE", given)
    text = f"deadline: {of_file!r}\n"
    _, where = counts(run_with(text, "config", "show", "--output", "json"), "deadline")
    _, raised = counts(run_with(f"{text}may_be_raised: [deadline]\n", "config", "show", "--output", "json"), "deadline")

    assert ("c.yaml" in where) == wider
    assert "c.yaml" not in raised


@pytest.mark.parametrize("value", ["max_disks", "[timeout_stop]", "[1]", "[[max_disks]]"])
def test_only_limits_may_be_raised(run_with: RunWith, value: str) -> None:
    """Anything else in that list is a problem of the file."""
    text = run_with(f"may_be_raised: {value}\n", "config", "check")

    assert text.code == 2
    assert "may_be_raised" in text.err


def test_a_run_keeps_to_the_limit_of_the_file(run_with: RunWith, monkeypatch: pytest.MonkeyPatch) -> None:
    """More disks than the file limits are refused, whatever the option and the variable say."""
    words = ("--disk", DATA, "--disk", SYSTEM, "--stop-instance", "--dry-run")
    with simulated() as sim:
        at(monkeypatch, sim)
        monkeypatch.setenv("SAFE_REINIT_MAX_DISKS", "9")
        by_variable = run_with("max_disks: 1\n", *words)
        by_option = run_with("max_disks: 1\n", *words, "--max-disks", "9")
        raised = run_with("max_disks: 1\nmay_be_raised: [max_disks]\n", *words)

    assert (by_variable.code, by_option.code, raised.code) == (3, 3, 0)
    assert "too-many-disks" in by_variable.err


def test_an_argument_and_a_saved_plan_keep_to_it_too(
    run_with: RunWith, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program cannot raise it for one plan, nor can a plan file that was made under another configuration."""
    file = tmp_path / "plan.json"
    with simulated() as sim:
        at(monkeypatch, sim)
        plan = ("plan", "--disk", DATA, "--disk", SYSTEM, "--stop-instance", "--save", str(file), "--output", "json")
        made = run_with("max_disks: 5\n", *plan)
        text = run_with("max_disks: 1\n", "apply", str(file), "--confirm", made.document["plan"]["digest"])
        client = connect(
            region="cn-hangzhou", endpoint=sim.url, credentials=sim.access_key, config=str(tmp_path / "c.yaml")
        )
        result = client.plan([DATA, SYSTEM], stop_instance=True, max_disks=9)
        with pytest.raises(RunRefused):
            client.run(result, confirm=result.confirm_with)

        assert made.code == 0, made.err
        assert text.code == 3, text.err
        assert "max_disks" in text.err
        assert [each.check for each in result.blockers] == ["too-many-disks"]
        assert all(not disk["wipes"] for disk in sim.state()["disks"].values())


@pytest.mark.parametrize("option", ["--world", "--faults", "--disks-from"])
def test_a_file_of_any_size_is_not_read(run_with: RunWith, tmp_path: Path, option: str) -> None:
    """200 MB for a world, faults or a list of disks end 2 and say that it is the size."""
    file = tmp_path / "large.yaml"
    with file.open("wb") as stream:
        stream.truncate(200 << 20)
    words = ("--simulate", option, str(file), *(() if option == "--disks-from" else ("--disk", DATA)), "--dry-run")
    text = run_with("", *words)

    assert text.code == 2
    assert "larger than" in text.err


def test_a_plan_and_a_report_of_one_name_are_refused(run_with: RunWith, tmp_path: Path) -> None:
    """Neither is written, however the name is spelled, and no plan is ever written over."""
    (tmp_path / "other").mkdir()
    name, spelled = tmp_path / "p.json", f"{tmp_path}/other/../p.json"
    text = run_with("", "plan", "--simulate", "--disk", "d-sim-web1-data", "--save", str(name), "--report", spelled)
    assert text.code == 2
    assert not name.exists()

    plan = ("plan", "--simulate", "--disk", "d-sim-web1-data", "--stop-instance", "--save", str(name))
    assert run_with("", *plan).code == 0
    before = name.read_bytes()

    assert run_with("", *plan).code == 2
    assert run_with("", "plan", "--simulate", "--disk", "d-sim-web1-data", "--report", str(name)).code == 2
    assert name.read_bytes() == before
