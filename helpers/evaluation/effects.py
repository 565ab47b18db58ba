"""Mean differences over trainings and images together: intervals, tests, and their power.

A number about a kind of model ("an ensemble of ten") depends on which images were drawn and on which
trainings were. Both are crossed: all trainings answer on the same images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import f as fisher
from scipy.stats import nct
from scipy.stats import t as student

ALPHA = 0.05
# How many degrees of freedom an expectation of the spread over trainings counts for.
PRIOR = 10


@dataclass(frozen=True)
class Effect:
    """A mean difference with what is needed to test it.

    Attributes
    ----------
    value
        The mean.
    centre
        Middle of its interval: the mean with one image more on either side (Agresti & Min 2005).
    errors
        Standard errors with their degrees of freedom, one for each way to count; the widest counts.
    n_images, n_trainings
        What it rests on.
    """

    value: float
    centre: float
    errors: tuple[tuple[float, float], ...]
    n_images: int
    n_trainings: int

    @property
    def reach(self) -> float:
        """Half of the width of the 95 % interval."""
        return max(float(student.ppf(1 - ALPHA / 2, df)) * error for error, df in self.errors)

    @property
    def low(self) -> float:
        return self.centre - self.reach

    @property
    def high(self) -> float:
        return self.centre + self.reach

    def beyond(self, bound: float) -> float:
        """One-sided p-value of "at most `bound`": small if the mean is above it."""
        return max(
            float(student.sf((self.centre - bound) / error, df)) for error, df in self.errors
        )

    def below(self, bound: float) -> float:
        """One-sided p-value of "at least `bound`"."""
        return max(
            float(student.cdf((self.centre - bound) / error, df)) for error, df in self.errors
        )

    def __sub__(self, other: Effect) -> Effect:
        """Difference from another effect on other images (Welch)."""
        pairs = [(one, two) for one in self.errors for two in other.errors]
        return Effect(
            self.value - other.value, self.centre - other.centre,
            tuple(_joined(*pair) for pair in pairs),
            min(self.n_images, other.n_images), min(self.n_trainings, other.n_trainings),
        )  # fmt: skip

    def __mul__(self, factor: float) -> Effect:
        errors = tuple((error * abs(factor), df) for error, df in self.errors)
        return Effect(
            self.value * factor, self.centre * factor, errors, self.n_images, self.n_trainings
        )


def crossed(differences: np.ndarray, spread: float | None = None, *, more: int = 0) -> Effect:
    """Mean of differences, image by image, over trainings that answer on the same images.

    The error joins what other images would change and what other trainings would, with Satterthwaite's
    degrees of freedom; or it is Student's over the means of the trainings alone, where that is wider. Of
    one training, whose differences are -1, 0 or 1, it is Agresti & Min's (2005).

    Parameters
    ----------
    differences
        float (trainings, images), from -1 to 1 each; one training says nothing of others.
    spread
        The standard deviation over trainings that was expected beforehand. A few trainings hardly tell
        it: as in a moderated t-test (Smyth 2004), the expectation counts like `PRIOR` degrees of freedom
        more, unless theirs is larger by more than chance explains (F-test). Of one training it is all
        there is.
    more
        1 for the interval of one training more, on other images, rather than of the mean.
    """
    d = np.atleast_2d(np.asarray(differences, np.float64))
    n_trainings, n_images = d.shape
    if not d.size:
        raise ValueError("a difference needs at least one image")
    of_images = d.mean(0)
    n = n_images + 2  # half an image more in each cell of the 2 x 2 table
    centre = float(of_images.sum() / n)
    images = (((of_images**2).sum() + 1) / n - centre**2) / n
    errors = [(math.sqrt(images), math.inf)]
    if n_trainings == 1 and spread:
        both = images + spread**2
        errors = [(math.sqrt(both), PRIOR * (both / spread**2) ** 2)]
    elif n_trainings > 1:
        variance, df = float(d.mean(1).var(ddof=1)), n_trainings - 1
        trainings = variance * (more + 1 / n_trainings)
        images *= 1 + more
        if spread and variance <= fisher.ppf(1 - ALPHA, df, PRIOR) * spread**2:
            trainings = (
                (df * variance + PRIOR * spread**2) / (df + PRIOR) * (more + 1 / n_trainings)
            )
            both, df = images + trainings, df + PRIOR
            errors = [(math.sqrt(both), df * (both / trainings) ** 2)]
        elif trainings > 0:
            both = images + trainings
            errors = [(math.sqrt(both), df * (both / trainings) ** 2), (math.sqrt(trainings), df)]
    return Effect(float(d.mean()), centre, tuple(errors), n_images, n_trainings)


def sample(values: np.ndarray) -> Effect:
    """Mean of one number for each of several images, of any size (Student)."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        raise ValueError("a mean with its error needs at least two images")
    error = max(float(values.std(ddof=1)) / math.sqrt(len(values)), 1e-12)
    mean = float(values.mean())
    return Effect(mean, mean, ((error, len(values) - 1),), len(values), 1)


def _joined(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    (a, df_a), (b, df_b) = one, other
    return math.hypot(a, b), (a**2 + b**2) ** 2 / (a**4 / df_a + b**4 / df_b or math.ulp(0))


def both_ways(effect: Effect, least: float | None, most: float | None) -> tuple[float, float]:
    """Test whether an effect lies in a range, and whether it lies outside.

    Returns
    -------
    inside, outside
        p-values. Inside needs both one-sided tests (equivalence: Schuirmann 1987), outside needs one.
        Each side is tested at half of the level, so both are given doubled, at most 1.
    """
    ends = [effect.beyond(least)] if least is not None else []
    ends += [effect.below(most)] if most is not None else []
    others = [effect.below(least)] if least is not None else []
    others += [effect.beyond(most)] if most is not None else []
    return min(1.0, 2 * max(ends)), min(1.0, 2 * min(others))


def holm(chances: Sequence[float]) -> list[float]:
    """Adjust p-values for having asked several times (Holm 1979)."""
    adjusted, largest = [0.0] * len(chances), 0.0
    for rank, k in enumerate(sorted(range(len(chances)), key=lambda k: chances[k])):
        largest = max(largest, min(1.0, (len(chances) - rank) * chances[k]))
        adjusted[k] = largest
    return adjusted


def power(
    distance: float,
    *,
    n_images: int,
    n_trainings: int,
    discordant: float,
    spread: float,
    level: float = ALPHA,
    equivalence: bool = False,
) -> float:
    """How likely a comparison is decided, before it is made.

    Parameters
    ----------
    distance
        How far beyond the bound the truth lies; for an equivalence, how far inside of both.
    n_images, n_trainings
        Planned.
    discordant, spread
        Assumed: the share of images on which the two sides differ, and the standard deviation of the
        difference over trainings.
    level
        Of the test, divided by the number of comparisons if these are many.
    """
    images, trainings = discordant / n_images, spread**2 / n_trainings
    error, df = math.sqrt(images + trainings), math.inf
    if spread > 0:
        df = (n_trainings - 1 + PRIOR) * ((images + trainings) / trainings) ** 2
    df = min(df, 1e6)  # the noncentral t has no limit in SciPy
    chance = float(nct.sf(student.ppf(1 - level / 2, df), df, distance / error))
    return max(0.0, 2 * chance - 1) if equivalence else chance
