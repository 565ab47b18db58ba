"""A classifier of ART, of whatever framework, as a Keras model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

with warnings.catch_warnings():  # ART tells which frameworks are not installed
    warnings.simplefilter("ignore")
    from art.estimators.classification import PyTorchClassifier, TensorFlowV2Classifier

Outside = Callable[..., np.ndarray]


def as_model(classifier: Any) -> keras.Model:
    """Make a Keras model of a classifier of ART: pixels from 0 to 1 in, what it predicts out.

    Parameters
    ----------
    classifier
        A ``TensorFlowV2Classifier``, a ``PyTorchClassifier``, or any other with ``class_gradient``, of
        which a gradient then takes a pass for every class. Like all models here it must return logits.
        Its preprocessing is part of the model.

    Returns
    -------
    keras.Model
        From float32 (n, height, width, channels) in [0, 1], which it scales to the classifier's
        ``clip_values`` and turns to its order of axes, to float32 (n, classes). It follows what the
        classifier's weights become, and cannot be saved.

    Raises
    ------
    ValueError
        If the classifier has no or other than two ``clip_values``, does not take images, or changes its
        answers after the network (``postprocessing_defences``): their gradient would be missing.
    """
    low, high = pixel_range(classifier)
    shape = tuple(classifier.input_shape)
    if len(shape) != 3:
        raise ValueError(f"the classifier takes inputs of shape {shape}; expected images")
    if getattr(classifier, "postprocessing_defences", None):
        raise ValueError(
            "the classifier has postprocessing_defences, through which ART passes no gradient: attack "
            "it without them"
        )
    layer = _Classifier(classifier, low, high)
    pixels = keras.Input((*shape[1:], shape[0]) if layer.turned else shape, name="pixels")
    return keras.Model(pixels, layer(pixels), name=type(classifier).__name__.lower())


def pixel_range(classifier: Any) -> tuple[float, float]:
    """The least and the largest value of a pixel; ValueError where there are not just two."""
    values = classifier.clip_values
    if values is None or any(np.size(value) != 1 for value in values):
        raise ValueError(
            f"the classifier has clip_values = {values}; expected the two numbers between which its "
            "pixels lie, such as (0, 1): attacks stay inside them"
        )
    low, high = (float(np.squeeze(value)) for value in values)
    return low, high


class _Classifier(keras.layers.Layer):
    """A classifier of ART as a layer, with the gradients of its own framework."""

    def __init__(self, classifier: Any, low: float, high: float):
        super().__init__(name="classifier", trainable=False)
        self.classifier, self.low, self.high = classifier, low, high
        self.turned = bool(getattr(classifier, "channels_first", False))
        whole = getattr(classifier, "all_framework_preprocessing", False)
        self.outside: tuple[Outside, Outside] | None
        if isinstance(classifier, TensorFlowV2Classifier) and whole:
            self.outside = None
        elif isinstance(classifier, PyTorchClassifier) and whole:
            self.outside = _of_pytorch(classifier)
        else:
            self.outside = _of_any(classifier)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (shape[0], self.classifier.nb_classes)

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        x = self.low + (self.high - self.low) * pixels
        x = tf.transpose(x, (0, 3, 1, 2)) if self.turned else x
        if self.outside is not None:
            return _call_outside(*self.outside, x, self.classifier.nb_classes)
        return self.classifier.model(_prepared(self.classifier, x), training=False)


def _call_outside(forward: Outside, backward: Outside, x: tf.Tensor, n_classes: int) -> tf.Tensor:
    """Compute with NumPy's arrays; ``backward(x, weights)`` differentiates the weighted outputs."""

    @tf.custom_gradient
    def outputs(x):
        logits = tf.numpy_function(forward, [x], tf.float32)
        logits.set_shape((None, n_classes))

        def slopes(weights):
            found = tf.numpy_function(backward, [x, weights], tf.float32)
            found.set_shape(x.shape)
            return found

        return logits, slopes

    return outputs(x)


def _prepared(classifier: Any, x: Any) -> Any:
    for operation in classifier.preprocessing_operations:
        if operation.apply_predict:
            x, _ = operation.forward(x)
    return x


def _of_pytorch(classifier: PyTorchClassifier) -> tuple[Outside, Outside]:
    import torch

    def logits(x: torch.Tensor) -> torch.Tensor:
        classifier.model.eval()
        return classifier.model(_prepared(classifier, x))

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values, device=classifier.device)

    def forward(x):
        with torch.no_grad():
            return logits(tensor(x)).cpu().numpy()

    def backward(x, weights):
        x = tensor(x).requires_grad_()
        return torch.autograd.grad(logits(x), x, tensor(weights))[0].cpu().numpy()

    return forward, backward


def _of_any(classifier: Any) -> tuple[Outside, Outside]:
    def forward(x):
        return np.asarray(classifier.predict(x), np.float32)

    def backward(x, weights):
        each = classifier.class_gradient(x)
        return np.einsum("nk,nk...->n...", weights, each).astype(np.float32)

    return forward, backward
