"""Worst-case accuracy: several attacks, from cheap to dear, each on what is still right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from helpers.attacks.apgd import auto_pgd
from helpers.attacks.inputs import check_images
from helpers.attacks.steps import bim, fgsm, pgd
from helpers.models import gradients

WORST = ("fgsm", "bim", "pgd")  # what :func:`worst` runs, in its order
# What :func:`strongest` runs, in its order.
STRONGEST = ("pgd", "pgd_dlr", "auto_pgd", "auto_pgd_dlr")
REACH = 2.5  # of PGD's steps together, of epsilon (Madry et al.'s own)
FEWEST_CLASSES = 3  # for the difference of logits ratio


@dataclass(frozen=True)
class Robust:
    """What several attacks together leave of a model.

    Attributes
    ----------
    names
        ``none``, for what is wrong without an attack, then the attacks in their order.
    x_adv
        float32 like the images: the version that broke each; of an image that nothing broke, the one
        that was tried last.
    answers
        int32 (n,): the model's classes for `x_adv`.
    broken_by
        int32 (n,): place in `names` of what broke each image, -1 where nothing did.
    success
        bool (n,): true everywhere, as each image was attacked (:class:`helpers.attacks.inputs.Crafted`).
    """

    names: tuple[str, ...]
    x_adv: np.ndarray
    answers: np.ndarray
    broken_by: np.ndarray

    @property
    def success(self) -> np.ndarray:
        return np.ones(len(self.answers), bool)

    @property
    def correct(self) -> np.ndarray:
        """bool (n,): whether the model is right on every version of the image."""
        return self.broken_by < 0

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean())


def robust_accuracy(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    attacks: Mapping[str, Callable[[keras.Model, np.ndarray, np.ndarray], object]],
) -> Robust:
    """Attack images until the model is wrong, and no further.

    Parameters
    ----------
    model
        A Keras model, or an ensemble, that returns logits.
    x
        Images, float32 (n, height, width, channels) in [0, 1].
    y
        int32 (n,): their labels.
    attacks
        Name to ``attack(model, x, y)``, which returns images or an object with ``x_adv``; the cheap ones
        first. Each is given the images that all before it left right; those that the model gets wrong
        without an attack are given to none. For FGSM and PGD of the same size::

            {"FGSM": partial(fgsm, epsilon=0.1),
             "PGD": partial(pgd, epsilon=0.1, alpha=0.02, steps=40, restarts=5, seed=0, early=True)}

    Raises
    ------
    ValueError
        If shapes, types or values do not fit, or no attack or one named ``none`` is given.
    """
    check_images(model, x, y)
    if not attacks or "none" in attacks:
        raise ValueError("expected at least one attack, and none of the name 'none'")
    x_adv, answers = x.copy(), gradients.logits(model, x).argmax(-1).astype(np.int32)
    broken_by = np.where(answers == y, -1, 0).astype(np.int32)
    for place, attack in enumerate(attacks.values(), start=1):
        left = np.flatnonzero(broken_by < 0)
        if not len(left):
            break
        made = attack(model, x[left], y[left])
        x_adv[left] = getattr(made, "x_adv", made)
        answers[left] = gradients.logits(model, x_adv[left]).argmax(-1)
        broken_by[left[answers[left] != y[left]]] = place
    return Robust(("none", *attacks), x_adv, answers, broken_by)


def worst(model, x, y, *, epsilon, alpha, steps, restarts, seed, progress=None) -> Robust:
    """FGSM, then BIM, then PGD of twice its steps: what no single one of them breaks, together they may.

    An image that BIM or PGD has broken takes no further step, and no further restart. Parameters as of
    :func:`helpers.attacks.pgd`; `steps` are BIM's.
    """
    walk = {"epsilon": epsilon, "alpha": alpha, "early": True, "progress": progress}
    attacks = (
        partial(fgsm, epsilon=epsilon, progress=progress),
        partial(bim, steps=steps, **walk),
        partial(pgd, steps=2 * steps, restarts=restarts, seed=seed, **walk),
    )
    return robust_accuracy(model, x, y, dict(zip(WORST, attacks, strict=True)))


def strongest(model, x, y, *, epsilon, steps, restarts, iterations, seed, progress=None) -> Robust:
    """What is asked of a defence before it is called robust, of attacks that follow the gradient.

    PGD, then AutoPGD, each on the cross-entropy and on the difference of logits ratio, whose gradient no
    scale of the logits flattens (with fewer than three classes, the cross-entropy once more). An image
    that is broken takes no further step and no further start.

    Parameters
    ----------
    steps, restarts
        Of PGD.
    iterations
        Steps of AutoPGD, which starts once on each loss.

    The other parameters are those of :func:`helpers.attacks.pgd`.

    References
    ----------
    Croce & Hein 2020, arXiv 2003.01690.
    """
    same = {"epsilon": epsilon, "seed": seed, "progress": progress}
    walk = same | {"alpha": REACH * epsilon / steps, "steps": steps, "restarts": restarts}
    other = {"loss": "dlr" if model.output_shape[-1] >= FEWEST_CLASSES else "cross_entropy"}
    attacks = (
        partial(pgd, early=True, **walk),
        partial(pgd, early=True, **walk, **other),
        partial(auto_pgd, steps=iterations, **same),
        partial(auto_pgd, steps=iterations, **same, **other),
    )
    return robust_accuracy(model, x, y, dict(zip(STRONGEST, attacks, strict=True)))
