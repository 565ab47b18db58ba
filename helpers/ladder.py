"""Attacks on an ensemble, from the one that knows least of it to the one that knows all.

An ensemble is as strong as the lowest rung leaves it (Tramèr et al. 2020, arXiv 2002.08347).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.ensembles import vote
from helpers.evaluation import Record, Records
from helpers.experiments import Experiment, Subject

# Ways to go down the ensemble's own loss: which mean is differentiated, with which options.
WHITE_BOX = {
    "itself, mean probability": ("probabilities", {}),
    "itself, mean loss": ("log_probabilities", {"loss": "likelihood"}),
    "itself, mean logits": ("logits", {}),
}

# The last rung: an image counts as right if no attack of the ladder fools the ensemble with it.
WORST_RUNG = "all of these, worst"


def climb(
    experiment: Experiment,
    records: Records,
    attack: str,
    *,
    original: Subject,
    members: Sequence[Subject],
    rivals: Sequence[Subject],
    attacked: int,
) -> dict[str, Record]:
    """Attack the ensemble of `members` in every way, and record what each leaves of it.

    Parameters
    ----------
    experiment, records
        Where models and images come from, and where the accuracies go.
    attack
        ``fgsm``, ``bim`` or ``pgd``.
    original
        The model that the report attacks.
    members, rivals
        The ensemble, and one trained like it without sharing anything with it.
    attacked
        The report's i, from 1.

    Returns
    -------
    rungs
        Name of the rung to its accuracy, in the order of what the attacker knows. An image counts as
        right in a "worst" rung if the ensemble is right on every version of it.
    """
    size = len(members)
    sources = {
        "the original model": original,
        "another ensemble": experiment.ensemble(rivals, "rival"),
    }
    sources |= {f"member {k}": member for k, member in enumerate(members, start=1)}
    right = {}
    for name, source in sources.items():
        right[name] = _right(experiment, members, experiment.attacked(attack, source))
    of_members = [right[f"member {k}"] for k in range(1, size + 1)]
    for name, (combine, options) in WHITE_BOX.items():
        source = experiment.ensemble(list(members), f"ensemble of {combine}", combine=combine)
        images = experiment.attacked(attack, source, **options)
        right[name] = _right(experiment, members, images)
    rungs = {
        "the original model": right["the original model"],
        "another ensemble": right["another ensemble"],
        f"member {attacked}": right[f"member {attacked}"],
        "every member, worst": np.all(of_members, axis=0),
        **{name: right[name] for name in WHITE_BOX},
        WORST_RUNG: np.all(list(right.values()), axis=0),
    }
    epsilon = experiment.p.epsilon
    found = {}
    for name, correct in rungs.items():
        about = {"rung": name, "n_members": size, "epsilon": epsilon}
        about |= {"made_on": name} if name in sources else {}
        found[name] = records.accuracy(correct, model="ensemble", attack=attack, parameters=about)
    each = [float(correct.mean()) for correct in of_members]
    records.add(
        "ladder", model="ensemble", attack=attack, parameters={"epsilon": epsilon},
        values={"made_on_each_member": each},
    )  # fmt: skip
    return found


def _right(experiment, members, images) -> np.ndarray:
    logits = np.stack([experiment.logits(member, images) for member in members])
    return vote(logits)[-1] == images.y
