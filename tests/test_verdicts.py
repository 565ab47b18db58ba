import numpy as np
import pytest
from made_up_run import scored

from helpers.evaluation.statistics import Difference, independent_difference
from helpers.findings.verdicts import (
    ABSENT,
    FAILS,
    HOLDS,
    PARTLY,
    UNDECIDED,
    Estimate,
    Part,
    Reading,
    Verdict,
    corrected,
    gap,
    points,
    worst,
)

FEWER = np.arange(200) < 110


def told(low, high, least=0.0, most=None, **more):
    return Estimate("BIM", (low + high) / 2, low, high, least, most, **more)


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (told(1, 20), HOLDS), (told(-20, -1), FAILS), (told(-1, 1), UNDECIDED), (told(0, 1), UNDECIDED),
        (told(20, 30, 19, 31), HOLDS), (told(10, 18, 19, 31), FAILS), (told(32, 40, 19, 31), FAILS),
        (told(10, 25, 19, 31), UNDECIDED), (told(-5, 1, None, 2), HOLDS), (told(3, 4, None, 2), FAILS),
    ],
)  # fmt: skip
def test_an_interval_must_lie_in_the_range_as_a_whole(estimate, verdict):
    assert estimate.verdict == verdict


def test_an_adjusted_test_decides_where_there_is_one():
    sure = {"inside": 0.001, "outside": 0.9}
    assert told(1, 2, **sure, adjusted=0.01).verdict == HOLDS
    assert told(1, 2, **sure, adjusted=0.06).verdict == UNDECIDED
    assert told(1, 2, inside=0.9, outside=0.001, adjusted=0.05).verdict == FAILS


def of(*verdicts):
    bounds = {HOLDS: (1, 2), FAILS: (-2, -1), UNDECIDED: (-1, 1)}
    readings = [
        Reading("", absent=True) if v == ABSENT else Reading("", (told(*bounds[v]),))
        for v in verdicts
    ]
    return Part("mnist", tuple(readings))


def test_parts_join_to_the_worst():
    assert worst([HOLDS, UNDECIDED]) == UNDECIDED
    assert worst([HOLDS, UNDECIDED, FAILS]) == FAILS
    assert worst([HOLDS, PARTLY]) == PARTLY
    assert worst([HOLDS, ABSENT]) == HOLDS
    assert worst([]) == worst([ABSENT]) == ABSENT


def test_readings_must_agree():
    assert of(HOLDS, HOLDS).verdict == HOLDS
    assert of(FAILS, FAILS).verdict == FAILS
    assert of(FAILS, HOLDS).verdict == of(FAILS, UNDECIDED, HOLDS).verdict == PARTLY
    assert of(FAILS, UNDECIDED).verdict == of(UNDECIDED, HOLDS).verdict == UNDECIDED
    assert of(HOLDS, ABSENT).verdict == HOLDS
    assert of(ABSENT).verdict == of().verdict == ABSENT


def test_the_opposite_at_one_size_of_the_attack_leaves_one_reading_only():
    turned, same = told(-3, -2), told(0.5, 3, 1.0)
    assert turned.turned()
    assert not same.turned()
    barely = told(-3, -0.1)
    assert barely.turned()
    assert not barely.turned(among=12)
    assert Reading("", (told(1, 2, parts=(same,)),)).verdict == HOLDS
    assert Reading("", (told(1, 2, parts=(same, turned)),)).verdict == PARTLY
    assert Reading("", (told(-2, -1, parts=(turned,)),)).verdict == FAILS


def test_what_lacks_something_decides_nothing_and_asks_for_no_correction():
    lacking = Part("mnist", (Reading("", (told(1, 2, inside=0.04),), lacks="3 trainings"),))
    asked = Part("mnist", (Reading("", (told(1, 2, inside=0.04),)),))
    beside = Part("mnist", asked.readings, secondary=True)
    (found,) = corrected([Verdict(None, (lacking, asked, beside))])
    assert [e.adjusted for e in found.primaries] == [0.04]
    assert [part.verdict for part in found.parts] == [UNDECIDED, HOLDS]
    two = corrected([Verdict(None, (asked,)), Verdict(None, (asked,))])
    assert [v.verdict for v in two] == [UNDECIDED, UNDECIDED]


@pytest.mark.parametrize(
    ("other", "n"),
    [
        ({"correct": FEWER, "place": ("04_ensembles", "cifar10")}, 200),
        ({"correct": FEWER, "seed": 1}, 200),
        ({"correct": FEWER[:150]}, 150),
        ({"n_correct": 110}, 200),
    ],
    ids=["data", "seed", "size", "no arrays"],
)
def test_a_gap_is_paired_only_on_the_same_images(other, n):
    one = scored("none", correct=np.arange(200) < 120)
    paired, apart = gap(one, scored("none", correct=FEWER)), gap(one, scored("none", **other))
    assert paired.value == pytest.approx(0.05)
    assert paired.high - paired.low < apart.high - apart.low
    assert apart == independent_difference(120, 200, 110, n)


def test_points_are_written_with_signs():
    assert points(Difference(-0.05, -0.071, 0.02)) == "−5.0 [−7.1, +2.0]"
