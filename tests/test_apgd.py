"""AutoPGD: against PGD of as many gradients, against ART's, and where it looks."""

import keras
import numpy as np
import pytest
from art.attacks.evasion import AutoProjectedGradientDescent
from small_models import art_classifier, trained

from helpers.attacks import auto_pgd, pgd
from helpers.attacks.apgd import _looks
from helpers.evaluation.perturbations import check_adversarial
from helpers.models import gradients

EPSILON = 0.1


def losses(model, x, y):
    return gradients.loss_and_gradient(model)(x, y)[0]


def accuracy(model, x, y):
    return (gradients.logits(model, x).argmax(-1) == y).mean()


def test_it_looks_when_the_paper_does():
    assert _looks(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert _looks(10)[0] == 3


@pytest.mark.parametrize("loss", ["cross_entropy", "dlr"])
def test_it_leaves_no_more_than_pgd_with_as_many_gradients(loss):
    model, x, y = trained()
    ours = auto_pgd(model, x, y, epsilon=EPSILON, steps=20, seed=0, loss=loss)
    check_adversarial(x, ours, epsilon=EPSILON)
    theirs = pgd(model, x, y, epsilon=EPSILON, alpha=0.02, steps=20, restarts=1, seed=0, loss=loss)
    assert accuracy(model, ours, y) <= accuracy(model, theirs, y) + 0.01
    assert accuracy(model, ours, y) < accuracy(model, x, y) - 0.2


def test_it_does_as_well_as_arts():
    model, x, y = trained()
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    attack = AutoProjectedGradientDescent(
        art_classifier(model, loss_object=loss), norm=np.inf, eps=EPSILON, eps_step=2 * EPSILON,
        max_iter=20, nb_random_init=1, batch_size=256, loss_type=None, verbose=False,
    )  # fmt: skip
    theirs = attack.generate(x, y=np.eye(3, dtype=np.float32)[y])
    ours = auto_pgd(model, x, y, epsilon=EPSILON, steps=20, seed=0)
    assert accuracy(model, ours, y) <= accuracy(model, theirs, y) + 0.02


def test_what_is_broken_goes_no_further_and_more_starts_break_more():
    model, x, y = trained()
    wrong = ((y + 1) % 3).astype(np.int32)
    started = auto_pgd(model, x, wrong, epsilon=0.01, steps=1, seed=0)
    again = auto_pgd(model, x, wrong, epsilon=0.01, steps=30, seed=0)
    broken = gradients.logits(model, started).argmax(-1) != wrong
    assert broken.mean() > 0.5
    np.testing.assert_array_equal(started[broken], again[broken])
    one, three = (
        auto_pgd(model, x, y, epsilon=EPSILON, steps=3, seed=0, restarts=n) for n in (1, 3)
    )
    assert accuracy(model, three, y) <= accuracy(model, one, y)


def test_what_cannot_be_is_refused():
    model, x, y = trained()
    with pytest.raises(ValueError, match="steps = 0"):
        auto_pgd(model, x, y, epsilon=EPSILON, steps=0, seed=0)
    with pytest.raises(ValueError, match="epsilon"):
        auto_pgd(model, x, y, epsilon=-1, steps=1, seed=0)
