"""Recompute what a published page says, from its records alone: every accuracy, interval, test and verdict.

    python benchmarks/recompute.py reports/standard

Independent of the project's library: NumPy and SciPy only. It reads the tables in ``records/``, whose
chapter 09 holds for each primary comparison where its numbers come from (chapter, data set, row; weights).
Exit code 1, with a line for each number that differs, if any does.
"""

import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
from scipy.stats import t as student

LEVEL, TOLERANCE = 0.05, 1e-6
HOLDS, PARTLY, FAILS, OPEN, ABSENT = (
    "holds", "holds under one reading only", "does not hold", "not decided", "cannot be tested here",
)  # fmt: skip


def read(folder):
    """Give each row by its place, its arrays, and the number of test images of each chapter and data."""
    newest, rows, arrays, sizes = {}, {}, {}, {}
    tables = [p for p in (folder / "records").glob("*.csv") if not p.name.endswith(".pieces.csv")]
    for table in sorted(tables, key=lambda path: (path.stat().st_mtime_ns, path.name)):
        newest[table.stem.rpartition("-")[0]] = table
    for table in newest.values():
        held, counted = np.load(table.with_suffix(".npz")), {}
        for row in csv.DictReader(table.open(encoding="utf-8", newline="")):
            about = row["chapter"], row["dataset"]
            place = f"{about[0]}/{about[1]}/{counted.get(about, 0)}"
            counted[about] = counted.get(about, 0) + 1
            rows[place] = row
            arrays[place] = {k: held[f"{row['row']}.{k}"] for k in row["arrays"].split()}
            if row["quantity"] == "accuracy":
                sizes[about] = max(sizes.get(about, 0), int(row["values.n"]))
    return rows, arrays, sizes


def wilson(k, n, z=student.ppf(1 - LEVEL / 2, np.inf)):
    middle, reach = (k + z**2 / 2) / (n + z**2), z / (n + z**2) * math.sqrt(k * (n - k) / n + z**2 / 4)
    return (0.0 if k == 0 else middle - reach), (1.0 if k == n else middle + reach)


class Recomputed:
    def __init__(self, folder):
        self.rows, self.arrays, self.sizes = read(folder)

    def rows_of(self, place):
        row, n = self.rows[place], len(self.arrays[place]["correct"])
        total = self.sizes[row["chapter"], row["dataset"]]
        if n < total and "lbfgs" in row["attack"]:
            own = row.get("model.training_seed")
            seed = int(own) if own and int(own) >= 0 else int(row["seed"])
            return np.sort(np.random.default_rng([seed, 7]).permutation(total)[:n])
        return np.arange(n)

    def shared(self, sums):
        """The test images that all records of some sums have."""
        found = None
        for place in {p for one in sums for _, *places in one for p in places}:
            own = self.rows_of(place)
            found = own if found is None else np.intersect1d(found, own)
        return found

    def matrix(self, sums, rows):
        def right(place):
            return self.arrays[place]["correct"][np.searchsorted(self.rows_of(place), rows)]

        return np.array(
            [sum(w * np.all([right(p) for p in ps], axis=0) for w, *ps in one) for one in sums]
        )

    def effect(self, terms):
        """Mean, middle, and the standard errors with their degrees of freedom, in units of the table."""
        if "norms" in terms:
            a, b = (self.arrays[p]["l2"].astype(float) for p in terms["norms"])
            return sample(a / b)
        if "l2" in terms:
            a, b = (float(self.rows[p]["values.l2"]) for p in terms["l2"])
            return a / b, a / b, [(0.0, 1)]
        if "ssim" in terms:
            return apart(*[
                sample(np.mean([self.arrays[p]["ssim"].astype(float) for p in places], axis=0))
                for places in terms["ssim"]
            ])  # fmt: skip
        if "apart" in terms:
            return times(100, apart(*[
                crossed(np.mean([self.ratio(t["sums"], t["right"], 0) for t in side], axis=0))
                for side in terms["apart"]
            ]))  # fmt: skip
        if "right" in terms:
            return times(100, crossed(self.ratio(terms["sums"], terms["right"], 1)))
        d = self.matrix(terms["sums"], self.shared(terms["sums"])) - terms.get("minus", 0)
        return times(100, crossed(d))

    def ratio(self, sums, right, of_wrong):
        rows = self.shared([*sums, *right])
        d, whole = self.matrix(sums, rows), self.matrix(right, rows)
        whole = 1 - whole if of_wrong else whole
        ratio = d.mean() / whole.mean()
        return ratio + (d - ratio * whole) / whole.mean()


def crossed(d):
    """Over trainings (rows) and images (columns): the wider of both together and Student's."""
    of_images, n = d.mean(0), d.shape[1] + 2
    centre = of_images.sum() / n
    images = (((of_images**2).sum() + 1) / n - centre**2) / n
    of_trainings = d.mean(1).var(ddof=1) / len(d) if len(d) > 1 else 0
    if not of_trainings > 0:
        return d.mean(), centre, [(math.sqrt(images), np.inf)]
    both, df = images + of_trainings, len(d) - 1
    ways = [(math.sqrt(both), df * (both / of_trainings) ** 2), (math.sqrt(of_trainings), df)]
    return d.mean(), centre, ways


def sample(x):
    return x.mean(), x.mean(), [(max(x.std(ddof=1) / math.sqrt(len(x)), 1e-12), len(x) - 1)]


def apart(one, other):
    ways = [
        (math.hypot(a, b), (a**2 + b**2) ** 2 / (a**4 / m + b**4 / n or math.ulp(0)))
        for a, m in one[2] for b, n in other[2]
    ]  # fmt: skip
    return one[0] - other[0], one[1] - other[1], ways


def times(factor, effect):
    return effect[0] * factor, effect[1] * factor, [(e * factor, df) for e, df in effect[2]]


def main(folder):
    found, wrong, count = Recomputed(folder), [], 0

    def check(what, told, computed):
        nonlocal count
        count += 1
        same = told == computed if isinstance(told, str) else abs(told - computed) <= TOLERANCE
        if not same:
            wrong.append(f"{what}: {told} is published, {computed} recomputed")

    for place, row in found.rows.items():
        if row["quantity"] in ("accuracy", "repeat") and "correct" in found.arrays[place]:
            right = found.arrays[place]["correct"]
            check(f"{place} accuracy", float(row["values.accuracy"]), right.mean())
            if row["quantity"] == "accuracy":
                for name, end in zip(("low", "high"), wilson(int(right.sum()), len(right)), strict=True):
                    check(f"{place} {name}", float(row[f"values.{name}"]), end)
    return found, wrong, count, check
