"""Which commands to continue with: the ``next`` of a report, written from the command line that led to it."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..client import Client
from ..core.resuming import may_be_intact
from ..error_mapping import reporting
from ..errors import UsageError
from ..journal import StoredRun
from ..journal.place import default_journal
from ..model import Plan, Report
from ..plans import plan_file
from ..plans.plan_file import Saved
from .output import Output

_OF_ONE_REGION = ("--disk", "--disks-from", "--instance")
"""What names things that are of one region."""
_TARGETS = (*_OF_ONE_REGION, "--tag")
_KEPT = ("--profile", "--endpoint", "--ca-bundle", "--config", "--journal", "--password-env", "--world", "--faults")
"""What says where and who, and so goes with another command about the same plan."""
_KEPT_FOR_A_RUN = ("--temporal", "--temporal-namespace")
"""What goes with another command about the same run."""
_KEPT_SWITCHES = ("--password-stdin", "--password-prompt", "--simulate")

# ------------------------------------------------------------------------------------------------------- after a run


@contextmanager
def naming_next(output: Output, client: Client) -> Iterator[None]:
    """Add the commands to continue with to the report of an error that ends a command."""
    with reporting(lambda error: error.report and with_next(error.report, output.argv, client)):
        yield


def with_next(told: Report, argv: Sequence[str], client: Client) -> Report:
    """Add the commands to continue with to the report of a run, where they are known."""
    with contextlib.suppress(Exception):
        return replace(told, next=after(told, argv, client))
    return told


def after(told: Report, argv: Sequence[str], client: Client) -> tuple[str, ...]:
    """Return the commands to continue with after a run that did not end well: to show it, and to resume it."""
    if told.next:  # it goes on elsewhere
        return told.next
    if told.run_id is None:
        return after_plan(told.exit_code, argv, None)
    if client.journal is None:
        return ()
    where = ["--journal", client.journal] if client.journal != _default_journal() else []
    through = _picked(argv, _KEPT_FOR_A_RUN)
    stored = client.stored(told.run_id)
    words = [["show"], *([["resume"]] if stored.open else [])]
    if stored.open and told.outcome == "unknown":  # the step that changes nothing comes first
        words = [["resume"], *(["resume", "--verdict", each] for each in verdicts(stored)), ["show"]]
    return tuple(
        shlex.join(["safe-reinit", word[0], told.run_id, *where, *(through if word[0] == "resume" else ()), *word[1:]])
        for word in words
    )


def _default_journal() -> str | None:
    with contextlib.suppress(UsageError):
        return str(default_journal(os.environ))
    return None


def verdicts(run: StoredRun) -> tuple[str, ...]:
    """Return the verdicts that are possible by what the run has observed: none while a wipe goes on."""
    jobs = [each.state for each in run.jobs if each.open]
    doubtful = [wipe for known in jobs for wipe in known.disks if wipe.in_doubt]
    if any(wipe.shown == "ReIniting" for wipe in doubtful):
        return ()
    return ("reinitialised", *(("intact",) if any(may_be_intact(wipe) for wipe in doubtful) else ()), "wipe-again")


# ------------------------------------------------------------------------------------------------------ after a plan


def after_plan(exit_code: int, argv: Sequence[str], plan: Plan | None, saved_to: str | None = None) -> tuple[str, ...]:
    """Return the command to continue with after a dry run: the run of a plan that could run, else another dry run."""
    if plan is not None and saved_to and exit_code == 0:
        return (apply_command(saved_to, plan, argv),)
    words = iter(argv[1:] if argv[:1] == ["plan"] else argv)
    kept: list[str] = []
    for word in words:
        if word in ("--confirm", "--save"):
            next(words, None)
        elif word != "--dry-run" and not word.startswith(("--confirm=", "--save=")):
            kept.append(word)
    if plan is not None and exit_code == 0:
        return (shlex.join(["safe-reinit", *kept, "--confirm", plan.confirm_with]),)
    if kept[:1] == ["undo"]:
        return (shlex.join(["safe-reinit", *kept, "--dry-run"]),)
    if kept[:1] == ["resume"]:
        return (shlex.join(["safe-reinit", *_without_verdict(kept)]),)
    return (shlex.join(["safe-reinit", "plan", *kept]),)


def _without_verdict(words: Sequence[str]) -> list[str]:
    """Leave out a verdict that was just refused; to plan anew lacked only consent."""
    left = iter(zip(words, (*words[1:], ""), strict=True))
    kept = list[str]()
    for word, value in left:
        if word == "--verdict" and value != "wipe-again":
            next(left, None)
        elif word not in ("--verdict=reinitialised", "--verdict=intact"):
            kept.append(word)
    return kept


def apply_command(path: str, plan: Plan, argv: Sequence[str] = ()) -> str:
    """Write the command that applies the plan in a file."""
    return shlex.join(["safe-reinit", "apply", path, "--confirm", str(plan.digest), *_kept(argv)])


def after_file(path: str, known: Saved, argv: Sequence[str]) -> tuple[str, ...]:
    """Return the commands to continue with after a plan file that was not applied: to read it, and to plan again."""
    where = _kept(argv)
    if known.endpoint and not {"--simulate", "--world", "--endpoint"} & set(where):
        where += ["--simulate"] if known.endpoint == plan_file.SIMULATION else ["--endpoint", known.endpoint]
    return shlex.join(["safe-reinit", "show", path]), shlex.join([*_plan_words(known.plan), *where])


def _kept(argv: Sequence[str]) -> list[str]:
    """Pick from a command line what says where and who."""
    return _picked(argv, (*_KEPT, *_KEPT_FOR_A_RUN), _KEPT_SWITCHES)


def _picked(argv: Sequence[str], names: Sequence[str], switches: Sequence[str] = ()) -> list[str]:
    """Pick these options from a command line, with their values."""
    words: list[str] = []
    for word, value in zip(argv, [*argv[1:], ""], strict=False):
        if word in names:
            words += [word, value]
        elif word in switches or word.startswith(tuple(f"{name}=" for name in names)):
            words.append(word)
    return words


def _plan_words(plan: Plan) -> list[str]:
    """Write the command line that plans the same anew."""
    get = plan.options
    words = ["safe-reinit", "plan", "--region", plan.region]
    for name, values in {
        "--disk": [disk.disk_id for job in plan.jobs for disk in job.disks],
        "--accept": get.accept,
        "--expect-instance": [get.expect_instance],
        "--key-pair": [get.key_pair],
        "--security-enhancement": [get.security_enhancement],
        "--reason": [plan.reason],
    }.items():
        words += [word for value in values if value for word in (name, value)]
    for name, given in {
        "--stop-instance": get.stop_instance,
        "--leave-stopped": get.leave_stopped,
        "--snapshot": get.snapshot,
    }.items():
        words += [name] if given else []
    return words


# -------------------------------------------------------------------------------------------------- of several regions


def in_region(argv: Sequence[str], plan: Plan) -> list[str]:
    """Return the command line for the region of a plan alone: a search by tags as it was, else the disks one by one."""
    by_tags = not any(word.partition("=")[0] in _OF_ONE_REGION for word in argv)
    gone = ("--region",) if by_tags else ("--region", *_TARGETS)
    switches = () if by_tags else ("--system-disk", "--data-disks")
    words, kept = iter(argv), list[str]()
    for word in words:
        if word in gone:
            next(words, None)
        elif word.partition("=")[0] not in gone and word not in switches:
            kept.append(word)
    disks = [] if by_tags else [disk.disk_id for job in plan.jobs for disk in job.disks]
    return [*kept, "--region", plan.region, *(word for each in disks for word in ("--disk", each))]
