"""Bagging with Gaussian noise, the ensemble as one model, and how its members vote."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from helpers.models.training import split_validation, train

VOTES = ("mean", "majority")
# What the members' outputs are averaged as, for an ensemble that is attacked as one model.
COMBINATIONS = ("probabilities", "log_probabilities", "logits")


def add_noise(x: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Add Gaussian noise of standard deviation `sigma` to images in [0, 1] and clip them to it.

    Parameters
    ----------
    x
        Images, float32 (n, height, width, channels), in [0, 1].
    sigma
        In units of pixel values, at least 0.
    seed
        Decides the noise.
    """
    if not (np.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma = {sigma}: a finite number of at least 0 is needed")
    if sigma == 0:
        return x.copy()
    noise = np.random.default_rng([seed, 3]).standard_normal(x.shape, np.float32)
    noise *= np.float32(sigma)
    noise += x
    return np.clip(noise, 0.0, 1.0, out=noise)


def bootstrap(n: int, seed: int) -> np.ndarray:
    """Draw `n` of `n` row numbers with replacement (Breiman 1996); int64 (n,).

    On average 1 - (1 - 1/n)^n of the rows are in it, 63.2 % for large n.
    """
    if n < 1:
        raise ValueError("a bootstrap replicate needs at least one image to draw from")
    return np.random.default_rng([seed, 4]).integers(0, n, n)


def replicate(
    x: np.ndarray,
    y: np.ndarray,
    *,
    member: int,
    sigma: float,
    seed: int,
    noise: str = "once",
    resample: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Make the training set of one member: noise on all images, then a bootstrap replicate.

    Parameters
    ----------
    x, y
        The training set.
    member
        The member's number, counted from 1; each has its own replicate.
    sigma, seed
        As in :func:`add_noise`.
    noise
        ``once``: all members draw from the same noisy images, as in the report; ``per_member``: each
        member's images get noise of their own.
    resample
        Whether to draw a replicate; if not, the member gets every image once.

    Returns
    -------
    (x, y)
        Images and labels of the replicate, as many as were given.
    """
    if member < 1:
        raise ValueError(f"member = {member}: members are numbered from 1")
    if noise not in ("once", "per_member"):
        raise ValueError(f"noise = {noise!r}: expected 'once' or 'per_member'")
    noisy = add_noise(x, sigma, seed if noise == "once" else member_seed(seed, member))
    if not resample:
        return noisy, y
    rows = bootstrap(len(y), member_seed(seed, member))
    return noisy[rows], y[rows]


Images = tuple[np.ndarray, np.ndarray]  # with their labels


def set_aside(
    x: np.ndarray, y: np.ndarray, validation_fraction: float, *, seed: int, **recipe
) -> tuple[Images, Images]:
    """Set validation images aside, and make a member's training set of the others.

    All members of a team set the same images aside, without noise: those that a model trained from
    `seed` on the clean training set does.

    Parameters
    ----------
    x, y, seed, recipe
        As in :func:`replicate`.
    validation_fraction
        As in :func:`helpers.models.training.split_validation`.

    Returns
    -------
    (replicate, validation)
        Images and labels of both; no image is in both.
    """
    rows, validation = split_validation(y, validation_fraction, seed)
    return replicate(x[rows], y[rows], seed=seed, **recipe), (x[validation], y[validation])


def member_seed(seed: int, member: int) -> int:
    """Give each member of each ensemble a seed of its own."""
    return int(np.random.SeedSequence([seed, 5, member]).generate_state(1)[0] % 2**31)


def train_member(
    build: Callable[[int], keras.Model],
    x: np.ndarray,
    y: np.ndarray,
    *,
    member: int,
    sigma: float,
    seed: int,
    noise: str = "once",
    resample: bool = True,
    **training,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train one member: a new instance of the network on its own noisy bootstrap replicate.

    The images that early stopping watches are set aside before the replicate is drawn from the others
    (:func:`set_aside`): drawn first, most of them would be among those that the member is trained on.

    Parameters
    ----------
    build
        ``build(seed)`` makes an untrained network.
    x, y, member, sigma, seed, noise, resample
        As in :func:`set_aside`.
    training
        As for :func:`helpers.models.training.train`.

    Returns
    -------
    (model, history)
    """
    (x_member, y_member), validation = set_aside(
        x, y, training["validation_fraction"],
        member=member, sigma=sigma, seed=seed, noise=noise, resample=resample,
    )  # fmt: skip
    model = build(member_seed(seed, member))
    history = train(
        model,
        x_member,
        y_member,
        seed=member_seed(seed, member),
        validation=validation,
        title=f"member {member}",
        **training,
    )
    return model, history


@keras.saving.register_keras_serializable("helpers")
class Ensemble(keras.Model):
    """Several classifiers as one: returns the log of the mean of the members' probabilities.

    A Keras model like any other, so whatever attacks a model attacks the ensemble as a whole.

    Parameters
    ----------
    members
        Keras models that return logits, with the same input shape and number of classes.
    combine
        What is averaged: ``probabilities``, the members' vote; or, for attacks that find the gradient
        of another mean easier to follow, ``logits`` or ``log_probabilities``. The loss ``likelihood``
        of the last is the mean of the members' losses.
    """

    def __init__(self, members: list[keras.Model], combine: str = "probabilities", **kwargs):
        super().__init__(**kwargs)
        if combine not in COMBINATIONS:
            raise ValueError(f"combine = {combine!r}; there are {', '.join(COMBINATIONS)}")
        if not members:
            raise ValueError("an ensemble needs at least one member")
        shapes = {(m.input_shape, m.output_shape) for m in members}
        if len(shapes) > 1:
            raise ValueError(f"the members differ in their input or output shapes: {shapes}")
        self.members, self.combine = list(members), combine
        self.built = True  # the members are

    @property
    def input_shape(self):
        return self.members[0].input_shape

    @property
    def output_shape(self):
        return self.members[0].output_shape

    def call(self, inputs, training=False):
        ops = keras.ops
        outputs = ops.stack([m(inputs, training=training) for m in self.members])
        if self.combine == "logits":
            return ops.mean(outputs, axis=0)
        logs = ops.log_softmax(outputs, axis=-1)
        if self.combine == "log_probabilities":
            return ops.mean(logs, axis=0)
        return ops.logsumexp(logs, axis=0) - np.log(len(self.members))

    def get_config(self):
        members = [keras.saving.serialize_keras_object(m) for m in self.members]
        return super().get_config() | {"members": members, "combine": self.combine}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        members = [keras.saving.deserialize_keras_object(m) for m in config.pop("members")]
        return cls(members, **config)


def vote(logits: np.ndarray, rule: str = "mean") -> np.ndarray:
    """Predict with the first 1, 2, ..., n members, from one prediction of each.

    Parameters
    ----------
    logits
        (members, images, classes).
    rule
        ``mean`` of the probabilities, or ``majority`` of the members' predictions; a tied majority
        goes to the tied class with the larger mean probability.

    Returns
    -------
    np.ndarray
        int64 (members, images): row k is the decision of members 1 to k + 1.
    """
    if rule not in VOTES:
        raise ValueError(f"no rule {rule!r}; there are {', '.join(VOTES)}")
    if logits.ndim != 3 or not len(logits):
        raise ValueError(f"logits must be (members, images, classes), not {logits.shape}")
    logits = logits.astype(np.float64)
    probabilities = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    sizes = np.arange(1, len(logits) + 1)[:, None, None]
    mean = probabilities.cumsum(0) / sizes
    if rule == "mean":
        return mean.argmax(-1)
    ballots = np.eye(logits.shape[-1])[logits.argmax(-1)].cumsum(0)
    # Ballots are whole numbers and a mean is at most 1, so half of it only ever breaks ties.
    return (ballots + mean / 2).argmax(-1)
