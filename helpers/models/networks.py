"""The report's three networks.

All return logits, and all scaling or resizing of pixels happens inside them, so that an attack works
on raw pixels in [0, 1].
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
from keras.src.random import seed_generator

ARCHITECTURES = {
    "table_2": (28, 28, 1),
    "table_3": (32, 32, 3),
    "inception_v3": (64, 64, 3),
}


def architecture_for(input_shape: tuple[int, ...]) -> str:
    """Name the report's network for images of this shape (height, width, channels)."""
    for name, shape in ARCHITECTURES.items():
        if shape == tuple(input_shape):
            return name
    raise ValueError(
        f"no network of the report takes images of shape {tuple(input_shape)}; there are "
        + ", ".join(f"{name} for {shape}" for name, shape in ARCHITECTURES.items())
    )


def build(
    architecture: str,
    input_shape: tuple[int, int, int],
    n_classes: int,
    *,
    seed: int,
    **options,
) -> keras.Model:
    """Make an untrained network that maps images to logits.

    Parameters
    ----------
    architecture
        ``table_2``, ``table_3`` or ``inception_v3``. The report names no padding; Keras' default
        (``valid``) is taken.
    input_shape
        (height, width, channels); at least 10 pixels a side for ``table_2``, 20 for ``table_3``;
        3 channels for ``inception_v3``.
    n_classes
        Number of logits.
    seed
        Seed of the initial weights and of dropout.
    options
        ``width``, a factor on the filters of every convolution and the nodes of every hidden layer (1
        in the report); for ``inception_v3`` also ``input_size`` and ``weights`` as in
        :func:`_inception_v3`.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"no architecture {architecture!r}; there are {', '.join(ARCHITECTURES)}")
    if n_classes < 2:
        raise ValueError(f"a classifier needs at least 2 classes, not {n_classes}")
    with _drawing_from(seed):
        return _built(architecture, input_shape, n_classes, options)


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Let Keras draw the seeds of initial weights and dropout from a generator of this network's own.

    It takes Python's global one, from which other threads, such as those of Dask, draw meanwhile. (Its
    own set_random_seed also seeds TensorFlow, which then compiles everything anew.)
    """
    usual = seed_generator.python_random
    seed_generator.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_generator.python_random = usual


def _built(architecture, input_shape, n_classes, options) -> keras.Model:
    inputs = keras.Input(input_shape, name="pixels")
    if architecture == "inception_v3":
        return _inception_v3(inputs, n_classes, **options)
    width = options.pop("width", 1.0)
    if options:
        raise ValueError(f"{architecture} takes no option but width, not {', '.join(options)}")
    stack = _table_2 if architecture == "table_2" else _table_3
    outputs = inputs
    for layer in stack(n_classes, lambda n: _times(n, width)):
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name=architecture)


def _times(n: int, width: float) -> int:
    """Give so many filters or nodes, of `n` at width 1; at least one."""
    return max(1, round(n * width))


def _table_2(n_classes: int, wide: Callable[[int], int]) -> list[keras.Layer]:
    layers = keras.layers
    return [
        layers.Conv2D(wide(32), 5, activation="relu"),
        layers.Conv2D(wide(64), 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(wide(128), activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(n_classes, name="logits"),
    ]


def _table_3(n_classes: int, wide: Callable[[int], int]) -> list[keras.Layer]:
    layers = keras.layers
    return [
        layers.Conv2D(wide(32), 5, activation="relu"),
        layers.Conv2D(wide(32), 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Conv2D(wide(64), 3, activation="relu"),
        layers.Conv2D(wide(64), 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(wide(512), activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(n_classes, name="logits"),
    ]


def _inception_v3(
    inputs, n_classes: int, *, input_size: int = 299, width: float = 1.0, weights: str = "none"
) -> keras.Model:
    """InceptionV3 (Szegedy et al. 2016, arXiv 1512.00567) with a last layer of `n_classes`.

    Parameters
    ----------
    input_size
        Side that the images are resized to inside the network, at least 75; 299 in the report.
    width
        Factor on the number of filters of every convolution; 1 in the report.
    weights
        ``none``, or ``imagenet`` for Keras' pretrained ones (a download; needs ``width=1``).
    """
    if input_size < 75:
        raise ValueError(f"InceptionV3 needs an input_size of at least 75, not {input_size}")
    if weights not in ("none", "imagenet"):
        raise ValueError(f"weights {weights!r}: expected 'none' or 'imagenet'")
    if weights == "imagenet" and width != 1:
        raise ValueError(f"pretrained weights exist for width = 1 only, not {width}")
    body = keras.applications.InceptionV3(
        include_top=False,
        weights="imagenet" if weights == "imagenet" else None,
        input_shape=(input_size, input_size, 3),
        pooling="avg",
    )
    if weights == "none":
        body = keras.models.clone_model(body, clone_function=_scaled(width))
    outputs = keras.layers.Resizing(input_size, input_size, name="resize")(inputs)
    outputs = keras.layers.Rescaling(2.0, offset=-1.0, name="rescale")(outputs)
    outputs = keras.layers.Dense(n_classes, name="logits")(body(outputs))
    return keras.Model(inputs, outputs, name="inception_v3")


def _scaled(width: float) -> Callable[[keras.Layer], keras.Layer]:
    """Clone a layer with `width` times its filters, and batch norm for short trainings."""

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if "filters" in config:
            config["filters"] = _times(config["filters"], width)
        if isinstance(layer, keras.layers.BatchNormalization):
            # With Keras' 0.99 the moving averages lag behind for hundreds of updates, and a short
            # training would be tested at chance.
            config["momentum"] = 0.9
        return type(layer).from_config(config)

    return clone
