"""Headless Chromium over the DevTools protocol on two pipes: no port, no package."""

from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]


class Browser:
    """One running Chromium with a fresh profile; ``net_log`` is complete after `close`.

    ``events`` holds everything the pages reported, in order.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        self.net_log = folder / "netlog.json"
        argv = [
            str(CHROMIUM),
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={self.net_log}",
        ]
        # The protocol wants descriptors 3 and 4; a shell puts them there without code between fork and exec.
        shell = ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", *argv, "about:blank"]
        self._process = subprocess.Popen(
            shell,
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": str(folder)},
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._next_id = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, *, session: str | None = None, timeout_s: float = 60, **params: Any) -> Any:
        self._next_id += 1
        message = {"id": self._next_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self._receive(deadline - time.monotonic())
            if answer.get("id") == self._next_id:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._read, selectors.EVENT_READ)
            deadline = time.monotonic() + timeout_s
            while b"\0" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError("Chromium does not answer")
                chunk = os.read(self._read, 1 << 20)
                if not chunk:
                    raise ConnectionError("Chromium has gone")
                self._buffer += chunk
        raw, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(raw)

    def open(self, url: str, *, width_px: int = 1400, height_px: int = 900, dark: bool = False) -> Page:
        return Page(self, url, width_px=width_px, height_px=height_px, dark=dark)

    def close(self) -> None:
        """End the browser in an orderly way, so that the net log is complete."""
        try:
            self.call("Browser.close", timeout_s=20)
            self._process.wait(timeout=20)
        except (TimeoutError, ConnectionError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)


class Page:
    """One tab, with the size, the colour scheme and the input of a reader."""

    def __init__(self, browser: Browser, url: str, *, width_px: int, height_px: int, dark: bool) -> None:
        self._browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=1,
            mobile=width_px < 600,
        )
        self.call("Page.navigate", url=url)

    def call(self, method: str, **params: Any) -> Any:
        return self._browser.call(method, session=self._session, **params)

    def run(self, script: str) -> Any:
        out = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in out, out["exceptionDetails"]
        return out["result"].get("value")

    def wait(self, condition: str, timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"never true: {condition}; {self.complaints()}"
            time.sleep(0.05)

    def ready(self) -> Page:
        self.wait("document.documentElement && document.documentElement.dataset.ready")
        return self

    def point_at(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def press(self, key: str, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                text=text if kind == "keyDown" else "",
                windowsVirtualKeyCode={"Enter": 13, "Tab": 9}.get(key, 0),
            )

    def shoot(self, file: Path, *, full: bool = True) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _events(self, method: str) -> list[dict[str, Any]]:
        mine = [e for e in self._browser.events if e.get("sessionId") == self._session]
        return [e["params"] for e in mine if e["method"] == method]

    def requests(self) -> list[str]:
        return [e["request"]["url"] for e in self._events("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Exceptions and whatever the page or the policy wrote to the console."""
        thrown = [
            e["exceptionDetails"].get("exception", {}).get("description", "?")
            for e in self._events("Runtime.exceptionThrown")
        ]
        logged = [e["entry"]["text"] for e in self._events("Log.entryAdded")]
        written = [str(e["args"]) for e in self._events("Runtime.consoleAPICalled")]
        return thrown + logged + written
