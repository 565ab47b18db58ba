"""Stitch chapters into one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup

from helpers.code import PORTABLE
from helpers.evaluation.record import Record
from helpers.findings.claims import judge_all
from helpers.profiles import Run
from helpers.report import chapters as drawn
from helpers.report import citations, explorer, glossary, links
from helpers.report.chapters import Chapter
from helpers.report.check import script_hash
from helpers.report.drawings import TEMPLATES, written
from helpers.report.front import UNVERIFIED, Front, front
from helpers.report.furnish import furnish
from helpers.report.manifest import cost_of_pieces
from helpers.report.merge import drop_empty, merge
from helpers.report.progress import duration
from helpers.report.stamps import FINDINGS
from helpers.vocabulary import CHAPTERS

STYLES = ("colours.css", "drawings.css", "style.css")
REPORT = "Harms et al. 2019"  # the page's head cites it
NAME = "Adversarial examples: an executable report"


def _line(manifest: Mapping[str, Any]) -> str:
    """Say in a line what was run."""
    parts = [
        f"Profile {manifest['profile']}",
        manifest["started"][:10],
        f"revision {manifest['revision'] or 'unknown'}",
    ]
    return " · ".join(parts)


def _facts(manifest: Mapping[str, Any], folder: Path) -> list[tuple[str, str]]:
    machine = manifest["machine"]
    versions = ", ".join(f"{name} {value}" for name, value in manifest["versions"].items() if value)
    taken = sum(run.get("seconds") or 0 for run in manifest["runs"].values())
    return [
        ("Profile", f"{manifest['profile']}: {manifest['purpose']}"),
        ("Revision", manifest["revision"] or "unknown"),
        ("Started, ended (UTC)", f"{manifest['started']}, {manifest['ended']}"),
        ("Models and images took, when they were made", duration(cost_of_pieces(folder, manifest))),
        ("The runs took, with what they found in the store", duration(taken)),
        ("Versions", versions),
        ("Platform", machine["platform"]),
        ("Processor", f"{machine['cpu']}, {machine['cores']} cores used"),
        ("Memory", f"{machine['memory_mib']} MiB"),
        ("Rounding", _rounding(manifest.get("onednn"))),
    ]


def _rounding(onednn: Mapping[str, str] | None) -> str:
    """Say where a rerun gives the same digits."""
    if onednn == PORTABLE:
        return "as of any x86-64 processor with AVX2 (--portable): there a rerun repeats the digits"
    return "as of this kind of processor: elsewhere the last digits, and so some answers, differ"


def _items(chapters: Sequence[Chapter]) -> list[tuple[str, str]]:
    found = []
    for chapter in chapters:
        for figure in chapter.soup.select("figure[id]"):
            name = figure.select_one("figcaption b, figcaption strong")
            if links.ITEM.match(figure["id"]):
                text = name.get_text(" ", strip=True).rstrip(".") if name else figure["id"]
                found.append((figure["id"], text))
    return sorted(found, key=lambda item: _order(item[0]))


def _order(identity: str) -> tuple[bool, str, int]:
    """Put the report's own figures and tables first; a chapter's begin with its two digits."""
    kind, number = identity.split("-")[:2]
    return number.startswith("0"), kind, int(number)


def _references(chapters: Sequence[Chapter], claims: Sequence[str]) -> list[dict[str, str | None]]:
    """Link figures, tables, claims and cited works by their names; lists the works that are cited."""
    ids = [*links.page_ids(chapter.soup for chapter in chapters), *claims]
    known, cited = citations.read_references(), {REPORT}
    numbers = links.item_numbers(chapter.soup for chapter in chapters)
    for chapter in chapters:
        panels = [(panel, panel["data-set"]) for panel in chapter.soup.select("[data-set]")]
        for place, dataset in [*panels, (chapter.soup, chapter.run.dataset)]:
            find = partial(links.find_number, dataset=dataset, ids=ids, numbers=numbers)
            cited |= citations.link_names(place, find, ids, known)
    return [
        {"id": citations.identity(name), "url": None, **known[name]}
        for name in sorted(cited, key=citations.identity)
    ]


def _parts(chapters: Sequence[Chapter]) -> list[tuple[str, str | None, BeautifulSoup]]:
    return [(c.slug, c.run.dataset, c.soup) for c in chapters]


def _joined(*names: str) -> str:
    return "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _narrow(runs: Sequence[Run]) -> list[str]:
    """Name the data sets whose networks are not as wide as the report's: ``0.5 (digits)``."""
    named = {run.dataset: run.parameters.get("width", 1) for run in runs if run.dataset}
    return [f"{width:g} ({name})" for name, width in named.items() if width != 1]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"written": written}
    return environment


