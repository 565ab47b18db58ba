"""The report's experiments on one data set: models, ensembles and adversarial images, each made once.

Every chapter asks here for what it shows. What an earlier chapter or an earlier run has made comes from
the store; the rest is made, with a progress bar, and kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from helpers import (
    attacks,
    datasets,
    ensembles,
    gradients,
    models,
    outside_attacks,
    own_model,
    validity,
)
from helpers.evaluation import Record, Records, check_adversarial, distortion, similarity, wilson
from helpers.lbfgs import lbfgs
from helpers.parameters import Parameters
from helpers.paths import project_path
from helpers.retraining import adversarial_retrain
from helpers.store import Store, code_digest

ATTACKS = ("none", "noise", "fgsm", "bim", "targeted_bim", "pgd", "lbfgs", *outside_attacks.ATTACKS)

# Structural similarity takes half a millisecond for an image: enough of them for a mean.
SIMILARITY_SAMPLE = 1000

# What is measured after each epoch of retraining, on the first so many test images.
FOLLOWED, N_FOLLOWED = ("none", "fgsm", "bim", "pgd"), 1000

# Far enough for no seed that anyone sets to meet another team's.
TEAM_SEED = 1_000_003

# Whose code decides what: the store makes a piece again when one of its modules has changed.
TRAINING_CODE = ("models", "gradients")
BAGGING_CODE = ("models", "gradients", "ensembles")
ATTACK_CODE = ("attacks", "gradients")
CHECK_CODE = ("gradients", "validity")
LBFGS_CODE = ("attacks", "gradients", "lbfgs", "solver")
OUTSIDE_CODE = ("attacks", "gradients", "outside_attacks")

# InceptionV3 in chapters without parameters for it: no image is made smaller.
INCEPTION = {"width": 1.0, "weights": "none"}
SMALLEST_INPUT = 75


@dataclass(frozen=True)
class Subject:
    """A model under test: its name in figures, itself, its identity, what its training told."""

    name: str
    model: keras.Model
    key: str
    history: dict[str, list[float]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Images:
    """Test images, perhaps attacked.

    Attributes
    ----------
    attack, source
        Attack's name (``none`` for clean images), and the name of the model it was made on.
    x, y
        The clean images and their labels.
    x_adv
        What a model is shown; equals `x` for clean images and in rows where L-BFGS failed.
    parameters
        The attack's parameters.
    key
        Identity.
    success
        bool (n,): false where L-BFGS, or Carlini and Wagner, found no adversarial image.
    """

    attack: str
    source: str
    x: np.ndarray
    y: np.ndarray
    x_adv: np.ndarray
    parameters: dict[str, Any]
    key: dict[str, Any]
    success: np.ndarray


class Experiment:
    """The models and images that belong to one data set and one set of parameters.

    Parameters
    ----------
    parameters
        A chapter's validated parameters (:mod:`helpers.parameters`).
    """

    def __init__(self, parameters: Parameters):
        self.p = parameters
        self.store = Store(parameters.store_path)
        self.data = datasets.load(
            parameters.dataset,
            data_dir=parameters.data_path,
            n_train=parameters.n_train,
            n_test=parameters.n_test,
            n_classes=getattr(parameters, "n_classes", 0),
            seed=parameters.seed,
            training=not getattr(parameters, "model", ""),
        )
        self.own = self._own_model()
        self._check_target()
        self._workshop: keras.Model | None = None
        self._gradients: dict[str, str | bool] = {}  # warnings about them by model
        self._repeats: dict[str, str | bool] = {}
        self._first: dict[Any, keras.Model] = {}  # whose compiled calls the others of a kind share
        shape = self.data.input_shape
        # The chapter on Tiny ImageNet has no choice of it.
        architecture = getattr(parameters, "architecture", "inception_v3")
        self.architecture = "" if self.own else own_model.network_for(architecture, shape)
        self.options: dict[str, Any] = {}
        if self.architecture == "inception_v3":
            standard = {"input_size": max(SMALLEST_INPUT, *shape[:2]), **INCEPTION}
            self.options = {n: getattr(parameters, n, value) for n, value in standard.items()}
        self.training = {
            name: getattr(parameters, name)
            for name in ("epochs", "batch_size", "learning_rate", "patience", "validation_fraction")
        }

    def with_seed(self, seed: int) -> Experiment:
        """The same experiment on the same data, everything trained and drawn from another seed."""
        other = copy.copy(self)
        other.p = self.p.model_copy(update={"seed": seed})
        for name in ("_model_key", "lbfgs_rows"):  # cached, of this seed
            other.__dict__.pop(name, None)
        return other

    def _own_model(self) -> own_model.OwnModel | None:
        """Load the user's classifier, if one was given, and name the outputs without a label."""
        if not getattr(self.p, "model", ""):
            return None
        path = project_path(self.p.model)
        own = own_model.load_classifier(path, self.data.x_test, self.data.n_classes)
        unnamed = range(self.data.n_classes, own.model.output_shape[-1])
        names = self.data.class_names + tuple(str(k) for k in unnamed)
        self.data = replace(self.data, class_names=names)
        return own

    def _check_target(self) -> None:
        target, n_classes = getattr(self.p, "target_class", 0), self.data.n_classes
        if target >= n_classes:
            raise ValueError(
                f"target_class = {target}: {self.data.title} has the classes 0 to {n_classes - 1}"
            )

    # Models -------------------------------------------------------------------------------------

    @cached_property
    def _model_key(self) -> dict[str, Any]:
        return {
            "dataset": self.data.name,
            "data": self.data.train_digest,
            "architecture": self.architecture,
            "options": self.options,
            "training": self.training,
            "seed": self.p.seed,
        }

    def build(self, seed: int) -> keras.Model:
        """Make an untrained instance of the data set's network."""
        return models.build(
            self.architecture, self.data.input_shape, self.data.n_classes, seed=seed, **self.options
        )

    def _copied_in(self, model: keras.Model) -> keras.Model:
        """Copy a model's weights into the workshop, the one model in which a chapter trains.

        Compiling InceptionV3 for training takes longer than an epoch of a short run.
        """
        if self._workshop is None:
            self._workshop = self._sharing(keras.models.clone_model(model))
        self._workshop.set_weights(model.get_weights())
        return self._workshop

    def _taken_out(self, history: dict) -> tuple[keras.Model, dict]:
        model = keras.models.clone_model(self._workshop)
        model.set_weights(self._workshop.get_weights())
        return model, history

    def _sharing(self, model: keras.Model, kind: Any = "network") -> keras.Model:
        """Let all models of a kind use the calls compiled for the first of them."""
        gradients.share_calls(model, self._first.setdefault(kind, model))
        return model

    def original(self) -> Subject:
        """The model trained on the clean training set, or the user's own in its place."""
        if self.own:
            return self._own_subject

        def make(checkpoint):
            model = self._copied_in(self.build(self.p.seed))
            history = models.train(
                model, self.data.x_train, self.data.y_train, seed=self.p.seed,
                checkpoint=checkpoint, title="original model", **self.training,
            )  # fmt: skip
            return self._taken_out(history)

        return self._subject(
            "original", {**self._model_key, "kind": "original"}, make, TRAINING_CODE
        )

    @cached_property
    def _own_subject(self) -> Subject:
        identity = f"{self.own.digest}-{code_digest('helpers.own_model')}"
        subject = Subject("original", self._sharing(self.own.model), identity)
        correct = self.logits(subject, self.clean()).argmax(-1) == self.data.y_test
        n_correct, n = int(correct.sum()), len(correct)
        if wilson(n_correct, n)[0] <= 1 / self.data.n_classes:
            raise ValueError(
                f"{self.own.file} is right on {n_correct} of {n} images of {self.data.title}, no better "
                f"than chance with {self.data.n_classes} outputs; an attack on it says nothing. It is "
                "given pixels from 0 to 1: a model for pixels from 0 to 255 begins with "
                "keras.layers.Rescaling(255). Label k means output k"
            )
        return subject

    def member(self, number: int, team: int = 1, **recipe: Any) -> Subject:
        """Member `number` (from 1) of the ensemble: trained on its noisy bootstrap replicate.

        Parameters
        ----------
        number
            From 1.
        team
            Ensemble that it belongs to; another one shares neither noise nor replicates nor weights.
        recipe
            Other values of `sigma`, `noise` and `resample` than the chapter's.
        """
        recipe = self._bagging | recipe
        seed = self.p.seed + TEAM_SEED * (team - 1)

        def make(checkpoint):
            _, history = ensembles.train_member(
                lambda seed: self._copied_in(self.build(seed)),
                self.data.x_train, self.data.y_train, member=number, seed=seed,
                checkpoint=checkpoint, **recipe, **self.training,
            )  # fmt: skip
            return self._taken_out(history)

        key = {**self._model_key, "kind": "member", "member": number, "team": team, **recipe}
        return self._subject(_member_name(number, team), key, make, BAGGING_CODE)

    @property
    def _bagging(self) -> dict[str, Any]:
        return {"sigma": self.p.sigma, "noise": self.p.noise, "resample": True}

    def members(self, n: int | None = None, team: int = 1, **recipe: Any) -> list[Subject]:
        """The first `n` members (None: all of the chapter's); the rest as for :meth:`member`."""
        return [self.member(k, team, **recipe) for k in range(1, (n or self.p.n_members) + 1)]

    def ensemble(
        self, members: Sequence[Subject], name: str = "ensemble", *, combine: str = "probabilities"
    ) -> Subject:
        """The members as one model, which averages what `combine` says."""
        model = ensembles.Ensemble([member.model for member in members], combine)
        self._sharing(model, (len(members), combine))
        identity = "+".join(member.key for member in members)
        return Subject(
            name, model, identity + ("" if combine == "probabilities" else f":{combine}")
        )

    def retrained(
        self,
        attack: str,
        *,
        member: int | None = None,
        follow: bool = False,
        regenerate: str = "epoch",
    ) -> Subject:
        """A model after adversarial retraining on one attack.

        Parameters
        ----------
        attack
            ``fgsm``, ``bim``, ``pgd`` or ``lbfgs``.
        member
            Retrain this member of the ensemble, on its own replicate, instead of the original model.
        follow
            Also note, after each epoch, the accuracy on clean, FGSM, BIM and PGD test images, made from
            the model as it then stands.
        regenerate
            When the examples are made: each ``epoch``, each ``batch``, or ``never`` again.
        """
        start = self.original() if member is None else self.member(member)
        settings = self._attack_settings(attack)
        training = {**self.training, "epochs": self.p.retrain_epochs}
        n_adversarial = 0
        if attack in ("bim", "pgd"):  # fewer and longer steps than the test's, which go as far
            steps = self.p.retrain_steps
            settings |= {"steps": steps, "alpha": self.p.alpha * self.p.steps / steps}
        if attack == "pgd":
            settings |= {"restarts": 1}
        if attack == "lbfgs":
            n_adversarial = min(self.p.lbfgs_n_train, len(self.data.x_train))
            settings |= {"c_init": self.p.lbfgs_train_c, "c_steps": 1}
        name = f"retrained {attack}" if member is None else f"{start.name} retrained {attack}"
        name += {"epoch": "", "batch": " per batch", "never": " stale"}[regenerate]

        def craft(model, x, y):
            title = None if regenerate == "batch" else f"{attack} images for training"
            return self._craft(attack, model, x, y, settings, title)[0]

        def make(checkpoint):
            x, y = self.data.x_train, self.data.y_train
            if member is not None:
                x, y = ensembles.replicate(x, y, member=member, seed=self.p.seed, **self._bagging)
            history = adversarial_retrain(
                self._copied_in(start.model), x, y, attack=craft,
                start=start.model, n_adversarial=n_adversarial, regenerate=regenerate,
                seed=self.p.seed, checkpoint=checkpoint, title=name,
                after_epoch=self._follow if follow else None, **training,
            )  # fmt: skip
            return self._taken_out(history)

        key = {
            "kind": "retrained", "start": start.key, "attack": attack,
            "settings": settings, "training": training, "n_adversarial": n_adversarial,
            "seed": self.p.seed, "follow": self._follow_key() if follow else None,
            "regenerate": regenerate,
        }  # fmt: skip
        code = ("models", "retraining", *LBFGS_CODE)
        return self._subject(name, key, make, code)

    def _follow_key(self) -> dict[str, Any]:
        settings = {attack: self._attack_settings(attack) for attack in FOLLOWED[1:]}
        return settings | {"data": self.data.digest}

    def _follow(self, model: keras.Model) -> dict[str, float]:
        row = {}
        x, y = self.data.x_test[:N_FOLLOWED], self.data.y_test[:N_FOLLOWED]
        for attack in FOLLOWED:
            x_adv, _ = self._craft(attack, model, x, y, self._attack_settings(attack))
            predicted = gradients.logits(model, x_adv).argmax(-1)
            row["clean" if attack == "none" else attack] = (predicted == y).mean()
        return row

    def _subject(self, name: str, key: dict, make: Callable, code: tuple[str, ...]) -> Subject:
        slug = f"{self.data.name}-{name.replace(' ', '_')}"
        stored = self.store.model(slug, key, make, code=code)
        return Subject(name, self._sharing(stored.model), stored.key, stored.info)

    # Images -------------------------------------------------------------------------------------

    def clean(self) -> Images:
        """The test images as they are."""
        x, y = self.data.x_test, self.data.y_test
        key = {"attack": "none", "data": self.data.digest}
        return Images("none", "", x, y, x, {}, key, np.ones(len(x), bool))

    def attacked(self, attack: str, source: Subject, **changes: Any) -> Images:
        """Test images attacked on `source`.

        Parameters
        ----------
        attack
            ``fgsm``, ``bim``, ``pgd``, ``targeted_bim`` (towards random classes), ``noise`` or
            ``lbfgs``; the last towards random classes too, on `lbfgs_n_test` images.
        source
            The model that the attack sees.
        changes
            Values that replace the chapter's parameters of the attack. With another `epsilon`, the
            step `alpha` keeps its ratio to it.
        """
        if attack == "none":
            return self.clean()
        settings = self._attack_settings(attack, **changes)
        rows = self.lbfgs_rows if attack == "lbfgs" else slice(None)
        if attack in outside_attacks.ATTACKS:
            rows = slice(self.p.outside_n_test)
        x, y = self.data.x_test[rows], self.data.y_test[rows]
        # Noise sees no model: the same images serve for all of them.
        seen = "" if attack == "noise" else source.key
        if seen:
            self._look_at_gradients(source)
        key = {
            "kind": "images", "attack": attack, "data": self.data.digest, "source": seen,
            "settings": settings, "n": len(x),
        }  # fmt: skip

        def make():
            title = f"{attack} on {source.name}"
            x_adv, success = self._craft(attack, source.model, x, y, settings, title)
            return {"x_adv": x_adv, "success": success}

        made = self.store.arrays(f"{self.data.name}-{attack}", key, make, code=_code_of(attack))
        bound = None if attack == "cw" else settings.get("epsilon")
        check_adversarial(x, made["x_adv"], epsilon=bound)
        return Images(attack, source.name, x, y, made["x_adv"], settings, key, made["success"])

    def _look_at_gradients(self, source: Subject) -> None:
        if source.key in self._gradients:
            return
        x, y = self.data.x_test, self.data.y_test

        def make():
            return {"share": np.array(validity.vanishing_gradients(source.model, x, y))}

        key = {"kind": "gradients", "model": source.key, "data": self.data.digest}
        name = f"{self.data.name}-gradients"
        share = float(self.store.arrays(name, key, make, code=CHECK_CODE)["share"])
        self._gradients[source.key] = share > 0 and (
            f"{source.name}: the gradient is zero in every pixel of {share:.0%} of the images"
        )

    @cached_property
    def lbfgs_rows(self) -> np.ndarray:
        """The test images that L-BFGS attacks: as many as asked for, drawn once."""
        n = len(self.data.y_test)
        generator = np.random.default_rng([self.p.seed, 7])
        return np.sort(generator.permutation(n)[: self.p.lbfgs_n_test])

    def _attack_settings(self, attack: str, **changes: Any) -> dict[str, Any]:
        epsilon = changes.get("epsilon", self.p.epsilon)
        settings: dict[str, Any] = {}
        if attack in ("fgsm", "bim", "targeted_bim", "pgd", "noise"):
            settings["epsilon"] = epsilon
        if attack in ("bim", "targeted_bim", "pgd"):
            settings |= {"alpha": self.p.alpha * epsilon / self.p.epsilon, "steps": self.p.steps}
        if attack == "pgd":
            # From a random start the far rim of the ball is up to 2 epsilon away.
            settings |= {"steps": 2 * self.p.steps, "restarts": self.p.restarts}
        if attack in outside_attacks.ATTACKS:
            settings = {"epsilon": epsilon, "iterations": self.p.outside_iterations}
        if attack in ("targeted_bim", "pgd", "noise", "lbfgs", *outside_attacks.ATTACKS):
            settings["seed"] = self.p.seed
        if attack == "lbfgs":
            settings |= {
                "c_init": 1.0,
                "c_steps": self.p.lbfgs_c_steps,
                "max_iterations": self.p.lbfgs_iterations,
            }
        return settings | changes

    def _craft(self, attack, model, x, y, settings, title=None) -> tuple[np.ndarray, np.ndarray]:
        """Run an attack; returns the images and whether each is an attempt that can count."""
        settings = dict(settings)
        everywhere = np.ones(len(x), bool)
        if attack == "none":
            return x, everywhere
        if attack == "noise":
            return attacks.random_noise(x, **settings), everywhere
        if attack == "fgsm":
            return attacks.fgsm(model, x, y, **settings), everywhere
        if attack in ("bim", "pgd"):
            function = attacks.bim if attack == "bim" else attacks.pgd
            return function(model, x, y, progress=title, **settings), everywhere
        if attack in outside_attacks.ATTACKS:
            x_adv = outside_attacks.attack_from_outside(attack, model, x, y, **settings)
            if attack != "cw":
                return x_adv, everywhere
            return x_adv, gradients.logits(model, x_adv).argmax(-1) != y
        if attack == "targeted_bim":
            targets = random_targets(y, self.data.n_classes, settings.pop("seed"))
            x_adv = attacks.bim(model, x, targets, targeted=True, progress=title, **settings)
            return x_adv, everywhere
        if attack == "lbfgs":
            targets = settings.pop("target", None)
            targets = (
                random_targets(y, self.data.n_classes, settings["seed"])
                if targets is None
                else np.full(len(y), targets, np.int32)
            )
            del settings["seed"]
            result = lbfgs(model, x, y, targets=targets, progress=title, **settings)
            return result.x_adv, result.success
        raise ValueError(f"no attack {attack!r}; there are {', '.join(ATTACKS)}")

    # Scores -------------------------------------------------------------------------------------

    def logits(self, subject: Subject, images: Images) -> np.ndarray:
        """The subject's logits on the images, float32 (n, classes)."""
        key = {"kind": "logits", "model": subject.key, "images": images.key}

        def make():
            logits = gradients.logits(subject.model, images.x_adv)
            again = validity.repeats(subject.model, images.x_adv, logits)
            return {"logits": logits, "repeats": np.array(again)}

        name = f"{self.data.name}-logits"
        made = self.store.arrays(name, key, make, code=(*_code_of(images.attack), "validity"))
        if not made["repeats"]:
            self._repeats[subject.key] = f"{subject.name} answers differently when asked again"
        self._repeats.setdefault(subject.key, False)
        return made["logits"]

    def seen(self, logits: np.ndarray) -> list[str]:
        """Say which class is seen in each image, and with which share of the softmax: ``7 (98 %)``."""
        shares = softmax(logits.astype(np.float64), axis=-1)
        return [
            f"{self.data.class_names[row.argmax()]} ({100 * row.max():.0f} %)" for row in shares
        ]

    def score(
        self,
        records: Records,
        subject: Subject,
        images: Images,
        *,
        predicted: np.ndarray | None = None,
        **parameters: Any,
    ) -> Record:
        """Record the subject's accuracy on the images, and how far they lie from the clean ones."""
        if predicted is None:
            predicted = self.logits(subject, images).argmax(-1)
        measures = {}
        if images.attack != "none":
            sizes = distortion(images.x, images.x_adv)
            measures = {
                "l2": float(sizes["l2"][images.success].mean()) if images.success.any() else None,
                "linf": float(sizes["linf"][images.success].mean())
                if images.success.any()
                else None,
                "success": float(images.success.mean()),
            }
            parameters = {"source": images.source, **images.parameters, **parameters}
        return records.accuracy(
            predicted == images.y, model=subject.name, attack=images.attack,
            parameters=parameters, **measures,
        )  # fmt: skip

    def repeat(self, records: Records, subject: Subject, images: Images) -> Record:
        """Record the accuracy of a model that was trained from this experiment's seed, beside others."""
        right = self.logits(subject, images).argmax(-1) == images.y
        return records.add(
            "repeat", model=subject.name, attack=images.attack,
            parameters={"training_seed": self.p.seed, **images.parameters},
            values={"accuracy": float(right.mean()), "n": len(right)},
        )  # fmt: skip

    def followed(self, subject: Subject) -> dict[str, float]:
        """What retraining notes after each epoch (see :meth:`retrained`), of a model as it is."""
        row = {}
        for attack in FOLLOWED:
            images = self.attacked(attack, subject)
            right = self.logits(subject, images).argmax(-1) == images.y
            row["clean" if attack == "none" else attack] = float(right[:N_FOLLOWED].mean())
        return row

    def sweep(
        self,
        records: Records,
        subject: Subject,
        attack: str,
        epsilons: Sequence[float],
        made_on: Subject | None = None,
    ) -> list[Record]:
        """Record accuracy for several sizes of an attack on `made_on` (None: on the subject itself).

        Of an attack on the subject itself, how similar the images stay is recorded too.
        """
        found = []
        for epsilon in epsilons:
            images = self.attacked(attack, made_on or subject, epsilon=epsilon)
            found.append(self.score(records, subject, images, sweep="epsilon"))
            if made_on:
                continue
            ssim = similarity(images.x[:SIMILARITY_SAMPLE], images.x_adv[:SIMILARITY_SAMPLE])
            records.add(
                "similarity", model=subject.name, attack=attack,
                parameters={"epsilon": epsilon, "sweep": "epsilon"},
                values={"ssim_mean": float(ssim.mean())}, arrays={"ssim": ssim},
            )  # fmt: skip
        return found

    def check(self, records: Records) -> list[validity.Check]:
        """Check what this chapter has measured for signs of a broken evaluation, and record it."""
        checks = [
            validity.check("zero gradients", self._gradients.values()),
            validity.check("predictions that do not repeat", self._repeats.values()),
            *validity.compare(records.all, self.data.n_classes),
        ]
        for check in checks:
            values = {"compared": check.compared, "warnings": list(check.warnings)}
            records.add("validity", parameters={"check": check.name}, values=values)
        return checks


def _member_name(number: int, team: int) -> str:
    return f"member {number}" if team == 1 else f"member {number} of team {team}"


def _code_of(attack: str) -> tuple[str, ...]:
    """Name the modules that decide what an attack's images are, and so what is predicted on them."""
    if attack in outside_attacks.ATTACKS:
        return OUTSIDE_CODE
    return LBFGS_CODE if attack == "lbfgs" else ATTACK_CODE


def random_targets(y: np.ndarray, n_classes: int, seed: int) -> np.ndarray:
    """Draw a class other than its own for each image; int32 (n,)."""
    shift = np.random.default_rng([seed, 8]).integers(1, n_classes, len(y))
    return ((y + shift) % n_classes).astype(np.int32)
