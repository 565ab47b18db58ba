"""Fingerprints of everything that an executed chapter depends on, so that it can be reused.

A stamp has one entry for each kind of cause, so that the build can say why a chapter runs again.
It is kept in the metadata of the executed notebook: the two appear in one rename, or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.code import library_digest, onednn
from helpers.data import DATASETS
from helpers.evaluation.records import FOLDERS
from helpers.files import file_digest, trouble, walk
from helpers.parameters import ParameterError
from helpers.profiles import Run, notebook_cells
from helpers.report.output import Output
from helpers.vocabulary import CHAPTERS

FINDINGS = CHAPTERS[-1]  # reads the records of all other chapters
# What chapters compare with what the report says, and judge by, beside their code.
CRITERIA = {
    "05_retraining": ("data/reported.yaml",),
    FINDINGS: (
        *(f"data/{name}.yaml" for name in ("claims", "reported", "slips", "literature")),
        "profiles/standard.yaml",
    ),
}
# Where things lie, and what may be dear, changes no result.
NO_RESULT = (*FOLDERS, "allow_expensive")
PACKAGES = (
    "tensorflow", "keras", "numpy", "scipy", "pandas", "scikit-image", "matplotlib",
    "adversarial-robustness-toolbox",
)  # fmt: skip
KEY = "report"  # in the executed notebook's metadata


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _source(chapter: str) -> str:
    # Outputs, cell ids and execution counts are not what makes a result.
    return _digest(notebook_cells(chapter))


@lru_cache(maxsize=1)
def _versions() -> str:
    return _digest({package: metadata.version(package) for package in PACKAGES})


def _data(run: Run, data_dir: Path) -> str:
    """Digest what the real data sets that the run takes look like, and the content of an own model.

    Of a data set's folder, that is the name, size and time of change of every file in it, however
    deep: a picture that was replaced counts, unless it keeps both size and time. Reading the 120,000
    files of Tiny ImageNet instead would take too long each time a build looks what can be reused.

    Raises
    ------
    ParameterError
        If something there cannot be looked at.
    """
    names = {run.dataset, *run.parameters.get("datasets", [])}
    state = []
    try:
        for folder in (spec.folder for name, spec in DATASETS.items() if name in names):
            if folder and (data_dir / folder).is_dir():
                state.append((folder, _files(data_dir / folder)))
        if own := run.parameters.get("model"):
            file = paths.project_path(own)
            state.append(file_digest(file) if file.is_file() else None)
    except OSError as error:
        raise ParameterError(f"{error.filename or data_dir}: {trouble(error)}") from error
    return _digest(state)


@lru_cache
def _files(folder: Path) -> str:
    sha = hashlib.sha256()
    for path, status in walk(folder):
        entry = f"{path} {status.st_size} {status.st_mtime_ns}\0"
        sha.update(entry.encode(errors="surrogateescape"))
    return sha.hexdigest()


def look_again() -> None:
    """Forget which files the data sets had, so that the next stamp sees what has changed."""
    _files.cache_clear()


def records(output: Output, run: Run) -> dict[str, str]:
    """Digest the files of a run's records, by name; what they cost is not among them."""
    table = output.records(run)
    return _digests(output, (table.name, table.with_suffix(".npz").name))


def _digests(output: Output, names: Iterable[str]) -> dict[str, str]:
    files = {name: output.folder / "records" / name for name in names}
    return {name: file_digest(path) for name, path in files.items() if path.is_file()}


def read(output: Output, slug: str) -> dict[str, Any] | None:
    """Read what an executed notebook says of its run; None if there is none, or it is damaged."""
    try:
        content = json.loads(output.notebook(slug).read_text(encoding="utf-8"))
        entry = content["metadata"][KEY]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = isinstance(entry, dict) and {"stamp", "records"} <= entry.keys()
    return entry if whole else None


def stamp(run: Run, output: Output, data_dir: Path, others: tuple[Run, ...]) -> dict[str, str]:
    """Fingerprint everything that the run's outcome depends on.

    Parameters
    ----------
    run
        The chapter and its parameters.
    output
        The build's folder.
    data_dir
        Folder of the real data sets.
    others
        All other runs of the profile; what is there of them counts for the findings.
    """
    parameters = {key: value for key, value in run.parameters.items() if key not in NO_RESULT}
    result = {
        "notebook": _source(run.chapter),
        "parameters": _digest(parameters),
        "helpers": library_digest(paths.PROJECT / "helpers"),
        "versions": _versions(),
        "oneDNN": _digest(onednn()),
        "data": _data(run, data_dir),
    }
    if names := CRITERIA.get(run.chapter):
        files = filter(Path.is_file, (paths.PROJECT / name for name in names))
        result["criteria"] = _digest({path.name: file_digest(path) for path in files})
    if run.chapter == FINDINGS:
        entries = {other: read(output, other.slug) for other in others}
        result["other chapters"] = _digest(
            {
                other.slug: entry and [entry["stamp"], _digests(output, entry["records"])]
                for other, entry in entries.items()
            }
        )
    return result


def outdated(
    entry: Mapping[str, Any] | None, wanted: Mapping[str, str], output: Output
) -> list[str] | None:
    """Name what differs from the executed notebook; empty if it can be reused, None if absent."""
    if entry is None:
        return None
    kept = entry["stamp"]
    causes = [cause for cause in {**wanted, **kept} if kept.get(cause) != wanted.get(cause)]
    if entry["records"] != _digests(output, entry["records"]):
        causes.append("records")
    return causes
