"""What is said to somebody new: what is wrong, why, and what to do now; and how it looks on a terminal."""

from __future__ import annotations

import re
import shlex

import pytest

from safe_reinit.cli.app import run
from safe_reinit.errors import TRY_IT
from safe_reinit.simulator import Simulator
from tests.conftest import CommandLine
from tests.terminals import Open

pytestmark = pytest.mark.usefixtures("own_home")


# --------------------------------------------------------------------------------------------------------- a first run


@pytest.mark.parametrize("where", [(), ("--region", "cn-hangzhou")], ids=["no-region", "no-credentials"])
def test_a_first_run_says_the_two_next_commands(command_line: CommandLine, where: tuple[str, ...]) -> None:
    """With no configuration, region or credentials it is 2, and one line says how to give them and how to try it."""
    ended = command_line("--disk", "d-bp1example", *where)

    assert ended.code == 2
    assert len(ended.sentences) == 1
    assert "aliyun configure" in ended.sentences[0]
    assert ended.sentences[0].endswith(TRY_IT)


def test_a_profile_without_credentials_is_named(command_line: CommandLine) -> None:
    """Who named a profile is told of that profile, and not of a chain that was not asked."""
    ended = command_line("--disk", "d-bp1example", "--region", "cn-hangzhou", "--profile", "ops")

    assert ended.code == 2
    assert "The aliyun CLI profile 'ops' gives no credentials" in ended.sentences[0]
    assert "aliyun configure --profile ops" in ended.sentences[0]
    assert "default chain" not in ended.sentences[0]


# ------------------------------------------------------------------------------------------------- a wrong command line


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("config", "safe-reinit config needs one of its commands"),
        ("config nothing", "See safe-reinit config --help."),
        ("config check c.yaml", "Name the file with --config c.yaml."),
        ("resume", "safe-reinit runs lists them. See safe-reinit resume --help."),
        ("apply", "plan --save creates one."),
        ("--dsk d-1", "No such option '--dsk'. Did you mean --disk? See safe-reinit --help."),
        ("runs --endpoint x", "The command runs does not take --endpoint, which is an option of a run, plan, apply"),
        ("checks --needs-me", "which is an option of runs. Leave it out. See safe-reinit checks --help."),
        ("pln", "No such command 'pln'. Did you mean plan?"),
        ("--disk d-1 --yes", "There is deliberately no --yes"),
        ("undo r-1 --force", "There is deliberately no --force"),
        ("d-bp1example", "d-bp1example is not a command. Name a disk with an option. Use --disk d-bp1example."),
        ("plan --disk d-1 --dry-run", "plan has no --dry-run. Leave it out: this command changes nothing. See"),
        ("resume r-1 --dry-run", "resume has no --dry-run. Instead: safe-reinit show RUN shows the run's state. See"),
        ("explain no-recent-snapshots", "Did you mean no-recent-snapshot?"),
        ("explain incorrectdiskstatus", "Did you mean IncorrectDiskStatus?"),
        ("explain zzz", "safe-reinit checks lists the checks."),
        ("--disk d-1 --region cn-x --accept never-startd", "Did you mean never-started?"),
        ("--disk d-1 --report none/x.json --region cn-x", "its folder does not exist, or you may not write to it"),
    ],
)
def test_a_misuse_says_what_to_do_now(capsys: pytest.CaptureFixture[str], line: str, says: str) -> None:
    """Each is 2, with one sentence that has the next step, and without a bracket or a dot too many."""
    code = run(line.split())
    err = capsys.readouterr().err
    sentence = next(each for each in err.splitlines() if each.startswith("safe-reinit: "))

    assert code == 2
    assert says in sentence
    assert not re.search(r"\.\.(?!\.)|\?\)|\?\.|\s\.", sentence), sentence


def test_a_group_without_a_command_shows_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Its commands are listed, under one heading."""
    run(["config"])
    err = capsys.readouterr().err

    assert re.search(r"Commands:\n  check .*\n  example .*\n  show ", err)


# --------------------------------------------------------------------------------------------------------- the terminal


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("colour", [{}, {"NO_COLOR": "1"}], ids=["colours", "no-color"])
def test_a_plan_is_laid_out_on_a_terminal(
    terminal: Open, simulator: Simulator, columns: int, colour: dict[str, str]
) -> None:
    """What is broken into lines stays under its beginning, a shell reads a broken command as one, NO_COLOR is kept."""
    argv = ("--disk", "d-sim-no-recent-snapshot", "--stop-instance", "--dry-run", "--reason", "a long reason " * 6)
    person = terminal(simulator, *argv, columns=columns, **colour)
    assert person.end() == 3
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", person.shown).splitlines()]
    plan = lines[lines.index(next(line for line in lines if line.startswith("Plan:"))) + 1 :]
    plan = plan[: next(place for place, line in enumerate(plan) if line.startswith("refused (exit code"))]

    assert all(line.startswith("  ") for line in plan if line)
    assert max(map(len, plan)) <= columns
    following = lines[next(place for place, line in enumerate(lines) if line.startswith("next: ")) :]
    rows = following[: next(place for place, line in enumerate(following) if not line.endswith("\\")) + 1]
    assert [len(line) <= columns for line in rows].count(False) <= 1, "only an argument that is longer stays whole"
    words = shlex.split(" ".join(row.removesuffix("\\") for row in rows))
    assert words[-3:] == ["--reason", "a long reason " * 6, "--snapshot"]
    assert bool(re.search(r"\x1b\[(\d+;)*3\d", person.shown)) == (not colour)
    assert not re.search(r"\x1b\[(\d+;)*4\d", person.shown), "the ground is the person's own"
