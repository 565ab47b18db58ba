"""The report's three networks, and how they are trained.

All return logits, and all scaling or resizing of pixels happens inside them, so that an attack works
on raw pixels in [0, 1].
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
from tqdm import tqdm

from helpers import gradients

ARCHITECTURES = {
    "table_2": (28, 28, 1),
    "table_3": (32, 32, 3),
    "inception_v3": (64, 64, 3),
}

# Where a trained state is parked at most this often while a network trains, in seconds.
CHECKPOINT_INTERVAL = 20.0


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
        For ``inception_v3``: ``input_size``, ``width``, ``weights`` as in :func:`_inception_v3`.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"no architecture {architecture!r}; there are {', '.join(ARCHITECTURES)}")
    if n_classes < 2:
        raise ValueError(f"a classifier needs at least 2 classes, not {n_classes}")
    # Keras draws the seeds of initial weights and dropout from Python's generator. (Its own
    # set_random_seed also seeds TensorFlow, which then compiles everything anew.)
    random.seed(seed)
    inputs = keras.Input(input_shape, name="pixels")
    if architecture == "inception_v3":
        return _inception_v3(inputs, n_classes, **options)
    if options:
        raise ValueError(f"{architecture} takes no options, not {', '.join(options)}")
    stack = _table_2(n_classes) if architecture == "table_2" else _table_3(n_classes)
    outputs = inputs
    for layer in stack:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name=architecture)


def _table_2(n_classes: int) -> list[keras.Layer]:
    layers = keras.layers
    return [
        layers.Conv2D(32, 5, activation="relu"),
        layers.Conv2D(64, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(n_classes, name="logits"),
    ]


def _table_3(n_classes: int) -> list[keras.Layer]:
    layers = keras.layers
    return [
        layers.Conv2D(32, 5, activation="relu"),
        layers.Conv2D(32, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
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
            config["filters"] = max(1, round(config["filters"] * width))
        if isinstance(layer, keras.layers.BatchNormalization):
            # With Keras' 0.99 the moving averages lag behind for hundreds of updates, and a short
            # training would be tested at chance.
            config["momentum"] = 0.9
        return type(layer).from_config(config)

    return clone


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Give dropout a new seed for each epoch, so that a resumed training goes on as it would have."""
    for number, variable in enumerate(model.variables):
        if "seed_generator" in variable.path:
            state = np.random.SeedSequence([seed, 9, epoch, number]).generate_state(2)
            variable.assign(state.astype(variable.dtype))


