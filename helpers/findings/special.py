"""Comparisons of a kind of their own: tables, data sets of different images, norms, more members."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np

from helpers.data import DATASETS
from helpers.evaluation.effects import Effect, crossed, sample
from helpers.evaluation.model_id import ORIGINAL
from helpers.findings import reported
from helpers.findings.comparisons import (
    Missing,
    composite,
    contrasts,
    lacks_of,
    network_of,
    question,
    range_of,
    relative,
    says_of,
    spread_of,
    words_of,
)
from helpers.findings.contrasts import answers, contrast
from helpers.findings.evidence import ITSELF
from helpers.findings.gathering import Gathered
from helpers.findings.verdicts import HOLDS, Estimate, Reading, estimate

REACH = 1.0  # BIM's steps together go just as far as ε


def table(evidence, dataset, test, values) -> Reading | None:
    """The accuracies of a table of the report, which must all be met."""
    found, ends, ask = [], (-values["matters"], values["matters"]), values["made"]
    says = says_of(evidence, dataset, test, values)
    for entry in reported.read_reported():
        if entry["where"] != test["table"]:
            continue
        if entry["dataset"] != dataset:
            lacks = f"no yardstick for this stand-in; needs {DATASETS[entry['dataset']].title}"
            return Reading(says, lacks=lacks, absent=True)
        match = entry["match"]
        side = {
            "of": match["of"] | {"regenerate": values["when"]}, "under": match["under"],
            "made_on": ORIGINAL if ask == "original" else ITSELF, "chapter": match["chapter"],
        }  # fmt: skip
        side = _at_epsilon(evidence, dataset, side, values.get("epsilon"))
        plain = evidence.accuracy(dataset, **side)
        if plain is None:
            return None
        made = answers(evidence, dataset, side)
        epsilon = plain.parameters.get("epsilon")
        (draws,) = max(made.values(), key=len)[epsilon].values()
        right = np.array([a.right for a in draws.values() if len(a.right) == plain.values["n"]])
        sums = [[[1, evidence.place(a.record)]] for a in draws.values()]
        terms = {"sums": sums, "minus": entry["reported"] / 100, "spread": spread_of(test)}
        effect = crossed(right - entry["reported"] / 100, spread_of(test)) * 100
        unit = "points off the report's"
        found.append(estimate(entry["what"], effect, *ends, unit=unit, terms=terms))
    shown = composite(found)
    lacks = lacks_of(test, values["rules"], shown.n_trainings, [None])
    sizes = {e for e in [plain.parameters.get("epsilon")] if e is not None}
    at = "".join(f"; ε = {e:g}" for e in sizes)
    return Reading(says + at, (shown,), lacks)


def _at_epsilon(evidence, dataset, side, epsilon) -> dict[str, Any]:
    """Ask for the model that was retrained at this ε, where it is not the chapter's."""
    recipes = {
        r.model.recipe
        for r in evidence.find("accuracy", dataset=dataset, chapter=side["chapter"], sweep="fit")
        if r.model and f"epsilon={epsilon:g}" in r.model.recipe.split()
        and r.parameters.get("reach") in (None, REACH)
    } if epsilon else set()  # fmt: skip
    for recipe in sorted(recipes):
        other = side | {"of": side["of"] | {"recipe": recipe}, "sweep": "fit"}
        if evidence.accuracy(dataset, **other):
            return other
    return side


def _grids(evidence: Gathered, ask: Callable, roles: Sequence[str]) -> dict[str, dict]:
    """Of each data set what `ask` finds of it by ε, at the ε that all share."""
    grids = {}
    for role in roles:
        for dataset in evidence.standing_for(role):
            if found := ask(dataset):
                grids[dataset] = found
                break
    if len(grids) < len(roles):
        return {}
    shared = sorted(set.intersection(*(set(grid) for grid in grids.values())) - {0.0, None})
    return {name: {e: grid[e] for e in shared} for name, grid in grids.items()} if shared else {}


