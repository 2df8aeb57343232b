"""What a caller asks for, validated before any call."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..checks import by_name, like
from ..checks.target_rules import TargetRequest, consents, no_consent, same_class
from ..config import SETTINGS, Setting, Settings, changed_by_arguments, resolve
from ..config.nested import target_rules
from ..errors import Error, RunRefused, UsageError
from ..model import OnUnknown, Options, Plan, Secret, TargetRules
from ..plans.plan_schema import KEY

if TYPE_CHECKING:
    from ..journal import StoredRun

T = TypeVar("T")
Owner = tuple[tuple[str, str | int], ...]

_MAX_TEXT = 4096
"""The maximum length of a text in a plan: a saved plan with a longer one could not be read."""
_MAX_QUOTED = 64
"""How many characters of a given value a message repeats."""
_OWNER = ("owner_account", "owner_id", "resource_owner_account", "resource_owner_id")


def owner_parameters(given: Mapping[str, str | int]) -> Owner:
    """Return the legacy owner parameters of ReInitDisk.

    Raises:
        UsageError: one is not an owner parameter.
    """
    unknown = sorted(set(given) - set(_OWNER))
    if unknown:
        raise UsageError(f"{unknown[0]} is not an owner parameter of ReInitDisk.", hint=f"Use {', '.join(_OWNER)}.")
    wrong = [name for name, value in given.items() if type(value) not in (str, int) or value == ""]
    if wrong:
        raise UsageError(f"The owner parameter {wrong[0]} is neither a text nor a number.", hint="Correct or omit it.")
    return tuple(sorted(given.items()))


def disk_ids(given: Sequence[str], argument: str = "disk_ids") -> list[str]:
    """Return the ids of the disks, each once.

    Args:
        given: the ids.
        argument: the name of the argument, for messages.

    Raises:
        UsageError: there is none, or one is malformed.
    """
    if isinstance(given, str):
        raise UsageError(f"{argument} is a string, not a list of disk ids.", hint='Write ["d-..."] for one disk.')
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise UsageError(f"{argument} is not a list of disk ids.", hint='Write ["d-...", "d-..."].')
    ids = list(dict.fromkeys(given))
    if not ids:
        raise UsageError("No disk given.", hint=f"Add one with {argument}.")
    for disk_id in ids:
        letters = disk_id.removeprefix("d-")
        if letters == disk_id or not letters or not letters.replace("-", "").isalnum() or not letters.isascii():
            text = f"{disk_id[:_MAX_QUOTED]!r}{' ...' if len(disk_id) > _MAX_QUOTED else ''}"
            raise UsageError(f"{text} is not a disk id: those begin with d-.", hint=_how_to_name(disk_id, argument))
    return ids


def _how_to_name(given: str, argument: str) -> str:
    """Return what to do about what is not a disk id."""
    if "," in given and argument.startswith("--"):
        return f"Repeat {argument} for each disk."
    if re.fullmatch(r"i-[A-Za-z0-9-]+", given):
        return f"{given} is an instance: use --instance {given} with --system-disk, --data-disks or both."
    return f"Correct {argument}."


def to_restore(stored: StoredRun) -> tuple[tuple[str, str], ...]:
    """Return the safety snapshot of each disk that a run wiped; a disk that it left alone needs no undo.

    Raises:
        RunRefused: the run has not ended, wiped nothing, or took no safety snapshot of a disk that it wiped.
    """
    if stored.open or stored.report is None:
        raise RunRefused(
            f"Run {stored.run_id} has not ended, so there is nothing to undo yet.",
            hint=f"Nothing was changed. Continue it: safe-reinit resume {stored.run_id}.",
        )
    disks = [
        disk for job in stored.report["jobs"] for disk in job["disks"] if disk["data"] in ("reinitialised", "unknown")
    ]
    if not disks:
        raise RunRefused(f"Run {stored.run_id} wiped no disk.", hint="Nothing was changed; there is nothing to undo.")
    without = [disk["disk_id"] for disk in disks if not disk["safety_snapshot"]]
    if without:
        raise RunRefused(
            f"Run {stored.run_id} took no safety snapshot of {', '.join(without)}, so it cannot be undone.",
            hint="Nothing was changed. If the disk has another snapshot, roll it back to that one in the ECS console.",
        )
    return tuple((disk["disk_id"], disk["safety_snapshot"]) for disk in disks)


def was_on(stored: StoredRun) -> tuple[tuple[str, str], ...]:
    """Return the instance on which each disk of an ended run was."""
    jobs = stored.report["jobs"] if stored.report else ()
    return tuple((disk["disk_id"], job["instance_id"]) for job in jobs for disk in job["disks"] if job["instance_id"])


def parsed_argument(settings: Settings, setting: Setting[T], value: str | None) -> T:
    """Return an argument that corresponds to a setting, parsed like it; the setting if no argument is given.

    Raises:
        UsageError: it cannot be used.
    """
    if not value:
        return settings.of(setting).value
    try:
        read = setting.read(value)
    except ValueError as problem:
        raise UsageError(f"The argument {setting.name} is {problem}.", hint=f"Correct {setting.name}.") from None
    if len(value) > _MAX_TEXT:
        raise UsageError(
            f"The argument {setting.name} is longer than {_MAX_TEXT} characters.", hint=f"Shorten {setting.name}."
        )
    return read


def accepted_risks(check_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the risks that are accepted.

    Raises:
        UsageError: one is not a check.
        RunRefused: one is a block.
    """
    for name in check_names:
        if wrong := _not_acceptable(name):
            raise wrong
    return tuple(sorted(set(check_names)))


