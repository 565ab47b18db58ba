"""What the tests of claims compare: each way yields the reading of one data set, with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from helpers.attacks import ATTACKS
from helpers.evaluation.effects import crossed
from helpers.evaluation.model_id import ORIGINAL
from helpers.findings import reported
from helpers.findings.contrasts import Contrast, answers, contrast
from helpers.findings.evidence import ITSELF
from helpers.findings.gathering import Gathered
from helpers.findings.verdicts import Estimate, Reading, estimate

PLAIN = ({"kind": "original"}, "none")  # clean images on the original model are always there


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


def question(side: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What one side of a test asks of the evidence."""
    asked = _fill(side, values)
    for name in {"of", "made_on"} & asked.keys():
        if isinstance(asked[name], str) and asked[name] != ITSELF:
            asked[name] = _fill(values["models"][asked[name]], values)
    return asked


def words_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as people read them."""
    labels = {name: attack.label for name, attack in ATTACKS.items()} | {"none": "clean"}
    return {k: labels.get(v, v) if isinstance(v, str) else v for k, v in values.items()}


def says_of(evidence: Gathered, dataset: str, test: Mapping, values: Mapping, *more: str) -> str:
    """Say how something was compared."""
    words = words_of(values)
    if "when" in values:
        words["examples"] = _examples(evidence, dataset, values["when"])
    if "{network}" in test.get("says", ""):
        words["network"] = network_of(evidence, dataset)
    return "; ".join(filter(None, (test.get("says", "").format_map(words), *more)))


def _examples(evidence: Gathered, dataset: str, when: str) -> str:
    """Say when the examples of retraining were made, and what that came to."""
    histories = evidence.find("history", dataset=dataset)
    kept = [ATTACKS[a].label for a in ("fgsm", "bim") if reported.kept_first(histories, a, when)]
    which = f" (first epoch of {', '.join(kept)} kept)" if kept else ""
    return f"examples per {when}{which}"


def network_of(evidence: Gathered, dataset: str) -> str:
    """Say how small the Inception of this build is."""
    about = evidence.one("architecture", dataset=dataset)
    clean = evidence.accuracies(dataset, ORIGINAL)
    if about is None or not clean:
        return "Inception of a size not recorded"
    sizes = about.values
    return (
        f"Inception of width {sizes['width']:g} at {sizes['input_size']} pixels, "
        f"{sizes['n_train']:,} training images, {clean[0].values['accuracy']:.1%} clean"
    )


def range_of(test: Mapping, values: Mapping) -> tuple[float | None, float | None]:
    """From where to where a difference must lie, in points; None where that side is open."""
    wanted, bound = test["is"], values["matters"]
    if wanted == "above":
        return bound, None
    low, high = (-bound, bound) if wanted == "equal" else _fill(wanted, values)
    return None if low <= -100 else low, high


def lacks_of(
    test: Mapping, rules: Mapping, n_trainings: int, epsilons: Sequence[float | None]
) -> str:
    """Say what is missing before a number may decide anything."""
    missing = []
    least = test.get("trainings", rules["trainings"])
    if n_trainings < least:
        what = "trainings or members" if test.get("members") else "trainings"
        missing.append(f"{least} {what} (here {n_trainings})")
    if None not in epsilons and len(epsilons) < (least := test.get("epsilons", rules["epsilons"])):
        told = ", ".join(f"{e:g}" for e in epsilons)
        missing.append(f"{least} usable ε (here {told})")
    return " and ".join(missing)


def relative(difference: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Ratio of two means, image by image, to first order (delta method): its mean is the ratio."""
    ratio = difference.mean() / whole.mean()
    return ratio + (difference - ratio * whole) / whole.mean()


def spread_of(test: Mapping) -> float | None:
    """The standard deviation over trainings that was expected beforehand, as a share."""
    return test["plan"]["spread"] / 100 if "plan" in test else None


def _estimated(label, found: Contrast, test, values) -> Estimate:
    """One contrast as a number, with what it is at each ε."""
    spread, wrong = spread_of(test), (1 - found.last).mean()
    ends, errors = range_of(test, values), _fill(test.get("unit", "points"), values) == "errors"
    if errors and spread and wrong:
        spread /= wrong  # expected in points, and asked for as a share of the errors
    unit = "% of the errors" if errors else "points"

    def effect(matrix):
        return crossed(relative(matrix, 1 - found.last) if errors else matrix, spread) * 100

    parts = [
        estimate(
            f"{label}, ε = {e:g}",
            crossed(matrix, spread) * 100,
            *ends,
            terms={"sums": found.terms_at[e], "spread": spread},
        )
        for e, matrix in found.at.items()
        if e is not None and not errors
    ]
    terms = {"sums": found.terms, "spread": spread} | (
        {"right": found.terms_last} if errors else {}
    )
    return estimate(label, effect(found.matrix), *ends, unit=unit, parts=parts, terms=terms)


