"""Gets the signing key from a source: some have it, others ask STS, CloudSSO, a command or the machine.

The vendor's package asks with sessions that belong to the whole process: they follow redirects, ignore limits, NO_PROXY
and the CA bundle, and print tokens if ``DEBUG=sdk`` is set. The same requests are sent in our way here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from ...model import Secret
from ..endpoints import is_loopback
from .answers import SigningKey, SourceClient, Web, host_of, object_of
from .command import COMMAND_TIMEOUT, run_to_end
from .profile import CredentialsError, NothingFoundError, Profile
from .sources import metadata_is_off

SOURCE_TIMEOUT = 10.0
"""Real seconds for a source that must ask a service."""
_DISCOVERY_TIMEOUT = 2.0
"""The same for the role of this machine, if nobody configured one: a machine without a role must be recognised in 3 s.
"""
_METADATA = "http://100.100.100.200"
_THEM = "the metadata service"
_ROLES = f"{_METADATA}/latest/meta-data/ram/security-credentials/"
_OAUTH = {"CN": "https://oauth.aliyun.com", "INTL": "https://oauth.alibabacloud.com"}
_SESSION = "safe-reinit"
"""The session name of a role if none is configured: always the same, so that the caller is the same, too."""
_MAX_ANSWER_SIZE = 1 << 20
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def key_of(profile: Profile, web: Web, environment: Mapping[str, str], now: float) -> SigningKey:
    """Return the key that a source gives.

    Args:
        profile: the settings of the source.
        web: asks services, if needed.
        environment: the variables that change how they are asked.
        now: the present, in seconds since the epoch.

    Raises:
        CredentialsError: the source gives none, or one that cannot be used.

    """
    until = web.now() + (_DISCOVERY_TIMEOUT if profile.discovered else SOURCE_TIMEOUT)
    key = _Source(SourceClient(profile, web, environment, now, until)).key()
    _check_key(profile, key)
    if key.expires is not None and key.expires <= now:
        raise profile.failed(
            f"the key that it gave expired at {_moment(key.expires)}", "Check the clock of this machine."
        )
    return key


class _Source:
    """One attempt to get a key from a source, from its settings and by asking services."""

    def __init__(self, client: SourceClient) -> None:
        self._client = client
        self._profile = client.profile

    def key(self) -> SigningKey:
        mode = self._profile.mode
        if mode in ("AK", "StsToken"):
            return self._own(token=mode == "StsToken")
        if mode == "RamRoleArn":
            return self._assume(self._own(token=bool(self._profile.text("sts_token"))))
        if mode == "ChainableRamRoleArn" and self._profile.base is not None:
            base = _Source(replace(self._client, profile=self._profile.base))
            return self._assume(base.key())
        if mode == "RamRoleArnWithRoleName":
            return self._assume(self._machine())
        key_of_mode = {
            "EcsRamRole": self._machine,
            "External": self._command,
            "CredentialsURI": self._uri,
            "OIDC": self._oidc,
            "CloudSSO": self._sso,
            "OAuth": self._oauth,
        }[mode]
        return key_of_mode()

    def _own(self, *, token: bool) -> SigningKey:
        key_id, secret = self._profile.needed("access_key_id"), self._profile.needed("access_key_secret")
        key = SigningKey(key_id, Secret(secret), Secret(self._profile.needed("sts_token")) if token else None)
        _check_key(self._profile, key)
        return key

    # ------------------------------------------------------------------------------------------------------- STS

    def _assume(self, base: SigningKey) -> SigningKey:
        """Assume a role with a key (STS API reference: AssumeRole)."""
        query = self._role("AssumeRole") | {
            "AccessKeyId": base.key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": secrets.token_hex(16),
        }
        if external := self._profile.text("external_id"):
            query["ExternalId"] = external
        if base.token is not None:
            query["SecurityToken"] = base.token.reveal()
        query["Signature"] = _signature(query, base.secret.reveal())
        return self._of_sts(query)

    def _oidc(self) -> SigningKey:
        """Assume a role with a token of an identity provider (STS API reference: AssumeRoleWithOIDC)."""
        query = self._role("AssumeRoleWithOIDC")
        query["OIDCProviderArn"] = self._profile.needed("oidc_provider_arn")
        file = self._profile.needed("oidc_token_file")
        try:
            with open(file, "rb") as opened:
                token = opened.read(_MAX_ANSWER_SIZE).decode("ascii").strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not a token"
            raise self._client.failed(f"its oidc_token_file {file} cannot be read ({why})") from None
        if not token:
            raise self._client.failed(f"its oidc_token_file {file} is empty")
        query["OIDCToken"] = token
        return self._of_sts(query)

    def _role(self, action: str) -> dict[str, str]:
        session = self._profile.text("ram_session_name") or self._profile.text("role_session_name")
        query = {
            "Action": action,
            "Format": "JSON",
            "Version": "2015-04-01",
            "Timestamp": datetime.fromtimestamp(self._client.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "RoleArn": self._profile.needed("ram_role_arn"),
            "RoleSessionName": session or self._client.environment.get("ALIBABA_CLOUD_ROLE_SESSION_NAME") or _SESSION,
            "DurationSeconds": str(int(self._profile.number("expired_seconds")) or 3600),
        }
        if session_policy := self._profile.text("policy"):
            query["Policy"] = session_policy
        return query

    def _of_sts(self, query: Mapping[str, str]) -> SigningKey:
        url = self._client.web.sts(self._profile)
        body = self._client.json("GET", f"{url}/?{urlencode(query, quote_via=quote, safe='~')}", "STS")
        return self._client.given(body.get("Credentials"), "STS")

    # --------------------------------------------------------------------------------------------------- others

    def _machine(self) -> SigningKey:
        """Ask the metadata service of this machine for the key of its role."""
        if metadata_is_off(self._client.environment):
            raise self._client.failed("ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids asking the metadata service")
        try:
            v2 = self._metadata_token()
            role = self._profile.text("ram_role_name") or self._role_of_machine(v2)
        except CredentialsError as error:
            if self._profile.discovered:  # nobody configured it: a machine without a role is no error
                raise NothingFoundError(str(error)) from None
            raise
        reply = self._client.reply("GET", _ROLES + quote(role, safe=""), _THEM, v2)
        if reply.status == 404:
            raise self._client.failed(
                f"this machine has no RAM role {role} (the metadata service answered HTTP 404)",
                "Correct the name of the role, or grant it to the instance in the ECS console.",
                was_asked=True,
            )
        return self._client.success(self._client.read(reply, _THEM), _THEM)

    def _metadata_token(self) -> dict[str, str]:
        """Get the token of the metadata service, if it wants one."""
        ttl = {"X-aliyun-ecs-metadata-token-ttl-seconds": "21600"}
        reply = self._client.reply("PUT", f"{_METADATA}/latest/api/token", _THEM, ttl)
        if reply.status == 200:
            token = reply.body.decode("ascii", "replace").strip()
            _check(self._profile, "token of the metadata service", token)
            return {"X-aliyun-ecs-metadata-token": token}
        if self._client.environment.get("ALIBABA_CLOUD_IMDSV1_DISABLED", "").lower() == "true":
            raise self._client.failed(f"{_THEM} gives no token (HTTP {reply.status})", was_asked=True)
        return {}

    def _role_of_machine(self, v2: Mapping[str, str]) -> str:
        reply = self._client.reply("GET", _ROLES, _THEM, v2)
        role = reply.body.decode("ascii", "replace").strip()
        if reply.status == 200 and re.fullmatch(r"[\w.-]{1,64}", role):
            return role
        raise self._client.failed(f"{_THEM} names no role (HTTP {reply.status})", was_asked=True)

    def _uri(self) -> SigningKey:
        url = self._client.web_address(self._profile.needed("credentials_uri"))
        return self._client.success(self._client.json("GET", url, host_of(url)), host_of(url))

    def _sso(self) -> SigningKey:
        """Get a key for a CloudSSO session."""
        token = self._session("access_token", "cloud_sso_access_token_expire", "CloudSSO")
        url = self._profile.needed("cloud_sso_sign_in_url")
        members = {
            "AccountId": self._profile.needed("cloud_sso_account_id"),
            "AccessConfigurationId": self._profile.needed("cloud_sso_access_config"),
        }
        at = urlsplit(self._client.web_address(url))
        if at.scheme != "https" and not is_loopback(at.hostname or ""):
            raise self._client.failed(
                "its cloud_sso_sign_in_url is not https, and the session would be sent unencrypted"
            )
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
        target = f"{at.scheme}://{at.netloc}/cloud-credentials"
        body = self._client.json("POST", target, "CloudSSO", headers, json.dumps(members).encode())
        return self._client.given(body.get("CloudCredential"), "CloudSSO")

    def _oauth(self) -> SigningKey:
        """Use the key that the aliyun CLI got for its OAuth session, or get one; the session itself is the CLI's."""
        ends = self._profile.number("sts_expiration")
        if ends > self._client.now and self._profile.text("sts_token"):
            own = self._own(token=True)
            return SigningKey(own.key_id, own.secret, own.token, ends)
        site = self._profile.text("oauth_site_type").upper() or "CN"
        if site not in _OAUTH:
            raise self._client.failed(f"its oauth_site_type is {site!r}, but must be CN or INTL")
        token = self._session("oauth_access_token", "oauth_access_token_expire", "OAuth")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return self._client.given(self._client.json("POST", f"{_OAUTH[site]}/v1/exchange", "OAuth", headers), "OAuth")

    def _session(self, member: str, until: str, kind: str) -> str:
        """Return the token of a person's session."""
        ends = self._profile.number(until)
        login = "Log in again: run the aliyun CLI with this profile, or aliyun configure."
        if not self._profile.text(member) or not ends:
            raise self._client.failed(f"nobody is logged in to {kind} ({member} or {until} is missing)", login)
        if ends <= self._client.now:
            raise self._client.failed(f"its {kind} session expired at {_moment(ends)}", login)
        token = self._profile.text(member)
        _check(self._profile, member, token)
        return token

    def _command(self) -> SigningKey:
        """Run an external command; it prints an aliyun CLI profile, and its stderr is not shown."""
        try:
            words = shlex.split(self._profile.needed("process_command"))
        except ValueError:
            raise self._client.failed("its process_command has an unclosed quotation mark") from None
        if not words:
            raise self._client.failed("its process_command is empty or missing")
        status, printed = run_to_end(words, self._client.failed)
        if status is None:
            raise self._client.failed(
                f"its process_command had not ended after {COMMAND_TIMEOUT:g} s, or printed too much", was_asked=True
            )
        if status != 0:
            raise self._client.failed(
                f"its process_command ended with exit code {status}", "Run it by hand.", was_asked=True
            )
        body = object_of(printed)
        if body is None:
            raise self._client.failed("its process_command printed no JSON object", "Run it by hand.", was_asked=True)
        mode = str(body.get("mode") or ("StsToken" if body.get("sts_token") else "AK"))
        if mode.lower() not in ("ak", "ststoken"):
            raise self._client.failed("its process_command printed a mode other than AK and StsToken", was_asked=True)
        made = Profile(mode, body, f"{self._profile.source}, by what its process_command printed,")
        own = _Source(replace(self._client, profile=made))._own(token=mode.lower() == "ststoken")
        ends = body.get("expiration")
        return SigningKey(
            own.key_id, own.secret, own.token, self._client.time(ends, "its process_command") if ends else None
        )


def _check_key(profile: Profile, key: SigningKey) -> None:
    """Refuse a key that cannot be part of a header, before anything is signed with it."""
    _check(profile, "access_key_id", key.key_id)
    _check(profile, "access_key_secret", key.secret.reveal())
    if key.token is not None:
        _check(profile, "security token", key.token.reveal())


def _check(profile: Profile, name: str, value: str) -> None:
    """Refuse characters that cannot be part of a header, before anything is signed with them."""
    if _PRINTABLE.fullmatch(value):
        return
    strange = next(
        (f"the character U+{ord(each):04X}" for each in value if not "\x21" <= each <= "\x7e"), "nothing in it"
    )
    raise profile.failed(f"its {name} contains {strange}, which is not valid there", "Enter the key again, without it.")


def _signature(query: Mapping[str, str], secret: str) -> str:
    """Sign a query (RPC signature 1.0)."""
    pairs = "&".join(f"{quote(name, safe='~')}={quote(query[name], safe='~')}" for name in sorted(query))
    text = f"GET&%2F&{quote(pairs, safe='~')}"
    return base64.b64encode(hmac.digest(f"{secret}&".encode(), text.encode(), hashlib.sha1)).decode()


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "an unreadable time"
