"""Checks on the finished page: nothing fetched, nothing dangling, nothing missing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag

# The report's own figures and tables.
REPORT_ITEMS = tuple([f"figure-{n}" for n in range(1, 12)] + [f"table-{n}" for n in range(1, 6)])
NO_ALT = "No description has been provided for this image"  # what nbconvert fills in
FETCHING = ("src", "srcset", "poster", "data", "background", "xlink:href")
LITERAL = ("code", "pre", "kbd", "samp", "script", "style", "math", "title")
URL = re.compile(r"url\(\s*['\"]?(?!data:|#)([^)'\"]*)|@import\s+([^;]+)", re.IGNORECASE)
CSV = "data:text/csv;"  # a table to save, in the page itself
DATA = "application/json"  # the type of a script element that holds data, and runs nothing
EXPLORER = 2_000_000  # bytes that the explorer may take, with its gallery
SHOWN = 60  # characters of the page's text in a message


def _links(soup: BeautifulSoup, ids: set[str]) -> list[str]:
    problems = []
    for link in soup.select("a[href]"):
        target, text = link["href"], link.get_text(" ", strip=True)[:SHOWN]
        if target.startswith("#"):
            if target != "#" and unquote(target[1:]) not in ids:
                problems.append(f"dangling link {target} ({text!r})")
        elif target.startswith(CSV) and link.get("download"):
            continue
        elif not re.match(r"(https?://|mailto:)", target):
            problems.append(f"link to a file outside of the page: {target[:SHOWN]} ({text!r})")
    for tag in soup.select("[aria-labelledby], [aria-describedby], label[for]"):
        for name in ("aria-labelledby", "aria-describedby", "for"):
            for target in str(tag.get(name) or "").split():
                if target not in ids:
                    problems.append(f"{name}={target!r} names no element")
    return problems


def _fetched(soup: BeautifulSoup) -> list[str]:
    problems = []
    for tag in soup.find_all(True):
        names = FETCHING + (() if tag.name in ("a", "area") else ("href",))
        for name in names:
            value = str(tag.get(name) or "").strip()
            if value and not value.startswith(("data:", "#")):
                problems.append(f"<{tag.name}> fetches {name}={value[:SHOWN]}")
        styles = [str(tag.get("style") or "")] + ([tag.get_text()] if tag.name == "style" else [])
        for found in URL.finditer(" ".join(styles)):
            problems.append(f"style of <{tag.name}> fetches {(found[1] or found[2])[:SHOWN]}")
    return problems


def script_hash(script: str) -> str:
    """Name a script as a Content-Security-Policy does that lets exactly this one run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _scripts(soup: BeautifulSoup) -> list[str]:
    problems = []
    meta = soup.select_one("head > meta[http-equiv='Content-Security-Policy']")
    rules = [rule.split() for rule in str(meta["content"] if meta else "").split(";")]
    policy = {name: values for name, *values in filter(None, rules)}
    for name in ("default-src", "base-uri", "form-action"):
        if policy.get(name) != ["'none'"]:
            problems.append(f"the Content-Security-Policy lacks {name} 'none'")
    run = [script for script in soup.find_all("script") if script.get("type") != DATA]
    hashes = {f"'{script_hash(script.get_text())}'" for script in run}
    allowed = set(policy.get("script-src", []))
    problems += [f"the Content-Security-Policy lacks a script's hash {h}" for h in hashes - allowed]
    problems += [f"the Content-Security-Policy lets {h} run" for h in allowed - hashes]
    for tag in soup.find_all(True):
        for name in tag.attrs:
            if name.startswith("on"):
                problems.append(f"<{tag.name}> has the event handler {name}")
        for name in ("href", "xlink:href", "src", "action", "formaction"):
            if str(tag.get(name) or "").strip().lower().startswith("javascript:"):
                problems.append(f"<{tag.name}> runs {name}={tag[name][:SHOWN]}")
    return problems


def _images(soup: BeautifulSoup) -> list[str]:
    problems = []
    for image in soup.find_all("img"):
        if str(image.get("alt") or "").strip() in ("", NO_ALT):
            around = image.find_parent("figure")
            where = f" in #{around['id']}" if around is not None and around.get("id") else ""
            problems.append(f"image without an alt text{where}: {str(image.get('src'))[:SHOWN]}")
    for drawing in soup.find_all("svg"):
        named = drawing.get("aria-label") or drawing.find("title") or drawing.get("aria-hidden")
        if not named:
            problems.append("svg without aria-label, title or aria-hidden")
    return problems


def _formulas(soup: BeautifulSoup) -> list[str]:
    problems = []
    for text in soup.find_all(string=re.compile(r"\$")):
        if not any(parent.name in LITERAL for parent in text.parents if isinstance(parent, Tag)):
            at = text.index("$")
            snippet = " ".join(text[max(at - 20, 0) : at + 40].split())
            problems.append(f"leftover $ in the text: …{snippet}…")
    for symbol in soup.find_all("mi"):
        if symbol.get_text().startswith("\\"):
            problems.append(f"formula shows the command {symbol.get_text()}")
    return problems


def _structure(soup: BeautifulSoup) -> list[str]:
    problems = []
    html = soup.find("html")
    if html is None or not html.get("lang"):
        problems.append("no lang attribute on <html>")
    if not soup.title or not soup.title.get_text(strip=True):
        problems.append("no <title>")
    level = 0
    for heading in soup.find_all(re.compile(r"^h[1-6]$")):
        this, text = int(heading.name[1]), heading.get_text(" ", strip=True)[:SHOWN]
        if this > level + 1:
            above = f"h{level}" if level else "nothing"
            problems.append(f"heading {text!r} is an h{this} after {above}")
        if not text:
            problems.append(f"empty {heading.name}")
        level = this
    if len(soup.find_all("h1")) != 1:
        problems.append(f"{len(soup.find_all('h1'))} h1 headings instead of one")
    return problems


def _explorer(soup: BeautifulSoup) -> list[str]:
    size = sum(len(str(part).encode()) for part in soup.select("section.explore"))
    if size <= EXPLORER:
        return []
    return [f"the explorer takes {size / 1e6:.1f} MB, more than {EXPLORER / 1e6:g}"]


def check_page(html: str, expected: Iterable[str] = ()) -> list[str]:
    """Look for everything that would make the page wrong, incomplete or dependent on the network.

    Parameters
    ----------
    html
        The whole page.
    expected
        Figures and tables that must be there, as ``figure-7`` or ``table-4``; any data set's will
        do (``figure-7-mnist``).

    Returns
    -------
    problems
        One line for each; empty for a good page.
    """
    soup = BeautifulSoup(html, "html.parser")
    counts = Counter(tag["id"] for tag in soup.select("[id]"))
    problems = [f"id {name!r} stands {count} times" for name, count in counts.items() if count > 1]
    problems += _links(soup, set(counts)) + _fetched(soup) + _images(soup)
    problems += _scripts(soup) + _formulas(soup) + _structure(soup) + _explorer(soup)
    for output in soup.select(".output_error"):
        problems.append(f"error in an output: {output.get_text(' ', strip=True)[-SHOWN:]}")
    figures = [tag["id"] for tag in soup.select("figure[id]")]
    for item in expected:
        if not any(name == item or name.startswith(item + "-") for name in figures):
            problems.append(f"{item.replace('-', ' ').capitalize()} is missing")
    return problems
