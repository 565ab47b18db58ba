"""The vocabulary: every parameter once, with its type, range and meaning, and who takes it.

Their values stand in two places only: the cell tagged ``parameters`` of each notebook (literals, the
quick profile's), and the files in ``profiles/`` (:mod:`helpers.profiles`). How models are trained stands
in the cells of chapters that train them first, and is left to the profile by all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from helpers.files import no_file
from helpers.paths import project_path

CHAPTERS = (
    "01_data", "02_models", "03_attacks", "04_ensembles", "05_retraining", "06_tiny_imagenet",
    "07_attacks_on_defences", "08_what_helps", "09_findings",
)  # fmt: skip


# Types and ranges.


def _split(value: Any) -> Any:
    """Read ``a, b`` as a list: papermill's ``-p`` can pass only strings and numbers."""
    if isinstance(value, str):
        return [part.strip() for part in value.strip("[]() ").split(",") if part.strip()]
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is expected, not true or false")
    return value


def _once(values: list) -> list:
    if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise ValueError(
            f"{', '.join(map(str, twice))} stands there more than once; expected are different values: "
            f"{', '.join(map(str, dict.fromkeys(values)))}"
        )
    return values


def _rising(values: list[float]) -> list[float]:
    if values != sorted(values):
        raise ValueError(
            "expected from small to large, as the curves are drawn: "
            f"{', '.join(map(str, sorted(values)))}"
        )
    return values


def _keras_file(name: str) -> str:
    path = project_path(name)
    if name and path.suffix != ".keras":
        raise ValueError(
            "expected a .keras file; keras.models.load_model(old).save('new.keras') makes one of "
            "an .h5 file"
        )
    if name and (problem := no_file(path)):
        raise ValueError(f"{path}: {problem}; a relative path starts at the project's folder")
    return name


Number = BeforeValidator(_number)
Count = Annotated[int, Number, Field(ge=1)]
CountOrNone = Annotated[int, Number, Field(ge=0)]
Several = Annotated[int, Number, Field(ge=2)]
Size = Annotated[float, Number, Field(gt=0, le=1)]
SizeOrNone = Annotated[float, Number, Field(ge=0, le=1)]
Side = Annotated[int, Number, Field(ge=75)]
Share = Annotated[float, Number, Field(gt=0, lt=1)]
Factor = Annotated[float, Number, Field(gt=0, le=2)]
Positive = Annotated[float, Number, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]
Names = Annotated[list[str], BeforeValidator(_split), Field(min_length=1), AfterValidator(_once)]
Sizes = Annotated[
    list[SizeOrNone], BeforeValidator(_split), Field(min_length=1),
    AfterValidator(_once), AfterValidator(_rising),
]  # fmt: skip
Reach = Annotated[float, Number, Field(gt=0, le=10)]
Reaches = Annotated[
    list[Reach], BeforeValidator(_split), Field(min_length=1),
    AfterValidator(_once), AfterValidator(_rising),
]  # fmt: skip
KerasFile = Annotated[str, AfterValidator(_keras_file)]
Architecture = Literal["", "table_2", "table_3", "inception_v3"]
Noise = Literal["once", "per_member"]
Weights = Literal["none", "imagenet"]


@dataclass(frozen=True)
class Parameter:
    """A row of the vocabulary."""

    kind: Any
    chapters: str  # numbers of those that take it, such as "2-5 7"
    meaning: str
    dear: int | None = (
        None  # more, or a longer list, must be allowed; far above profiles/paper.yaml
    )
    # Those whose cells leave it to the profile: they must train what chapter 02 does.
    left: str = ""


