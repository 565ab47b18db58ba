"""FGSM, BIM, PGD and noise: closed forms, how they hang together, and what they refuse."""

import numpy as np
import pytest
from small_models import images, linear_model, small_network

from helpers.attacks import steps
from helpers.evaluation.perturbations import distortion
from helpers.models import gradients

Y = np.arange(12, dtype=np.int32) % 3


def loss(model, x):
    return gradients.loss_and_gradient(model)(x, Y)[0]


def test_fgsm_on_a_linear_model_is_the_printed_formula():
    model, x = linear_model(), images()
    weights = model.get_weights()[0]
    logits = x.reshape(12, -1) @ weights
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = x + 0.1 * np.sign((shares - np.eye(3)[Y]) @ weights.T).reshape(x.shape)
    np.testing.assert_allclose(steps.fgsm(model, x, Y, epsilon=0.1), expected, atol=1e-6)


@pytest.mark.parametrize("targeted", [False, True])
def test_fgsm_is_one_step_of_bim(targeted):
    model, x = small_network(), images()
    np.testing.assert_array_equal(
        steps.fgsm(model, x, Y, epsilon=0.1, targeted=targeted),
        steps.bim(model, x, Y, epsilon=0.1, alpha=0.1, steps=1, targeted=targeted),
    )


def test_a_walk_stays_in_the_ball_and_the_pixels_range_wherever_it_is_sent():
    x = np.array([0.0, 0.05, 0.5, 1.0], np.float32).reshape(1, 2, 2, 1)
    kept = x.copy()

    def call(points, y):
        return None, np.array([1.0, -1.0, 1.0, 1.0], np.float32).reshape(x.shape), None

    found = steps.walk(call, x, Y[:1], x, 0.1, 0.04, 5, np.sign)
    np.testing.assert_allclose(found.ravel(), [0.1, 0.0, 0.6, 1.0], atol=1e-7)
    down = steps.walk(call, x, Y[:1], x, 0.1, -0.04, 1, np.sign)
    np.testing.assert_allclose(down.ravel(), [0.0, 0.09, 0.46, 0.96], atol=1e-7)
    np.testing.assert_array_equal(x, kept)


def test_more_restarts_never_help_the_defender():
    model, x = small_network(), images()
    options = {"epsilon": 0.3, "alpha": 0.1, "steps": 3, "seed": 0}
    one, many = (steps.pgd(model, x, Y, restarts=n, **options) for n in (1, 5))
    right_one, right_many = (gradients.logits(model, z).argmax(-1) == Y for z in (one, many))
    assert not (right_many & ~right_one).any()
    same = right_one == right_many
    assert (loss(model, many) >= loss(model, one) - 1e-6)[same].all()


def test_noise_has_the_size_of_an_attack():
    x = np.full((6, 8, 8, 1), 0.5, np.float32)
    noisy = steps.random_noise(x, epsilon=0.1, seed=0)
    np.testing.assert_allclose(distortion(x, noisy)["linf"], 0.1, rtol=1e-5)
    np.testing.assert_allclose(distortion(x, noisy)["l2"], 0.8, rtol=1e-5)
    assert abs((noisy - x).mean()) < 0.05


BAD = [
    ({"x": images().astype(np.float64)}, "float32"),
    ({"x": images()[0]}, "height, width, channels"),
    ({"x": images().tolist()}, "list"),
    ({"x": images() + 1}, "must lie within"),
    ({"x": np.full((12, 4, 4, 1), np.nan, np.float32)}, "NaN"),
    ({"x": np.zeros((12, 5, 5, 1), np.float32)}, "the model takes"),
    ({"y": Y.astype(np.int64)}, "int32"),
    ({"y": Y[:5]}, r"shape \(12,\)"),
    ({"y": Y + 1}, "classes 0 to 2"),
    ({"epsilon": -0.1}, "epsilon = -0.1"),
    ({"epsilon": np.nan}, "epsilon = nan"),
    ({"alpha": np.inf}, "alpha = inf"),
    ({"steps": 0}, "steps = 0"),
    ({"steps": 1.5}, "steps = 1.5"),
    ({"restarts": 0}, "restarts = 0"),
    ({"loss": "crossentropy"}, "cross_entropy, likelihood"),
    ({"batch_size": 0}, "batch_size = 0"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=lambda value: str(value)[:24])
def test_bad_input_is_refused(change, message):
    good = {"x": images(), "y": Y, "epsilon": 0.1, "alpha": 0.03, "steps": 2, "restarts": 1}
    with pytest.raises(ValueError, match=message):
        steps.pgd(linear_model(), seed=0, **{**good, **change})


def test_dlr_finds_what_cross_entropy_finds_even_with_huge_logits():
    model = linear_model(n_classes=4)
    x = images()
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    walk = {"epsilon": 0.2, "alpha": 0.05, "steps": 8}
    accuracy = {}
    for scale in (1, 1e4):
        model.set_weights([scale * weight for weight in linear_model(n_classes=4).get_weights()])
        for name in ("cross_entropy", "dlr"):
            made = steps.bim(model, x, y, loss=name, **walk)
            accuracy[scale, name] = (gradients.logits(model, made).argmax(-1) == y).mean()
    assert accuracy[1, "dlr"] == accuracy[1e4, "dlr"]
    assert accuracy[1e4, "dlr"] <= accuracy[1e4, "cross_entropy"]
    assert accuracy[1, "dlr"] < 0.5


def test_targeted_dlr_raises_the_target():
    model = linear_model(n_classes=5)
    x = images()
    targets = ((gradients.logits(model, x).argmax(-1) + 1) % 5).astype(np.int32)
    walk = {"epsilon": 0.2, "alpha": 0.05, "steps": 5, "targeted": True}
    made = steps.bim(model, x, targets, loss="dlr", **walk)

    def lead(images):
        """Logit of the target minus the largest other."""
        z = gradients.logits(model, images)
        own = z[np.arange(12), targets]
        z[np.arange(12), targets] = -np.inf
        return own - z.max(-1)

    assert (lead(made) > lead(x)).all()
