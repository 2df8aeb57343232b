"""Faults: which call goes wrong, and how.

A fault file is a YAML list. Each item names a call (`action`, or `*` for any; optionally `subject`, an id the call is
about, and `dry_run`) and which of those (`nth`, counted from 1 since the fault was added, or `every`; `times` in a row;
`chance`, a probability that the seed decides, for every one unless `nth` says otherwise), and exactly one thing that
happens to it:

| key | what happens | done? |
|---|---|---|
| `error: {code, status, message}` | this error is answered | no |
| `throttle: true` or `{retry_after: N}` | `Throttling`, with the header x-acs-retry-after | no |
| `drop_request: true` | the connection is closed without an answer | no |
| `reset: true` | the connection is reset (TCP RST) | no |
| `late: SECONDS` (simulated ones) | the connection is closed without an answer; the request arrives so late | then |
| `html: 502` | a page of some proxy with this status | no |
| `delay: SECONDS` (simulated ones) | the answer comes late; may go with `drop_answer` | yes |
| `drop_answer: true` | the connection is closed without an answer | yes |
| `garble: true` | status 200 and a body that cannot be read | yes |
| `html_after: 502` | a page of some proxy with this status | yes |

Only calls with a valid signature are counted. If several faults fit a call, the oldest happens and all count it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from .errors import CATALOGUE, Refusal
from .wire.answers import Reply
from .world import WorldError, read_yaml, sentences
from .world import schema as schema_of

_ON = Literal[True]
_Status = Annotated[int, Field(ge=100, le=599)]
_KINDS = ("error", "throttle", "drop_answer", "drop_request", "reset", "late", "garble", "html", "html_after", "delay")


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ErrorSpec(_Spec):
    """An error answer; `status` and `message` default to those in the catalogue if it has the code."""

    code: Annotated[str, Field(min_length=1)]
    status: _Status | None = None
    message: str | None = None


class ThrottleSpec(_Spec):
    """Throttling; `retry_after` is the value of the header x-acs-retry-after."""

    retry_after: Annotated[int, Field(ge=1)]


class Fault(_Spec):
    """One fault; the module's docstring says what each key means."""

    action: str
    nth: Annotated[int, Field(ge=1)] | Literal["every"] | None = None
    """Which call it affects; the first, or every one if there is a chance."""
    times: Annotated[int, Field(ge=1)] | None = None
    """How many calls in a row."""
    chance: Annotated[float, Field(gt=0, le=1)] | None = None
    """The probability that it affects such a call; the seed decides."""
    subject: str | None = None
    dry_run: bool | None = None
    error: ErrorSpec | None = None
    throttle: _ON | ThrottleSpec | None = None
    delay: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    drop_answer: _ON | None = None
    drop_request: _ON | None = None
    reset: _ON | None = None
    late: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    garble: _ON | None = None
    html: _Status | None = None
    html_after: _Status | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Fault:
        kinds = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1 and set(kinds) != {"delay", "drop_answer"}:
            raise ValueError(f"exactly one of {', '.join(_KINDS)} is needed (delay may go with drop_answer)")
        return self

    @property
    def kind(self) -> str:
        """The key that says what happens; `drop_answer` if that is combined with a delay."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    def fits(self, action: str, subjects: Collection[str], *, dry_run: bool) -> bool:
        """Return whether this is a call that it counts."""
        return (
            self.action in ("*", action)
            and (self.subject is None or self.subject in subjects)
            and self.dry_run in (None, dry_run)
        )

    def strikes(self, count: int) -> bool:
        """Return whether it affects the count-th such call."""
        if self.nth == "every" or (self.nth is None and self.chance is not None):
            return self.times is None or count <= self.times
        first = self.nth or 1
        return first <= count < first + (self.times or 1)

    def refusal(self) -> Refusal | None:
        """Return the error that is answered instead of carrying out the call, if that is what happens."""
        if self.error is not None:
            known = self.error.code in CATALOGUE
            status = self.error.status or (None if known else 400)
            return Refusal(self.error.code, self.error.message, status)
        if self.throttle is not None:
            spec = self.throttle
            headers = {"x-acs-retry-after": str(spec.retry_after)} if isinstance(spec, ThrottleSpec) else {}
            return Refusal("Throttling", headers=headers)
        return None

    def instead(self) -> Reply | None:
        """Return what happens instead of carrying out the call, if that is not an error of ECS."""
        if self.drop_request or self.late is not None:
            return Reply(500, b"", ending="drop")
        if self.reset:
            return Reply(500, b"", ending="reset")
        return None if self.html is None else page(self.html)

    def spoil(self, reply: Reply, rng: Random) -> Reply:
        """Return what happens to the answer after the call was carried out."""
        if self.garble:
            return replace(reply, status=200, body=b"\x1f\x8b" + rng.randbytes(40))
        if self.html_after is not None:
            return page(self.html_after)
        ending: Literal["answer", "drop"] = "drop" if self.drop_answer else "answer"
        return replace(reply, delay=self.delay or 0.0, ending=ending)


def page(status: int) -> Reply:
    """Return the error page of a proxy."""
    text = f"<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>\r\n"
    return Reply(status, text.encode(), content_type="text/html")


@dataclass
class _Counted:
    """A fault in effect: the calls it has counted, and its own random numbers, which no other fault changes."""

    fault: Fault
    dice: Random
    count: int = 0

    def strikes(self) -> bool:
        """Count one more call, and return whether it is affected."""
        self.count += 1
        lucky = self.fault.chance is None or self.dice.random() < self.fault.chance
        return self.fault.strikes(self.count) and lucky


class Faults:
    """The faults in effect, each with its own count."""

    def __init__(self, faults: Iterable[Fault], seed: int = 0) -> None:
        self._seed = seed
        self._counted: list[_Counted] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Put one more into effect; it counts from now on."""
        dice = Random(f"{self._seed} {len(self._counted)}")  # noqa: S311 - repeatable on purpose
        self._counted.append(_Counted(fault, dice))

    def clear(self) -> None:
        """Remove all of them."""
        self._counted.clear()

    def take(self, action: str, subjects: Collection[str], *, dry_run: bool) -> Fault | None:
        """Count a call, and return the fault that affects it, if any."""
        struck = None
        for counted in self._counted:
            if counted.fault.fits(action, subjects, dry_run=dry_run) and counted.strikes() and struck is None:
                struck = counted.fault
        return struck


