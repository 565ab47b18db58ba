"""The report's claims, each as a test of records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from scipy.stats import binomtest

from helpers.data import DATASETS
from helpers.evaluation import Difference, Record, independent_difference, mcnemar, plain, select
from helpers.experiment.ladder import WORST_RUNG
from helpers.figures import ATTACK_NAMES
from helpers.findings.reported import PER_BATCH, counterparts, kept_first, read_reported
from helpers.findings.verdicts import (
    ABSENT,
    FAILS,
    HOLDS,
    UNDECIDED,
    Claim,
    Part,
    Verdict,
    above,
    best,
    first,
    gap,
    gap_of_gains,
    inside,
    mean_gap,
    over_trainings,
    points,
    reach_verdict,
    stand_for,
    worst,
)

ATTACKS = ("fgsm", "bim", "lbfgs")
LARGE = "06_tiny_imagenet"  # the chapter of the large colour images
BOTH = ("mnist", "cifar10")  # the data sets of most claims
RETRAINED = ("fgsm", "bim")  # the attacks that the report retrains on
# When examples are made for retraining: the report describes both. Models are named so.
WAYS = {"": "per epoch", PER_BATCH: "per batch"}
# On which model the images are made that a retrained one is tested with: the report does not say.
TESTED = {"itself": "attacked itself", "original": "on images made on the original model"}
# The report has words where a test needs numbers; these are ours, in points of accuracy.
HARDLY = 3.0  # "do not vary much"
MUCH = 5.0  # "much lower accuracies"
MUCH_SMALLER = 0.9  # "much smaller" perturbations: at most this share of the norm
MINIMAL = 5.0  # "a minimal increase in performance"
NEGLIGIBLE = 2.0  # "not significantly"
REPORTED_MEMBERS = 10  # largest ensemble of the report
MORE_MEMBERS = 100  # "around one order of magnitude more"


def judge_all(records: Sequence[Record]) -> list[Verdict]:
    """Judge every claim by the records of a build, read with their arrays."""
    # What was measured on a user's own model says nothing about the report's.
    own = {(r.chapter, r.dataset) for r in select(records, quantity="own_model")}
    records = [r for r in records if (r.chapter, r.dataset) not in own]
    return [reach_verdict(claim, records) for claim in CLAIMS]


# What the chapters recorded ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Bagging:
    """The accuracies of chapter 04 on one data set."""

    dataset: str
    size: int  # members of the whole ensemble
    member: int  # the attacked one
    most: int  # members of the largest ensemble, under transferred attacks only
    records: list[Record]

    def ensemble(
        self, attack: str, size: int | None = None, made_on: str = "original"
    ) -> Record | None:
        """The ensemble (or its first `size` members) on images made on another model, mean vote."""
        wanted = {"n_members": size or self.size, "made_on": made_on, "vote": "mean"}
        return first(self.records, model="ensemble", attack=attack, **wanted)

    def white_box(self, attack: str) -> Record | None:
        return first(self.records, model="ensemble", attack=attack, white_box=True)

    def on_its_ladder(self, attack: str) -> Record | None:
        """The ensemble, counting an image only if it stands every rung; or attacked itself alone."""
        worst_of_all = first(self.records, model="ensemble", attack=attack, rung=WORST_RUNG)
        return worst_of_all or self.white_box(attack)

    @property
    def epsilon(self) -> float:
        return first(self.records, model="original", attack="fgsm").parameters["epsilon"]

    def on_original(self, model: str, attack: str) -> Record | None:
        """A single model on images made on the original model (or clean ones)."""
        source = {} if attack == "none" else {"source": "original"}
        return first(self.records, model=model, attack=attack, **source)

    @property
    def one(self) -> str:
        return f"member {self.member}"

    @property
    def about(self) -> str:
        return f"{self.size} members, ε = {self.epsilon:g}"


def _baggings(records: Sequence[Record], *roles: str) -> Iterator[_Bagging]:
    for dataset in stand_for(records, *roles, chapter="04_ensembles", quantity="bagging"):
        held = select(records, chapter="04_ensembles", dataset=dataset)
        values = first(held, quantity="bagging").values
        accuracies = select(held, quantity="accuracy")
        most = values.get("most_members", values["n_members"])
        yield _Bagging(dataset, values["n_members"], values["member"], most, accuracies)


def _gaps(pairs: dict[str, tuple[Record | None, Record | None]]) -> dict[str, Difference]:
    """Difference of each pair that is there, by attack."""
    return {
        attack: gap(a, b) for attack, (a, b) in pairs.items() if a is not None and b is not None
    }


def _large_enough(pairs: dict, bound: float) -> dict:
    """Leave out attacks on so few images that not even equal answers would lie within the bound."""
    least = 196 / bound  # an interval without any difference reaches 1.96 / n
    return {a: p for a, p in pairs.items() if None not in p and p[0].values["n"] > least}


def _at(records: Sequence[Record]) -> str:
    """Say the size of the attacks, as the FGSM records tell it."""
    found = [r for r in select(records, attack="fgsm") if "epsilon" in r.parameters]
    return f"ε = {found[0].parameters['epsilon']:g}" if found else "ε not recorded"


def _list(gaps: dict[str, Difference]) -> str:
    names = ATTACK_NAMES | {"none": "clean"}
    return ", ".join(f"{names.get(name, name)} {points(d)}" for name, d in gaps.items())


def _part(dataset: str, gaps: dict[str, Difference], judge, note: str = "") -> Iterator[Part]:
    """Judge differences that must all pass; nothing where there are none."""
    if gaps:
        text = f"{_list(gaps)} points" + (f" ({note})" if note else "")
        yield Part(dataset, worst(judge(d) for d in gaps.values()), text)


def _retrials(
    records: Sequence[Record], chapter: str, dataset: str, models: tuple[str, str], attacks, judge
) -> Iterator[Part]:
    """Judge the difference of two models once more, over trainings from several seeds."""
    held = select(records, chapter=chapter, dataset=dataset, quantity="repeat")
    gaps, n = {}, 0
    for attack in attacks:
        a, b = (
            {r.parameters["training_seed"]: r.values["accuracy"] for r in found}
            for found in (select(held, attack=attack, model=model) for model in models)
        )
        differences = [a[seed] - b[seed] for seed in a.keys() & b.keys()]
        if len(differences) > 1:
            gaps[attack], n = over_trainings(differences), len(differences)
    yield from _part(dataset, gaps, judge, f"{models[0]} minus {models[1]}, mean of {n} trainings")


# The tests --------------------------------------------------------------------------------------


def _size_hardly_matters(records) -> Iterator[Part]:
    for b in _baggings(records, *BOTH):
        size = min(b.size, REPORTED_MEMBERS)
        if size > 1:
            pairs = {a: (b.ensemble(a, size), b.ensemble(a, 1)) for a in ("none", *ATTACKS)}
            gaps = _gaps(_large_enough(pairs, HARDLY))
            flat = partial(inside, low=-HARDLY / 100, high=HARDLY / 100)
            text = f"{size} members against one, ε = {b.epsilon:g}"
            yield from _part(b.dataset, gaps, flat, text)
            models, few = ("ensemble", "member 1"), ("none", "fgsm", "bim")
            yield from _retrials(records, "04_ensembles", b.dataset, models, few, flat)


def _twenty_to_thirty(records) -> Iterator[Part]:
    for b in _baggings(records, "mnist"):
        gaps = _gaps({a: (b.ensemble(a), b.on_original("original", a)) for a in ATTACKS})
        wrong = {a: 1 - b.on_original("original", a).values["accuracy"] for a in gaps}
        relative = {
            a: Difference(*(v / wrong[a] for v in (d.value, d.low, d.high)))
            for a, d in gaps.items()
            if wrong[a]
        }
        readings = [worst(inside(d, 0.2, 0.3) for d in some.values()) for some in (gaps, relative)]
        if gaps:
            text = f"{_list(gaps)} points; of the errors {_list(relative)} % ({b.about})"
            yield Part(b.dataset, best(readings), text)


def _noisy_replicate_helps(records) -> Iterator[Part]:
    for b in _baggings(records, "mnist"):
        pairs = {a: (b.on_original(b.one, a), b.on_original("original", a)) for a in ATTACKS}
        yield from _part(b.dataset, _gaps(pairs), above, f"{b.one}, {b.about}")


def _better_on_originals(records) -> Iterator[Part]:
    for b in _baggings(records, *BOTH):
        if b.size > 1:
            pairs = {a: (b.ensemble(a), b.ensemble(a, made_on=b.one)) for a in ATTACKS}
            yield from _part(b.dataset, _gaps(pairs), above, f"{b.one}, {b.about}")


def _untargeted_is_stronger(records) -> Iterator[Part]:
    much = partial(above, bound=MUCH / 100)
    for b in _baggings(records, *BOTH):
        pairs = {a: (b.ensemble("lbfgs"), b.ensemble(a)) for a in ("fgsm", "bim")}
        text = f"targeted L-BFGS minus each, on the ensemble, {b.about}"
        yield from _part(b.dataset, _gaps(pairs), much, text)
    for dataset in stand_for(records, *BOTH, chapter="03_attacks", attack="targeted_bim"):
        held = select(
            records, chapter="03_attacks", dataset=dataset, quantity="accuracy",
            model="original", sweep=None,
        )  # fmt: skip
        pairs = {"bim": (first(held, attack="targeted_bim"), first(held, attack="bim"))}
        text = f"BIM towards a random class minus BIM away from the true one, {_at(held)}"
        yield from _part(dataset, _gaps(pairs), much, text)


def _readings(dataset: str, parts: Iterator[Part] | Sequence[Part]) -> Iterator[Part]:
    """Join the readings of something that the report leaves open: one of them suffices."""
    if parts := list(parts):
        numbers = "; ".join(part.numbers for part in parts)
        yield Part(dataset, best(part.verdict for part in parts), numbers)


def _matches_table(records, number: int, tolerance: float) -> Iterator[Part]:
    found: dict[str, dict[tuple[str | None, str], list[tuple[str, str]]]] = {}
    for entry in read_reported():
        if entry["where"] != f"Table {number}":
            continue
        for record in counterparts(entry, records):
            if record.dataset != entry["dataset"]:
                text = f"no yardstick for this stand-in; needs {DATASETS[entry['dataset']].title}"
                found[record.dataset] = {(None, ""): [(ABSENT, text)]}
                continue
            percent = Difference(*(100 * record.values[k] for k in ("accuracy", "low", "high")))
            reported = Difference(*[entry["reported"]] * 3)
            verdict = inside(percent - reported, -tolerance, tolerance)
            text = f"{entry['what']} {percent.value:.2f} (reported {entry['reported']})"
            way = PER_BATCH if record.model.endswith(PER_BATCH) else ""
            source = record.parameters.get("source", "")
            made = "" if not source else "original" if source == "original" else "itself"
            found.setdefault(record.dataset, {}).setdefault((way, made), []).append((verdict, text))
    for dataset, judged in found.items():
        size = _at(select(records, chapter="05_retraining", dataset=dataset))
        parts = [
            Part(dataset, *one)
            for (way, _), entries in judged.items()
            if way is None
            for one in entries
        ]
        for way in WAYS:
            clean = judged.get((way, ""), [])
            for made, words in TESTED.items():
                if attacked := judged.get((way, made)):
                    verdicts, texts = zip(*clean, *attacked, strict=True)
                    about = f" ({_examples(records, dataset, way)}; {words}, {size})"
                    parts.append(Part(dataset, worst(verdicts), "; ".join(texts) + about))
        yield from _readings(dataset, parts)


def _examples(records: Sequence[Record], dataset: str, way: str) -> str:
    """Say when the examples of retraining were made, and what that came to."""
    held = select(records, chapter="05_retraining", dataset=dataset)
    kept = [ATTACK_NAMES[a] for a in RETRAINED if kept_first(held, f"retrained {a}{way}")]
    only = f", for {' and '.join(kept)} of the original model only, as the first epoch was kept"
    return f"examples {WAYS[way]}{only if kept else ''}"


def _retrained(records, *roles: str) -> Iterator[tuple[str, list[Record]]]:
    for dataset in stand_for(records, *roles, chapter="05_retraining", quantity="accuracy"):
        held = select(records, chapter="05_retraining", dataset=dataset, quantity="accuracy")
        yield dataset, plain(held)


def _clean_accuracy_rises(records) -> Iterator[Part]:
    for dataset, held in _retrained(records, *BOTH):
        clean = select(held, attack="none")
        before = first(clean, model="original")
        text = f"on clean images, by the attack of the retraining, {_at(held)}"
        ways = []
        for way in WAYS:
            names = {a: f"retrained {a}{way}" for a in RETRAINED}
            gaps = _gaps({a: (first(clean, model=name), before) for a, name in names.items()})
            about = f"{_examples(records, dataset, way)}; {text}"
            parts = list(_part(dataset, gaps, above, about))
            for name in names.values():
                models = (name, "original")
                parts += _retrials(records, "05_retraining", dataset, models, ["none"], above)
            if parts:
                numbers = "; ".join(part.numbers for part in parts)
                ways.append(Part(dataset, worst(part.verdict for part in parts), numbers))
        yield from _readings(dataset, ways)


def _retraining_beats_ensemble(records) -> Iterator[Part]:
    baggings = {b.dataset: b for b in _baggings(records, *BOTH)}
    for dataset, held in _retrained(records, *BOTH):
        if dataset not in baggings:
            continue
        b = baggings[dataset]
        attacked = select(held, attack=RETRAINED[0])
        if any(r.parameters["epsilon"] != b.epsilon for r in attacked):
            yield Part(dataset, ABSENT, "chapters 04 and 05 were run with different ε")
            continue
        for ensemble, source, text in (
            (b.ensemble, "original", "both on images made on the original model"),
            (
                b.on_its_ladder,
                "",
                "both attacked themselves, the ensemble by the worst of its ladder",
            ),
        ):
            parts = []
            for way in WAYS:
                names = {a: f"retrained {a}{way}" for a in RETRAINED}
                pairs = {
                    a: (first(held, model=name, attack=a, source=source or name), ensemble(a))
                    for a, name in names.items()
                }
                about = f"{_examples(records, dataset, way)}; {text}; {b.about}"
                parts += _part(dataset, _gaps(pairs), above, about)
            yield from _readings(dataset, parts)


def _order_of_gains(records) -> Iterator[Part]:
    for b in _baggings(records, *BOTH):
        pairs = {a: (b.ensemble(a), b.on_original("original", a)) for a in ATTACKS}
        gaps = _gaps(pairs)
        if len(gaps) < len(ATTACKS):
            continue
        order = (("lbfgs", "bim"), ("lbfgs", "fgsm"), ("bim", "fgsm"))
        steps = [gap_of_gains(pairs[more], pairs[less]) for more, less in order]
        own = _gaps({a: (b.white_box(a), b.on_original("original", a)) for a in ATTACKS})
        text = f"gains: {_list(gaps)} points ({b.about}); attacked itself: {_list(own)}"
        yield Part(b.dataset, worst(above(step) for step in steps), text)


def _better_on_clean(records) -> Iterator[Part]:
    for b in _baggings(records, "cifar10"):
        pairs = {"none": (b.ensemble("none"), b.on_original("original", "none"))}
        yield from _part(b.dataset, _gaps(pairs), above, b.about)
        models = ("ensemble", "original")
        yield from _retrials(records, "04_ensembles", b.dataset, models, ["none"], above)


def _no_better_than_a_member(records) -> Iterator[Part]:
    for b in _baggings(records, "cifar10"):
        pairs = {a: (b.ensemble(a), b.on_original(b.one, a)) for a in ("none", *ATTACKS)}
        clean = _gaps({"none": pairs.pop("none")})
        pairs = _large_enough(pairs, NEGLIGIBLE)
        gaps = _gaps(pairs)
        if not gaps or b.size < 2:
            continue
        chances = {a: mcnemar(*(r.arrays["correct"] for r in pair)) for a, pair in pairs.items()}
        better = [chance for a, chance in chances.items() if gaps[a].value > 0]
        # Holm's first step: the smallest of several p-values counts that many times.
        significant = min(better, default=1.0) * len(chances) < 0.05
        small = worst(inside(d, -1.0, NEGLIGIBLE / 100) for d in gaps.values())
        verdict = FAILS if significant else HOLDS if small == HOLDS else UNDECIDED
        said = f"smallest p = {min(better):.2g}" if better else "never ahead"
        text = f"{_list(gaps)} points ({said}; {b.one}, {b.about}); not judged: {_list(clean)}"
        yield Part(b.dataset, verdict, text)
        models, flat = ("ensemble", b.one), partial(inside, low=-1.0, high=NEGLIGIBLE / 100)
        few = ("fgsm", "bim")
        yield from _retrials(records, "04_ensembles", b.dataset, models, few, flat)


def _lost(records, chapter: str, dataset: str, epsilon: float) -> tuple[int, int] | None:
    """Count the images that the original model loses to FGSM, and those it had right without."""
    held = select(records, chapter=chapter, dataset=dataset, model="original", quantity="accuracy")
    clean = first(held, attack="none")
    attacked = first(held, attack="fgsm", epsilon=epsilon, sweep="epsilon")
    if clean is None or attacked is None:
        return None
    right = clean.arrays["correct"]
    return int((right & ~attacked.arrays["correct"]).sum()), int(right.sum())


def _common_epsilon(records, others: list[tuple[str, str]], quantity: str) -> list[float]:
    """List the values of epsilon, above 0, that all of the chapters and data sets have."""
    grids = []
    for chapter, dataset in others:
        held = select(records, chapter=chapter, dataset=dataset, attack="fgsm", quantity=quantity)
        grids.append({r.parameters.get("epsilon") for r in held if r.parameters.get("sweep")})
    return sorted(set.intersection(*grids) - {0.0}) if grids else []


def _by_size(records, quantity: str) -> tuple[list[tuple[str, str]], float] | None:
    """Find chapters and data sets of growing image size, and the smallest epsilon that they share.

    At larger ones every model is at zero, and nothing is left to compare.
    """
    places = [("03_attacks", "mnist"), ("03_attacks", "cifar10")]
    places.append((LARGE, "tiny_imagenet"))
    found = [
        (chapter, dataset)
        for chapter, role in places
        for dataset in stand_for(records, role, chapter=chapter, quantity=quantity)[:1]
    ]
    shared = _common_epsilon(records, found, quantity)
    return (found, shared[0]) if len(found) == len(places) and shared else None


def _network(records: Sequence[Record]) -> str:
    """Say how small the Inception of this build is."""
    about = first(records, chapter=LARGE, quantity="architecture")
    clean = first(records, chapter=LARGE, quantity="accuracy", model="original", attack="none")
    if about is None or clean is None:
        return "Inception of a size not recorded"
    sizes = about.values
    images = f"{sizes['n_train']:,} images" if "n_train" in sizes else "images"
    return (
        f"Inception of width {sizes['width']:g} at {sizes['input_size']} pixels, trained on {images} of "
        f"{sizes['n_classes']} classes, {clean.values['accuracy']:.1%} clean"
    )


def _hurts_inception_more(records) -> Iterator[Part]:
    setting = _by_size(records, "accuracy")
    if setting is None:
        return
    places, epsilon = setting
    counts = {dataset: _lost(records, chapter, dataset, epsilon) for chapter, dataset in places}
    if not all(count and count[1] for count in counts.values()):
        return
    *smaller, largest = counts
    gaps = {
        f"minus {dataset}": independent_difference(*counts[largest], *counts[dataset])
        for dataset in smaller
    }
    shares = ", ".join(f"{name} {lost / right:.0%}" for name, (lost, right) in counts.items())
    text = f"share of the correct answers that FGSM takes, ε = {epsilon:g}: {shares}"
    text += f"; {_network(records)}"
    yield from _part(largest, gaps, above, text)


def _harder_to_see(records) -> Iterator[Part]:
    setting = _by_size(records, "similarity")
    if setting is None:
        return
    places, epsilon = setting
    values = {}
    for chapter, dataset in places:
        wanted = {"chapter": chapter, "quantity": "similarity", "epsilon": epsilon}
        values[dataset] = first(records, dataset=dataset, attack="fgsm", **wanted).arrays["ssim"]
    if min(map(len, values.values())) < 2:
        return
    names = list(values)
    steps = [mean_gap(values[b], values[a]) for a, b in pairwise(names)]
    means = ", ".join(f"{name} {ssim.mean():.3f}" for name, ssim in values.items())
    text = f"mean SSIM of FGSM images, ε = {epsilon:g}: {means} (1: no difference)"
    yield Part(names[-1], worst(above(step) for step in steps), f"{text}; {_network(records)}")


def _minimal_gain(records) -> Iterator[Part]:
    for dataset in stand_for(records, "tiny_imagenet", chapter=LARGE, quantity="accuracy"):
        held = select(records, chapter=LARGE, dataset=dataset, quantity="accuracy", sweep=None)
        small = partial(inside, low=0.0, high=MINIMAL / 100)
        transfer, own = {}, {}
        for attack in ("none", "fgsm", "bim"):
            made = {} if attack == "none" else {"source": "original"}
            same = select(held, attack=attack, vote=None, **made)
            transfer[attack] = first(same, model="member 1"), first(same, model="original")
            itself = select(held, attack=attack, white_box=True)
            own[attack] = first(itself, model="member 1"), first(itself, model="original")
        # The report does not say on which model the images of Figure 11 were made.
        readings = [
            part
            for pairs, text in ((transfer, "made on the original model"), (own, "on each itself"))
            for part in _part(
                dataset, _gaps(pairs), small, f"attacks {text}, {_at(held)}; {_network(records)}"
            )
        ]
        yield from _readings(dataset, readings)


def _bim_is_smaller(records) -> Iterator[Part]:
    for dataset in stand_for(records, *BOTH, chapter="03_attacks", quantity="distortion"):
        held = select(records, chapter="03_attacks", dataset=dataset, quantity="distortion")
        bim, fgsm = (first(held, attack=attack) for attack in ("bim", "fgsm"))
        if bim is None or fgsm is None:
            continue
        limit = MUCH_SMALLER * fgsm.arrays["l2"]
        less = int((bim.arrays["l2"] < limit).sum())
        more = int((bim.arrays["l2"] > limit).sum())
        decided = less + more and binomtest(less, less + more).pvalue < 0.05
        verdict = UNDECIDED if not decided else HOLDS if less > more else FAILS
        means = (float(np.mean(r.arrays["l2"])) for r in (bim, fgsm))
        text = (
            "at most {:g} of FGSM's on {} images, more on {} (sign test); mean {:.3f}, not {:.3f}"
        )
        text = text.format(MUCH_SMALLER, less, more, *means)
        yield Part(dataset, verdict, f"{text}, {_at(held)}")


def _ensemble_against_unknown(records) -> Iterator[Part]:
    for dataset in stand_for(records, *BOTH, chapter="07_beyond", attack="pgd"):
        held = select(records, chapter="07_beyond", dataset=dataset, quantity="accuracy")
        # Of one member it would be no ensemble.
        names = {r.model for r in held if re.fullmatch(r"ensemble of ([2-9]|\d\d+)", r.model)}
        if not names:
            yield Part(dataset, ABSENT, "needs an ensemble of two members or more")
            continue
        (name,) = names
        # PGD and AutoPGD are BIM from random starts: news only to the model retrained on FGSM.
        against = [(k, "fgsm") for k in ("pgd", "auto_pgd")]
        against += [("square", on) for on in ("fgsm", "bim", "pgd")]
        gaps = {
            f"{ATTACK_NAMES[attack]}, minus retrained on {ATTACK_NAMES[on]}": gap(*pair)
            for attack, on in against
            if None not in (
                pair := (
                    first(held, attack=attack, model=name),
                    first(held, attack=attack, model=f"retrained {on}"),
                )
            )
        }  # fmt: skip
        epsilon = first(held, attack="pgd").parameters["epsilon"]
        text = f"the {name}, each model attacked itself, ε = {epsilon:g}"
        yield from _part(dataset, gaps, above, text)


def _more_members_help(records) -> Iterator[Part]:
    for b in _baggings(records, "mnist"):
        if b.most < 2 * REPORTED_MEMBERS:
            text = f"needs at least {2 * REPORTED_MEMBERS} members; here are {b.most}"
            yield Part(b.dataset, ABSENT, text)
            continue
        pairs = {a: (b.ensemble(a, b.most), b.ensemble(a, REPORTED_MEMBERS)) for a in ATTACKS}

        def judge(difference, size=b.most):
            # Fewer than the report had in mind may show that more help, not that they do not.
            verdict = above(difference)
            return UNDECIDED if verdict == FAILS and size < MORE_MEMBERS else verdict

        text = f"{b.most} members against {REPORTED_MEMBERS}, ε = {b.epsilon:g}"
        yield from _part(b.dataset, _gaps(pairs), judge, text)


def _examples_are_shared(records) -> Iterator[Part]:
    for b in _baggings(records, *BOTH):
        noises = [r for r in select(b.records, attack="noise") if r.model != b.one]
        if not noises:
            continue
        noise = noises[0]
        held = select(b.records, model=noise.model, source=b.one)
        pairs = {a: (noise, first(held, attack=a)) for a in ("fgsm", "bim")}
        text = f"accuracy of {noise.model} under noise minus under attacks made on {b.one}"
        yield from _part(b.dataset, _gaps(pairs), above, f"{text}, {b.about}")
    for dataset in stand_for(records, "tiny_imagenet", chapter=LARGE, model="member 1"):
        held = select(records, chapter=LARGE, dataset=dataset, model="member 1", sweep=None)
        noise = first(held, attack="noise")
        pairs = {a: (noise, first(held, attack=a, source="original")) for a in ("fgsm", "bim")}
        text = "accuracy of member 1 under noise minus under attacks made on the original model"
        yield from _part(dataset, _gaps(pairs), above, f"{text}, {_at(held)}; {_network(records)}")


# The claims -------------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "C1", "§6, Figure 7",
        "Accuracy hardly varies with the number of members, from 1 to 10.",
        f"The ensemble, of {REPORTED_MEMBERS} members at most, and its first member differ by at most "
        f"{HARDLY:g} points, clean and under each attack made on the original model.",
        "04_ensembles.ipynb#figure-7 04_ensembles.ipynb#figure-9", _size_hardly_matters,
    ),
    Claim(
        "C2", "§6, Figure 8",
        "The ensemble cuts misclassification by 20 to 30 percent under every attack.",
        "The gain over the original model lies from 20 to 30, in points of accuracy or in percent "
        "of the errors (the report does not say which), for attacks made on the original model.",
        "04_ensembles.ipynb#figure-8", _twenty_to_thirty,
    ),
    Claim(
        "C3", "§6",
        "A single model trained on a noisy replicate beats the original model on adversarial images.",
        "Member i is right more often than the original model under each attack made on the latter. "
        "(Only the original model is attacked itself.)",
        "04_ensembles.ipynb#figure-8", _noisy_replicate_helps,
    ),
    Claim(
        "C4", "§6, Figures 8 and 10",
        "The ensemble does better when attacks are made on the original model than on its own member.",
        "Its accuracy on images made on the original model is higher than on images made on member i, "
        "for each attack.",
        "04_ensembles.ipynb#figure-8 04_ensembles.ipynb#figure-10", _better_on_originals,
    ),
    Claim(
        "C5", "§6, Figure 7",
        "Untargeted attacks leave much lower accuracies than targeted ones.",
        f"The ensemble's accuracy is at least {MUCH:g} points higher under L-BFGS than under FGSM and "
        "BIM, and, at one ε, the original model's under targeted than under untargeted BIM.",
        "03_attacks.ipynb#table-03-4 04_ensembles.ipynb#table-04-3", _untargeted_is_stronger,
    ),
    Claim(
        "C6", "Table 4", "The accuracies of retraining on MNIST.",
        "Each of the four accuracies lies within a point of the report's, with examples made for "
        "each epoch (its §6) or for each batch (its §5.2.1), tested with images made on the retrained "
        "model or on the original one (the report does not say which).",
        "05_retraining.ipynb#table-4", partial(_matches_table, number=4, tolerance=1.0),
    ),
    Claim(
        "C7", "Table 5", "The accuracies of retraining on CIFAR-10.",
        "Each of the four accuracies lies within three points of the report's, in one of the readings "
        "of C6. Limited by the original model: where it is less accurate than the report's retrained "
        "ones, so are those retrained from it.",
        "05_retraining.ipynb#table-5", partial(_matches_table, number=5, tolerance=3.0),
    ),
    Claim(
        "C8", "abstract, §7, §8", "Adversarial retraining raises clean accuracy.",
        "Retrained models are right on more clean images than the original model, with examples made "
        "for each epoch or for each batch.",
        "05_retraining.ipynb#figure-05-4", _clean_accuracy_rises,
    ),
    Claim(
        "C9", "§7", "Retraining defends better than the ensemble.",
        "A retrained model is right more often than the ensemble, both where the images are made on the "
        "original model for either (the report's protocol) and where each is attacked itself, the "
        "ensemble by the worst of its ladder, which asks more of it than of the other; with "
        "examples made for each epoch or for each batch, as the report describes both.",
        "05_retraining.ipynb#figure-05-4 04_ensembles.ipynb#table-04-7",
        _retraining_beats_ensemble,
    ),
    Claim(
        "C10", "§7", "The ensemble gains most against L-BFGS and least against FGSM.",
        "Gains over the original model: L-BFGS above BIM above FGSM, for attacks made on the latter. "
        "(The gains of the ensemble attacked itself are told beside, not judged.)",
        "04_ensembles.ipynb#figure-8 04_ensembles.ipynb#figure-10", _order_of_gains,
    ),
    Claim(
        "C11", "§7", "On clean CIFAR-10 images the ensemble beats a single model.",
        "It is right on more of them than the original model.",
        "04_ensembles.ipynb#figure-10", _better_on_clean,
    ),
    Claim(
        "C12", "§6, Figure 10",
        "On CIFAR-10 the ensemble is not significantly better than one of its members.",
        f"Under none of the attacks it is significantly better (McNemar, Holm), or better by more than "
        f"{NEGLIGIBLE:g} points.",
        "04_ensembles.ipynb#figure-10", _no_better_than_a_member,
    ),
    Claim(
        "C13", "§7", "FGSM hurts Inception more than the two smaller models.",
        "At equal ε, FGSM takes a larger share of Inception's correct answers than of either model's.",
        "06_tiny_imagenet.ipynb#figure-06-3", _hurts_inception_more,
    ),
    Claim(
        "C14", "§7, Figure 11", "Noise and subsampling bring a minimal gain on Tiny ImageNet.",
        f"The gain lies from 0 to {MINIMAL:g} points, clean and under FGSM and BIM, made on the "
        "original model or on each model itself (the report does not say which).",
        "06_tiny_imagenet.ipynb#figure-11", _minimal_gain,
    ),
    Claim(
        "C15", "§6, Figures 4 and 5", "BIM's perturbations are much smaller than FGSM's.",
        f"At equal ε, the L2 norm of BIM's perturbation is at most {MUCH_SMALLER:g} of FGSM's on most "
        "images.",
        "03_attacks.ipynb#figure-03-6", _bim_is_smaller,
    ),
    Claim(
        "C16", "§6", "Perturbations become harder to see as images grow.",
        "At equal ε, the structural similarity of FGSM images grows from MNIST to CIFAR-10 to Tiny "
        "ImageNet.",
        "03_attacks.ipynb#figure-03-5 06_tiny_imagenet.ipynb#table-06-4", _harder_to_see,
    ),
    Claim(
        "C17", "§8", "Against unknown attacks an ensemble may be a good choice.",
        "Under attacks that a model was not retrained on (PGD and AutoPGD for FGSM; Square for all), "
        "made on the tested model itself, the ensemble is right more often than the retrained model.",
        "07_beyond.ipynb#figure-07-1", _ensemble_against_unknown,
    ),
    Claim(
        "C18", "§6, §7", "Many more members would raise the accuracy.",
        f"An ensemble of at least twice the report's {REPORTED_MEMBERS} is right more often than its "
        f"first {REPORTED_MEMBERS} members under each attack made on the original model; that it is not "
        f"can only be shown with {MORE_MEMBERS}.",
        "04_ensembles.ipynb#figure-7", _more_members_help,
    ),
    Claim(
        "C19", "§4, §6", "Models trained on different subsets share adversarial examples.",
        "A member is wrong more often on images made on another member (on Tiny ImageNet: on the "
        "original model) than on random noise of the same size.",
        "04_ensembles.ipynb#table-04-4 06_tiny_imagenet.ipynb#figure-11", _examples_are_shared,
    ),
)  # fmt: skip