def _sides(test: Mapping, values: Mapping) -> list[tuple[int, dict]]:
    signs = {"a": 1, "b": -1, "c": -1, "d": 1}  # (a - b) - (c - d)
    return [(sign, question(test[k], values)) for k, sign in signs.items() if k in test]


def contrasts(evidence, dataset, test, values) -> Reading | None:
    """Differences of accuracies: the mean of all rows, or each of them as the test wants it."""
    rows, lacks, gone, seen = {}, [], [], False
    for row in test.get("each", [{}]):
        with suppress(Missing):
            sides = _sides(test, values | row)
            label = test.get("label", "{attack}").format_map(
                words_of({"attack": ""} | values | row)
            )
            least = {k: v for k, v in (test | row).items() if k == "trainings"}
            rules = values["rules"] | least
            made = contrast(
                evidence, dataset, sides, rules=rules, members=test.get("members", False)
            )
            if made is None:
                telling = [s for _, s in sides if (s["of"], s.get("under", "none")) != PLAIN]
                seen = seen or any(answers(evidence, dataset, side) for side in telling)
                gone.append(label)
            else:
                rows[label] = made
                lacks.append(lacks_of(test | least, rules, len(made.matrix), made.chosen))
    if not rows:
        says = says_of(evidence, dataset, test, values)
        return Reading(says, lacks=_unfair(gone)) if seen else None
    attacks = dict.fromkeys(ATTACKS[a].label for made in rows.values() for a in made.attacks)
    of_these = f"worst of {', '.join(attacks)}" if attacks else ""
    at = _at({k: [e for e in made.chosen if e is not None] for k, made in rows.items()})
    says = says_of(evidence, dataset, test, values, of_these, at)
    if test.get("join", "mean") == "all":
        shown = composite([_estimated(k, made, test, values) for k, made in rows.items()])
    else:
        shown = _mean(rows, test, values)
    lacks += [_unfair(gone)] if gone else []
    lacks += ["the same images for all"] if shown is None else []
    return Reading(says, (shown,) if shown else (), "; ".join(dict.fromkeys(filter(None, lacks))))


def _unfair(gone: Sequence[str]) -> str:
    labels = ", ".join(label.removeprefix("minus ") for label in gone)
    return f"a usable ε, or shared images, for {labels}"


def _at(epsilons: Mapping[str, Sequence[float]]) -> str:
    """Say at which ε the rows of a comparison were made, by row where these differ."""
    rows: dict[str, list[str]] = {}
    for label, grid in epsilons.items():
        if grid:
            rows.setdefault(", ".join(f"{e:g}" for e in sorted(grid)), []).append(label)
    if len(rows) < 2:
        return "".join(f"ε = {grid}" for grid in rows)
    return "ε = " + " and ".join(f"{grid} ({', '.join(labels)})" for grid, labels in rows.items())


def _mean(rows: Mapping[str, Contrast], test, values) -> Estimate | None:
    """The mean of several contrasts on the same images; None if they are on others."""
    if len({made.matrix.shape for made in rows.values()}) > 1:
        return None
    first, *others = rows.values()
    if not others:
        return _estimated(next(iter(rows)), first, test, values)
    joined = replace(
        first,
        matrix=np.mean([made.matrix for made in rows.values()], axis=0), at={},
        last=np.mean([made.last for made in rows.values()], axis=0),
        **{name: _joined([getattr(made, name) for made in rows.values()])
           for name in ("terms", "terms_last")},
    )  # fmt: skip
    whole = _estimated(f"mean of {' and '.join(rows)}", joined, test, values)
    each = [_estimated(label, made, test, values) for label, made in rows.items()]
    return replace(whole, parts=tuple(part for one in each for part in one.parts))


def _joined(several: Sequence[list]) -> list:
    """The sums of several rows, as one mean."""
    return [
        [[weight / len(several), *places] for one in trainings for weight, *places in one]
        for trainings in zip(*several, strict=True)
    ]


def composite(several: Sequence[Estimate]) -> Estimate:
    """Join numbers that must all be as the claim has it: it shows the one that is least so.

    All lie inside if each does (no correction needed); one outside is enough, of as many as there are.
    """
    if len(several) == 1:
        return several[0]
    shown = max(several, key=lambda e: (e.inside, -e.outside))
    outside = min(1.0, len(several) * min(e.outside for e in several))
    return replace(
        shown, label=f"{shown.label} (the weakest of {len(several)})",
        inside=max(e.inside for e in several), outside=outside, parts=(), terms={}, rows=tuple(several),
        n_images=min(e.n_images for e in several),
        n_trainings=min(e.n_trainings for e in several),
    )  # fmt: skip
