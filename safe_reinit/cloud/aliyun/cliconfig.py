"""The configuration file of the aliyun CLI; it is only ever read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...files.regular import NotRegularError, read_regular
from ...model.codec import DecodeError, each_once
from .profile import MODES, CredentialsError, Profile

_MAX_FILE_SIZE = 1 << 20
"""The maximum size of a configuration file that is read, in bytes: no real file comes near it."""


def profile_of(content: Mapping[str, Any], name: str, file: str, above: tuple[str, ...]) -> Profile:
    """Read a profile, and the profile whose key assumes its role."""
    row = row_of(content, name, file)
    given = row.get("mode")
    mode_text = given if isinstance(given, str) else ""
    mode = next((each for each in MODES if each.lower() == mode_text.lower()), mode_text)
    source = f"The aliyun CLI profile {name!r} (mode {mode or 'missing'}) in {file}"
    profile = Profile(mode, row, source)
    if mode not in MODES:
        cause = f"the mode {mode!r} is not supported" if mode else "it has no mode"
        raise profile.failed(cause, f"Known are {', '.join(MODES)}. {_configure(name)}")
    if mode != "ChainableRamRoleArn":
        return profile
    base = profile.needed("source_profile")
    chain = (*above, name)
    if base in chain:
        raise profile.failed(
            f"its source_profile leads back to itself ({' -> '.join((*chain, base))})", _configure(name)
        )
    try:
        return Profile(mode, row, source, base=profile_of(content, base, file, chain))
    except CredentialsError as error:
        raise profile.failed(f"of its source_profile: {str(error)[:1].lower()}{str(error)[1:-1]}", error.hint) from None


def row_of(content: Mapping[str, Any], name: str, file: str) -> Mapping[str, Any]:
    """Return a profile of the configuration.

    Raises:
        CredentialsError: it has none or several with that name.
    """
    profiles = content.get("profiles")
    rows = [each for each in profiles if isinstance(each, Mapping)] if isinstance(profiles, list) else []
    matches = [each for each in rows if each.get("name") == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise CredentialsError(f"{file} has {len(matches)} profiles called {name!r}.", "Leave one of them.")
    available = ", ".join(repr(str(each.get("name"))) for each in rows) or "none"
    raise CredentialsError(
        f"The aliyun CLI profile {name!r} gives no credentials: {file} has no such profile (it has {available}).",
        f"Run aliyun configure --profile {name}, or use another profile with --profile.",
    )


def current_of(content: Mapping[str, Any], file: str) -> str:
    """Return the name of the current profile.

    Raises:
        CredentialsError: the configuration names none.
    """
    current = content.get("current")
    if isinstance(current, str) and current:
        return current
    raise CredentialsError(
        f"{file} names no current profile, so it gives no credentials.",
        "Run aliyun configure switch, or name a profile with --profile.",
    )


def config_of(file: str) -> Mapping[str, Any] | None:
    """Read the aliyun CLI's configuration; ``None`` if there is none, or an empty one."""
    text = content_of(file)
    if text is None:
        return None
    try:
        content: Mapping[str, Any] = json.loads(text, object_pairs_hook=each_once)
        why = "" if isinstance(content, Mapping) else "it contains no JSON object"
    except DecodeError as error:
        why = str(error)
    except (ValueError, RecursionError):
        why = "it is not readable as JSON (cut short?)"
    if why:
        raise CredentialsError(
            f"The aliyun CLI configuration {file} gives no credentials: {why}.",
            "Restore the file, or run aliyun configure again.",
        )
    return content


def _configure(name: str) -> str:
    return f"Correct it with aliyun configure --profile {name}, or name another profile with --profile."


def content_of(file: str) -> str | None:
    """Read a file; ``None`` if there is none, or an empty one.

    Raises:
        CredentialsError: it exists but cannot be read.
    """
    try:
        raw = read_regular(file, _MAX_FILE_SIZE)
        text = raw.decode("utf-8-sig")
    except NotRegularError:
        raise CredentialsError(f"{file} is not a regular file, so it gives no credentials.", "Replace it.") from None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CredentialsError(
            f"{file} cannot be read ({error.strerror}), so it gives no credentials.", "Make it readable for this user."
        ) from None
    except UnicodeDecodeError:
        raise CredentialsError(f"{file} is not UTF-8, so it gives no credentials.", "Write it again.") from None
    if len(raw) > _MAX_FILE_SIZE:
        raise CredentialsError(f"{file} is larger than {_MAX_FILE_SIZE} bytes, so it is not read.", "Replace it.")
    return text if text.strip() else None
