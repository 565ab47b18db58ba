"""From profile files to validated runs, and the notebooks' own values of their parameters."""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from helpers import paths
from helpers.parameters import CHAPTERS, ParameterError, Parameters, suggest, taken, validate


def notebook_parameters(chapter: str, namespace: Mapping[str, Any]) -> Parameters:
    """Read a notebook's own parameters from its `globals()`.

    To be called before the notebook defines anything else. papermill only warns about a parameter
    that a notebook does not have, so whatever else stands in the namespace as a plain value was
    meant as a parameter and is refused by name.
    """
    known = taken(chapter)
    plain = (bool, int, float, str, list, tuple, dict, type(None))
    values = {
        name: value
        for name, value in namespace.items()
        if name in known
        or (isinstance(value, plain) and not name.startswith("_") and name not in ("In", "Out"))
    }
    return validate(chapter, values)


@dataclass(frozen=True)
class Run:
    """One execution of one notebook."""

    chapter: str
    dataset: str | None
    parameters: dict[str, Any] = field(hash=False)

    @property
    def name(self) -> str:
        """``03_attacks:mnist``, as ``--only`` and the progress lines say it."""
        return self.chapter if self.dataset is None else f"{self.chapter}:{self.dataset}"

    @property
    def slug(self) -> str:
        """The same for file names."""
        return self.name.replace(":", "-")


@dataclass(frozen=True)
class Profile:
    """Which chapters run, in the order of the page, with which parameters."""

    name: str
    purpose: str
    runs: tuple[Run, ...]
    minutes: dict[str, float] = field(default_factory=dict, hash=False)  # of runs, on two cores


def parse_set(text: str) -> tuple[str, Any]:
    """Split ``name=value``; the value is read as YAML, and ``1e-3`` as a number."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ParameterError(f"--set {text!r}: expected name=value, for example epsilon=0.1")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        parsed = value
    if isinstance(parsed, str):
        with contextlib.suppress(ValueError):  # YAML 1.1 takes 1e-3 for a string
            parsed = float(parsed)
    return name.strip(), parsed


def notebook_cells(chapter: str) -> list[tuple[str, str, list[str]]]:
    """Read type, source and tags of a notebook's cells.

    Plain JSON, for importing nbformat alone takes two seconds of every command line.

    Raises
    ------
    ParameterError
        If the notebook is missing or is not one.
    """
    path = paths.NOTEBOOKS / f"{chapter}.ipynb"
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [
            (cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", []))
            for cell in cells
        ]
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise ParameterError(f"{path} is not a notebook of format 4") from None


def notebook_defaults(chapter: str) -> dict[str, Any]:
    """Read the literals of a notebook's cell tagged ``parameters``, without running it."""
    for _, source, tags in notebook_cells(chapter):
        if "parameters" in tags:
            return {
                line.target.id: ast.literal_eval(line.value)
                for line in ast.parse(source).body
                if isinstance(line, ast.AnnAssign)
            }
    raise ParameterError(f"notebooks/{chapter}.ipynb has no cell tagged 'parameters'")


def profile_names() -> list[str]:
    return sorted(path.stem for path in paths.PROFILES.glob("*.yaml"))


def load_profile(
    name: str, *, overrides: Mapping[str, Any] | None = None, only: Iterable[str] = ()
) -> Profile:
    """Read ``profiles/NAME.yaml`` and validate every run in it.

    Parameters
    ----------
    name
        A profile's name.
    overrides
        Values that go to every chapter with a parameter of that name.
    only
        Names of runs (``03_attacks:mnist``) or chapters (``03_attacks``) to keep; none keeps all.

    Raises
    ------
    ParameterError
        Before anything runs, if anything in the profile or the overrides does not exist or fit.
    """
    path = paths.PROFILES / f"{name}.yaml"
    if not path.is_file():
        raise ParameterError(
            f"no profile {name!r}{suggest(name, profile_names())}; there are "
            f"{', '.join(profile_names())}"
        )
    content = yaml.safe_load(path.read_text())
    expected = {"purpose", "common", "datasets", "chapters", "runs"}
    if not isinstance(content, dict) or set(content) - {"minutes"} != expected:
        raise ParameterError(
            f"{path.name} must have exactly the entries {sorted(expected)}, and may have minutes"
        )
    overrides = dict(overrides or {})
    runs = []
    layers = {"common": content["common"]}
    layers |= {f"datasets.{key}": value for key, value in content["datasets"].items()}
    layers |= {f"chapters.{key}": value for key, value in content["chapters"].items()}
    for entry in content["runs"]:
        chapter, _, dataset = entry.partition(":")
        if chapter not in CHAPTERS:
            raise ParameterError(
                f"{path.name}: no chapter {chapter!r}; there are {', '.join(CHAPTERS)}"
            )
        if ("dataset" in taken(chapter)) != bool(dataset):
            raise ParameterError(
                f"{path.name}: {entry!r} "
                + ("takes no data set" if dataset else "needs a data set")
            )
        if "/" in dataset or dataset.endswith(".npz"):
            raise ParameterError(
                f"{path.name}: {entry!r} names a file; a profile names data sets, and papermill runs "
                "a chapter on arrays of your own (README)"
            )
        values = notebook_defaults(chapter)
        sources = ["common", f"datasets.{dataset}", f"chapters.{chapter}", f"chapters.{entry}"]
        for source in sources:
            for key, value in (layers.get(source) or {}).items():
                if key in values:
                    values[key] = value
                elif source.startswith("chapters."):
                    validate(chapter, {**values, key: value})  # raises: unknown parameter
        if dataset:
            values["dataset"] = dataset
        for key, value in overrides.items():
            if key in values:
                values[key] = value
        validate(chapter, values)
        runs.append(Run(chapter, dataset or None, values))
    known = sorted({key for run in runs for key in run.parameters})
    for source, values in {**layers, "--set": overrides}.items():
        for key in values or {}:
            if key not in known:
                raise ParameterError(
                    f"{source}: no chapter of profile {name!r} has a parameter "
                    f"{key!r}{suggest(key, known)}; there are {', '.join(known)}"
                )
    only = list(only)
    for wanted in only:
        if not any(wanted in (run.name, run.chapter) for run in runs):
            raise ParameterError(
                f"profile {name!r} has no run {wanted!r}; it has "
                f"{', '.join(run.name for run in runs)}"
            )
    if only:
        runs = [run for run in runs if run.name in only or run.chapter in only]
    return Profile(name, content["purpose"], tuple(runs), content.get("minutes") or {})
