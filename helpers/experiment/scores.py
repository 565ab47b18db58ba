"""From an experiment's models and images to records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from helpers.attacks.robust import STRONGEST, WORST
from helpers.defences.bagging import vote
from helpers.evaluation import diversity, sanity
from helpers.evaluation.model_id import ModelId
from helpers.evaluation.perturbations import distortion, similarity
from helpers.evaluation.record import Record
from helpers.evaluation.records import Records
from helpers.experiment import making
from helpers.experiment.experiment import Experiment
from helpers.experiment.subjects import Images, Subject

# Structural similarity takes half a millisecond for an image: enough of them for a mean.
SIMILARITY_SAMPLE = 1000


@dataclass(frozen=True)
class Scores:
    """What an experiment's models do on its images, recorded.

    Attributes
    ----------
    experiment
        Where models and images come from; with another seed (:meth:`Experiment.with_seed`), others.
    records
        Where the numbers go.
    """

    experiment: Experiment
    records: Records

    def right(self, subject: Subject, images: Images) -> np.ndarray:
        """Tell on which images the subject is right, bool (n,)."""
        return self.experiment.logits(subject, images).argmax(-1) == images.y

    def voted(self, members: Sequence[Subject], images: Images) -> np.ndarray:
        """Tell the same of the ensemble of the members."""
        logits = np.stack([self.experiment.logits(member, images) for member in members])
        return vote(logits)[-1] == images.y

    def score(
        self,
        subject: Subject,
        images: Images,
        *,
        predicted: np.ndarray | None = None,
        model: ModelId | None = None,
        **parameters: Any,
    ) -> Record:
        """Record the subject's accuracy on the images, and how far they lie from the clean ones.

        Parameters
        ----------
        predicted, model
            Another model's predictions, such as those of a vote, and which model that is.
        parameters
            What else decides the result.
        """
        if predicted is None:
            predicted = self.experiment.logits(subject, images).argmax(-1)
        measures = {}
        if images.attack != "none":
            sizes, found = distortion(images.x, images.x_adv), images.success
            measures = {
                k: float(v[found].mean()) if found.any() else None for k, v in sizes.items()
            }
            measures["success"] = float(found.mean())
            if (by := images.broken_by) is not None and images.made_on == subject.id:
                tried = STRONGEST if images.attack == "strongest" else WORST
                pairs = enumerate(("none", *tried))
                measures |= {f"broken_by_{name}": int((by == place).sum()) for place, name in pairs}
        return self.records.accuracy(
            predicted == images.y, model=model or subject.id, attack=images.attack,
            made_on=images.made_on, parameters=images.parameters | parameters, **measures,
        )  # fmt: skip

    def by_size(
        self, members: Sequence[Subject], images: Images, *, combine: str = "probabilities"
    ) -> list[Record]:
        """Record ensembles of the first 1, 2, ..., n members, from one prediction of each.

        `combine` is ``probabilities`` or ``majority``.
        """
        self.experiment.make([(member, images) for member in members])
        logits = np.stack([self.experiment.logits(member, images) for member in members])
        id = self.experiment.ensemble(members).id
        rule = "majority" if combine == "majority" else "mean"
        return [
            self.score(
                members[0], images, predicted=predicted,
                model=replace(id, n_members=size, combine=combine),
            )
            for size, predicted in enumerate(vote(logits, rule), start=1)
        ]  # fmt: skip

    def diversity(self, members: Sequence[Subject], images: Images, **parameters: Any) -> Record:
        """Record how alike members are: in their mistakes on the images, and in their gradients."""
        right = [self.right(k, images) for k in members]
        clean = self.experiment.clean()
        cosine = diversity.gradient_cosine([k.model for k in members], clean.x, clean.y)
        return self.records.add(
            "diversity", model=self.experiment.ensemble(members).id, parameters=parameters,
            values={"errors": diversity.error_correlation(np.array(right)), "gradients": cosine},
        )  # fmt: skip

    def repeat(self, subject: Subject, images: Images) -> Record:
        """Record the accuracy of a model that was trained from the experiment's seed, beside others."""
        right = self.right(subject, images)
        id = replace(subject.id, training_seed=self.experiment.p.seed)
        return self.records.add(
            "repeat", model=id, attack=images.attack, made_on=images.made_on,
            parameters=images.parameters, values={"accuracy": float(right.mean()), "n": len(right)},
            arrays={"correct": right},
        )  # fmt: skip

    def followed(self, subject: Subject) -> dict[str, float]:
        """What retraining notes after each epoch (see :meth:`retrained`), of a model as it is."""
        row = {}
        for attack in making.FOLLOWED:
            settings = making.follow_settings(self.experiment, attack)
            images = self.experiment.attacked(attack, subject, **settings)
            right = self.right(subject, images)
            row["clean" if attack == "none" else attack] = float(right[: making.N_FOLLOWED].mean())
        return row

    def sweep(
        self,
        subject: Subject,
        attack: str,
        epsilons: Sequence[float],
        made_on: Subject | None = None,
    ) -> list[Record]:
        """Record accuracy for several sizes of an attack on `made_on` (None: on the subject itself).

        Of an attack on the subject itself, how similar the images stay is recorded too.
        """
        source, found = made_on or subject, []
        made = [self.experiment.attacked(attack, source, epsilon=epsilon) for epsilon in epsilons]
        self.experiment.make([(subject, images) for images in made])
        for epsilon, images in zip(epsilons, made, strict=True):
            found.append(self.score(subject, images, sweep="epsilon"))
            if made_on:
                continue
            ssim = similarity(images.x[:SIMILARITY_SAMPLE], images.x_adv[:SIMILARITY_SAMPLE])
            self.records.add(
                "similarity", model=subject.id, attack=attack, made_on=subject.id,
                parameters={"epsilon": epsilon, "sweep": "epsilon"},
                values={"ssim_mean": float(ssim.mean())}, arrays={"ssim": ssim},
            )  # fmt: skip
        return found

    def distances(self, subject: Subject, images: Images) -> Record:
        """Record, image by image, how far the attacked images that succeeded lie from the clean ones."""
        x, x_adv = images.x[images.success], images.x_adv[images.success]
        arrays = distortion(x, x_adv)
        means = {f"{norm}_mean": sizes for norm, sizes in arrays.items()}
        means["ssim_mean"] = similarity(x[:SIMILARITY_SAMPLE], x_adv[:SIMILARITY_SAMPLE])
        return self.records.add(
            "distortion", model=subject.id, attack=images.attack, parameters=images.parameters,
            values={name: float(each.mean()) for name, each in means.items() if len(each)},
            arrays=arrays,
        )  # fmt: skip

    def check(self) -> list[sanity.Check]:
        """Check what this chapter has measured for signs of a broken evaluation, and record it."""
        checks = [
            *(sanity.check(name, cases) for name, cases in self.experiment.signs().items()),
            *sanity.compare(self.records.all, self.experiment.data.n_classes),
        ]
        for check in checks:
            values = {"compared": check.compared, "warnings": list(check.warnings)}
            self.records.add("sanity", parameters={"check": check.name}, values=values)
        return checks
