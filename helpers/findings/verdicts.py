"""From differences and their intervals to verdicts, and from parts to the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.evaluation.record import Record
from helpers.evaluation.statistics import Difference, independent_difference, paired_difference
from helpers.rounding import rounded

HOLDS = "holds"
FAILS = "does not hold"
UNDECIDED = "not decided at this size"
ABSENT = "cannot be tested here"
VERDICTS = (HOLDS, FAILS, UNDECIDED, ABSENT)


@dataclass(frozen=True)
class Estimate:
    """One number that a test rests on, with its 95 % interval, in the test's unit.

    Attributes
    ----------
    label
        What it is of: an attack, or a row of a table.
    value, low, high
        The estimate and its interval; None where nothing is known of it.
    least, most
        The range in which the claim holds; None where it is open.
    unit
        What it is counted in: ``points``, ``% of the errors`` ...
    """

    label: str
    value: float
    low: float
    high: float
    least: float | None = 0.0
    most: float | None = None
    unit: str = "points"

    @property
    def verdict(self) -> str:
        """What this number alone says."""
        least = -np.inf if self.least is None else self.least
        most = np.inf if self.most is None else self.most
        return inside(Difference(self.value, self.low, self.high), least, most)


@dataclass(frozen=True)
class Reading:
    """What a test said, in one reading of what the report leaves open.

    Attributes
    ----------
    verdict, text
        The outcome, and all its numbers as a sentence.
    estimates, says
        The numbers, and how they were compared.
    """

    verdict: str
    text: str
    estimates: tuple[Estimate, ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Part:
    """One test of a claim: on which data, with what outcome, from which numbers."""

    dataset: str
    verdict: str
    numbers: str
    readings: tuple[Reading, ...] = ()

    @property
    def decisive(self) -> Reading | None:
        """The reading that the verdict rests on."""
        return next((r for r in self.readings if r.verdict == self.verdict), None)


@dataclass(frozen=True)
class Claim:
    """A claim of the report, as data/claims.yaml holds it.

    Attributes
    ----------
    name, where
        Its number here (``C1``), and its place in the report.
    quote, statement, short
        The report's own sentence, what is claimed in our words, and the same in under ten words.
    criterion
        When it holds and when not, in words.
    matters
        The smallest difference that matters, in points.
    outcomes
        What it means if it ``holds``, ``fails`` or is ``undecided``.
    seen
        Where the evidence is seen: chapter, kind and key of an item (``04_ensembles#figure-7``).
    datasets, tests
        The report's data sets that it is about, and what is compared on them.
    """

    name: str
    where: str
    quote: str
    statement: str
    short: str
    criterion: str
    matters: float
    outcomes: dict[str, str]
    seen: tuple[str, ...]
    datasets: tuple[str, ...]
    tests: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Verdict:
    """A claim, judged."""

    claim: Claim
    verdict: str
    parts: tuple[Part, ...]

    @property
    def meaning(self) -> str:
        """What the verdict means, in words."""
        names = {HOLDS: "holds", FAILS: "fails", UNDECIDED: "undecided"}
        if self.verdict == ABSENT:
            return "No chapter of this build measured it."
        return self.claim.outcomes[names[self.verdict]]


def worst(verdicts: Iterable[str]) -> str:
    """Join the verdicts of what must hold together; of nothing, `ABSENT`."""
    found = set(verdicts) - {ABSENT}
    return next((v for v in (FAILS, UNDECIDED, HOLDS) if v in found), ABSENT)


def best(verdicts: Iterable[str]) -> str:
    """Join the verdicts of readings of which one suffices; of nothing, `ABSENT`."""
    found = set(verdicts)
    return next((v for v in (HOLDS, UNDECIDED, FAILS) if v in found), ABSENT)


def above(difference: Difference, bound: float = 0.0) -> str:
    """Judge "greater than the bound": by the side of it on which the whole interval lies."""
    if difference.low > bound:
        return HOLDS
    return FAILS if difference.high < bound else UNDECIDED


def inside(difference: Difference, low: float, high: float) -> str:
    """Judge "from low to high": by whether the whole interval lies inside, or outside."""
    if low <= difference.low and difference.high <= high:
        return HOLDS
    return FAILS if difference.high < low or difference.low > high else UNDECIDED


def points(difference: Difference) -> str:
    """Write a difference of accuracies in percentage points, with its interval."""
    ends = (difference.value, difference.low, difference.high)
    value, low, high = (rounded(100 * v, sign=True) for v in ends)
    return f"{value} [{low}, {high}]"


def same_images(*records: Record) -> bool:
    """Tell whether accuracies were measured on the same images in the same order."""
    arrays = [record.arrays.get("correct") for record in records]
    # The seed decides which images a part of a data set holds.
    return (
        not any(a is None for a in arrays)
        and len({(r.dataset, r.seed, len(a)) for r, a in zip(records, arrays, strict=True)}) == 1
    )


def gap(a: Record, b: Record) -> Difference:
    """Accuracy of `a` minus accuracy of `b`; paired where both tell of the same images."""
    if same_images(a, b):
        return paired_difference(a.arrays["correct"], b.arrays["correct"])
    counts = (record.values[name] for record in (a, b) for name in ("n_correct", "n"))
    return independent_difference(*counts)


def gap_of_gains(gain: tuple[Record, Record], other: tuple[Record, Record]) -> Difference:
    """One gain (a model's accuracy minus another's) minus another gain; by image where they agree."""
    if not same_images(*gain, *other):
        return gap(*gain) - gap(*other)
    right = [record.arrays["correct"].astype(np.float64) for record in (*gain, *other)]
    twice = (right[0] - right[1]) - (right[2] - right[3])
    return _normal(float(twice.mean()), float(twice.std(ddof=1) / np.sqrt(len(twice))))


def over_trainings(differences: Sequence[float]) -> Difference:
    """Mean of one difference over trainings from several seeds, with Student's interval."""
    from scipy.stats import t as student  # a second that few records need

    values = np.asarray(differences, np.float64)
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return _normal(float(values.mean()), error, float(student.ppf(0.975, len(values) - 1)))


def mean_gap(a: np.ndarray, b: np.ndarray) -> Difference:
    """Difference of the means of two independent samples of two or more, with a normal interval."""
    error = float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
    return _normal(float(a.mean() - b.mean()), error)


def _normal(value: float, error: float, quantile: float = 1.959964) -> Difference:
    return Difference(value, value - quantile * error, value + quantile * error)
