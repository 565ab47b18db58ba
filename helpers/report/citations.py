"""Words that name something on the page become links to it: figures, tables, claims, cited works."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, NavigableString, Tag

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

    for place in soup.select(WHERE):
        for text in list(place.find_all(string=NAMED)):
            if not any(parent.name in NOT_IN for parent in text.parents if isinstance(parent, Tag)):
                text.replace_with(*_pieces(soup, str(text), target))
    return cited


def _pieces(soup: BeautifulSoup, text: str, target) -> list[NavigableString | Tag]:
    """Split a text into plain pieces and links."""
    pieces: list[NavigableString | Tag] = []
    done = 0
    for match in NAMED.finditer(text):
        if match[1]:
            spans = [
                (match.start(2) + m.start(), match.start(2) + m.end())
                for m in re.finditer(ITEM, match[2])
            ]
            spans[0] = (match.start(), spans[0][1])  # "Figure 7" is one link, kind and number
        else:
            spans = [match.span()]
        for start, end in spans:
            words = text[start:end]
            word = words.split()[-1] if match[1] else words
            found = target(match, word)
            if found is None:
                continue
            link = soup.new_tag("a", href=f"#{found}")
            link.string = words
            pieces += [NavigableString(text[done:start]), link]
            done = end
    return [*pieces, NavigableString(text[done:])]
