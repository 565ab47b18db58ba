"""Terms that the page explains once (data/glossary.yaml), and links to from where they are used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from bs4 import BeautifulSoup

from helpers.paths import PROJECT
from helpers.report.links import link_words

FILE = PROJECT / "data" / "glossary.yaml"
WHERE = ".prose p, .prose li, figcaption"
NOT_IN = ("a", "b", "strong", "em", "code", "pre", "math", "h1", "h2", "h3", "h4", "svg")


def read_glossary() -> list[dict[str, Any]]:
    """Read the terms: ``term``, perhaps ``also`` (other words for it), and ``text``."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


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
        done: set[str] = set()

        def first(match: re.Match, done: set[str] = done) -> Iterator[tuple[int, int, dict]]:
            term = by_word[match[0].lower()]
            if term not in done:
                done.add(term)
                yield *match.span(), {"class": "term", "href": f"#{identity(term)}"}

        link_words(soup, WHERE, NOT_IN, pattern, first)
        linked |= done
    return linked
