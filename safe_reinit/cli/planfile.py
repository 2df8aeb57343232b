"""Plans as files: saved by ``plan --save``, read for ``apply``, shown by ``show``."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from .. import report
from ..client import Client
from ..config import Settings, resolve
from ..errors import RunRefused, UsageError
from ..files.trust import refuse_untrusted
from ..journal.place import is_there, journal_of, redacted
from ..model import Plan, Report
from ..model.codec import timestamp
from ..plans import plan_file
from ..plans.plan_file import Saved
from .next import apply_command
from .output import Output, print_lines, print_stderr, print_stdout

# ------------------------------------------------------------------------------------------------------------ saving


def refuse_existing(path: str) -> None:
    """Check that a plan can be saved there, before anything is asked of the cloud.

    Raises:
        UsageError: there is something already, or the folder cannot be written.
    """
    if os.path.lexists(path):
        raise UsageError(
            f"{path} exists already, and a plan is never saved over anything.",
            hint="Name another file with --save, or remove that one.",
        )
    folder = Path(path).parent
    if not Path(path).name or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"The plan file {path!r} cannot be written.", hint="Correct --save.")


def save(plan: Plan, path: str, client: Client, config: Settings) -> Plan:
    """Save a plan, and give it with its digest.

    Raises:
        RunRefused: the file cannot be written, or would be too large to be read.
    """
    saved, text = plan_file.save(plan, endpoint(client, config), config.plan_expires)
    size = len(text.encode())
    if size > plan_file.MAX_BYTES:
        most = f"{plan_file.MAX_BYTES >> 20} MiB"
        raise RunRefused(
            f"The plan was not saved to {path}: it takes {size >> 20} MiB, and apply reads at most {most}.",
            hint="Nothing was changed; plan fewer disks at once.",
        )
    try:
        _write(path, text)
    except OSError as error:
        raise RunRefused(
            f"The plan could not be saved to {path}: {error.strerror}.", hint="Nothing was changed; correct --save."
        ) from None
    until = timestamp(plan.made_at + timedelta(seconds=config.plan_expires))
    if not config.quiet:
        print_stderr(f"Saved to {path}: digest {saved.digest}, may be applied until {until}.")
    return saved


def _write(path: str, text: str) -> None:
    """Write a new file that only its owner reads, whole or not at all."""
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


def endpoint(client: Client, config: Settings) -> str:
    """Return the endpoint of a plan as its file has it."""
    return plan_file.SIMULATION if config.simulate or config.world else client.endpoint


# ----------------------------------------------------------------------------------------------------------- reading


def read(path: str, *, trusted: bool) -> Saved:
    """Read a plan file.

    Args:
        path: its name.
        trusted: refuse a file that others may write, or could put another in the place of.

    Raises:
        UsageError: it cannot be read, is no plan, or was changed.
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
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise plan_file.UnreadableError("it is no file")
        if status.st_size > plan_file.MAX_BYTES:
            raise plan_file.UnreadableError("it is too large for a plan")
        return file.read(plan_file.MAX_BYTES + 1)


# ---------------------------------------------------------------------------------------------------------- showing


def show(path: str, flags: Mapping[str, Any], output: Output) -> None:
    """Show the plan in a file, and what can be told of it without asking the cloud.

    Raises:
        UsageError: it is no plan file, or was changed.
    """
    if not os.path.lexists(path):
        raise UsageError(f"There is neither a run nor a plan file {path!r}.", hint="See safe-reinit runs.")
    saved = read(path, trusted=False)
    expired = output.now() >= saved.expires_at
    result = report.of_plan(report.started(saved.plan.made_at), saved.plan.made_at, saved.plan, (), dry_run=True)
    used_by, result, unknown = _with_journal(saved, result, flags)
    usable = saved.plan.runnable and not expired and used_by is None
    result = replace(result, next=(apply_command(path, saved.plan, output.argv, saved.endpoint),) if usable else ())
    if output.json:
        file = {
            "path": path, "digest": saved.plan.digest, "confirm_with": saved.confirm_with, "endpoint": saved.endpoint,
            "expires_at": timestamp(saved.expires_at), "expired": expired, "used_by": used_by,
        }  # fmt: skip
        output.document({**report.to_json(result), "events": [], "missing": [], "file": file})
        return
    print_stdout(f"{path}: a plan of {timestamp(saved.plan.made_at)} by {saved.plan.caller.arn}")
    print_stdout(f"  digest {saved.plan.digest}")
    print_stdout(f"  {_state(saved, used_by, unknown, expired=expired)}")
    print_lines(report.plan_lines(saved.plan, full=output.verbose), sys.stdout)
    for disk in (disk for job in result.jobs for disk in job.disks if disk.last_run):
        if disk.last_run:
            print_stdout(f"  {disk.disk_id}: {report.last_run_text(disk.last_run)}")
    for command in result.next:
        print_stdout(f"next: {command}")


def _state(saved: Saved, used_by: str | None, unknown: str, *, expired: bool) -> str:
    until = timestamp(saved.expires_at)
    states = [f"USED: run {used_by} ran it"] if used_by else []
    states += [f"EXPIRED at {until}, by this machine's clock"] if expired else []
    states += ["REFUSED: it cannot be applied, see below"] if not saved.plan.runnable else []
    text = "; ".join(states) or f"may be applied until {until}, if nothing has moved since"
    return f"{text}{unknown}"


def _with_journal(saved: Saved, result: Report, flags: Mapping[str, Any]) -> tuple[str | None, Report, str]:
    """Ask the journal who ran a plan and its disks; one that cannot be asked is no reason not to show the plan."""
    config = resolve(flags, os.environ, flags.get("config"))
    place = journal_of(config.journal, os.environ)
    try:
        if not is_there(place):
            return None, result, ""
        from .journals import read_journal  # noqa: PLC0415 - only where there is one

        with read_journal(flags) as journal:
            return journal.used_by(saved.plan.plan_id), report.with_last_runs(result, journal, saved.endpoint), ""
    except (OSError, UsageError):
        return None, result, f"; whether it was run is not known, since the journal {redacted(place)} cannot be read"
