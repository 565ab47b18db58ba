"""Random subsets of members, and the curve through them."""

import numpy as np
import pytest

from helpers.defences.bagging import vote
from helpers.evaluation.subsets import extrapolate, fit_curve, subset_accuracies


def members(n, images=400, seed=0):
    """Logits of members that are right by the sum of a common and an own part."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 3, images)
    common = generator.normal(0, 1, (images, 3)) + 0.8 * np.eye(3)[y]
    return common + generator.normal(0, 1.5, (n, images, 3)), y


def test_the_whole_is_the_vote_and_sizes_are_means_over_subsets():
    logits, y = members(6)
    found = subset_accuracies(logits, y, draws=200)
    assert found.shape == (6, 200)
    assert (found[-1] == (vote(logits)[-1] == y).mean()).all()
    singles = (logits.argmax(-1) == y).mean(-1)
    assert set(found[0].round(9)) <= set(singles.round(9))
    assert abs(found[0].mean() - singles.mean()) < 0.01
    np.testing.assert_array_equal(found, subset_accuracies(logits, y, draws=200))


def test_a_curve_is_found_again():
    sizes = np.arange(1, 11)
    a, b = fit_curve((0.9 - 0.2 / sizes)[:, None].repeat(3, axis=1))
    assert a == pytest.approx(0.9)
    assert b == pytest.approx(-0.2)


def test_an_extrapolation_is_tested_on_what_it_has_not_seen():
    logits, y = members(20, images=2000)
    found = extrapolate(logits, y, seen=10, goal=100)
    assert found["at_all"] == pytest.approx(found["measured_at_all"], abs=0.02)
    assert found["low"] < found["at_goal"] < found["high"]
    assert len(found["mean"]) == len(found["sd"]) == 20
    # Members beyond those seen change what was measured, and nothing of the curve.
    other = extrapolate(np.concatenate([logits[:10], -logits[10:]]), y, seen=10, goal=100)
    assert (other["a"], other["b"], other["low"]) == (found["a"], found["b"], found["low"])
    assert other["measured_at_all"] < found["measured_at_all"]
    with pytest.raises(ValueError, match="from 3 to 20"):
        extrapolate(logits, y, seen=2, goal=100)
