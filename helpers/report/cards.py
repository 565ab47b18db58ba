"""A claim's card: what the report says, whether it holds, why, and what it rests on."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from scipy.stats import norm

from helpers.evaluation.effects import ALPHA
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
        found = [
            (part.dataset, e.label, part.decisive.says, e)
            for part in self.verdict.parts
            if part.decisive
            for e in part.decisive.estimates
        ]
        named = Counter((dataset, label) for dataset, label, *_ in found)
        return [  # what would be called the same says how it was compared
            (
                dataset,
                f"{re.split('[;,]', says)[0]}, {label}" if named[dataset, label] > 1 else label,
                e,
            )
            for dataset, label, says, e in found
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
        missing = _lacking(self.verdict)
        if missing and self.verdict.verdict == UNDECIDED:
            return f"Too little was run: it takes {missing[0]}."
        return f"{self.verdict.meaning} {self._telling()}".strip()

    def _telling(self) -> str:
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
        undecided = [e for *_, e in self.rows if e.verdict == UNDECIDED]
        factors = [_factor(e) for e in undecided]
        if _lacking(self.verdict) or not factors:
            return self.claim.decided_by
        if max(factors) > MANY:
            return f"Hardly anything: a difference lies too near the bound. {self.claim.decided_by}"
        # A corrected chance of error ends at 1, and hides how strict the correction is.
        about = "At least" if any(e.adjusted == 1 for e in undecided) else "About"
        return (
            f"{about} {max(factors)} times as many test images and trainings, if the differences stay "
            f"as they are. {self.claim.decided_by}"
        )

    @property
    def comparisons(self) -> list[tuple[str, list[str]]]:
        """How things were compared, and for each data set what came out, on how much.

        What `why` says is lacking is not said again. Of a mean only the mean is there, unless at one ε
        the opposite of the claim holds; all numbers stand in the records and in the chapters.
        """
        found: dict[str, list[str]] = {}
        why = self.why
        for part in self.verdict.all_parts:
            for reading in part.readings:
                how, _, details = reading.says.partition("; ")
                told = _told(part, reading, details, why, self.verdict.verdict)
                if told:
                    how = f"shown only: {how}" if part.secondary else how
                    found.setdefault(how[:1].upper() + how[1:], []).append(told)
        return list(found.items())


def _told(part: Part, reading: Reading, details: str, why: str, whole: str) -> str:
    """Say what a reading found on its data: numbers, settings, chance of error, and what is missing."""
    said_above = HERE.sub("", why)
    numbers = _numbers(reading)
    missing = [one for one in reading.lacks.split(" and ") if HERE.sub("", one) not in said_above]
    missing = " and ".join(filter(None, missing))
    lacks = [missing if reading.absent else f"lacks {missing}"] if missing else []
    if not numbers and (part.secondary or not lacks):
        return ""
    name = title_of(part.dataset)
    if not numbers:
        return f"{name}: {lacks[0]}"
    said = ", ".join(f"{label} {written(e)}".strip() for label, e in numbers)
    about = [details, *map(_basis, reading.estimates), *lacks]
    about = [] if part.secondary else list(filter(None, about))
    turns = not part.secondary and reading.verdict not in (whole, UNDECIDED)
    name = f"{name}, {reading.verdict}" if turns else name
    basis = f" ({'; '.join(about)})" if about else ""
    return f"{name}: {said} {numbers[0][1].unit}{basis}"


def _numbers(reading: Reading) -> list[tuple[str, Estimate]]:
    """List what a reading rests on: of what must all be so, each; of ε, those where it turns."""
    found = []
    for e in reading.estimates:
        # What a single mean is of stands in the criterion.
        name = "" if len(reading.estimates) == 1 and e.label.startswith("mean") else e.label
        found += [(row.label, row) for row in e.rows] or [(name, e)]
        found += [(p.label, p) for p in e.reversed if not e.turned()]
    return found


def _basis(e: Estimate) -> str:
    """Say on how much a number rests, and with what chance of error."""
    models = "one training" if e.n_trainings == 1 else f"{e.n_trainings} trainings"
    chance = "" if e.adjusted is None else f", {_p(e.adjusted)}"
    return f"{models}, {e.n_images:,} images{chance}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _bound(e: Estimate) -> float:
    """The bound that is nearest to an estimate."""
    return min((b for b in (e.least, e.most) if b is not None), key=lambda b: abs(e.value - b))


def _off(e: Estimate) -> float:
    return abs(e.value - _bound(e))


def _factor(e: Estimate) -> int:
    """How many times as much would decide it, corrected as it is for all comparisons."""
    now = norm.isf(e.chance / 2)
    if e.adjusted is None or now <= 0:
        return MANY + 1
    wanted = norm.isf(ALPHA / 2 * e.chance / e.adjusted)
    return min(math.ceil((wanted / now) ** 2), MANY + 1)


def _lacking(verdict: Verdict) -> list[str]:
    """What was not run; what cannot be tested here lacks nothing that could be run."""
    return [r.lacks for p in verdict.parts for r in p.readings if r.lacks and not r.absent]


def _absent(parts: Sequence[Part]) -> str:
    lacking = [dict.fromkeys(r.lacks for r in part.readings if r.lacks) for part in parts]
    texts = dict.fromkeys(
        f"On {title_of(part.dataset)}: {'; '.join(lacks) or part.numbers}."
        for part, lacks in zip(parts, lacking, strict=True)
    )
    return " ".join(texts) or "No chapter of this build measured it."
