"""Which commands to continue with: the ``next`` of a report, derived from the command line that led to it.

A suggested command would not be refused for the same reason. It never contains consent to a loss for people to copy:
they should read about a risk before they accept it. Only a planning command raises the limit of disks, to their number:
its plan lists them, and asks for consent to exactly those.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..client import Client
from ..core.resuming import may_be_intact
from ..error_mapping import reporting
from ..errors import RunRefused, UsageError
from ..journal import StoredRun
from ..journal.place import default_journal
from ..model import Finding, Plan, Report
from ..model.error_codes import SUMMARIES
from ..plans import plan_file
from ..plans.plan_file import Saved
from .consent import somebody_there
from .output import Output

_OF_ONE_REGION = ("--disk", "--disks-from", "--instance")
"""The options that name things of one region."""
_SELECTING = (*_OF_ONE_REGION, "--tag")
_KEPT = ("--profile", "--endpoint", "--ca-bundle", "--config", "--journal", "--password-env", "--world", "--faults")
"""The options that say where and as whom, and so belong to any command about the same plan."""
_KEPT_FOR_A_RUN = ("--temporal", "--temporal-namespace")
"""The options that belong to any command about the same run."""
_KEPT_FOR_RESUME = ("--profile", "--ca-bundle", "--password-env", *_KEPT_FOR_A_RUN)
"""What a run does not know itself, unlike its region and its endpoint."""
_KEPT_SWITCHES = ("--password-stdin", "--password-prompt", "--simulate")
_SIMULATES = {"--simulate", "--world"}
_PASSWORD, _PROMPT = ("--password-env", "--password-stdin", "--password-prompt"), "--password-prompt"
_WRONG: Mapping[str, tuple[str, ...]] = {
    "option-for-system-disk-only": ("--key-pair", "--security-enhancement", *_PASSWORD),
    "key-pair-on-windows": ("--key-pair",),
    "key-pair-and-password": _PASSWORD,
    "security-not-public-image": ("--security-enhancement",),
    "password-malformed": _PASSWORD,
}
"""By check: the superfluous options if it refuses a command line."""
_MISSING: Mapping[str, str] = {
    "instance-running": "--stop-instance",
    "no-recent-snapshot": "--snapshot",
    "no-login-set": _PROMPT,
    "key-pair-on-windows": _PROMPT,
    "password-malformed": _PROMPT,
}
"""By check: the missing option."""

# ------------------------------------------------------------------------------------------------------- after a run


@contextmanager
def naming_next(output: Output, client: Client, plan: Plan | None = None) -> Iterator[None]:
    """Add the commands to continue with to the report of an error that ends a command; of its plan, once it has one."""
    with reporting(lambda error: error.report and with_next(error.report, output.argv, client, plan)):
        yield


def with_next(result: Report, argv: Sequence[str], client: Client, plan: Plan | None = None) -> Report:
    """Add the commands to continue with to the report of a run, if they are known."""
    with contextlib.suppress(Exception):
        return replace(result, next=after(result, argv, client, plan))
    return result


def after(result: Report, argv: Sequence[str], client: Client, plan: Plan | None = None) -> tuple[str, ...]:
    """Return the commands to continue with after a run that did not end well, what helps first before the others.

    An open run is resumed: it starts what is down, and wipes nothing that it has given up. If it still has a disk to
    wipe, as after its process was killed, it is read first, and ending it is offered, too. What a bug did is read
    first. Of a run that has ended nothing is left but its story.
    """
    if result.next:  # it continues elsewhere
        return result.next
    if result.run_id is None:
        return show_other(result, argv, client, plan) or after_plan(result, argv, plan, client)
    if client.journal is None:
        return _without_journal(result, argv)
    stored = client.stored(result.run_id)
    words = of_open(stored, result.outcome) if stored.open else [["show"]]
    return tuple(_of_run(action, result.run_id, argv, client, *more) for action, *more in words)


def of_open(stored: StoredRun, outcome: str) -> list[list[str]]:
    """Return the actions for an open run, each with its options, what helps first before the others."""
    if stored.attended:
        return [["show"]]
    if stored.still_to_wipe:
        return [["show"], ["resume"], ["cancel"]]
    if outcome == "unknown":  # the command that changes nothing comes first
        return [["resume"], *(["resume", "--verdict", each] for each in verdicts(stored)), ["show"]]
    return [["show"], ["resume"]] if outcome == "bug" else [["resume"]]


def _without_journal(result: Report, argv: Sequence[str]) -> tuple[str, ...]:
    """Return how to continue after a run that no journal keeps, so that it can be neither resumed nor shown."""
    codes = [job.error.code for job in result.jobs if job.error and job.error.code in SUMMARIES]
    if codes:
        return (shlex.join(["safe-reinit", "explain", str(codes[0])]),)
    return (_planning(_without(argv, ("--confirm",))),) if argv and argv[0].startswith("-") else ()


def _of_run(action: str, run_id: str, argv: Sequence[str], client: Client, *more: str) -> str:
    """Write a command about a run of this client's journal."""
    through = _picked(argv, _KEPT_FOR_RESUME, _PASSWORD[1:]) if action == "resume" else []
    through = [_PROMPT if word == "--password-stdin" else word for word in through]  # stdin can be read only once
    return shlex.join(["safe-reinit", action, run_id, *_place(argv, client), *through, *more])


