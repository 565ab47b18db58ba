"""Where things live, and the parameters of chapters and profiles as typed, validated objects.

The values themselves stand in two places only: the cell tagged ``parameters`` of each notebook
(literals, the quick profile's), and the files in ``profiles/``. This module says which names exist,
which types and ranges they have, and how a profile turns into a list of chapter runs.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

PROJECT = Path(__file__).resolve().parents[1]
NOTEBOOKS = PROJECT / "notebooks"
PROFILES = PROJECT / "profiles"

# With them oneDNN, which does TensorFlow's arithmetic on processors, sums in another order.
ONEDNN = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")


class ParameterError(ValueError):
    """A parameter, a profile or a chapter name that does not exist or does not fit."""


def project_path(path: str | Path) -> Path:
    """Resolve `path`; a relative one starts at the project root, wherever the caller runs."""
    return (PROJECT / Path(path).expanduser()).resolve()


def onednn() -> dict[str, str]:
    """Give the settings that results depend on as they were made, never the kind of machine."""
    return {name: os.environ.get(name, "") for name in ONEDNN}


def _split(value: Any) -> Any:
    """Read ``a, b`` as a list: papermill's ``-p`` can pass only strings and numbers."""
    if isinstance(value, str):
        return [part.strip() for part in value.strip("[]() ").split(",") if part.strip()]
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is expected, not true or false")
    return value


Count = Annotated[int, BeforeValidator(_whole), Field(ge=1)]
CountOrAll = Annotated[int, BeforeValidator(_whole), Field(ge=0)]
Size = Annotated[float, BeforeValidator(_whole), Field(gt=0, le=1)]
SizeOrNone = Annotated[float, BeforeValidator(_whole), Field(ge=0, le=1)]
Names = Annotated[list[str], BeforeValidator(_split), Field(min_length=1)]
Sizes = Annotated[list[SizeOrNone], BeforeValidator(_split), Field(min_length=1)]


