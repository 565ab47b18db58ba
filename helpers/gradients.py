"""Logits, losses and gradients: the one module that knows automatic differentiation.

Everything is compiled once for each model and loss with the number of images left open, so neither a
short last batch nor another epsilon compiles again. All else in this package is Keras and NumPy; a
second Keras backend would be added here.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

BATCH_SIZE = 256

# Each model of an ensemble is compiled once, which TensorFlow takes for a mistake and warns about.
tf.get_logger().setLevel("ERROR")


def _cross_entropy(logits, y):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)


def _margin(logits, y):
    """Largest other logit minus the logit of `y`: positive where `y` is not predicted."""
    one_hot = tf.one_hot(y, logits.shape[-1], dtype=tf.bool, on_value=True, off_value=False)
    others = tf.where(one_hot, tf.constant(-np.inf, logits.dtype), logits)
    return tf.reduce_max(others, -1) - tf.gather(logits, y, batch_dims=1)


LOSSES = {"cross_entropy": _cross_entropy, "margin": _margin}


def _compiled(model: keras.Model, name: str, make: Callable[[], Callable]) -> Callable:
    # Kept in the model's plain attributes, past Keras' tracking, so that both are freed together.
    calls = vars(model).setdefault("_compiled_calls", {})
    if name not in calls:
        calls[name] = make()
    return calls[name]


def loss_and_gradient(model: keras.Model, loss: str = "cross_entropy") -> Callable:
    """Compile the loss of each image and its gradient with respect to that image's pixels.

    The loss is summed over the batch before it is differentiated, so that an image's gradient does
    not depend on its batch mates; the model runs with ``training=False``.

    Parameters
    ----------
    model
        A Keras model that maps float32 (n, height, width, channels) to logits (n, classes).
    loss
        ``cross_entropy``, or ``margin`` (largest other logit minus that of the label).

    Returns
    -------
    callable
        ``call(x, y) -> (losses, gradients, logits)``, NumPy in and out: float32 (n,), float32 like
        `x`, float32 (n, classes). Runs the whole of `x` at once: the caller chooses the batch.
    """
    if loss not in LOSSES:
        raise ValueError(f"no loss {loss!r}; there are {', '.join(LOSSES)}")
    function = LOSSES[loss]

    def make():
        @tf.function(
            input_signature=[
                tf.TensorSpec((None, *model.input_shape[1:]), tf.float32),
                tf.TensorSpec((None,), tf.int32),
            ]
        )
        def call(x, y):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                logits = model(x, training=False)
                losses = function(logits, y)
                total = tf.reduce_sum(losses)
            return losses, tape.gradient(total, x), logits

        return call

    call = _compiled(model, f"gradient.{loss}", make)
    return lambda x, y: tuple(result.numpy() for result in call(x, y))


def training_step(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Callable:
    """Compile one update of the model's weights on the mean softmax cross-entropy of its logits.

    Written out because Keras' own step is traced twice, which for InceptionV3 takes longer than the
    short trainings themselves.

    Returns
    -------
    callable
        ``step(x, y) -> (loss, n_correct)`` of the batch before the update; the model runs with
        ``training=True``.
    """
    optimizer.build(model.trainable_variables)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, *model.input_shape[1:]), tf.float32),
            tf.TensorSpec((None,), tf.int32),
        ]
    )
    def step(x, y):
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = tf.reduce_mean(_cross_entropy(logits, y))
        slopes = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(slopes, model.trainable_variables)
        correct = tf.equal(tf.argmax(logits, -1, tf.int32), y)
        return loss, tf.reduce_sum(tf.cast(correct, tf.int32))

    return lambda x, y: tuple(result.numpy() for result in step(x, y))


def logits(model: keras.Model, x: np.ndarray, *, batch_size: int = 2 * BATCH_SIZE) -> np.ndarray:
    """Compute the logits of images, float32 (n, classes), with ``training=False``."""

    def make():
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
        return tf.function(lambda x: model(x, training=False), input_signature=signature)

    call = _compiled(model, "logits", make)
    parts = [call(x[i : i + batch_size]).numpy() for i in range(0, len(x), batch_size)]
    return np.concatenate(parts) if parts else np.empty((0, model.output_shape[-1]), np.float32)
