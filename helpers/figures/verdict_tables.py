"""Tables of verdicts on the report's claims, and of signs of a broken evaluation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from helpers.attacks import ATTACKS
from helpers.evaluation.record import Record, select
from helpers.evaluation.sanity import EXPLAINED, Check
from helpers.findings.literature import nearest
from helpers.findings.verdicts import (
    ABSENT,
    FAILS,
    HOLDS,
    PARTLY,
    UNDECIDED,
    Claim,
    Part,
    Verdict,
    share,
    written,
)

# Never by colour alone: a sign and a word.
SIGNS = {HOLDS: "✓", PARTLY: "±", FAILS: "✗", UNDECIDED: "?", ABSENT: "–"}


def check_table(checks: Sequence[Check]) -> pd.DataFrame:
    """List sanity checks that had something to compare: in how many cases, and what was found."""
    frame = pd.DataFrame(
        {
            "Sign of a broken evaluation": check.name,
            "looked for": check.compared,
            "found": len(check.warnings),
            "where": "; ".join(_together(check.warnings)),
            "what it means": EXPLAINED[check.name] if check.warnings else "",
        }
        for check in checks
        if check.compared
    )
    found = any(check.warnings for check in checks)
    return frame if found else frame.drop(columns=["where", "what it means"], errors="ignore")


def _together(warnings: Sequence[str]) -> list[str]:
    """Join warnings that differ in their numbers only: ``member 1: 5.0%, 7.0% ...``."""
    alike: dict[str, list[list[str]]] = {}
    for text in warnings:
        alike.setdefault(re.sub(r"\d[\d.]*", "#", text), []).append(text.split())
    return [
        " ".join(", ".join(dict.fromkeys(words)) for words in zip(*texts, strict=True))
        for texts in alike.values()
    ]


def sanity_table(records: Sequence[Record]) -> pd.DataFrame:
    """Sum up the recorded checks: a row for each chapter and data set with signs, one for the rest.

    What the signs mean, and their numbers, stand in the chapter's own table.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for record in select(records, quantity="sanity"):
        place = record.chapter, record.dataset
        row = rows.setdefault(place, {"compared": 0, "warnings": []})
        row["compared"] += record.values["compared"]
        name = record.parameters["check"]
        row["warnings"] += [f"{name}: {_subject(text)}" for text in record.values["warnings"]]
    signs = {place: row for place, row in sorted(rows.items()) if row["warnings"]}
    found = [(*place, row["compared"], row["warnings"]) for place, row in signs.items()]
    rest = sum(row["compared"] for row in rows.values() if not row["warnings"])
    found += [("all others", "", rest, [])] if rest else []
    return pd.DataFrame(
        {
            "Chapter": chapter,
            "Data": dataset,
            "compared": compared,
            "found": len(warnings),
            "signs of a broken evaluation": _places(warnings),
        }
        for chapter, dataset, compared, warnings in found
    )


def _subject(warning: str) -> str:
    """What a warning is about, without its numbers: ``member 1 under FGSM``."""
    return warning.partition(": ")[0]


def _places(warnings: Sequence[str]) -> str:
    """List warnings, those of one kind together: ``zero gradients: member 1 under FGSM (2 times)``."""
    named: dict[str, Counter[str]] = {}
    for warning in warnings:
        name, _, subject = warning.partition(": ")
        named.setdefault(name, Counter())[subject] += 1
    return "; ".join(
        f"{name}: {', '.join(f'{s} ({n} times)' if n > 1 else s for s, n in subjects.items())}"
        for name, subjects in named.items()
    )


def verdict_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """List the claims with their verdicts, the numbers behind them, and links to where they are seen."""
    return pd.DataFrame(
        {
            "Claim": Markup('<span id="claim-{}">{}</span>').format(v.claim.name, v.claim.name),
            "The report says": f"{v.claim.statement} ({v.claim.where})",
            "Verdict": pill(v.verdict),
            "Numbers": Markup("<br>").join(_part(part, v) for part in v.parts) if v.parts else None,
            "Seen in": places_shown(v.claim),
        }
        for v in verdicts
    )


def pill(verdict: str) -> Markup:
    """Draw a verdict as a sign and its words, for the page to colour."""
    kind = verdict.replace(" ", "-")
    return Markup('<span class="verdict {}">{}\N{NO-BREAK SPACE}{}</span>').format(
        kind, SIGNS[verdict], verdict
    )


