"""A claim's card: what the report says, whether it holds, why, and what it rests on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from helpers.figures.verdict_tables import SIGNS, places_shown
from helpers.findings.headlines import title_of
from helpers.findings.verdicts import (
    ABSENT,
    HOLDS,
    UNDECIDED,
    Estimate,
    Part,
    Reading,
    Verdict,
    written,
)
from helpers.report import drawings

HERE = re.compile(r" \(here [^)]*\)")  # what a run has of what a comparison needs
EACH = ", ε = "  # in the label of a number at one ε
MANY = 100  # times as many images: beyond, none will have them


@dataclass(frozen=True)
class Card:
    """A judged claim as the page shows it."""

    verdict: Verdict

    @property
    def claim(self):
        return self.verdict.claim

    @property
    def kind(self) -> str:
        """Its class in the style sheet."""
        return self.words.replace(" ", "-")

    @property
    def words(self) -> str:
        return self.verdict.verdict

    @property
    def sign(self) -> str:
        return SIGNS[self.verdict.verdict]

    @property
    def seen(self) -> Markup:
        return places_shown(self.claim)

    @property
    def rows(self) -> list[tuple[str, str, Estimate]]:
        """Data set, label and number of what the verdict rests on."""
        return [
            (part.dataset, e.label, e)
            for part in self.verdict.parts
            if part.decisive
            for e in part.decisive.estimates
        ]

    @property
    def plots(self) -> list[Markup]:
        """Intervals, a drawing for each unit."""
        several = len({dataset for dataset, *_ in self.rows}) > 1
        units: dict[str, list[tuple[str, Estimate]]] = {}
        for dataset, label, estimate in self.rows:
            name = f"{title_of(dataset)}: {label}" if several else label
            units.setdefault(estimate.unit, []).append((name, estimate))
        return [drawings.intervals(rows) for rows in units.values()]

    @property
    def why(self) -> str:
        """Say in a sentence or two what the verdict means, and which number shows it most."""
        if self.verdict.verdict == ABSENT:
            return _absent(self.verdict.parts)
        telling = self._telling()
        return f"{self.verdict.meaning} {telling}".strip()

    def _telling(self) -> str:
        missing = [r.lacks for p in self.verdict.parts for r in p.readings if r.lacks]
        if missing and self.verdict.verdict == UNDECIDED:
            return f"Missing: {missing[0]}."
        rows = [row for row in self.rows if row[2].verdict == self.verdict.verdict]
        if not rows or self.verdict.verdict == HOLDS:
            return ""
        choose = min if self.verdict.verdict == UNDECIDED else max
        dataset, label, estimate = choose(rows, key=lambda row: _off(row[2]))
        return (
            f"For example, {title_of(dataset)}, {label}: {written(estimate)} {estimate.unit}, "
            f"where the claim needs {estimate.range}."
        )

    @property
    def decided_by(self) -> str:
        """Say what would decide the claim; empty where it is decided."""
        if self.verdict.verdict not in (UNDECIDED, ABSENT):
            return ""
        missing = {r.lacks for p in self.verdict.parts for r in p.readings if r.lacks}
        factors = [
            f for *_, e in self.rows if e.verdict == UNDECIDED and (f := _factor(e)) is not None
        ]
        if missing or not factors:
            return self.claim.decided_by
        if max(factors) > MANY:
            return f"Hardly anything: a difference lies too near the bound. {self.claim.decided_by}"
        return (
            f"About {max(factors)} times as many test images and trainings, if the differences stay as "
            f"they are. {self.claim.decided_by}"
        )

    @property
    def tables(self) -> Iterator[tuple[str, str, str, tuple[Estimate, ...]]]:
        """Data set, verdict, way of comparing and numbers of each reading of each part.

        What `why` says is lacking is not said again. A number at one ε is there if it says the opposite
        and the whole does not; all of them stand in the records and in the chapters.
        """
        said, why = set(), self.why
        for part in self.verdict.all_parts:
            for reading in part.readings:
                verdict = "decides nothing" if part.secondary else reading.verdict
                numbers = _numbers(reading)
                row = title_of(part.dataset), verdict, _basis(reading, why, part.secondary)
                if (*row, *map(written, numbers)) not in said:  # readings that lack the same
                    said.add((*row, *map(written, numbers)))
                    yield *row, numbers


def _numbers(reading: Reading) -> tuple[Estimate, ...]:
    """List what a reading rests on, every number once; of those at one ε, the ones that turn."""
    found = []
    for e in reading.estimates:
        least = any(e.label.startswith(r.label) and written(e) == written(r) for r in e.rows)
        found += [*([] if least else [e]), *e.rows]
        found += [p for p in e.at if EACH not in p.label or (p.turned and not e.turned)]
    return tuple(found)


def _basis(reading: Reading, why: str, secondary: bool) -> str:
    """Say how something was compared, on how much, with what chance of error, and what is missing."""
    told = [reading.says]
    for e in reading.estimates:
        models = "one training" if e.n_trainings == 1 else f"{e.n_trainings} trainings"
        told.append(f"{models}, {e.n_images:,} images")
        told += [f"{_p(e.adjusted)} after Holm's correction"] if e.adjusted is not None else []
    if reading.lacks and HERE.sub("", reading.lacks) not in HERE.sub("", why) and not secondary:
        told.append(reading.lacks if reading.absent else f"lacks {reading.lacks}")
    return "; ".join(filter(None, told))


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _bound(e: Estimate) -> float:
    """The bound that is nearest to an estimate."""
    return min((b for b in (e.least, e.most) if b is not None), key=lambda b: abs(e.value - b))


def _off(e: Estimate) -> float:
    return abs(e.value - _bound(e))


def _factor(e: Estimate) -> int | None:
    """How many times as many images would bring the interval to one side of its bound."""
    half, away = (e.high - e.low) / 2, _off(e)
    return math.ceil((half / away) ** 2) if away > half / 1000 else MANY + 1


def _absent(parts: Sequence[Part]) -> str:
    lacking = [dict.fromkeys(r.lacks for r in part.readings if r.lacks) for part in parts]
    texts = dict.fromkeys(
        f"On {title_of(part.dataset)}: {'; '.join(lacks) or part.numbers}."
        for part, lacks in zip(parts, lacking, strict=True)
    )
    return " ".join(texts) or "No chapter of this build measured it."
