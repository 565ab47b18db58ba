"""Accuracy with intervals, paired tests, sizes of perturbations, and records.

A record is one measured result: what was measured on what, with which parameters, how many images and,
where there are any, the correct answers image by image, so that later tests can be paired.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from scipy.stats import binomtest

from helpers.files import remove_records, write_atomically

# Parameters that mark a record as part of a series: its model and attack occur in the main results too.
SERIES = frozenset({"sweep", "regenerate", "variant", "rung", "shared"})

# float32 sums round: an image made within epsilon may measure this much more.
TOLERANCE = 1e-6
# Width of the Gaussian window of structural similarity, in pixels.
SSIM_WINDOW = 11


@dataclass(frozen=True)
class Record:
    """One result, as figures, tables and verdicts read it.

    Attributes
    ----------
    chapter, dataset
        Where it was measured, and on which data (a data set's name).
    quantity
        What was measured: ``accuracy``, ``distortion``, ``history``, ``count`` ...
    model, attack
        Who was tested, and under what; ``source`` in `parameters` says on which model the attack was
        made where that is another one.
    parameters
        Everything else that decides the result; plain JSON values.
    seed
        Seed of the run.
    values
        Named numbers or lists of numbers. An accuracy has ``n``, ``n_correct``, ``accuracy``, ``low``,
        ``high`` (95 % Wilson interval).
    arrays
        Per-image arrays; for an accuracy ``correct``, bool (n,).
    """

    chapter: str
    dataset: str
    quantity: str
    model: str = ""
    attack: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """File name: readable, and different for different results."""
        identity = asdict(self)
        del identity["values"], identity["arrays"]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
        parts = [self.quantity, self.model, self.attack]
        return "-".join([*(re.sub(r"\W+", "_", part) for part in parts if part), digest])

    def matches(self, **wanted: Any) -> bool:
        """Tell whether each wanted attribute or parameter has the wanted value."""
        return all(
            (
                getattr(self, name)
                if name in self.__dataclass_fields__
                else self.parameters.get(name)
            )
            == value
            for name, value in wanted.items()
        )


class Records:
    """The records of one run of one chapter, written as they come.

    Parameters
    ----------
    output
        The build's folder.
    chapter, dataset
        Whose records; `dataset` is None for a chapter about several.
    seed
        Noted in each record.
    """

    def __init__(self, output: Path, chapter: str, dataset: str | None, seed: int):
        self.chapter, self.dataset, self.seed = chapter, dataset, seed
        slug = chapter if dataset is None else f"{chapter}-{dataset}"
        self.folder = Path(output) / "records" / slug
        # What an earlier run of this chapter measured, perhaps with other parameters, is void.
        remove_records(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.all: list[Record] = []
        self._names: set[str] = set()

    def add(
        self,
        quantity: str,
        *,
        model: str = "",
        attack: str = "",
        parameters: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        dataset: str | None = None,
    ) -> Record:
        """Write a record and return it."""
        dataset = dataset or self.dataset
        if dataset is None:
            raise ValueError("this chapter has no data set of its own: name the record's")
        record = Record(
            self.chapter, dataset, quantity, model, attack, dict(parameters or {}), self.seed,
            dict(values or {}), dict(arrays or {}),
        )  # fmt: skip
        name = record.name
        if name in self._names:
            raise ValueError(f"the same result is recorded twice: {name}")
        if record.arrays:
            buffer = BytesIO()
            np.savez_compressed(buffer, **record.arrays)
            write_atomically(self.folder / f"{name}.npz", buffer.getvalue())
        summary = asdict(record)
        summary["arrays"] = sorted(record.arrays)
        # Last, so that a record that can be read is whole.
        write_atomically(self.folder / f"{name}.json", json.dumps(summary, indent=1))
        self.all.append(record)
        self._names.add(name)
        return record

    def accuracy(
        self,
        correct: np.ndarray,
        *,
        model: str,
        attack: str = "none",
        parameters: Mapping[str, Any] | None = None,
        **measures: float,
    ) -> Record:
        """Record correct answers, bool (n,), as an accuracy with its interval."""
        correct = np.asarray(correct, bool)
        low, high = wilson(int(correct.sum()), len(correct))
        values = {
            "n": len(correct),
            "n_correct": int(correct.sum()),
            "accuracy": float(correct.mean()),
            "low": low,
            "high": high,
        }
        return self.add(
            "accuracy", model=model, attack=attack, parameters=parameters,
            values=values | measures, arrays={"correct": correct},
        )  # fmt: skip

    def data_set(self, data) -> None:
        """Note which data the chapter used (a `Dataset`), for the manifest and the page."""
        content = {
            "name": data.name,
            "label": data.label,
            "status": data.status,
            "digest": data.digest,
            "n_train": len(data.y_train),
            "n_test": len(data.y_test),
        }
        write_atomically(self.folder / f"dataset-{data.name}.json", json.dumps(content, indent=1))


def read_records(output: Path, *, arrays: bool = False) -> list[Record]:
    """Read all records of a build, sorted by file; with `arrays`, what was measured image by image too.

    Raises
    ------
    ValueError
        If a record is damaged; names the file.
    """
    found = []
    for path in sorted((Path(output) / "records").glob("*/*.json")):
        if path.name.startswith("dataset-"):
            continue
        try:
            content = json.loads(path.read_text())
            held = _read_arrays(path.with_suffix(".npz")) if arrays and content["arrays"] else {}
            found.append(Record(**(content | {"arrays": held})))
        except (OSError, ValueError, TypeError, KeyError, BadZipFile) as error:
            raise ValueError(
                f"the record {path} is damaged ({error}); delete its folder and run its chapter again"
            ) from None
    return found


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def select(records: Iterable[Record], **wanted: Any) -> list[Record]:
    """Keep the records whose attributes or parameters have the wanted values."""
    return [record for record in records if record.matches(**wanted)]


def plain(records: Iterable[Record]) -> list[Record]:
    """Leave out what belongs to a series of its own: sweeps, variants, rungs, shared examples."""
    return [record for record in records if not SERIES & record.parameters.keys()]


def on_itself(records: Iterable[Record]) -> list[Record]:
    """Keep what was measured without attack, and under attacks made on the tested model itself.

    Random noise sees no model: the same images serve for all.
    """
    return [
        r
        for r in records
        if "made_on" not in r.parameters
        and (r.parameters.get("source") in (None, r.model) or r.attack == "noise")
    ]


def one(records: Iterable[Record], **wanted: Any) -> Record:
    """Find the single record with the wanted values; ValueError where there are none or several."""
    found = select(records, **wanted)
    if len(found) != 1:
        raise ValueError(f"{len(found)} records match {wanted}; expected exactly one")
    return found[0]


def wilson(n_correct: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a proportion (Wilson 1927)."""
    if n < 1:
        raise ValueError("an accuracy needs at least one image")
    interval = binomtest(n_correct, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> float:
    """Exact McNemar test: p-value for two classifiers being equally good on the same images."""
    if correct_a.shape != correct_b.shape:
        raise ValueError(
            f"a paired test needs the same images: {correct_a.shape} and {correct_b.shape}"
        )
    only_a = int((correct_a & ~correct_b).sum())
    only_b = int((~correct_a & correct_b).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


@dataclass(frozen=True)
class Difference:
    """A difference of two proportions or means, with its 95 % interval."""

    value: float
    low: float
    high: float

    def __sub__(self, other: Difference) -> Difference:
        """Difference of two differences, taken as independent (MOVER, Zou & Donner 2008)."""
        value = self.value - other.value
        below = np.hypot(self.value - self.low, other.high - other.value)
        above = np.hypot(self.high - self.value, other.value - other.low)
        return Difference(value, float(value - below), float(value + above))


def paired_difference(correct_a: np.ndarray, correct_b: np.ndarray) -> Difference:
    """Accuracy of a classifier minus that of another on the same images.

    The interval is Agresti & Min's (2005): Wald's, with half an image more in each cell of the 2 × 2
    table.

    Parameters
    ----------
    correct_a, correct_b
        Correct answers, bool (n,), of the same images in the same order.
    """
    mcnemar(correct_a, correct_b)  # same images?
    only_a, only_b = float((correct_a & ~correct_b).sum()), float((~correct_a & correct_b).sum())
    n = len(correct_a)
    if not n:
        raise ValueError("a difference needs at least one image")
    middle = (only_a - only_b) / (n + 2)
    reach = 1.959964 * np.sqrt((only_a + only_b + 1) / (n + 2) - middle**2) / np.sqrt(n + 2)
    low, high = max(middle - reach, -1.0), min(middle + reach, 1.0)
    return Difference((only_a - only_b) / n, float(low), float(high))


def independent_difference(n_correct_a: int, n_a: int, n_correct_b: int, n_b: int) -> Difference:
    """Difference of two proportions of different images (Newcombe 1998, method 10)."""
    a, b = (
        Difference(n_correct / n, *wilson(n_correct, n))
        for n_correct, n in ((n_correct_a, n_a), (n_correct_b, n_b))
    )
    return a - b


def distortion(x: np.ndarray, x_adv: np.ndarray) -> dict[str, np.ndarray]:
    """L2 and L-infinity norm of each image's perturbation, float64 (n,)."""
    change = (x_adv.astype(np.float64) - x).reshape(len(x), prod(x.shape[1:]))  # maybe of no image
    return {"l2": np.linalg.norm(change, axis=1), "linf": np.abs(change).max(1, initial=0.0)}


def similarity(x: np.ndarray, x_adv: np.ndarray) -> np.ndarray:
    """Structural similarity of image pairs (SSIM, Wang et al. 2004); float64 (n,), 1 where equal."""
    from skimage.metrics import structural_similarity  # half a second that few modules need

    side = min(x.shape[1:3])
    window = {"gaussian_weights": True, "sigma": 1.5}
    if side < SSIM_WINDOW:  # a plain window that fits, of an odd size
        window = {"win_size": side - 1 + side % 2}
    return np.array(
        [
            structural_similarity(
                one, other, data_range=1.0, channel_axis=-1, use_sample_covariance=False, **window
            )
            for one, other in zip(x.astype(np.float64), x_adv.astype(np.float64), strict=True)
        ]
    )  # fmt: skip


def check_adversarial(
    x: np.ndarray, x_adv: np.ndarray, *, epsilon: float | None = None, norm: str = "linf"
) -> None:
    """Check adversarial images independently of the attack, before they are scored.

    Raises
    ------
    ValueError
        If they differ in shape or type from `x`, are not finite, leave [0, 1], or lie farther than
        `epsilon` from `x` in `norm`; says by how much.
    """
    if x_adv.shape != x.shape or x_adv.dtype != x.dtype:
        raise ValueError(
            f"adversarial images are {x_adv.dtype} {x_adv.shape}, the originals {x.dtype} {x.shape}"
        )
    if not np.isfinite(x_adv).all():
        raise ValueError("adversarial images hold NaN or infinite pixels")
    if len(x) and (x_adv.min() < 0 or x_adv.max() > 1):
        raise ValueError(
            f"adversarial images leave [0, 1]: they go from {x_adv.min()} to {x_adv.max()}"
        )
    if epsilon is not None and len(x):
        farthest = distortion(x, x_adv)[norm].max()
        if farthest > epsilon + TOLERANCE * max(1.0, epsilon):
            raise ValueError(
                f"adversarial images lie up to {farthest:.6f} from the originals in {norm}, more than "
                f"epsilon = {epsilon}"
            )