def split_validation(y: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split image numbers into a training and a validation part, stratified by class.

    Returns
    -------
    (train, validation)
        Sorted int64 arrays; each class gives `fraction` of its images (rounded, at least one where
        it has two) to validation.
    """
    generator = np.random.default_rng([seed, 1])
    chosen = []
    for label in np.unique(y):
        rows = generator.permutation(np.flatnonzero(y == label))
        count = max(round(len(rows) * fraction), 1 if len(rows) > 1 else 0)
        chosen.append(rows[:count])
    validation = np.sort(np.concatenate(chosen))
    if len(validation) == 0 or len(validation) == len(y):
        raise ValueError(
            f"{len(y)} images in {len(chosen)} classes cannot be split into a training and a "
            "validation part; at least two images of some class are needed"
        )
    return np.setdiff1d(np.arange(len(y)), validation), validation


def _trainer(model: keras.Model, learning_rate: float) -> tuple:
    """Get Adam from its start and the compiled step; a model trained before is not traced again."""
    trainers = vars(model).setdefault("_trainers", {})
    if learning_rate not in trainers:
        optimizer = keras.optimizers.Adam(learning_rate)
        trainers[learning_rate] = optimizer, gradients.training_step(model, optimizer)
    optimizer, step = trainers[learning_rate]
    for variable in optimizer.variables:
        if variable is not optimizer.learning_rate:
            variable.assign(keras.ops.zeros_like(variable))
    return optimizer, step


class _Checkpoint:
    """The state of a training, parked in a folder that is replaced whole."""

    def __init__(self, folder: Path | None, model: keras.Model, optimizer):
        self.folder, self.model, self.optimizer = folder, model, optimizer
        self.saved = time.monotonic()

    def load(self) -> dict | None:
        if self.folder is None or not (self.folder / "state.json").is_file():
            return None
        try:
            state = json.loads((self.folder / "state.json").read_text())
            weights, moments, best = (self._read(name) for name in ("now", "adam", "best"))
        except (OSError, ValueError, KeyError, BadZipFile):
            # Damaged: the training starts anew, which is all that a checkpoint could save.
            return None
        self.model.set_weights(weights)
        for variable, value in zip(self.optimizer.variables, moments, strict=True):
            variable.assign(value)
        return state | {"best": best}

    def save(self, best: list[np.ndarray], **state) -> None:
        if self.folder is None or time.monotonic() - self.saved < CHECKPOINT_INTERVAL:
            return
        part = self.folder.with_name(f"{self.folder.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        moments = [keras.ops.convert_to_numpy(value) for value in self.optimizer.variables]
        for name, values in (("now", self.model.get_weights()), ("adam", moments), ("best", best)):
            np.savez(part / f"{name}.npz", *values)
        (part / "state.json").write_text(json.dumps(state))
        shutil.rmtree(self.folder, ignore_errors=True)
        part.rename(self.folder)
        self.saved = time.monotonic()

    def _read(self, name: str) -> list[np.ndarray]:
        with np.load(self.folder / f"{name}.npz", allow_pickle=False) as file:
            return [file[f"arr_{number}"] for number in range(len(file.files))]


def _epoch(step, x, y, extra, per_batch, order, batch_size, bar) -> dict[str, float]:
    """Go through the images once; returns the mean loss and accuracy over all that were shown."""
    loss_sum, n_correct, n = 0.0, 0, 0
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        images, labels = x[rows], y[rows]
        if extra is not None:
            # A smaller set of extra images is gone through several times in an epoch.
            x_extra, y_extra = extra
            rows = rows % len(y_extra)
            images = np.concatenate([images, x_extra[rows]])
            labels = np.concatenate([labels, y_extra[rows]])
        if per_batch is not None:
            images = np.concatenate([images, per_batch(images, labels)])
            labels = np.concatenate([labels, labels])
        loss, correct = step(images, labels)
        loss_sum += float(loss) * len(labels)
        n_correct += int(correct)
        n += len(labels)
        bar.update()
    return {"loss": loss_sum / n, "accuracy": n_correct / n}


def _validate(model: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    scores = gradients.logits(model, x).astype(np.float64)
    top = scores.max(-1)
    losses = np.log(np.exp(scores - top[:, None]).sum(-1)) + top - scores[np.arange(len(y)), y]
    return {"val_loss": losses.mean(), "val_accuracy": (scores.argmax(-1) == y).mean()}


def train(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    patience: int,
    validation_fraction: float,
    seed: int,
    extra: Callable[[keras.Model, int], tuple[np.ndarray, np.ndarray]] | None = None,
    per_batch: Callable[[keras.Model, np.ndarray, np.ndarray], np.ndarray] | None = None,
    watch: Callable[[keras.Model, np.ndarray, np.ndarray], float] | None = None,
    after_epoch: Callable[[keras.Model], dict[str, float]] | None = None,
    checkpoint: Path | None = None,
    title: str = "training",
) -> dict[str, list[float]]:
    """Train `model` in place with Adam on the softmax cross-entropy of its logits.

    Stops when the accuracy of the validation images, which are taken from `x`, has not risen for
    `patience` epochs, and restores the weights of the best epoch. With `watch`, the mean of that
    accuracy and of what `watch` returns decides.

    Parameters
    ----------
    model
        A Keras model that returns logits.
    x, y
        Training images, float32 (n, height, width, channels), and int32 labels (n,).
    epochs, batch_size, learning_rate, patience, validation_fraction, seed
        As their names say; `seed` decides the split and the order of the images.
    extra
        Called before each epoch with the model and the epoch (from 0): further images with their
        labels, of which each batch gets as many as of clean ones, so that both losses weigh the
        same. Adversarial retraining is this.
    per_batch
        Called for each batch with the model as it then stands, the images and the labels: a further
        version of each of these images.
    watch
        Called after each epoch with the model and the validation images and labels: a further
        accuracy, such as that of their adversarial versions.
    after_epoch
        Called after each epoch with the model; the numbers it returns join the history.
    checkpoint
        Folder in which the state is parked now and then; an interrupted training resumes from it.
    title
        Name on the progress bar.

    Returns
    -------
    dict
        ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``, ``val_watched`` and what `after_epoch`
        gave, one value an epoch; ``best_epoch`` (counted from 1) and ``seconds``, of processor
        time, hold one value.
    """
    if len(x) != len(y):
        raise ValueError(f"{len(x)} images, but {len(y)} labels")
    rows, validation = split_validation(y, validation_fraction, seed)
    x_val, y_val = x[validation], y[validation]
    x_fit, y_fit = x[rows], y[rows]
    optimizer, step = _trainer(model, learning_rate)
    parked = _Checkpoint(checkpoint, model, optimizer)
    state = parked.load() or {"history": {}, "best": None, "best_accuracy": -1.0, "best_epoch": 0}
    history, best = state["history"], state["best"]
    best_accuracy, best_epoch = state["best_accuracy"], state["best_epoch"]
    first = len(history.get("loss", []))
    seconds = history.pop("seconds", [0.0])[0]
    steps = -(-len(rows) // batch_size)
    with tqdm(total=epochs * steps, initial=first * steps, desc=title, mininterval=2) as bar:
        for epoch in range(first, epochs):
            started = time.process_time()  # of all cores: what else the machine does hardly counts
            if epoch - best_epoch >= patience and best_epoch:
                break
            _seed_dropout(model, seed, epoch)
            order = np.random.default_rng([seed, 2, epoch]).permutation(len(rows))
            more = extra(model, epoch) if extra else None
            each = partial(per_batch, model) if per_batch else None
            row = _epoch(step, x_fit, y_fit, more, each, order, batch_size, bar)
            row |= _validate(model, x_val, y_val)
            accuracy = row["val_accuracy"]
            if watch is not None:
                row["val_watched"] = watch(model, x_val, y_val)
                accuracy = (accuracy + row["val_watched"]) / 2
            seconds += time.process_time() - started
            row |= after_epoch(model) if after_epoch else {}
            for name, value in row.items():
                history.setdefault(name, []).append(float(value))
            bar.set_postfix_str(f"validation accuracy {row['val_accuracy']:.3f}")
            if accuracy > best_accuracy:
                best_accuracy, best_epoch = float(accuracy), epoch + 1
                best = model.get_weights()
            parked.save(
                best,
                history=history | {"seconds": [seconds]},
                best_accuracy=best_accuracy,
                best_epoch=best_epoch,
            )
    model.set_weights(best)
    return history | {"best_epoch": [best_epoch], "seconds": [round(seconds, 3)]}
