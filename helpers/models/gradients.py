"""Logits, losses and gradients: the one module that knows automatic differentiation.

Everything is compiled once for each architecture and loss, with the number of images left open and the
weights as arguments: neither a short last batch nor another epsilon compiles again, nor do models that
share the calls of one like them (:func:`share_calls`). All else in this package is Keras and NumPy; a
second Keras backend would be added here.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

BATCH_SIZE = 256

# The CPU kernels choose how to sum by the number of images. Smaller batches, and those that are no
# multiple of the block, are filled up: an image's result then depends less on its batch, on some
# processors not at all, and elsewhere by the rounding of float32.
SMALLEST_BATCH, BLOCK = 16, 8

TINY = 1e-12

# Images, networks and attacks are written for these; a keras.json of the user's may say otherwise.
keras.config.set_floatx("float32")
keras.config.set_dtype_policy("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")

# Each model of an ensemble is compiled once, which TensorFlow takes for a mistake and warns about.
tf.get_logger().setLevel("ERROR")


def _cross_entropy(logits, y):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)


def _likelihood(outputs, y):
    """Minus the output of `y`: the cross-entropy where the outputs are log probabilities, and its mean
    over the members where they are the mean of several models' log probabilities."""
    return -tf.gather(outputs, y, batch_dims=1)


def _margin(logits, y):
    """Largest other logit minus the logit of `y`: positive where `y` is not predicted."""
    one_hot = tf.one_hot(y, logits.shape[-1], dtype=tf.bool, on_value=True, off_value=False)
    others = tf.where(one_hot, tf.constant(-np.inf, logits.dtype), logits)
    return tf.reduce_max(others, -1) - tf.gather(logits, y, batch_dims=1)


def _dlr(logits, y):
    """Difference of logits ratio: the margin, free of the logits' scale and shift."""
    top = tf.math.top_k(logits, 3).values
    return _margin(logits, y) / (top[:, 0] - top[:, 2] + TINY)


def _dlr_targeted(logits, y):
    # The strongest other class stands for the true label, which a targeted attack is not given.
    top = tf.math.top_k(logits, 4).values
    return _margin(logits, y) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + TINY)


# The two last: Croce & Hein 2020, arXiv 2003.01690.
LOSSES = {
    "cross_entropy": _cross_entropy,
    "likelihood": _likelihood,
    "dlr": _dlr,
    "dlr_targeted": _dlr_targeted,
}
FEWEST_CLASSES = {"dlr": 3, "dlr_targeted": 4}


class _Architecture:
    """The compiled functions of one architecture, which take a model's weights as arguments."""

    def __init__(self, model: keras.Model):
        self.model = model
        self.functions: dict[str, Callable] = {}

    def get(self, name: str, function: Callable, *inputs: tf.TensorSpec) -> Callable:
        """Compile ``function(forward, images, *inputs)``; `forward` maps images to logits."""
        if name not in self.functions:
            model = self.model
            lists = model.trainable_variables, model.non_trainable_variables
            weights = [[tf.TensorSpec(v.shape, v.dtype) for v in each] for each in lists]
            images = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)

            def call(trainable, others, *values):
                changed = {}

                def forward(x):
                    logits, new = model.stateless_call(trainable, others, x, training=False)
                    pairs = enumerate(zip(new, others, strict=True))
                    changed.update({str(i): v for i, (v, old) in pairs if v is not old})
                    return logits

                return function(forward, *values), changed

            self.functions[name] = tf.function(call, input_signature=[*weights, images, *inputs])
        return self.functions[name]


class Compiled:
    """What is kept of a Keras model between calls.

    Attributes
    ----------
    architecture
        The compiled functions, shared by models of one architecture.
    probabilities
        Whether the model returns probabilities; None as long as nobody asked.
    trainers
        Learning rate to optimizer and compiled training step.
    """

    def __init__(self, model: keras.Model):
        self.architecture = _Architecture(model)
        self.probabilities: bool | None = None
        self.trainers: dict[float, tuple] = {}
        # Collecting them walks through all layers, which costs more than a small network's gradient.
        lists = model.trainable_variables, model.non_trainable_variables
        self._weights = tuple([variable.value for variable in each] for each in lists)

    def function(self, name: str, function: Callable, *inputs: tf.TensorSpec) -> Callable:
        """Compile ``function(forward, images, *inputs)`` for this model's weights."""
        call = self.architecture.get(name, function, *inputs)

        def run(*values):
            trainable, others = self._weights
            results, changed = call(trainable, others, *values)
            for place, value in changed.items():  # only of a model that draws at random
                others[int(place)].assign(value)
            return results

        return run


