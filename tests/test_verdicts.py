import numpy as np
import pytest

from helpers.evaluation.records import Record
from helpers.evaluation.statistics import Difference
from helpers.findings.verdicts import (
    ABSENT,
    FAILS,
    HOLDS,
    UNDECIDED,
    above,
    best,
    gap,
    gap_of_gains,
    inside,
    mean_gap,
    over_trainings,
    points,
    worst,
)


def accuracy(correct, dataset="mnist", **about):
    correct = np.asarray(correct, bool)
    values = {"n": len(correct), "n_correct": int(correct.sum()), "accuracy": correct.mean()}
    return Record("c", dataset, "accuracy", values=values, arrays={"correct": correct}, **about)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.2, HOLDS), (-0.2, -0.01, FAILS), (-0.1, 0.1, UNDECIDED), (0.0, 0.1, UNDECIDED)],
)
def test_above_needs_the_whole_interval(low, high, verdict):
    assert above(Difference((low + high) / 2, low, high)) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.2, 0.3, HOLDS), (0.1, 0.19, FAILS), (0.31, 0.4, FAILS), (0.1, 0.25, UNDECIDED)],
)
def test_inside_needs_the_whole_interval(low, high, verdict):
    assert inside(Difference((low + high) / 2, low, high), 0.2, 0.3) == verdict


def test_parts_join_to_the_worst_and_readings_to_the_best():
    assert worst([HOLDS, UNDECIDED]) == UNDECIDED
    assert worst([HOLDS, UNDECIDED, FAILS]) == FAILS
    assert worst([HOLDS, ABSENT]) == HOLDS
    assert worst([]) == worst([ABSENT]) == ABSENT
    assert best([FAILS, HOLDS]) == HOLDS
    assert best([FAILS, UNDECIDED]) == UNDECIDED
    assert best([]) == ABSENT


def test_a_gap_is_paired_only_on_the_same_images():
    a, b = np.arange(200) < 120, np.arange(200) < 110
    paired = gap(accuracy(a), accuracy(b))
    apart = gap(accuracy(a), accuracy(b[:150]))
    elsewhere = gap(accuracy(a), accuracy(b, dataset="cifar10"))
    assert (paired.value, elsewhere.value) == pytest.approx((0.05, 0.05))
    assert paired.high - paired.low < elsewhere.high - elsewhere.low
    assert apart.value == pytest.approx(120 / 200 - 110 / 150)


def test_a_gap_of_other_seeds_is_not_paired():
    a, b = np.arange(200) < 120, np.arange(200) < 110
    assert gap(accuracy(a), accuracy(b, seed=1)) == gap(accuracy(a), accuracy(b, dataset="x"))


def test_a_gap_of_gains_is_narrower_on_the_same_images():
    rows = [np.arange(400) < k for k in (200, 160, 180, 160)]
    same = [accuracy(row) for row in rows]
    other = [accuracy(row, seed=k // 2) for k, row in enumerate(rows)]
    near, far = (gap_of_gains(r[:2], r[2:]) for r in (same, other))
    assert near.value == far.value == pytest.approx(0.05)
    assert near.high - near.low < far.high - far.low
    twice = np.zeros(400)
    twice[180:200] = 1
    assert near.low == pytest.approx(0.05 - 1.959964 * twice.std(ddof=1) / 20)


def test_a_gap_without_arrays_is_not_paired():
    a, b = accuracy(np.arange(200) < 120), accuracy(np.arange(200) < 110)
    blind = Record("c", "mnist", "accuracy", values=a.values)
    assert gap(blind, b) == gap(accuracy(np.arange(200) < 120, dataset="other"), b)


def test_mean_gap_against_the_textbook():
    a, b = np.array([1.0, 2, 3, 4]), np.array([0.0, 1, 2])
    found = mean_gap(a, b)
    reach = 1.959964 * np.sqrt(a.var(ddof=1) / 4 + b.var(ddof=1) / 3)
    assert found.value == 1.5
    assert (found.low, found.high) == pytest.approx((1.5 - reach, 1.5 + reach))


def test_points_are_written_with_signs():
    assert points(Difference(-0.05, -0.071, 0.02)) == "−5.0 [−7.1, +2.0]"


def test_over_trainings_against_the_textbook():
    found = over_trainings([1.0, 2.0, 3.0])
    assert found.value == pytest.approx(2.0)
    assert found.high == pytest.approx(2.0 + 4.302653 / np.sqrt(3))  # Student's t, two degrees
    assert found.value - found.low == pytest.approx(found.high - found.value)