def lost_to_fgsm(evidence, dataset, test, values) -> Reading | None:
    """Shares of the right answers that FGSM takes, which must be largest on the last data set."""
    rules = values["rules"]

    def shares(name):
        made = contrast(
            evidence, name, [(1, {"of": ORIGINAL}), (-1, {"of": ORIGINAL, "under": "fgsm"})],
            rules={"idle": 2, "total": -1},
        )  # fmt: skip
        if made is None:
            return {}
        alike = [e for e in made.at if made.at[e].shape == made.matrix.shape]
        return {
            e: (
                relative(made.at[e], made.last_at[e] + made.at[e]),
                {
                    "sums": made.terms_at[e],
                    "right": [[one for one in sums if one[0] > 0] for sums in made.terms_at[e]],
                },
            )
            for e in alike
        }

    grids = _grids(evidence, shares, test["by_size"])
    if not grids:
        return None
    lost = {name: {e: m.mean() for e, (m, _) in grid.items()} for name, grid in grids.items()}
    counts = [
        e for e in next(iter(grids.values()))
        if max(lost[n][e] for n in lost) > 1 - rules["idle"]
        and min(lost[n][e] for n in lost) < 1 - rules["total"]
    ]  # fmt: skip
    if not counts:
        return None
    *smaller, largest = grids
    ends, found = range_of(test, values), []
    for name in smaller:
        pair = grids[largest], grids[name], spread_of(test)
        parts = [
            estimate(f"minus {name}, ε = {e:g}", _apart(*pair, [e]), *ends, terms=_told(*pair, [e]))
            for e in counts
        ]
        whole, terms = _apart(*pair, counts), _told(*pair, counts)
        found.append(estimate(f"minus {name}", whole, *ends, parts=parts, terms=terms))
    told = ", ".join(f"{n} {np.mean([lost[n][e] for e in counts]):.0%}" for n in lost)
    says = f"share of the right answers that FGSM takes: {told}; {network_of(evidence, largest)}; "
    says += f"ε = {', '.join(f'{e:g}' for e in counts)}"
    shown = composite(found)
    return Reading(says, (shown,), lacks_of(test, rules, shown.n_trainings, counts))


def _apart(one: Mapping, other: Mapping, spread, epsilons) -> Effect:
    means = [np.mean([grid[e][0] for e in epsilons], axis=0) for grid in (one, other)]
    return (crossed(means[0], spread) - crossed(means[1], spread)) * 100


def _told(one: Mapping, other: Mapping, spread, epsilons) -> dict[str, Any]:
    return {"apart": [[grid[e][1] for e in epsilons] for grid in (one, other)], "spread": spread}


def similarity(evidence, dataset, test, values) -> Reading | None:
    """Structural similarity under FGSM, which must rise from data set to data set."""

    def measured(name):
        about = {"dataset": name, "of": ORIGINAL, "under": "fgsm", "made_on": ITSELF}
        found = evidence.find("similarity", **about, sweep="epsilon")
        return {r.parameters["epsilon"]: r for r in found if len(r.arrays["ssim"]) > 1}

    grids = _grids(evidence, measured, test["by_size"])
    if not grids:
        return None

    def mean(name, epsilons):
        return sample(np.mean([grids[name][e].arrays["ssim"] for e in epsilons], axis=0))

    def step(a, b, epsilons, label, parts=()):
        places = [[evidence.place(grids[name][e]) for e in epsilons] for name in (b, a)]
        effect, terms = mean(b, epsilons) - mean(a, epsilons), {"ssim": places}
        return estimate(label, effect, values["matters"], unit="of SSIM", parts=parts, terms=terms)

    epsilons = [*next(iter(grids.values()))]
    steps = [
        step(a, b, epsilons, f"{b} minus {a}", [
            step(a, b, [e], f"{b} minus {a}, ε = {e:g}") for e in epsilons
        ])
        for a, b in pairwise(grids)
    ]  # fmt: skip
    means = {name: mean(name, epsilons) for name in grids}
    told = ", ".join(f"{name} {found.value:.3f}" for name, found in means.items())
    at = f"ε = {', '.join(f'{e:g}' for e in epsilons)}"
    says = f"mean SSIM of FGSM images: {told} (1: no difference); {network_of(evidence, dataset)}; {at}"
    shown = composite(steps)
    return Reading(says, (shown,), lacks_of(test, values["rules"], shown.n_trainings, epsilons))