_ = Parameter
TRAINED = "3-5 7-8"
VOCABULARY = {
    "dataset": _(
        Name,
        "2-8",
        "data set, whose own values come with it unless set, or an .npz file",
    ),
    "profile": _(
        Name, "2-8", "file in profiles/ that says how models are trained, and what is not set"
    ),
    "datasets": _(Names, "1", "data sets to show"),
    "model": _(
        KerasFile, "3", "a Keras classifier of your own (.keras); '' for the report's network"
    ),
    "architecture": _(
        Architecture,
        "2-5 7-8",
        "table_2, table_3 or inception_v3; '' for the report's, by image size",
    ),
    "n_classes": _(CountOrNone, "6", "classes used, 0 for all"),
    "n_train": _(CountOrNone, "1-8", "training images, 0 for all", left=TRAINED),
    "n_test": _(CountOrNone, "1-8", "test images, 0 for all"),
    "input_size": _(Side, "6", "side that InceptionV3 resizes to (299 in the report)", 1_000),
    "width": _(
        Factor, "2-8", "factor on the network's filters and hidden nodes (1 in the report)",
        left=TRAINED,
    ),
    "weights": _(Weights, "6", "pretrained weights: none, or imagenet (a download)"),
    "epochs": _(Count, "2-8", "most epochs of training", 1_000, TRAINED),
    "patience": _(
        Count, "2-8", "epochs without a better validation accuracy before stopping",
        left=TRAINED,
    ),
    "batch_size": _(Count, "2-8", "images per update", left=TRAINED),
    "learning_rate": _(Size, "2-8", "Adam's learning rate", left=TRAINED),
    "validation_fraction": _(
        Share, "2-8", "share of the training images that early stopping watches", left=TRAINED
    ),
    "augment": _(bool, "2-8", "flip and shift training images at random", left=TRAINED),
    "decay": _(bool, "2-8", "lower the learning rate along half a cosine", left=TRAINED),
    "n_members": _(Count, "4 6-8", "members of the ensemble", 1_000),
    "member": _(
        Count, "4 7-8", "the report's i: the member that is attacked; unless set, at most n_members"
    ),
    "n_more": _(
        CountOrNone,
        "4",
        "further members, only for the curve of accuracy against their number",
        1_000,
    ),
    "n_rivals": _(Count, "7", "members of a second ensemble that attacks are made on", 1_000),
    "variant_members": _(Several, "8", "members for each way to train an ensemble", 1_000),
    "sigma": _(SizeOrNone, "1 4 6-8", "standard deviation of the noise on training images, of 1"),
    "sigma_grid": _(Sizes, "8", "values of sigma for the curves", 100),
    "noise": _(Noise, "4 6-8", "noise drawn once for all members (the report), or per_member"),
    "retrain_epochs": _(Count, "5-8", "epochs of adversarial retraining", 1_000),
    "retrain_steps": _(Count, "5-8", "steps of BIM and PGD in the retraining", 1_000),
    "retrained_members": _(Count, "7-8", "members of the ensemble of retrained models", 1_000),
    "lbfgs_n_train": _(Count, "5", "training images that L-BFGS retraining attacks"),
    "lbfgs_train_c": _(Positive, "5", "the constant c of the L-BFGS examples trained on"),
    "restarts": _(Count, "5 7-8", "PGD's random starts", 1_000),
    "outside_n_test": _(Count, "7", "test images for Square and AutoPGD"),
    "outside_iterations": _(Count, "7", "most iterations of Carlini-Wagner", 100_000),
    "queries": _(Count, "7", "most queries of Square", 1_000_000),
    "cw_n_test": _(Count, "7", "test images for Carlini-Wagner"),
    "strong_n_test": _(Count, "7", "test images for PGD and AutoPGD at their strongest"),
    "strong_steps": _(Count, "7", "steps of that PGD; AutoPGD takes twice as many", 10_000),
    "strong_restarts": _(Count, "7", "its random starts", 1_000),
    "epsilon": _(Size, "3-8", "largest change of a pixel, of 1"),
    "alpha": _(Size, "3-8", "step of BIM and PGD, of 1; follows epsilon unless set"),
    "steps": _(Count, "3-8", "BIM's steps; PGD takes twice as many", 1_000),
    "epsilon_grid": _(Sizes, "3-7", "values of epsilon for the curves", 100),
    "lbfgs_n_test": _(Count, "3-6", "test images attacked by L-BFGS"),
    "lbfgs_c_steps": _(Count, "3-6", "values of c tried by L-BFGS", 100),
    "lbfgs_iterations": _(Count, "3-6", "most iterations of L-BFGS for each c", 10_000),
    "target_class": _(CountOrNone, "3", "class that L-BFGS aims at in Figure 5"),
    "n_seeds": _(Count, "2-3 5 8", "trainings, from seeds `seed` on, behind what is said of all", 100),
    "fit_epsilons": _(Sizes, "5", "values of epsilon tried for the report's, in training and test", 100),
    "fit_reaches": _(Reaches, "4-5", "how far BIM's steps go together, of epsilon, tried likewise", 100),
    "fit_epochs": _(Count, "5", "epochs of these retrainings", 1_000),
    "allow_expensive": _(bool, "2-8", "True runs what takes far longer than usual"),
    "seed": _(CountOrNone, "1-9", "seed of everything random"),
    "data_dir": _(str, "1-9", "folder of the real data sets"),
    "output_dir": _(str, "1-9", "folder of this run's records; the findings read all in it"),
    "store_dir": _(str, "1-9", "folder of trained models and other stored pieces"),
}  # fmt: skip

# What decides the original model: a value other than the profile's makes another one.
MODEL_VALUES = ("architecture", *(name for name, row in VOCABULARY.items() if row.left), "seed")


def taken(chapter: str) -> tuple[str, ...]:
    """Name the parameters of a chapter."""
    return tuple(name for name, entry in VOCABULARY.items() if _among(chapter, entry.chapters))


def left_to_profile(chapter: str) -> tuple[str, ...]:
    """Name the parameters of a chapter that do not stand in its notebook's cell."""
    return tuple(name for name in taken(chapter) if _among(chapter, VOCABULARY[name].left))


def _among(chapter: str, numbers: str) -> bool:
    number = int(chapter.partition("_")[0])  # 03_attacks
    spans = (part.partition("-") for part in numbers.split())
    return any(int(first) <= number <= int(last or first) for first, _, last in spans)
