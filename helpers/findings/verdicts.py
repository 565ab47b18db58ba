"""How a claim is judged: from differences and their intervals to verdicts, from parts to the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from helpers.data import DATASETS
from helpers.evaluation import (
    Difference,
    Record,
    independent_difference,
    paired_difference,
    select,
)

HOLDS = "holds"
FAILS = "does not hold"
UNDECIDED = "not decided at this size"
ABSENT = "not run in this profile"
VERDICTS = (HOLDS, FAILS, UNDECIDED, ABSENT)


@dataclass(frozen=True)
class Part:
    """One test of a claim: on which data, with what outcome, from which numbers."""

    dataset: str
    verdict: str
    numbers: str


@dataclass(frozen=True)
class Claim:
    """A claim of the report.

    Attributes
    ----------
    name, where
        Its number here (``C1``), and its place in the report.
    statement
        What is claimed, in our words.
    test
        When it holds and when not, in words.
    shown
        Where the evidence is seen: a chapter's file and an item in it.
    judge
        Reads records and returns the parts that they allow.
    """

    name: str
    where: str
    statement: str
    test: str
    shown: str
    judge: Callable[[Sequence[Record]], list[Part]]


@dataclass(frozen=True)
class Verdict:
    """A claim, judged."""

    claim: Claim
    verdict: str
    parts: tuple[Part, ...]


def reach_verdict(claim: Claim, records: Sequence[Record]) -> Verdict:
    """Judge a claim by the records there are."""
    parts = tuple(claim.judge(records))
    return Verdict(claim, worst(part.verdict for part in parts), parts)


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
    value, low, high = (100 * v for v in (difference.value, difference.low, difference.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")


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
    correct_a, correct_b = a.arrays.get("correct"), b.arrays.get("correct")
    if same_images(a, b):
        return paired_difference(correct_a, correct_b)
    counts = (record.values[name] for record in (a, b) for name in ("n_correct", "n"))
    return independent_difference(*counts)


def gap_of_gains(gain: tuple[Record, Record], other: tuple[Record, Record]) -> Difference:
    """One gain (a model's accuracy minus another's) minus another gain; by image where they agree."""
    if not same_images(*gain, *other):
        return gap(*gain) - gap(*other)
    right = [record.arrays["correct"].astype(np.float64) for record in (*gain, *other)]
    twice = (right[0] - right[1]) - (right[2] - right[3])
    reach = 1.959964 * float(twice.std(ddof=1) / np.sqrt(len(twice)))
    return Difference(float(twice.mean()), float(twice.mean()) - reach, float(twice.mean()) + reach)


def over_trainings(differences: Sequence[float]) -> Difference:
    """Mean of one difference over trainings from several seeds, with Student's interval."""
    values = np.asarray(differences, np.float64)
    value, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return Difference(value, value - reach, value + reach)


def mean_gap(a: np.ndarray, b: np.ndarray) -> Difference:
    """Difference of the means of two independent samples of two or more, with a normal interval."""
    value = float(a.mean() - b.mean())
    reach = 1.959964 * float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
    return Difference(value, value - reach, value + reach)


def stand_for(records: Sequence[Record], *roles: str, **wanted) -> list[str]:
    """Name the data sets that are, or stand in for, some of the report's and have such records."""
    names = {record.dataset for record in select(records, **wanted)}
    found = []
    for role in roles:
        if role in names:  # beside the real thing a stand-in has nothing to say
            found.append(role)
        else:
            stand_ins = names & set(DATASETS)
            found += sorted(n for n in stand_ins if DATASETS[n].stands_in_for == role)
    return found


def first(records: Sequence[Record], **wanted) -> Record | None:
    """Find the first record with the wanted values."""
    return next(iter(select(records, **wanted)), None)
