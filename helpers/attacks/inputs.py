"""What every attack takes and gives: checks before anything is computed, batches, results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
from tqdm import tqdm

from helpers.models import gradients

# How many images tell whether a model returns logits.
CHECKED = 16


@dataclass(frozen=True)
class Crafted:
    """What an attack made.

    Attributes
    ----------
    x_adv
        Adversarial images, float32 like the clean ones. A failed row holds the clean image.
    success
        bool (n,): whether the row is an attempt that can count. A bounded attack always gives one; an
        unbounded one fails where it found no adversarial image.
    """

    x_adv: np.ndarray
    success: np.ndarray


def random_targets(y: np.ndarray, n_classes: int, seed: int) -> np.ndarray:
    """Draw a class other than its own for each image; int32 (n,)."""
    shift = np.random.default_rng([seed, 8]).integers(1, n_classes, len(y))
    return ((y + shift) % n_classes).astype(np.int32)


def batches(n: int, batch_size: int, progress: str | None = None) -> Iterator[slice]:
    """Cut `n` rows into slices, with a progress bar if it has a title."""
    if batch_size < 1:
        raise ValueError(f"batch_size = {batch_size}: at least 1 is needed")
    with tqdm(total=n, desc=progress, unit="image", disable=progress is None, mininterval=2) as bar:
        for start in range(0, n, batch_size):
            rows = slice(start, min(start + batch_size, n))
            yield rows
            bar.update(rows.stop - rows.start)


def check_images(model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    """Refuse images, labels or a model that no attack can work with (ValueError)."""
    check_pixels(x)
    if tuple(x.shape[1:]) != tuple(model.input_shape[1:]):
        raise ValueError(
            f"x holds images of shape {x.shape[1:]}, the model takes {model.input_shape[1:]}"
        )
    check_labels(y, len(x), model.output_shape[-1])
    if len(x) and gradients.returns_probabilities(model, x[:CHECKED]):
        raise ValueError(
            f"{model.name} returns probabilities, and logits are needed: a saturated softmax has "
            "no gradient left, so attacks would fail where the model is not robust at all. Remove "
            "the softmax at its end (for a Dense layer: activation=None)"
        )


def check_pixels(x: np.ndarray) -> None:
    """Refuse images that are not float32 (n, height, width, channels) in [0, 1] (ValueError)."""
    if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 4:
        got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ValueError(
            f"x must be a float32 array of shape (n, height, width, channels), not {got}"
        )
    if len(x) and not (x.min() >= 0 and x.max() <= 1):  # false for NaN too
        raise ValueError(
            f"x must lie within [0, 1] and hold no NaN; it goes from {x.min()} to {x.max()}"
        )


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


def check_sizes(**sizes: float) -> None:
    """Refuse sizes (epsilon, alpha ...) that are not finite or below 0 (ValueError)."""
    for name, value in sizes.items():
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{name} = {value}: a finite number of at least 0 is needed")


def check_positive(**values: float) -> None:
    """Refuse values that are not finite or not above 0 (ValueError)."""
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} = {value}: a finite number above 0 is needed")


def check_count(name: str, value: int) -> None:
    """Refuse what is no whole number of at least 1 (ValueError)."""
    if int(value) != value or value < 1:
        raise ValueError(f"{name} = {value}: a whole number of at least 1 is needed")
