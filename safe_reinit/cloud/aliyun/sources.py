"""Where credentials are configured: the environment, aliyun CLI profiles, credentials.ini, the machine's own role.

The order is that of Alibaba Cloud's default chain. A configured source is always used: if it cannot give credentials,
that is an error that names it, and never a reason to continue with another one. Only absent sources are skipped.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...files.home import home_of
from .cliconfig import config_of, content_of, current_of, profile_of, row_of
from .profile import CredentialsError, Profile

PROFILE_VARIABLES = ("ALIBABACLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE")
"""The variables that name a profile, in the order of the aliyun CLI."""
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_IGNORE = ("ALIBABA_CLOUD_IGNORE_PROFILE", "ALIBABACLOUD_IGNORE_PROFILE", "ALIBABA_CLOUD_CLI_PROFILE_DISABLED")
_KEY_ID, _SECRET, _TOKEN = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)
_OIDC = {
    "ram_role_arn": "ALIBABA_CLOUD_ROLE_ARN",
    "oidc_provider_arn": "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
    "oidc_token_file": "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
}
_INI_TYPES = {
    "access_key": "AK",
    "sts": "StsToken",
    "ram_role_arn": "RamRoleArn",
    "oidc_role_arn": "OIDC",
    "ecs_ram_role": "EcsRamRole",
    "credentials_uri": "CredentialsURI",
}
_INI_MEMBERS = {
    "security_token": "sts_token",
    "role_arn": "ram_role_arn",
    "role_session_name": "ram_session_name",
    "role_name": "ram_role_name",
    "oidc_token_file_path": "oidc_token_file",
}


@dataclass(frozen=True)
class CredentialSource:
    """One place where credentials are configured; which profile of a file is meant does not change any more."""

    kind: str
    """``environment``, ``oidc``, ``cli``, ``ini``, ``role`` or ``uri``."""
    name: str = ""
    file: str = ""


def chosen(environment: Mapping[str, str], profile: str = "", *, local_only: bool = False) -> list[CredentialSource]:
    """Return the source that is configured, or what is left to try where none is.

    Args:
        environment: the variables that say so.
        profile: the aliyun CLI profile that was requested by name; no other source is used then.
        local_only: whether to skip the machine's own role, because nothing may leave this machine.

    Raises:
        CredentialsError: a file cannot be read, or a source is configured by half.

    """
    config = str(home_of(environment) / ".aliyun" / "config.json")
    if profile:
        return [CredentialSource("cli", profile, config)]
    if any(environment.get(name) for name in (_KEY_ID, _SECRET, _TOKEN)):
        return [CredentialSource("environment")]
    if any(environment.get(_OIDC[name]) for name in ("oidc_provider_arn", "oidc_token_file")):
        return [CredentialSource("oidc")]
    named = named_profile(environment)
    if not ignores_profiles(environment):
        content = config_of(config)
        if content is not None:
            return [CredentialSource("cli", named or current_of(content, config), config)]
    ini = environment.get("ALIBABA_CLOUD_CREDENTIALS_FILE", "")
    file = ini or str(home_of(environment) / ".alibabacloud" / "credentials.ini")
    if ini or content_of(file) is not None:
        return [CredentialSource("ini", environment.get("ALIBABA_CLOUD_PROFILE") or "default", file)]
    if named and not ignores_profiles(environment):
        raise CredentialsError(
            f"The environment names the profile {named!r}, but neither {config} nor {file} exists.",
            f"Run aliyun configure --profile {named}, or unset {' and '.join(_set(PROFILE_VARIABLES, environment))}.",
        )
    if environment.get(_OIDC["ram_role_arn"]):
        return [CredentialSource("oidc")]  # by half; who wanted that role does not get the one of this machine
    more = [CredentialSource("uri")] if environment.get("ALIBABA_CLOUD_CREDENTIALS_URI") else []
    return more if local_only or metadata_is_off(environment) else [CredentialSource("role"), *more]


def files_read(environment: Mapping[str, str]) -> list[str]:
    """Return the files that credentials and certificates may be read from, whether they exist or not."""
    home = home_of(environment)
    named = ("ALIBABA_CLOUD_CREDENTIALS_FILE", _OIDC["oidc_token_file"], *CA_VARIABLES)
    own = (home / ".aliyun" / "config.json", home / ".alibabacloud" / "credentials.ini")
    return [*map(str, own), *(environment[name] for name in named if environment.get(name))]


def named_profile(environment: Mapping[str, str]) -> str:
    """Return the profile that the environment names; ``""`` if it names none."""
    return next((environment[name] for name in _set(PROFILE_VARIABLES, environment)), "")


def ignores_profiles(environment: Mapping[str, str]) -> bool:
    """Return whether the environment says to ignore the aliyun CLI's profiles."""
    flags = [_flag(environment, name) for name in _IGNORE]  # all are read: each may be misspelt
    return any(flags)


def metadata_is_off(environment: Mapping[str, str]) -> bool:
    """Return whether the environment forbids asking the metadata service."""
    return _flag(environment, "ALIBABA_CLOUD_ECS_METADATA_DISABLED")


def _flag(environment: Mapping[str, str], name: str) -> bool:
    value = environment.get(name, "")
    if value.lower() not in ("", "true", "false"):
        raise CredentialsError(f"The variable {name} is {value!r}, but can only be true or false.", "Correct it.")
    return value.lower() == "true"


