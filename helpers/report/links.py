"""Ids and references: chapters written each for itself become parts of one page."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag

from helpers.vocabulary import CHAPTERS

HEADING = re.compile(r"^h[1-6]$")
NUMBER = re.compile(r"^\s*\d+(\.\d+)*[.:]?\s+")  # a number that the author wrote
ITEM = re.compile(r"^(figure|table)-\d+")
CAPTION = re.compile(
    r"^(Figure|Table) (\d+\.\d+)\b"
)  # a chapter's own number: what it shows has a name
PLACE = re.compile(r"^(?:\./)?(\w+?)(?:\.ipynb)?(?:#(.*))?$")  # a chapter, or something in it


def _set_text(heading: Tag, prefix: str) -> None:
    """Put `prefix` before a heading's text, in place of a number that it brought along."""
    first = heading.find(string=True)
    if first is not None:
        first.replace_with(NUMBER.sub("", str(first), count=1))
    heading.insert(0, prefix)


def number_headings(soup: BeautifulSoup, slug: str, number: int | None):
    """Demote, number and name the headings of a chapter.

    The notebook's h1 becomes the page's h2; its h2 become numbered h3. Without a number, none has one.

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
            _set_text(heading, f"{number}. " if number else "")
            heading["id"] = slug
            heading["data-original"] = original
            title = " ".join(heading.get_text().split())
        elif level == 2:
            _set_text(heading, f"{number}.{len(sections) + 1} " if number else "")
            sections.append((name, " ".join(heading.get_text().split())))
        heading.name = f"h{min(level + 1, 6)}"
    return title, sections


def page_ids(soups: Iterable[BeautifulSoup]) -> list[str]:
    """List all ids of the page's chapters."""
    return [str(tag["id"]) for soup in soups for tag in soup.select("[id]")]


def item_numbers(soups: Iterable[BeautifulSoup]) -> dict[str, list[str]]:
    """Find what the captions number within a chapter: ``figure-04.3`` to its ids, one a data set."""
    found: dict[str, list[str]] = {}
    for soup in soups:
        for figure in soup.select("figure[id]"):
            name = figure.select_one("figcaption b, figcaption strong")
            match = CAPTION.match(name.get_text(" ", strip=True)) if name else None
            if match:
                found.setdefault(f"{match[1].lower()}-{match[2]}", []).append(figure["id"])
    return found


def find_item(target: str, dataset: str | None, ids: Sequence[str]) -> str | None:
    """Find a figure or table: itself, its data set's, or the first of that name."""
    found = [name for name in (target, f"{target}-{dataset}") if name in ids]
    others = (name for name in ids if re.fullmatch(rf"{re.escape(target)}-\w+", name))
    return found[0] if found else next(others, None)


def find_number(
    target: str, dataset: str | None, ids: Sequence[str], numbers: Mapping[str, Sequence[str]]
) -> str | None:
    """Find what the text calls ``figure-7`` (the report's number) or ``figure-04.3`` (a chapter's)."""
    if target not in numbers:
        return find_item(target, dataset, ids)
    named = numbers[target]
    return next((name for name in named if name.endswith(f"-{dataset}")), named[0])


def _part(part: str, slug: str, dataset: str | None, ids: Sequence[str]) -> str | None:
    """Find a heading, a figure or a table of a chapter: ``What-is-there``, ``figure-7``, ``ladder``."""
    if f"{slug}-{part}" in ids:
        return f"{slug}-{part}"
    if ITEM.match(part):
        return find_item(part, dataset, ids)
    key = part if part.isdigit() else f"{slug[:2]}-{part}"
    found = (find_item(f"{kind}-{key}", dataset, ids) for kind in ("figure", "table"))
    return next(filter(None, found), None)


def link_words(
    soup: BeautifulSoup,
    where: str,
    not_in: Collection[str],
    pattern: re.Pattern,
    found: Callable[[re.Match], Iterable[tuple[int, int, dict[str, str]]]],
) -> None:
    """Turn words of a chapter's text into links.

    Parameters
    ----------
    where, not_in
        The elements whose text is looked through (a selector), and those in which words stay words.
    pattern, found
        What is looked for; ``found`` gives the links of a match: from where to where in the text, and
        their attributes.
    """
    for place in soup.select(where):
        for text in list(place.find_all(string=pattern)):
            if any(parent.name in not_in for parent in text.parents):
                continue
            said, pieces, end = str(text), [], 0
            for match in pattern.finditer(said):
                for start, stop, attributes in found(match):
                    link = soup.new_tag("a", attrs=attributes)
                    link.string = said[start:stop]
                    pieces += [said[end:start], link]
                    end = stop
            text.replace_with(*pieces, said[end:])


def resolve(
    parts: Iterable[tuple[str, str | None, BeautifulSoup]],
    *,
    partial: bool,
) -> None:
    """Point the links inside of each chapter to where their targets are on the page.

    Parameters
    ----------
    parts
        Slug, data set and content of each chapter, in the page's order.
    partial
        Whether chapters are missing from the page: links to what they would hold become plain
        text. On a whole page such a link stays, and is found by the check.
    """
    parts = list(parts)
    slugs, ids = [slug for slug, _, _ in parts], page_ids(soup for _, _, soup in parts)
    for slug, usual, soup in parts:
        title = soup.select_one("[data-original]")
        own = title.attrs.pop("data-original") if title is not None else None
        for link in soup.select("a[href]"):
            href, missing = link["href"], False
            panel = link.find_parent(attrs={"data-set": True})
            dataset = panel["data-set"] if panel is not None else usual
            place = PLACE.match(href)
            if href.startswith("#") and href != "#":
                name = unquote(href[1:])
                found = slug if name == own else _part(name, slug, dataset, ids)
                missing = found is None and bool(ITEM.match(name))
                found = found or (name if name in ids else None)
            elif place and place[1] in CHAPTERS:
                found = place[1] if place[1] in slugs else None
                if found and place[2]:
                    found = _part(unquote(place[2]), found, dataset, ids)
                missing = found is None
            else:
                continue
            if found:
                link["href"] = f"#{found}"
            elif missing and partial:
                link.unwrap()
