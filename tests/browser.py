"""The system's Chromium through Playwright, and what it finds wrong with a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Error, Page, Playwright

NAMES = ("chromium", "google-chrome", "chromium-browser")
OPTIONS = ("--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND")
HEIGHT = 800

# Runs in the page. Folded parts are opened first: they must be right, too.
LOOK = r"""
async () => {
  const problems = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const short = (text) => text.replace(/\s+/g, ' ').trim().slice(0, 60);
  const name = (element) =>
    `<${element.localName}${element.id ? ' id=' + element.id : ''}> ${short(element.textContent)}`;

  for (const fold of all('details')) fold.open = true;
  for (const image of document.images) {
    image.loading = 'eager';
    await image.decode().catch(() => {});
    if (!image.naturalWidth) problems.push(`image that is not drawn: ${short(image.src)}`);
  }
  for (const formula of all('math')) {
    const { width, height } = formula.getBoundingClientRect();
    if (formula.checkVisibility() && !(width && height))
      problems.push(`formula without a size: ${name(formula)}`);
  }
  for (const link of all('a[href^="#"]')) {
    const target = decodeURIComponent(link.hash.slice(1));
    if (target && !document.getElementById(target)) problems.push(`dangling link #${target}`);
  }

  const root = document.documentElement;
  const width = screen.width; // a phone's window grows with what is too wide
  if (root.scrollWidth > width) {
    const scrolls = (element) => getComputedStyle(element).overflowX !== 'visible';
    const cut = (element) =>
      element !== document.body && (scrolls(element) || cut(element.parentElement));
    const wide = all('body *').filter((element) =>
      element.getBoundingClientRect().right > width && !cut(element.parentElement));
    const names = wide.slice(0, 3).map(name);
    problems.push(`${root.scrollWidth} px wide in a window of ${width}: ${names}`);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode())
    if (text.data.includes('$') && !text.parentElement.closest('code, pre, kbd, samp, math, script'))
      problems.push(`leftover $: ${short(text.data)}`);
  return problems;
}
"""
# A gradient below text keeps axe from judging its contrast: the shadows of boxes that scroll.
PLAIN = (
    "() => document.querySelectorAll('.scroll').forEach((e) => { e.style.background = 'none'; })"
)
AXE = """
async (rules) => (await axe.run(document, { resultTypes: ['violations'], rules })).violations
  .flatMap((found) => found.nodes.map((node) =>
    `${found.id}: ${found.help}: ${node.target.join(' ')} ${node.html}`.slice(0, 300)))
"""
BRIGHTNESS = """
() => {
  const canvas = document.createElement('canvas').getContext('2d');
  canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
  canvas.fillRect(0, 0, 1, 1);
  return canvas.getImageData(0, 0, 1, 1).data[1] / 255;
}
"""


def start_browser(playwright: Playwright) -> Browser | None:
    """Start the first Chromium of the system that works; None if there is none."""
    for program in filter(None, map(shutil.which, NAMES)):
        try:
            return playwright.chromium.launch(
                executable_path=program, args=OPTIONS, chromium_sandbox=False, timeout=60_000
            )
        except Error:  # a stub that would install one, or one that is shut in
            continue
    return None


@dataclass(frozen=True)
class Visit:
    """A page that is open, and what the browser has complained of, and what was fetched, so far."""

    page: Page
    noted: list[str]

    def look(self) -> list[str]:
        """List what is wrong with the page in this window; opens all that is folded."""
        return [*self.page.evaluate(LOOK), *self.noted]

    def axe(self, *, contrast: bool = True) -> list[str]:
        """List what axe-core finds in the page; most of its time goes into contrast."""
        self.page.evaluate(PLAIN)
        self.page.evaluate(AXE_SCRIPT)
        return self.page.evaluate(AXE, {"color-contrast": {"enabled": contrast}})

    def brightness(self) -> float:
        """Tell how bright the page's ground is, from 0 to 1."""
        return self.page.evaluate(BRIGHTNESS)


@contextmanager
def visit(
    browser: Browser, path: Path, *, width: int = 1280, scheme: str = "light", script: bool = True
) -> Iterator[Visit]:
    """Open a page from the file system.

    Parameters
    ----------
    width
        Of the window, in pixels; a narrow one is a phone's, with touch.
    scheme
        ``light`` or ``dark``.
    script
        Whether the page's own scripts run.
    """
    phone = width < 600
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme=scheme,
        java_script_enabled=script,
        has_touch=phone,
        is_mobile=phone,
    )
    page, noted = context.new_page(), []
    page.on(
        "console",
        lambda said: noted.append(f"console {said.type}: {said.text}"),
    )
    page.on("pageerror", lambda error: noted.append(f"error in a script: {error}"))
    page.on(
        "request",
        lambda asked: (
            None
            if asked.url.partition("#")[0] == path.as_uri()
            or asked.url.startswith(("data:", "blob:"))
            else noted.append(f"fetches {asked.url}")
        ),
    )
    try:
        page.goto(path.as_uri(), wait_until="load")
        yield Visit(page, noted)
    finally:
        context.close()
