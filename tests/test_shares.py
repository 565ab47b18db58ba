"""Sizes at which an attack takes an equal share."""

import numpy as np
import pytest

from helpers.evaluation.shares import equal_share, with_interval


def test_the_epsilon_of_an_equal_share():
    epsilons, accuracies = np.array([0.0, 0.1, 0.2, 0.4]), np.array([0.8, 0.6, 0.2, 0.0])
    assert equal_share(epsilons, accuracies) == pytest.approx(0.15)
    assert equal_share(epsilons, accuracies / 2) == pytest.approx(0.15)
    assert equal_share(epsilons[:2], accuracies[:2]) is None
    with pytest.raises(ValueError, match="begin with epsilon = 0"):
        equal_share(epsilons[1:], accuracies[1:])


def test_the_interval_holds_the_size_and_narrows_with_more_images():
    epsilons, widths = [0.0, 0.1, 0.2, 0.4], []
    for n in (200, 5000):
        lost_at = np.random.default_rng(0).uniform(0, 0.4, n)  # half are lost at 0.2
        correct = np.array([lost_at > epsilon for epsilon in epsilons])
        found = with_interval(epsilons, correct)
        assert found["low"] < 0.2 < found["high"]
        assert found["low"] <= found["epsilon"] <= found["high"]
        widths.append(found["high"] - found["low"])
    assert widths[1] < widths[0] / 3


def test_an_attack_that_takes_too_little_has_no_such_size():
    found = with_interval([0.0, 0.1], np.ones((2, 50), bool))
    assert found == {"epsilon": None, "low": None, "high": None}
