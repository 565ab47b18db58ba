"""Words that name something on the page become links to it: figures, tables, claims, cited works."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from bs4 import BeautifulSoup

from helpers.report.links import link_words

REFERENCES = Path(__file__).resolve().parents[2] / "data" / "references.yaml"
WHERE = ".prose p, .prose li, figcaption, td, #headlines li"
# Inside these, words stay words; the bold number of a caption would point to itself.
NOT_IN = ("a", "b", "code", "pre", "math", "script", "style")
ITEM = r"\d+(?:\.\d+)?"
ITEMS = rf"\b(Figure|Table)s?\s+({ITEM}(?:(?:,\s+|\s+and\s+|\s+to\s+){ITEM})*)"
CITED = r"[^\W\d_][\w-]+(?:\s+et\s+al\.|\s+&\s+[^\W\d_][\w-]+)?\s+(?:19|20)\d\d"
NAMED = re.compile(rf"{ITEMS}|\b(C\d{{1,2}})\b|({CITED})")


def read_references() -> dict[str, dict[str, str]]:
    """Read the cited works: the words that cite each, to its ``text`` and perhaps ``url``."""
    return yaml.safe_load(REFERENCES.read_text(encoding="utf-8"))


def identity(citation: str) -> str:
    """Name the entry of a cited work: ``ref-tramer-2017``."""
    plain = unicodedata.normalize("NFKD", citation).encode("ascii", "ignore").decode().lower()
    return "ref-" + "-".join(re.findall(r"[a-z]{3,}|\d+", plain.replace("et al", "")))


def link_names(
    soup: BeautifulSoup,
    find_item: Callable[[str], str | None],
    ids: Sequence[str],
    references: Mapping[str, Mapping[str, str]],
) -> set[str]:
    """Turn the names in a chapter's text into links, where their targets exist.

    Parameters
    ----------
    soup
        The chapter.
    find_item
        Finds the id of ``figure-7`` or ``table-03.4`` on the page, or None.
    ids
        All ids of the page.
    references
        As :func:`read_references` gives them.

    Returns
    -------
    cited
        The references that were found.
    """
    cited: set[str] = set()

    def target(match: re.Match, word: str) -> str | None:
        if match[1]:
            return find_item(f"{match[1].lower()}-{word}")
        if match[3]:
            return f"claim-{word}" if f"claim-{word}" in ids else None
        name = " ".join(word.split())
        if name not in references:
            return None
        cited.add(name)
        return identity(name)

    def links(match: re.Match) -> Iterator[tuple[int, int, dict[str, str]]]:
        spans = [match.span()]
        if match[1]:
            spans = [m.span() for m in re.compile(ITEM).finditer(match.string, *match.span(2))]
            spans[0] = (match.start(), spans[0][1])  # "Figure 7" is one link, kind and number
        for start, end in spans:
            words = match.string[start:end]
            if (found := target(match, words.split()[-1] if match[1] else words)) is not None:
                yield start, end, {"href": f"#{found}"}

    link_words(soup, WHERE, NOT_IN, NAMED, links)
    return cited
