"""What makes each kind of piece, from plain arguments: here, or wherever an experiment can be set up.

Each function takes the experiment (for its data, its parameters, and the pieces that are needed) and, if
it trains, a folder for checkpoints. :class:`helpers.experiment.pieces.Request` names it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from helpers.attacks import ATTACKS
from helpers.defences import bagging, retraining
from helpers.models import answers, gradients, training

# What is measured after each epoch of retraining, on the first so many test images; PGD from one start.
FOLLOWED, N_FOLLOWED = ("none", "fgsm", "bim", "pgd"), 1000

Trained = tuple[keras.Model, dict[str, list[float]]]


class Workshop:
    """The one model in which an experiment trains: compiling InceptionV3 takes longer than an epoch."""

    def __init__(self):
        self.model: keras.Model | None = None

    def take_in(self, model: keras.Model) -> keras.Model:
        """Copy a model's weights into the workshop; returns the model to train."""
        if self.model is None:
            self.model = keras.models.clone_model(model)
        self.model.set_weights(model.get_weights())
        return self.model

    def take_out(self, history: dict) -> Trained:
        """Copy what was trained out of it."""
        model = keras.models.clone_model(self.model)
        model.set_weights(self.model.get_weights())
        return model, history


def original(experiment, checkpoint: Path) -> Trained:
    """Train the network on the clean training set."""
    data, seed = experiment.data, experiment.p.seed
    history = training.train(
        experiment.workshop.take_in(experiment.build(seed)), data.x_train, data.y_train,
        seed=seed, checkpoint=checkpoint, title="original model", **experiment.training,
    )  # fmt: skip
    return experiment.workshop.take_out(history)


def member(
    experiment, checkpoint: Path, *, number: int, seed: int, recipe: dict[str, Any]
) -> Trained:
    """Train a member of an ensemble on its noisy bootstrap replicate."""
    data, workshop = experiment.data, experiment.workshop
    _, history = bagging.train_member(
        lambda own_seed: workshop.take_in(experiment.build(own_seed)), data.x_train, data.y_train,
        member=number, seed=seed, checkpoint=checkpoint, **recipe, **experiment.training,
    )  # fmt: skip
    return workshop.take_out(history)


def retraining_settings(experiment, attack: str, **changes: Any) -> dict[str, Any]:
    """The settings of an attack in retraining: fewer and longer steps, which go as far; one start.

    `changes` replace some of them; with another `epsilon`, the step `alpha` keeps its ratio to it.
    """
    p, settings = experiment.p, experiment.settings(attack, **changes)
    if "steps" in settings:
        alpha = p.alpha * p.steps / p.retrain_steps * (settings["epsilon"] / p.epsilon)
        settings |= {"steps": p.retrain_steps, "alpha": float(f"{alpha:.12g}")}
    if "restarts" in settings:
        settings["restarts"] = 1
    if "c_steps" in settings:
        settings |= {"c_init": p.lbfgs_train_c, "c_steps": 1}
    return settings | changes


def retrained(
    experiment,
    checkpoint: Path,
    *,
    start: dict[str, Any],
    attack: str,
    settings: dict[str, Any],
    regenerate: str,
    n_adversarial: int,
    replicate: dict[str, Any] | None,
    epochs: int,
    follow: bool,
) -> Trained:
    """Go on training a model on its images and their adversarial versions.

    Parameters
    ----------
    start
        The model that it starts from, as :meth:`Experiment.subject` takes it.
    attack, settings, regenerate, n_adversarial
        Of :func:`helpers.defences.retraining.adversarial_retrain`.
    replicate
        Whose training images it is retrained on: arguments of :func:`bagging.set_aside`, or None.
    epochs
        Most epochs.
    follow
        Whether to note, after each epoch, the accuracy under the attacks of `FOLLOWED`, with
        :func:`follow_settings`.
    """
    before = experiment.subject(start)
    x, y, validation = experiment.data.x_train, experiment.data.y_train, None
    if replicate is not None:
        fraction = experiment.training["validation_fraction"]
        (x, y), validation = bagging.set_aside(x, y, fraction, **replicate)
    label = "clean images" if attack == "none" else ATTACKS[attack].label
    title = None if regenerate == "batch" else f"{label} for training"

    def craft(model, x, y):
        return ATTACKS[attack].craft(model, x, y, progress=title, **settings).x_adv

    history = retraining.adversarial_retrain(
        experiment.workshop.take_in(before.model), x, y, attack=craft, start=before.model,
        n_adversarial=n_adversarial, regenerate=regenerate, seed=experiment.p.seed,
        checkpoint=checkpoint, title=f"{before.id}, retrained on {label}",
        validation=validation,
        after_epoch=(lambda model: followed(experiment, model)) if follow else None,
        **(experiment.training | {"epochs": epochs}),
    )  # fmt: skip
    return experiment.workshop.take_out(history)


def follow_settings(experiment, attack: str) -> dict[str, Any]:
    """The settings of an attack after each epoch of retraining: the chapter's, but one start."""
    settings = experiment.settings(attack)
    return settings | ({"restarts": 1} if "restarts" in settings else {})


def followed(experiment, model: keras.Model) -> dict[str, float]:
    """Measure a model as retraining does after each epoch, attacks made on the model as it stands."""
    x, y = experiment.data.x_test[:N_FOLLOWED], experiment.data.y_test[:N_FOLLOWED]
    row = {}
    for name in FOLLOWED:
        x_adv = ATTACKS[name].craft(model, x, y, **follow_settings(experiment, name)).x_adv
        correct = gradients.logits(model, x_adv).argmax(-1) == y
        row["clean" if name == "none" else name] = float(correct.mean())
    return row


def images(
    experiment, *, attack: str, source: dict[str, Any] | None, settings: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Attack the test images that the attack takes.

    Returns
    -------
    dict
        ``x_adv`` and ``success``, as in :class:`helpers.attacks.inputs.Crafted`; ``zero_gradients``,
        on which shares of the first test images the attacked model's gradients are zero
        (:func:`helpers.models.answers.vanishing_gradients`); of several attacks in turn also
        ``broken_by`` (:class:`helpers.attacks.robust.Robust`).
    """
    row, data = ATTACKS[attack], experiment.data
    rows = experiment.rows(attack)
    model, title, shares = None, row.label, np.zeros(len(answers.SLOPES))
    if source is not None:
        subject = experiment.subject(source)
        model, title = subject.model, f"{row.label} on {subject.id}"
        shares = answers.vanishing_gradients(model, data.x_test, data.y_test)
    made = row.craft(model, data.x_test[rows], data.y_test[rows], progress=title, **settings)
    told = {"broken_by": made.broken_by} if hasattr(made, "broken_by") else {}
    return told | {"x_adv": made.x_adv, "success": made.success, "zero_gradients": shares}


def logits(experiment, *, model: dict[str, Any], attacked: dict[str, Any]) -> dict[str, np.ndarray]:
    """Compute a model's logits on images; arrays ``logits`` and ``repeats``."""
    subject, shown = experiment.subject(model), experiment.images(attacked)
    found = gradients.logits(subject.model, shown.x_adv)
    repeats = answers.repeats(subject.model, shown.x_adv, found)
    return {"logits": found, "repeats": np.array(repeats)}
