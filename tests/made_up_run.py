"""Made-up records of the chapters, for the tests of what reads them."""

from dataclasses import replace

import numpy as np

from helpers.evaluation.model_id import ORIGINAL, ModelId
from helpers.evaluation.record import WORST_RUNG, Record
from helpers.evaluation.statistics import accuracy_values

N = 2000
ATTACKS = ("none", "fgsm", "bim", "lbfgs")
TINY = ("06_tiny_imagenet", "tiny_imagenet")


def member(number):
    return ModelId(kind="member", member=number)


def ensemble(size):
    return ModelId(kind="ensemble", n_members=size, combine="probabilities")


def retrained(attack, regenerate="epoch"):
    return ModelId(kind="original", retrained_on=attack, regenerate=regenerate)


ENSEMBLE, MEMBER, RETRAINED = ensemble(3), member(1), retrained("fgsm")


def scored(
    attack, n_correct=0, model=ORIGINAL, *, n=200, correct=None, made_on=None,
    place=("04_ensembles", "digits"), seed=0, **parameters,
):  # fmt: skip
    """An accuracy; `correct` gives its answers image by image."""
    arrays = {} if correct is None else {"correct": correct}
    if arrays:
        n, n_correct = len(correct), int(correct.sum())
    values, made_on = accuracy_values(n_correct, n), None if attack == "none" else made_on
    return Record(*place, "accuracy", model, attack, made_on, parameters, seed, values, arrays)


def accuracy(chapter, dataset, model, attack, share, n=N, made_on=None, **parameters):
    """An accuracy whose first images are the right ones."""
    correct, place = np.arange(n) < round(share * n), (chapter, dataset)
    return scored(attack, model=model, correct=correct, made_on=made_on, place=place, **parameters)


def again(record, share=None, n=None, **changes):
    """The same accuracy with another share, on other images, or of another model."""
    record = replace(record, **changes)
    return accuracy(
        record.chapter, record.dataset, record.model, record.attack,
        record.values["accuracy"] if share is None else share, n or record.values["n"],
        record.made_on, **record.parameters,
    )  # fmt: skip


def size(attack, epsilon=0.1):
    return {} if attack in ("none", "lbfgs") else {"epsilon": epsilon}


def bagging(dataset="mnist", size_=10, n=N, **shares):
    """Chapter 04, the sixth member attacked; a share for all attacks, or one for each.

    original, one (member 6), first (ensemble of one), ensemble, on_member, itself, ten.
    """
    shares = {
        "original": 0.4, "one": 0.5, "first": 0.5, "ensemble": 0.6, "on_member": 0.5, "itself": 0.3,
        "ten": 0.55,
    } | shares  # fmt: skip
    found = {}
    for attack in ATTACKS:
        rows = {
            "original": (ORIGINAL, ORIGINAL), "one": (member(6), ORIGINAL),
            "first": (ensemble(1), ORIGINAL), "ten": (ensemble(min(size_, 10)), ORIGINAL),
            "ensemble": (ensemble(size_), ORIGINAL), "on_member": (ensemble(size_), member(6)),
            "itself": (ensemble(size_), ensemble(size_)),
        }  # fmt: skip
        for name, (model, made_on) in rows.items():
            if attack == "none" and name in ("on_member", "itself"):
                continue
            share = shares[name]
            share = share.get(attack, 0.9) if isinstance(share, dict) else share
            record = accuracy(
                "04_ensembles", dataset, model, attack, share, n, made_on, **size(attack)
            )
            found[record.identity] = record
    values = {"n_members": min(size_, 10), "most_members": size_, "member": 6}
    about = Record("04_ensembles", dataset, "bagging", ensemble(min(size_, 10)), values=values)
    return [*found.values(), about]


def ladder(dataset="mnist", share=0.3, size_=10, epsilon=0.1):
    """Chapter 07: the worst rung of an ensemble."""
    about = {"rung": WORST_RUNG, "epsilon": epsilon}
    return [
        accuracy("07_attacks_on_defences", dataset, ensemble(size_), a, share, **about)
        for a in ("fgsm", "bim")
    ]


def retraining(
    dataset="mnist", before=0.9, clean=0.95, fgsm=0.8, bim=0.7, n=N, epsilon=0.1, easier=0.85,
    regenerate="epoch",
):  # fmt: skip
    """Chapter 05; `easier` on images made on the original model."""
    chapter = "05_retraining"
    found = [accuracy(chapter, dataset, ORIGINAL, "none", before, n)]
    for attack, share in (("fgsm", fgsm), ("bim", bim)):
        model = retrained(attack, regenerate)
        # Series of the same models come first, and must not be taken for the main results.
        about = {"epsilon": 0.5, "sweep": "epsilon"}
        found.append(accuracy(chapter, dataset, model, attack, 0.01, n, model, **about))
        once = retrained(attack, "never")
        found.append(accuracy(chapter, dataset, once, attack, 0.01, n, once, epsilon=epsilon))
        for made_on, left in ((ORIGINAL, easier), (model, share)):
            found.append(
                accuracy(chapter, dataset, model, attack, left, n, made_on, epsilon=epsilon)
            )
        found.append(accuracy(chapter, dataset, model, "none", clean, n))
    return found


def history(attack, best, dataset="mnist", regenerate="epoch"):
    values = {"loss": [1.0, 1.0], "best_epoch": [best]}
    model = retrained(attack, regenerate)
    return Record("05_retraining", dataset, "history", model, attack, values=values)


def several(
    dataset, model, attack, share, made_on=None, *, chapter="04_ensembles", epsilons=(0.1, 0.2),
    seeds=3, n=N, spread=0.002, **parameters,
):  # fmt: skip
    """An accuracy at several ε (the first is the chapter's), from several seeds."""
    found = []
    bound = attack not in ("none", "lbfgs", "untargeted_lbfgs", "cw")
    for epsilon in epsilons if bound else (None,):
        size = {"epsilon": epsilon} if bound else {}
        left = share[epsilon] if isinstance(share, dict) else share
        for seed in range(seeds):
            # Each training has its own luck; none has the same as another model's.
            luck = spread * np.sin(1 + 2 * seed + sum(map(ord, str(model))))
            about = size | parameters
            if seed == 0 and epsilon != epsilons[0] and bound and not parameters:
                about |= {"sweep": "epsilon"}
            record = accuracy(chapter, dataset, model, attack, left + luck, n, made_on, **about)
            if seed:
                id = replace(model, training_seed=seed)
                record = replace(record, quantity="repeat", model=id)
            found.append(record)
    return found


def clean(dataset="mnist", share=0.95):
    """Clean images on the original model, which say where an attack is idle or total."""
    return [accuracy("03_attacks", dataset, ORIGINAL, "none", share)]


def about(dataset="mnist", size_=10, most=None, attacked=6):
    values = {"n_members": size_, "most_members": most or size_, "member": attacked}
    return [Record("04_ensembles", dataset, "bagging", ensemble(size_), values=values)]
