"""Headless Chromium for the tests of pages: driven over a pipe, so that nothing else can speak to it."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
_BROWSER_TIMEOUT = 60.0
"""Seconds after which a browser that says nothing is given up, so that no test can hang for good."""


class Browser:
    """One Chromium with one tab.

    Attributes:
        requests: the address of everything that the tab asked for since ``open``.
        complaints: what the console showed since then: errors, warnings, violations of the page's own policy.

    """

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM, "there is no Chromium"
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Chromium reads file descriptor 3 and writes 4; the shell puts the pipes there.
        script = f'exec "$0" "$@" 3</dev/fd/{theirs_in} 4>/dev/fd/{theirs_out}'
        self._process = subprocess.Popen(
            ["sh", "-c", script, CHROMIUM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._count, self._buffer, self._session = 0, b"", ""
        self._heard: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []
        tabs = self._ask("Target.getTargets")["targetInfos"]
        tab = next(each["targetId"] for each in tabs if each["type"] == "page")
        self._session = self._ask("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._ask(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._out)  # Chromium ends when its pipe does
        try:
            self._process.wait(_BROWSER_TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._in)

    def open(self, address: str, *, width: int = 1200, scheme: str = "light", medium: str = "screen") -> None:
        """Load a page in a window of this width; narrow is a phone."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._ask("Emulation.setEmulatedMedia", media=medium, features=features)
        self.requests, self.complaints, self._heard = [], [], []
        failed = self._ask("Page.navigate", url=address).get("errorText")
        assert not failed, failed
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, or of its promise; the page's policy does not hold for us."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self) -> bytes:
        """Return what the window shows as PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot")["data"])

    def paper(self) -> bytes:
        """Return the page as PDF, A4, in the style for paper."""
        self._ask("Emulation.setEmulatedMedia", media="print")
        return base64.b64decode(
            self._ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)["data"]
        )

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda message: message.get("id") == number)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _until(self, is_expected: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Listen until something is said, or give what was said already."""
        for message in self._heard:
            if is_expected(message):
                return message
        while True:
            message = self._next()
            if is_expected(message):
                return message

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], _BROWSER_TIMEOUT)
            assert ready, "the browser says nothing"
            part = os.read(self._in, 1 << 20)
            assert part, "the browser is gone"
            self._buffer += part
        data, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(data)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        self._heard.append(message)
        method, params = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.complaints.append(json.dumps(params))
