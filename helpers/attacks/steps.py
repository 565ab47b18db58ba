"""Attacks that follow the gradient inside a ball around each image: FGSM, BIM and PGD, and noise.

There is one loop, :func:`walk`; FGSM is its single step, BIM is more of them, PGD is BIM from random
starts. Sizes are in the maximum norm, in units of pixel values.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from helpers.attacks.inputs import (
    batches,
    check_count,
    check_images,
    check_pixels,
    check_sizes,
    random_targets,
)
from helpers.models import gradients

# From the gradients of a batch to the directions of its next step; may remember the earlier ones.
Direction = Callable[[np.ndarray], np.ndarray]


def fgsm(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epsilon: float,
    targeted: bool = False,
    loss: str = "cross_entropy",
    batch_size: int = gradients.BATCH_SIZE,
    progress: str | None = None,
) -> np.ndarray:
    """Take one step of size `epsilon` along the sign of the gradient (fast gradient sign method).

    x_adv = clip(x + epsilon * sign(grad_x loss(x, y)))

    Parameters
    ----------
    model
        A Keras model, or an ensemble, that returns logits.
    x
        Images, float32 (n, height, width, channels) in [0, 1].
    y
        int32 (n,): the labels to leave or, if `targeted`, to reach.
    epsilon
        Size of the step in units of pixel values, at least 0.
    targeted
        Descend the loss of `y` instead of ascending it.
    loss
        Name of a loss in :mod:`helpers.models.gradients`; ``dlr`` takes its targeted form by itself.
    batch_size
        Images per gradient call; it bounds the memory, and changes the result by float32 rounding at
        most.
    progress
        Title of a progress bar, or None for no bar.

    Returns
    -------
    np.ndarray
        Adversarial images, float32 like `x`.

    Raises
    ------
    ValueError
        If shapes, types or values do not fit, before anything is computed.

    References
    ----------
    Goodfellow et al. 2015, arXiv 1412.6572, section 4.
    """
    return bim(
        model, x, y, epsilon=epsilon, alpha=epsilon, steps=1, targeted=targeted, loss=loss,
        batch_size=batch_size, progress=progress,
    )  # fmt: skip


def bim(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epsilon: float,
    alpha: float,
    steps: int,
    targeted: bool = False,
    loss: str = "cross_entropy",
    batch_size: int = gradients.BATCH_SIZE,
    progress: str | None = None,
    direction: Callable[[], Direction] = lambda: np.sign,
) -> np.ndarray:
    """Take `steps` steps of size `alpha`, projecting back into the ball (basic iterative method).

    x_0 = x;  x_i = clip_{x, epsilon}(x_{i-1} + alpha * sign(grad loss(x_{i-1}, y)))

    Parameters
    ----------
    alpha
        Size of a step in units of pixel values, at least 0.
    steps
        Number of steps, at least 1.
    direction
        Makes, for each batch, what turns its gradients into directions of steps: the sign here.

    The other parameters, the result and the errors are those of :func:`fgsm`.

    References
    ----------
    Kurakin et al. 2017, arXiv 1607.02533, section 2.2.
    """
    check_images(model, x, y)
    check_sizes(epsilon=epsilon, alpha=alpha)
    check_count("steps", steps)
    x_adv = np.empty_like(x)
    call = gradients.loss_and_gradient(model, _form(loss, targeted))
    size = -alpha if targeted else alpha
    for rows in batches(len(x), batch_size, progress):
        x_adv[rows] = walk(call, x[rows], y[rows], x[rows], epsilon, size, steps, direction())
    return x_adv


def pgd(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epsilon: float,
    alpha: float,
    steps: int,
    restarts: int,
    seed: int,
    targeted: bool = False,
    loss: str = "cross_entropy",
    batch_size: int = gradients.BATCH_SIZE,
    progress: str | None = None,
) -> np.ndarray:
    """Run BIM from random points of the ball and keep each image's best (projected gradient descent).

    The best is one that the model gets wrong (targeted: gets as the target) and, among equals, the
    one of the largest (targeted: smallest) loss.

    Parameters
    ----------
    restarts
        Number of random starts, at least 1.
    seed
        Seed of the starts; each image has its own, so they do not depend on the batch size.

    The other parameters, the result and the errors are those of :func:`bim`.

    References
    ----------
    Madry et al. 2018, arXiv 1706.06083, section 2.1.
    """
    check_images(model, x, y)
    check_sizes(epsilon=epsilon, alpha=alpha)
    check_count("steps", steps)
    check_count("restarts", restarts)
    x_adv = x.copy()
    call = gradients.loss_and_gradient(model, _form(loss, targeted))
    size = -alpha if targeted else alpha
    for rows in batches(len(x), batch_size, progress):
        best_hit = np.zeros(len(x[rows]), bool)
        best_gain = np.full(len(x[rows]), -np.inf)
        for restart in range(restarts):
            inside = _each(
                x[rows].shape, rows.start, (seed, restart), lambda g, s: g.uniform(-1.0, 1.0, s)
            )
            start = np.clip(x[rows] + inside * np.float32(epsilon), 0, 1)
            found = walk(call, x[rows], y[rows], start, epsilon, size, steps, np.sign)
            if restarts == 1:  # nothing to choose from
                x_adv[rows] = found
                continue
            losses, _, values = call(found, y[rows])
            hit = (values.argmax(-1) == y[rows]) == targeted
            gain = -losses if targeted else losses
            better = (hit & ~best_hit) | ((hit == best_hit) & (gain > best_gain))
            x_adv[rows][better] = found[better]
            best_hit[better], best_gain[better] = hit[better], gain[better]
    return x_adv


def random_noise(x: np.ndarray, *, epsilon: float, seed: int) -> np.ndarray:
    """Move each pixel by +epsilon or -epsilon: the baseline that every attack must beat by far.

    Before clipping the noise has both norms, maximum and L2, of an FGSM perturbation. Parameters and
    errors are those of :func:`fgsm`; `seed` decides the noise.
    """
    check_pixels(x)
    check_sizes(epsilon=epsilon)
    signs = _each(x.shape, 0, (seed,), lambda g, s: g.integers(0, 2, s) * 2 - 1)
    return np.clip(x + signs * np.float32(epsilon), 0, 1)


def nothing(model, x, y, *, progress=None) -> np.ndarray:
    """The images as they are."""
    return x


def noise(model, x, y, *, progress=None, **settings) -> np.ndarray:
    """:func:`random_noise`, called as every attack is; it sees neither model nor labels."""
    return random_noise(x, **settings)


def towards_random_classes(model, x, y, *, seed, **settings) -> np.ndarray:
    """:func:`bim`, targeted at a class drawn for each image."""
    check_images(model, x, y)
    targets = random_targets(y, model.output_shape[-1], seed)
    return bim(model, x, targets, targeted=True, **settings)


def walk(call, x, y, start, epsilon, alpha, steps, direction: Direction) -> np.ndarray:
    """Go `steps` steps from `start`, staying in [0, 1] and within `epsilon` of `x`.

    Parameters
    ----------
    call
        ``call(x, y) -> (losses, gradients, logits)``.
    alpha
        Size of a step; negative to go down the loss.
    direction
        From gradients to directions.

    Returns
    -------
    np.ndarray
        Where it ends, float32 like `x`; `start` stays as it is.
    """
    epsilon, alpha = np.float32(epsilon), np.float32(alpha)
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    x_adv = start
    for _ in range(steps):
        _, gradient, _ = call(x_adv, y)
        x_adv = x_adv + alpha * direction(gradient)
        np.clip(x_adv, low, high, out=x_adv)
    return x_adv


def _form(loss: str, targeted: bool) -> str:
    return "dlr_targeted" if loss == "dlr" and targeted else loss


def _each(shape, first: int, seed: tuple[int, ...], draw) -> np.ndarray:
    """Draw for each image from a generator of its own, so that batches do not matter."""
    drawn = np.empty(shape, np.float32)
    for row in range(len(drawn)):
        drawn[row] = draw(np.random.default_rng([*seed, first + row]), shape[1:])
    return drawn
