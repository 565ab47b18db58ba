"""A classifier of the user's own, made fit for attacks; the report's networks for other images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import keras
import numpy as np
from scipy.special import softmax

from helpers.files import file_digest, no_file, too_large
from helpers.models import answers, networks

# Sides below which a network's layers without padding leave nothing.
SMALLEST = {"table_2": 10, "table_3": 20, "inception_v3": 1}
INCEPTION_CHANNELS = 3

SAME = 1e-5  # rounding of a probability


def network_for(architecture: str, input_shape: tuple[int, int, int]) -> str:
    """Name the network for images of this shape: the one asked for, or, for ``""``, the report's.

    Raises
    ------
    ValueError
        If the report has none for such images, or they are too small for the one asked for.
    """
    if architecture:
        problem = _unfit(architecture, input_shape)
        if problem:
            raise ValueError(f"architecture = {architecture!r} {problem}")
        return architecture
    try:
        return networks.architecture_for(input_shape)
    except ValueError as error:
        fit = [name for name in SMALLEST if not _unfit(name, input_shape)]
        choice = f"say with the parameter architecture which to train: {', '.join(fit)}"
        raise ValueError(f"{error}; {choice if fit else 'none of them fits these'}") from None


def _unfit(architecture: str, input_shape: tuple[int, int, int]) -> str:
    """Say in words why a network cannot take images of this shape; empty if it can."""
    side, channels = min(input_shape[:2]), input_shape[2]
    if side < SMALLEST[architecture]:
        return f"needs images of at least {SMALLEST[architecture]} pixels a side, these have {side}"
    if architecture == "inception_v3" and channels != INCEPTION_CHANNELS:
        return f"needs images of {INCEPTION_CHANNELS} channels, these have {channels}"
    return ""


@dataclass(frozen=True)
class OwnModel:
    """A classifier from a file.

    Attributes
    ----------
    model
        Returns logits for images of the data set's shape.
    file
        Name of the file.
    digest
        SHA-256 of the file: its weights and architecture.
    stripped
        Whether a softmax was taken off its end.
    """

    model: keras.Model
    file: str
    digest: str
    stripped: bool

    @property
    def values(self) -> dict[str, Any]:
        """What a record says of it."""
        return {
            "file": self.file,
            "sha256": self.digest,
            "softmax_removed": self.stripped,
            "outputs": self.model.output_shape[-1],
            "weights": self.model.count_params(),
        }

    @property
    def note(self) -> str:
        """The same in a line."""
        stripped = ", its softmax taken off" if self.stripped else ""
        return (
            f"{self.file}: {self.model.output_shape[-1]} outputs, {self.model.count_params():,} weights"
            f"{stripped}, SHA-256 {self.digest[:16]}"
        )


def load_classifier(path: Path, x: np.ndarray, n_classes: int) -> OwnModel:
    """Load a Keras classifier and make it return logits for images like `x`.

    A softmax that is its last layer, or the activation of its last layer, is taken off. A model that
    takes grey images without a channel, flat images, or images of any size is given a layer that
    makes the data set's images such.

    Parameters
    ----------
    path
        A ``.keras`` file. Only layers that come with Keras (or this project) are loaded, never code.
    x
        Images, float32 (n, height, width, channels) in [0, 1]; the first few try the model out.
    n_classes
        Number of classes of the labels; the model may have more outputs.

    Raises
    ------
    ValueError
        If the file cannot be loaded, the model does not fit the images or labels, answers at random,
        or returns anything but logits and cannot be made to.
    """
    model = _load(path)
    taken = _input_shape(path, model, x.shape[1:])
    n_outputs = model.output_shape[-1]
    if n_outputs < max(n_classes, 2):
        raise ValueError(
            f"{path} has {n_outputs} output(s), but the labels have {n_classes} classes; expected one "
            "output for each class, also where there are only two"
        )
    tried = x[: answers.SAMPLE].reshape(-1, *taken)
    before = _outputs(path, model, tried)
    _check_repeats(path, model, tried, before)
    stripped = _are_probabilities(before)
    if stripped:
        model = _without_softmax(model)
        after = _outputs(path, model, tried)
        again = softmax(after.astype(np.float64), axis=-1)
        if _are_probabilities(after) or not np.allclose(again, before, atol=SAME):
            raise ValueError(
                f"{path} returns probabilities, and they do not come from a softmax at its very end, "
                "which could be taken off. Attacks need logits, because a saturated softmax has no "
                "gradient left: save the model without the layers after its logits"
            )
    elif _ending(model) == "sigmoid":
        raise ValueError(
            f"{path} ends in a sigmoid; expected logits, or a softmax over the classes. A sigmoid says "
            "yes or no to each class by itself, and saturates"
        )
    if model.input_shape[1:] != x.shape[1:]:
        inputs = keras.Input(x.shape[1:], name="pixels")
        outputs = model(keras.layers.Reshape(taken)(inputs))
        model = keras.Model(inputs, outputs, name=model.name)
    return OwnModel(model, path.name, file_digest(path), stripped)


def _load(path: Path) -> keras.Model:
    if problem := no_file(path):
        raise ValueError(f"{path}: {problem}; a relative path starts at the project's folder")
    if not is_zipfile(path):
        raise ValueError(f"{path} is no .keras file, or a damaged one; model.save(path) writes one")
    try:
        problem = too_large(path)
    except (OSError, BadZipFile) as error:
        raise ValueError(f"{path} is a damaged .keras file ({error})") from error
    if problem:
        raise ValueError(f"{path}: {problem}")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever Keras meets in a file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise ValueError(
            f"{path} cannot be loaded: {reason} -- Only layers that come with Keras are loaded, never "
            "code (Lambda, custom layers): build the model of Keras' layers, give it the weights, and "
            "save it with model.save(path)"
        ) from error


def _input_shape(path: Path, model: keras.Model, given: tuple[int, ...]) -> tuple[int, ...]:
    """Find the shape in which the model takes an image of the given shape."""
    try:
        shapes = model.input_shape, model.output_shape
    except AttributeError:
        raise ValueError(
            f"{path} has no input shape yet; begin the model with keras.Input(shape), or train it "
            "before saving"
        ) from None
    if not all(isinstance(shape, tuple) and _is_plain(shape) for shape in shapes):
        raise ValueError(f"{path} has several inputs or outputs; expected images in, logits out")
    (n, *taken), outputs = shapes
    if n is not None:
        raise ValueError(
            f"{path} takes batches of exactly {n}; expected keras.Input(shape) without a batch size"
        )
    if len(outputs) != 2 or outputs[1] is None:
        raise ValueError(f"{path} returns {outputs}; expected (None, classes)")
    forms = [given, (math.prod(given),)] + [given[:2]] * (given[2] == 1)
    for form in forms:
        if len(form) == len(taken) and all(
            a in (None, b) for a, b in zip(taken, form, strict=True)
        ):
            return form
    raise ValueError(
        f"{path} takes images of shape {tuple(taken)}, those of the data set are {tuple(given)}; "
        "resize the images, or begin the model with keras.Input"
        f"({tuple(given)}) and keras.layers.Resizing"
    )


def _is_plain(shape: tuple) -> bool:
    return all(side is None or isinstance(side, int) for side in shape)


def _outputs(path: Path, model: keras.Model, x: np.ndarray) -> np.ndarray:
    outputs = keras.ops.convert_to_numpy(model(x, training=False))
    if outputs.dtype != np.float32:
        raise ValueError(
            f"{path} computes in {outputs.dtype}, attacks in float32: build the model under "
            "keras.config.set_dtype_policy('float32'), give it the weights, and save it"
        )
    if not np.isfinite(outputs).all():
        raise ValueError(f"{path} returns NaN or infinite values; train it anew")
    return outputs


def _check_repeats(path: Path, model: keras.Model, x: np.ndarray, outputs: np.ndarray) -> None:
    layers = answers.acts_in_training(model, x, outputs)
    if not layers and np.allclose(_outputs(path, model, x), outputs, rtol=SAME, atol=SAME):
        return
    what = "something in it draws at random"
    if layers:
        what = (
            f"{', '.join(layers)} was called with training=True, and acts as in training in use too"
        )
    raise ValueError(
        f"{path} answers differently when asked again: {what}. Such a model takes attacks that average "
        "over what it draws, and none here does: build it without that, give it the weights, and save "
        "it"
    )


def _are_probabilities(outputs: np.ndarray) -> bool:
    sums = outputs.sum(-1, dtype=np.float64)
    return bool(np.allclose(sums, 1, atol=1e-4) and outputs.min() >= 0)


def _last(model: keras.Model) -> tuple[Any, Any]:
    """Find the operation that makes the model's output, and the tensor that goes into it."""
    if not getattr(model, "outputs", None):  # an Ensemble has no graph of its own
        return None, None
    operation, node, _ = model.outputs[0]._keras_history
    return operation, operation._inbound_nodes[node].input_tensors[0]


def _ending(model: keras.Model) -> str:
    """Name what comes last: the last layer's activation, or the last operation itself."""
    last, _ = _last(model)
    if isinstance(last, keras.Model):  # a model as the last layer of another
        return _ending(last)
    function = getattr(last, "activation", None)
    return getattr(function, "__name__", type(function or last).__name__).lower()


def _without_softmax(model: keras.Model) -> keras.Model:
    """Take off a softmax at the end; a model without one comes back as it is."""
    if _ending(model) != "softmax":
        return model
    last, tensor = _last(model)
    if hasattr(last, "activation"):
        last.activation = keras.activations.linear
        return model
    if isinstance(last, keras.Model):
        tensor = _without_softmax(last)(tensor)
    return keras.Model(model.inputs[0], tensor, name=model.name)
