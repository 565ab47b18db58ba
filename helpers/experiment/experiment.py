"""An experiment on one data set: models and adversarial images, asked for by name, each made once.

Every chapter asks here for what it shows. What an earlier chapter or an earlier run has made comes from
the store; the rest is made when it is first used, or all at once by :meth:`Experiment.make`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from helpers.attacks import ATTACKS, named
from helpers.code import code_digest
from helpers.data.dataset import digest
from helpers.defences.bagging import Ensemble
from helpers.evaluation.model_id import ORIGINAL, ModelId
from helpers.evaluation.perturbations import check_adversarial
from helpers.experiment import making
from helpers.experiment.pieces import Piece
from helpers.experiment.subjects import Images, Subject
from helpers.experiment.workbench import Workbench
from helpers.models import answers, networks

# Far enough for no seed that anyone sets to meet another team's.
TEAM_SEED = 1_000_003

NETWORK_CODE = ("helpers.models.networks", "helpers.models.training")


class Experiment(Workbench):
    """The models and images that belong to one data set and one set of parameters."""

    def _spec(self, method: str, **arguments: Any) -> dict[str, Any]:
        return {"method": method, "seed": self.p.seed, "arguments": arguments}

    # Models -------------------------------------------------------------------------------------

    @property
    def _model_key(self) -> dict[str, Any]:
        return {
            "dataset": self.data.name,
            "data": self.data.train_digest,
            "architecture": self.architecture,
            "options": self.options,
            "training": self.training,
            "seed": self.p.seed,
        }

    def build(self, seed: int, **changes: Any) -> keras.Model:
        """Make an untrained instance of the data set's network, with `changes` of its options."""
        return networks.build(
            self.architecture, self.data.input_shape, self.data.n_classes, seed=seed,
            **(self.options | changes),
        )  # fmt: skip

    def subject(self, spec: Mapping[str, Any]) -> Subject:
        """The model that a plain description names: a method here, its arguments, and the seed."""
        arguments = dict(spec["arguments"])
        if "members" in arguments:
            arguments["members"] = [self.subject(one) for one in arguments["members"]]
        return getattr(self.with_seed(spec["seed"]), spec["method"])(**arguments)

    def _trained(self, id: ModelId, piece: Piece, spec: dict[str, Any]) -> Subject:
        load = partial(self._loaded, piece.identity, "network", lambda: self.content(piece))
        return Subject(id, piece.identity, (piece,), spec, load)

    def original(self) -> Subject:
        """The model trained on the clean training set, or the user's own in its place."""
        spec = self._spec("original")
        if self.own:
            identity = f"{self.own.digest}-{code_digest('helpers.models.custom')}"
            load = partial(self._loaded, identity, "network", lambda: (self.own.model, {}))
            return Subject(ORIGINAL, identity, (), spec, load)
        piece = self._piece("original", "model", "original", {}, self._model_key, NETWORK_CODE)
        return self._trained(ORIGINAL, piece, spec)

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
        if unknown := recipe.keys() - self._bagging.keys():
            raise ValueError(f"a recipe has {', '.join(self._bagging)}, no {', '.join(unknown)}")
        whole = self._bagging | recipe
        seed = self.p.seed + TEAM_SEED * (team - 1)
        arguments = {"number": number, "seed": seed, "recipe": whole}
        key = {**self._model_key, "member": number, "team": team, **whole}
        code = (*NETWORK_CODE, "helpers.defences.bagging")
        name = f"member_{number}" + (f"_of_team_{team}" if team > 1 else "")
        piece = self._piece(name, "model", "member", arguments, key, code)
        told = " ".join(f"{k}={v:g}" if k == "sigma" else f"{k}={v}" for k, v in recipe.items())
        id = ModelId(kind="member", member=number, team=team, recipe=told)
        return self._trained(id, piece, self._spec("member", number=number, team=team, **recipe))

    @property
    def _bagging(self) -> dict[str, Any]:
        return {"sigma": self.p.sigma, "noise": self.p.noise, "resample": True}

    def members(self, n: int | None = None, team: int = 1, **recipe: Any) -> list[Subject]:
        """The first `n` members (None: all of the chapter's); the rest as for :meth:`member`."""
        n = self.p.n_members if n is None else n
        return [self.member(k, team, **recipe) for k in range(1, n + 1)]

    def ensemble(self, members: Sequence[Subject], *, combine: str = "probabilities") -> Subject:
        """The members as one model, which averages what `combine` says."""
        if not members:
            raise ValueError("an ensemble needs at least one member")
        n, first = len(members), members[0].id
        id = replace(first, kind="ensemble", member=0, n_members=n, combine=combine)
        identity = "+".join(member.identity for member in members) + f":{combine}"
        pieces = tuple(piece for member in members for piece in member.pieces)
        spec = self._spec("ensemble", members=[member.spec for member in members], combine=combine)

        def join():
            return Ensemble([member.model for member in members], combine), {}

        return Subject(
            id, identity, pieces, spec, partial(self._loaded, identity, (n, combine), join)
        )

    def retrained(
        self,
        attack: str,
        *,
        member: int | None = None,
        regenerate: str = "epoch",
        epochs: int | None = None,
        **changes: Any,
    ) -> Subject:
        """A model after adversarial retraining on one attack.

        Of the original model, retrained as the chapter does on a bounded attack or on none, the accuracy
        after each epoch is noted too, on clean, FGSM, BIM and PGD test images made from the model as it
        then stands (not where the chapter lacks PGD's parameters).

        Parameters
        ----------
        attack
            A name of :data:`helpers.attacks.ATTACKS`. With ``none`` the training goes on with clean
            images only, as many of them and in as many updates: what the others are compared with.
        member
            Retrain this member of the ensemble, on its own replicate, instead of the original model.
        regenerate
            When the examples are made: each ``epoch``, each ``batch``, or ``never`` again.
        epochs
            Most epochs (None: the chapter's).
        changes
            Values that replace the chapter's settings of the attack while it is trained on.
        """
        start = self.original() if member is None else self.member(member)
        settings, n_adversarial = making.retraining_settings(self, attack, **changes), 0
        follow = ATTACKS[attack].kind in ("none", "bounded") and regenerate != "never"
        follow &= member is None and epochs is None and not changes and hasattr(self.p, "restarts")
        given, epochs = epochs, epochs or self.p.retrain_epochs
        if ATTACKS[attack].kind == "unbounded":  # too slow for all
            n_adversarial = min(self.p.lbfgs_n_train, len(self.data.x_train))
        replicate = member and {"member": member, "seed": self.p.seed, **self._bagging}
        arguments = {
            "start": start.spec, "attack": attack, "settings": settings, "regenerate": regenerate,
            "n_adversarial": n_adversarial, "replicate": replicate, "epochs": epochs,
            "follow": follow,
        }  # fmt: skip
        key = arguments | {
            "start": start.identity,
            "training": self.training | {"epochs": epochs},
            "seed": self.p.seed,
            "follow": self._follow_key() if follow else None,
        }
        code = ["helpers.defences.retraining", "helpers.defences.bagging", ATTACKS[attack].module]
        if follow:
            code += [f"{making.__name__}:{name}" for name in ("followed", "follow_settings")]
            code += [ATTACKS[name].module for name in making.FOLLOWED]
        told = {"epochs": given} if given else {}
        recipe = " ".join(f"{name}={value:g}" for name, value in (told | changes).items())
        id = replace(start.id, retrained_on=attack, regenerate=regenerate, recipe=recipe)
        name = f"retrained_{attack}_{regenerate}" + (f"_member_{member}" if member else "")
        piece = self._piece(name, "model", "retrained", arguments, key, code, start.pieces)
        spec = self._spec(
            "retrained", attack=attack, member=member, regenerate=regenerate, epochs=given, **changes
        )  # fmt: skip
        return self._trained(id, piece, spec)

    def _follow_key(self) -> dict[str, Any]:
        followed = {name: making.follow_settings(self, name) for name in making.FOLLOWED}
        shown = self.data.x_test[: making.N_FOLLOWED], self.data.y_test[: making.N_FOLLOWED]
        return followed | {"images": digest(shown)}

    # Images -------------------------------------------------------------------------------------

    def clean(self) -> Images:
        """The test images as they are."""
        x, y = self.data.x_test, self.data.y_test
        arrays = {"x_adv": x, "success": np.ones(len(x), bool)}
        spec = self._spec("clean")
        return Images("none", None, x, y, {}, self.data.digest, (), spec, lambda: arrays)

    def images(self, spec: Mapping[str, Any]) -> Images:
        """The images that a plain description names (see :meth:`subject`)."""
        arguments = dict(spec["arguments"])
        if arguments.get("source"):
            arguments["source"] = self.subject(arguments["source"])
        return getattr(self.with_seed(spec["seed"]), spec["method"])(**arguments)

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
        row = named(attack)
        if row.kind == "none":
            return self.clean()
        settings = self.settings(attack, **changes)
        n = len(self.data.y_test)
        rows = self.rows(attack)
        x, y = self.data.x_test[rows], self.data.y_test[rows]
        if row.kind == "noise":  # the same images serve for all models
            source = None
        elif source is None:
            raise ValueError(f"{row.label} attacks a model: say which")
        key = {
            "data": self.data.digest,
            "attack": attack,
            "source": source.identity if source else "",
            "settings": settings,
            "rows": hashlib.sha256(np.arange(n)[rows].tobytes()).hexdigest()[:16],
        }
        code = [row.module, "helpers.models.answers"]
        told = source.spec if source else None
        arguments = {"attack": attack, "source": told, "settings": settings}
        needs = source.pieces if source else ()
        piece = self._piece(attack, "arrays", "images", arguments, key, code, needs)

        def load():
            made, _ = self.content(piece)
            bound = settings["epsilon"] if row.bounded else None
            check_adversarial(x, made["x_adv"], epsilon=bound)
            if source is not None:
                for loss, share in zip(answers.SLOPES, made["zero_gradients"], strict=True):
                    self._zero[source.identity, loss] = bool(share > 0) and (
                        f"{source.id}: the gradient of {loss.replace('_', '-')} is zero in every pixel "
                        f"of {share:.0%} of the images that are right"
                    )
            return made

        spec = self._spec("attacked", attack=attack, source=told, **changes)
        made_on = source and source.id
        return Images(attack, made_on, x, y, settings, piece.identity, (piece,), spec, load)

    def settings(self, attack: str, **changes: Any) -> dict[str, Any]:
        """The settings of an attack: the chapter's, with changes."""
        epsilon = changes.get("epsilon", getattr(self.p, "epsilon", None))
        return named(attack).settings(self.p, epsilon) | changes

    # Answers ------------------------------------------------------------------------------------

    def logits(self, subject: Subject, images: Images) -> np.ndarray:
        """The subject's logits on the images, float32 (n, classes)."""
        made, _ = self.content(self._logits(subject, images))
        if not made["repeats"]:
            self._repeats[subject.identity] = f"{subject.id} answers differently when asked again"
        self._repeats.setdefault(subject.identity, False)
        return made["logits"]

    def _logits(self, subject: Subject, images: Images) -> Piece:
        return self._piece(
            "logits", "arrays", "logits", {"model": subject.spec, "attacked": images.spec},
            {"model": subject.identity, "images": images.identity},
            ["helpers.models.answers"], (*subject.pieces, *images.pieces),
        )  # fmt: skip

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
