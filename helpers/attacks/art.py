"""Attacks of another library, for defences that were trained on ours: adversarial-robustness-toolbox.

Both are untargeted and take what :func:`helpers.attacks.fgsm` takes, and

epsilon
    Largest change of a pixel; :func:`cw` has none.
iterations
    How much they may do; each says what of.
seed
    Seed of what is drawn at random. ART draws from NumPy's global generator, which is put back.
progress
    Title of a count of the model's calls, the only sign of life that ART gives while it works; None
    for no count.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from helpers.attacks.inputs import Crafted, check_images
from helpers.models import gradients

# Carlini and Wagner's constants tried, the first of them (ART goes up tenfold, or halves), the size of
# a step, and the least steps for each constant. From ART's own 0.01 and 0.01 so few steps lead nowhere.
CW_CONSTANTS = 4
CW_FIRST_CONSTANT = 1.0
CW_STEP_SIZE = 0.3
CW_STEPS = 10

BATCH = {"batch_size": 256, "verbose": False}


def square(model, x, y, *, epsilon, iterations, seed, progress=None) -> np.ndarray:
    """Search at random with squares (Andriushchenko et al. 2020, arXiv 1912.00049): scores only.

    It gets ten queries for each of the `iterations`: a query costs no gradient, and tells less.
    """
    height, width = x.shape[1:3]
    # The share of the image that its first squares cover; ART cannot place one as long as a side.
    share = min(0.8, (min(height, width) - 1) ** 2 / (height * width))
    options = {"max_iter": 10 * iterations, "p_init": share, **_ball(epsilon)}
    return _inside(x, epsilon, _generate("SquareAttack", model, x, y, seed, progress, **options))


def cw(model, x, y, *, iterations, seed, progress=None) -> Crafted:
    """Look for the least L2 norm (Carlini & Wagner 2017, arXiv 1608.04644).

    It takes a tenth of the `iterations` on each of its constants, as ART searches along every step, but
    at least ten: with fewer it finds nothing and looks like a defence.
    """
    x_adv = _generate(
        "CarliniL2Method", model, x, y, seed, progress, max_iter=cw_steps(iterations), max_halving=3,
        max_doubling=3, binary_search_steps=CW_CONSTANTS, initial_const=CW_FIRST_CONSTANT,
        learning_rate=CW_STEP_SIZE,
    )  # fmt: skip
    return Crafted(x_adv, gradients.logits(model, x_adv).argmax(-1) != y)


def cw_steps(iterations: int) -> int:
    """Steps that :func:`cw` takes for each of its constants when so many iterations are asked for."""
    return max(CW_STEPS, iterations // 10)


def _ball(epsilon: float) -> dict[str, float]:
    return {"norm": np.inf, "eps": epsilon}


def _inside(x: np.ndarray, epsilon: float, x_adv: np.ndarray) -> np.ndarray:
    # ART's float32 sums may leave the ball by a rounding error.
    return np.clip(np.clip(x_adv, x - np.float32(epsilon), x + np.float32(epsilon)), 0, 1)


def _generate(
    name: str,
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    progress: str | None,
    **options: Any,
) -> np.ndarray:
    """Run one of ART's attacks, its name in ``art.attacks.evasion``; float32 images in [0, 1]."""
    check_images(model, x, y)
    if not len(x) or options.get("eps") == 0:  # ART refuses both
        return x.copy()
    with warnings.catch_warnings():  # ART tells which frameworks are not installed
        warnings.simplefilter("ignore")
        from art.attacks import evasion  # takes seconds to import
        from art.estimators.classification import TensorFlowV2Classifier
    n_classes = model.output_shape[-1]
    estimator = TensorFlowV2Classifier(
        model=tf.function(model, reduce_retracing=True),  # called eagerly it takes twenty times as long
        nb_classes=n_classes, input_shape=model.input_shape[1:],
        loss_object=keras.losses.CategoricalCrossentropy(from_logits=True), clip_values=(0.0, 1.0),
    )  # fmt: skip
    attack = getattr(evasion, name)(estimator, **options, **BATCH)
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        with tqdm(desc=progress, unit="call", disable=progress is None, mininterval=2) as bar:
            for call in ("predict", "loss_gradient", "class_gradient"):
                setattr(estimator, call, _counted(getattr(estimator, call), bar))
            x_adv = attack.generate(x, y=np.eye(n_classes, dtype=np.float32)[y])
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return np.clip(x_adv.astype(np.float32), 0, 1)


def _counted(call: Callable, bar: tqdm) -> Callable:
    def counting(*inputs, **options):
        bar.update()
        return call(*inputs, **options)

    return counting
