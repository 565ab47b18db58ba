"""A slider for ε over an image of the reader's own: for JupyterLab, as no page computes attacks.

In a cell at the end of chapter 03, or wherever there is a model that returns logits::

    from helpers.figures.slider import slider

    slider(original.model, "my/zero.png", class_names=data.class_names)
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras
import numpy as np
from ipywidgets import Dropdown, FloatSlider, HBox, VBox
from ipywidgets import Image as Picture
from PIL import Image
from scipy.special import softmax

from helpers.attacks import bim, fgsm
from helpers.attacks.inputs import check_images, check_positive
from helpers.figures.images import before_and_after
from helpers.figures.looks import called
from helpers.figures.show import render
from helpers.models import gradients
from helpers.paths import project_path

STEPS = 10  # BIM's, each of a fifth of epsilon
REACH = 2.0  # of its steps together, of epsilon


def read_image(path: str | os.PathLike[str], shape: tuple[int, int, int]) -> np.ndarray:
    """Read a picture, and scale it to the shape that a model takes.

    Parameters
    ----------
    path
        A file of any common format; relative paths start at the project's folder.
    shape
        Height, width, and 1 (grey) or 3 (colour) channels. The sides are scaled each by itself.

    Returns
    -------
    np.ndarray
        float32 (height, width, channels) in [0, 1].

    Raises
    ------
    ValueError
        If there is no such file, or no picture in it.
    """
    height, width, channels = shape
    path = project_path(str(path))
    try:
        with Image.open(path) as picture:
            scaled = picture.convert("L" if channels == 1 else "RGB").resize((width, height))
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a picture: {error}") from error
    return np.asarray(scaled, np.float32).reshape(shape) / 255


def slider(
    model: keras.Model,
    image: str | os.PathLike[str] | np.ndarray,
    *,
    class_names: Sequence[str] | None = None,
    largest: float = 0.3,
) -> VBox:
    """Show an image, what FGSM or BIM makes of it, and the model's answers, for the ε of a slider.

    Parameters
    ----------
    model
        Returns logits.
    image
        A file (see :func:`read_image`), or float32 (height, width, channels) in [0, 1]. What the model
        takes it for is the class that the attacks lead away from.
    class_names
        A name for each output; numbers without.
    largest
        End of the slider, more than 0.

    Returns
    -------
    ipywidgets.VBox
        Attack, ε, and picture; shown as the last line of a cell.

    Raises
    ------
    ValueError
        If the image cannot be read, or does not fit the model.
    """
    check_positive(largest=largest)
    x = image if isinstance(image, np.ndarray) else read_image(image, model.input_shape[1:])
    check_images(model, x[None], np.zeros(1, np.int32))
    names = class_names or [str(number) for number in range(model.output_shape[-1])]
    y = gradients.logits(model, x[None]).argmax(-1).astype(np.int32)

    def answer(shown: np.ndarray) -> str:
        shares = softmax(gradients.logits(model, shown[None])[0].astype(np.float64))
        return f"{names[shares.argmax()]} ({100 * shares.max():.0f} %)"

    attack = Dropdown(
        options=[(called(name), name) for name in ("fgsm", "bim")], description="attack"
    )
    epsilon = FloatSlider(
        min=0, max=largest, step=largest / 100, readout_format=".3f", description="ε",
        continuous_update=False,
    )  # fmt: skip
    picture, before = Picture(format="png", width=480), f"before: {answer(x)}"

    def draw(_=None) -> None:
        size = {"epsilon": epsilon.value}
        if attack.value == "fgsm":
            x_adv = fgsm(model, x[None], y, **size)[0]
        else:
            step = REACH * epsilon.value / STEPS
            x_adv = bim(model, x[None], y, alpha=step, steps=STEPS, **size)[0]
        title = f"{called(attack.value)}: {answer(x_adv)}"
        picture.value = render(before_and_after((before, x), [(title, x_adv)]), "png")

    for control in (attack, epsilon):
        control.observe(draw, "value")
    draw()
    return VBox([HBox([attack, epsilon]), picture])
