"""Intervals and tests against published values."""

import numpy as np
import pytest
from scipy.stats import binomtest

from helpers.evaluation.statistics import (
    independent_difference,
    mcnemar,
    paired_difference,
    wilson,
)


def test_wilson_is_scipys():
    for k, n in ((0, 1), (1, 1), (0, 7), (3, 7), (199, 200), (500, 10_000)):
        expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose(wilson(k, n), (expected.low, expected.high), rtol=1e-12)


def test_wilson_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        wilson(0, 0)


def test_mcnemar_is_the_exact_binomial_test_of_the_disagreements():
    a = np.array([1] * 10 + [0] * 2 + [1] * 5, bool)
    b = np.array([0] * 10 + [1] * 2 + [1] * 5, bool)
    # 2 or fewer of 12 at 1/2, both sides
    assert mcnemar(a, b) == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert mcnemar(a, a) == 1.0
    with pytest.raises(ValueError, match="same images"):
        mcnemar(a, b[:3])


def test_paired_difference_against_the_published_formula():
    a = np.array([1] * 10 + [0] * 2 + [1] * 5 + [0] * 3, bool)
    b = np.array([0] * 10 + [1] * 2 + [1] * 5 + [0] * 3, bool)
    found = paired_difference(a, b)
    # Agresti & Min: 10.5 and 2.5 of 22
    middle, variance = 8 / 22, (13 - 8**2 / 22) / 22**2
    assert found.value == pytest.approx(8 / 20)
    assert found.low == pytest.approx(middle - 1.959964 * variance**0.5)
    assert found.high == pytest.approx(middle + 1.959964 * variance**0.5)
    same = paired_difference(a, a)
    assert same.low < same.value == 0 < same.high
    with pytest.raises(ValueError, match="same images"):
        paired_difference(a, b[:3])


def test_independent_difference_against_published_values():
    # Newcombe 1998, Table II (a), (b), (h), method 10
    for counts, ends in (
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ):
        found = independent_difference(*counts)
        assert (found.low, found.high) == pytest.approx(ends, abs=5e-5)
