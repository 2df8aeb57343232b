"""The SDK's clients: the SDK builds and signs each request, and our transport sends it.

ECS is called with its typed client (alibabacloud_ecs20140526), every other product with the generic call.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client as TypedClient
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.request import DaraRequest
from darabonba.runtime import RuntimeOptions

from .answers import SigningKey
from .attempt import Reply, RequestInProgress
from .transport import Connections

_ALGORITHM = "ACS3-HMAC-SHA256"


@dataclass(frozen=True)
class Api:
    """An API of a product; its version tells the endpoint which one."""

    product: str
    """The name in ``endpoints`` of the configuration."""
    version: str
    action: str
    typed: bool = False
    """Whether it is sent with the SDK's typed client of ECS instead of the generic call."""


class SdkClient(OpenApiClient):  # type: ignore[misc] # the SDK has no types
    """The SDK's client without its transport, whose sessions, retries and debug output belong to the whole process."""

    def __init__(self, config: Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    def send(self, params: Params, request: OpenApiRequest, attempt: RequestInProgress, key: SigningKey) -> Reply:
        """Send an RPC request that has all its parameters in the query, as the SDK's own generic call does.

        Raises:
            NotLeftError: no byte of it left this machine.
            LostError: it may have arrived, but no complete answer came in time.
        """
        signed = self._signed(params, request, key)
        query = urlencode(signed.query, quote_via=quote, safe="~")
        url = f"{self._protocol}://{self._endpoint}/{'?' if query else ''}{query}"
        return self._connections.send(attempt, signed.method, url, signed.headers)

    def _signed(self, params: Params, request: OpenApiRequest, key: SigningKey) -> DaraRequest:
        signed = DaraRequest()
        signed.method, signed.pathname, signed.query = params.method, params.pathname, request.query
        payload = Utils.hash(b"", _ALGORITHM).hex()
        signed.headers = {
            "host": self._endpoint,
            "x-acs-version": params.version,
            "x-acs-action": params.action,
            "user-agent": Utils.get_user_agent(self._user_agent),
            "x-acs-date": Utils.get_timestamp(),
            "x-acs-signature-nonce": Utils.get_nonce(),
            "accept": "application/json",
            "x-acs-content-sha256": payload,
        }
        if key.token is not None:
            signed.headers |= {"x-acs-accesskey-id": key.key_id, "x-acs-security-token": key.token.reveal()}
        secret = key.secret.reveal()
        signed.headers["Authorization"] = Utils.get_authorization(signed, _ALGORITHM, payload, key.key_id, secret)
        return signed


class EcsClient(SdkClient, TypedClient):  # type: ignore[misc] # the SDK has no types
    """The SDK's typed client of ECS, with raw answers: its models turn a wrong body into an empty one."""

    def __init__(self, config: Config, connections: Connections) -> None:
        super().__init__(config, connections)
        self._now = threading.local()
        """The attempt, key and reply of the request that is being sent on this thread."""

    @property
    def host(self) -> str:
        """The SDK's host for ECS in the region, if no endpoint was given."""
        return str(self._endpoint)

    def ask(self, action: str, query: Mapping[str, Any], attempt: RequestInProgress, key: SigningKey) -> Reply:
        """Send an ECS request, with parameters named as in the API reference; see ``send`` for what is raised.

        Raises:
            ValueError: the SDK knows no such parameter.
        """
        given = {name: value for name, value in query.items() if value is not None}
        request = getattr(models, f"{action}Request")().from_map(given)
        unknown = given.keys() - request.to_map().keys()
        if unknown:
            raise ValueError(f"The SDK has no {', '.join(sorted(unknown))} in {action}")
        self._now.attempt, self._now.key, self._now.reply = attempt, key, None
        getattr(self, f"{_method(action)}_with_options")(request, RuntimeOptions())
        reply: Reply = self._now.reply
        return reply

    def call_api(self, params: Params, request: OpenApiRequest, runtime: RuntimeOptions) -> dict[str, Any]:  # noqa: ARG002
        """Send the request that the typed client has built; its own transport is not used."""
        self._now.reply = self.send(params, request, self._now.attempt, self._now.key)
        return {}


def _method(action: str) -> str:
    """Return the name of the method of the typed client: ``re_init_disk`` for ReInitDisk."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
