"""The manifest: with what a build was made, and what each of its runs took."""

from __future__ import annotations

import contextlib
import csv
import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from helpers.code import onednn
from helpers.evaluation.record import select
from helpers.evaluation.records import read_table
from helpers.experiment.provenance import cores, now, processor, revision
from helpers.files import write_atomically
from helpers.profiles import Profile, Run
from helpers.report.output import FORMAT, Output
from helpers.report.stamps import NO_RESULT

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "matplotlib", "adversarial-robustness-toolbox",
            "papermill", "nbconvert")  # fmt: skip
LEFT_OUT = "not built"  # the status of a run that --only left out
PROJECT_PACKAGE = "adversarial-examples-report"


def versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    found |= {name: metadata.version(name) for name in PACKAGES} | {"project": None}
    with contextlib.suppress(metadata.PackageNotFoundError):  # a copy that was not installed
        found["project"] = metadata.version(PROJECT_PACKAGE)
    return found


def machine() -> dict[str, Any]:
    return {
        "platform": platform.platform(),
        "cpu": processor(),
        "cores": cores(),
        "memory_mib": round(psutil.virtual_memory().total / 2**20),
    }


def start(profile: Profile) -> dict[str, Any]:
    """Begin the manifest of a build."""
    return {
        "format": FORMAT,
        "profile": profile.name,
        "purpose": profile.purpose,
        "status": "running",
        "revision": revision(),
        "started": now(),
        "ended": None,
        "spent_seconds": 0.0,  # working, with all that was interrupted and done again
        "versions": versions(),
        "machine": machine(),
        "onednn": onednn(),
        "datasets": [],
        "runs": {},
    }


def run_entry(run: Run, status: str, **values: Any) -> dict[str, Any]:
    """One run of the manifest; folders are left out, for they say nothing about the result."""
    parameters = {key: value for key, value in run.parameters.items() if key not in NO_RESULT}
    return {
        "chapter": run.chapter,
        "dataset": run.dataset,
        "name": run.name,
        "status": status,
        "parameters": parameters,
        **values,
    }


def pieces(output: Output, run: Run) -> dict[str, Any] | None:
    """Sum up what a run used from the store: what it cost when it was made, and on which machines.

    Returns
    -------
    cost
        Name of the `file`, `count` of the pieces and how many were `made` in this run; `seconds` and
        `processor_seconds` of all; the kinds of `machines` with the number of threads, and the
        `revisions`. None for a run that used no piece.
    """
    file = output.pieces(run)
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    return {
        "file": file.name,
        "count": len(rows),
        "made": sum(row["made"] == "made" for row in rows),
        "seconds": round(sum(float(row["seconds"] or 0) for row in rows), 1),
        "processor_seconds": round(sum(float(row["processor_seconds"] or 0) for row in rows), 1),
        "machines": sorted({f"{row['cpu']}, threads: {row['threads']}" for row in rows}),
        "revisions": sorted({row["revision"] or "unknown" for row in rows}),
    }


def cost_of_pieces(folder: Path, manifest: Mapping[str, Any]) -> float:
    """Add up the seconds that the pieces of all runs took, one that several used once."""
    named = [run["pieces"]["file"] for run in manifest["runs"].values() if run.get("pieces")]
    files, found = [folder / "records" / name for name in named], {}
    for file in filter(Path.is_file, files):  # one of a run that is outdated may be gone
        with file.open(encoding="utf-8") as table:
            found |= {row["name"]: float(row["seconds"] or 0) for row in csv.DictReader(table)}
    return sum(found.values())


def datasets(output: Output, runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Collect what the chapters recorded of their data sets: which, how many images, what digest."""
    found: dict[tuple, dict[str, Any]] = {}
    for run in runs:
        records = []
        with contextlib.suppress(ValueError):  # missing, or damaged: its run will be made again
            records = read_table(output.records(run), arrays=False)
        for record in select(records, quantity="data"):
            names = ("label", "status", "digest", "n_train", "n_test")
            kept = {"name": record.dataset} | {key: record.values.get(key) for key in names}
            found.setdefault(tuple(map(str, kept.values())), kept)
    return list(found.values())


def write(output: Output, manifest: Mapping[str, Any]) -> None:
    """Write the manifest, and once it is safe its copy, so that one of the two is always whole."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n"
    write_atomically(output.manifest, text, durable=True)
    write_atomically(output.backup, text, durable=True)
