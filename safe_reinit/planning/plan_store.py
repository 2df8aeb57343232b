"""Plan files on disk: a plan is never saved over another file, and runs only while its facts have not changed.

``Plan`` is the plan that a program has: the value of ``model``, which can also save itself.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from .. import model
from ..checks.target_rules import MIN_QUOTED, quotes
from ..config import Settings
from ..config.wording import raising_arguments, with_arguments, with_options
from ..errors import RunRefused, UsageError
from ..files.regular import NotRegularError, read_regular
from ..files.trust import refuse_untrusted
from ..model.codec import timestamp
from ..model.written import unwritten_field
from ..plans import plan_file
from ..plans.plan_file import Saved


@dataclass(frozen=True)
class Plan(model.Plan):
    """What a run would do, with the findings of the checks. It contains no secret, and nothing of it has been done."""

    endpoint: str = unwritten_field("")
    """The loopback endpoint that it is for; ``""`` for the real cloud."""
    lifetime: float = unwritten_field(Settings.plan_expires.default)
    """For how many seconds after ``made_at`` it can be run from a file."""
    path: str | None = unwritten_field()
    """The file that it was loaded from; ``run`` then compares it with what ECS shows."""

    @property
    def expires_at(self) -> datetime:
        """Until when it can be run from a file, by ECS's clock; a configuration can allow less time."""
        return self.made_at + timedelta(seconds=self.lifetime)

    def save(self, path: str | os.PathLike[str]) -> Self:
        """Save the plan in a new file, and return it with the ``digest`` of that file.

        ``apply`` can run the file as well, and ``show`` can print it.

        Raises:
            UsageError: the file already exists, or its folder is not writable.
            RunRefused: it cannot be written.
        """
        with raising_arguments(True):
            name = os.fspath(path)
            refuse_existing(name, "path")
            saved = save_plan(with_options(self), name, self.endpoint, self.lifetime)
            return replace(self, digest=saved.digest)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, digest: str | None = None, password: str | None = None) -> Self:
        """Load a plan that ``save`` or the command ``plan`` saved. Nothing is asked of the cloud.

        ``run`` of a client runs it only while nothing that it is based on has changed.

        Args:
            path: the file.
            digest: the digest that somebody agreed to, or at least its first 32 characters; a file with another one is
                refused.
            password: the password to set, if the plan had one: it is never stored.

        Raises:
            UsageError: the file is no plan, was changed, or could be written by others, or the password is missing.
            RunRefused: it has another digest.
        """
        with raising_arguments(True):
            name = os.fspath(path)
            saved = read_plan(name, trusted=True)
            if digest is not None and not quotes(digest, saved.confirm_with):
                raise RunRefused(
                    f"{digest!r} is neither the digest of {name} nor at least its first {MIN_QUOTED} characters.",
                    hint=f"Nothing was changed. Read what is in that file: {shlex.join(['safe-reinit', 'show', name])}",
                )
            lifetime = (saved.expires_at - saved.plan.made_at).total_seconds()
            plan = _with_password(name, saved, password)
            return with_arguments(cls(**_members(plan), endpoint=saved.endpoint, lifetime=lifetime, path=name))


def of_program(plan: model.Plan, endpoint: str, lifetime: float) -> Plan:
    """Return a plan as one that a program can save."""
    return Plan(**_members(plan), endpoint=endpoint, lifetime=lifetime)


def _members(plan: model.Plan) -> dict[str, Any]:
    return {each.name: getattr(plan, each.name) for each in fields(model.Plan)}


# ------------------------------------------------------------------------------------------------------------ saving


def refuse_existing(path: str, argument: str) -> None:
    """Check that a plan can be saved there, before the cloud is asked anything.

    Args:
        path: the file.
        argument: what names it, as people write it.

    Raises:
        UsageError: something is already there, or the folder cannot be written.
    """
    if os.path.lexists(path):
        raise UsageError(
            f"{path} already exists, and a saved plan never overwrites a file.",
            hint=f"Name another file with {argument}, or remove the existing one.",
        )
    folder = Path(path).parent
    if not Path(path).name or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"The plan file {path!r} cannot be written.", hint=f"Correct {argument}.")


def save_plan(plan: model.Plan, path: str, endpoint: str, lifetime: float) -> model.Plan:
    """Save a plan, and return it with its digest.

    Args:
        plan: any plan, even one that may not be run.
        path: a file that does not exist yet.
        endpoint: the loopback endpoint, ``SIMULATION``, or ``""`` for the real cloud.
        lifetime: how many seconds it may be applied.

    Raises:
        RunRefused: the file cannot be written, or would be too large to read.
    """
    saved, text = plan_file.plan_as_text(plan, endpoint, lifetime)
    size = len(text.encode())
    if size > plan_file.MAX_BYTES:
        most = f"{plan_file.MAX_BYTES >> 20} MiB"
        raise RunRefused(
            f"The plan was not saved to {path}: it takes {size >> 20} MiB, and the limit is {most}.",
            hint="Nothing was changed; plan fewer disks at once.",
        )
    try:
        _write(path, text)
    except OSError as error:
        raise RunRefused(
            f"The plan could not be saved to {path}: {error.strerror}.",
            hint="Nothing was changed; name another file.",
        ) from None
    return saved


