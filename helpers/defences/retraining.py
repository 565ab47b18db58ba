"""Adversarial retraining: clean and adversarial losses both drive the updates."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from helpers.models import gradients
from helpers.models.training import split_validation, train

REGENERATE = ("epoch", "batch", "never")


def adversarial_retrain(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    attack: Callable[[keras.Model, np.ndarray, np.ndarray], np.ndarray],
    start: keras.Model | None = None,
    n_adversarial: int = 0,
    regenerate: str = "epoch",
    seed: int,
    **training,
) -> dict[str, list[float]]:
    """Go on training `model`, in place, on its images and their adversarial versions.

    Before each epoch, which is after each earlier one, `attack` makes adversarial images of the
    training set from the model as it then stands; each batch of the epoch holds as many of them as
    clean images, and the loss is the mean over both (report, section 6).

    Parameters
    ----------
    model
        The trained model to start from.
    x, y
        Training images and labels, as for :func:`helpers.models.training.train`.
    attack
        ``attack(model, x, y) -> x_adv``.
    start
        With ``regenerate="never"``: the model that the examples are made on (None: `model` as it is
        given; a training that is resumed needs the one it started from).
    n_adversarial
        How many training images are attacked in each epoch, 0 for all; a smaller number is drawn
        anew before each epoch, and its images are used several times in the epoch.
    regenerate
        ``epoch`` (the report's section 6), ``batch``: of each batch, from the model as it then stands
        (its section 5.2.1), or ``never``: once for all, from the model as it is given.
    seed, training
        As for :func:`helpers.models.training.train`. Early stopping watches the mean of the
        accuracies on clean and on freshly attacked validation images: the clean one alone would
        prefer the epochs that learned least from the attack.

    Returns
    -------
    dict
        The history of :func:`helpers.models.training.train`.

    References
    ----------
    Goodfellow et al. 2015, arXiv 1412.6572, section 6, with weight 1/2 on each loss.
    """
    if not 0 <= n_adversarial <= len(x):
        raise ValueError(f"n_adversarial = {n_adversarial}: from 0 (all) to {len(x)} are possible")
    if regenerate not in REGENERATE:
        raise ValueError(f"regenerate = {regenerate!r}; there are {', '.join(REGENERATE)}")
    if regenerate == "batch" and n_adversarial:
        raise ValueError(
            "with regenerate = 'batch' every image is attacked; n_adversarial must be 0"
        )
    x_fit, y_fit = x, y
    if training.get("validation") is None:
        rows, _ = split_validation(y, training["validation_fraction"], seed)
        x_fit, y_fit = x[rows], y[rows]
    stale: list[tuple[np.ndarray, np.ndarray]] = []

    def extra(current: keras.Model, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        if regenerate == "never":
            if not stale:
                stale.append(crafted(start or current, 0))
            return stale[0]
        return crafted(current, epoch)

    def crafted(current: keras.Model, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 < n_adversarial < len(x_fit):
            return attack(current, x_fit, y_fit), y_fit
        generator = np.random.default_rng([seed, 6, epoch])
        chosen = generator.choice(len(x_fit), n_adversarial, replace=False)
        return attack(current, x_fit[chosen], y_fit[chosen]), y_fit[chosen]

    def watch(current: keras.Model, x_val: np.ndarray, y_val: np.ndarray) -> float:
        rows = slice(n_adversarial or None)
        x_adv = attack(current, x_val[rows], y_val[rows])
        return float((gradients.logits(current, x_adv).argmax(-1) == y_val[rows]).mean())

    hook = {"per_batch": attack} if regenerate == "batch" else {"extra": extra}
    return train(model, x, y, seed=seed, watch=watch, **hook, **training)
