"""Credentials: Alibaba's default chain, asked for every request, with a limit on how long having none may take."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any

from alibabacloud_credentials import provider as vendor
from alibabacloud_credentials.models import CredentialModel
from alibabacloud_credentials.provider.profile import ProfileCredentialsProvider
from alibabacloud_credentials.utils import auth_util

from ..model import Secret
from .profile import mode_of

_PATIENCE = 2.5
"""Real seconds that finding no credentials may take."""
_SLOW_PATIENCE = 20.0
"""The same where a source that must ask another service (a role, OIDC) is configured."""


class NothingFoundError(Exception):
    """No source of the chain has credentials."""


class Credentials:
    """What the SDK asks for a key at each request.

    The source that answered first is kept for good: a run must not go on as somebody else. ``renew`` makes it read its
    file or ask its service anew, so that a changing call is never signed with credentials that went stale in memory.
    """

    def __init__(self, *, profile: str = "", local_only: bool = False, fixed: tuple[str, Secret] | None = None) -> None:
        self._fixed = fixed
        self._sources = _sources(profile, local_only=local_only)
        self._kept: Callable[[], Any] | None = None
        self._provider: Any = None
        self._lock = threading.Lock()

    def renew(self) -> None:
        """Ask the source again at the next request."""
        with self._lock:
            self._provider = None

    def get_credential(self) -> CredentialModel:
        """Give the key to sign with; the SDK calls this.

        Raises:
            NothingFoundError: no source has any.

        """
        if self._fixed is not None:
            key, secret = self._fixed
            return CredentialModel(access_key_id=key, access_key_secret=secret.reveal(), type="access_key")
        with self._lock:
            if self._kept is _environment:  # which keeps nobody waiting
                return _model(self._ask())
            answer = _within(_SLOW_PATIENCE if auth_util.enable_oidc_credential or self._kept else _PATIENCE, self._ask)
        return _model(answer)

    def _ask(self) -> Any:  # noqa: ANN401 - the vendor's type is untyped
        if self._provider is not None:
            return self._provider.get_credentials()
        for source in [self._kept] if self._kept is not None else self._sources:
            try:
                provider = source()
                answer = provider.get_credentials()
            except Exception:  # noqa: BLE001, S112 - each source fails in its own way, and its text may be secret
                continue
            if answer is not None and answer.get_access_key_id():
                self._kept, self._provider = source, provider
                return answer
        raise NothingFoundError


def _model(answer: Any) -> CredentialModel:  # noqa: ANN401 - the vendor's type is untyped
    return CredentialModel(
        access_key_id=answer.get_access_key_id(),
        access_key_secret=answer.get_access_key_secret(),
        security_token=answer.get_security_token(),
        provider_name=f"default/{answer.get_provider_name()}",
        type="default",
    )


def _sources(profile: str, *, local_only: bool) -> list[Callable[[], Any]]:
    """Name the sources in the order of Alibaba's default chain; a profile asked for by name stands alone."""
    if profile:
        return [lambda: _cli_profile(profile, local_only=local_only)]
    sources: list[Callable[[], Any]] = [_environment]
    if auth_util.enable_oidc_credential and not local_only:
        sources.append(vendor.OIDCRoleArnCredentialsProvider)
    sources.append(lambda: _cli_profile("", local_only=local_only))
    if not local_only:
        sources.append(ProfileCredentialsProvider)
        sources.append(lambda: vendor.EcsRamRoleCredentialsProvider(async_update_enabled=False))
        if auth_util.environment_credentials_uri:
            sources.append(vendor.URLCredentialsProvider)
    return sources


def _cli_profile(profile: str, *, local_only: bool) -> Any:  # noqa: ANN401 - the vendor's type is untyped
    """Use a profile of the aliyun CLI; for a simulator only one that asks no other service for its key."""
    if local_only and mode_of(profile, os.environ) not in ("AK", "StsToken"):
        raise NothingFoundError
    return vendor.CLIProfileCredentialsProvider(profile_name=profile or None)


def _environment() -> Any:  # noqa: ANN401 - the vendor's type is untyped
    """Read the environment now: the vendor's own source keeps what it held when the SDK was imported."""
    key = os.environ.get("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
    secret = os.environ.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "")
    token = os.environ.get("ALIBABA_CLOUD_SECURITY_TOKEN", "")
    if not (key and secret):
        raise NothingFoundError
    if token:
        return vendor.StaticSTSCredentialsProvider(access_key_id=key, access_key_secret=secret, security_token=token)
    return vendor.StaticAKCredentialsProvider(access_key_id=key, access_key_secret=secret)


def _within(seconds: float, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - the vendor's type is untyped
    """Ask on a thread of its own, and take no answer in time as none."""
    answers: list[Any] = []

    def run() -> None:
        with contextlib.suppress(Exception):  # its text may be secret, and having no answer says enough
            answers.append(ask())

    thread = threading.Thread(target=run, name="safe-reinit-credentials", daemon=True)
    thread.start()
    thread.join(seconds)
    if not answers:
        raise NothingFoundError
    return answers[0]
