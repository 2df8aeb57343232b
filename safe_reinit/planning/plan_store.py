"""Plan files on disk: a plan is never saved over another file, and runs only while its facts have not changed."""

from __future__ import annotations

import contextlib
import os
import shlex
from datetime import datetime, timedelta
from pathlib import Path

from ..checks.target_rules import MIN_QUOTED, quotes
from ..config import Settings
from ..errors import RunRefused, UsageError
from ..files.regular import NotRegularError, read_regular
from ..files.trust import refuse_untrusted
from ..model import Plan
from ..model.codec import timestamp
from ..plans import plan_file
from ..plans.plan_file import Saved

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


def save_plan(plan: Plan, path: str, endpoint: str, lifetime: float) -> Plan:
    """Save a plan, and return it with its digest.

    Args:
        plan: any plan, even one that may not be run.
        path: a file that does not exist yet.
        endpoint: the loopback endpoint, ``SIMULATION``, or ``""`` for the real cloud.
        lifetime: how many seconds it may be applied.

    Raises:
        RunRefused: the file cannot be written, or would be too large to read.
    """
    saved, text = plan_file.save(plan, endpoint, lifetime)
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
        return plan_file.read(_content(path, trusted=trusted))
    except OSError as error:
        why = (error.strerror or "it cannot be read").lower()
        raise UsageError(f"The plan file {path} cannot be read: {why}.", hint="Correct its name.") from None
    except plan_file.UnreadableError as error:
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
        raise plan_file.UnreadableError("it is not a file") from None
    if len(content) > plan_file.MAX_BYTES:
        raise plan_file.UnreadableError("it is too large for a plan")
    return content


# ---------------------------------------------------------------------------------------------------------- applying


def refuse_other_place(path: str, saved: Saved, here: str) -> None:
    """Refuse a plan that was made at another endpoint.

    Raises:
        UsageError: it was.
    """
    if here == saved.endpoint:
        return
    places = {"": "the real cloud", plan_file.SIMULATION: "the built-in simulator (--simulate)"}
    there, here = (places.get(each, f"the endpoint {each}") for each in (saved.endpoint, here))
    raise UsageError(f"The plan {path} is for {there}, but this command uses {here}.", hint="Make a plan there.")


def refuse_other_plan(path: str, saved: Saved, region: str, endpoint: str, digest: str | None) -> None:
    """Refuse a plan for another region or endpoint, or one that is not the one that somebody agreed to.

    Raises:
        UsageError: it is for another region or endpoint.
        RunRefused: it has another digest.
    """
    if saved.plan.region != region:
        raise UsageError(
            f"The plan {path} is for the region {saved.plan.region}, but this client uses {region}.",
            hint="Connect to the region of the plan.",
        )
    refuse_other_place(path, saved, endpoint)
    if digest is not None and not quotes(digest, str(saved.plan.digest)):
        raise RunRefused(
            f"{digest!r} is neither the digest of {path} nor at least its first {MIN_QUOTED} characters.",
            hint=f"Nothing was changed. Read what is in that file: {shlex.join(['safe-reinit', 'show', path])}",
        )


def refuse_change(path: str, saved: Saved, plan: Plan, now: Plan, settings: Settings) -> None:
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
            hint="Use credentials of that account; nothing was changed.",
        )
    expires_at = _expires_at(saved, settings)
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


def with_password(path: str, saved: Saved, password: str | None) -> Plan:
    """Return the plan in a file with its password, which is not in the file.

    Raises:
        UsageError: the plan needs a password and there is none, or the other way round.
    """
    if (saved.plan.options.password is not None) != bool(password):
        needs = "sets no password, but one was given" if password else "sets a password, which is never stored"
        raise UsageError(f"The plan {path} {needs}.", hint="Leave it out." if password else "Give it again.")
    return saved.with_password(password)


def _expires_at(saved: Saved, settings: Settings) -> datetime:
    """Return when a plan expires: as its file says, but no later than the configuration of this machine allows."""
    if settings.of(Settings.plan_expires).source == "default":
        return saved.expires_at
    return min(saved.expires_at, saved.plan.made_at + timedelta(seconds=settings.plan_expires))
