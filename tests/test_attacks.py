"""Properties of every attack, driven by one table: a new attack is a row here too."""

import inspect
from dataclasses import dataclass, field
from importlib import import_module
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from small_models import trained

from helpers import attacks
from helpers.attacks import ATTACKS, named
from helpers.attacks.inputs import random_targets
from helpers.evaluation.perturbations import check_adversarial
from helpers.models import gradients

EPSILON = 0.15


@dataclass(frozen=True)
class Case:
    """What the tests must know of an attack beside its row in ATTACKS.

    Attributes
    ----------
    settings
        With which it does its work on a small network.
    fools
        Whether it does more than noise.
    targeted
        ``option`` (takes ``targeted=True``), ``always`` (at random classes), or neither.
    close
        How far other batches may move a pixel; None if it takes no batch size.
    """

    settings: dict = field(default_factory=dict)
    fools: bool = True
    targeted: str = ""
    close: float | None = None


STEPS = {"epsilon": EPSILON, "alpha": 0.04, "steps": 6}
SEARCH = {"c_steps": 4, "max_iterations": 20}
OUTSIDE = {"iterations": 20, "seed": 0}
CASES = {
    "none": Case(fools=False),
    "noise": Case({"epsilon": EPSILON, "seed": 0}, fools=False),
    "fgsm": Case({"epsilon": EPSILON}, targeted="option", close=1e-6),
    "bim": Case(STEPS, targeted="option", close=1e-6),
    "momentum_bim": Case(STEPS, targeted="option", close=1e-6),
    "targeted_bim": Case(STEPS | {"seed": 0}, targeted="always", close=1e-6),
    "pgd": Case(STEPS | {"restarts": 2, "seed": 0}, targeted="option", close=1e-6),
    "worst": Case(STEPS | {"restarts": 2, "seed": 0}),
    "strongest": Case({"epsilon": EPSILON, "steps": 4, "restarts": 2, "iterations": 6, "seed": 0}),
    "lbfgs": Case(SEARCH | {"seed": 0}, targeted="always", close=5e-3),
    "untargeted_lbfgs": Case(SEARCH, close=5e-3),
    "joint_lbfgs": Case({"c": 0.1, "max_iterations": 20, "seed": 0}, targeted="always"),
    "square": Case({"epsilon": EPSILON} | OUTSIDE),
    "auto_pgd": Case({"epsilon": EPSILON, "steps": 12, "seed": 0}, close=1e-6),
    "cw": Case(OUTSIDE),
}


def rows(chosen):
    return pytest.mark.parametrize("name", [name for name in CASES if chosen(CASES[name], name)])


ALL = rows(lambda case, name: True)
BOUNDED = rows(lambda case, name: name in ATTACKS and ATTACKS[name].bounded)
SEEING = rows(lambda case, name: ATTACKS[name].kind not in ("none", "noise"))


def craft(name, model, x, y, **changes):
    return ATTACKS[name].craft(model, x, y, **CASES[name].settings | changes)


def losses(model, x, y):
    return gradients.loss_and_gradient(model)(x, y)[0]


def test_the_table_is_complete():
    assert list(CASES) == list(ATTACKS)


@ALL
def test_images_are_whole_inside_their_bounds_and_the_input_is_untouched(name):
    model, x, y = trained()
    x = x.copy()
    x[0], x[1] = 0.0, 1.0
    before = x.copy(), y.copy()
    made = craft(name, model, x, y)
    check_adversarial(x, made.x_adv, epsilon=EPSILON if ATTACKS[name].bounded else None)
    assert made.success.shape == (len(x),)
    assert made.success.dtype == bool
    np.testing.assert_array_equal(made.x_adv[~made.success], x[~made.success])
    for value, kept in zip((x, y), before, strict=True):
        np.testing.assert_array_equal(value, kept)


@BOUNDED
def test_epsilon_0_is_the_identity(name):
    model, x, y = trained()
    none = {"epsilon": 0.0} | ({"alpha": 0.0} if "alpha" in CASES[name].settings else {})
    np.testing.assert_array_equal(craft(name, model, x, y, **none).x_adv, x)