def _write(path: str, text: str) -> None:
    """Write a new file that only its owner can read, completely or not at all."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


# ----------------------------------------------------------------------------------------------------------- reading


def read_plan(path: str, *, trusted: bool) -> Saved:
    """Read a plan file.

    Args:
        path: its name.
        trusted: whether to refuse a file that others may write or could replace.

    Raises:
        UsageError: it cannot be read, is not a plan, or was changed.
    """
    try:
        return plan_file.read_content(_content(path, trusted=trusted))
    except OSError as error:
        why = (error.strerror or "it cannot be read").lower()
        raise UsageError(f"The plan file {path} cannot be read: {why}.", hint="Correct its name.") from None
    except plan_file.UnreadablePlanError as error:
        raise UsageError(
            f"The plan file {path} cannot be used: {error}.",
            hint="Make a new one: safe-reinit plan ... --save FILE",
        ) from None


def _content(path: str, *, trusted: bool) -> bytes:
    if trusted:
        refuse_untrusted(path, "the plan file", hint=f"else read it with {shlex.join(['safe-reinit', 'show', path])}")
    try:
        content = read_regular(path, plan_file.MAX_BYTES)
    except NotRegularError:
        raise plan_file.UnreadablePlanError("it is not a file") from None
    if len(content) > plan_file.MAX_BYTES:
        raise plan_file.UnreadablePlanError("it is too large for a plan")
    return content


# ---------------------------------------------------------------------------------------------------------- applying


def refuse_other_place(path: str, endpoint: str, here: str) -> None:
    """Refuse a plan that was made at another endpoint.

    Raises:
        UsageError: it was.
    """
    if here == endpoint:
        return
    places = {"": "the real cloud", plan_file.SIMULATION: "the built-in simulator (--simulate)"}
    there, here = (places.get(each, f"the endpoint {each}") for each in (endpoint, here))
    raise UsageError(f"The plan {path} is for {there}, not for {here}.", hint=f"Make a plan for {here}.")


def refuse_other_region(path: str, plan: model.Plan, region: str) -> None:
    """Refuse a plan for another region.

    Raises:
        UsageError: it is.
    """
    if plan.region != region:
        raise UsageError(
            f"The plan {path} is for the region {plan.region}, but this client uses {region}.",
            hint="Connect to the region of the plan.",
        )


def refuse_change(path: str, expires_at: datetime, plan: model.Plan, now: model.Plan, settings: Settings) -> None:
    """Refuse a plan if anything it is based on has changed; ``now`` is the same plan, made from the present facts.

    Raises:
        RunRefused: the account is different, or the plan is expired or stale.
    """
    if not (now.account and plan.account):
        when = "was made" if now.account else "is applied"
        raise RunRefused(
            f"STS did not say whose credentials these are when the plan {path} {when}, so they cannot be compared.",
            hint="Nothing was changed. Make a new plan once GetCallerIdentity is answered.",
        )
    if now.account != plan.account:
        raise RunRefused(
            f"The plan {path} belongs to account {plan.account}, but these credentials belong to {now.account}.",
            hint="Nothing was changed; use credentials of that account.",
        )
    expires_at = _expires_at(expires_at, plan, settings)
    if now.made_at >= expires_at:
        raise RunRefused(
            f"The plan {path} expired at {timestamp(expires_at)}; ECS's clock says {timestamp(now.made_at)}.",
            hint="Nothing was changed; make a new plan.",
        )
    if changed := plan_file.stale(plan, now):
        raise RunRefused(
            f"The plan {path} is stale: {'; '.join(changed)}.",
            hint="Nothing was changed; make a new plan from the current state.",
        )


def _with_password(path: str, saved: Saved, password: str | None) -> model.Plan:
    """Return the plan in a file with its password, which is not in the file.

    Raises:
        UsageError: the plan needs a password and there is none, or the other way round.
    """
    if (saved.plan.options.password is not None) != bool(password):
        needs = "sets no password, but one was given" if password else "sets a password, which is never stored"
        raise UsageError(f"The plan {path} {needs}.", hint="Leave it out." if password else "Give it again.")
    return saved.with_password(password)


def _expires_at(written: datetime, plan: model.Plan, settings: Settings) -> datetime:
    """Return when a plan expires: as its file says, but no later than the configuration of this machine allows."""
    if settings.of(Settings.plan_expires).source == "default":
        return written
    return min(written, plan.made_at + timedelta(seconds=settings.plan_expires))
