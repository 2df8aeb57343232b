"""What README, docs, help and example say is true: each is held against the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click

import safe_reinit
from safe_reinit import config
from safe_reinit.checks import CHECKS, by_name
from safe_reinit.cli.app import app
from safe_reinit.errors import BY_OUTCOME, exit_code
from safe_reinit.model import error_codes
from safe_reinit.planning.planner import calls_of
from safe_reinit.plans.ram_policy import needed_permissions
from safe_reinit.simulator import Simulator
from tests import blocks

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_exit_codes_of_the_readme_are_those_of_the_classes() -> None:
    """README's table of exit codes equals the error classes, word for word."""
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in README.splitlines()
        if re.match(r"\| \d ", line)
    ]
    classes = {(str(cls.exit_code), cls.outcome, cls.data, cls.meaning) for cls in BY_OUTCOME.values()}

    assert set(rows[1:]) == classes
    assert rows[0][:2] == ("0", "done / planned")
    assert exit_code("done") == exit_code("planned") == 0
    assert all(exit_code(outcome) == cls.exit_code for outcome, cls in BY_OUTCOME.items())


def test_every_documented_code_is_foreseen_or_says_why_not() -> None:
    """Each ReInitDisk error code names checks that exist and foresee it, or the reason why none can."""
    for row in error_codes.REINIT_DISK:
        found = [by_name(name) for name in row.checks]

        assert all(check is not None and row.code in check.predicts for check in found), row.code
        assert found or row.unforeseen, row.code


def test_the_example_configuration_loads_with_every_line_uncommented(tmp_path: Path) -> None:
    """Every setting of the example is a valid one, and the example has them all."""
    lines = (ROOT / "config.example.yaml").read_text("utf-8").splitlines()
    settings = [line[2:] for line in lines if re.match(r"# [a-z_]+: ", line)]
    file = tmp_path / "config.yaml"
    file.write_text("\n".join(settings), "utf-8")

    config.resolve({}, {}, str(file))

    assert [line.partition(":")[0] for line in settings] == [each.name for each in config.SETTINGS]


def test_the_example_configuration_changes_nothing_as_it_stands() -> None:
    """The example loads as it is and leaves every default."""
    resolved = config.resolve({}, {}, str(ROOT / "config.example.yaml"))

    assert {resolved.of(setting).source for setting in config.SETTINGS} == {"default"}


