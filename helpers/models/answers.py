"""Whether a model's answers are fit to be attacked: gradients that are there, answers that repeat."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np

from helpers.models import gradients

# How many images tell.
SAMPLE = 64
# Losses whose gradients are looked at.
SLOPES = ("cross_entropy", "dlr")
# Two calls on the same images may differ by this much in a logit, for rounding.
REPEATABLE = 1e-3
ROUNDING = 1e-5  # of a probability


def vanishing_gradients(model: keras.Model, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of the first images, those right: which share has a gradient that is zero in every pixel.

    An attack that follows such a gradient does nothing, and its failure says nothing. Cross-entropy's
    vanishes where a softmax saturates, while that of DLR, which no scaling of the logits changes, may
    still lead somewhere (Croce & Hein 2020, arXiv 2003.01690).

    Returns
    -------
    shares
        One for each of `SLOPES`; NaN for a loss that needs more classes, and where no image is right.
    """
    right, shares = gradients.logits(model, x[:SAMPLE]).argmax(-1) == y[:SAMPLE], []
    for loss in SLOPES:
        if model.output_shape[-1] < gradients.FEWEST_CLASSES.get(loss, 2) or not right.any():
            shares.append(np.nan)
            continue
        slopes = gradients.loss_and_gradient(model, loss)(x[:SAMPLE][right], y[:SAMPLE][right])[1]
        shares.append((np.abs(slopes).reshape(len(slopes), -1).max(-1) == 0).mean())
    return np.array(shares)


def repeats(model: keras.Model, x: np.ndarray, logits: np.ndarray) -> bool:
    """Tell whether the model gives the same logits again for the first of the images."""
    again = gradients.logits(model, x[:SAMPLE])
    same = np.allclose(again, logits[:SAMPLE], rtol=REPEATABLE, atol=REPEATABLE)
    return bool(same) and not acts_in_training(model, x[:SAMPLE], logits[:SAMPLE])


def acts_in_training(model: keras.Model, x: np.ndarray, outputs: np.ndarray) -> list[str]:
    """Name the layers that make a model another one than was measured.

    Everything here asks with ``training=False``, as ``model.predict`` does. That silences a layer
    which was called with ``training=True`` while the model was built, so that it draws at random
    also in use. A layer that does so only when it is trained is none of them.

    Parameters
    ----------
    model, x
        The model, and images.
    outputs
        What it answered, asked with ``training=False``.
    """
    always = _in_training(keras.saving.serialize_keras_object(model))
    if not always:
        return []
    asked = keras.ops.convert_to_numpy(model(x))
    return [] if np.allclose(asked, outputs, rtol=REPEATABLE, atol=ROUNDING) else always


def _in_training(config: Any) -> list[str]:
    """Name the layers in a model's configuration that are called with ``training=True``."""
    if isinstance(config, list):
        return [name for part in config for name in _in_training(part)]
    if not isinstance(config, dict):
        return []
    calls = config.get("inbound_nodes") or []
    always = any(call["kwargs"].get("training") is True for call in calls)
    # Augmentation has it from its own signature, and is silent in use nevertheless.
    kind = getattr(keras.layers, str(config.get("class_name")), None)
    always = always and not (kind and "training=True" in str(inspect.signature(kind.call)))
    return [config.get("name", "a layer")] * always + _in_training(list(config.values()))