def _part(part: Part, whole: Verdict) -> Markup:
    # Said again only where one part came out otherwise than another.
    said = f" {part.verdict}" if any(part.verdict != p.verdict for p in whole.parts) else ""
    return Markup("<b>{}</b>{}: {}").format(part.dataset, said, part.numbers)


def places_shown(claim: Claim) -> Markup:
    """Link to where a claim's evidence is seen."""
    links = []
    for place in claim.seen:
        chapter, _, item = place.partition("#")
        kind, _, key = item.partition("-")
        # What the report has has its number; all else, the chapter's and a word.
        anchor = item if key.isdigit() else f"{kind}-{chapter[:2]}-{key}"
        text = f"{kind.capitalize()} {key}" if key.isdigit() else f"chapter {chapter[:2]}, {key}"
        links.append(Markup('<a href="{}.ipynb#{}">{}</a>').format(chapter, anchor, text))
    return Markup(", ").join(links)


def test_table(claims: Sequence[Claim]) -> pd.DataFrame:
    """List how each claim is judged."""
    return pd.DataFrame(
        {"Claim": claim.name, "Where": claim.where, "It holds if": claim.criterion}
        for claim in claims
    )


def primary_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """List the primary comparisons of all claims, with what their tests say."""
    return pd.DataFrame(
        {
            "Claim": v.claim.name,
            "Data": part.dataset,
            "Compared": f"{e.label} ({reading.says})" if reading.says else e.label,
            "Difference": f"{written(e)} {e.unit}",
            "Range": e.range,
            "trainings": e.n_trainings,
            "images": e.n_images,
            "p": f"{e.chance:.2g}",
            "p, corrected": "–" if e.adjusted is None else f"{e.adjusted:.2g}",
            "It": e.verdict if e.adjusted is not None else f"lacks {reading.lacks}",
        }
        for v in verdicts
        for part in v.parts
        for reading in part.readings
        for e in reading.estimates
    )


def power_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """List how likely primary comparisons are decided (:func:`helpers.findings.power.powers`).

    A row for each claim, with the least and the most of its comparisons.
    """
    by_claim: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_claim.setdefault(row["claim"], []).append(row)
    return pd.DataFrame(
        {
            "Claim": claim,
            "smallest difference": _span([row["matters"] for row in of_it], "g"),
            "power (%)": _span([100 * row["power"] for row in of_it], ".0f"),
            "shown with 80 %": _span([row["decides"] for row in of_it], ".1f"),
        }
        for claim, of_it in by_claim.items()
    )


def _span(values: Iterable[float | None], form: str) -> str:
    """Write the least and the most of some values; a dash where one is None, beyond all of them."""
    values = list(values)
    known = sorted(v for v in values if v is not None)
    ends = [f"{v:{form}}" for v in (*known[:1], *known[-1:])]
    if None in values:
        ends[1:] = ["–"]
    return " to ".join(dict.fromkeys(ends))


def literature_table(
    entries: Sequence[Mapping[str, Any]], records: Sequence[Record]
) -> pd.DataFrame:
    """Set what others measured beside the nearest setting here (data/literature.yaml)."""
    return pd.DataFrame(
        {
            "Source": entry["source"],
            "Setting": entry["setting"],
            "Theirs (%)": f"{entry['accuracy']:g}",
            "Ours (%)": found and share(found),
            "Our setting": found and f"{found.model}, {_how(found)}",
        }
        for entry in entries
        for found in [nearest(entry, records)]
    )


def _how(record: Record) -> str:
    label = "clean" if record.attack == "none" else ATTACKS[record.attack].label
    epsilon = record.parameters.get("epsilon")
    return f"{record.dataset}, {label}{f', ε = {epsilon:g}' if epsilon else ''}"


def change_table(changes: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """List the criteria that are not those of the first publication (data/claims.yaml)."""
    return pd.DataFrame(
        {
            "Date": str(c["date"]),
            "Claims": ", ".join(c["claims"]),
            "Changed": c["what"],
            "Why": c["why"],
        }
        for c in changes
    )


def slip_table(slips: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """List slips of the report, and how they are read here (data/slips.yaml)."""
    return pd.DataFrame(
        {"Where": slip["where"], "In the report": slip["said"], "Read here as": slip["read"]}
        for slip in slips
    )
