"""Ids and references: chapters written each for itself become parts of one page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag

HEADING = re.compile(r"^h[1-6]$")
NUMBER = re.compile(r"^\s*\d+(\.\d+)*[.:]?\s+")  # a number that the author wrote
ITEM = re.compile(r"^(figure|table)-\d+")
NOTEBOOK = re.compile(r"^(?:\./)?(\w+)\.ipynb(?:#(.*))?$")


def _set_text(heading: Tag, prefix: str) -> None:
    """Put `prefix` before a heading's text, in place of a number that it brought along."""
    first = heading.find(string=True)
    if first is not None:
        first.replace_with(NUMBER.sub("", str(first), count=1))
    heading.insert(0, prefix)


def number_headings(soup: BeautifulSoup, slug: str, number: int, dataset: str | None):
    """Demote, number and name the headings of a chapter.

    The notebook's h1 becomes the page's h2, with the data set's name; its h2 become numbered h3.

    Returns
    -------
    title, sections
        The chapter's title; ``(id, text)`` of each section, for the contents list.
    """
    title, sections = None, []
    taken: set[str] = set()
    for heading in soup.find_all(HEADING):
        level = int(heading.name[1])
        original = heading.get("id") or "-".join(heading.get_text(" ", strip=True).split())
        name, copy = f"{slug}-{original}", 1
        while name in taken:
            copy += 1
            name = f"{slug}-{original}-{copy}"
        taken.add(name)
        heading["id"] = name
        if level == 1 and title is None:
            _set_text(heading, f"{number}. ")
            if dataset:
                heading.append(f" · {dataset}")
            heading["id"] = slug
            heading["data-original"] = original
            title = heading.get_text(" ", strip=True)
        elif level == 2:
            _set_text(heading, f"{number}.{len(sections) + 1} ")
            sections.append((name, heading.get_text(" ", strip=True)))
        heading.name = f"h{min(level + 1, 6)}"
    return title, sections


def page_ids(parts: Iterable[tuple[str, str | None, BeautifulSoup]]) -> list[str]:
    """List all ids of the page's chapters, their own first."""
    parts = list(parts)
    inside = [str(tag["id"]) for _, _, soup in parts for tag in soup.select("[id]")]
    return [slug for slug, _, _ in parts] + inside


def find_item(target: str, dataset: str | None, ids: list[str]) -> str | None:
    """Find a figure or table: itself, its data set's, or the first of that number."""
    wanted = [target, f"{target}-{dataset}"]
    found = [name for name in wanted if name in ids]
    return found[0] if found else next((n for n in ids if n.startswith(f"{target}-")), None)


def _notebook(match: re.Match, dataset: str | None, slugs: list[str], ids: list[str]) -> str | None:
    """Find a chapter linked by its file: of the same data set, or the first there is."""
    chapter, part = match[1], match[2]
    same = [slug for slug in slugs if slug in (chapter, f"{chapter}-{dataset}")]
    slug = next(iter(same + [s for s in slugs if s.startswith(f"{chapter}-")]), None)
    if slug and part:
        part = unquote(part)
        named = f"{slug}-{part}"
        return (
            named if named in ids else find_item(part, dataset, ids) if ITEM.match(part) else None
        )
    return slug


def resolve(
    parts: Iterable[tuple[str, str | None, BeautifulSoup]],
    *,
    partial: bool,
    is_chapter: Callable[[str], bool],
) -> None:
    """Point the links inside of each chapter to where their targets are on the page.

    Parameters
    ----------
    parts
        Slug, data set and content of each chapter, in the page's order.
    partial
        Whether chapters are missing from the page: links to what they would hold become plain
        text. On a whole page such a link stays, and is found by the check.
    is_chapter
        Tells whether a name is a chapter's.
    """
    parts = list(parts)
    slugs, ids = [slug for slug, _, _ in parts], page_ids(parts)
    for slug, dataset, soup in parts:
        title = soup.select_one("[data-original]")
        own = title.attrs.pop("data-original") if title is not None else None
        for link in soup.select("a[href]"):
            href = link["href"]
            notebook, missing = NOTEBOOK.match(href), False
            if href.startswith("#") and href != "#":
                name = unquote(href[1:])
                if name == own:
                    found = slug
                elif f"{slug}-{name}" in ids:
                    found = f"{slug}-{name}"
                else:
                    found = find_item(name, dataset, ids) if ITEM.match(name) else None
                    missing = found is None and bool(ITEM.match(name))
                    found = found or (name if name in ids else None)
            elif notebook:
                found = _notebook(notebook, dataset, slugs, ids)
                missing = found is None and is_chapter(notebook[1])
            else:
                continue
            if found:
                link["href"] = f"#{found}"
            elif missing and partial:
                link.unwrap()
