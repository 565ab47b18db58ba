"""Agreement of FGSM and BIM with adversarial-robustness-toolbox, and the attacks taken from it."""

import numpy as np
import pytest
from art.attacks import evasion
from small_models import art_classifier, small_network, trained

from helpers.attacks import steps
from helpers.attacks.art import cw, square
from helpers.evaluation.perturbations import check_adversarial, distortion
from helpers.models import gradients

EPSILON, ALPHA, STEPS = 0.1, 0.03, 5
# What the two compute may differ by, where the gradient is not numerically zero.
CLOSE = 2e-6


def theirs(name, model, x, y, **options):
    attack = getattr(evasion, name)(art_classifier(model), eps=EPSILON, batch_size=16, **options)
    return attack.generate(x, y=np.eye(3, dtype=np.float32)[y])


@pytest.mark.parametrize("targeted", [False, True])
def test_pixels_of_fgsm_are_those_of_art(targeted):
    model, x, y = trained()
    labels = ((y + 1) % 3).astype(np.int32) if targeted else y
    ours = steps.fgsm(model, x, labels, epsilon=EPSILON, targeted=targeted)
    expected = theirs("FastGradientMethod", model, x, labels, targeted=targeted)
    certain = np.abs(gradients.loss_and_gradient(model)(x, labels)[1]) > 1e-6
    assert certain.mean() > 0.8
    assert np.abs(ours - expected)[certain].max() < CLOSE


@pytest.mark.parametrize("targeted", [False, True])
def test_pixels_of_bim_are_those_of_art(targeted):
    model, x, y = trained()
    labels = ((y + 1) % 3).astype(np.int32) if targeted else y
    options = {"epsilon": EPSILON, "alpha": ALPHA, "steps": STEPS, "targeted": targeted}
    ours = steps.bim(model, x, labels, **options)
    expected = theirs(
        "BasicIterativeMethod", model, x, labels, eps_step=ALPHA, max_iter=STEPS, targeted=targeted,
        verbose=False,
    )  # fmt: skip
    # A step may meet a gradient that is zero but for rounding.
    assert (np.abs(ours - expected) > CLOSE).mean() < 0.01


def test_carlini_and_wagner_go_less_far_than_a_step_that_does_as_much():
    model, x, y = trained()
    made = cw(model, x, y, iterations=40, seed=0)
    assert made.success.mean() > 0.5
    assert distortion(x, made.x_adv)["l2"][made.success].mean() < 0.15 * 8  # the corner of the ball


def test_carlini_and_wagner_say_where_they_found_nothing():
    model, x, y = trained()
    made = cw(model, x, y, iterations=1, seed=0)
    fooled = gradients.logits(model, made.x_adv).argmax(-1) != y
    np.testing.assert_array_equal(made.success, fooled)


@pytest.mark.parametrize(
    ("attack", "size"), [(square, {"epsilon": 0.1}), (cw, {})], ids=["square", "cw"]
)
def test_numpys_own_generator_is_left_alone(attack, size):
    model, x, y = trained()
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    attack(model, x[:3], y[:3], iterations=2, seed=0, **size)
    assert np.random.random() == expected  # noqa: NPY002


@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 8, 1), (20, 28, 1)])
def test_square_takes_images_of_any_shape(shape):
    model, x = small_network(shape=shape), np.full((3, *shape), 0.5, np.float32)
    y = np.arange(3, dtype=np.int32)
    x_adv = square(model, x, y, epsilon=0.1, iterations=2, seed=0)
    check_adversarial(x, x_adv, epsilon=0.1)