def _not_acceptable(name: str) -> Error | None:
    check = by_name(name)
    if check is None:
        return UsageError(f"There is no check named {name!r}.", hint=f"{like(name)}safe-reinit checks lists them.")
    if check.level == "block" and not check.waivable:
        return RunRefused(f"{name} is a block, so it cannot be accepted.", hint=f"See safe-reinit explain {name}.")
    return None


def target_rules_of(settings: Settings) -> TargetRules:
    """Return what the settings say about targets.

    Raises:
        UsageError: a class accepts something that is not a risk; every such name is reported, with its path.
    """
    made = replace(
        target_rules(settings.allow, settings.protect, settings.classes),
        max_disks=settings.max_disks,
        limit=settings.of(Settings.max_disks).at_most,
        hold=settings.hold or "",
    )
    file = settings.of(Settings.classes).location.rpartition(": ")[0]
    problems = [
        f"{file}: At classes.{each.name}.accept[{at}]: {str(wrong).rstrip('.')}"
        for each in made.classes
        for at, name in enumerate(each.accept)
        if (wrong := _not_acceptable(name))
    ]
    if problems:
        raise UsageError(f"{'; '.join(problems)}.", hint="See safe-reinit checks.")
    return made


@dataclass(frozen=True)
class Request:
    """What a caller asks for explicitly in a plan; see ``Client.plan``. ``None`` means: as the settings say."""

    stop_instance: bool = False
    leave_stopped: bool | None = None
    snapshot: bool | None = None
    accept: Sequence[str] = ()
    max_disks: int | None = None
    reason: str | None = None
    once: str | None = None
    discovered: bool = False
    elsewhere: int = 0
    pending_starts: Sequence[str] = ()
    expect_instance: str | None = None
    key_pair: str | None = None
    password: str | None = None
    security_enhancement: str | None = None


def to_wipe(settings: Settings, request: Request, owner: Owner) -> TargetRequest:
    """Combine the request for a wipe with the settings.

    Raises:
        UsageError: a name in ``accept`` is not a check, ``max_disks`` is not a number of disks, or a text cannot be
            used.
        RunRefused: a name in ``accept`` is a block.
    """
    target_request = _target_request(settings, request)
    options = replace(
        target_request.options,
        snapshot_max_age=settings.snapshot_max_age,
        pending_starts=tuple(request.pending_starts),
        expect_instance=parsed_argument(settings, Settings.expect_instance, request.expect_instance) or "",
        key_pair=parsed_argument(settings, Settings.key_pair, request.key_pair) or "",
        password=Secret(request.password) if request.password else None,
        security_enhancement=parsed_argument(settings, Settings.security_enhancement, request.security_enhancement)
        or "",
        owner=owner,
    )
    return replace(target_request, options=options)


def to_undo(settings: Settings, request: Request, stored: StoredRun) -> TargetRequest:
    """Combine the request for an undo of a run with the settings.

    Raises:
        UsageError: as for ``to_wipe``.
        RunRefused: as for ``to_wipe``, or the run cannot be undone.
    """
    target_request = _target_request(settings, request)
    options = replace(target_request.options, undo=stored.run_id, restore=to_restore(stored), was_on=was_on(stored))
    return replace(target_request, options=options)


def reason(settings: Settings, request: Request) -> str | None:
    """Return the reason for a plan, from its caller or the settings.

    Raises:
        UsageError: it cannot be used.
    """
    return parsed_argument(settings, Settings.reason, request.reason)


def once(asked: Request) -> str | None:
    """Return the key under which to run a plan at most once.

    Raises:
        UsageError: it is not a valid key.
    """
    if asked.once is None or (isinstance(asked.once, str) and re.fullmatch(KEY, asked.once)):
        return asked.once
    raise UsageError(
        "The key of once is not 1 to 128 letters, digits and ._:/@+=- (a letter or a digit comes first).",
        hint="Name what should be done only once, such as nightly-2026-01-02.",
    )