def _place(argv: Sequence[str], client: Client) -> list[str]:
    """Return how another command finds a run of this client's journal."""
    named = ["--journal", client.journal] if client.journal and client.journal != _default_journal() else []
    return [*named, *_picked(argv, ("--config",))]


def show_other(result: Report, argv: Sequence[str], client: Client, plan: Plan | None) -> tuple[str, ...]:
    """Return the commands for the open runs that have the disks of a plan, if nothing else refuses it.

    A run whose wipe of a disk is still in progress is resumed, which waits for its end, unless a process is working on
    it.
    """
    if plan is None or client.journal is None or argv[:1] == ["resume"]:
        return ()
    wiping = {found.subject for found in plan.blockers if found.fact.get("Status") == "ReIniting"}
    disks = [disk for job in result.jobs for disk in job.disks if plan.runnable or disk.disk_id in wiping]
    names = dict.fromkeys(each.last_run.run_id for each in disks if each.last_run and each.last_run.state == "open")
    to_resume = [] if plan.runnable else [name for name in names if not client.stored(name).attended]
    return tuple(_of_run("resume" if name in to_resume else "show", name, argv, client) for name in names)


def _default_journal() -> str | None:
    with contextlib.suppress(UsageError):
        return str(default_journal(os.environ))
    return None


def verdicts(run: StoredRun) -> tuple[str, ...]:
    """Return the verdicts that are possible given what the run has observed: none while a wipe is in progress."""
    jobs = [each.state for each in run.jobs if each.open]
    doubtful = [wipe for state in jobs for wipe in state.disks if wipe.in_doubt]
    if any(wipe.observed_status == "ReIniting" for wipe in doubtful):
        return ()
    return ("reinitialised", *(("intact",) if any(may_be_intact(wipe) for wipe in doubtful) else ()), "wipe-again")


# ------------------------------------------------------------------------------------------------------ after a plan


def after_plan(
    result: Report, argv: Sequence[str], plan: Plan | None, client: Client, saved_to: str | None = None
) -> tuple[str, ...]:
    """Return the commands to continue with after a plan that was not run.

    If the plan could run, that is the command that runs it. If it is refused, the suggestion is the same plan with the
    options that change this, or, if there are none, an explanation of what refuses it.
    """
    exit_code = result.exit_code
    if plan is not None and saved_to and exit_code == 0:
        return (apply_command(saved_to, plan, argv),)
    words = _without(argv[1:] if argv[:1] == ["plan"] else argv, ("--confirm", "--save"), ("--dry-run",))
    refusing = plan.blockers if plan is not None else [found for found in result.findings if found.level == "block"]
    if refusing:
        fixed = _fixed(words, refusing, client)
        return (_planning(fixed),) if fixed else (shlex.join(["safe-reinit", "explain", refusing[0].check]),)
    lacks_consent = exit_code == RunRefused.exit_code and not _picked(argv, ("--confirm",)) and not somebody_there()
    if plan is not None and (exit_code == 0 or lacks_consent):
        return (shlex.join(["safe-reinit", *words, "--confirm", plan.confirm_with]),)
    if plan is None and exit_code == UsageError.exit_code:
        return ()  # the sentence says what is wrong, and the same line would be refused for it again
    return (_planning(words),)


def after_rehearsal(result: Report, argv: Sequence[str], plan: Plan, client: Client) -> tuple[str, ...]:
    """Return the commands to continue with after a rehearsal: those after the plan of the real machines."""
    words = _without(argv[1:], ("--faults",))
    return after_plan(result, words, plan, client) if plan.blockers or not result.exit_code else (_planning(words),)


def _planning(words: Sequence[str]) -> str:
    """Write the command that only plans what a command line says."""
    if words[:1] == ["undo"]:
        return shlex.join(["safe-reinit", *words, "--dry-run"])
    if words[:1] == ["resume"]:
        return shlex.join(["safe-reinit", *_without_verdict(words)])
    return shlex.join(["safe-reinit", "plan", *words])


