"""Attacks that follow the gradient inside a ball around each image: FGSM, BIM and PGD, and noise.

There is one loop; FGSM is its single step, BIM is more of them, PGD is BIM from random starts.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
from tqdm import tqdm

from helpers import gradients

NORMS = ("linf", "l2")
# How many images tell whether a model returns logits.
CHECKED = 16


def fgsm(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epsilon: float,
    targeted: bool = False,
    norm: str = "linf",
    loss: str = "cross_entropy",
    bounds: tuple[float, float] = (0.0, 1.0),
    batch_size: int = gradients.BATCH_SIZE,
) -> np.ndarray:
    """Take one step of size `epsilon` along the sign of the gradient (fast gradient sign method).

    x_adv = clip(x + epsilon * sign(grad_x loss(x, y)))

    Parameters
    ----------
    model
        A Keras model, or an ensemble, that returns logits.
    x
        Images, float32 (n, height, width, channels), within `bounds`.
    y
        int32 (n,): the labels to leave or, if `targeted`, to reach.
    epsilon
        Size of the step in units of pixel values, at least 0.
    targeted
        Descend the loss of `y` instead of ascending it.
    norm
        ``linf``, or ``l2``: a step along the normalised gradient.
    loss
        Name of a loss in :mod:`helpers.gradients`; ``dlr`` takes its targeted form by itself.
    bounds
        Smallest and largest pixel value.
    batch_size
        Images per gradient call; it bounds the memory and does not change the result.

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
        model, x, y, epsilon=epsilon, alpha=epsilon, steps=1, targeted=targeted, norm=norm,
        loss=loss, bounds=bounds, batch_size=batch_size,
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
    norm: str = "linf",
    loss: str = "cross_entropy",
    bounds: tuple[float, float] = (0.0, 1.0),
    batch_size: int = gradients.BATCH_SIZE,
    progress: str | None = None,
) -> np.ndarray:
    """Take `steps` steps of size `alpha`, projecting back into the ball (basic iterative method).

    x_0 = x;  x_i = clip_{x, epsilon}(x_{i-1} + alpha * sign(grad loss(x_{i-1}, y)))

    Parameters
    ----------
    alpha
        Size of a step in units of pixel values, at least 0.
    steps
        Number of steps, at least 1.
    progress
        Title of a progress bar, or None for no bar.

    The other parameters, the result and the errors are those of :func:`fgsm`.

    References
    ----------
    Kurakin et al. 2017, arXiv 1607.02533, section 2.2.
    """
    check_images(model, x, y, bounds)
    _check_sizes(epsilon, alpha, steps, norm)
    x_adv = np.empty_like(x)
    call = gradients.loss_and_gradient(model, _form(loss, targeted))
    for rows in batches(len(x), batch_size, progress):
        clean = x[rows]
        x_adv[rows] = _follow(
            call, clean, clean, y[rows], epsilon, alpha, steps, norm, targeted, bounds
        )
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
    norm: str = "linf",
    loss: str = "cross_entropy",
    bounds: tuple[float, float] = (0.0, 1.0),
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
        Seed of the starts; each image has its own, whatever the batch size.

    The other parameters, the result and the errors are those of :func:`bim`.

    References
    ----------
    Madry et al. 2018, arXiv 1706.06083, section 2.1.
    """
    check_images(model, x, y, bounds)
    _check_sizes(epsilon, alpha, steps, norm)
    if restarts < 1:
        raise ValueError(f"restarts = {restarts}: at least 1 is needed")
    x_adv = x.copy()
    call = gradients.loss_and_gradient(model, _form(loss, targeted))
    for rows in batches(len(x), batch_size, progress):
        best_hit = np.zeros(len(x[rows]), bool)
        best_gain = np.full(len(x[rows]), -np.inf)
        for restart in range(restarts):
            noise = _noise(x[rows].shape, rows.start, epsilon, norm, (seed, restart), fill=True)
            start = np.clip(x[rows] + noise, *bounds)
            found = _follow(
                call, start, x[rows], y[rows], epsilon, alpha, steps, norm, targeted, bounds
            )
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


def random_noise(
    x: np.ndarray,
    *,
    epsilon: float,
    seed: int,
    norm: str = "linf",
    bounds: tuple[float, float] = (0.0, 1.0),
) -> np.ndarray:
    """Add noise of the size of an attack, the baseline that every attack must beat by far.

    For ``linf`` each pixel moves by +epsilon or -epsilon, so that before clipping the L2 norm is also
    that of an FGSM perturbation; for ``l2`` the noise has a random direction and length `epsilon`.

    Parameters and errors are those of :func:`fgsm`; `seed` decides the noise.
    """
    _check_values(x, bounds)
    _check_sizes(epsilon, epsilon, 1, norm)
    noise = _noise(x.shape, 0, epsilon, norm, (seed,), fill=False)
    return np.clip(x + noise, *bounds).astype(np.float32)


def _form(loss: str, targeted: bool) -> str:
    return "dlr_targeted" if loss == "dlr" and targeted else loss


def _follow(call, start, x, y, epsilon, alpha, steps, norm, targeted, bounds) -> np.ndarray:
    """Step, project into the ball around `x`, clip to `bounds`, `steps` times from `start`."""
    x_adv, epsilon = start, np.float32(epsilon)
    alpha = np.float32(-alpha if targeted else alpha)
    low, high = bounds
    leaves = start is not x or steps > 1 or abs(alpha) > epsilon
    if norm == "linf" and leaves:  # the ball and the bounds in one
        low, high = np.maximum(x - epsilon, low), np.minimum(x + epsilon, high)
    for _ in range(steps):
        _, gradient, _ = call(x_adv, y)
        # A new array, then in place: what TensorFlow hands out may be its own.
        moved = np.sign(gradient) if norm == "linf" else gradient / _lengths(gradient)
        moved *= alpha
        moved += x_adv
        x_adv = np.clip(moved, low, high, out=moved)
        if norm == "l2":
            x_adv = np.clip(project_l2(x_adv, x, epsilon), low, high)
    return x_adv


def project_l2(x_adv: np.ndarray, x: np.ndarray, epsilon: float) -> np.ndarray:
    """Move `x_adv` to the nearest point of the L2 ball of radius `epsilon` around `x`."""
    change = x_adv - x
    return x + change * np.minimum(np.float32(1), np.float32(epsilon) / _lengths(change))


def _lengths(values: np.ndarray) -> np.ndarray:
    """L2 norm of each image, shaped to divide by; tiny instead of zero."""
    flat = values.reshape(len(values), -1)
    lengths = np.sqrt(np.einsum("ij,ij->i", flat, flat, dtype=np.float64)).astype(np.float32)
    return np.maximum(lengths, np.float32(1e-12)).reshape(-1, *[1] * (values.ndim - 1))


def _noise(shape, first, epsilon, norm, seed, *, fill) -> np.ndarray:
    """Noise for each image from its own generator; inside the ball if `fill`, else on its rim."""
    noise = np.empty(shape, np.float32)
    for row in range(len(noise)):
        generator = np.random.default_rng([*seed, first + row])
        if norm == "linf" and fill:
            noise[row] = generator.uniform(-1.0, 1.0, shape[1:])
        elif norm == "linf":
            noise[row] = generator.integers(0, 2, shape[1:]) * 2 - 1
        else:
            direction = generator.standard_normal(shape[1:])
            radius = generator.uniform() ** (1 / direction.size) if fill else 1.0
            noise[row] = direction * (radius / np.linalg.norm(direction))
    return noise * np.float32(epsilon)


def batches(n: int, batch_size: int, progress: str | None = None) -> Iterator[slice]:
    """Cut `n` rows into slices, with a progress bar if it has a title."""
    if batch_size < 1:
        raise ValueError(f"batch_size = {batch_size}: at least 1 is needed")
    with tqdm(total=n, desc=progress, unit="image", disable=progress is None, mininterval=2) as bar:
        for start in range(0, n, batch_size):
            rows = slice(start, min(start + batch_size, n))
            yield rows
            bar.update(rows.stop - rows.start)


def check_images(
    model: keras.Model, x: np.ndarray, y: np.ndarray, bounds: tuple[float, float]
) -> None:
    """Refuse images, labels or a model that no attack can work with (ValueError)."""
    _check_values(x, bounds)
    if tuple(x.shape[1:]) != tuple(model.input_shape[1:]):
        raise ValueError(
            f"x holds images of shape {x.shape[1:]}, the model takes {model.input_shape[1:]}"
        )
    check_labels(y, len(x), model.output_shape[-1])
    if "_gives_logits" not in vars(model) and len(x):
        if gradients.returns_probabilities(model, x[:CHECKED]):
            raise ValueError(
                f"{model.name} returns probabilities, and logits are needed: a saturated softmax has "
                "no gradient left, so attacks would fail where the model is not robust at all. Remove "
                "the softmax at its end (for a Dense layer: activation=None)"
            )
        vars(model)["_gives_logits"] = True  # asked once, whatever its weights become


def check_labels(y: np.ndarray, n: int, n_classes: int, name: str = "y") -> None:
    """Refuse labels that are not int32 (n,) from 0 to n_classes - 1 (ValueError)."""
    if not isinstance(y, np.ndarray) or y.dtype != np.int32 or y.shape != (n,):
        got = f"{y.dtype} {y.shape}" if isinstance(y, np.ndarray) else type(y).__name__
        raise ValueError(f"{name} must be an int32 array of shape ({n},), not {got}")
    if n and (y.min() < 0 or y.max() >= n_classes):
        raise ValueError(
            f"{name} holds labels from {y.min()} to {y.max()}, the model has classes 0 to "
            f"{n_classes - 1}"
        )


def _check_values(x: np.ndarray, bounds: tuple[float, float]) -> None:
    if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 4:
        got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ValueError(
            f"x must be a float32 array of shape (n, height, width, channels), not {got}"
        )
    low, high = bounds
    if not low < high:
        raise ValueError(f"bounds must be (low, high) with low < high, not {bounds}")
    if len(x) and not (x.min() >= low and x.max() <= high):  # false for NaN too
        raise ValueError(
            f"x must lie within {bounds} and hold no NaN; it goes from {x.min()} to {x.max()}"
        )


def _check_sizes(epsilon: float, alpha: float, steps: int, norm: str) -> None:
    for name, value in (("epsilon", epsilon), ("alpha", alpha)):
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{name} = {value}: a finite number of at least 0 is needed")
    if int(steps) != steps or steps < 1:
        raise ValueError(f"steps = {steps}: a whole number of at least 1 is needed")
    if norm not in NORMS:
        raise ValueError(f"no norm {norm!r}; there are {', '.join(NORMS)}")