def region_of(profile: str | None, environment: Mapping[str, str]) -> str:
    """Return the ``region_id`` of the aliyun CLI profile in use; ``""`` if there is none.

    Raises:
        CredentialsError: the profile in use cannot be read.
    """
    if not profile and ignores_profiles(environment):
        return ""
    file = str(home_of(environment) / ".aliyun" / "config.json")
    content = config_of(file)
    if content is None:
        return ""
    name = profile or named_profile(environment) or current_of(content, file)
    return str(row_of(content, name, file).get("region_id") or "")


def read_source(source: CredentialSource, environment: Mapping[str, str]) -> Profile:
    """Read the present settings of a source.

    Raises:
        CredentialsError: they cannot be used.
    """
    if source.kind == "environment":
        return _environment(environment)
    if source.kind == "oidc":
        return _oidc(environment)
    if source.kind == "cli":
        return _cli(source, environment)
    if source.kind == "ini":
        return _ini(source)
    if source.kind == "uri":
        uri = environment.get("ALIBABA_CLOUD_CREDENTIALS_URI", "")
        return Profile("CredentialsURI", {"credentials_uri": uri}, "The variable ALIBABA_CLOUD_CREDENTIALS_URI")
    role = environment.get("ALIBABA_CLOUD_ECS_METADATA", "")
    named = f"The RAM role {role} that the variable ALIBABA_CLOUD_ECS_METADATA names"
    return Profile(
        "EcsRamRole", {"ram_role_name": role}, named if role else "The RAM role of this machine", discovered=not role
    )


def _environment(environment: Mapping[str, str]) -> Profile:
    key_id, secret, token = (environment.get(name, "") for name in (_KEY_ID, _SECRET, _TOKEN))
    members = {"access_key_id": key_id, "access_key_secret": secret, "sts_token": token}
    profile = Profile("StsToken" if token else "AK", members, f"The environment ({_KEY_ID})")
    missing = [name for name in (_KEY_ID, _SECRET) if not environment.get(name)]
    if missing:
        there = " and ".join(_set((_KEY_ID, _SECRET, _TOKEN), environment))
        raise CredentialsError(
            f"The environment gives no credentials: it has {there or 'no key any more'}, and {_not_set(missing)}.",
            f"Set {_KEY_ID} and {_SECRET}, or unset all of them to use another source.",
        )
    return profile


def _oidc(environment: Mapping[str, str]) -> Profile:
    missing = [name for name in _OIDC.values() if not environment.get(name)]
    if missing:
        raise CredentialsError(
            f"The environment gives no credentials by OIDC: {_not_set(missing)}.",
            f"Set {', '.join(_OIDC.values())}, or unset all of them to use another source.",
        )
    members: dict[str, Any] = {member: environment.get(name, "") for member, name in _OIDC.items()}
    return Profile("OIDC", members, f"The environment (OIDC, {_OIDC['oidc_token_file']})")


def _cli(source: CredentialSource, environment: Mapping[str, str]) -> Profile:
    if ignores_profiles(environment):
        raise CredentialsError(
            f"The aliyun CLI profile {source.name!r} was requested, but {', '.join(_set(_IGNORE, environment))} says "
            "that the CLI's profiles are ignored.",
            "Remove one of the two.",
        )
    content = config_of(source.file)
    if content is None:
        raise CredentialsError(
            f"The aliyun CLI profile {source.name!r} gives no credentials: there is no {source.file}.",
            f"Run aliyun configure --profile {source.name}, or name another with --profile.",
        )
    return profile_of(content, source.name, source.file, ())


def _ini(source: CredentialSource) -> Profile:
    source_text = f"The profile {source.name!r} in {source.file}"
    text = content_of(source.file)
    if text is None:
        raise CredentialsError(
            f"{source_text} gives no credentials: there is no such file, or it is empty.", "Create it."
        )
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        raise CredentialsError(
            f"{source_text} gives no credentials: the file is not readable as INI.", "Correct it."
        ) from None
    if not parser.has_section(source.name):
        raise CredentialsError(
            f"{source_text} gives no credentials: the file has no section [{source.name}].",
            "Add it, or name another with ALIBABA_CLOUD_PROFILE.",
        )
    values = {name: value.split("#")[0].strip() for name, value in parser.items(source.name)}
    if values.get("enable", "true").lower() != "true":
        raise CredentialsError(
            f"{source_text} gives no credentials: it is not enabled (enable = {values['enable']}).",
            "Enable it, or name another with ALIBABA_CLOUD_PROFILE.",
        )
    type_ = values.get("type", "")
    mode = _INI_TYPES.get(type_, type_)
    profile = Profile(
        mode,
        {_INI_MEMBERS.get(name, name): value for name, value in values.items()},
        f"{source_text} (type {type_ or 'missing'})",
    )
    if type_ not in _INI_TYPES:
        raise profile.failed(
            f"the type {type_!r} is not supported" if type_ else "it has no type",
            f"Known are {', '.join(_INI_TYPES)}.",
        )
    return profile


def _not_set(missing: list[str]) -> str:
    return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"


def _set(variables: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    return [name for name in variables if environment.get(name)]
