"""Bodies of answers, as JSON or XML; their content is decided elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from xml.sax.saxutils import escape

from ..errors import Refusal
from .request import Request

JSON_TYPE = "application/json;charset=utf-8"
XML_TYPE = "text/xml;charset=utf-8"
Body = Mapping[str, object]

_JSON = json.JSONEncoder(ensure_ascii=False).encode

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may contain, in case a client sent them and an error repeats them."""


@dataclass(frozen=True)
class Reply:
    """What is sent back over the connection, and how it ends.

    `delay` is in simulated seconds. `ending`: answered; dropped (closed without an answer); reset (a TCP reset). What
    is dropped or reset has a status that nobody sees.
    """

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ending: Literal["answer", "drop", "reset"] = "answer"


def success(request: Request, body: Body, request_id: str) -> Reply:
    """Render a success: its members and RequestId, without Code, for which old SDKs would raise an error."""
    return _reply(request, 200, f"{request.action}Response", {**body, "RequestId": request_id})


def failure(request: Request, refusal: Refusal, request_id: str, host: str) -> Reply:
    """Render a refusal as ECS does since about 2018."""
    body = {"RequestId": request_id, "HostId": host, "Code": refusal.code, "Message": refusal.message}
    if request.format == "JSON":
        query = f"q={refusal.code}&product={request.product.capitalize()}&requestId={request_id}"
        body["Recommend"] = f"https://api.aliyun.com/troubleshoot?{query}"
    return replace(_reply(request, refusal.status, "Error", body), headers=refusal.headers)


def _reply(request: Request, status: int, root: str, body: Body) -> Reply:
    if request.format == "JSON":
        return Reply(status, dump(body))
    text = f'<?xml version="1.0" encoding="UTF-8"?>{_element(root, body)}'
    return Reply(status, _NO_XML.sub("?", text).encode(), content_type=XML_TYPE)


def _element(name: str, value: object) -> str:
    """Render one member: a list is its element once per row, so an empty list leaves its parent empty."""
    if isinstance(value, list):
        return "".join(_element(name, row) for row in value)
    if isinstance(value, Mapping):
        inner = "".join(_element(key, member) for key, member in value.items())
    elif isinstance(value, bool):
        inner = "true" if value else "false"
    else:
        inner = "" if value is None else escape(str(value))
    return f"<{name}>{inner}</{name}>" if inner else f"<{name}/>"


def dump(value: object) -> bytes:
    """Encode as JSON in UTF-8."""
    return _JSON(value).encode("utf-8", "replace")
