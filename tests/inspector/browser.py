"""A page in a headless Chromium that keys are pressed in and things are clicked in, over its own debugging pipe."""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.reports.comparison.browser import FLAGS, find_browser

WIDTH, HEIGHT = 1400, 900
KEYS = {"ArrowLeft": 37, "ArrowRight": 39, "ArrowUp": 38, "ArrowDown": 40, "Home": 36, "End": 35, " ": 32}
SHIFT = 8

LOADED = (
    """new Promise((done) => document.readyState === "complete" ? done() : addEventListener("load", () => done()))"""
)


class Browser:
    """One browser with one page, to which no network is within reach.

    It is spoken to in the Chrome DevTools Protocol: JSON, each message ended by a zero, through its files 3 and 4.
    """

    def __init__(self, profile: Path) -> None:
        browser = find_browser()
        assert browser is not None
        words = [
            browser,
            *(flag for flag in FLAGS if not flag.startswith("--virtual-time")),
            "--remote-debugging-pipe",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--user-data-dir={profile}",
        ]
        self._process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >&2', "sh", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.terminate()
        self._process.wait()

    def open(self, page: Path, fragment: str = "") -> None:
        """Show a page and wait until its script has run."""
        self._session = None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for room in ("Runtime", "Page"):
            self._ask(f"{room}.enable")
        self._ask("Page.navigate", url=page.resolve().as_uri() + fragment)
        self.evaluate(LOADED)

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of JavaScript is worth on the page."""
        said = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key and let it go."""
        code = KEYS.get(key, ord(key[0].upper()))
        stroke = {"key": key, "windowsVirtualKeyCode": code, "modifiers": SHIFT if shift else 0}
        self._ask("Input.dispatchKeyEvent", type="rawKeyDown", **stroke)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **stroke)

    def click(self, selector: str) -> None:
        """Click into the middle of what is found."""
        middle = "({ x, y, width, height }) => [x + width / 2, y + height / 2]"
        x, y = self.evaluate(f"({middle})({self._find(selector)}.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def text(self, selector: str) -> str:
        """Return the text of what is found."""
        return str(self.evaluate(f"{self._find(selector)}.textContent"))

    def exact(self, selector: str) -> list[float]:
        """Return the numbers behind all that is found, as exact as the page has them."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].map((cell) => cell.dataset.exact)"
        return [float(number) for number in self.evaluate(found)]

    def marks(self, selector: str, name: str) -> list[str]:
        """Return a data attribute of all that is found."""
        found = (
            f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.dataset[{json.dumps(name)}])"
        )
        return list(self.evaluate(found))

    def _find(self, selector: str) -> str:
        return f"document.querySelector({json.dumps(selector)})"

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        self._process.stdin.flush()
        while True:
            said = self._read()
            if said.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(said["params"]))
            if said.get("id") == self._number:
                assert "error" not in said, said["error"]
                return dict(said["result"])

    def _read(self) -> dict[str, Any]:
        """Return the next message."""
        assert self._process.stdout is not None
        message = bytearray()
        while (byte := self._process.stdout.read(1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        return dict(json.loads(message))
