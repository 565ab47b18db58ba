"""Made-up records of the chapters, for the tests of what is found in them."""

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


def accuracy(chapter, dataset, model, attack, share, n=N, made_on=None, **parameters):
    """An accuracy whose first images are the right ones."""
    correct = np.arange(n) < round(share * n)
    values = accuracy_values(int(correct.sum()), n)
    return Record(
        chapter, dataset, "accuracy", model, attack, None if attack == "none" else made_on,
        parameters, 0, values, {"correct": correct},
    )  # fmt: skip


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


def by_attack(fgsm, bim, lbfgs, none=0.9):
    return {"none": none, "fgsm": fgsm, "bim": bim, "lbfgs": lbfgs}


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


def shared(dataset="mnist", noise=0.9, attacked=0.5):
    rows = [(member(1), "noise", noise), (member(6), "noise", 0.1)]
    rows += [(member(1), attack, attacked) for attack in ("fgsm", "bim")]
    rows += [(member(6), attack, 0.0) for attack in ("fgsm", "bim")]
    return [
        accuracy(
            "04_ensembles", dataset, *row, made_on=None if row[1] == "noise" else member(6),
            epsilon=0.1, shared=True,
        )
        for row in rows
    ]  # fmt: skip


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


def table(dataset, shares, n=100_000, regenerate="epoch", made_on=None):
    """Table 4 or 5: FGSM normal, FGSM adversarial, BIM normal, BIM adversarial, in percent."""
    found = []
    for attack, (clean, attacked) in zip(("fgsm", "bim"), (shares[:2], shares[2:]), strict=True):
        model, place = retrained(attack, regenerate), ("05_retraining", dataset)
        found.append(accuracy(*place, model, "none", clean / 100, n))
        found.append(
            accuracy(*place, model, attack, attacked / 100, n, made_on or model, epsilon=0.1)
        )
    return found


def history(attack, best, dataset="mnist", regenerate="epoch"):
    values = {"loss": [1.0, 1.0], "best_epoch": [best]}
    model = retrained(attack, regenerate)
    return Record("05_retraining", dataset, "history", model, attack, values=values)


def beyond(of_ensemble, fgsm, bim, dataset="mnist", n_members=2):
    """Chapter 07: PGD on an ensemble and on retrained models."""
    models = {ensemble(n_members): of_ensemble, retrained("fgsm"): fgsm, retrained("bim"): bim}
    return [
        accuracy("07_attacks_on_defences", dataset, m, "pgd", share, made_on=m, epsilon=0.1)
        for m, share in models.items()
    ]


def targeted(dataset="mnist", untargeted=0.3, aimed=0.6):
    rows = (("bim", untargeted), ("targeted_bim", aimed))
    return [
        accuracy("03_attacks", dataset, ORIGINAL, *row, made_on=ORIGINAL, epsilon=0.1)
        for row in rows
    ]


def untargeted_lbfgs(share, dataset="mnist", size_=10):
    place = ("04_ensembles", dataset, ensemble(size_), "untargeted_lbfgs")
    return [accuracy(*place, share, made_on=ORIGINAL)]


def norms(dataset="mnist", bim=1.0, fgsm=2.0):
    wave = 0.1 * np.sin(np.arange(100.0))
    return [
        Record("03_attacks", dataset, "distortion", ORIGINAL, attack, arrays={"l2": value + wave})
        for attack, value in (("bim", bim), ("fgsm", fgsm))
    ]


def by_image_size(
    losses=(0.1, 0.2, 0.9), ssim=(0.7, 0.8, 0.9), grids=((0.05, 0.1), (0.05,), (0.05,))
):
    places = (("03_attacks", "mnist"), ("03_attacks", "cifar10"), TINY)
    found = []
    for (chapter, dataset), loss, value, grid in zip(places, losses, ssim, grids, strict=True):
        found.append(accuracy(chapter, dataset, ORIGINAL, "none", 0.8))
        for epsilon in grid:
            about = {"epsilon": epsilon, "sweep": "epsilon"}
            share, arrays = 0.8 * (1 - loss), {"ssim": value + 0.01 * np.sin(np.arange(50.0))}
            found.append(
                accuracy(chapter, dataset, ORIGINAL, "fgsm", share, made_on=ORIGINAL, **about)
            )
            found.append(
                Record(
                    chapter, dataset, "similarity", ORIGINAL, "fgsm", ORIGINAL, about, arrays=arrays
                )
            )
    return found


def tiny(gain, n=N, itself=False):
    """Chapter 06: the gain of a noisy replicate, on images made on the original model or each itself."""
    found = []
    for attack in ("none", "fgsm", "bim"):
        for model, share in ((ORIGINAL, 0.4), (member(1), 0.4 + gain)):
            made_on = model if itself else ORIGINAL
            found.append(accuracy(*TINY, model, attack, share, n, made_on, **size(attack)))
    return found


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