def _place_cards(
    chapters: Sequence[Chapter], first: Front, environment: jinja2.Environment
) -> None:
    """Put the claims' cards in the place of the tables that the notebook has of them.

    What stands on the first screen does not stand in the findings again.
    """
    for chapter in chapters:
        if chapter.run.chapter != FINDINGS:
            continue
        html = environment.get_template("cards.html.j2").render(cards=first.cards)
        shown = BeautifulSoup(html, "html.parser")
        old = chapter.soup.select_one("#table-09-verdicts")
        if old is not None:
            old.replace_with(shown)
        else:
            title = chapter.soup.find("h1")
            place = title.parent if title is not None else None
            place.insert_after(shown) if place is not None else chapter.soup.insert(0, shown)
        first_section = chapter.soup.find("h2")
        printed = first_section.find_all_previous(class_="alone") if first_section else []
        listed = [box for box in printed if not box.find(["figure", "ul"])]
        for gone in [
            *chapter.soup.select("#table-09-primary, #table-09-tests, #headlines"),
            *listed,
        ]:
            _take_out(gone)
        # The claims are the report's; chapters may be fewer.
        for link in chapter.soup.select(".card a[href]"):
            if links.PLACE.match(link["href"])[1] not in CHAPTERS:
                link.unwrap()
        drop_empty(chapter.soup)


def _take_out(shown: Tag) -> None:
    """Remove an output, and the words that lead to it: a sentence that ends with a colon."""
    box = shown.find_parent(class_="alone") or shown
    before = box.find_previous(class_="prose")
    words = before.find_all("p")[-1:] if before is not None else []
    for last in words:
        text = last.get_text().strip()
        if text.endswith(":") and ". " not in text:
            last.decompose()
        elif text.endswith(":"):
            end = last.find_all(string=True)[-1]
            end.replace_with(f"{str(end).rstrip()[:-1]}.")
    box.decompose()


def build_page(
    parts: Sequence[Chapter],
    manifest: Mapping[str, Any],
    absent: Sequence[tuple[str, str]] = (),
    records: Sequence[Record] = (),
    folder: Path | None = None,
) -> str:
    """Join the chapters' runs into the page.

    Parameters
    ----------
    parts
        One for each run, in the profile's order.
    manifest
        Of the build; shown at the page's end.
    absent
        Runs of the profile that are not in the page, each with the reason.
    records
        Of the build, with their arrays: what the first screen and the claims' cards are made from.
    folder
        The build's; the data of its figures become part of the page.
    """
    environment = _environment()
    explored = explorer.collect(part.soup for part in parts)
    first = front(records, judge_all(records), manifest)
    chapters = merge(parts)
    if FINDINGS not in {chapter.run.chapter for chapter in chapters}:
        first = replace(first, cards=[])  # their place is in the findings
    _place_cards(chapters, first, environment)
    for chapter in chapters:
        drawn.finish(chapter)
    claims = [f"claim-{card.claim.name}" for card in first.cards]
    references = _references(chapters, claims)
    links.resolve(
        _parts(chapters),
        partial=bool(absent)
        or any(chapter.failed for chapter in chapters)
        or {chapter.run.chapter for chapter in chapters} < set(CHAPTERS),
    )
    terms = glossary.read_glossary()
    glossary.link_terms([chapter.soup for chapter in chapters], terms)
    items = _items(chapters)
    for chapter in chapters:
        furnish(chapter.soup, folder)
        chapter.html = drawn.coloured(str(chapter.soup))
    script = _joined("script.js", *(["explorer.js"] if explored else []))
    return environment.get_template("page.html.j2").render(
        name=NAME,
        line=_line(manifest),
        front=first,
        unverified=UNVERIFIED,
        chapters=chapters,
        manifest=manifest,
        style=Markup(_joined(*STYLES, *(["explorer.css"] if explored else []))),
        script=Markup(script),
        script_hash=script_hash(script),
        explorer=explored,
        explored_before=next((c.slug for c in chapters if c.run.chapter != FINDINGS), None),
        references=references,
        terms=[entry | {"id": glossary.identity(entry["term"])} for entry in terms],
        narrow=_narrow([part.run for part in parts]),
        items=items,
        facts=_facts(manifest, folder),
        runs=_runs(parts, manifest),
        parameters=drawn.parameters(chapters),
        absent=absent,
        failed=[part.run.name for part in parts if part.failed],
    )


def _runs(parts: Sequence[Chapter], manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    nothing = dict.fromkeys(("started", "seconds", "peak_memory_mib", "pieces"))
    return [
        nothing
        | manifest["runs"].get(part.run.slug, {})
        | {"name": part.run.name, "parameters": {"seed": "", **part.run.parameters}}
        for part in parts
    ]
