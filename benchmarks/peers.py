"""FGSM, BIM and PGD of other libraries, on the same model, images and parameters as ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from helpers.attacks import steps as walks
from helpers.attacks.robust import robust_accuracy
from helpers.models import gradients

ATTACKS = ("fgsm", "bim", "pgd")


def contenders(model, x, y, *, epsilon, alpha, steps, batch_size) -> dict[str, dict[str, Callable]]:
    """Calls by attack and library; each takes nothing and returns the adversarial images.

    A library that is not installed is left out. All go through the images in batches of `batch_size`.
    """
    options = {"epsilon": epsilon, "alpha": alpha, "steps": steps, "batch_size": batch_size}
    made: dict[str, dict[str, Callable]] = {attack: {} for attack in ATTACKS}
    for library in (_ours, _art, _foolbox, _cleverhans):
        try:
            calls = library(model, x, y, **options)
        except ImportError as error:
            print(f"left out: {error}")
            continue
        for attack, call in calls.items():
            made[attack][library.__name__[1:]] = call
    return made


def robust(model, x, y, *, epsilon, alpha, steps, restarts, batch_size) -> dict[str, Callable]:
    """Calls by library that return which images, bool (n,), stand every start of PGD.

    All go down the same loss with the same steps from as many random starts; ours tries FGSM and BIM
    first. ART starts again only with what is still right; Foolbox has no restarts of its own, and its
    runs are joined.
    """
    options = {"epsilon": epsilon, "alpha": alpha, "steps": steps, "batch_size": batch_size}

    def ours():
        attacks = {
            "fgsm": partial(walks.fgsm, epsilon=epsilon, batch_size=batch_size),
            "bim": partial(walks.bim, early=True, **options),
            "pgd": partial(walks.pgd, restarts=restarts, seed=0, early=True, **options),
        }
        return robust_accuracy(model, x, y, attacks).correct

    def right(x_adv):
        return gradients.logits(model, x_adv).argmax(-1) == y

    made: dict[str, Callable] = {"ours": ours}
    with suppress(ImportError):
        art = _art(model, x, y, restarts=restarts, **options)["pgd"]
        made["art"] = lambda: right(art())
    with suppress(ImportError):
        foolbox = _foolbox(model, x, y, **options)["pgd"]
        made["foolbox"] = lambda: np.all([right(foolbox()) for _ in range(restarts)], axis=0)
    return made


def _ours(model, x, y, *, epsilon, alpha, steps, batch_size):
    ball = {"epsilon": epsilon, "batch_size": batch_size}
    walk = {"alpha": alpha, "steps": steps}
    return {
        "fgsm": lambda: walks.fgsm(model, x, y, **ball),
        "bim": lambda: walks.bim(model, x, y, **ball, **walk),
        "pgd": lambda: walks.pgd(model, x, y, restarts=1, seed=0, **ball, **walk),
    }


def _art(model, x, y, *, epsilon, alpha, steps, batch_size, restarts=1):
    from art.attacks import evasion
    from art.estimators.classification import TensorFlowV2Classifier

    classifier = TensorFlowV2Classifier(
        model=model, nb_classes=model.output_shape[-1], input_shape=model.input_shape[1:],
        loss_object=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0.0, 1.0),
    )  # fmt: skip
    labels = np.eye(model.output_shape[-1], dtype=np.float32)[y]
    ball = {"eps": epsilon, "batch_size": batch_size}
    walk = {"eps_step": alpha, "max_iter": steps, "verbose": False}
    made = {
        "fgsm": evasion.FastGradientMethod(classifier, **ball),
        "bim": evasion.BasicIterativeMethod(classifier, **ball, **walk),
        "pgd": evasion.ProjectedGradientDescent(
            classifier, num_random_init=restarts, **ball, **walk
        ),
    }
    return {name: lambda attack=attack: attack.generate(x, labels) for name, attack in made.items()}


def _foolbox(model, x, y, *, epsilon, alpha, steps, batch_size):
    if not hasattr(np, "find_common_type"):
        # Foolbox' tensors ask NumPy for a function that NumPy 2 has renamed.
        np.find_common_type = lambda a, b: np.result_type(*a, *b)  # noqa: NPY201
    import foolbox

    wrapped = foolbox.TensorFlowModel(model, bounds=(0, 1))
    walk = {"abs_stepsize": alpha, "steps": steps}
    made = {
        "fgsm": foolbox.attacks.LinfFastGradientAttack(random_start=False),
        "bim": foolbox.attacks.LinfBasicIterativeAttack(random_start=False, **walk),
        "pgd": foolbox.attacks.LinfPGD(random_start=True, **walk),
    }

    def run(attack):
        return _in_batches(
            lambda images, labels: attack.run(wrapped, images, labels, epsilon=epsilon),
            x, y, batch_size,
        )  # fmt: skip

    return {name: lambda attack=attack: run(attack) for name, attack in made.items()}


def _cleverhans(model, x, y, *, epsilon, alpha, steps, batch_size):
    from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method
    from cleverhans.tf2.attacks.projected_gradient_descent import projected_gradient_descent

    limits = {"clip_min": 0.0, "clip_max": 1.0, "sanity_checks": False}

    def fgsm(images, labels):
        return fast_gradient_method(model, images, epsilon, np.inf, y=labels, **limits)

    def walk(images, labels, random):
        return projected_gradient_descent(
            model, images, epsilon, alpha, steps, np.inf, y=labels, rand_init=random, **limits
        )

    def bim(images, labels):
        return walk(images, labels, False)

    def pgd(images, labels):
        return walk(images, labels, True)

    return {
        call.__name__: lambda call=call: _in_batches(call, x, y, batch_size)
        for call in (fgsm, bim, pgd)
    }


def _in_batches(call, x, y, batch_size) -> np.ndarray:
    parts = []
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        made = call(tf.constant(x[rows]), tf.constant(y[rows]))
        parts.append(getattr(made, "raw", made).numpy())
    return np.concatenate(parts)
