"""Sizes of perturbations, similarity, and the independent check of adversarial images."""

import numpy as np
import pytest
from small_models import images

from helpers.evaluation.perturbations import check_adversarial, distortion, similarity


@pytest.mark.parametrize("side", [28, 11, 8, 3])
def test_similarity_of_images_falls_with_their_difference(side):
    x = np.random.default_rng(0).random((4, 28, side, 3)).astype(np.float32)
    assert similarity(x, x) == pytest.approx(np.ones(4))
    near, far = (similarity(x, np.clip(x + c * np.sign(x - 0.5), 0, 1)) for c in (0.05, 0.4))
    assert (far < near).all()
    assert (near < 1).all()


def test_distortion_by_hand():
    x = np.zeros((2, 1, 2, 1), np.float32)
    x_adv = x.copy()
    x_adv[1] = [[[0.3], [-0.4]]]
    sizes = distortion(x, x_adv)
    np.testing.assert_allclose(sizes["l2"], [0, 0.5], rtol=1e-6)
    np.testing.assert_allclose(sizes["linf"], [0, 0.4], rtol=1e-6)
    assert {name: size.shape for name, size in distortion(x[:0], x[:0]).items()} == {
        "l2": (0,),
        "linf": (0,),
    }


def change(x, **where):
    x = x.copy()
    x[0, 0, 0, 0] = where["to"]
    return x


@pytest.mark.parametrize(
    ("x_adv", "message"),
    [
        (images()[:3], "float32"),
        (images().astype(np.float64), "float64"),
        (change(images(), to=np.nan), "NaN"),
        (change(images(), to=1.2), "leave"),
        (change(images(), to=0.99), "more than epsilon = 0.1"),
    ],
)
def test_images_that_are_no_fair_attack_are_refused(x_adv, message):
    with pytest.raises(ValueError, match=message):
        check_adversarial(images(), x_adv, epsilon=0.1)


def test_fair_images_pass():
    check_adversarial(images(), np.clip(images() + np.float32(0.1), 0, 1), epsilon=0.1)
    check_adversarial(images(), np.ones_like(images()))
