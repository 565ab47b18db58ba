"""Recompute accuracies, intervals, primary tests and verdicts of a page from its records alone.

``python benchmarks/recompute.py reports/standard`` (NumPy and SciPy only) ends with 1 if any differs."""

import csv
import json
import math
import sys
from functools import cache, reduce
from pathlib import Path

import numpy as np
from scipy.stats import f as fisher
from scipy.stats import t as student

# fmt: off
HOLDS, PARTLY, FAILS = "holds", "holds under one reading only", "does not hold"
OPEN, ABSENT = "not decided", "cannot be tested here"
rows, arrays, sizes = {}, {}, {}  # by place; the most test images by chapter and data set
def read(folder):
    tables = [p for p in (folder / "records").glob("*.csv") if not p.name.endswith(".pieces.csv")]
    tables.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
    for table in {t.stem.rpartition("-")[0]: t for t in tables}.values():  # the newest of each run
        held, counted = np.load(table.with_suffix(".npz")), {}
        for row in csv.DictReader(table.open(encoding="utf-8", newline="")):
            about = row["chapter"], row["dataset"]
            place = f"{about[0]}/{about[1]}/{counted.get(about, 0)}"
            counted[about], rows[place] = counted.get(about, 0) + 1, row
            arrays[place] = {k: held[f"{row['row']}.{k}"] for k in row["arrays"].split()}
            if row["quantity"] == "accuracy":
                sizes[about] = max(sizes.get(about, 0), int(row["values.n"]))
first = cache(np.arange)
def images_of(place):  # which test images an attack took: L-BFGS draws them, others take the first
    row, n = rows[place], len(arrays[place]["correct"])
    own, total = row.get("model.training_seed") or row["seed"], sizes[row["chapter"], row["dataset"]]
    seed = int(own) if int(own) >= 0 else int(row["seed"])
    drawn = "lbfgs" in row["attack"] and n < total
    return np.sort(np.random.default_rng([seed, 7]).permutation(total)[:n]) if drawn else first(n)
def matrix(sums, beside=()):  # (trainings, images) on the images that all records have
    places = {p for one in [*sums, *beside] for _, *ps in one for p in ps}
    shared = reduce(np.intersect1d, {id(i): i for i in map(images_of, places)}.values())
    right = {p: arrays[p]["correct"][np.searchsorted(images_of(p), shared)] for p in places}
    return np.array([sum(w * np.all([right[p] for p in ps], 0) for w, *ps in one) for one in sums])
def ratio(d, whole):  # of two means, image by image to first order
    return d.mean() / whole.mean() + (d - d.mean() / whole.mean() * whole) / whole.mean()
def crossed(d, spread):  # mean, middle, and errors with their degrees of freedom
    of_images, n, k = d.mean(0), d.shape[1] + 2, len(d)
    centre, variance, df = of_images.sum() / n, d.mean(1).var(ddof=1) if k > 1 else 0, k - 1
    images = (((of_images**2).sum() + 1) / n - centre**2) / n
    moderated = spread and (not df or variance <= fisher.ppf(0.95, df, 10) * spread**2)
    if moderated:
        variance, df = (df * variance + 10 * spread**2) / (df + 10), df + 10
    if not variance > 0:
        return d.mean(), centre, [(math.sqrt(images), np.inf)]
    own = variance / k
    ways = [(math.sqrt(images + own), df * (1 + images / own) ** 2), (math.sqrt(own), df)]
    return d.mean(), centre, ways[:1] if moderated else ways
def sample(x):
    return x.mean(), x.mean(), [(max(x.std(ddof=1) / math.sqrt(len(x)), 1e-12), len(x) - 1)]
def apart(one, other):
    ways = [(math.hypot(a, b), (a**2 + b**2) ** 2 / (a**4 / m + b**4 / n or math.ulp(0)))
            for a, m in one[2] for b, n in other[2]]
    return one[0] - other[0], one[1] - other[1], ways
def effect(t):
    if "norms" in t:
        one, other = (arrays[p]["l2"].astype(float) for p in t["norms"])
        return sample(one[other > 0] / other[other > 0])
    if "l2" in t:
        return *[np.divide(*(float(rows[p]["values.l2"]) for p in t["l2"]))] * 2, [(1e-300, 1)]
    if "ssim" in t:
        means = (np.mean([arrays[p]["ssim"].astype(float) for p in ps], 0) for ps in t["ssim"])
        return apart(*map(sample, means))
    if "apart" in t:
        sides = ([ratio(matrix(s["sums"], s["right"]), matrix(s["right"], s["sums"])) for s in side]
                 for side in t["apart"])
        found = apart(*(crossed(np.mean(side, 0), t["spread"]) for side in sides))
    elif "right" in t:
        found = crossed(ratio(matrix(t["sums"]), 1 - matrix(t["right"], t["sums"])), t["spread"])
    else:
        found = crossed(matrix(t["sums"]) - t.get("minus", 0), t.get("spread"))
    return 100 * found[0], 100 * found[1], [(100 * e, df) for e, df in found[2]]
