"""One request in, one reply out, as at the address: ECS's own calls and the private routes. No sockets here."""

from __future__ import annotations

import ipaddress
import json
from urllib.parse import urlsplit

from . import witness
from .calls import Call
from .engine import Engine
from .state.clock import http_date
from .wire.answers import JSON_TYPE, Reply, dump
from .wire.request import RawRequest


def respond(engine: Engine, raw: RawRequest) -> tuple[Reply, Call | None]:
    """Answer a request, and return the record of the call unless it was for a private route."""
    if raw.path.startswith("/_simulator/"):
        return _private(engine, raw), None
    try:
        return engine.handle(raw)
    except Exception:  # noqa: BLE001 - whatever it is, the next request is to be answered
        return engine.crash(raw)


MARK = "X-Safe-Reinit-Simulator"
"""The header that marks every answer: an answer without it does not come from a simulator."""


def headers_of(engine: Engine, reply: Reply) -> dict[str, str]:
    """Return all headers of a reply that is sent now."""
    date = http_date(engine.cloud.clock.now())
    return {"Content-Type": reply.content_type or JSON_TYPE, "Date": date, MARK: "1", **reply.headers}


def _private(engine: Engine, raw: RawRequest) -> Reply:
    """Answer the private routes: the state, and what another person does."""
    if _from_a_web_page(raw):
        return Reply(403, dump({"error": "Web pages may not ask the simulator: use curl or a program."}))
    route = (raw.method, raw.path)
    if route == ("GET", "/_simulator/state"):
        return Reply(200, dump(witness.state(engine)))
    if route != ("POST", "/_simulator/do"):
        return Reply(404, dump({"error": "There are GET /_simulator/state and POST /_simulator/do."}))
    try:
        asked = json.loads(raw.body)
    except (ValueError, RecursionError):
        return Reply(400, dump({"error": "The body is not JSON."}))
    try:
        engine.do(asked)
    except ValueError as error:
        return Reply(400, dump({"error": str(error)}))
    return Reply(200, dump({"ok": True}))


def _from_a_web_page(raw: RawRequest) -> bool:
    """Return whether a browser sends this for a web page: we have none, so it can be any page that somebody visits.

    Browsers say so with Origin and Sec-Fetch-Site. A page whose own name resolves to this machine is recognised by
    Host.
    """
    if "origin" in raw.headers or raw.headers.get("sec-fetch-site", "none") != "none":
        return True
    try:
        name = urlsplit(f"//{raw.headers.get('host', 'localhost')}").hostname or ""
        return name != "localhost" and not ipaddress.ip_address(name).is_loopback
    except ValueError:
        return True
