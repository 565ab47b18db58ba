"""L-BFGS as it was commonly run: one c for all images, and one joint problem for the whole batch."""

from __future__ import annotations

import keras
import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from helpers.attacks.inputs import (
    Crafted,
    batches,
    check_count,
    check_images,
    check_positive,
    random_targets,
)
from helpers.models import gradients


def joint_lbfgs(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    c: float,
    max_iterations: int,
    seed: int,
    batch_size: int = gradients.BATCH_SIZE,
    progress: str | None = None,
) -> Crafted:
    """Minimise c * ||x' - x||_2^2 + cross_entropy(logits(x'), t), summed over a batch, once.

    No search on c, and few iterations that all images of the batch share: a weak attack beside
    :func:`helpers.attacks.lbfgs`, which says what an early implementation may have found.

    Parameters
    ----------
    model, x, y
        As for :func:`helpers.attacks.fgsm`; the targets are classes drawn at random.
    c
        Weight of the distance, more than 0.
    max_iterations
        Of L-BFGS-B on the joint problem, at least 1.
    seed
        Seed of the targets.
    batch_size
        Images per problem; the result depends on it.
    progress
        Title of a progress bar, or None for no bar.

    Returns
    -------
    Crafted
        Success: the image ended in its target's class.

    Raises
    ------
    ValueError
        If shapes, types or values do not fit, before anything is computed.

    References
    ----------
    Szegedy et al. 2014, arXiv 1312.6199, section 4.1; as in CleverHans 3.1, without its search.
    """
    check_images(model, x, y)
    check_count("max_iterations", max_iterations)
    check_positive(c=c)
    targets = random_targets(y, model.output_shape[-1], seed)
    call, x_adv = gradients.loss_and_gradient(model), x.copy()
    for rows in batches(len(x), batch_size, progress):
        x_adv[rows] = _solve(call, x[rows], targets[rows], c, max_iterations)
    success = gradients.logits(model, x_adv).argmax(-1) == targets
    x_adv[~success] = x[~success]
    return Crafted(x_adv, success)


def _solve(call, x, targets, c, max_iterations) -> np.ndarray:
    flat = x.ravel().astype(np.float64)

    def objective(z):
        losses, slopes, _ = call(z.reshape(x.shape).astype(np.float32), targets)
        change = z - flat
        value = c * float(change @ change) + float(losses.sum(dtype=np.float64))
        return value, 2 * c * change + slopes.ravel()

    found, _, _ = fmin_l_bfgs_b(
        objective, flat, bounds=[(0, 1)] * flat.size, maxiter=max_iterations
    )
    return np.clip(found.reshape(x.shape).astype(np.float32), 0, 1)