def main(folder):
    read(folder)
    wrong, count, asked, claims, largest, z = [], [], [], {}, 0.0, student.ppf(0.975, np.inf)
    def check(what, told, computed):
        count.append(what)
        if told != computed and (isinstance(told, str) or abs(told - computed) > 1e-6):
            wrong.append(f"{what}: {told} is published, {computed} recomputed")
    def number(what, n, among=1):  # p-values of inside and outside; whether it, or part of it, is turned
        least, most = n["least"], n["most"]
        parts, under = ([number(f"{what}, {p['label']}", p, k) for p in n[name]]
                        for name, k in (("parts", len(n["parts"])), ("rows", 1)))
        opposite, turned, told = any(p[2] for p in parts) or any(r[3] for r in under), False, []
        if under:
            inside, outside = max(r[0] for r in under), min(1, len(under) * min(r[1] for r in under))
        else:
            value, centre, ways = effect(n["terms"])
            low, high = (centre + s * max(student.ppf(0.975, df) * e for e, df in ways) for s in (-1, 1))
            tails = [lambda b, f=f: max(f((centre - b) / e, df) for e, df in ways)
                     for f in (student.cdf, student.sf)]
            ends = [(b, up) for b, up in ((least, 1), (most, 0)) if b is not None]
            inside = min(1, 2 * max(tails[up](b) for b, up in ends))
            outside = min(1, 2 * min(tails[not up](b) for b, up in ends))
            half = (high - low) / 2 * student.ppf(1 - 0.025 / among, np.inf) / z  # Bonferroni
            below, above = (low + high) / 2 + half, (low + high) / 2 - half
            turned = ((below < least or above > most) if len(ends) == 2 else
                      below < min(0, least) if most is None else above > max(0, most))
            told = [("value", value), ("low", low), ("high", high)]
        told += [("inside", inside), ("outside", outside)]
        for name, own in told[:3] if "l2" in n["terms"] else told:
            check(f"{what}, {name}", n[name], own)
        return inside, outside, turned, opposite
    for place, row in rows.items():
        if row["quantity"] in ("accuracy", "repeat") and "correct" in arrays[place]:
            k, n = int(arrays[place]["correct"].sum()), len(arrays[place]["correct"])
            check(f"{place} accuracy", float(row["values.accuracy"]), k / n)
            reach = math.sqrt(k * (n - k) / n + z**2 / 4)
            for end, way in (("low", -z), ("high", z)) if row["quantity"] == "accuracy" else ():
                own = (k + z**2 / 2 + way * reach) / (n + z**2)
                check(f"{place} {end}", float(row[f"values.{end}"]), own)
        if row["quantity"] == "primary":
            claim, numbers = row["parameters.claim"], json.loads(row["values.numbers"])
            entry = row, numbers, [number(f"{claim} {n['label']}", n) for n in numbers], {}
            claims.setdefault(claim, {}).setdefault(row["parameters.part"], []).append(entry)
            own = enumerate(entry[2] if row["values.lacks"] == '""' else ())
            asked += [(min(r[:2]), k, entry) for k, r in own]
    for rank, (chance, k, entry) in enumerate(sorted(asked, key=lambda one: one[0])):  # Holm
        largest = entry[3][k] = max(largest, min(1.0, (len(asked) - rank) * chance))
    for claim, parts in claims.items():
        outcomes = set()
        for readings in parts.values():
            ways = set()
            for row, numbers, results, adjusted in readings:
                each = {OPEN if adjusted.get(k, 1) > 0.05 else HOLDS if r[0] < r[1] else FAILS
                        for k, r in enumerate(results)}
                way = next((v for v in (FAILS, OPEN, HOLDS) if v in each), OPEN)
                way = PARTLY if way == HOLDS and any(r[3] for r in results) else way
                way = ABSENT if row["values.absent"] == "true" else way
                ways |= {way} - {ABSENT}
                check(f"{claim} reading", row["values.verdict"], way)
                for k, n in enumerate(numbers):
                    check(f"{claim} p, corrected", str(n["adjusted"])[:9], str(adjusted.get(k))[:9])
            mixed = len(ways) > 1 and (ways & {HOLDS, PARTLY} and ways & {PARTLY, FAILS})
            outcomes.add(PARTLY if mixed else OPEN if len(ways) > 1 else next(iter(ways), ABSENT))
        verdict = next((v for v in (FAILS, OPEN, PARTLY, HOLDS) if v in outcomes), ABSENT)
        check(f"{claim} verdict", readings[0][0]["values.of_claim"], verdict)
    print("\n".join(wrong) or f"{len(count):,} published numbers and verdicts, all recomputed.")
    return bool(wrong)
if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
