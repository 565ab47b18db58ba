"""Chromium without a Python package, over its DevTools pipe, and what it finds wrong with a page."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("chromium", "google-chrome", "chromium-browser")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)
TIMEOUT = 60.0

# Runs in the page. Folded parts are opened first: they must be right, too.
LOOK = r"""
(async () => {
  const problems = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const short = (text) => text.replace(/\s+/g, ' ').trim().slice(0, 60);
  const name = (element) =>
    `<${element.localName}${element.id ? ' id=' + element.id : ''}> ${short(element.textContent)}`;

  for (const fold of all('details')) fold.open = true;
  for (const image of document.images) {
    image.loading = 'eager';
    await image.decode().catch(() => {});
    if (!image.alt.trim()) problems.push(`image without an alt text: ${short(image.src)}`);
    if (!image.naturalWidth) problems.push(`image that is not drawn: ${short(image.src)}`);
  }
  for (const formula of all('math')) {
    const { width, height } = formula.getBoundingClientRect();
    if (!width || !height) problems.push(`formula without a size: ${name(formula)}`);
  }
  for (const link of all('a[href^="#"]')) {
    const target = decodeURIComponent(link.hash.slice(1));
    if (target && !document.getElementById(target)) problems.push(`dangling link #${target}`);
  }

  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) {
    const scrolls = (element) => getComputedStyle(element).overflowX !== 'visible';
    const cut = (element) =>
      element !== document.body && (scrolls(element) || cut(element.parentElement));
    const wide = all('body *').filter((element) =>
      element.getBoundingClientRect().right > innerWidth && !cut(element.parentElement));
    const names = wide.slice(0, 3).map(name);
    problems.push(`${root.scrollWidth} px wide in a window of ${innerWidth}: ${names}`);
  }

  // Paints colours over each other, of whatever notation and opacity, and reads the result.
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext('2d', { willReadFrequently: true });
  const luminance = (colours) => {
    for (const colour of colours) {
      brush.fillStyle = colour;
      brush.fillRect(0, 0, 1, 1);
    }
    const linear = [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const base = dark && getComputedStyle(root).colorScheme.includes('dark') ? '#121212' : '#ffffff';
  const papers = new Map([[null, [base]]]);
  const paper = (element) => {
    if (!papers.has(element))
      papers.set(element,
        [...paper(element.parentElement), getComputedStyle(element).backgroundColor]);
    return papers.get(element);
  };
  const contrasts = new Map();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const element = text.parentElement;
    if (!text.data.trim() || !element.checkVisibility()) continue;
    if (text.data.includes('$') && !element.closest('code, pre, kbd, samp, math'))
      problems.push(`leftover $: ${short(text.data)}`);
    const colour = getComputedStyle(element).color;
    const key = [...paper(element), colour].join();
    if (contrasts.has(key)) continue;
    const [low, high] =
      [luminance(paper(element)), luminance([...paper(element), colour])].sort((a, b) => a - b);
    contrasts.set(key, (high + 0.05) / (low + 0.05));
    if (contrasts.get(key) < 4.5)
      problems.push(`contrast of ${contrasts.get(key).toFixed(2)}: ${name(element)}`);
  }
  return { problems, brightness: luminance(paper(document.body)) };
})()
"""


class Browser:
    """A running Chromium.

    Parameters
    ----------
    program
        Its executable.
    profile
        An empty folder for its files.

    Raises
    ------
    RuntimeError
        If it ends or does not answer.
    """

    def __init__(self, program: str, profile: Path):
        self.events: list[dict[str, Any]] = []
        self._buffer, self._number = b"", 0
        self._from, answers = os.pipe()
        questions, self._to = os.pipe()
        # Away from 3 and 4, the numbers at which Chromium looks for them.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (questions, answers)]
        script = 'exec "$@" 3<&{} 4>&{}'.format(*ends)
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", program, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (questions, answers, *ends):
            os.close(end)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError, OSError):
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._from)
        os.close(self._to)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol; what happens meanwhile is kept in `events`."""
        self._number += 1
        question = {"id": self._number, "method": method, "params": parameters}
        if session:
            question["sessionId"] = session
        os.write(self._to, json.dumps(question).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait_for(self, method: str, session: str) -> None:
        wanted = (method, session)
        while wanted not in [(event["method"], event.get("sessionId")) for event in self.events]:
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready = select.select([self._from], [], [], TIMEOUT)[0]
            part = os.read(self._from, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError(
                    "the browser does not answer" if not ready else "the browser ended"
                )
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


def start_browser(profile: Path) -> Browser | None:
    """Start the first browser that works; None if there is none."""
    for name in NAMES:
        program = shutil.which(name)
        if program is None:
            continue
        browser = Browser(program, profile / name)
        try:
            browser.call("Browser.getVersion")
        except (RuntimeError, OSError):  # a stub that would install one, or one that is shut in
            browser.__exit__()
        else:
            return browser
    return None


@dataclass(frozen=True)
class Look:
    """How a page comes out: a line for each problem, and how bright it is (0 to 1)."""

    problems: list[str]
    brightness: float


def look(browser: Browser, page: Path, *, width: int = 1280, scheme: str = "light") -> Look:
    """Open a page from the file system in a window of some width, in the light or dark scheme."""
    browser.events.clear()
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(f"{domain}.enable", session)
    browser.call(
        "Emulation.setDeviceMetricsOverride", session,
        width=width, height=800, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    preference = {"name": "prefers-color-scheme", "value": scheme}
    browser.call("Emulation.setEmulatedMedia", session, features=[preference])
    opened = browser.call("Page.navigate", session, url=page.as_uri())
    if "errorText" in opened:
        raise RuntimeError(f"{page} cannot be opened: {opened['errorText']}")
    browser.wait_for("Page.loadEventFired", session)
    answer = browser.call(
        "Runtime.evaluate", session, expression=LOOK, awaitPromise=True, returnByValue=True
    )
    if "exceptionDetails" in answer:
        raise RuntimeError(f"the page cannot be looked at: {answer['exceptionDetails']}")
    found = answer["result"]["value"]
    events = [event for event in browser.events if event.get("sessionId") == session]
    problems = [*_noted(events, page.as_uri()), *found["problems"]]
    browser.call("Target.closeTarget", targetId=target)
    return Look(problems, found["brightness"])


class Visit:
    """A page that is open, to be used as a reader does.

    Parameters
    ----------
    script
        Whether the page's own scripts run.
    """

    def __init__(self, browser: Browser, page: Path, *, script: bool = True):
        self._browser, self._address = browser, page.as_uri()
        browser.events.clear()
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=390, height=800, deviceScaleFactor=1, mobile=True,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.call("Page.navigate", url=self._address)
        browser.wait_for("Page.loadEventFired", self._session)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def run(self, expression: str) -> Any:
        """Evaluate JavaScript in the page, and give its value."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + TIMEOUT
        while not self.run(expression):
            if time.monotonic() > end:
                raise RuntimeError(f"not within {TIMEOUT:g} seconds: {expression}")
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press a key that has no letter, such as ``ArrowRight`` or ``Home``."""
        code = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35}[key]
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind, key=key, code=key, windowsVirtualKeyCode=code,
            )  # fmt: skip

    def touch(self, selector: str, along: float = 0.5) -> None:
        """Tap an element, at a part of its width."""
        place = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect(); "
            f"return {{x: b.x + {along} * b.width, y: b.y + b.height / 2}}; }})()"
        )
        point = self.run(place)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[point])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.run("0")

    def problems(self) -> list[str]:
        """What the browser has complained of, and what the page has asked for beyond itself."""
        events = [e for e in self._browser.events if e.get("sessionId") == self._session]
        return list(_noted(events, self._address))


def _noted(events: Iterable[dict[str, Any]], address: str) -> Iterator[str]:
    """What the browser itself complains of, and what the page asks for beyond itself."""
    for event in events:
        about = event["params"]
        match event["method"]:
            case "Runtime.consoleAPICalled" if about["type"] in ("error", "warning", "assert"):
                words = [str(item.get("value", item.get("description"))) for item in about["args"]]
                yield f"console {about['type']}: {' '.join(words)}"
            case "Runtime.exceptionThrown":
                details = about["exceptionDetails"]
                words = details.get("exception", {}).get("description", details["text"])
                yield f"error in a script: {words}"
            case "Log.entryAdded" if about["entry"]["level"] in ("error", "warning"):
                yield f"console {about['entry']['level']}: {about['entry']['text']}"
            case "Network.requestWillBeSent":
                url = about["request"]["url"]
                if url != address and not url.startswith("data:"):
                    yield f"fetches {url}"