def compiled(model: keras.Model) -> Compiled:
    """Get what is kept of a model; the one place that knows where it hangs."""
    # In the model's plain attributes, past Keras' tracking, so that both are freed together.
    if "_compiled" not in vars(model):
        vars(model)["_compiled"] = Compiled(model)
    return vars(model)["_compiled"]


def _filled(values: np.ndarray) -> np.ndarray:
    n = len(values)
    size = max(SMALLEST_BATCH, -(-n // BLOCK) * BLOCK)
    return np.pad(values, [(0, size - n), *[(0, 0)] * (values.ndim - 1)]) if size > n else values


def share_calls(model: keras.Model, like: keras.Model) -> None:
    """Let `model` use the compiled calls of `like`, a model of the same architecture.

    Compiling InceptionV3 takes longer than attacking a few hundred small images with it.

    Raises
    ------
    ValueError
        If their weights differ in number or shape.
    """
    shapes, expected = ([w.shape for w in m.weights] for m in (model, like))
    if shapes != expected:
        raise ValueError("calls are shared between models of one architecture; these two differ")
    compiled(model).architecture = compiled(like).architecture


def loss_and_gradient(model: keras.Model, loss: str = "cross_entropy") -> Callable:
    """Compile the loss of each image and its gradient with respect to that image's pixels.

    The loss is summed over the batch before it is differentiated, so that an image's gradient does
    not depend on its batch mates, but for float32's rounding; the model runs with ``training=False``.

    Parameters
    ----------
    model
        A Keras model that maps float32 (n, height, width, channels) to logits (n, classes).
    loss
        ``cross_entropy``, ``likelihood`` (for outputs that are log probabilities, or a mean of some),
        ``dlr`` (difference of logits ratio), or ``dlr_targeted``, its form for targeted attacks.

    Returns
    -------
    callable
        ``call(x, y) -> (losses, gradients, logits)``, NumPy in and out: float32 (n,), float32 like
        `x`, float32 (n, classes). Runs the whole of `x` at once: the caller chooses the batch.
    """
    if loss not in LOSSES:
        raise ValueError(f"no loss {loss!r}; there are {', '.join(LOSSES)}")
    if model.output_shape[-1] < FEWEST_CLASSES.get(loss, 2):
        raise ValueError(
            f"{loss} needs at least {FEWEST_CLASSES.get(loss, 2)} classes, the model has "
            f"{model.output_shape[-1]}; cross_entropy takes any number"
        )

    def function(forward, x, y):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            logits = forward(x)
            losses = LOSSES[loss](logits, y)
            total = tf.reduce_sum(losses)
        slopes = tape.gradient(total, x)
        if slopes is None:
            raise ValueError(
                f"{model.name} cannot be differentiated: no smooth path leads from its logits back "
                "to the pixels, so no attack of this project can work on it"
            )
        return losses, slopes, logits

    labels = tf.TensorSpec((None,), tf.int32)
    call = compiled(model).function(f"gradient.{loss}", function, labels)
    return lambda x, y: tuple(r.numpy()[: len(x)] for r in call(_filled(x), _filled(y)))


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
    call = compiled(model).function("logits", lambda forward, x: forward(x))
    batches = [x[i : i + batch_size] for i in range(0, len(x), batch_size)]
    parts = [call(_filled(batch)).numpy()[: len(batch)] for batch in batches]
    return np.concatenate(parts) if parts else np.empty((0, model.output_shape[-1]), np.float32)


def returns_probabilities(model: keras.Model, x: np.ndarray) -> bool:
    """Tell whether the model's outputs are probabilities rather than logits.

    Asked once of a model, with the first images at hand, whatever its weights become.
    """
    kept = compiled(model)
    if kept.probabilities is None and len(x):
        outputs = logits(model, x)
        sums_to_one = np.allclose(outputs.sum(-1, dtype=np.float64), 1.0, atol=1e-4)
        kept.probabilities = bool(sums_to_one and outputs.min() >= 0)
    return bool(kept.probabilities)
