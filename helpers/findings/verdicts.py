"""From effects and their tests to verdicts, and from parts to the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scipy.stats import norm

from helpers.evaluation.effects import ALPHA, Effect, both_ways, holm
from helpers.evaluation.record import Record
from helpers.evaluation.statistics import Difference, independent_difference, paired_difference
from helpers.rounding import rounded

HOLDS = "holds"
PARTLY = "holds under one reading only"
FAILS = "does not hold"
UNDECIDED = "not decided"
ABSENT = "cannot be tested here"
UNSIGNED = ("% of the errors", "of FGSM's norm")  # units of shares rather than differences
VERDICTS = (HOLDS, PARTLY, FAILS, UNDECIDED, ABSENT)


@dataclass(frozen=True)
class Estimate:
    """One number that a claim is about, with its 95 % interval, in the comparison's unit.

    Attributes
    ----------
    label
        What it is of: an attack, or a row of a table.
    value, low, high
        The estimate and its interval.
    least, most
        The range in which the claim holds; None where it is open.
    unit
        What it is counted in: ``points``, ``% of the errors`` ...
    inside, outside
        p-values of not lying in the range, and of lying in it (`helpers.evaluation.effects.both_ways`).
    adjusted
        The smaller of them after Holm's correction over the primary comparisons of all claims; None of
        what decides nothing.
    n_images, n_trainings
        What it rests on.
    parts
        The same at each ε of its range.
    rows
        The numbers that it stands for, if these must all be as the claim has it.
    terms
        Where its records stand, for who recomputes it (``benchmarks/recompute.py``).
    """

    label: str
    value: float
    low: float
    high: float
    least: float | None = 0.0
    most: float | None = None
    unit: str = "points"
    inside: float = 1.0
    outside: float = 1.0
    adjusted: float | None = None
    n_images: int = 0
    n_trainings: int = 1
    parts: tuple[Estimate, ...] = ()
    rows: tuple[Estimate, ...] = ()
    terms: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """What this number alone says: by its adjusted test, or by its interval if it has none."""
        if self.adjusted is not None:
            decided = self.adjusted <= ALPHA
            return UNDECIDED if not decided else HOLDS if self.inside < self.outside else FAILS
        above = self.least is None or self.low > self.least
        below = self.most is None or self.high < self.most
        if above and below:
            return HOLDS
        under = self.least is not None and self.high < self.least
        return FAILS if under or (self.most is not None and self.low > self.most) else UNDECIDED

    def turned(self, among: int = 1) -> bool:
        """Whether the whole interval lies where the claim says the opposite.

        Of one among several intervals, it is the wider one that allows for their number (Bonferroni).
        """
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        half *= norm.isf(ALPHA / 2 / among) / norm.isf(ALPHA / 2)
        low, high = middle - half, middle + half
        if self.least is not None and self.most is not None:
            return high < self.least or low > self.most
        return high < min(0, self.least) if self.most is None else low > max(0, self.most)

    @property
    def reversed(self) -> tuple[Estimate, ...]:
        """Where the opposite of the claim holds, of its ε and of those of what it stands for."""
        own = (part for part in self.parts if part.turned(len(self.parts)))
        return (*own, *(part for row in self.rows for part in row.reversed))

    @property
    def told(self) -> dict[str, Any]:
        """As plain data."""
        own = "label value low high least most unit inside outside terms"
        found = {name: getattr(self, name) for name in own.split()}
        return found | {k: [e.told for e in getattr(self, k)] for k in ("parts", "rows")}

    @property
    def chance(self) -> float:
        return min(self.inside, self.outside)

    @property
    def range(self) -> str:
        """In which range it must lie, in words."""
        least, most = (
            None if b is None else f"{b:g}".replace("-", "−") for b in (self.least, self.most)
        )
        if most is None:
            return f"more than {least}"
        return f"at most {most}" if least is None else f"{least} to {most}"


def estimate(
    label: str,
    effect: Effect,
    least: float | None = 0.0,
    most: float | None = None,
    *,
    unit: str = "points",
    parts: Iterable[Estimate] = (),
    terms: Mapping[str, Any] | None = None,
) -> Estimate:
    """Test an effect against a range, in the effect's own unit."""
    inside, outside = both_ways(effect, least, most)
    return Estimate(
        label, effect.value, effect.low, effect.high, least, most, unit, inside, outside, None,
        effect.n_images, effect.n_trainings, tuple(parts), (), terms or {},
    )  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What one test says on one data set, in one reading of what the report leaves open.

    Attributes
    ----------
    says
        How things were compared.
    estimates
        The numbers; each must be as the claim has it.
    lacks
        What is missing for them to decide anything; empty if nothing is.
    absent
        Whether it cannot be tested here at all: `lacks` says why.
    """

    says: str
    estimates: tuple[Estimate, ...] = ()
    lacks: str = ""
    absent: bool = False

    @property
    def verdict(self) -> str:
        if self.absent:
            return ABSENT
        if self.lacks or not self.estimates:
            return UNDECIDED
        found = worst(e.verdict for e in self.estimates)
        # The report names no ε: each is a reading.
        return PARTLY if found == HOLDS and self.reversed_at else found

    @property
    def reversed_at(self) -> list[str]:
        """At which ε the opposite of the claim holds."""
        return [part.label for e in self.estimates for part in e.reversed]


@dataclass(frozen=True)
class Part:
    """One test of a claim on one data set, in all its readings; `secondary` ones decide nothing."""

    dataset: str
    readings: tuple[Reading, ...]
    secondary: bool = False

    @property
    def verdict(self) -> str:
        """All readings; one of them only, where another fails; else it is open."""
        found = {r.verdict for r in self.readings} - {ABSENT}
        if len(found) < 2:
            return next(iter(found), ABSENT)
        return PARTLY if found & {HOLDS, PARTLY} and found & {PARTLY, FAILS} else UNDECIDED

    @property
    def decisive(self) -> Reading | None:
        """The reading that shows the verdict."""
        wanted = {HOLDS, PARTLY} if self.verdict == PARTLY else {self.verdict}
        return next((r for r in self.readings if r.verdict in wanted), None)

    @property
    def numbers(self) -> str:
        """All numbers as a sentence."""
        return "; ".join(dict.fromkeys(map(_told, self.readings)))


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
    decided_by
        What would decide it where it is not decided.
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
    decided_by: str


@dataclass(frozen=True)
class Verdict:
    """A claim, judged."""

    claim: Claim
    all_parts: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """Those that decide."""
        return tuple(part for part in self.all_parts if not part.secondary)

    @property
    def verdict(self) -> str:
        return worst(part.verdict for part in self.parts)

    @property
    def meaning(self) -> str:
        """What the verdict means, in words."""
        if self.verdict == ABSENT:
            return "No chapter of this build measured it."
        if self.verdict == PARTLY:
            return "It depends on what the report leaves open: in one reading it holds, in another not."
        names = {HOLDS: "holds", FAILS: "fails", UNDECIDED: "undecided"}
        return self.claim.outcomes[names[self.verdict]]

    @property
    def primaries(self) -> list[Estimate]:
        """The primary comparisons: those that decide, and lack nothing."""
        readings = [r for part in self.parts for r in part.readings]
        return [e for r in readings if not r.lacks for e in r.estimates]


def worst(verdicts: Iterable[str]) -> str:
    """Join the verdicts of what must hold together; of nothing, `ABSENT`."""
    found = set(verdicts) - {ABSENT}
    return next((v for v in (FAILS, UNDECIDED, PARTLY, HOLDS) if v in found), ABSENT)


def corrected(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Correct the primary comparisons of all claims together (Holm), by which verdicts may change."""
    verdicts = list(verdicts)
    asked = [e for v in verdicts for e in v.primaries]
    adjusted = iter(holm([e.chance for e in asked]))

    def of_reading(reading: Reading, secondary: bool) -> Reading:
        if secondary or reading.lacks:
            return reading
        found = tuple(replace(e, adjusted=next(adjusted)) for e in reading.estimates)
        return replace(reading, estimates=found)

    def of_part(part: Part) -> Part:
        return replace(part, readings=tuple(of_reading(r, part.secondary) for r in part.readings))

    return [replace(v, all_parts=tuple(map(of_part, v.all_parts))) for v in verdicts]


def written(e: Estimate) -> str:
    """Write an estimate with its interval, without its unit."""
    decimals = {"of SSIM": 3, "of FGSM's norm": 2}.get(e.unit, 1)
    value, low, high = (
        rounded(v, decimals, sign=e.unit not in UNSIGNED) for v in (e.value, e.low, e.high)
    )
    return f"{value} [{low}, {high}]"


def _told(reading: Reading) -> str:
    numbers = ", ".join(f"{e.label} {written(e)} {e.unit}" for e in reading.estimates)
    turned = ""
    if reading.verdict == PARTLY:
        turned = f"the opposite at {', '.join(reading.reversed_at)}"
    told = [numbers, f"({reading.says})" if reading.says else "", turned]
    lacks = f"{'' if reading.absent else 'lacks '}{reading.lacks}" if reading.lacks else ""
    return " ".join(filter(None, [*told, f"– {lacks}" if lacks and numbers else lacks]))


def share(record: Record) -> str:
    """Write an accuracy in percent, with its interval."""
    value, low, high = (rounded(100 * record.values[k]) for k in ("accuracy", "low", "high"))
    return f"{value} [{low}, {high}]"


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
