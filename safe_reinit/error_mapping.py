"""Maps the result of a call or a run to the error that is raised for people."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .cloud.interface import CloudError, NoCredentials, Refused
from .errors import BY_OUTCOME, Error, RunRefused, UsageError
from .model import Report, Secret
from .model.error_codes import fix_of

if TYPE_CHECKING:
    from .journal import Journal

T = TypeVar("T")
E = TypeVar("E", bound=Error)


def refusal_of(error: CloudError, region: str = "") -> Error:
    """Return, for people, why ECS could not be asked in a region; nothing has been changed."""
    if isinstance(error, NoCredentials):
        refused = RunRefused if error.was_asked else UsageError
        return refused(f"{error.summary} Nothing was changed.", hint=error.hint or "Correct it, or use another source.")
    refusal = RunRefused(f"{error} Nothing was changed.", hint=error.hint)
    if isinstance(error, Refused):
        named = f"Check --region ({region})." if region else "Check --region."
        refusal.hint = fix_of(error.action, error.code).replace("Check --region.", named)
        refusal.code, refusal.request_id = error.code, error.request_id
    refusal.action = error.action
    return refusal


def taken(run_id: str, journal: Journal) -> RunRefused:
    """Return who has taken the run that this process held, and what happened to it, according to the journal."""
    from .journal import run_of  # noqa: PLC0415 - a plan has none

    stored = None
    with contextlib.suppress(UsageError):
        stored = journal.run(run_id)
    run_id = run_of(run_id)
    holder = stored.holder if stored else None
    if stored is None or holder is None:
        text = f"Another process has taken run {run_id}."
    elif not stored.open:
        text = f"Another process has taken run {run_id} and ended it: {stored.outcome}."
    elif holder.alive:
        text = f"Another process holds run {run_id} now ({holder})."
    else:
        text = f"Another process took run {run_id} ({holder}) and has released it."
    return RunRefused(text, hint=f"This process sends no more calls. See safe-reinit show {run_id}.")


def password_as_planned(plan: Mapping[str, Any], password: Secret | None, what: str) -> None:
    """Check that a loaded plan gets a password exactly if it was made with one; passwords are never stored.

    Raises:
        UsageError: it is missing, or not needed.
    """
    needed = bool(plan["options"]["password"])
    if needed and password is None:
        raise UsageError(
            f"{what} sets a password, which is never stored: give it again.",
            hint="Use --password-env, --password-stdin or --password-prompt.",
        )
    if password is not None and not needed:
        raise UsageError(f"{what} sets no password, but one was given.", hint="Leave it out.")


def error_of(report: Report) -> Error:
    """Return the error for a run's outcome; if a machine is down, the hint first says what to do about that."""
    cls = BY_OUTCOME[report.outcome]
    error = cls(report.error.message if report.error else f"{cls.meaning[0].upper()}{cls.meaning[1:]}.")
    if report.run_id:
        error.hint = error.hint.replace("resume RUN", f"resume {report.run_id}")
    if report.error:
        error.hint = report.error.hint or cls.hint
        if report.outcome == "unknown" and "ActionTrail" not in error.hint:
            error.hint = f"{cls.hint} {error.hint}"
        error.code, error.request_id, error.action = report.error.code, report.error.request_id, report.error.action
    return with_report(error, report)


def with_report(error: E, report: Report | None) -> E:
    """Attach its report to an error, and return it; nothing else sets the report of an error."""
    error.report = report
    return error


@contextlib.contextmanager
def reporting(report_of: Callable[[Error], Report | None], kinds: tuple[type[Error], ...] = (Error,)) -> Iterator[None]:
    """If an error of one of these kinds ends the block, add the report that is made from it."""
    try:
        yield
    except kinds as error:
        with_report(error, report_of(error))
        raise


def done(report: Report) -> Report:
    """Return the report of a run that is done; for any other, raise its error."""
    if report.exit_code == 0:
        return report
    raise error_of(report)


def safely(
    listener: Callable[[T], None] | None, on_exit: Callable[[BaseException], None] | None = None
) -> Callable[[T], None]:
    """Keep a listener that fails from making an answer look lost or leaving a machine stopped.

    Args:
        listener: what is called.
        on_exit: is called with an exit that the listener raises (``SystemExit``, ``KeyboardInterrupt``), which is not a
            failure; without it, the exit is raised again.
    """

    def notify(value: T) -> None:
        if listener is None:
            return
        try:
            with contextlib.suppress(Exception):
                listener(value)
        except BaseException as error:
            if on_exit is None:
                raise
            on_exit(error)

    return notify