class Parameters(BaseModel):
    """What every chapter takes; the groups below add to it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    data_dir: str = Field(description="folder of the real data sets")
    output_dir: str = Field(description="folder for this run's records")
    store_dir: str = Field(description="folder of trained models and other stored pieces")
    seed: CountOrAll = Field(description="seed of everything random")

    @property
    def data_path(self) -> Path:
        return project_path(self.data_dir)

    @property
    def output_path(self) -> Path:
        return project_path(self.output_dir)

    @property
    def store_path(self) -> Path:
        return project_path(self.store_dir)


class Sampling(Parameters):
    """How much of a data set is used."""

    n_train: CountOrAll = Field(description="training images, 0 = all")
    n_test: CountOrAll = Field(description="test images, 0 = all")


class DataParameters(Sampling):
    datasets: Names = Field(description="data sets to show")
    sigma: Size = Field(description="standard deviation of the noise shown")


class Training(Sampling):
    """One data set, and how its network is trained."""

    dataset: str = Field(min_length=1, description="data set, or an .npz file of your own")
    epochs: Count = Field(description="most epochs of training")
    patience: Count = Field(
        description="epochs without a better validation accuracy before stopping"
    )
    batch_size: Count = Field(description="images per update")
    learning_rate: Size = Field(description="Adam's learning rate")
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="share of the training images that early stopping watches"
    )


class Network(Parameters):
    """Which network is trained."""

    architecture: Literal["", "table_2", "table_3", "inception_v3"] = Field(
        description="network; '' for the report's, by the size of the images"
    )


class ModelsParameters(Training, Network):
    pass


class Attacking(Training):
    """The sizes of the attacks."""

    epsilon: Size = Field(description="largest change of a pixel, of 1")
    alpha: Size = Field(description="BIM's step, of 1")
    steps: Count = Field(description="BIM's steps")
    lbfgs_n_test: Count = Field(description="test images attacked by L-BFGS")
    lbfgs_c_steps: Count = Field(description="values of c tried by L-BFGS")
    lbfgs_iterations: Count = Field(description="most iterations of L-BFGS for each c")

    @model_validator(mode="after")
    def _step_inside_ball(self):
        if self.alpha > self.epsilon:
            raise ValueError(
                f"alpha = {self.alpha} is larger than epsilon = {self.epsilon}: "
                "the report has epsilon >= alpha > 0"
            )
        return self


class AttacksParameters(Attacking, Network):
    model: str = Field(description="a Keras classifier of your own, '' for the report's network")
    target_class: CountOrAll = Field(description="class that L-BFGS aims at in Figure 5")
    epsilon_grid: Sizes = Field(description="values of epsilon for the curves")

    @field_validator("model")
    @classmethod
    def _is_a_keras_file(cls, model: str) -> str:
        path = project_path(model)
        if model and path.suffix != ".keras":
            raise ValueError(
                "expected a .keras file; keras.models.load_model(old).save('new.keras') makes one of "
                "an .h5 file"
            )
        if model and not path.is_file():
            raise ValueError(
                f"there is no file {path}; a relative path starts at the project's folder"
            )
        return model

    @model_validator(mode="after")
    def _nothing_is_trained(self):
        if self.model and self.architecture:
            raise ValueError(
                f"architecture = {self.architecture!r} says what to train, but with a model of your "
                "own nothing is trained; leave one of the two out"
            )
        return self


class Bagging(Attacking):
    n_members: Count = Field(description="members of the ensemble")
    sigma: SizeOrNone = Field(description="standard deviation of the training noise, of 1")
    noise: Literal["once", "per_member"] = Field(
        description="noise drawn once for all members (the report), or anew for each"
    )


class Repeated(Parameters):
    n_seeds: Count = Field(
        description="training seeds, from `seed` on, for the claims on small differences"
    )


class EnsemblesParameters(Bagging, Repeated, Network):
    member: Count = Field(description="the report's i: the member that is attacked")
    n_more: CountOrAll = Field(
        description="further members, only for the curve of accuracy against their number"
    )
    n_rivals: Count = Field(description="members of a second ensemble that attacks are made on")
    variant_members: CountOrAll = Field(
        description="members for each way to train an ensemble, 0 = not compared"
    )
    sigma_grid: Sizes = Field(description="values of sigma for the curves")

    @model_validator(mode="after")
    def _member_exists(self):
        if self.member > self.n_members:
            raise ValueError(
                f"member = {self.member}, but there are n_members = {self.n_members}; "
                "members are numbered from 1"
            )
        return self


class Retraining(Attacking):
    retrain_epochs: Count = Field(description="epochs of adversarial retraining")
    retrain_steps: Count = Field(description="steps of BIM and PGD in the retraining")
    lbfgs_n_train: Count = Field(description="training images that L-BFGS retraining attacks")
    lbfgs_train_c: Annotated[float, Field(gt=0)] = Field(
        description="the constant c of the L-BFGS examples trained on"
    )
    restarts: Count = Field(description="PGD's random starts")


class RetrainingParameters(Retraining, Repeated, Network):
    epsilon_grid: Sizes = Field(description="values of epsilon for the curves")


class TinyImagenetParameters(Bagging):
    architecture: ClassVar[str] = "inception_v3"
    n_classes: CountOrAll = Field(description="classes used, 0 = all")
    input_size: Annotated[int, Field(ge=75)] = Field(
        description="side that InceptionV3 resizes to (299 in the report)"
    )
    width: Annotated[float, Field(gt=0, le=2)] = Field(
        description="factor on InceptionV3's filters (1 in the report)"
    )
    weights: Literal["none", "imagenet"] = Field(
        description="pretrained weights; imagenet is a download"
    )
    retrain_epochs: Count = Field(description="epochs of adversarial retraining")
    retrain_steps: Count = Field(description="steps of BIM in the retraining")
    epsilon_grid: Sizes = Field(description="values of epsilon for the curves")


class BeyondParameters(Bagging, Retraining, Network):
    outside_n_test: CountOrAll = Field(
        description="test images for attacks that nothing was trained on, 0 = none"
    )
    outside_iterations: Count = Field(description="their most iterations or queries")
    retrained_members: Count = Field(description="members of the ensemble of retrained models")


class FindingsParameters(Parameters):
    pass


CHAPTERS: dict[str, type[Parameters]] = {
    "01_data": DataParameters,
    "02_models": ModelsParameters,
    "03_attacks": AttacksParameters,
    "04_ensembles": EnsemblesParameters,
    "05_retraining": RetrainingParameters,
    "06_tiny_imagenet": TinyImagenetParameters,
    "07_beyond": BeyondParameters,
    "08_findings": FindingsParameters,
}


def takes_dataset(chapter: str) -> bool:
    return "dataset" in CHAPTERS[chapter].model_fields


def _suggest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def validate(chapter: str, values: Mapping[str, Any]) -> Parameters:
    """Read the parameters of a chapter.

    Raises
    ------
    ParameterError
        If the chapter does not exist, or a parameter is unknown, missing, of the wrong type or out
        of range: one line for each, and for an unknown one the list of those that exist.
    """
    if chapter not in CHAPTERS:
        raise ParameterError(
            f"no chapter {chapter!r}{_suggest(chapter, CHAPTERS)}; there are {', '.join(CHAPTERS)}"
        )
    model = CHAPTERS[chapter]
    known = model.model_fields
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]) or "parameters"
            if problem["type"] == "extra_forbidden":
                lines.append(
                    f"unknown parameter {name!r}{_suggest(name, known)}; "
                    f"{chapter} has {', '.join(known)}"
                )
            elif problem["type"] == "missing":
                lines.append(f"parameter {name!r} is missing")
            else:
                given = "" if name == "parameters" else f" = {problem['input']!r}"
                reason = problem["msg"].removeprefix("Value error, ")
                about = known[name].description if name in known else None
                lines.append(f"{name}{given}: {reason}" + (f" ({about})" if about else ""))
        raise ParameterError(f"{chapter}: " + "\n  ".join(lines)) from None


def notebook_parameters(chapter: str, namespace: Mapping[str, Any]) -> Parameters:
    """Read a notebook's own parameters from its `globals()`.

    To be called before the notebook defines anything else. papermill only warns about a parameter
    that a notebook does not have, so whatever else stands in the namespace as a plain value was
    meant as a parameter and is refused by name.
    """
    fields = CHAPTERS[chapter].model_fields
    plain = (bool, int, float, str, list, tuple, dict, type(None))
    values = {
        name: value
        for name, value in namespace.items()
        if name in fields
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
    path = NOTEBOOKS / f"{chapter}.ipynb"
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
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


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
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        raise ParameterError(
            f"no profile {name!r}{_suggest(name, profile_names())}; there are "
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
        if takes_dataset(chapter) != bool(dataset):
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
                    f"{key!r}{_suggest(key, known)}; there are {', '.join(known)}"
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
