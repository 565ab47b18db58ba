"""What the tests of claims compare: each way yields verdicts, with the numbers that they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from helpers.attacks import ATTACKS
from helpers.data import DATASETS
from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import Record
from helpers.evaluation.statistics import (
    Difference,
    independent_difference,
    mcnemar,
    sign_test,
    wilson,
)
from helpers.findings import reported
from helpers.findings.evidence import ITSELF, Evidence
from helpers.findings.verdicts import (
    ABSENT,
    FAILS,
    HOLDS,
    UNDECIDED,
    Estimate,
    Reading,
    above,
    gap,
    gap_of_gains,
    inside,
    mean_gap,
    points,
    worst,
)


class Missing(Exception):
    """A test speaks of a run of bagging, and there was none."""


def _fill(entry: Any, values: Mapping[str, Any]) -> Any:
    """Put values in the place of their names: ``$member``."""
    if isinstance(entry, Mapping):
        return {name: _fill(value, values) for name, value in entry.items()}
    if isinstance(entry, list):
        return [_fill(value, values) for value in entry]
    if isinstance(entry, str) and entry.startswith("$"):
        if values[entry[1:]] is None:
            raise Missing(entry)
        return values[entry[1:]]
    return entry


def _question(side: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What one side of a test asks of the evidence."""
    asked = _fill(side, values)
    for name in {"of", "made_on"} & asked.keys():
        if isinstance(asked[name], str) and asked[name] != ITSELF:
            asked[name] = _fill(values["models"][asked[name]], values)
    return asked


def _rows(test: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[str, dict, dict]]:
    """Give both questions of each row of a test, with the label of their difference."""
    for row in test["each"]:
        with suppress(Missing):
            a, b = (_question(test[side], values | row) for side in "ab")
            yield test.get("label", "{attack}").format_map(_words(values | row)), a, b


