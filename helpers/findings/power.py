"""How likely each primary comparison is decided, before anything is run: from what a profile plans.

python -m helpers.findings.power standard
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from helpers.data import DATASETS
from helpers.evaluation.effects import ALPHA, power
from helpers.findings.claims import REPORT_MEMBERS, content, read_claims
from helpers.profiles import load_profile

ALL_IMAGES = {"mnist": 10_000, "cifar10": 10_000}  # of the test sets, where a profile takes all
SIZES = ("n_test", "lbfgs_n_test", "outside_n_test", "n_members", "n_seeds")
# Which chapters say how many images and members there are, and how many trainings, unless a test's
# `plan` names another.
SIZED, TRAINED = "04_ensembles", "03_attacks"


def planned(name: str) -> dict[str, dict[str, dict[str, int]]]:
    """Of each data set and chapter of a profile: how many images, members and trainings it plans."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for run in load_profile(name).runs:
        if run.dataset is None:
            continue
        sizes = {k: run.parameters[k] for k in SIZES if k in run.parameters}
        sizes["n_test"] = sizes.get("n_test") or ALL_IMAGES.get(run.dataset, 1000)
        found.setdefault(run.dataset, {})[run.chapter] = sizes
    return found


def powers(sizes: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterator[dict[str, Any]]:
    """Compute the power of each primary comparison, corrected for their number.

    The truth is assumed to lie one smallest difference that matters beyond the bound; for an
    equivalence, in the middle of the range.
    """
    asked = [
        (claim, test, role)
        for claim in read_claims()
        for test in claim.tests
        for role in test.get("datasets", claim.datasets)
        if not test.get("secondary")
    ]
    several = sum(len(test.get("any", [{}])) for _, test, _ in asked)
    for claim, test, role in asked:
        named = [
            d for d in sizes if d == role or getattr(DATASETS.get(d), "stands_in_for", "") == role
        ]
        if not named:
            continue
        plan, matters = test["plan"], test.get("matters", claim.matters)
        chapters, wanted = sizes[named[0]], test.get("is", "equal")
        here = chapters.get(plan.get("chapter", SIZED))
        if here is None:
            continue
        n_trainings = here.get("n_seeds") or chapters.get(TRAINED, {}).get("n_seeds", 1)
        if plan.get("trainings"):
            n_trainings = max(n_trainings, min(here.get("n_members", 1), REPORT_MEMBERS))
        n_images = here.get(plan.get("images", "n_test"), here["n_test"])
        matters *= 100 if test.get("judge") == "similarity" else 1
        about = {
            "n_images": n_images, "n_trainings": n_trainings, "discordant": plan["discordant"],
            "spread": plan["spread"] / 100, "level": ALPHA / several, "equivalence": wanted != "above",
        }  # fmt: skip
        enough = n_trainings >= test.get("trainings", content()["rules"]["trainings"])
        yield {
            "claim": claim.name, "dataset": named[0], "matters": matters, "images": n_images,
            "trainings": n_trainings, "power": power(matters / 100, **about) if enough else 0.0,
            "decides": 100 * _decided(about) if enough else None,
        }  # fmt: skip


def _decided(about: Mapping[str, Any]) -> float:
    """The smallest distance from the bound that is shown with a power of 80 %, as a share."""
    low, high = 0.0, 2.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, **about) >= 0.8 else (middle, high)
    return high


if __name__ == "__main__":
    for row in powers(planned(sys.argv[1])):
        told = "{claim:4} {dataset:14} {matters:5g} {images:6} {trainings:3} {power:7.1%}"
        decides = "–" if row["decides"] is None else f"{row['decides']:.1f}"
        print(told.format_map(row), decides.rjust(6))