def _target_request(settings: Settings, request: Request) -> TargetRequest:
    if request.max_disks is not None and request.max_disks < 1:
        raise UsageError("max_disks is not a number of disks.", hint="Give a whole number of at least 1.")
    explicit = explicit_settings(settings) | ({"snapshot"} if request.snapshot is not None else set())
    options = Options(
        stop_instance=request.stop_instance,
        leave_stopped=settings.leave_stopped if request.leave_stopped is None else request.leave_stopped,
        snapshot=settings.snapshot if request.snapshot is None else request.snapshot,
        snapshot_retention_days=settings.snapshot_retention,
        lock_tag=settings.lock_tag,
        require_answers=settings.require_answers,
        accept=accepted_risks(request.accept),
    )
    most = request.max_disks or (settings.max_disks if settings.of(Settings.max_disks).is_explicit else None)
    return TargetRequest(options, frozenset(explicit), most, request.discovered, request.elsewhere)


def on_unknown(settings: Settings, plan: Plan) -> OnUnknown:
    """Return what to do about a lost answer to ReInitDisk: as requested for this run, else its class, else the file."""
    from_class = plan.guard.class_ and plan.guard.class_.on_unknown
    setting = settings.of(Settings.on_unknown)
    return setting.value if setting.is_explicit else from_class or setting.value


def explicit_settings(settings: Settings) -> frozenset[str]:
    """List the settings that were given for this very run, by a flag or in the environment."""
    return frozenset(setting.name for setting in SETTINGS if settings.of(setting).is_explicit)


def held(settings: Settings) -> Error | None:
    """Return why no run may begin now, if the configuration holds them all."""
    if not settings.hold:
        return None
    return RunRefused(
        f"The configuration holds all runs: {settings.hold}.",
        hint="Ask the person who set it, or remove hold from the configuration.",
    )


def not_runnable(plan: Plan, confirm: str, target_rules: TargetRules) -> Error | None:
    """Return why a plan may not be run, where it may not: its findings, other guards than these, or the wrong word."""
    from ..report import refusal  # noqa: PLC0415 - a problem of the configuration is told without it

    if not plan.runnable:
        return refusal(plan)
    if (plan.guard.allow, plan.guard.protect) != (target_rules.allow, target_rules.protect):
        return RunRefused(
            "The allow or protect rules in the configuration have changed since this plan was made.",
            hint="Make a new plan.",
        )
    used = plan.guard.class_
    if used is not None and used.in_force and not any(same_class(used, each) for each in target_rules.classes):
        return RunRefused(
            f"The class {used.name} in the configuration has changed since this plan was made.",
            hint="Plan anew.",
        )
    own = next((each.max_disks for each in target_rules.classes if used is not None and same_class(used, each)), None)
    if target_rules.limit is not None and own is None and plan.guard.disks > target_rules.limit:
        return RunRefused(
            f"The run has {plan.guard.disks} disks, but the configuration limits a run to {target_rules.limit} "
            "(max_disks).",
            hint="Plan fewer disks, or change max_disks in the configuration.",
        )
    if not isinstance(confirm, str):
        return UsageError("confirm is not a string.", hint="Give plan.confirm_with, once you have read the plan.")
    if not consents(plan, confirm):
        return RunRefused(no_consent(plan, confirm), hint="Read the plan, then confirm what it says.")
    return None


def settings(config: object, flags: Mapping[str, Any]) -> Settings:
    """Return the settings that apply, given those of the caller, a configuration or its file, or none of these.

    Raises:
        UsageError: it is neither, or one of them cannot be used.
    """
    flags = {name: _plain(value) for name, value in flags.items()}
    if isinstance(config, Settings):
        return changed_by_arguments(config, flags)
    if isinstance(config, Mapping):
        return resolve(flags, os.environ, {name: _plain(value) for name, value in config.items()}, arguments=True)
    named = str(config) if isinstance(config, os.PathLike) else config
    if named is not None and not (isinstance(named, str) and named):
        raise UsageError(
            "config is neither a file nor a dict of settings.", hint="Leave it out to use the default file."
        )
    return resolve(flags, os.environ, named, arguments=True)


def _plain(value: object) -> object:
    """Return the value of a setting as a file would contain it: a tuple is a list, a path a text."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, os.PathLike):
        return os.path.abspath(value)  # this is never an address
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def refuse_places(settings: Settings, **given: object) -> None:
    """Refuse settings about where a cloud is, or who calls it, together with a cloud that was passed in."""
    also = [name for name, value in given.items() if value is not None]
    if also:
        raise UsageError(
            f"connect got both a cloud and {' and '.join(also)}.",
            hint="Leave that out: the cloud object already has its own connection and credentials.",
        )
    if settings.journal is None:
        raise UsageError(
            "connect got a cloud but no journal.",
            hint="Name a journal file. A cloud that is not Alibaba Cloud needs its own.",
        )