@rows(lambda case, name: case.fools)
def test_the_loss_of_the_labels_rises(name):
    model, x, y = trained()
    made = craft(name, model, x, y)
    assert made.success.mean() > 0.5
    rise = (losses(model, made.x_adv, y) - losses(model, x, y))[made.success]
    assert (rise > -1e-6).mean() > 0.9
    assert rise.mean() > 0.3


@rows(lambda case, name: case.targeted)
def test_the_loss_of_the_targets_falls(name):
    model, x, y = trained()
    targets = random_targets(y, 3, seed=0)
    if CASES[name].targeted == "option":
        made = craft(name, model, x, targets, targeted=True)
    else:
        made = craft(name, model, x, y)
    fall = (losses(model, x, targets) - losses(model, made.x_adv, targets))[made.success]
    assert (fall > 0).all()


@rows(lambda case, name: case.close is not None)
def test_the_batch_size_changes_nothing_beyond_rounding(name):
    model, x, y = trained()
    x, y = x[:6], y[:6]
    whole = craft(name, model, x, y)
    for size in (1, 4):
        parts = craft(name, model, x, y, batch_size=size)
        np.testing.assert_allclose(parts.x_adv, whole.x_adv, atol=CASES[name].close)
        np.testing.assert_array_equal(parts.success, whole.success)


@rows(lambda case, name: "seed" in case.settings and name != "cw")  # which draws nothing
def test_the_seed_decides(name):
    model, x, y = trained()
    first, again, other = (craft(name, model, x[:6], y[:6], seed=s).x_adv for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@ALL
@pytest.mark.parametrize("n", [0, 1])
def test_no_image_and_one(name, n):
    model, x, y = trained()
    made = craft(name, model, x[:n], y[:n])
    assert made.x_adv.shape == (n, 8, 8, 1)
    assert made.x_adv.dtype == np.float32
    assert made.success.shape == (n,)


@SEEING
def test_a_model_that_returns_probabilities_is_refused(name):
    network, x, y = trained()
    model = keras.Sequential([network, keras.layers.Softmax()])
    with pytest.raises(ValueError, match="probabilities, and logits are needed"):
        craft(name, model, x, y)


@SEEING
@pytest.mark.parametrize("change", ["float64", "labels", "outside"])
def test_bad_input_is_refused_by_all(name, change):
    model, x, y = trained()
    x = {"float64": x.astype(np.float64), "labels": x, "outside": x + 1}[change]
    y = y + 1 if change == "labels" else y
    with pytest.raises(ValueError, match=r"x must|y holds labels"):
        craft(name, model, x, y)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_rows_settings_are_what_its_function_takes(name):
    p = SimpleNamespace(
        seed=3, epsilon=0.1, alpha=0.025, steps=5, restarts=2, lbfgs_c_steps=4, lbfgs_iterations=9,
        outside_iterations=8, lbfgs_n_test=2, outside_n_test=3, queries=30, strong_n_test=3,
        strong_steps=4, strong_restarts=2, cw_n_test=2,
    )  # fmt: skip
    row = ATTACKS[name]
    settings = row.settings(p, 0.2)
    function = getattr(import_module(row.module), row.run.partition(":")[2])
    inspect.signature(function).bind(None, None, None, progress=None, **settings)
    assert ("epsilon" in settings) == row.bounded
    assert settings.get("epsilon", 0.2) == 0.2
    assert settings.get("alpha", 0.05) == pytest.approx(0.05)  # keeps its ratio
    assert settings.get("seed", 3) == 3
    assert len(np.arange(10)[row.rows(p, 10)]) in (2, 3, 10)


def test_names_and_labels_are_different_and_an_unknown_one_is_refused():
    assert all(name == attack.name for name, attack in ATTACKS.items())
    assert len({attack.label for attack in ATTACKS.values()}) == len(ATTACKS)
    assert named("bim") is ATTACKS["bim"]
    with pytest.raises(ValueError, match=r"deepfool.*none, noise, fgsm"):
        named("deepfool")


@pytest.mark.parametrize("name", attacks.PUBLIC)
def test_public_names_are_there(name):
    assert callable(getattr(attacks, name))


def test_random_targets_are_never_the_label_and_reach_every_class():
    y = np.arange(500, dtype=np.int32) % 5
    targets = random_targets(y, 5, seed=0)
    assert (targets != y).all()
    assert targets.dtype == np.int32
    assert set(targets) == set(range(5))
