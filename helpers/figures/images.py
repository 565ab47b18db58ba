"""Figures of images: samples of a data set, and images before and after an attack."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures.looks import (
    LETTER,
    styled,
)

WIDTH = 6.4  # inches: on a phone's screen, too, most titles can be read


def check_images(images: np.ndarray, what: str = "images") -> np.ndarray:
    """Check that images can be shown: (n, height, width, 1 or 3), finite, in [0, 1], at least one."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError(
            f"{what} have shape {images.shape}; expected (n, height, width, 1 or 3), n at least 1"
        )
    if not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"{what} hold pixels outside of [0, 1], or NaN")
    return images


def show_image(axes: Axes, image: np.ndarray, **place) -> None:
    """Draw one image (height, width, channels) in [0, 1], pixel by pixel, without axes."""
    grey = image[..., 0] if image.shape[-1] == 1 else image
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="none", **place)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set(linewidth=0.6, color="#888888")


def _wrapped(text: str, letters: int) -> str:
    """Break a title into lines, but never between a number and its percent sign."""
    return textwrap.fill(str(text).replace(" %", "\N{NO-BREAK SPACE}%"), letters)


def _cells(rows: int, columns: int, ratio: float, width: float, lines: int, left: float = 0.0):
    """Make a grid of axes for images of height : width `ratio` with `lines` lines of title."""
    cell = (width - left) / columns
    figure = Figure(
        figsize=(width, rows * (cell * 0.94 * ratio + 0.165 * lines + 0.06)), layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.01)
    return figure, figure.subplots(rows, columns, squeeze=False)


@styled
def image_grid(
    images: np.ndarray,
    titles: Sequence[str] | None = None,
    *,
    columns: int,
    row_labels: Sequence[str] | None = None,
) -> Figure:
    """Show images in rows, each under its title.

    Parameters
    ----------
    images
        (n, height, width, 1 or 3), in [0, 1].
    titles
        One for each image; long ones are wrapped.
    columns
        Images in a row.
    row_labels
        One for each row, shown at its left, such as class names.
    """
    images = check_images(images)
    if columns < 1:
        raise ValueError(f"columns = {columns}: at least 1 is needed")
    rows = -(-len(images) // columns)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images, but {len(titles)} titles")
    if row_labels is not None and len(row_labels) != rows:
        raise ValueError(f"{rows} rows of images, but {len(row_labels)} row labels")
    left = LETTER * max(map(len, row_labels)) + 0.1 if row_labels is not None else 0.0
    letters = max(6, int((WIDTH - left) / columns / LETTER))
    wrapped = [_wrapped(title, letters) for title in (titles if titles is not None else [])]
    lines = max((text.count("\n") + 1 for text in wrapped), default=0)
    ratio = images.shape[1] / images.shape[2]
    figure, grid = _cells(rows, columns, ratio, WIDTH, lines, left)
    for number, axes in enumerate(grid.flat):
        if number >= len(images):
            axes.set_axis_off()
            continue
        show_image(axes, images[number])
        if wrapped:
            axes.set_title(wrapped[number], fontsize=9, pad=3)
        if row_labels is not None and number % columns == 0:
            label = str(row_labels[number // columns])
            axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def magnification(change: np.ndarray) -> float:
    """Factor, of two digits at most, that makes the largest change of a pixel about one half."""
    largest = float(np.abs(change).max())
    if largest == 0:
        return 1.0
    factor = 0.5 / largest
    unit = 10.0 ** (np.floor(np.log10(factor)) - 1)
    # Rounded down, so that no pixel leaves the range; the small term undoes rounding errors.
    return float(f"{np.floor(factor / unit + 1e-4) * unit:.2g}")


@styled
def before_and_after(
    original: tuple[str, np.ndarray],
    attacked: Sequence[tuple[str, np.ndarray]],
) -> Figure:
    """Show an image, its adversarial versions, and below them what each one changed (Figures 4-6).

    Changes are shown around mid-grey, magnified as far as they allow; the figure says how far.

    Parameters
    ----------
    original
        Title, such as ``original: 0 (99 %)``, and image (height, width, channels) in [0, 1].
    attacked
        Title and image of each version.
    """
    if not attacked:
        raise ValueError("no adversarial image to show beside the original")
    images = check_images(np.stack([original[1], *(image for _, image in attacked)]))
    titles = [original[0], *(title for title, _ in attacked)]
    columns = len(images)
    ratio = images.shape[1] / images.shape[2]
    width = min(WIDTH, 2.0 * columns)
    letters = int(0.9 * width / columns / LETTER)
    titles = [_wrapped(title, letters) for title in titles]
    lines = max(title.count("\n") + 1 for title in titles)
    figure, grid = _cells(2, columns, ratio, width, max(lines, 2))
    for column, (title, image) in enumerate(zip(titles, images, strict=True)):
        top, bottom = grid[:, column]
        show_image(top, image)
        top.set_title(title, pad=4)
        if column == 0:
            bottom.set_axis_off()
            note = "What each attack changed, magnified: mid-grey is no change."
            bottom.text(0.5, 0.5, textwrap.fill(note, 20), ha="center", va="center", fontsize=10)
            continue
        change = image.astype(np.float64) - images[0]
        factor = magnification(change)
        show_image(bottom, np.clip(0.5 + factor * change, 0, 1))
        text = f"change × {factor:g}" if change.any() else "no change"
        bottom.set_title(text, fontsize=10, pad=4)
    return figure


@styled
def gallery(
    x: np.ndarray, x_adv: np.ndarray, before: Sequence[str], after: Sequence[str]
) -> Figure:
    """Show several images in columns: original, what an attack changed, and the result.

    Parameters
    ----------
    x, x_adv
        Images before and after the attack, (n, height, width, 1 or 3) in [0, 1].
    before, after
        What the model sees in each, such as ``3 (97 %)``.
    """
    x, x_adv = check_images(x), check_images(x_adv, "adversarial images")
    if not x.shape == x_adv.shape or not len(x) == len(before) == len(after):
        raise ValueError(
            f"{len(x)} images, {len(x_adv)} adversarial ones, {len(before)} and {len(after)} titles; "
            "expected the same number of each, and images of one shape"
        )
    changes = x_adv.astype(np.float64) - x
    factor = magnification(changes)
    ratio = x.shape[1] / x.shape[2]
    letters = int(0.9 * WIDTH / len(x) / LETTER)
    titles = [[_wrapped(title, letters) for title in row] for row in (before, after)]
    lines = max(title.count("\n") + 1 for row in titles for title in row)
    left = LETTER * len("change × 000") + 0.1
    figure, grid = _cells(3, len(x), ratio, WIDTH, lines, left)
    rows = (x, np.clip(0.5 + factor * changes, 0, 1), x_adv)
    names = ("original", f"change × {factor:g}", "attacked")
    for axes_row, images, name in zip(grid, rows, names, strict=True):
        axes_row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for axes, image in zip(axes_row, images, strict=True):
            show_image(axes, image)
    for axes_row, row in zip(grid[[0, 2]], titles, strict=True):
        for axes, title in zip(axes_row, row, strict=True):
            axes.set_title(title, fontsize=9, pad=3)
    return figure
