"""Worst-case accuracy: who is given an image, who breaks it, and that no attack leaves less."""

from functools import partial

import numpy as np
import pytest
from small_models import trained

from helpers.attacks import ATTACKS, auto_pgd, fgsm, pgd, robust_accuracy
from helpers.attacks.robust import STRONGEST, WORST
from helpers.models import gradients

SETTINGS = {"epsilon": 0.15, "alpha": 0.05, "steps": 4, "restarts": 3, "seed": 0}


@pytest.fixture(scope="module")
def subject():
    model, x, _ = trained()
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    y[:5] = (y[:5] + 1) % 3  # five that the model gets wrong
    return model, x, y


def right(model, x, y):
    return gradients.logits(model, x).argmax(-1) == y


def test_each_attack_is_given_what_those_before_it_left(subject):
    model, x, y = subject
    given = []

    def breaks(n):
        def attack(model, x, y):
            given.append(len(x))
            return np.concatenate([np.roll(x[:n], 1, axis=0), x[n:]])  # classes take turns

        return attack

    made = robust_accuracy(model, x, y, {"a": breaks(0), "b": breaks(6), "c": breaks(0)})
    assert given[:2] == [len(x) - 5] * 2
    assert given[2] == np.sum(made.broken_by < 0)
    assert made.names == ("none", "a", "b", "c")
    assert (made.broken_by[:5] == 0).all()
    assert set(made.broken_by) == {-1, 0, 2}
    np.testing.assert_array_equal(made.correct, right(model, made.x_adv, y))
    np.testing.assert_array_equal(made.answers, gradients.logits(model, made.x_adv).argmax(-1))
    assert made.accuracy == made.correct.mean()


def test_an_attack_on_nothing_is_not_run(subject):
    model, x, _ = subject
    wrong = (gradients.logits(model, x).argmax(-1).astype(np.int32) + 1) % 3
    made = robust_accuracy(model, x, wrong, {"never": lambda *_: pytest.fail("was run")})
    assert (made.accuracy, set(made.broken_by)) == (0.0, {0})
    np.testing.assert_array_equal(made.x_adv, x)


def test_the_worst_case_leaves_no_more_than_any_of_its_attacks(subject):
    model, x, y = subject
    worst = ATTACKS["worst"].craft(model, x, y, **SETTINGS)
    walk = {name: SETTINGS[name] for name in ("epsilon", "alpha", "steps")}
    alone = {
        "fgsm": {"epsilon": SETTINGS["epsilon"]}, "bim": walk,
        "pgd": SETTINGS | {"steps": 2 * SETTINGS["steps"]},
    }  # fmt: skip
    assert list(alone) == list(WORST)
    for name, settings in alone.items():
        left = right(model, ATTACKS[name].craft(model, x, y, **settings).x_adv, y)
        assert not (worst.correct & ~left).any(), name
    assert 0 < worst.accuracy < right(model, x, y).mean()


def test_the_strongest_leave_no_more_than_any_of_them(subject):
    model, x, y = subject
    settings = {"epsilon": 0.08, "steps": 6, "restarts": 2, "iterations": 10, "seed": 0}
    made = ATTACKS["strongest"].craft(model, x, y, **settings)
    walk = {"epsilon": 0.08, "alpha": 2.5 * 0.08 / 6, "steps": 6, "restarts": 2, "seed": 0}
    climb = {"epsilon": 0.08, "steps": 10, "seed": 0}
    alone = [pgd(model, x, y, loss=loss, **walk) for loss in ("cross_entropy", "dlr")]
    alone += [auto_pgd(model, x, y, loss=loss, **climb) for loss in ("cross_entropy", "dlr")]
    for name, x_adv in zip(STRONGEST, alone, strict=True):
        assert not (made.correct & ~right(model, x_adv, y)).any(), name
    assert made.accuracy < right(model, x, y).mean()
    assert made.names == ("none", *STRONGEST)


def test_an_early_end_changes_no_answer_and_saves_gradients(subject, monkeypatch):
    model, x, y = subject
    counted = []
    compiled = gradients.loss_and_gradient

    def counting(*arguments):
        call = compiled(*arguments)
        return lambda x, y: counted.append(len(x)) or call(x, y)

    monkeypatch.setattr(gradients, "loss_and_gradient", counting)
    whole = right(model, pgd(model, x, y, **SETTINGS), y)
    all_of_it = sum(counted)
    early = right(model, pgd(model, x, y, early=True, **SETTINGS), y)
    # What was wrong on the way may be right at the end, never the other way round.
    assert not (early & ~whole).any()
    assert sum(counted) - all_of_it < all_of_it
    targets = ((y + 1) % 3).astype(np.int32)
    one, other = (
        gradients.logits(model, pgd(model, x, targets, targeted=True, early=e, **SETTINGS))
        for e in (False, True)
    )
    assert not ((one.argmax(-1) == targets) & (other.argmax(-1) != targets)).any()


@pytest.mark.parametrize("attacks", [{}, {"none": partial(fgsm, epsilon=0.1)}])
def test_what_cannot_be_run_is_refused(subject, attacks):
    with pytest.raises(ValueError, match="at least one attack"):
        robust_accuracy(*subject, attacks)
