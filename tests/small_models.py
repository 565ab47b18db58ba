"""Small models whose answers are known, and images for them."""

from functools import cache

import keras
import numpy as np

from helpers.models import networks, training

SHAPE = (4, 4, 1)


def linear_model(n_classes: int = 3, seed: int = 0, scale: float = 1.0) -> keras.Model:
    """A softmax regression: logits = W x + b, so gradients and distances have closed forms."""
    model = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(n_classes)]
    )
    generator = np.random.default_rng(seed)
    weights = generator.normal(0, scale, (16, n_classes)).astype(np.float32)
    model.set_weights([weights, np.zeros(n_classes, np.float32)])
    return model


def small_network(n_classes: int = 3, seed: int = 0, shape=SHAPE) -> keras.Model:
    """A small convolutional network with dropout and ReLU."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Conv2D(8, 2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(n_classes),
        ]
    )


def images(n: int = 12, seed: int = 0) -> np.ndarray:
    """Images well inside [0, 1], so that small steps are not clipped."""
    return np.random.default_rng(seed).uniform(0.3, 0.7, (n, *SHAPE)).astype(np.float32)


def blobs(n: int = 240, n_classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes that a network learns in a second: one bright row each, with noise."""
    generator = np.random.default_rng(seed)
    y = np.arange(n, dtype=np.int32) % n_classes
    x = generator.uniform(0, 0.6, (n, *SHAPE))
    x[np.arange(n), y] += 0.3
    return np.clip(x, 0, 1).astype(np.float32), y


def art_classifier(model: keras.Model, **options):
    """The model as users of adversarial-robustness-toolbox have it, with the loss that is theirs."""
    from art.estimators.classification import TensorFlowV2Classifier  # takes long

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    usual = {"loss_object": loss, "clip_values": (0.0, 1.0)}
    shapes = {"nb_classes": model.output_shape[-1], "input_shape": model.input_shape[1:]}
    return TensorFlowV2Classifier(model=model, **shapes, **usual | options)


@cache
def inception() -> keras.Model:
    """A narrow InceptionV3 for ten classes of 64 x 64 pixels; to be read, not changed."""
    return networks.build("inception_v3", (64, 64, 3), 10, seed=0, input_size=75, width=0.25)


@cache
def trained() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """A network that has learned the blobs, with the first of them, as images of 8 x 8 pixels."""
    x, y = blobs()
    x = x.repeat(2, axis=1).repeat(2, axis=2)
    model = small_network(shape=x.shape[1:])
    training.train(
        model, x, y, epochs=8, batch_size=32, learning_rate=0.01, patience=8,
        validation_fraction=0.2, seed=0,
    )  # fmt: skip
    return model, x[:24], y[:24]