def modules_of(error: BaseException) -> dict[str, int]:
    """Return the modules that an error passed through, each with its last line."""
    trace, lines_of = error.__traceback__, dict[str, int]()
    while trace is not None:
        lines_of[trace.tb_frame.f_globals.get("__name__", "")] = trace.tb_lineno
        trace = trace.tb_next
    return lines_of


def unexpected(error: Exception) -> Error:
    """Return, for people, what an error is that nobody has foreseen, and where; its text could contain a secret."""
    ours = [f"{name}:{line}" for name, line in modules_of(error).items() if name.startswith("safe_reinit")]
    return Error(f"An unexpected {type(error).__name__} at {ours[-1] if ours else 'an unknown place'}.")


_TLS_FILES = "Correct temporal_tls_ca, temporal_tls_cert and temporal_tls_key."
_NO_TLS = "No TLS connection to the Temporal server {address}: "
_OF_TEMPORAL: tuple[tuple[str, type[RunRefused | UsageError], str, str], ...] = (
    (
        r"NOT_FOUND.*[Nn]amespace", RunRefused, "The Temporal server {address} has no namespace {namespace}.",
        "Correct temporal_namespace, or create it: temporal operator namespace create -n {namespace}",
    ),
    (
        r"Unauthenticated|UNAUTHENTICATED|PermissionDenied|PERMISSION_DENIED", RunRefused,
        "The Temporal server {address} refuses access to the namespace {namespace} with {shown}.",
        "Correct temporal_api_key_file or temporal_tls_cert, or have them given access to the namespace.",
    ),
    (
        r"PrivateKeyParseError|InconsistentKeys|NoCertificatesPresented|CertificateParseError", UsageError,
        "The client certificate for the Temporal server {address} cannot be used: a file is not PEM, or the key "
        "belongs to another certificate.",
        "Correct temporal_tls_cert and temporal_tls_key.",
    ),
    (
        r"InvalidContentType|InvalidMessage", RunRefused, f"{_NO_TLS}what listens there does not use TLS.",
        "Correct temporal (HOST:PORT), or leave the TLS settings out.",
    ),
    (r"NotValidForName", RunRefused, f"{_NO_TLS}its certificate is for another name.", "Correct temporal (HOST:PORT)."),
    (r"Expired", RunRefused, f"{_NO_TLS}its certificate has expired.", "Have it renewed."),
    (r"InvalidCertificate", RunRefused, f"{_NO_TLS}its certificate is not from a CA that is trusted here.", _TLS_FILES),
    (
        r"Alert|PeerIncompatible|connection closed|UnexpectedEof|HandshakeEof|ConnectionReset|BrokenPipe", RunRefused,
        "The Temporal server {address} closes the connection at once. It may need TLS or another client certificate.",
        f"Set temporal_tls if it needs TLS. {_TLS_FILES}",
    ),
    (
        r"dns error|[Ii]nvalid ?[Uu]ri|invalid authority", RunRefused,
        "The name of the Temporal server {address} cannot be found.", "Correct temporal (HOST:PORT).",
    ),
)  # fmt: skip
"""What a failure says, and what people are told then; the first match counts."""


def temporal_error(status: str, text: str, **names: str) -> RunRefused | UsageError:
    """Return, for people, why a Temporal server did not do what it was asked.

    Args:
        status: the gRPC status with which it answered; ``""`` if it did not.
        text: the text of the failure, of which nothing is repeated: it may contain what was sent.
        names: ``address`` and ``namespace``, and what was ``shown`` to be let in.
    """
    for pattern, kind, sentence, hint in _OF_TEMPORAL:
        if re.search(pattern, f"{status} {text}", re.DOTALL):
            return kind(sentence.format(**names), hint=hint.format(**names))
    if status in ("", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN"):
        return RunRefused(
            f"The Temporal server {names['address']} does not answer.",
            hint="Check that it runs and can be reached from here, then try again. The journal has every run.",
        )
    return RunRefused(
        f"The Temporal server {names['address']} refused the request ({status}).",
        hint="Try again; the server's log says why.",
    )
