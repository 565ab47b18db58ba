"""Signs that an evaluation is broken, rather than a defence strong.

Each check compares what was measured with what must hold for any sound attack (Carlini et al. 2019,
arXiv 1902.06705; Athalye et al. 2018, arXiv 1802.00420), and warns where it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import ModelId
from helpers.evaluation.record import Record
from helpers.evaluation.statistics import mcnemar

# A difference between two accuracies on the same images counts below this p-value.
SIGNIFICANT = 0.05

# From here on every image can be turned into the same grey one, and no model can tell them apart.
GREY = 0.5

# Attacks that only ever add effort to the one before.
EFFORT = ("fgsm", "bim", "pgd")
# Attacks that see scores only, no gradients.
BLACK_BOX = tuple(name for name, attack in ATTACKS.items() if attack.kind == "black box")
# Attacks that may go as far as they must, and the share of images on which they then succeed with an
# undefended model, if their search converged.
UNBOUND = tuple(name for name, attack in ATTACKS.items() if attack.kind == "unbounded")
CONVERGED = 0.99

MISLED = (
    "The model's own gradients mislead the attack: the lower number counts, and the white-box one is no "
    "measure of robustness."
)
# What each sign means, and what to do with the numbers that it is found on.
EXPLAINED = {
    "zero gradients": (
        "The attack had nothing to follow on these images: where cross-entropy vanishes and DLR does "
        "not, the softmax is saturated, and attacks on DLR or without gradients count."
    ),
    "predictions that do not repeat": "The model draws at random: attacks must average over its draws.",
    "more effort helps the defender": "The stronger attack got stuck: the lower number counts.",
    "noise does as much as the attack": "The attack found no direction: its number says nothing.",
    "a larger ε helps the defender": "The steps overstep or get stuck: the lower number counts.",
    "transfer beats white-box": MISLED,
    "black box beats white-box": MISLED,
    "boundless attacks leave more than chance": (
        "The search is unconverged: distances are too large, and accuracies under it too high."
    ),
}


@dataclass(frozen=True)
class Check:
    """One validity check.

    Attributes
    ----------
    name
        What would be wrong.
    compared
        In how many cases it was looked for.
    warnings
        Where it was found, in words.
    """

    name: str
    compared: int
    warnings: tuple[str, ...] = ()


def compare(records: Iterable[Record], n_classes: int) -> list[Check]:
    """Compare the accuracies of one chapter with one another.

    Parameters
    ----------
    records
        Accuracies with their ``correct`` arrays.
    n_classes
        Classes of the data set.
    """
    records = [r for r in records if r.quantity == "accuracy" and "correct" in r.arrays]
    # What stands in two places is one result: a sweep passes through the chapter's own epsilon.
    records = list({_identity(r): r for r in reversed(records)}.values())[::-1]
    return [
        check("more effort helps the defender", _efforts(records)),
        check("noise does as much as the attack", _noises(records)),
        check("a larger ε helps the defender", _sizes(records, 1 / n_classes)),
        check("transfer beats white-box", _transfers(records)),
        check("black box beats white-box", _black_boxes(records)),
        check("boundless attacks leave more than chance", _boundless(records, 1 / n_classes)),
    ]


def retraining_signs(
    attack: str, before: Mapping[str, float], after: Mapping[str, float]
) -> list[str]:
    """Name what goes wrong in adversarial retraining, as far as accuracies show it.

    Parameters
    ----------
    attack
        Retrained on.
    before, after
        Accuracy under ``clean``, ``fgsm``, ``bim`` and ``pgd``, made on the model as it then is: before
        the retraining, and after an epoch.

    Returns
    -------
    signs
        Of label leaking (Kurakin et al. 2017, arXiv 1611.01236), catastrophic overfitting to the single
        step (Wong et al. 2020, arXiv 2001.03994), and of examples that do not fit the model which they
        trained.
    """
    found = []
    if after["fgsm"] > after["clean"]:
        found.append("labels leak")
    if attack == "fgsm" and after["fgsm"] > before["fgsm"] and after["pgd"] < before["pgd"]:
        found.append("overfits to one step")
    if after[attack] < before[attack]:
        found.append("its examples no longer fit it")
    return found


def check(name: str, cases: Iterable[str | bool]) -> Check:
    """Sum up the cases of a check: a warning in words for each that fails, False for the others."""
    found = list(cases)
    return Check(name, len(found), tuple(dict.fromkeys(text for text in found if text)))


def _pairs(records: list[Record], others: list[Record]) -> Iterator[tuple[Record, Record]]:
    """Pair the white-box records with what was measured on the same model, images and epsilon."""
    for record in records:
        if record.made_on != record.model:
            continue
        for other in others:
            if (
                other is not record
                and other.model == record.model
                and other.parameters.get("epsilon") == record.parameters.get("epsilon")
                and len(other.arrays["correct"]) == len(record.arrays["correct"])
            ):
                yield record, other


def _efforts(records: list[Record]) -> Iterator[str | bool]:
    for strong, weak in _pairs(records, records):
        if not {strong.attack, weak.attack} <= set(EFFORT):
            continue
        if EFFORT.index(strong.attack) <= EFFORT.index(weak.attack):
            continue
        if weak.made_on != weak.model or not _fills_the_ball(strong):
            continue
        yield _better(strong, weak) and (
            f"{strong.model}, ε = {strong.parameters['epsilon']:g}: {_say(strong)} under "
            f"{_label(strong)}, but {_say(weak)} under {_label(weak)}"
        )


def _fills_the_ball(record: Record) -> bool:
    # Steps too few or too short to reach the rim, which from a random start may be a whole diameter
    # away, are not more effort than one step of full length. The rungs of a ladder do not tell them.
    reach = record.parameters.get("alpha", 0) * record.parameters.get("steps", 0)
    distance = record.parameters["epsilon"] * (2 if record.attack == "pgd" else 1)
    return reach >= distance * (1 - 1e-6)


def _noises(records: list[Record]) -> Iterator[str | bool]:
    noises = [r for r in records if r.attack == "noise"]
    for attacked, noise in _pairs([r for r in records if r.attack in EFFORT], noises):
        if not attacked.parameters["epsilon"]:
            continue
        left = attacked.values["accuracy"]
        yield 0 < left >= noise.values["accuracy"] and (
            f"{attacked.model}, ε = {attacked.parameters['epsilon']:g}: {_say(attacked)} under "
            f"{_label(attacked)}, but {_say(noise)} under random noise"
        )


def _sizes(records: list[Record], chance: float) -> Iterator[str | bool]:
    lines: dict[tuple[ModelId, str], list[Record]] = {}
    for record in records:
        # One long step may well overstep: for FGSM that is no fault.
        if record.attack in EFFORT[1:] and record.made_on == record.model:
            lines.setdefault((record.model, record.attack), []).append(record)
    for line in lines.values():
        for small, large in pairwise(sorted(line, key=lambda r: r.parameters["epsilon"])):
            # A model that was led astray comes back to guessing where nothing is left of the image.
            yield (
                large.values["low"] > chance
                and _better(large, small)
                and (
                    f"{large.model} under {_label(large)}: {_say(small)} at ε = "
                    f"{small.parameters['epsilon']:g}, but {_say(large)} at "
                    f"{large.parameters['epsilon']:g}: the attack oversteps"
                )
            )


def _transfers(records: list[Record]) -> Iterator[str | bool]:
    for white_box, other in _pairs(records, records):
        made_on = other.made_on  # None: the worst of several attacks
        if other.attack != white_box.attack or made_on is None or other.white_box:
            continue
        yield _better(white_box, other) and (
            f"{white_box.model} under {_label(white_box)}: {_say(white_box)} when attacked "
            f"itself, but {_say(other)} on images made on {made_on}"
        )


def _black_boxes(records: list[Record]) -> Iterator[str | bool]:
    for white_box in records:
        if white_box.attack != EFFORT[-1] or white_box.made_on != white_box.model:
            continue
        for other in records:
            right = other.arrays["correct"]
            # They take longer, and are made on the first of the images only.
            there = white_box.arrays["correct"][: len(right)]
            if (
                other.attack not in BLACK_BOX
                or not other.model == other.made_on == white_box.model
                or other.parameters.get("epsilon") != white_box.parameters["epsilon"]
                or len(there) != len(right)
            ):
                continue
            yield (
                there.mean() > right.mean()
                and mcnemar(there, right) < SIGNIFICANT
                and (
                    f"{white_box.model}: {there.mean():.1%} under {_label(white_box)}, but "
                    f"{_say(other)} under {_label(other)}, which sees no gradient, on the same images"
                )
            )


def _boundless(records: list[Record], chance: float) -> Iterator[str | bool]:
    for record in records:
        about = record.parameters
        if record.made_on != record.model:
            continue
        if record.attack in UNBOUND:
            model = record.model
            if model.kind == "original" and not model.retrained_on:
                found = min(1 - record.values["accuracy"], record.values.get("success", 1.0))
                yield found < CONVERGED and (
                    f"{model} under {_label(record)}: unconverged, as it succeeds on {found:.1%} of the "
                    f"images of an undefended model, where a converged search reaches {CONVERGED:.0%}"
                )
                continue
            size, reason = "", "though it may go as far as it must: its search failed"
        elif record.attack in EFFORT[1:] and about["epsilon"] >= GREY and _fills_the_ball(record):
            size = f", ε = {about['epsilon']:g}"
            reason = "where every image can be turned into the same grey one"
        else:
            continue
        yield record.values["low"] > chance and (
            f"{record.model} under {_label(record)}{size}: {_say(record)}, {reason}"
        )


def _identity(record: Record) -> tuple:
    made_on = record.made_on or record.parameters.get("rung")
    epsilon = record.parameters.get("epsilon")
    return record.model, record.attack, made_on, epsilon, record.arrays["correct"].tobytes()


def _better(a: Record, b: Record) -> bool:
    """Tell whether accuracy `a` is above `b` by more than chance explains."""
    ahead = a.values["accuracy"] > b.values["accuracy"]
    return ahead and mcnemar(a.arrays["correct"], b.arrays["correct"]) < SIGNIFICANT


def _say(record: Record) -> str:
    return f"{record.values['accuracy']:.1%}"


def _label(record: Record) -> str:
    return ATTACKS[record.attack].label
