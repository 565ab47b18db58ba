"""How likely each primary comparison is decided, before anything is run: from what a profile plans.

python -m helpers.findings.power standard
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from scipy.optimize import brentq

from helpers.data import DATASETS
from helpers.evaluation.effects import ALPHA, power
from helpers.findings.claims import REPORT_MEMBERS, content, read_claims
from helpers.findings.comparisons import range_of
from helpers.profiles import load_profile

ALL_IMAGES = {"mnist": 10_000, "cifar10": 10_000}  # of the test sets, where a profile takes all
SIZES = ("n_test", "lbfgs_n_test", "outside_n_test", "n_members", "n_more", "n_seeds")
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

    The truth is assumed to lie one smallest difference that matters beyond the bound or, of a range with
    two ends, in its middle.
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
        chapters, here = sizes[named[0]], sizes[named[0]].get(plan.get("chapter", SIZED))
        if here is None:
            continue
        n_trainings = here.get("n_seeds", 1)
        if plan.get("trainings") == "n_members":
            n_trainings = min(here["n_members"], REPORT_MEMBERS)
        elif "chapter" not in plan or plan.get("trainings") == "n_seeds":
            n_trainings = chapters.get(TRAINED, {}).get("n_seeds", 1)
        n_images = here.get(plan.get("images", "n_test"), here["n_test"])
        matters *= 100 if test.get("judge") == "similarity" else 1
        ends = range_of({"is": "above"} | test, {"matters": matters})
        closed = None not in ends
        distance = (ends[1] - ends[0]) / 2 if closed else matters
        about = {
            "n_images": n_images, "n_trainings": n_trainings, "discordant": plan["discordant"],
            "spread": plan["spread"] / 100, "level": ALPHA / several, "equivalence": closed,
        }  # fmt: skip
        enough = n_trainings >= test.get("trainings", content()["rules"]["trainings"])
        most = here.get("n_members", 0) + here.get("n_more", 0)
        enough = enough and most >= test.get("needs", {}).get("most_members", 0)
        yield {
            "claim": claim.name, "dataset": named[0], "matters": matters, "images": n_images,
            "trainings": n_trainings, "power": power(distance / 100, **about) if enough else 0.0,
            "decides": 100 * _decided(about) if enough else None,
        }  # fmt: skip


def _decided(about: Mapping[str, Any]) -> float:
    """The smallest distance from the bound that is shown with a power of 80 %, as a share."""
    return float(brentq(lambda distance: power(distance, **about) - 0.8, 0, 2, xtol=1e-5))


if __name__ == "__main__":
    for row in powers(planned(sys.argv[1])):
        told = "{claim:4} {dataset:14} {matters:5g} {images:6} {trainings:3} {power:7.1%}"
        decides = "–" if row["decides"] is None else f"{row['decides']:.1f}"
        print(told.format_map(row), decides.rjust(6))