def _fixed(words: Sequence[str], refusing: Sequence[Finding], client: Client) -> list[str]:
    """Return a command line without the options that refuse it, and with those that it lacks; none if it is alike."""
    if words[:1] == ["resume"]:  # whose plan is like that of its run
        return []
    checks = dict.fromkeys(found.check for found in refusing)
    wrong = [name for check in checks for name in _WRONG.get(check, ())]
    kept = _without(words, [name for name in wrong if name not in _KEPT_SWITCHES], wrong)
    missing = dict.fromkeys(_MISSING[check] for check in checks if check in _MISSING)
    fixed = [*kept, *(name for name in missing if name not in kept)]
    for found in refusing:
        if found.check == "too-many-disks" and _may_have_more(found, client):
            fixed = [*_without(fixed, ("--max-disks",)), "--max-disks", str(found.fact["Disks"])]
    return fixed if fixed != list(words) else []


def _may_have_more(found: Finding, client: Client) -> bool:
    """Return whether an option lets a run have all its disks: neither their class nor the file forbids it."""
    return "--max-disks" in found.fix and client.planner.max_disks_limit is None


def _without(words: Sequence[str], options: Sequence[str], switches: Sequence[str] = ()) -> list[str]:
    """Remove these options from a command line, with their values, and these switches."""
    left, kept = iter(words), list[str]()
    for word in left:
        name, has_value, _ = word.partition("=")
        if name in options:
            if not has_value:
                next(left, None)
        elif word not in switches:
            kept.append(word)
    return kept


def _without_verdict(words: Sequence[str]) -> list[str]:
    """Leave out a verdict that was just refused; a new plan only lacked consent."""
    given = _picked(words, ("--verdict",))
    return list(words) if given and given[-1].endswith("wipe-again") else _without(words, ("--verdict",))


def apply_command(path: str, plan: Plan, argv: Sequence[str], endpoint: str = "") -> str:
    """Write the command that applies the plan in a file; its endpoint is known where the command line may lack it."""
    kept = _kept(argv)
    simulate = ["--simulate"] if endpoint == plan_file.SIMULATION and not _SIMULATES & set(kept) else []
    return shlex.join(["safe-reinit", "apply", path, "--confirm", str(plan.digest), *kept, *simulate])


def after_file(path: str, saved: Saved, argv: Sequence[str], *, unread: bool = False) -> tuple[str, ...]:
    """Return the commands to continue with after a plan file that was not applied: read it, or plan again.

    Args:
        unread: whether the only obstacle is that the file was not confirmed.
    """
    show = shlex.join(["safe-reinit", "show", path])
    if unread:
        return show, apply_command(path, saved.plan, argv, saved.endpoint)
    options = _kept(argv)
    if saved.endpoint and not {*_SIMULATES, "--endpoint"} & set(options):
        options += ["--simulate"] if saved.endpoint == plan_file.SIMULATION else ["--endpoint", saved.endpoint]
    return show, shlex.join([*_plan_words(saved.plan), *options])


def _kept(argv: Sequence[str]) -> list[str]:
    """Select the options of a command line that say where and as whom."""
    return _picked(argv, (*_KEPT, *_KEPT_FOR_A_RUN), _KEPT_SWITCHES)


def _picked(argv: Sequence[str], options: Sequence[str], switches: Sequence[str] = ()) -> list[str]:
    """Select these options from a command line, with their values."""
    words: list[str] = []
    for word, value in zip(argv, [*argv[1:], ""], strict=False):
        if word in options:
            words += [word, value]
        elif word in switches or word.startswith(tuple(f"{name}=" for name in options)):
            words.append(word)
    return words


def _plan_words(plan: Plan) -> list[str]:
    """Write the command line that makes the same plan again."""
    get = plan.options
    words = ["safe-reinit", "plan", "--region", plan.region]
    for name, values in {
        "--disk": [disk.disk_id for job in plan.jobs for disk in job.disks],
        "--accept": get.accept,
        "--expect-instance": [get.expect_instance],
        "--key-pair": [get.key_pair],
        "--security-enhancement": [get.security_enhancement],
        "--reason": [plan.reason],
        "--once": [plan.once],
        "--runner": [plan.rollout.runner] if plan.rollout.runner == "temporal" else [],  # else it would run here
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
    """Return the command line for only the region of a plan: a search by tags stays; otherwise the disks are named."""
    if not any(word.partition("=")[0] in _OF_ONE_REGION for word in argv):
        return [*_without(argv, ("--region",)), "--region", plan.region]
    disks = [word for job in plan.jobs for disk in job.disks for word in ("--disk", disk.disk_id)]
    kept = _without(argv, ("--region", *_SELECTING), ("--system-disk", "--data-disks"))
    return [*kept, "--region", plan.region, *disks]
