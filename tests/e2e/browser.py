"""Drives a headless Chromium by the DevTools protocol over a pipe: no driver, no package, one process a test class."""

import base64
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")
PROGRAM = os.environ.get("LLMC_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
MISSING = "no Chromium: apt install chromium-headless-shell (100 MB), or name one in LLMC_CHROMIUM"

KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, "\t"), "ArrowRight": (39, ""), "ArrowLeft": (37, "")}
SHIFT = 8


class BrowserError(Exception):
    pass


class Browser:
    """`with Browser() as browser: page = browser.page()`."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="llmc-browser-")
        to_child, self.out = os.pipe()
        self.into, from_child = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-dev-shm-usage",
                 "--disable-background-networking", "--remote-debugging-pipe", "--hide-scrollbars", f"--user-data-dir={self.folder.name}"]

        def hand_over():
            # DevTools reads descriptor 3 and writes 4.
            first, second = os.dup(to_child), os.dup(from_child)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.child = subprocess.Popen([PROGRAM, *flags], pass_fds=(3, 4), preexec_fn=hand_over, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self.ids = itertools.count(1)
        self.replies, self.listeners = {}, {}
        self.change = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
        except BrowserError:
            pass
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        os.close(self.out)
        shutil.rmtree(self.folder.name, ignore_errors=True)

    def _read(self):
        rest = b""
        while piece := os.read(self.into, 1 << 16):
            *messages, rest = (rest + piece).split(b"\0")
            for message in map(json.loads, messages):
                with self.change:
                    if "id" in message:
                        self.replies[message["id"]] = message
                    elif listener := self.listeners.get(message.get("sessionId")):
                        listener(message["method"], message["params"])
                    self.change.notify_all()
        with self.change:
            self.replies = None  # it is gone
            self.change.notify_all()

    def call(self, method: str, session: str | None = None, **params):
        number = next(self.ids)
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        try:
            os.write(self.out, json.dumps(message).encode() + b"\0")
        except OSError as error:
            raise BrowserError(f"{method}: {error}") from None
        with self.change:
            if not self.change.wait_for(lambda: self.replies is None or number in self.replies, timeout=30) or self.replies is None:
                raise BrowserError(f"{method}: no answer")
            reply = self.replies.pop(number)
        if "error" in reply:
            raise BrowserError(f"{method}: {reply['error']}")
        return reply["result"]

    def page(self, width: int = 1280, height: int = 800, dark: bool = False):
        return Page(self, width, height, dark)


class Page:
    """A tab of its own profile: nothing is kept from other pages. `errors` has what a console would show in red."""

    def __init__(self, browser: Browser, width: int, height: int, dark: bool):
        self.browser, self.errors, self.requests = browser, [], []
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.listeners[self.session] = self._hear
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.scheme(dark)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def _hear(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"])

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def scheme(self, dark):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, url: str):
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && document.title !== ''")

    def run(self, expression: str):
        """The value of an expression in the page; promises are waited for."""
        reply = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, allowUnsafeEvalBlockedByCSP=False)
        if "exceptionDetails" in reply:
            raise BrowserError(f"{expression}: {reply['exceptionDetails']}")
        return reply["result"].get("value")

    def until(self, expression: str, seconds: float = 15):
        end = time.monotonic() + seconds
        while not self.run(f"!!({expression})"):
            if time.monotonic() > end:
                raise BrowserError(f"never true: {expression}; the page says: {self.run('document.body.innerText')[:600]}")
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        return self.run(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")

    def type(self, text: str):
        self.call("Input.insertText", text=text)

    def press(self, key: str, modifiers: int = 0):
        code, text = KEYS[key]
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def click(self, selector: str):
        """By a real pointer, so that what covers the element is met."""
        where = self.run(f"""(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: "nearest"}});
            const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    def screenshot(self, path, quality: int | None = None):
        kind = {"format": "jpeg", "quality": quality} if quality else {"format": "png"}
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **kind)["data"]))
