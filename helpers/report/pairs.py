"""Which records of two builds belong together, and whether they tested the same images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import paths
from helpers.evaluation.record import Record, select
from helpers.evaluation.records import read_records
from helpers.parameters import ParameterError
from helpers.report.output import Output, given_folder, read_manifest


@dataclass(frozen=True)
class Build:
    """A build as it lies in its folder.

    Attributes
    ----------
    test_sets
        Chapter and data set to the digest of the images used and the number of test images.
    """

    folder: Path
    manifest: dict[str, Any]
    records: list[Record]
    test_sets: dict[tuple[str, str], tuple[str, int]]

    @property
    def places(self) -> str:
        """Chapters and data sets with records, in words."""
        found: dict[str, set[str]] = {}
        for record in self.records:
            found.setdefault(record.chapter, set()).add(record.dataset)
        return "; ".join(f"{chapter} ({', '.join(sorted(found[chapter]))})" for chapter in found)


def read_build(folder: Path) -> Build:
    """Read a build's manifest and records.

    Raises
    ------
    ValueError
        If the folder is missing, no build wrote it, it holds no records, or one is damaged.
    """
    output = Output(given_folder("--compare", folder))
    manifest = read_manifest(output)
    if manifest is None:
        problem = "no build wrote this folder (its manifest.json is missing or another's)"
        if not output.folder.is_dir():
            exists = output.folder.exists()
            problem = "a folder was expected, not a file" if exists else "no such folder"
        raise ParameterError(
            f"--compare {folder}: {problem}; give the folders of two builds{_known()}"
        )
    records = read_records(output.folder)
    test_sets = {
        (r.chapter, r.dataset): (r.values["digest"], r.values["n_test"])
        for r in select(records, quantity="data")
    }
    records = [r for r in records if r.quantity != "data"]
    if not records:
        raise ParameterError(
            f"--compare {folder}: this build ({manifest['status']}) holds no records; "
            "run its chapters first, or give another build"
        )
    return Build(output.folder, manifest, records, test_sets)


def _known() -> str:
    found = sorted(path.parent for path in paths.PROJECT.glob("build/*/manifest.json"))
    names = [f"build/{folder.name}" for folder in found if read_manifest(Output(folder))]
    return f", such as {', '.join(names)}" if names else "; ./build_report.sh makes build/quick"


def pair_up(a: Sequence[Record], b: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Pair the records of two builds that measure the same, sorted.

    Equal settings come first, whatever their seeds; a record that is left then goes with one of other
    settings (epsilon, steps ...) if each is the only one of its kind left.
    """
    left, right = _frame(a), _frame(b)
    pairs: list[tuple[Record, Record]] = []
    for on in (["what", "settings"], ["what"]):
        found = left.drop_duplicates(on, keep=False).merge(
            right.drop_duplicates(on, keep=False), on=on, suffixes=("_a", "_b")
        )
        pairs += zip(found["record_a"], found["record_b"], strict=True)
        left = left[~left["number"].isin(found["number_a"])]
        right = right[~right["number"].isin(found["number_b"])]
    return sorted(pairs, key=lambda pair: _order(pair[0]))


def _frame(records: Sequence[Record]) -> pd.DataFrame:
    """List records with what each measures and its settings, both as text."""
    rows = [
        (number, record, _what(record), _text({**record.parameters, "seed": None}))
        for number, record in enumerate(records)
    ]
    return pd.DataFrame(rows, columns=["number", "record", "what", "settings"], dtype=object)


def _what(record: Record) -> str:
    about = {name: getattr(record, name) for name in ("chapter", "dataset", "quantity", "attack")}
    about |= {"model": repr(record.model), "made_on": repr(record.made_on)}
    kinds = {n: v for n, v in record.parameters.items() if says_what(record, n)}
    return _text(about) + _text(kinds)


def says_what(record: Record, name: str) -> bool:
    """Tell a parameter that names what was measured from a setting it was measured with."""
    return name == record.parameters.get("sweep") or not is_number(record.parameters[name])


def is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def plain(value: Any) -> str:
    """Write a value so that 0.25 * 0.1 and 0.025 come out the same."""
    return f"{value:.9g}" if is_number(value) else "-" if value is None else str(value)


def _text(values: dict[str, Any]) -> str:
    return json.dumps({name: plain(value) for name, value in values.items()}, sort_keys=True)


def _order(record: Record) -> tuple:
    """Sort by place, model, attack, then parameters, numbers by size."""
    parameters = [
        (name, value if is_number(value) else 0, str(value))
        for name, value in sorted(record.parameters.items())
    ]
    names = (record.chapter, record.dataset, record.quantity, record.model, record.attack)
    return (*map(str, names), str(record.made_on), parameters)


def same_images(a: Record, b: Record, first: Build, second: Build) -> bool:
    """Tell whether two accuracies were measured on the same images in the same order."""
    place = a.chapter, a.dataset
    known = first.test_sets.get(place)
    if known is None or known != second.test_sets.get(place):
        return False
    n_a, n_b = (len(record.arrays.get("correct", ())) for record in (a, b))
    # Some attacks take a part of the test images only, and the seed draws which.
    return n_a == n_b > 0 and (n_a == known[1] or a.seed == b.seed)
