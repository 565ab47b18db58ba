"""Terms that the page explains once (data/glossary.yaml), and links to from where they are used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml
from bs4 import BeautifulSoup, NavigableString, Tag

from helpers.paths import PROJECT

FILE = PROJECT / "data" / "glossary.yaml"
WHERE = ".prose p, .prose li, figcaption"
NOT_IN = ("a", "b", "strong", "em", "code", "pre", "math", "h1", "h2", "h3", "h4", "svg")


def read_glossary() -> list[dict[str, Any]]:
    """Read the terms: ``term``, perhaps ``also`` (other words for it), and ``text``."""
    if not FILE.is_file():
        return []
    return yaml.safe_load(FILE.read_text(encoding="utf-8")) or []


def identity(term: str) -> str:
    """Name the entry of a term: ``term-white-box``."""
    named = {"ε": "epsilon", "σ": "sigma", "α": "alpha"}.get(term.strip(), term)
    return "term-" + "-".join(re.findall(r"\w+", named.lower()))


def link_terms(soups: Sequence[BeautifulSoup], terms: Sequence[dict[str, Any]]) -> set[str]:
    """Link the first use of each term in each chapter to its entry.

    Returns
    -------
    linked
        The terms that were found.
    """
    words = {
        word: entry["term"] for entry in terms for word in (entry["term"], *entry.get("also", ()))
    }
    if not words:
        return set()
    longest = sorted(words, key=len, reverse=True)
    pattern = re.compile(
        rf"(?<![\w-])({'|'.join(map(re.escape, longest))})(?![\w-])", re.IGNORECASE
    )
    by_word = {word.lower(): term for word, term in words.items()}
    linked: set[str] = set()
    for soup in soups:
        linked |= _link(soup, pattern, by_word)
    return linked


def _link(soup: BeautifulSoup, pattern: re.Pattern, by_word: dict[str, str]) -> set[str]:
    done: set[str] = set()
    for place in soup.select(WHERE):
        for text in list(place.find_all(string=pattern)):
            if any(p.name in NOT_IN for p in text.parents if isinstance(p, Tag)):
                continue
            pieces: list[NavigableString | Tag] = []
            end, said = 0, str(text)
            for match in pattern.finditer(said):
                term = by_word[match[0].lower()]
                if term in done:
                    continue
                done.add(term)
                link = soup.new_tag("a", attrs={"class": "term", "href": f"#{identity(term)}"})
                link.string = match[0]
                pieces += [NavigableString(said[end : match.start()]), link]
                end = match.end()
            if pieces:
                text.replace_with(*pieces, NavigableString(said[end:]))
    return done
