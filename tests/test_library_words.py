"""What a program reads: no sentence of the library names an option of the command line."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import safe_reinit
from safe_reinit.client import Client
from safe_reinit.config.wording import as_arguments
from safe_reinit.errors import BY_OUTCOME, Error
from safe_reinit.model.error_codes import TABLE
from tests import virtual
from tests.cloudlike import DATA, client, lab_world, run_plan, simulated

pytestmark = pytest.mark.virtual_time


def texts(value: Any) -> list[str]:
    """Return every sentence that a report, a plan or an error has for people."""
    if isinstance(value, Error):
        return [str(value), value.hint, *(texts(value.report) if value.report else ())]
    errors = [each.error for each in (value, *value.jobs) if getattr(each, "error", None)]
    found = [text for finding in value.findings for text in (finding.message, finding.fix)]
    return found + [text for error in errors for text in (error.message, error.hint or "")]


def options(value: Any) -> list[str]:
    """Return those of its sentences that name an option."""
    return [text for text in texts(value) if "--" in text]


@pytest.mark.parametrize(
    ("sentence", "read"),
    [
        ("Add --snapshot.", "Add snapshot=True."),
        ("Accept it with --accept no-recent-snapshot.", 'Accept it with accept=["no-recent-snapshot"].'),
        ("Check --region and --endpoint.", "Check region= and endpoint=."),
        ("Then check again with --dry-run.", "Then check again with client.plan."),
        ("Use --password-env, --password-stdin or --password-prompt.", "Use password=."),
        ("Set a password (--password-env or --password-stdin).", "Set a password (password=)."),
        ("2 failed (--stop-after-failures 2)", "2 failed (stop_after_failures=2)"),
        ("So --verdict intact does not apply; --verdict does.", 'So verdict="intact" does not apply; verdict= does.'),
        ("Name the disks with --disk.", "Name the disks with disk_ids=."),
        ("Run aliyun configure --profile ops.", "Run aliyun configure for the profile ops."),
        ("It is for the built-in simulator (--simulate).", "It is for the built-in simulator (--simulate)."),
        ("Nothing -- at all.", "Nothing -- at all."),
    ],
)  # fmt: skip
def test_an_option_becomes_its_argument(sentence: str, read: str) -> None:
    """A sentence with options is read with the arguments that stand for them, and stays one."""
    assert as_arguments(sentence) == read


def test_no_hint_keeps_an_option() -> None:
    """The hint of each exception, and of each ECS error code, is one for programs, too."""
    hints = [each.hint for each in BY_OUTCOME.values()] + [each.fix for each in TABLE]

    assert [hint for hint in hints if " --" in as_arguments(hint)] == []


def test_every_public_method_speaks_to_its_maker() -> None:
    """No public method of a client returns or raises a sentence as the command line has it."""
    methods = {name: each for name, each in vars(Client).items() if isinstance(each, FunctionType) and name[0] != "_"}

    assert {"plan", "run", "resume", "stored"} <= set(methods)
    assert [name for name, method in methods.items() if not hasattr(method, "__wrapped__")] == []


def test_no_finding_names_an_option() -> None:
    """Of every disk of the default world, which has one for each check, a program reads of arguments alone."""
    with virtual.simulate() as sim:
        disks = list(sim.state()["disks"])
        plan = client(sim).plan(disks, max_disks=len(disks), key_pair="none", password="none", expect_instance="i-0")

    assert len({finding.check for finding in plan.findings}) > 30
    assert options(plan) == []
    assert any("accept=[" in text for text in texts(plan))


def test_the_command_line_reads_of_options() -> None:
    """The same plan of a client that a command made names options."""
    with simulated() as sim:
        plan = client(sim, having={}).plan([DATA])

    assert any("--stop-instance" in text for text in options(plan))


@pytest.mark.parametrize("fails", ["StopInstance", "ReInitDisk", "StartInstance", ""])
def test_no_run_that_goes_wrong_names_an_option(fails: str) -> None:
    """Neither the exception of a run, nor its report, nor its events name an option."""
    fault = {"action": fails, "nth": "every", "error": {"code": "InvalidRegionId.NotFound"}}
    with simulated(lab_world(instance={"ignores_stop": not fails}), [fault] if fails else []) as sim:
        done = run_plan(sim, limits={"stop": 60.0, "start": 60.0})

    assert done.error is not None
    assert options(done.error) + options(done.report) == []
    assert [event for event in done.events if re.search(r"(?<!\w)--\w", str(event.data))] == []


def test_no_refusal_names_an_option() -> None:
    """What is refused before anything is sent names no option either."""
    with simulated() as sim:
        ours = client(sim)
        plan = ours.plan([DATA])
        refused: list[Error] = []
        for wrong in (
            lambda: ours.run(plan, confirm=DATA),
            lambda: ours.stored("r-20260102T030405Z-4f2a"),
            lambda: ours.resume("r-20260102T030405Z-4f2a", verdict="intact"),
            lambda: safe_reinit.Plan.load("/nowhere"),
            safe_reinit.connect,
            lambda: safe_reinit.connect(region="cn-hangzhou", endpoint="a/b"),
            lambda: safe_reinit.connect(region="cn-hangzhou", config="/nowhere"),
            lambda: safe_reinit.connect(region="cn-hangzhou", ca_bundle="/nowhere"),
            lambda: safe_reinit.connect(region="cn-hangzhou", profile="nobody").plan([DATA]),
            lambda: safe_reinit.connect(region="cn-hangzhou", journal="mysql://nowhere").runs(),
        ):
            with pytest.raises(Error) as caught:
                wrong()
            refused.append(caught.value)

    assert [options(error) for error in refused if options(error)] == []


def test_what_a_program_stores_names_options(tmp_path: Path) -> None:
    """A file and the journal have what the command line says, and whoever reads them reads it in their own words."""
    with simulated(lab_world(instance={"ignores_stop": True})) as sim:
        ours, journal = client(sim, journal=tmp_path / "j.db"), {"journal": str(tmp_path / "j.db")}
        plan = ours.plan([DATA], stop_instance=True)
        plan.save(tmp_path / "p.json")
        refused = ours.plan([DATA])
        refused.save(tmp_path / "refused.json")
        run_id = ours.new_run_id()
        with pytest.raises(Error):
            ours.run(plan, confirm=DATA, run_id=run_id)
        of_program, of_command = ours.stored(run_id), client(sim, having=journal).stored(run_id)

    found = json.loads((tmp_path / "refused.json").read_text("utf-8"))["findings"]
    assert [each["fix"] for each in found if "--stop-instance" in each["fix"]] != []
    assert options(safe_reinit.Plan.load(tmp_path / "refused.json")) == options(refused) == []
    assert of_program.report is not None
    assert [text for text in sentences(of_program.report, of_program.plan) if " --" in text] == []
    assert of_command.report is not None
    assert [text for text in sentences(of_command.report, of_command.plan) if " --" in text] != []
    assert sentences(of_command.report, of_command.plan) != sentences(of_program.report, of_program.plan)


def sentences(*documents: dict[str, Any]) -> list[str]:
    """Return every sentence of findings and errors in plans and reports of the journal."""
    found = [
        each for document in documents for name in ("findings", "skipped_findings") for each in document.get(name, [])
    ]
    errors = [each["error"] for document in documents for each in (document, *document["jobs"]) if each.get("error")]
    return [each.get(name) or "" for each in (*found, *errors) for name in ("message", "fix", "hint")]


@pytest.mark.skipif("/dev/shm tmpfs" not in Path("/proc/self/mounts").read_text("utf-8"), reason="not in memory here")
def test_no_notice_names_an_option(caplog: pytest.LogCaptureFixture) -> None:
    """What a run says and logs besides its events, such as that its journal is in memory, names the argument."""
    notices: list[str] = []
    stop = safe_reinit.Interrupt(notices.append)
    caplog.set_level(logging.WARNING, "safe_reinit.journal")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, simulated() as sim:
        done = run_plan(sim, using=client(sim, journal=f"{folder}/j.db"), stop=stop)

    assert done.outcome == "done"
    assert [text for text in notices if "With journal=, name a file" in text] == notices == caplog.messages != []
