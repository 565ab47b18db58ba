"""Momentum BIM against BIM, two steps worked by hand, and another library."""

import numpy as np
import pytest
from art.attacks.evasion import ProjectedGradientDescentNumpy
from small_models import art_classifier, images, linear_model, small_network, trained

from helpers.attacks.momentum import momentum_bim
from helpers.attacks.steps import bim
from helpers.models import gradients

Y = np.arange(12, dtype=np.int32) % 3
STEPS = {"epsilon": 0.1, "alpha": 0.03, "steps": 6}


@pytest.mark.parametrize("targeted", [False, True])
def test_without_memory_it_is_bim(targeted):
    for model, x in ((small_network(), images()), trained()[:2]):
        y = np.arange(len(x), dtype=np.int32) % 3
        np.testing.assert_array_equal(
            momentum_bim(model, x, y, decay=0.0, targeted=targeted, **STEPS),
            bim(model, x, y, targeted=targeted, **STEPS),
        )


def test_two_steps_on_a_linear_model_by_hand():
    model, x = linear_model(n_classes=6, scale=1.5), images()
    weights = model.get_weights()[0].astype(np.float64)
    alpha, decay = 0.25, 0.9

    def direction(points):
        z = points.reshape(12, -1) @ weights
        shares = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        slope = (shares - np.eye(6)[Y]) @ weights.T
        return slope / np.abs(slope).sum(1, keepdims=True)

    first = direction(x)
    middle = x + alpha * np.sign(first).reshape(x.shape)
    second = decay * first + direction(middle)
    expected = middle + alpha * np.sign(second).reshape(x.shape)
    assert (np.sign(second) != np.sign(direction(middle))).any()  # the memory makes a difference
    found = momentum_bim(model, x, Y, epsilon=0.5, alpha=alpha, steps=2, decay=decay)
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-6)


@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_pixels_are_those_of_art(decay):
    model, x, y = trained()
    # MomentumIterativeMethod is this class with these options; for TensorFlow it chooses one that
    # forgets its momentum after each step.
    attack = ProjectedGradientDescentNumpy(
        art_classifier(model), eps=0.1, eps_step=0.03, decay=decay, max_iter=6, num_random_init=0,
        verbose=False,
    )  # fmt: skip
    expected = attack.generate(x, y=np.eye(3, dtype=np.float32)[y])
    found = momentum_bim(model, x, y, decay=decay, **STEPS)
    assert (np.abs(found - expected) > 2e-6).mean() < 0.01


def test_where_the_gradient_vanishes_it_goes_on_as_remembered(monkeypatch):
    x, slope = images(2), np.ones((2, 4, 4, 1), np.float32)
    slope[1] *= -1
    answers = iter([slope, 0 * slope, 0 * slope])

    def call(points, y):
        return None, next(answers), None

    monkeypatch.setattr(gradients, "loss_and_gradient", lambda model, loss: call)
    found = momentum_bim(linear_model(), x, Y[:2], epsilon=0.2, alpha=0.05, steps=3)
    np.testing.assert_allclose(found, x + 0.15 * slope, atol=1e-6)


@pytest.mark.parametrize("decay", [-0.1, np.nan])
def test_a_bad_decay_is_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        momentum_bim(linear_model(), images(), Y, decay=decay, **STEPS)