def test_the_options_that_the_readme_names_exist() -> None:
    """README names no option or command that the command line does not have."""
    known = {option for command in (app, *app.commands.values()) for each in command.params for option in each.opts}
    known |= {"--help"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", re.sub(r"pip install[^\n]*", "", README)))

    assert named <= known
    assert set(re.findall(r"[`$/] ?safe-reinit ([a-z]+)\b", README)) <= set(app.commands)


def test_every_option_has_help() -> None:
    """Each option of each command says what it is for."""
    for command in (app, *app.commands.values()):
        for option in command.params:
            assert getattr(option, "help", None) or option.param_type_name == "argument", (command.name, option.name)


def test_the_readme_has_two_commands_that_set_everything_up() -> None:
    """The first block runs the main job on the simulator, the second installs the test extra and runs the tests."""
    shell = re.findall(r"```sh\n(.*?)```", README, re.S)

    assert len(shell) == 2
    assert "pip install" in shell[0]
    assert "--simulate --disk d-sim-web1-data" in shell[0]
    assert ".[test]" in shell[1]
    assert "pytest" in shell[1]


def test_the_readme_is_short() -> None:
    """README has what a first reader needs, and links to pages for the rest."""
    assert len(README.splitlines()) <= 150


def test_the_dry_run_of_the_readme_says_what_it_promises() -> None:
    """The disk that README shows as refused is refused with its reason."""
    command = re.search(r"\$ \.venv/bin/safe-reinit (--simulate[^\n]*)", README)
    assert command

    done = subprocess.run(
        [sys.executable, "-m", "safe_reinit", *command[1].split()], capture_output=True, text=True, check=False
    )

    assert done.returncode == 3
    assert "source-snapshot-deleted" in done.stderr


def test_the_policy_that_is_printed_has_every_read() -> None:
    """The policy of a run grants each look that the simulator's record of its dry run shows, and names its product."""
    granted: set[str] = set()
    with Simulator(speed=1) as simulator:
        for disk_id in (
            "d-sim-web1-sys",
            "d-sim-web1-data",
            "d-sim-encryption-key-unusable",
            "d-sim-auto-snapshot-due",
        ):
            caller = safe_reinit.connect(
                region=simulator.region, endpoint=simulator.url, credentials=simulator.access_key
            )
            plan = caller.plan([disk_id], stop_instance=True, key_pair="sim-key" if disk_id.endswith("sys") else None)
            granted |= {right.action for right in needed_permissions(plan, calls_of(plan))}
        asked = {call["action"] for call in simulator.state()["calls"]} - {"GetCallerIdentity"}

    assert asked <= {action.partition(":")[2] for action in granted}
    assert {action.partition(":")[0] for action in granted} == {"ecs", "ess", "ebs", "kms"}


def test_the_runbook_asks_action_trail_for_what_a_report_names() -> None:
    """The query of docs/howto/runbook.md asks for the call whose outcome is unknown, and it sends no other call."""
    (block,) = (block for block in blocks.blocks(ROOT / "docs/howto/runbook.md") if "by" in block.words)
    words = shlex.split(block.commands[0][0])
    query = dict(zip(words[3::2], words[4::2], strict=True))

    assert words[:3] == ["aliyun", "actiontrail", "LookupEvents"]
    assert (query["--LookupAttribute.1.Key"], query["--LookupAttribute.1.Value"]) == ("EventName", "ReInitDisk")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", query["--StartTime"])


def headings(path: str, level: int = 3) -> list[str]:
    """List the headings of a page of one level."""
    return re.findall(rf"^{'#' * level} (.+)$", (ROOT / path).read_text("utf-8"), re.M)


def test_the_reference_has_everything() -> None:
    """The reference has each setting, public name, exit code, error code and check, in the order of the code."""
    assert headings("docs/reference/configuration.md") == [each.name for each in config.SETTINGS]
    names = [heading.strip("`") for heading in headings("docs/reference/library.md", 2)]
    assert sorted(names) == sorted(safe_reinit.__all__) == dir(safe_reinit)
    assert headings("docs/errors.md") == [row.code for row in error_codes.TABLE]
    assert headings("docs/checks.md", 2) == [check.name for check in CHECKS]
    rows = re.findall(r"^\| (\d) \| ([a-z-]+)", (ROOT / "docs/reference/exit-codes.md").read_text("utf-8"), re.M)
    assert {(int(code), outcome) for code, outcome in rows[1:]} == {
        (cls.exit_code, name) for name, cls in BY_OUTCOME.items()
    }


def test_a_signature_has_the_name_of_its_heading() -> None:
    """In the reference of the library, what stands under the name of a function is a call of that function."""
    page = (ROOT / "docs/reference/library.md").read_text("utf-8")
    result = re.findall(r"^(?:#+ |\*\*)`?([\w.]+)`?(?:\*\*)?\n\n`([*\w]+)\(", page, re.M)

    assert len(result) > 10
    assert [(name, shown) for name, shown in result if name.rpartition(".")[2] != shown] == []


def test_the_reference_says_truly_which_options_a_command_takes() -> None:
    """For each command the options that its section names, or those of a run but for some, are those that it has."""
    page = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    run = {option for each in app.params for option in each.opts} - {"--version", "-V"}

    for name, command in app.commands.items():
        if isinstance(command, click.Group) or name == "simulator":
            continue
        section = page.partition(f"\n### safe-reinit {name}\n")[2].partition("\n#")[0]
        own = set(re.findall(r"^\| .*?(--[a-z-]+)", section, re.M))
        more, those, less = section.partition("Options: ")[2].partition("those of [`safe-reinit`]")
        result = own | set(re.findall(r"`(--[a-z-]+)`", more))
        result |= run - set(re.findall(r"`(--[a-z-]+)`", less)) if those else set()

        taken = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
        assert result == {each.opts[0] for each in taken}, name
