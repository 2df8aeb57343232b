"""The password is sent in the query string of the request.

What it does
    Reports that a new password is sent as a query parameter of ReInitDisk: the vendor's SDK puts every parameter into
    the query string of an HTTPS request (ECS API reference, ReInitDisk: "use HTTPS").

Why it matters
    It does not stop the run. HTTPS hides the query string in transit, but anything that decrypts the connection in
    between can write URLs to its log: a proxy with its own certificate, a monitoring agent. This program does not log
    the password and shows it nowhere.

How to fix it
    Use a key pair (--key-pair) on Linux, do not send this call through a proxy that decrypts HTTPS, or change the
    password again after the first login.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is None or not is_system(facts.disk) or facts.options.password is None:
        return
    yield Finding(
        CHECK.name,
        "info",
        facts.disk.disk_id,
        "The SDK sends the new password in the query string of the HTTPS request, so a proxy that decrypts HTTPS "
        "could log it.",
        fix="Use a key pair on Linux, or change the password after the first login.",
    )


CHECK = Check("password-in-query", "info", (), check, of_options=True, of_reinit=True)
