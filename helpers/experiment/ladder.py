"""Attacks on an ensemble, from the one that knows least of it to the one that knows all.

An ensemble is as strong as the lowest rung leaves it (Tramèr et al. 2020, arXiv 2002.08347).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.evaluation.record import WORST_RUNG, Record
from helpers.experiment.scores import Scores
from helpers.experiment.subjects import Subject

# Ways to go down the ensemble's own loss: which mean is differentiated, with which options.
WHITE_BOX = {
    "itself, mean probability": ("probabilities", {}),
    "itself, mean loss": ("log_probabilities", {"loss": "likelihood"}),
    "itself, mean logits": ("logits", {}),
}


def climb(
    scores: Scores,
    attack: str,
    *,
    original: Subject,
    members: Sequence[Subject],
    rivals: Sequence[Subject],
    attacked: int,
    epsilon: float | None = None,
) -> dict[str, Record]:
    """Attack the ensemble of `members` in every way, and record what each leaves of it.

    Parameters
    ----------
    scores
        Where models, images and records come together.
    attack
        A bounded attack that follows the gradient.
    original
        The model that the report attacks.
    members, rivals
        The ensemble, and one trained like it without sharing anything with it.
    attacked
        The report's i, from 1.
    epsilon
        Size of the attack (None: the chapter's); what is recorded of a given one belongs to a sweep.

    Returns
    -------
    rungs
        Name of the rung to its accuracy, in the order of what the attacker knows. An image counts as
        right in a "worst" rung if the ensemble is right on every version of it.
    """
    experiment = scores.experiment
    one = f"member {attacked}"
    sources = {"the original model": original, "another ensemble": experiment.ensemble(rivals)}
    sources |= {f"member {k}": member for k, member in enumerate(members, start=1)}
    options: dict[str, dict] = {}
    for name, (combine, settings) in WHITE_BOX.items():
        sources[name] = experiment.ensemble(members, combine=combine)
        options[name] = settings
    size = {} if epsilon is None else {"epsilon": epsilon}
    made = {
        name: experiment.attacked(attack, source, **size, **options.get(name, {}))
        for name, source in sources.items()
    }
    experiment.make([(member, images) for images in made.values() for member in members])
    right = {name: scores.voted(members, images) for name, images in made.items()}
    of_members = [right[f"member {k}"] for k in range(1, len(members) + 1)]
    rungs = {
        "the original model": right["the original model"],
        "another ensemble": right["another ensemble"],
        one: right[one],
        "every member, worst": np.all(of_members, axis=0),
        **{name: right[name] for name in WHITE_BOX},
        WORST_RUNG: np.all(list(right.values()), axis=0),
    }
    id = experiment.ensemble(members).id
    about = {"epsilon": experiment.p.epsilon} | (size | {"sweep": "epsilon"} if size else {})
    found = {
        name: scores.records.accuracy(
            correct, model=id, attack=attack, made_on=sources[name].id if name in sources else None,
            parameters={"rung": name} | about,
        )
        for name, correct in rungs.items()
    }  # fmt: skip
    _shared(scores, made, [original, *members], attacked, id, right, about)
    each = [float(correct.mean()) for correct in of_members]
    scores.records.add(
        "ladder", model=id, attack=attack, parameters=about,
        values={"made_on_each_member": each},
    )  # fmt: skip
    return found


def _shared(scores, made, models, attacked, id, right, about) -> None:
    """Record who else is fooled, and by whose images: what is said of "a member" is then of all.

    The ensemble on images made on each of `models`; each of them on its own, and on those made on the
    attacked member.
    """
    names = ["the original model", *(f"member {k}" for k in range(1, len(models)))]
    for k, (name, model) in enumerate(zip(names, models, strict=True)):
        images = made[name]
        parameters = {"shared": True} | about
        scores.records.accuracy(
            right[name], model=id, attack=images.attack, made_on=images.made_on,
            parameters=parameters,
        )  # fmt: skip
        tested = [images] if k == attacked else [images, made[f"member {attacked}"]]
        for shown in tested:
            scores.records.accuracy(
                scores.right(model, shown), model=model.id, attack=shown.attack, made_on=shown.made_on,
                parameters=parameters,
            )  # fmt: skip
