"""How different the members of an ensemble are: in their mistakes, and in where they are weak."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import keras
import numpy as np

from helpers.models import gradients


def error_correlation(correct: np.ndarray) -> float:
    """Mean correlation of the mistakes of each two members; NaN where none of two varies.

    Parameters
    ----------
    correct
        Correct answers, bool (members, images).
    """
    if correct.ndim != 2 or len(correct) < 2:
        raise ValueError(
            f"correct must be (members, images) of two members or more, not {correct.shape}"
        )
    pairs = [
        np.corrcoef(a, b)[0, 1]
        for a, b in combinations(correct.astype(np.float64), 2)
        if a.std() and b.std()
    ]
    return float(np.mean(pairs)) if pairs else float("nan")


def gradient_cosine(members: Sequence[keras.Model], x: np.ndarray, y: np.ndarray) -> float:
    """Mean cosine of the input gradients of each two members, over images and pairs.

    One means that an attack which follows one member follows them all; two random directions of many
    pixels have about zero. Images whose gradient vanishes in a member are passed over for its pairs.

    Parameters
    ----------
    members
        Two models or more that return logits.
    x, y
        Images and labels, as for :func:`helpers.models.gradients.loss_and_gradient`.
    """
    if len(members) < 2:
        raise ValueError("a cosine needs two members or more")
    directions = []
    for member in members:
        call = gradients.loss_and_gradient(member)
        parts = [
            call(x[k : k + gradients.BATCH_SIZE], y[k : k + gradients.BATCH_SIZE])[1]
            for k in range(0, len(x), gradients.BATCH_SIZE)
        ]
        flat = np.concatenate(parts).reshape(len(x), -1).astype(np.float64)
        lengths = np.linalg.norm(flat, axis=1, keepdims=True)
        directions.append(
            np.divide(flat, lengths, out=np.full_like(flat, np.nan), where=lengths > 0)
        )
    cosines = [(a * b).sum(1) for a, b in combinations(directions, 2)]
    return float(np.nanmean(cosines))
