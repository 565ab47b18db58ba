import numpy as np
import pytest
from small_models import images, linear_model, small_network

from helpers.evaluation.diversity import error_correlation, gradient_cosine


def test_error_correlation_by_hand():
    a = np.array([1, 1, 0, 0], bool)
    assert error_correlation(np.array([a, a])) == pytest.approx(1)
    assert error_correlation(np.array([a, ~a])) == pytest.approx(-1)
    independent = np.array([1, 0, 1, 0], bool)
    assert error_correlation(np.array([a, independent])) == pytest.approx(0)
    assert error_correlation(np.array([a, a, ~a])) == pytest.approx(-1 / 3)


def test_members_without_mistakes_have_no_correlation():
    assert np.isnan(error_correlation(np.ones((2, 5), bool)))
    with pytest.raises(ValueError, match="two members"):
        error_correlation(np.ones((1, 5), bool))


def test_the_same_network_twice_has_the_same_gradient():
    x, y = images(), np.arange(12, dtype=np.int32) % 3
    model = small_network()
    assert gradient_cosine([model, model], x, y) == pytest.approx(1, abs=1e-6)


def test_a_network_and_its_negative_pull_apart():
    x, y = images(), np.zeros(12, np.int32)
    model, other = linear_model(2), linear_model(2)
    other.set_weights([-w for w in model.get_weights()])
    assert gradient_cosine([model, other], x, y) == pytest.approx(-1, abs=1e-6)
    with pytest.raises(ValueError, match="two members"):
        gradient_cosine([model], x, y)


def test_a_vanishing_gradient_is_passed_over():
    x, y = images(), np.zeros(12, np.int32)
    model, flat = linear_model(2), linear_model(2)
    flat.set_weights([0 * w for w in model.get_weights()])
    assert gradient_cosine([model, model, flat], x, y) == pytest.approx(1, abs=1e-6)
