"""From profile files to validated runs, and the notebooks' own values of their parameters."""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from helpers import paths
from helpers.parameters import ParameterError, Parameters, suggest, validate
from helpers.rules import follow
from helpers.vocabulary import CHAPTERS, MODEL_VALUES, left_to_profile, taken


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


# A notebook asks several times, and PyYAML is slow.
_parsed = lru_cache(maxsize=4)(yaml.safe_load)


def _read(name: str) -> dict[str, Any]:
    """Read ``profiles/NAME.yaml``, and check that it has the entries of a profile."""
    path = paths.PROFILES / f"{name}.yaml"
    if not path.is_file():
        raise ParameterError(
            f"no profile {name!r}{suggest(name, profile_names())}; there are "
            f"{', '.join(profile_names())}"
        )
    content = _parsed(path.read_text(encoding="utf-8"))
    expected = {"purpose", "common", "datasets", "chapters", "runs"}
    if not isinstance(content, dict) or set(content) != expected:
        raise ParameterError(f"{path.name} must have exactly the entries {sorted(expected)}")
    return content | {"name": name}


def _layers(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name what a profile sets, by where it stands in the file."""
    layers = {"common": content["common"]}
    for group in ("datasets", "chapters"):
        layers |= {f"{group}.{key}": value for key, value in content[group].items()}
    return {source: values or {} for source, values in layers.items()}


def _values(content: Mapping[str, Any], chapter: str, dataset: str) -> dict[str, Any]:
    """Put what a profile sets for a chapter on a data set in the place of the notebook's own values."""
    layers, values = _layers(content), notebook_defaults(chapter)
    entry = f"{chapter}:{dataset}" if dataset else chapter
    for source in ("common", f"datasets.{dataset}", f"chapters.{chapter}", f"chapters.{entry}"):
        layer = layers.get(source, {})
        known = {*values, *left_to_profile(chapter)}
        if source.startswith("chapters.") and set(layer) - known:
            validate(chapter, values | layer)  # raises: unknown parameter
        values = follow(values, {key: layer[key] for key in layer if key in known})
    own = {"dataset": dataset, "profile": content["name"]} if dataset else {}
    return values | {name: value for name, value in own.items() if name in taken(chapter)}


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
    content = _read(name)
    overrides = dict(overrides or {})
    runs = []
    for entry in content["runs"]:
        chapter, _, dataset = entry.partition(":")
        if chapter not in CHAPTERS:
            raise ParameterError(
                f"{name}.yaml: no chapter {chapter!r}; there are {', '.join(CHAPTERS)}"
            )
        if ("dataset" in taken(chapter)) != bool(dataset):
            raise ParameterError(
                f"{name}.yaml: {entry!r} "
                + ("takes no data set" if dataset else "needs a data set")
            )
        if "/" in dataset or dataset.endswith(".npz"):
            raise ParameterError(
                f"{name}.yaml: {entry!r} names a file; a profile names data sets, and papermill runs "
                "a chapter on arrays of your own (README)"
            )
        usual = _values(content, chapter, dataset)
        given = {key: value for key, value in overrides.items() if key in usual}
        values = follow(usual, given)
        validate(chapter, values, usual)
        runs.append(Run(chapter, dataset or None, values))
    known = sorted({key for run in runs for key in run.parameters})
    for source, values in {**_layers(content), "--set": overrides}.items():
        for key in values:
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
    return Profile(name, content["purpose"], tuple(runs))


# Whose values a data set brings along where a notebook runs by itself: the first that has it.
BY_HAND = ("quick", "smoke-real")


def _injected(namespace: Mapping[str, Any]) -> set[str]:
    """Name what papermill has set, equal to the notebook's own value or not."""
    cells = [text for text in namespace.get("In", []) if text.startswith("# Parameters\n")]
    statements = [line for text in cells for line in ast.parse(text).body]
    return {line.targets[0].id for line in statements if isinstance(line, ast.Assign)}


def _is_meant(chapter: str, namespace: Mapping[str, Any]) -> Callable[[str], bool]:
    """Tell which names are meant as parameters: all, until the notebook's own cells have named things.

    Where it runs once more in one kernel, those that stand in a cell of parameters, by their form.
    """
    history = namespace.get("In", [])
    if sum(f'Chapter("{chapter}"' in text for text in history) < 2:
        return lambda name: True
    latest: dict[bool, set[str]] = {}  # of papermill's cell, and of the notebook's as it stands now
    for text in reversed(history):
        by_papermill = text.startswith("# Parameters\n")
        with contextlib.suppress(SyntaxError):  # of a magic command
            body = ast.parse(text).body
            targets = [line.target for line in body if isinstance(line, ast.AnnAssign)]
            if targets or by_papermill:
                targets += [
                    t for line in body if isinstance(line, ast.Assign) for t in line.targets
                ]
                names = {target.id for target in targets if isinstance(target, ast.Name)}
                latest.setdefault(by_papermill, names)
    return set().union(*latest.values()).__contains__


def _source(
    dataset: str, values: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Find the profile whose values a data set brings; None where it is a file of one's own."""
    if "/" in dataset or dataset.endswith(".npz"):
        return None
    for name in (values.get("profile"), *BY_HAND) if dataset else ():
        content = _read(name)
        if dataset in content["datasets"] or any(
            r.endswith(f":{dataset}") for r in content["runs"]
        ):
            return content
        if "profile" in given:
            raise ParameterError(
                f"profile = {name!r} says nothing of dataset = {dataset!r}; it has "
                f"{', '.join(content['datasets'])}"
            )
    return None


def notebook_parameters(chapter: str, namespace: Mapping[str, Any]) -> Parameters:
    """Read a notebook's own parameters from its `globals()`.

    To be called before the notebook defines anything else; papermill only warns about a parameter
    that a notebook does not have, so whatever else stands in the namespace as a plain value was
    meant as a parameter and is refused by name. Where the notebook runs once more in one kernel, its
    own names are known by the cells that they come from.

    What was neither changed in the notebook nor set by papermill follows what was: `alpha` follows
    `epsilon`, `member` follows `n_members`, and all sizes follow the profile and the data set, those
    of the training too, which do not stand in the cell. What does is printed, and also what makes
    the original model another one than the profile's.
    """
    known, left = taken(chapter), left_to_profile(chapter)
    plain = (bool, int, float, str, list, tuple, dict, type(None))
    is_meant = _is_meant(chapter, namespace)
    values = {
        name: value
        for name, value in namespace.items()
        if name in known
        or (
            isinstance(value, plain)
            and not name.startswith("_")
            and name not in ("In", "Out")
            and is_meant(name)
        )
    }
    quick = _read("quick")
    written = next(run for run in quick["runs"] if run.partition(":")[0] == chapter)
    published = usual = _values(quick, chapter, written.partition(":")[2])
    injected = _injected(namespace)
    given = {
        name: value
        for name, value in values.items()
        if name in injected or name in left or name not in published or value != published[name]
    }
    dataset, causes = str(values.get("dataset", "")), []
    source = _source(dataset, values, given)
    if source and (source["name"], dataset) != ("quick", published["dataset"]):
        usual = _values(source, chapter, dataset)
        causes = [f"dataset = {dataset!r} (profiles/{source['name']}.yaml)"]
    elif source is None and "width" in usual:  # images of one's own get the report's network
        usual, causes = usual | {"width": 1.0}, [f"dataset = {dataset!r}"]
    settled = {
        name: value
        for name, value in follow(usual, given).items()
        if name in values or name in left
    }
    parameters = validate(chapter, settled, usual)
    causes += [f"{name} = {given[name]}" for name in ("epsilon", "n_members") if name in given]
    before = published | values
    followed = [f"{name} = {value}" for name, value in settled.items() if value != before[name]]
    if followed:
        print(f"Not set, and so as fits {', '.join(causes)}: {', '.join(followed)}")
    if source and not settled.get("model"):
        _tell_of_other_models(parameters, usual)
    return parameters


def _tell_of_other_models(parameters: Parameters, usual: Mapping[str, Any]) -> None:
    others = [
        f"{name} = {getattr(parameters, name)} ({usual[name]})"
        for name in MODEL_VALUES
        if name in usual and getattr(parameters, name) != usual[name]
    ]
    if others:
        print(
            f"Other models than those of the profile {usual['profile']} (its values in brackets): "
            f"{', '.join(others)}. Chapters that are not given the same use the profile's"
        )
