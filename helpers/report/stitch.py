"""Stitch chapters into one page that needs nothing but itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from helpers.code import PORTABLE
from helpers.profiles import Run
from helpers.report import citations, links
from helpers.report.chapters import Chapter
from helpers.report.check import script_hash
from helpers.report.progress import duration
from helpers.vocabulary import CHAPTERS

TEMPLATES = Path(__file__).parent / "template"
REPORT = "Harms et al. 2019"  # the page's head cites it
TITLE = "Adversarial examples: an executable report"


def _line(manifest: Mapping[str, Any], chapters: Sequence[Chapter]) -> str:
    """Say in a line what was run."""
    data = [
        f"{entry['label'] or entry['name']}, {entry['status']}" for entry in manifest["datasets"]
    ]
    data = data or [chapter.run.dataset for chapter in chapters if chapter.run.dataset]
    parts = [
        f"Profile {manifest['profile']}",
        *dict.fromkeys(data),
        manifest["started"][:10],
        f"revision {manifest['revision'] or 'unknown'}",
    ]
    return " · ".join(parts)


def _facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    machine = manifest["machine"]
    versions = ", ".join(f"{name} {value}" for name, value in manifest["versions"].items() if value)
    return [
        ("Profile", f"{manifest['profile']}: {manifest['purpose']}"),
        ("Revision", manifest["revision"] or "unknown"),
        ("Started, ended (UTC)", f"{manifest['started']}, {manifest['ended']}"),
        (
            "Working time",
            f"{duration(manifest['spent_seconds'])}, with what was interrupted or repeated",
        ),
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


def _references(chapters: Sequence[Chapter]) -> list[dict[str, str | None]]:
    """Link figures, tables, claims and cited works by their names; lists the works that are cited."""
    ids = links.page_ids((c.slug, c.run.dataset, c.soup) for c in chapters)
    known, cited = citations.read_references(), {REPORT}
    numbers = links.item_numbers(chapter.soup for chapter in chapters)
    for chapter in chapters:
        find = partial(links.find_number, dataset=chapter.run.dataset, ids=ids, numbers=numbers)
        cited |= citations.link_names(chapter.soup, find, ids, known)
    return [
        {"id": citations.identity(name), "url": None, **known[name]}
        for name in sorted(cited, key=citations.identity)
    ]


def _headlines(chapters: Sequence[Chapter]) -> Markup:
    """Copy the headlines of the findings for the page's head; nothing where there are none."""
    for chapter in chapters:
        found = chapter.soup.select_one("#headlines")
        if found is not None:
            shown = copy.copy(found)
            shown["id"] = "in-short"
            return Markup(shown)
    return Markup()


def _narrow(runs: Sequence[Run]) -> list[str]:
    """Name the data sets whose networks are not as wide as the report's: ``0.5 (digits)``."""
    named = {run.dataset: run.parameters.get("width", 1) for run in runs if run.dataset}
    return [f"{width:g} ({name})" for name, width in named.items() if width != 1]


def build_page(
    chapters: Sequence[Chapter], manifest: Mapping[str, Any], absent: Sequence[tuple[str, str]] = ()
) -> str:
    """Join the chapters into the page.

    Parameters
    ----------
    chapters
        In the page's order.
    manifest
        Of the build; shown at the page's end.
    absent
        Runs of the profile that are not in the page, each with the reason.
    """
    references = _references(chapters)
    links.resolve(
        [(c.slug, c.run.dataset, c.soup) for c in chapters],
        partial=bool(absent)
        or any(chapter.failed for chapter in chapters)
        or {chapter.run.chapter for chapter in chapters} < set(CHAPTERS),
        is_chapter=CHAPTERS.__contains__,
    )
    for chapter in chapters:
        chapter.html = str(chapter.soup)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (TEMPLATES / "script.js").read_text(encoding="utf-8")
    runs = [
        {
            "started": None,
            "seconds": None,
            "peak_memory_mib": None,
            "pieces": None,
            **manifest["runs"].get(chapter.slug, {}),
            "name": chapter.run.name,
            "parameters": {"seed": "", **chapter.run.parameters},
        }
        for chapter in chapters
    ]
    return environment.get_template("page.html.j2").render(
        title=TITLE,
        line=_line(manifest, chapters),
        chapters=chapters,
        manifest=manifest,
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=script_hash(script),
        headlines=_headlines(chapters),
        references=references,
        stand_ins=list(
            dict.fromkeys(d["label"] for d in manifest["datasets"] if d["status"] == "generated")
        ),
        narrow=_narrow([chapter.run for chapter in chapters]),
        items=_items(chapters),
        facts=_facts(manifest),
        runs=runs,
        absent=absent,
        failed=[chapter.run.name for chapter in chapters if chapter.failed],
    )