def _words(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as people read them."""
    labels = {name: attack.label for name, attack in ATTACKS.items()} | {"none": "clean"}
    return {k: labels.get(v, v) if isinstance(v, str) else v for k, v in values.items()}


def _says(evidence: Evidence, dataset: str, test: Mapping, values: Mapping, *shown: Record) -> str:
    """Say how something was compared: the words of the test, and the size of the attacks."""
    words = _words(values)
    if "when" in values:
        words["examples"] = _examples(evidence, dataset, values["when"])
    if "{network}" in test.get("says", ""):
        words["network"] = _network(evidence, dataset)
    said = test.get("says", "").format_map(words)
    sizes = sorted({r.parameters["epsilon"] for r in shown if "epsilon" in r.parameters})
    at = f"ε = {', '.join(f'{size:g}' for size in sizes)}" if sizes else ""
    return "; ".join(filter(None, (said, at)))


def _examples(evidence: Evidence, dataset: str, when: str) -> str:
    """Say when the examples of retraining were made, and what that came to."""
    histories = evidence.find("history", dataset=dataset)
    kept = [ATTACKS[a].label for a in ("fgsm", "bim") if reported.kept_first(histories, a, when)]
    only = f", for {' and '.join(kept)} of the original model only, as the first epoch was kept"
    return f"examples per {when}{only if kept else ''}"


def _network(evidence: Evidence, dataset: str) -> str:
    """Say how small the Inception of this build is."""
    about = evidence.one("architecture", dataset=dataset)
    clean = evidence.accuracies(dataset, ORIGINAL)
    if about is None or not clean:
        return "Inception of a size not recorded"
    sizes = about.values
    return (
        f"Inception of width {sizes['width']:g} at {sizes['input_size']} pixels, trained on "
        f"{sizes['n_train']:,} images of {sizes['n_classes']} classes, "
        f"{clean[0].values['accuracy']:.1%} clean"
    )


Judged = Iterator[Reading]


def _range(test: Mapping, values: Mapping) -> tuple[float | None, float | None]:
    """From where to where a difference must lie, in points; None where that side is open."""
    wanted, bound = test["is"], values["matters"]
    if wanted == "above":
        return bound, None
    low, high = (-bound, bound) if wanted == "equal" else _fill(wanted, values)
    return None if low <= -100 else low, high


def _estimates(gaps: Mapping[str, Difference], ends=(0.0, None), unit="points", scale=100):
    """The differences as numbers to be drawn; `ends` are those of the range in which they hold."""
    return tuple(
        Estimate(label, *(scale * v for v in (d.value, d.low, d.high)), *ends, unit)
        for label, d in gaps.items()
    )


def _decide(difference: Difference, test: Mapping, values: Mapping) -> str:
    """Judge a difference of accuracies as the test wants it."""
    low, high = _range(test, values)
    if high is None:
        verdict = above(difference, low / 100)
    else:
        verdict = inside(difference, -1.0 if low is None else low / 100, high / 100)
    few = any(values[name] < least for name, least in test.get("fails_from", {}).items())
    return UNDECIDED if verdict == FAILS and few else verdict


def _says_pairs(evidence, dataset, test, values, pairs) -> str:
    shown = [record for pair in pairs.values() for record in pair]
    return _says(evidence, dataset, test, values, *shown)


def _list(gaps: Mapping[str, Difference]) -> str:
    return ", ".join(f"{label} {points(difference)}" for label, difference in gaps.items())


def _pairs(evidence, dataset, test, values) -> dict[str, tuple[Record, Record]]:
    """Find the two accuracies of each row that were both measured, and on enough images."""
    pairs = {label: evidence.pair(dataset, a, b) for label, a, b in _rows(test, values)}
    least = test.get("least_images", 1)
    return {k: p for k, p in pairs.items() if p and min(r.values["n"] for r in p) >= least}


def _gaps(evidence, dataset, test, values) -> Judged:
    """Differences of accuracies, which must all be as the test wants them."""
    over, judged = test.get("over", ["images"]), []
    pairs = _pairs(evidence, dataset, test, values) if "images" in over else {}
    if pairs:
        unit = _fill(test.get("unit", "points"), values)
        gaps = {label: gap(*pair) for label, pair in pairs.items()}
        if unit == "errors":
            wrong = {label: 1 - b.values["accuracy"] for label, (_, b) in pairs.items()}
            gaps = {
                label: Difference(*(v / wrong[label] for v in (d.value, d.low, d.high)))
                for label, d in gaps.items() if wrong[label]
            }  # fmt: skip
        named = "% of the errors" if unit == "errors" else "points"
        says = _says_pairs(evidence, dataset, test, values, pairs)
        shown = _estimates(gaps, _range(test, values), named)
        judged.append((gaps, Reading("", f"{_list(gaps)} {named} ({says})", shown, says)))
    if "trainings" in over:
        found = {k: evidence.gap_over_trainings(dataset, a, b) for k, a, b in _rows(test, values)}
        found = {label: gap for label, gap in found.items() if gap}
        if found:
            gaps, number = {k: d for k, (d, _) in found.items()}, max(n for _, n in found.values())
            says = _says(evidence, dataset, test, values)
            named = {f"{label}, mean of {number} trainings": d for label, d in gaps.items()}
            text = f"{_list(gaps)} points (mean of {number} trainings; {says})"
            shown = _estimates(named, _range(test, values))
            judged.append((gaps, Reading("", text, shown, says)))
    if judged:
        verdict = worst(_decide(d, test, values) for gaps, _ in judged for d in gaps.values())
        told = [reading for _, reading in judged]
        estimates = tuple(e for reading in told for e in reading.estimates)
        yield Reading(verdict, "; ".join(r.text for r in told), estimates, told[0].says)


def _order(evidence, dataset, test, values) -> Judged:
    """Gains that must fall from row to row."""
    pairs = _pairs(evidence, dataset, test, values)
    if len(pairs) == len(test["each"]):
        steps = {
            f"{a} minus {b}": gap_of_gains(pairs[a], pairs[b]) for a, b in combinations(pairs, 2)
        }
        gaps = {label: gap(*pair) for label, pair in pairs.items()}
        says = _says_pairs(evidence, dataset, test, values, pairs)
        verdict = worst(above(step) for step in steps.values())
        text = f"gains: {_list(gaps)} points ({says})"
        yield Reading(verdict, text, _estimates(steps), f"differences of gains; {says}")


def _insignificant(evidence, dataset, test, values) -> Judged:
    """Differences of which none may be significant (McNemar, Holm), nor large."""
    pairs = _pairs(evidence, dataset, test, values)
    if not pairs:
        return
    gaps = {label: gap(*pair) for label, pair in pairs.items()}
    chances = {k: mcnemar(*(r.arrays["correct"] for r in pair)) for k, pair in pairs.items()}
    better = [chance for label, chance in chances.items() if gaps[label].value > 0]
    # Holm's first step: the smallest of several p-values counts that many times.
    significant = min(better, default=1.0) * len(chances) < 0.05
    small = worst(_decide(d, test, values) for d in gaps.values())
    said = f"smallest p = {min(better):.2g}" if better else "never ahead"
    says = _says_pairs(evidence, dataset, test, values, pairs)
    verdict = FAILS if significant else HOLDS if small == HOLDS else UNDECIDED
    shown = _estimates(gaps, _range(test, values))
    yield Reading(verdict, f"{_list(gaps)} points ({said}; {says})", shown, f"{said}; {says}")


def _table(evidence, dataset, test, values) -> Judged:
    """The accuracies of a table of the report, which must all be met."""
    verdicts, texts, shown, estimates = [], [], [], []
    ends = -values["matters"], values["matters"]
    for entry in reported.read_reported():
        if entry["where"] != test["table"]:
            continue
        if entry["dataset"] != dataset:
            needed = DATASETS[entry["dataset"]].title
            yield Reading(ABSENT, f"no yardstick for this stand-in; needs {needed}")
            return
        match = entry["match"]
        asked = {name: match[name] for name in ("under", "chapter")}
        asked["of"] = match["of"] | {"regenerate": values["when"]}
        asked["made_on"] = ORIGINAL if values["made"] == "original" else ITSELF
        record = evidence.accuracy(dataset, **asked)
        if record is None:
            return
        percent = Difference(*(100 * record.values[k] for k in ("accuracy", "low", "high")))
        within = percent - Difference(*[entry["reported"]] * 3)
        verdicts.append(inside(within, *ends))
        estimates += _estimates({entry["what"]: within}, ends, "points off the report's", scale=1)
        texts.append(f"{entry['what']} {percent.value:.2f} (reported {entry['reported']})")
        shown.append(record)
    says = _says(evidence, dataset, test, values, *shown)
    yield Reading(worst(verdicts), f"{'; '.join(texts)} ({says})", tuple(estimates), says)


def _swept(evidence: Evidence, quantity: str, roles: Sequence[str]) -> dict[str, Record]:
    """Find what FGSM did to the original models, at the smallest epsilon that all data sets share.

    At larger ones every model is at zero, and nothing is left to compare.
    """
    grids = []
    for role in roles:
        for dataset in evidence.standing_for(role):
            found = evidence.find(
                quantity,
                dataset=dataset,
                of=ORIGINAL,
                under="fgsm",
                made_on=ITSELF,
                sweep="epsilon",
            )
            if found:
                grids.append((dataset, {r.parameters["epsilon"]: r for r in found}))
                break
    shared = set.intersection(*({*grid} for _, grid in grids)) - {0.0} if grids else set()
    if len(grids) < len(roles) or not shared:
        return {}
    return {dataset: grid[min(shared)] for dataset, grid in grids}


def _lost_to_fgsm(evidence, dataset, test, values) -> Judged:
    """Shares of the right answers that FGSM takes, which must be largest on the last data set."""
    lost, about = {}, {"of": ORIGINAL, "under": "fgsm", "sweep": "epsilon"}
    swept = _swept(evidence, "accuracy", test["by_size"])
    for name, record in swept.items():
        pair = evidence.pair(
            name, {"of": ORIGINAL}, about | {"epsilon": record.parameters["epsilon"]}
        )
        right, attacked = (r.arrays["correct"] for r in pair) if pair else (np.zeros(1, bool),) * 2
        lost[name] = int((right & ~attacked).sum()), int(right.sum())
    if not lost or not all(n for _, n in lost.values()):
        return
    *smaller, largest = lost
    gaps = {f"minus {k}": independent_difference(*lost[largest], *lost[k]) for k in smaller}
    shares = ", ".join(f"{name} {k / n:.0%}" for name, (k, n) in lost.items())
    text = f"{_list(gaps)} points (share of the correct answers that FGSM takes: {shares}; "
    sizes = _says(evidence, largest, test, values, *swept.values())
    says = f"{_network(evidence, largest)}; {sizes}"
    verdict = worst(above(d) for d in gaps.values())
    yield Reading(verdict, f"{text}{says})", _estimates(gaps), f"shares lost: {shares}; {says}")


def _similarity(evidence, dataset, test, values) -> Judged:
    """Structural similarity under FGSM, which must rise from data set to data set."""
    swept = _swept(evidence, "similarity", test["by_size"])
    ssim = {name: record.arrays["ssim"] for name, record in swept.items()}
    if not ssim or min(map(len, ssim.values())) < 2:
        return
    steps = {f"{b} minus {a}": mean_gap(ssim[b], ssim[a]) for a, b in pairwise(ssim)}
    means = ", ".join(f"{name} {found.mean():.3f}" for name, found in ssim.items())
    text = f"mean SSIM of FGSM images: {means} (1: no difference); {_network(evidence, dataset)}"
    text += f"; {_says(evidence, dataset, test, values, *swept.values())}"
    verdict = worst(above(step) for step in steps.values())
    yield Reading(verdict, text, _estimates(steps, unit="of SSIM", scale=1), text)


def _smaller_norm(evidence, dataset, test, values) -> Judged:
    """Norms of BIM's perturbations, most of which must be below a share of FGSM's (sign test)."""
    bim, fgsm = (
        evidence.one("distortion", dataset=dataset, of=ORIGINAL, under=attack)
        for attack in ("bim", "fgsm")
    )
    if None in (bim, fgsm):
        return
    share = 1 - values["matters"] / 100
    limit = share * fgsm.arrays["l2"]
    less, more = int((bim.arrays["l2"] < limit).sum()), int((bim.arrays["l2"] > limit).sum())
    decided = less + more and sign_test(less, more) < 0.05
    means = " not ".join(f"{r.arrays['l2'].mean():.3f}," for r in (bim, fgsm)).rstrip(",")
    text = f"at most {share:g} of FGSM's on {less} images, more on {more} (sign test); mean {means}"
    text += f", {_says(evidence, dataset, test, values, bim, fgsm)}"
    verdict = UNDECIDED if not decided else HOLDS if less > more else FAILS
    ends = wilson(less, less + more) if less + more else (0.0, 1.0)
    part = Difference(less / max(less + more, 1), *ends)
    shown = _estimates({"images changed less by BIM": part}, (50.0, None), "% of the images")
    yield Reading(verdict, text, shown, text)


COMPARISONS = {
    "gaps": _gaps,
    "order": _order,
    "insignificant": _insignificant,
    "table": _table,
    "lost_to_fgsm": _lost_to_fgsm,
    "similarity": _similarity,
    "smaller_norm": _smaller_norm,
}
