"""Attacks of another library, for defences that were trained on ours: adversarial-robustness-toolbox."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf

from helpers.attacks import check_images

ATTACKS = ("square", "auto_pgd", "cw")

# Carlini and Wagner's constants tried, the first of them (ART goes up tenfold, or halves), the size of
# a step, and the least steps for each constant. From ART's own 0.01 and 0.01 so few steps lead nowhere.
CW_CONSTANTS = 4
CW_FIRST_CONSTANT = 1.0
CW_STEP_SIZE = 0.3
CW_STEPS = 10


def attack_from_outside(
    name: str,
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epsilon: float,
    iterations: int,
    seed: int,
    batch_size: int = 256,
) -> np.ndarray:
    """Attack a model with an attack that this project did not write.

    Parameters
    ----------
    name
        ``square`` (Andriushchenko et al. 2020: scores only, no gradients), ``auto_pgd`` (Croce & Hein
        2020, on cross-entropy) or ``cw`` (Carlini & Wagner 2017, least L2 norm).
    model, x, y
        As for :func:`helpers.attacks.fgsm`; the attacks are untargeted.
    epsilon
        Largest change of a pixel; ``cw`` has none.
    iterations
        Most steps of ``auto_pgd``. ``square`` gets ten queries for each, as a query costs no gradient
        and tells less; ``cw`` takes a tenth on each of its constants, as ART searches along every
        step, but at least ten, for with fewer it finds nothing and looks like a defence.
    seed
        Seed of what is drawn at random. ART draws from NumPy's global generator, which is put back.

    Returns
    -------
    np.ndarray
        Adversarial images, float32 like `x`; the original where an attack found none.
    """
    if name not in ATTACKS:
        raise ValueError(f"no outside attack {name!r}; there are {', '.join(ATTACKS)}")
    check_images(model, x, y, (0.0, 1.0))
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
    ball = {"norm": np.inf, "eps": epsilon}
    common = {"batch_size": batch_size, "verbose": False}
    if name == "square":
        height, width = x.shape[1:3]
        # The share of the image that its first squares cover; ART cannot place one as long as a side.
        share = min(0.8, (min(height, width) - 1) ** 2 / (height * width))
        made = evasion.SquareAttack(
            estimator, max_iter=10 * iterations, p_init=share, **ball, **common
        )
    elif name == "auto_pgd":
        made = evasion.AutoProjectedGradientDescent(
            estimator, eps_step=2 * epsilon, max_iter=iterations, nb_random_init=1, loss_type=None,
            **ball, **common,
        )  # fmt: skip
    else:
        made = evasion.CarliniL2Method(
            estimator, max_iter=cw_steps(iterations), binary_search_steps=CW_CONSTANTS,
            initial_const=CW_FIRST_CONSTANT, learning_rate=CW_STEP_SIZE, max_halving=3, max_doubling=3,
            **common,
        )  # fmt: skip
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        x_adv = made.generate(x, y=np.eye(n_classes, dtype=np.float32)[y])
    finally:
        np.random.set_state(state)  # noqa: NPY002
    x_adv = x_adv.astype(np.float32)
    if name != "cw":  # ART's float32 sums may leave the ball by a rounding error
        x_adv = np.clip(x_adv, x - np.float32(epsilon), x + np.float32(epsilon))
    return np.clip(x_adv, 0, 1)


def cw_steps(iterations: int) -> int:
    """Steps that ``cw`` takes for each of its constants when so many iterations are asked for."""
    return max(CW_STEPS, iterations // 10)