def load_faults(source: str | Path | list[object] | None, actions: Collection[str]) -> list[Fault]:
    """Read faults from a YAML file or a list; all mistakes are reported at once, each with its path."""
    if source is None:
        return []
    data, where = (source, "") if isinstance(source, list) else (read_yaml(source), f" in {source}")
    if data is None:
        return []
    if not isinstance(data, list):
        raise WorldError(f"The faults{where} are not valid: they must be a list.")
    found, mistakes = [], []
    for index, item in enumerate(data, 1):
        fault = parse_fault(item, actions)
        if isinstance(fault, str):
            mistakes.append(f"fault {index}: {fault}")
        else:
            found.append(fault)
    if mistakes:
        raise WorldError(f"The faults{where} are not valid: {'; '.join(mistakes)}.")
    return found


def parse_fault(data: object, actions: Collection[str]) -> Fault | str:
    """Read one fault; its mistakes are returned as a text."""
    try:
        fault = Fault.model_validate(data)
    except ValidationError as error:
        return sentences(error)
    if fault.action in ("*", *actions):
        return fault
    near = get_close_matches(fault.action, actions, 1)
    return f"action: there is no action {fault.action} here{f' (did you mean {near[0]}?)' if near else ''}"


class _File(RootModel[tuple[Fault, ...]]):
    """A fault file."""


def fault_schema() -> dict[str, Any]:
    """Return the JSON Schema of a fault file; only a text says that a fault has exactly one kind."""
    return schema_of(_File)
