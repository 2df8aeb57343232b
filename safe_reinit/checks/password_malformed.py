"""The password breaks ECS's password rule.

What it does
    Checks the given password against the documented rule (ECS API reference, ReInitDisk): 8 to 30 characters; at least
    three of upper case, lower case, digits and special characters; no other characters; on Windows, no leading slash.
    The special characters are ()`~!@#$%^&*-_+=|{}[]:;'<>,.?/

Why it matters
    ECS would refuse the wipe with InvalidPassword.Malformed.

How to fix it
    Choose a password that follows the rule. The password is never shown, not even in part.
"""

from __future__ import annotations

import string
from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import on_windows
from .check import Check

_SPECIAL = "()`~!@#$%^&*-_+=|{}[]:;'<>,.?/"
_KINDS = (string.ascii_uppercase, string.ascii_lowercase, string.digits, _SPECIAL)


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is None or facts.options.password is None:
        return
    broken = _broken(facts.options.password.reveal(), windows=on_windows(facts))
    if not broken:
        return
    yield Finding(
        CHECK.name,
        "block",
        facts.disk.disk_id,
        f"The password given for the disk breaks ECS's password rule: {'; '.join(broken)}.",
        fix="Use a password that follows the rule, with --password-env, --password-stdin or --password-prompt.",
        predicts="InvalidPassword.Malformed",
    )


def _broken(password: str, *, windows: bool) -> list[str]:
    """Return the parts of the rule that are broken, in words that reveal nothing else of the password."""
    broken = []
    if not 8 <= len(password) <= 30:
        broken.append("it must have 8 to 30 characters")
    if sum(any(char in kind for char in password) for kind in _KINDS) < 3:
        broken.append("it must have at least three of upper case, lower case, digits and special characters")
    if not set(password) <= set("".join(_KINDS)):
        broken.append("it must have only ASCII letters, digits and the documented special characters")
    if windows and password.startswith("/"):
        broken.append("on Windows it must not begin with a slash")
    return broken


CHECK = Check("password-malformed", "block", ("InvalidPassword.Malformed",), check, of_options=True, of_reinit=True)
