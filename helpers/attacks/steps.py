"""Attacks that follow the gradient inside a ball around each image: FGSM, BIM and PGD, and noise.

There is one loop, :func:`walk`; FGSM is its single step, BIM is more of them, PGD is BIM from random
starts. Sizes are in the maximum norm, in units of pixel values.
"""

from __future__ import annotations

import zlib
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
    early: bool = False,
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
    early
        Leave an image as soon as the model gets it wrong (targeted: as the target), which is all that an
        accuracy needs; its change is then not the strongest. Only with the sign as direction.

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
        if early:
            x_adv[rows] = _walk_until(call, x[rows], y[rows], x[rows], epsilon, size, steps)
        else:
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
    early: bool = False,
) -> np.ndarray:
    """Run BIM from random points of the ball and keep each image's best (projected gradient descent).

    The best is one that the model gets wrong (targeted: gets as the target), after which the image
    starts no more, or else the one of the largest (targeted: smallest) loss.

    Parameters
    ----------
    restarts
        Number of random starts, at least 1.
    seed
        Seed of the starts; each image has its own, whatever stands beside it.

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
    hit, best = np.zeros(len(x), bool), np.full(len(x), -np.inf)
    for restart in range(restarts):
        left = np.flatnonzero(~hit)
        for part in batches(len(left), batch_size, progress):
            rows = left[part]
            start = random_start(x[rows], epsilon, (seed, restart))
            if early:
                found = _walk_until(call, x[rows], y[rows], start, epsilon, size, steps)
            else:
                found = walk(call, x[rows], y[rows], start, epsilon, size, steps, np.sign)
            if restarts == 1:  # nothing to choose from
                x_adv[rows] = found
                continue
            losses, _, values = call(found, y[rows])
            hit[rows] = (values.argmax(-1) == y[rows]) == targeted
            gain = -losses if targeted else losses
            better = hit[rows] | (gain > best[rows])
            x_adv[rows[better]], best[rows[better]] = found[better], gain[better]
    return x_adv


def random_start(x: np.ndarray, epsilon: float, seed: tuple[int, ...]) -> np.ndarray:
    """Draw a point of each image's ball, from a generator of the image's own."""
    inside = np.empty_like(x)
    for row, image in enumerate(x):
        generator = np.random.default_rng([*seed, zlib.crc32(image.tobytes())])
        inside[row] = generator.uniform(-1.0, 1.0, image.shape)
    return np.clip(x + inside * np.float32(epsilon), 0, 1)


def random_noise(x: np.ndarray, *, epsilon: float, seed: int) -> np.ndarray:
    """Move each pixel by +epsilon or -epsilon: the baseline that every attack must beat by far.

    Before clipping the noise has both norms, maximum and L2, of an FGSM perturbation. Parameters and
    errors are those of :func:`fgsm`; `seed` decides the noise.
    """
    check_pixels(x)
    check_sizes(epsilon=epsilon)
    signs = np.empty_like(x)
    for row in range(
        len(x)
    ):  # each from a generator of its own, so that the number does not matter
        signs[row] = np.random.default_rng([seed, row]).integers(0, 2, x.shape[1:]) * 2 - 1
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


def _walk_until(call, x, y, start, epsilon, alpha, steps) -> np.ndarray:
    """:func:`walk` along the sign, which leaves an image where the model first gets it wrong.

    With a negative `alpha`, where the model first gets it as `y`.
    """
    epsilon, alpha = np.float32(epsilon), np.float32(alpha)
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    x_adv, left = start.copy(), np.arange(len(x))
    for _ in range(steps):
        _, gradient, logits = call(x_adv[left], y[left])
        goes_on = (logits.argmax(-1) == y[left]) == (alpha >= 0)
        left, gradient = left[goes_on], gradient[goes_on]
        if not len(left):
            break
        moved = x_adv[left] + alpha * np.sign(gradient)
        x_adv[left] = np.clip(moved, low[left], high[left])
    return x_adv


def _form(loss: str, targeted: bool) -> str:
    return "dlr_targeted" if loss == "dlr" and targeted else loss