def smaller_norm(evidence, dataset, test, values) -> Reading | None:
    """L2 norms of BIM's perturbations as a share of FGSM's, image by image."""
    both = [
        evidence.one("distortion", dataset=dataset, of=ORIGINAL, under=attack)
        for attack in ("bim", "fgsm")
    ]
    if None in both or len(both[0].arrays["l2"]) < 2:
        return None
    bim, fgsm = (r.arrays["l2"] for r in both)
    bim, fgsm = bim[fgsm > 0], fgsm[fgsm > 0]  # where there is no gradient, neither moves
    most, parts = 1 - values["matters"] / 100, []
    swept = [
        {
            r.parameters["epsilon"]: r
            for r in evidence.everywhere(dataset, ORIGINAL, attack)
            if r.values.get("l2")
        }
        for attack in ("bim", "fgsm")
    ]
    epsilons, unit = sorted(swept[0].keys() & swept[1].keys()), "of FGSM's norm"
    for epsilon in epsilons:
        two = [grid[epsilon] for grid in swept]
        share, terms = two[0].values["l2"] / two[1].values["l2"], [*map(evidence.place, two)]
        ends = (share, share, share, None, most, unit)
        parts.append(Estimate(f"ε = {epsilon:g}", *ends, terms={"l2": terms}))
    terms = {"norms": [*map(evidence.place, both)]}
    shown = estimate(
        "mean share", sample(bim / fgsm), None, most, unit=unit, parts=parts, terms=terms
    )
    says = f"this one model; ratio of the means at ε = {', '.join(f'{e:g}' for e in epsilons)}"
    return Reading(says, (shown,), lacks_of(test, values["rules"], shown.n_trainings, epsilons))


def extrapolated(evidence, dataset, test, values) -> Reading | None:
    """A hundred members minus ten: a + b / m fitted to 2 to 20, if that foretells 20 from 2 to 10."""
    found, tests = [], []
    for row in test["each"] if values["most_members"] else []:
        with suppress(Missing):
            sizes = {}
            for m in range(2, values["most_members"] + 1):
                side = question(test["a"], values | row | {"size": m})
                record = evidence.accuracy(dataset, **side)
                if record is not None:
                    sizes[m] = record
            least = test["needs"]["most_members"]
            if (
                len(sizes) < least - 1
                or len({len(r.arrays["correct"]) for r in sizes.values()}) > 1
            ):
                continue
            label = words_of(row)["attack"]
            few = {m: r for m, r in sizes.items() if m <= 10}
            ends = (-values["matters"], values["matters"])
            tests.append(_weighed(evidence, label, sizes, _line(few, max(sizes)), max(sizes), ends))
            line, ends = _line(sizes, values["wanted"]), range_of(test, values)
            found.append(_weighed(evidence, label, sizes, line, 10, ends))
    if not found:
        return None
    says = says_of(evidence, dataset, test, values)
    passed = composite(tests)
    if passed.verdict != HOLDS:
        return Reading(says, absent=True, lacks=(
            f"{values['wanted']} members, or a fit of 2 to 10 members that foretells "
            f"{values['most_members']} to within {values['matters']:g} points"
        ))  # fmt: skip
    shown = composite(found)
    lacks = lacks_of(test, values["rules"], shown.n_trainings, [None])
    return Reading(says, (shown,), lacks)


def _line(sizes: Mapping[int, Any], at: int) -> dict[int, float]:
    """Fit a + b / m: how much each size weighs in what the line says of `at` members."""
    x = np.array([[1, 1 / m] for m in sizes])
    return dict(zip(sizes, np.array([1, 1 / at]) @ np.linalg.pinv(x), strict=True))


def _weighed(evidence, label, sizes, line: Mapping[int, float], size: int, ends) -> Estimate:
    """What a line foretells, minus what an ensemble of `size` does."""
    weights = {m: float(weight) for m, weight in line.items()}
    weights[size] = weights.get(size, 0.0) - 1
    more = sum(w * sizes[m].arrays["correct"] for m, w in weights.items())
    terms = {"sums": [[[w, evidence.place(sizes[m])] for m, w in weights.items()]]}
    return estimate(label, crossed(more) * 100, *ends, terms=terms)


COMPARISONS: dict[str, Callable[..., Reading | None]] = {
    "contrast": contrasts,
    "table": table,
    "lost_to_fgsm": lost_to_fgsm,
    "similarity": similarity,
    "smaller_norm": smaller_norm,
    "extrapolated": extrapolated,
}
