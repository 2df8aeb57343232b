"""The SDK's client for its generic calls: the SDK makes and signs a request, and it is sent our way.

The typed client of ECS has the same requests with a thousand classes around them: to import it takes longer than all
the rest of a dry run's start.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.request import DaraRequest

from .answers import Key
from .attempt import Attempt, Reply
from .transport import Connections

_ALGORITHM = "ACS3-HMAC-SHA256"


class Client(OpenApiClient):  # type: ignore[misc] # the SDK has no types
    """The SDK's client without its transport, whose sessions, retries and debug output belong to the whole process."""

    def __init__(self, config: Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    def send(self, params: Params, request: OpenApiRequest, attempt: Attempt, key: Key) -> Reply:
        """Send an RPC request that has all its parameters in the query, as the SDK's own generic call does.

        Raises:
            NotLeftError: no byte of it left this machine.
            LostError: it may have arrived, and no whole answer came in time.
        """
        signed = self._signed(params, request, key)
        query = urlencode(signed.query, quote_via=quote, safe="~")
        url = f"{self._protocol}://{self._endpoint}/{'?' if query else ''}{query}"
        return self._connections.send(attempt, signed.method, url, signed.headers)

    def _signed(self, params: Params, request: OpenApiRequest, key: Key) -> DaraRequest:
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
