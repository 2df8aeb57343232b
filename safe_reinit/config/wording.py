"""Messages for programs: where a sentence for the command line names an option, they name the argument.

Every sentence is written once, with options (``--accept spot``). That is how the command line shows it, and how files
and the journal have it, whoever wrote them. A client that a program made returns, raises and reports the same sentence
with ``accept=["spot"]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from types import FunctionType
from typing import Any, TypeVar

from ..errors import TRY_IT, Error
from ..model import DoneEvent, Failure, Finding, Plan, Report, WaitEvent
from .table import SETTINGS

C = TypeVar("C")
T = TypeVar("T")

_COMMANDS = {
    TRY_IT: "safe_reinit.simulator.Simulator()",
    "safe-reinit plan ... --save FILE": "client.plan and plan.save",
    "safe-reinit --help": "help(safe_reinit)",
    "RUN --verbose": "RUN",
    "aliyun configure --profile": "aliyun configure for the profile",
    "with --dry-run": "with client.plan",
}
"""What programs read for whole commands, and for an option that is a separate function."""
_NAMES = {"disk": "disk_ids", "tag": "tags", "instance": "instances", "system_disk": "system", "data_disks": "data"}
"""The arguments whose name differs from the option's."""
_ONLY_OPTIONS = {"simulate"}
"""The options that sentences for programs name as they are: they have no argument."""
_SWITCHES = {"stop_instance", "system", "data", *(row.name for row in SETTINGS if row.default is False)}
_PASSWORD = re.compile(r"--password-\w+(?:(?:, | or )+--password-\w+)*")
_OPTION = re.compile(
    r"--(?P<name>[a-z][a-z-]*[a-z])"
    r"(?: (?P<number>\d+)| (?P<word>local|temporal|reinitialised|intact|Active|Deactive)\b)?"
)
_ACCEPT = re.compile(r"--accept ([a-z][a-z-]*[a-z])")


def as_arguments(text: str) -> str:
    """Return a sentence with arguments instead of options."""
    if "--" not in text:
        return text
    for command, instead in _COMMANDS.items():
        text = text.replace(command, instead)
    return _OPTION.sub(_argument, _ACCEPT.sub(r'accept=["\1"]', _PASSWORD.sub("password=", text)))


def _argument(option: re.Match[str]) -> str:
    name = option["name"].replace("-", "_")
    if name in _ONLY_OPTIONS:
        return option[0]
    name = _NAMES.get(name, name)
    if option["word"]:
        return f'{name}="{option["word"]}"'
    return f"{name}={option['number'] or ('True' if name in _SWITCHES else '')}"


@contextmanager
def raising_arguments(of_program: bool) -> Iterator[bool]:
    """Rewrite an error that ends the block, and the report attached to it or to an exit, to name arguments."""
    try:
        yield of_program
    except BaseException as raised:
        if of_program:
            _reword(raised)
        raise


def _reword(raised: Any) -> None:  # noqa: ANN401 - an exit from outside has a report like an error
    if isinstance(raised, Error):
        raised.args = (as_arguments(str(raised)),)
        raised.hint = as_arguments(raised.hint)
    if isinstance(getattr(raised, "report", None), Report):
        raised.report = with_arguments(raised.report)


def speaks_to_its_maker(cls: type[C]) -> type[C]:
    """Make the public methods of a client name arguments if a program made it (``of_program``), otherwise options."""
    for name, method in list(vars(cls).items()):
        if isinstance(method, FunctionType) and not name.startswith("_"):
            setattr(cls, name, _speaking(method))
    return cls


def _speaking(method: Callable[..., T]) -> Callable[..., T]:
    @wraps(method)
    def speaking(client: Any, *args: Any, **named: Any) -> T:  # noqa: ANN401 - whatever the method takes
        if not client.of_program:
            return method(client, *args, **named)
        args, named = tuple(map(with_options, args)), {name: with_options(each) for name, each in named.items()}
        if (listener := named.get("on_event")) is not None:
            named["on_event"] = lambda event: listener(with_arguments(event))
        if (goes_on := named.get("go_on")) is not None:
            named["go_on"] = lambda question: goes_on(as_arguments(question))
        with raising_arguments(True), _notifying_arguments(named.get("stop")):
            return with_arguments(method(client, *args, **named))

    return speaking


@contextmanager
def _notifying_arguments(interrupt: Any) -> Iterator[None]:  # noqa: ANN401 - an Interrupt, or nothing
    """Make the ``notify`` of an interrupt name arguments, too, for the duration of this run."""
    if interrupt is None:
        yield
        return
    notify = interrupt.notify
    interrupt.notify = lambda text: notify(as_arguments(text))
    try:
        yield
    finally:
        interrupt.notify = notify


def with_arguments(value: T) -> T:
    """Return a value for a program, with arguments in its sentences."""
    return _of(value)  # type: ignore[no-any-return] # of the type that was given


def with_options(value: T) -> T:
    """Return a value that a program hands back as it was before: a plan with options in its sentences."""
    if not isinstance(value, Plan):
        return value
    findings, skipped = (
        tuple(each.in_options or each for each in found) for found in (value.findings, value.skipped_findings)
    )
    return replace(value, findings=findings, skipped_findings=skipped)


def _of(value: Any) -> Any:  # noqa: ANN401 - of each of these types the same
    match value:
        case Plan():
            return replace(value, findings=_each(value.findings), skipped_findings=_each(value.skipped_findings))
        case Report():
            jobs = tuple(replace(job, error=_of(job.error)) if job.error else job for job in value.jobs)
            return replace(value, findings=_each(value.findings), error=_of(value.error), jobs=jobs)
        case Finding():
            message, fix = as_arguments(value.message), as_arguments(value.fix)
            if (message, fix) == (value.message, value.fix):
                return value
            return replace(value, message=message, fix=fix, in_options=value)
        case Failure():
            return replace(value, message=as_arguments(value.message), hint=value.hint and as_arguments(value.hint))
        case DoneEvent() | WaitEvent():
            return replace(value, data=_with_sentences(value.data))
    return value


def _each(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(map(_of, findings))


def _with_sentences(data: Any) -> Any:  # noqa: ANN401 - of each kind of event others
    return {**data, **{name: as_arguments(data[name]) for name in ("why", "message") if name in data}}
