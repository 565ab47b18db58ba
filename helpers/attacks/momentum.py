"""Momentum BIM: the basic iterative method with a memory of its earlier gradients."""

from __future__ import annotations

import keras
import numpy as np

from helpers.attacks.inputs import check_sizes
from helpers.attacks.steps import Direction, bim


def momentum_bim(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, decay: float = 1.0, **settings
) -> np.ndarray:
    """Take BIM's steps along a running sum of gradients (momentum iterative method, MI-FGSM).

    g_0 = 0;  g_i = decay * g_{i-1} + gradient_i / ||gradient_i||_1
    x_i = clip_{x, epsilon}(x_{i-1} + alpha * sign(g_i))

    The sum follows what the gradients have in common, so the images transfer better between models.

    Parameters
    ----------
    decay
        Weight of the earlier gradients, at least 0; with 0 it is BIM.

    All others, the result and the errors are those of :func:`helpers.attacks.bim`. The published attack
    is untargeted and targeted alike, and takes alpha = epsilon / steps.

    References
    ----------
    Dong et al. 2018, arXiv 1710.06081, algorithm 1.
    """
    check_sizes(decay=decay)
    return bim(model, x, y, direction=lambda: _remembering(decay), **settings)


def _remembering(decay: float) -> Direction:
    total: np.ndarray | float = 0.0

    def direction(gradient: np.ndarray) -> np.ndarray:
        nonlocal total
        size = np.abs(gradient).sum(axis=(1, 2, 3), keepdims=True)
        # A zero gradient says nothing of where to go: what is remembered decides alone.
        total = np.float32(decay) * total + gradient / np.where(size > 0, size, np.float32(1))
        return np.sign(total)

    return direction
