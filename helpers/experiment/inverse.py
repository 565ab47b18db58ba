"""The inverse problem: models retrained and tested with many settings, as a report gives none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.evaluation.record import Record
from helpers.experiment.experiment import Experiment
from helpers.experiment.scores import Scores
from helpers.experiment.subjects import Images, Subject

WAYS = ("epoch", "batch")


@dataclass(frozen=True)
class Setting:
    """What a report leaves open of its adversarial retraining.

    Attributes
    ----------
    attack
        Trained on and tested with, at one size in both.
    epsilon
        That size.
    reach
        How far its steps go together, alpha * steps / epsilon; None of an attack of one step.
    regenerate
        When the examples are made: each ``epoch`` or each ``batch``.
    """

    attack: str
    epsilon: float
    reach: float | None
    regenerate: str

    def of(self, steps: int) -> dict[str, Any]:
        """The attack's settings if it takes so many steps."""
        if self.reach is None:
            return {"epsilon": self.epsilon}
        alpha = float(f"{self.reach * self.epsilon / steps:.12g}")
        return {"epsilon": self.epsilon, "alpha": alpha}

    def retrained(self, experiment: Experiment) -> Subject:
        p = experiment.p
        return experiment.retrained(
            self.attack, regenerate=self.regenerate, epochs=p.fit_epochs, **self.of(p.retrain_steps)
        )

    def images(self, experiment: Experiment, source: Subject) -> Images:
        return experiment.attacked(self.attack, source, **self.of(experiment.p.steps))


def settings(experiment: Experiment, attacks: Sequence[str]) -> Iterator[Setting]:
    """All settings that a chapter's parameters ask for."""
    p = experiment.p
    for attack in attacks:
        reaches = p.fit_reaches if "steps" in experiment.settings(attack) else [None]
        for epsilon in p.fit_epsilons:
            for reach in reaches:
                for way in WAYS:
                    yield Setting(attack, epsilon, reach, way)


def measure(scores: Scores, attacks: Sequence[str]) -> list[Record]:
    """Retrain the original model with each setting, and record what it then does.

    Returns
    -------
    records
        Accuracies with the parameters ``reach`` and ``sweep: fit``: of each retrained model on clean
        images, on images made on itself, and on images made on the original model.
    """
    experiment, original = scores.experiment, scores.experiment.original()
    found = list(settings(experiment, attacks))
    models = {setting: setting.retrained(experiment) for setting in found}
    pairs = [
        (setting, model, images)
        for setting, model in models.items()
        for images in (
            experiment.clean(), *(setting.images(experiment, s) for s in (model, original))
        )
    ]  # fmt: skip
    experiment.make([(model, images) for _, model, images in pairs])
    return [
        scores.score(model, images, sweep="fit", reach=setting.reach, trained=setting.epsilon)
        for setting, model, images in pairs
    ]


def gains(scores: Scores, members: Sequence[Subject], attacks: Sequence[str]) -> list[Record]:
    """Record what an ensemble gains on the original model, on images made on that, at many sizes.

    Returns
    -------
    records
        Quantity ``gain`` with the parameters ``epsilon``, ``reach`` and ``sweep: fit``; its values are
        ``points`` of accuracy, and percent of the original's ``errors`` (None where it makes none).
    """
    experiment, original = scores.experiment, scores.experiment.original()
    p, id, found = experiment.p, experiment.ensemble(members).id, []
    made = {}
    for attack in attacks:
        for reach in p.fit_reaches if "steps" in experiment.settings(attack) else [None]:
            for epsilon in filter(None, p.epsilon_grid):
                size = Setting(attack, epsilon, reach, "epoch")
                made[size] = size.images(experiment, original)
    experiment.make([(model, images) for model in (original, *members) for images in made.values()])
    for size, images in made.items():
        voted, alone = scores.voted(members, images), scores.right(original, images)
        points = 100 * float(voted.mean() - alone.mean())
        wrong = float(1 - alone.mean())
        found.append(
            scores.records.add(
                "gain", model=id, attack=size.attack, made_on=original.id,
                parameters={"epsilon": size.epsilon, "reach": size.reach, "sweep": "fit"},
                values={"points": points, "errors": points / wrong if wrong else None},
                arrays={"correct": voted, "without": alone},
            )
        )  # fmt: skip
    return found
