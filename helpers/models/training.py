"""How a network is trained: Adam, early stopping, and a state to go on from after an interruption."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
from tqdm import tqdm

from helpers.models import gradients

# The trained state is parked at most this often while a network trains, in seconds.
CHECKPOINT_INTERVAL = 20.0


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


def flipped_and_shifted(x: np.ndarray, batch: int, *, seed: tuple[int, ...]) -> np.ndarray:
    """Mirror half of the images, and shift each by up to an eighth of its sides, all at random.

    What is shifted out is lost, and what comes in is black: a random crop of the padded image.

    Parameters
    ----------
    x
        Images, float32 (n, height, width, channels).
    batch
        Number of the batch; with `seed` it decides what is drawn.
    """
    generator, (n, height, width) = np.random.default_rng([*seed, batch]), x.shape[:3]
    x = np.where(generator.integers(0, 2, n)[:, None, None, None] == 1, x[:, :, ::-1], x)
    most = np.array([height // 8, width // 8])
    padded = np.pad(x, [(0, 0), *((k, k) for k in most), (0, 0)])
    corners = generator.integers(0, 2 * most + 1, (n, 2))
    return np.stack(
        [
            image[i : i + height, j : j + width]
            for image, (i, j) in zip(padded, corners, strict=True)
        ]
    )


def _trainer(model: keras.Model, learning_rate: float) -> tuple:
    """Get Adam from its start and the compiled step; a model trained before is not traced again."""
    trainers = gradients.compiled(model).trainers
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
            state = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
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
        (part / "state.json").write_text(json.dumps(state), encoding="utf-8")
        shutil.rmtree(self.folder, ignore_errors=True)
        part.rename(self.folder)
        self.saved = time.monotonic()

    def _read(self, name: str) -> list[np.ndarray]:
        with np.load(self.folder / f"{name}.npz", allow_pickle=False) as file:
            return [file[f"arr_{number}"] for number in range(len(file.files))]


def _epoch(step, x, y, extra, per_batch, changed, order, batch_size, bar) -> dict[str, float]:
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
        if changed is not None:
            images = changed(images, start)
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
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    augment: bool = False,
    decay: bool = False,
    after_epoch: Callable[[keras.Model], dict[str, float]] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Path | None = None,
    title: str = "training",
) -> dict[str, list[float]]:
    """Train `model` in place with Adam on the softmax cross-entropy of its logits.

    Stops when the accuracy of the validation images, which are taken from `x` unless given, has not
    risen for `patience` epochs, and restores the weights of the best epoch. With `watch`, the mean of
    that accuracy and of what `watch` returns decides.

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
    validation
        Validation images and labels that were set aside before: all of `x` is then trained on.
    augment
        Flip and shift each batch's images at random (:func:`flipped_and_shifted`), the validation
        images never.
    decay
        Lower the learning rate from epoch to epoch, along half a cosine that would reach zero after
        the last (Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts).
    after_epoch
        Called after each epoch with the model; the numbers it returns join the history.
    callbacks
        Keras callbacks, such as ``TensorBoard`` (where that is installed): told of the training's and
        each epoch's begin and end, with the epoch's numbers. One that sets ``model.stop_training``
        ends the training.
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
    if validation is None:
        rows, held = split_validation(y, validation_fraction, seed)
        (x_val, y_val), (x_fit, y_fit) = (x[held], y[held]), (x[rows], y[rows])
    else:
        (x_val, y_val), (x_fit, y_fit) = validation, (x, y)
    optimizer, step = _trainer(model, learning_rate)
    parked = _Checkpoint(checkpoint, model, optimizer)
    state = parked.load() or {"history": {}, "best": None, "best_accuracy": -1.0, "best_epoch": 0}
    history, best = state["history"], state["best"]
    best_accuracy, best_epoch = state["best_accuracy"], state["best_epoch"]
    first = len(history.get("loss", []))
    seconds = history.pop("seconds", [0.0])[0]
    steps = -(-len(y_fit) // batch_size)
    if callbacks:
        model.compile(optimizer)  # callbacks look up the learning rate there
    told = keras.callbacks.CallbackList(list(callbacks), model=model)
    model.stop_training = False
    told.on_train_begin()
    with tqdm(total=epochs * steps, initial=first * steps, desc=title, mininterval=2) as bar:
        for epoch in range(first, epochs):
            started = time.process_time()  # of all cores: what else the machine does hardly counts
            if model.stop_training or (epoch - best_epoch >= patience and best_epoch):
                break
            told.on_epoch_begin(epoch)
            _seed_dropout(model, seed, epoch)
            share = (1 + np.cos(np.pi * epoch / epochs)) / 2 if decay else 1.0
            optimizer.learning_rate.assign(learning_rate * share)
            order = np.random.default_rng([seed, 2, epoch]).permutation(len(y_fit))
            changed = partial(flipped_and_shifted, seed=(seed, 10, epoch)) if augment else None
            more = extra(model, epoch) if extra else None
            each = partial(per_batch, model) if per_batch else None
            row = _epoch(step, x_fit, y_fit, more, each, changed, order, batch_size, bar)
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
            told.on_epoch_end(epoch, row)
    model.set_weights(best)
    told.on_train_end()
    return history | {"best_epoch": [best_epoch], "seconds": [round(seconds, 3)]}
