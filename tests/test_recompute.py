"""Published numbers are recomputed from the records alone, and an altered record is noticed."""

import runpy
import subprocess
import sys
from itertools import groupby

import numpy as np
import pytest
from test_claims import CASES, verdict

from helpers import paths
from helpers.evaluation.record import Record
from helpers.evaluation.records import write_records
from helpers.findings.claims import published

SCRIPT = paths.PROJECT / "benchmarks" / "recompute.py"


@pytest.fixture
def recompute(capsys):
    """Run the script on a folder; its exit code and what it says."""

    def run(folder):
        code = runpy.run_path(str(SCRIPT))["main"](folder)
        return int(code), capsys.readouterr().out

    return run


def write(folder, records, judged):
    """Write records, and what was judged from them, as a build does."""

    def place(record):
        return record.chapter, record.dataset

    for (chapter, dataset), rows in groupby(sorted(records, key=place), place):
        write_records(folder / "records" / f"{chapter}-{dataset}-00000000.csv", list(rows))
    told = [
        Record("09_findings", entry["dataset"], "primary", parameters=entry["parameters"],
               values=entry["values"])
        for entry in published(judged)
    ]  # fmt: skip
    write_records(folder / "records" / "09_findings-00000000.csv", told)
    return folder


def sorted_by_place(records):
    return sorted(records, key=lambda r: (r.chapter, r.dataset))


@pytest.mark.parametrize("name", ["C2", "C6", "C9", "C13", "C15", "C16", "C18"])
def test_what_was_judged_is_recomputed(tmp_path, name, recompute):
    beside = Record(
        "04_ensembles",
        "mnist",
        "gain",
        values={"points": 1.0},
        arrays={"correct": np.ones(9, bool)},
    )
    for k, records in enumerate(CASES[name]()):
        records = sorted_by_place([*records, beside])  # answers that are no accuracy
        folder = write(tmp_path / str(k), records, [verdict(name, records)])
        code, said = recompute(folder)
        assert code == 0, said
        assert "all recomputed" in said


@pytest.mark.parametrize(
    ("name", "quantity", "array"),
    [("C9", "accuracy", "correct"), ("C9", "repeat", "correct"), ("C16", "similarity", "ssim"),
     ("C15", "distortion", "l2")],
)  # fmt: skip
def test_an_altered_record_is_noticed(tmp_path, name, quantity, array, recompute):
    records = sorted_by_place(CASES[name]()[0])
    judged = [verdict(name, records)]
    record = next(r for r in records if r.quantity == quantity and r.attack != "none")
    other = record.arrays[array].copy()
    other[: len(other) // 4] = ~other[: len(other) // 4] if array == "correct" else 0.5
    records[records.index(record)] = Record(**(vars(record) | {"arrays": {array: other}}))
    code, said = recompute(write(tmp_path, records, judged))
    assert code == 1
    assert "is published" in said


def test_an_altered_verdict_is_noticed(tmp_path, recompute):
    records = sorted_by_place(CASES["C16"]()[0])
    folder = write(tmp_path, records, [verdict("C16", records)])
    table = folder / "records" / "09_findings-00000000.csv"
    table.write_text(table.read_text().replace(",holds,", ",does not hold,"))
    assert "does not hold is published, holds recomputed" in recompute(folder)[1]


def test_the_script_is_short_and_stands_alone():
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert "helpers" not in text


@pytest.mark.slow
def test_the_quick_build_is_recomputed(quick_build):
    asked = [sys.executable, str(SCRIPT), str(quick_build[0])]
    found = subprocess.run(asked, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
