"""An experiment on one data set: models and adversarial images, asked for by name, each made once.

Every chapter asks here for what it shows. What an earlier chapter or an earlier run has made comes from
the store; the rest is made when it is first used, or all at once by :meth:`Experiment.make`.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from helpers import data as data_sets
from helpers.attacks import ATTACKS
from helpers.code import code_digest
from helpers.defences.bagging import Ensemble
from helpers.evaluation.identity import ORIGINAL, ModelId
from helpers.evaluation.similarity import check_adversarial
from helpers.evaluation.statistics import wilson
from helpers.experiment import making
from helpers.experiment.pieces import Piece, Request, in_order
from helpers.experiment.store import Store
from helpers.experiment.subjects import Images, Subject
from helpers.models import custom, gradients, networks
from helpers.parameters import Parameters
from helpers.paths import project_path

# Far enough for no seed that anyone sets to meet another team's.
TEAM_SEED = 1_000_003

TRAINING = ("epochs", "batch_size", "learning_rate", "patience", "validation_fraction")
NETWORK_CODE = ("helpers.models.networks", "helpers.models.training")

# InceptionV3 in chapters without parameters for it: no image is made smaller.
INCEPTION = {"width": 1.0, "weights": "none"}
SMALLEST_INPUT = 75


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
        self.data = data_sets.load(
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
        self.workshop = making.Workshop()
        self._zero: dict[str, str | bool] = {}  # warnings about gradients by model
        self._repeats: dict[str, str | bool] = {}
        self._first: dict[Any, keras.Model] = {}  # whose compiled calls the others of a kind share
        shape = self.data.input_shape
        # The chapter on Tiny ImageNet has no choice of it.
        architecture = getattr(parameters, "architecture", "inception_v3")
        self.architecture = "" if self.own else custom.network_for(architecture, shape)
        self.options: dict[str, Any] = {}
        if self.architecture == "inception_v3":
            standard = {"input_size": max(SMALLEST_INPUT, *shape[:2]), **INCEPTION}
            self.options = {n: getattr(parameters, n, value) for n, value in standard.items()}
        self.training = {name: getattr(parameters, name) for name in TRAINING}

    def with_seed(self, seed: int) -> Experiment:
        """The same experiment on the same data, everything trained and drawn from another seed."""
        if seed == self.p.seed:
            return self
        other = copy.copy(self)
        other.p = self.p.model_copy(update={"seed": seed})
        other.__dict__.pop("_model_key", None)  # cached, of this seed
        return other

    def _own_model(self) -> custom.OwnModel | None:
        """Load the user's classifier, if one was given, and name the outputs without a label."""
        if not getattr(self.p, "model", ""):
            return None
        path = project_path(self.p.model)
        own = custom.load_classifier(path, self.data.x_test, self.data.n_classes)
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

    # Pieces -------------------------------------------------------------------------------------

    def make(self, *wanted: Subject | Images | Piece | Iterable) -> None:
        """Make what is missing of models, images or pieces, with all that they need."""
        for piece in in_order(_pieces(wanted)):
            if not self.store.has(piece):
                self.content(piece)

    def content(self, piece: Piece) -> tuple[Any, dict[str, Any]]:
        """Load a piece or, if it is not there, make and keep it; its content and what it told."""
        request = piece.request
        maker = getattr(making, request.maker)
        here = self.with_seed(request.parameters["seed"])
        if piece.kind == "model":
            return self.store.model(piece, lambda folder: maker(here, folder, **request.arguments))
        return self.store.arrays(piece, lambda: maker(here, **request.arguments))

    def _piece(self, name, kind, maker, arguments, key, code, needs=()) -> Piece:
        request = Request(maker, arguments, self.p.model_dump(mode="json"))
        key = {"kind": maker, **key}
        return Piece(f"{self.data.name}-{name}", kind, key, tuple(code), tuple(needs), request)

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
        return networks.build(
            self.architecture, self.data.input_shape, self.data.n_classes, seed=seed, **self.options
        )

    def subject(self, spec: Mapping[str, Any]) -> Subject:
        """The model that a plain description names: a method here, and its arguments."""
        arguments = dict(spec["arguments"])
        if "members" in arguments:
            arguments["members"] = [self.subject(one) for one in arguments["members"]]
        return getattr(self, spec["method"])(**arguments)

    def _trained(self, id: ModelId, piece: Piece, method: str, **arguments: Any) -> Subject:
        def load():
            model, history = self.content(piece)
            return self._sharing(model), history

        spec = {"method": method, "arguments": arguments}
        return Subject(id, piece.identity, (piece,), spec, load)

    def _sharing(self, model: keras.Model, kind: Any = "network") -> keras.Model:
        """Let all models of a kind use the calls compiled for the first of them."""
        gradients.share_calls(model, self._first.setdefault(kind, model))
        return model

    def original(self) -> Subject:
        """The model trained on the clean training set, or the user's own in its place."""
        if self.own:
            return self._own_subject
        piece = self._piece("original", "model", "original", {}, self._model_key, NETWORK_CODE)
        return self._trained(ORIGINAL, piece, "original")

    @cached_property
    def _own_subject(self) -> Subject:
        identity = f"{self.own.digest}-{code_digest('helpers.models.custom')}"
        model = self._sharing(self.own.model)
        spec = {"method": "original", "arguments": {}}
        subject = Subject(ORIGINAL, identity, (), spec, lambda: (model, {}))
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
        whole = self._bagging | recipe
        seed = self.p.seed + TEAM_SEED * (team - 1)
        arguments = {"number": number, "seed": seed, "recipe": whole}
        key = {**self._model_key, "member": number, "team": team, **whole}
        code = (*NETWORK_CODE, "helpers.defences.bagging")
        name = f"member_{number}" + (f"_of_team_{team}" if team > 1 else "")
        piece = self._piece(name, "model", "member", arguments, key, code)
        told = " ".join(f"{k}={v:g}" if k == "sigma" else f"{k}={v}" for k, v in recipe.items())
        id = ModelId(kind="member", member=number, team=team, recipe=told)
        return self._trained(id, piece, "member", number=number, team=team, **recipe)

    @property
    def _bagging(self) -> dict[str, Any]:
        return {"sigma": self.p.sigma, "noise": self.p.noise, "resample": True}

    def members(self, n: int | None = None, team: int = 1, **recipe: Any) -> list[Subject]:
        """The first `n` members (None: all of the chapter's); the rest as for :meth:`member`."""
        return [self.member(k, team, **recipe) for k in range(1, (n or self.p.n_members) + 1)]

    def ensemble(self, members: Sequence[Subject], *, combine: str = "probabilities") -> Subject:
        """The members as one model, which averages what `combine` says."""
        first = members[0].id
        id = replace(first, kind="ensemble", member=0, n_members=len(members), combine=combine)

        def load():
            model = Ensemble([member.model for member in members], combine)
            return self._sharing(model, (len(members), combine)), {}

        spec = {"members": [member.spec for member in members], "combine": combine}
        return Subject(
            id,
            "+".join(member.identity for member in members) + f":{combine}",
            tuple(piece for member in members for piece in member.pieces),
            {"method": "ensemble", "arguments": spec},
            load,
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
        settings, n_adversarial = self.settings(attack), 0
        if attack in ("bim", "pgd"):  # fewer and longer steps than the test's, which go as far
            steps = self.p.retrain_steps
            settings |= {"steps": steps, "alpha": self.p.alpha * self.p.steps / steps}
        if attack == "pgd":
            settings |= {"restarts": 1}
        if attack == "lbfgs":
            n_adversarial = min(self.p.lbfgs_n_train, len(self.data.x_train))
            settings |= {"c_init": self.p.lbfgs_train_c, "c_steps": 1}
        replicate = None
        if member is not None:
            replicate = {"member": member, "seed": self.p.seed, **self._bagging}
        arguments = {
            "start": start.spec, "attack": attack, "settings": settings, "regenerate": regenerate,
            "n_adversarial": n_adversarial, "replicate": replicate, "follow": follow,
        }  # fmt: skip
        key = {k: v for k, v in arguments.items() if k not in ("start", "follow")}
        key |= {"training": self.training | {"epochs": self.p.retrain_epochs}, "seed": self.p.seed}
        key["follow"] = self._follow_key() if follow else None
        code = ["helpers.defences.retraining", "helpers.defences.bagging", ATTACKS[attack].module]
        code += [ATTACKS[name].module for name in making.FOLLOWED] if follow else []
        id = replace(start.id, retrained_on=attack, regenerate=regenerate)
        name = "_".join(
            ["retrained", attack, regenerate, *([f"member_{member}"] if member else [])]
        )
        piece = self._piece(name, "model", "retrained", arguments, key, code, start.pieces)
        return self._trained(
            id, piece, "retrained", attack=attack, member=member, follow=follow,
            regenerate=regenerate,
        )  # fmt: skip

    def _follow_key(self) -> dict[str, Any]:
        return {name: self.settings(name) for name in making.FOLLOWED} | {"data": self.data.digest}

    # Images -------------------------------------------------------------------------------------

    def clean(self) -> Images:
        """The test images as they are."""
        x, y = self.data.x_test, self.data.y_test
        arrays = {"x_adv": x, "success": np.ones(len(x), bool)}
        spec = {"method": "clean", "arguments": {}}
        return Images("none", None, x, y, {}, self.data.digest, (), spec, lambda: arrays)

    def images(self, spec: Mapping[str, Any]) -> Images:
        """The images that a plain description names (see :meth:`subject`)."""
        if spec["method"] == "clean":
            return self.clean()
        arguments = dict(spec["arguments"])
        source = arguments.pop("source")
        return self.attacked(arguments.pop("attack"), source and self.subject(source), **arguments)

    def attacked(self, attack: str, source: Subject | None = None, **changes: Any) -> Images:
        """Test images attacked on `source`.

        Parameters
        ----------
        attack
            A name of :data:`helpers.attacks.ATTACKS`.
        source
            The model that the attack sees; noise sees none.
        changes
            Values that replace the chapter's settings of the attack. With another `epsilon`, the step
            `alpha` keeps its ratio to it.
        """
        row = ATTACKS[attack]
        if row.kind == "none":
            return self.clean()
        settings = self.settings(attack, **changes)
        rows = row.rows(self.p, len(self.data.y_test))
        x, y = self.data.x_test[rows], self.data.y_test[rows]
        if row.kind == "noise":  # the same images serve for all models
            source = None
        if source is not None:
            self._look_at_gradients(source)
        key = {
            "data": self.data.digest,
            "attack": attack,
            "source": source.identity if source else "",
            "settings": settings,
            "rows": _digest(np.arange(len(self.data.y_test))[rows]),
        }
        told = source.spec if source else None
        arguments = {"attack": attack, "source": told, "settings": settings}
        needs = source.pieces if source else ()
        piece = self._piece(attack, "arrays", "images", arguments, key, [row.module], needs)

        def load():
            made, _ = self.content(piece)
            bound = settings["epsilon"] if row.bounded else None
            check_adversarial(x, made["x_adv"], epsilon=bound)
            return made

        spec = {"method": "attacked", "arguments": {"attack": attack, "source": told, **changes}}
        return Images(
            attack, source and source.id, x, y, settings, piece.identity, (piece,), spec, load
        )

    def settings(self, attack: str, **changes: Any) -> dict[str, Any]:
        """The settings of an attack: the chapter's, with changes."""
        epsilon = changes.get("epsilon", getattr(self.p, "epsilon", None))
        return ATTACKS[attack].settings(self.p, epsilon) | changes

    # Answers ------------------------------------------------------------------------------------

    def _look_at_gradients(self, source: Subject) -> None:
        if source.identity in self._zero:
            return
        piece = self._piece(
            "gradients", "arrays", "zero_gradients", {"model": source.spec},
            {"model": source.identity, "data": self.data.digest},
            ["helpers.models.answers"], source.pieces,
        )  # fmt: skip
        share = float(self.content(piece)[0]["share"])
        self._zero[source.identity] = share > 0 and (
            f"{source.id}: the gradient is zero in every pixel of {share:.0%} of the images"
        )

    def logits(self, subject: Subject, images: Images) -> np.ndarray:
        """The subject's logits on the images, float32 (n, classes)."""
        piece = self._piece(
            "logits", "arrays", "logits", {"model": subject.spec, "attacked": images.spec},
            {"model": subject.identity, "images": images.identity},
            ["helpers.models.answers"],
            (*subject.pieces, *images.pieces),
        )  # fmt: skip
        made, _ = self.content(piece)
        if not made["repeats"]:
            self._repeats[subject.identity] = f"{subject.id} answers differently when asked again"
        self._repeats.setdefault(subject.identity, False)
        return made["logits"]

    def seen(self, logits: np.ndarray) -> list[str]:
        """Say which class is seen in each image, and with which share of the softmax: ``7 (98 %)``."""
        shares = softmax(logits.astype(np.float64), axis=-1)
        return [
            f"{self.data.class_names[row.argmax()]} ({100 * row.max():.0f} %)" for row in shares
        ]

    def signs(self) -> dict[str, list[str | bool]]:
        """What was seen of the models asked here: by sign, a warning in words for each, or False."""
        return {
            "zero gradients": list(self._zero.values()),
            "predictions that do not repeat": list(self._repeats.values()),
        }


def _digest(rows: np.ndarray) -> str:
    return hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest()[:16]


def _pieces(wanted: Iterable) -> Iterable[Piece]:
    for one in wanted:
        if isinstance(one, Piece):
            yield one
        elif isinstance(one, Subject | Images):
            yield from one.pieces
        else:
            yield from _pieces(one.values() if isinstance(one, Mapping) else one)
