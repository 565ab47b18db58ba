"""Diagrams of the ensemble and of bagging with noise (Figures 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from helpers.figures.images import check_images, show_image
from helpers.figures.looks import SPARE, styled

# Fill colours, light enough for black text: data, learned parts, decisions, size-halving blocks.
DATA, LEARNED, DECISION, HALVING = "#eeeeee", "#d6e8f5", "#fbe3c8", "#d3efe4"


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Make axes in inches: one unit is one inch, the origin at the lower left."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.set_axis_off()
    return figure, axes


def box(axes: Axes, x: float, y: float, width: float, height: float, text: str, fill: str) -> None:
    """Draw a box with centred text; (x, y) is its centre."""
    frame = FancyBboxPatch(
        (x - width / 2 + 0.05, y - height / 2 + 0.05),
        width - 0.1,
        height - 0.1,
        boxstyle="round,pad=0.05",
        facecolor=fill,
        edgecolor="#444444",
        linewidth=0.9,
    )
    axes.add_patch(frame)
    axes.text(x, y, text, ha="center", va="center", fontsize=9, linespacing=1.25)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": "#444444", "linewidth": 1.0}
    )


def _thumbnail(axes: Axes, image: np.ndarray, x: float, y: float, side: float, frame="#888888"):
    """Draw an image in a frame; (x, y) is its centre, `side` its larger side in inches."""
    height, width = np.array(image.shape[:2]) / max(image.shape[:2]) * side / 2
    with_axes = axes.inset_axes(
        (x - width, y - height, 2 * width, 2 * height), transform=axes.transData
    )
    show_image(with_axes, image)
    with_axes.spines[:].set(color=frame, linewidth=0.6 if frame == "#888888" else 2.5)


@styled
def ensemble_diagram(n_members: int, *, image: np.ndarray | None = None) -> Figure:
    """Draw how an ensemble classifies an image: members, vote, class (Figure 1).

    Parameters
    ----------
    n_members
        Number of members; of more than four, the first three and the last are drawn.
    image
        (height, width, channels) in [0, 1], shown as the input.
    """
    if n_members < 1:
        raise ValueError(f"n_members = {n_members}: an ensemble needs at least one member")
    shown = list(range(1, n_members + 1)) if n_members <= 4 else [1, 2, 3, None, n_members]
    height = max(1.6, 0.62 * len(shown) + 0.3)
    figure, axes = canvas(8.0, height)
    middle = height / 2
    if image is None:
        box(axes, 0.85, middle, 1.2, 0.8, "image $x$", DATA)
    else:
        _thumbnail(axes, check_images(image[None])[0], 0.85, middle + 0.05, 1.0)
        axes.text(0.85, middle - 0.62, "image $x$", ha="center", va="center", fontsize=9)
    for place, member in enumerate(shown):
        y = middle + ((len(shown) - 1) / 2 - place) * 0.62
        if member is None:
            axes.text(3.0, y, "⋮", ha="center", va="center", fontsize=16)
            continue
        box(axes, 3.0, y, 1.5, 0.46, f"member {member}", LEARNED)
        arrow(axes, (1.5, middle), (2.22, y))
        arrow(axes, (3.78, y), (4.6, middle))
    box(axes, 5.45, middle, 1.65, 0.8, "mean of the members'\nprobabilities", DECISION)
    arrow(axes, (6.31, middle), (6.72, middle))
    box(axes, 7.25, middle, 1.0, 0.6, "class", DATA)
    return figure


@styled
def bagging_diagram(
    images: np.ndarray,
    noisy: np.ndarray,
    replicates: Sequence[np.ndarray],
    *,
    n_members: int | None = None,
    sigma: float | None = None,
) -> Figure:
    """Draw bagging with noise: training set, noise, bootstrap replicates, members, vote (Figure 2).

    Parameters
    ----------
    images, noisy
        A few training images (n, height, width, channels) in [0, 1], and the same with noise.
    replicates
        For each member drawn, the rows of its bootstrap replicate of these images, (n,). Images
        that it holds more than once get a coloured frame.
    n_members
        Number of members there are, if more than are drawn.
    sigma
        Standard deviation of the noise, named in the diagram.
    """
    images, noisy = check_images(images), check_images(noisy, "noisy images")
    if images.shape != noisy.shape:
        raise ValueError(f"images {images.shape} and noisy images {noisy.shape} differ in shape")
    rows = [np.asarray(drawn) for drawn in replicates]
    if not rows or any(not len(drawn) for drawn in rows):
        raise ValueError("no replicates to draw: at least one with at least one image is needed")
    if any(drawn.min() < 0 or drawn.max() >= len(images) for drawn in rows):
        raise ValueError(f"replicates may hold the rows 0 to {len(images) - 1} only")
    total = len(rows) if n_members is None else n_members
    if total < len(rows):
        raise ValueError(f"n_members = {total}, but {len(rows)} replicates are to be drawn")

    side, gap = 0.4, 0.5  # of a thumbnail, and from one to the next
    lines = len(rows) + (total > len(rows))
    longest = max(map(len, rows))
    width = 0.3 + 2 * (2 * gap + 0.6) + longest * gap + 3.45
    height = max(lines * 0.8, -(-len(images) // 2) * 0.62) + 0.65
    figure, axes = canvas(width, height)
    middle, top = (height - 0.45) / 2, height - 0.1
    left = 0.3
    deviation = "" if sigma is None else f"\n(σ = {sigma:g})"
    for shown, title in ((images, "training set"), (noisy, f"+ noise{deviation}")):
        axes.text(left + gap, top, title, ha="center", va="top", fontsize=9)
        _numbered(axes, shown, range(len(shown)), left, middle, side, gap, columns=2)
        left += 2 * gap + 0.6
        arrow(axes, (left - 0.55, middle), (left - 0.08, middle))
    axes.text(
        left + longest * gap / 2, top, "bootstrap replicates", ha="center", va="top", fontsize=9
    )
    right = left + longest * gap
    box(axes, right + 2.4, middle, 0.9, 0.6, "vote", DECISION)
    for line in range(lines):
        y = middle + ((lines - 1) / 2 - line) * 0.8
        if line == len(rows):
            axes.text(left + longest * gap / 2, y, "⋮", ha="center", va="center", fontsize=16)
            axes.text(right + 0.85, y, f"{total} members", ha="center", va="center", fontsize=9)
            continue
        _numbered(axes, noisy, rows[line], left, y, side, gap, columns=longest)
        arrow(axes, (right + 0.02, y), (right + 0.37, y))
        box(axes, right + 0.85, y, 0.95, 0.5, f"member {line + 1}", LEARNED)
        arrow(axes, (right + 1.34, y), (right + 1.94, middle))
    arrow(axes, (right + 2.87, middle), (right + 3.1, middle))
    axes.text(right + 3.1, middle, "class", va="center", fontsize=9)
    return figure


def _numbered(axes, images, rows, left, middle, side, gap, *, columns) -> None:
    """Draw thumbnails of `rows` with their numbers; those that come repeatedly get one frame."""
    rows = list(rows)
    lines = -(-len(rows) // columns)
    for place, row in enumerate(rows):
        x = left + (place % columns + 0.5) * gap
        y = middle + ((lines - 1) / 2 - place // columns) * 0.62 + 0.07
        frame = SPARE[row % len(SPARE)].colour if rows.count(row) > 1 else "#888888"
        _thumbnail(axes, images[row], x, y, side, frame)
        axes.text(x, y - side / 2 - 0.1, str(row + 1), ha="center", va="center", fontsize=9)
