"""L-BFGS: closed forms, what its result says, and what is refused."""

import numpy as np
import pytest
from small_models import SHAPE, images, linear_model, small_network

from helpers.attacks.lbfgs_attack import lbfgs
from helpers.evaluation.perturbations import check_adversarial
from helpers.models import gradients

Y = np.arange(12, dtype=np.int32) % 3


def nearest(model, x, target):
    """Closed form for a linear model of two classes: |w x + b| / ||w||."""
    weights, bias = (part.astype(np.float64) for part in model.get_weights())
    normal = weights[:, target] - weights[:, 1 - target]
    offset = bias[target] - bias[1 - target]
    return np.abs(x.reshape(len(x), -1) @ normal + offset) / np.linalg.norm(normal)


@pytest.mark.parametrize("targeted", [True, False])
def test_distance_on_a_linear_model_is_the_closed_form(targeted):
    model = linear_model(n_classes=2, scale=3.0)
    weights = model.get_weights()[0]
    model.set_weights([weights, -0.5 * weights.sum(0)])  # the boundary goes through the images
    x = images(20)
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    targets = (1 - y).astype(np.int32) if targeted else None
    result = lbfgs(model, x, y, targets=targets, c_steps=25, max_iterations=200, n_candidates=1)
    exact = np.array([nearest(model, x[[i]], 1 - y[i])[0] for i in range(20)])
    inside = exact < 0.3  # farther ones meet the box, where the formula does not hold
    assert inside.sum() >= 5
    assert result.success.all()
    np.testing.assert_allclose(result.l2[inside], exact[inside], rtol=0.01)
    assert (result.l2 >= exact - 1e-4).all()


def test_result_is_adversarial_in_the_box_and_says_what_it_is():
    model, x = small_network(), images()
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    targets = ((y + 1) % 3).astype(np.int32)
    result = lbfgs(model, x, y, targets=targets, c_steps=6, max_iterations=40)
    check_adversarial(x, result.x_adv)
    hit = result.success
    assert hit.any()
    np.testing.assert_array_equal(
        gradients.logits(model, result.x_adv).argmax(-1)[hit], targets[hit]
    )
    l2 = np.linalg.norm((result.x_adv - x).reshape(12, -1), axis=1)
    np.testing.assert_allclose(result.l2[hit], l2[hit], rtol=1e-4)
    assert (result.c[hit] > 0).all()


def test_failed_rows_hold_the_original_and_say_so():
    model = linear_model(n_classes=3)
    weights, _ = model.get_weights()
    model.set_weights([0 * weights, np.array([5.0, 0.0, 0.0], np.float32)])  # always class 0
    x, y = images(), np.zeros(12, np.int32)
    result = lbfgs(model, x, y, targets=np.ones(12, np.int32), c_steps=3, max_iterations=5)
    assert not result.success.any()
    np.testing.assert_array_equal(result.x_adv, x)
    assert np.isnan(result.c).all()
    assert np.isnan(result.l2).all()


def test_untargeted_leaves_the_label_and_is_no_farther_than_any_single_target():
    model, x = small_network(), images()
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    options = {"c_steps": 5, "max_iterations": 30}
    free = lbfgs(model, x, y, n_candidates=2, **options)
    assert (gradients.logits(model, free.x_adv).argmax(-1) != y)[free.success].all()
    for shift in (1, 2):
        aimed = lbfgs(model, x, y, targets=((y + shift) % 3).astype(np.int32), **options)
        both = free.success & aimed.success
        assert (free.l2[both] <= aimed.l2[both] + 1e-5).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c_init": 0.0}, "c_init = 0.0"),
        ({"c_steps": 0}, "c_steps = 0"),
        ({"max_iterations": 0}, "max_iterations = 0"),
        ({"targets": np.full(12, 3, np.int32)}, "targets holds labels"),
        ({"targets": Y[:3]}, "targets must be"),
        ({"n_candidates": 0}, "n_candidates = 0"),
        ({"x": np.zeros((12, *SHAPE))}, "float32"),
    ],
)
def test_bad_input_is_refused(change, message):
    good = {"x": images(), "y": Y, "targets": None}
    with pytest.raises(ValueError, match=message):
        lbfgs(linear_model(), **{**good, **change})
