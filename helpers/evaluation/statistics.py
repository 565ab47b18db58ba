"""Intervals of accuracies, paired tests, and differences with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from helpers.evaluation.effects import crossed

Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution


def wilson(n_correct: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a proportion (Wilson 1927)."""
    if n < 1:
        raise ValueError("an accuracy needs at least one image")
    if not 0 <= n_correct <= n:
        raise ValueError(f"{n_correct} of {n} images cannot be right")
    middle = (n_correct + Z**2 / 2) / (n + Z**2)
    reach = Z / (n + Z**2) * math.sqrt(n_correct * (n - n_correct) / n + Z**2 / 4)
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if n_correct == 0 else middle - reach
    return low, 1.0 if n_correct == n else middle + reach


def accuracy_values(n_correct: int, n: int) -> dict[str, float]:
    """What a record holds of an accuracy: counts, share, and the ends of its 95 % interval."""
    low, high = wilson(n_correct, n)
    counts = {"n": n, "n_correct": n_correct}
    return counts | {"accuracy": n_correct / n, "low": low, "high": high}


def _refuse_other_images(correct_a: np.ndarray, correct_b: np.ndarray) -> None:
    if correct_a.shape != correct_b.shape:
        raise ValueError(
            f"a paired test needs the same images: {correct_a.shape} and {correct_b.shape}"
        )


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> float:
    """Exact McNemar test: p-value for two classifiers being equally good on the same images."""
    _refuse_other_images(correct_a, correct_b)
    only_a, only_b = (correct_a > correct_b).sum(), (correct_a < correct_b).sum()
    apart = int(only_a + only_b)
    return float(binomtest(int(only_a), apart).pvalue) if apart else 1.0


@dataclass(frozen=True)
class Difference:
    """A difference of two proportions or means, with its 95 % interval."""

    value: float
    low: float
    high: float

    def __sub__(self, other: Difference) -> Difference:
        """Difference of two differences, taken as independent (MOVER, Zou & Donner 2008)."""
        value = self.value - other.value
        below = np.hypot(self.value - self.low, other.high - other.value)
        above = np.hypot(self.high - self.value, other.value - other.low)
        return Difference(value, float(value - below), float(value + above))


def paired_difference(correct_a: np.ndarray, correct_b: np.ndarray) -> Difference:
    """Accuracy of a classifier minus that of another on the same images.

    The interval is Agresti & Min's (2005): Wald's, with half an image more in each cell of the 2 × 2
    table.

    Parameters
    ----------
    correct_a, correct_b
        Correct answers, bool (n,), of the same images in the same order.
    """
    _refuse_other_images(correct_a, correct_b)
    found = crossed(correct_a.astype(np.float64) - correct_b)
    return Difference(found.value, max(found.low, -1.0), min(found.high, 1.0))


def independent_difference(n_correct_a: int, n_a: int, n_correct_b: int, n_b: int) -> Difference:
    """Difference of two proportions of different images (Newcombe 1998, method 10)."""
    a, b = (
        Difference(n_correct / n, *wilson(n_correct, n))
        for n_correct, n in ((n_correct_a, n_a), (n_correct_b, n_b))
    )
    return a - b
