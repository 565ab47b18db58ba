"""What an experiment begins with: the data, and the network to train on it or the reader's own model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helpers.data import load as load_data
from helpers.data.dataset import Dataset
from helpers.evaluation.statistics import wilson
from helpers.models import custom, gradients
from helpers.parameters import Parameters
from helpers.paths import project_path

# InceptionV3 in chapters without parameters for it: no image is made smaller.
WEIGHTS = "none"
SMALLEST_INPUT = 75


def load(p: Parameters, data: Dataset | None = None) -> tuple[Dataset, custom.OwnModel | None]:
    """Load the data set of a chapter's parameters, and the reader's classifier if one is given.

    `data` are those that the parameters name, if they have been loaded elsewhere.

    Outputs of that classifier which no label has are named in the data by their number.

    Raises
    ------
    ValueError
        If a file does not fit, the classifier does no better than chance on the test images, or the
        class aimed at does not exist.
    """
    data, own = _load_data(p) if data is None else data, None
    if getattr(p, "model", ""):
        own = custom.load_classifier(project_path(p.model), data.x_test, data.n_classes)
        unnamed = range(data.n_classes, own.model.output_shape[-1])
        data = replace(data, class_names=data.class_names + tuple(map(str, unnamed)))
        _check(own, data)
    target = getattr(p, "target_class", 0)
    if target >= data.n_classes:
        raise ValueError(
            f"target_class = {target}: {data.title} has the classes 0 to {data.n_classes - 1}"
        )
    return data, own


def _load_data(p: Parameters) -> Dataset:
    return load_data(
        p.dataset,
        data_dir=p.data_path,
        n_train=p.n_train,
        n_test=p.n_test,
        n_classes=getattr(p, "n_classes", 0),
        seed=p.seed,
        training=not getattr(p, "model", ""),
    )


def _check(own: custom.OwnModel, data: Dataset) -> None:
    correct = gradients.logits(own.model, data.x_test).argmax(-1) == data.y_test
    n_correct, n = int(correct.sum()), len(correct)
    if wilson(n_correct, n)[0] <= 1 / data.n_classes:
        raise ValueError(
            f"{own.file} is right on {n_correct} of {n} images of {data.title}, no better than chance "
            f"with {data.n_classes} outputs; an attack on it says nothing. It is given pixels from 0 to "
            "1: a model for pixels from 0 to 255 begins with keras.layers.Rescaling(255). Label k means "
            "output k"
        )


def network(p: Parameters, data: Dataset) -> tuple[str, dict[str, Any]]:
    """Choose the network for the data: its name and options, as `networks.build` takes them."""
    # The chapter on Tiny ImageNet has no choice of it.
    architecture = getattr(p, "architecture", "inception_v3")
    architecture = custom.network_for(architecture, data.input_shape)
    options = {"width": p.width}
    if architecture == "inception_v3":
        standard = {"input_size": max(SMALLEST_INPUT, *data.input_shape[:2]), "weights": WEIGHTS}
        options |= {name: getattr(p, name, value) for name, value in standard.items()}
    return architecture, options
