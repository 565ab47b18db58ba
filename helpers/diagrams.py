"""Diagrams of the ensemble, of bagging with noise, and of InceptionV3 (Figures 1 to 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from helpers.figures import SPARE, check_images, show_image, styled

# Fill colours, light enough for black text: data, learned parts, decisions, size-halving blocks.
DATA, LEARNED, DECISION, HALVING = "#eeeeee", "#d6e8f5", "#fbe3c8", "#d3efe4"
VOTES = {
    "mean": "mean of the members'\nprobabilities",
    "majority": "majority of the\nmembers' votes",
}


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Make axes in inches: one unit is one inch, the origin at the lower left."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.set_axis_off()
    return figure, axes


def _box(axes: Axes, x: float, y: float, width: float, height: float, text: str, fill: str) -> None:
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


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
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
def ensemble_diagram(
    n_members: int, *, image: np.ndarray | None = None, vote: str = "mean"
) -> Figure:
    """Draw how an ensemble classifies an image: members, vote, class (Figure 1).

    Parameters
    ----------
    n_members
        Number of members; of more than four, the first three and the last are drawn.
    image
        (height, width, channels) in [0, 1], shown as the input.
    vote
        ``mean`` or ``majority``.
    """
    if n_members < 1:
        raise ValueError(f"n_members = {n_members}: an ensemble needs at least one member")
    if vote not in VOTES:
        raise ValueError(f"vote = {vote!r}; there are {', '.join(VOTES)}")
    shown = list(range(1, n_members + 1)) if n_members <= 4 else [1, 2, 3, None, n_members]
    height = max(1.6, 0.62 * len(shown) + 0.3)
    figure, axes = _canvas(8.0, height)
    middle = height / 2
    if image is None:
        _box(axes, 0.85, middle, 1.2, 0.8, "image $x$", DATA)
    else:
        _thumbnail(axes, check_images(image[None])[0], 0.85, middle + 0.05, 1.0)
        axes.text(0.85, middle - 0.62, "image $x$", ha="center", va="center", fontsize=9)
    for place, member in enumerate(shown):
        y = middle + ((len(shown) - 1) / 2 - place) * 0.62
        if member is None:
            axes.text(3.0, y, "⋮", ha="center", va="center", fontsize=16)
            continue
        _box(axes, 3.0, y, 1.5, 0.46, f"member {member}", LEARNED)
        _arrow(axes, (1.5, middle), (2.22, y))
        _arrow(axes, (3.78, y), (4.6, middle))
    _box(axes, 5.45, middle, 1.65, 0.8, VOTES[vote], DECISION)
    _arrow(axes, (6.31, middle), (6.72, middle))
    _box(axes, 7.25, middle, 1.0, 0.6, "class", DATA)
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
    figure, axes = _canvas(width, height)
    middle, top = (height - 0.45) / 2, height - 0.1
    left = 0.3
    deviation = "" if sigma is None else f"\n(σ = {sigma:g})"
    for shown, title in ((images, "training set"), (noisy, f"+ noise{deviation}")):
        axes.text(left + gap, top, title, ha="center", va="top", fontsize=9)
        _numbered(axes, shown, range(len(shown)), left, middle, side, gap, columns=2)
        left += 2 * gap + 0.6
        _arrow(axes, (left - 0.55, middle), (left - 0.08, middle))
    axes.text(
        left + longest * gap / 2, top, "bootstrap replicates", ha="center", va="top", fontsize=9
    )
    right = left + longest * gap
    _box(axes, right + 2.4, middle, 0.9, 0.6, "vote", DECISION)
    for line in range(lines):
        y = middle + ((lines - 1) / 2 - line) * 0.8
        if line == len(rows):
            axes.text(left + longest * gap / 2, y, "⋮", ha="center", va="center", fontsize=16)
            axes.text(right + 0.85, y, f"{total} members", ha="center", va="center", fontsize=9)
            continue
        _numbered(axes, noisy, rows[line], left, y, side, gap, columns=longest)
        _arrow(axes, (right + 0.02, y), (right + 0.37, y))
        _box(axes, right + 0.85, y, 0.95, 0.5, f"member {line + 1}", LEARNED)
        _arrow(axes, (right + 1.34, y), (right + 1.94, middle))
    _arrow(axes, (right + 2.87, middle), (right + 3.1, middle))
    axes.text(right + 3.1, middle, "class", va="center", fontsize=9)
    return figure


def _numbered(axes, images, rows, left, middle, side, gap, *, columns) -> None:
    """Draw thumbnails of `rows` with their numbers; those that come repeatedly get one frame."""
    rows = list(rows)
    lines = -(-len(rows) // columns)
    for place, row in enumerate(rows):
        x = left + (place % columns + 0.5) * gap
        y = middle + ((lines - 1) / 2 - place // columns) * 0.62 + 0.07
        frame = SPARE[row % len(SPARE)] if rows.count(row) > 1 else "#888888"
        _thumbnail(axes, images[row], x, y, side, frame)
        axes.text(x, y - side / 2 - 0.1, str(row + 1), ha="center", va="center", fontsize=9)


# InceptionV3 ------------------------------------------------------------------------------------


class Block(NamedTuple):
    """One of InceptionV3's mixed blocks, as read from a model.

    Attributes
    ----------
    name, shape
        ``mixed0`` ..., and its output's (height, width, channels).
    start
        The layer whose output the branches share.
    branches
        For each branch the steps from start to end, in words.
    """

    name: str
    shape: tuple[int, int, int]
    start: keras.Layer
    branches: tuple[tuple[str, ...], ...]


def inception_blocks(body: keras.Model) -> list[Block]:
    """Read the mixed blocks of an InceptionV3 body from its layer graph, in order."""
    ends = [
        layer
        for layer in body.layers
        if isinstance(layer, keras.layers.Concatenate) and re.fullmatch(r"mixed\d+", layer.name)
    ]
    return [_block(end) for end in ends]


def _sources(layer: keras.Layer) -> list[keras.Layer]:
    """Layers whose outputs a layer takes."""
    if isinstance(layer, keras.layers.InputLayer):
        return []
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor._keras_history.operation for tensor in inputs]


def _way_back(layer: keras.Layer) -> list[keras.Layer]:
    """A layer and what comes before it, along the first input wherever there are several."""
    way = [layer]
    while sources := _sources(way[-1]):
        way.append(sources[0])
    return way


def _meeting(layers: Sequence[keras.Layer]) -> keras.Layer:
    """The nearest layer that all of `layers` come from."""
    first, *others = [_way_back(layer) for layer in layers]
    return next(layer for layer in first if all(layer in way for way in others))


def _steps(layer: keras.Layer, start: keras.Layer) -> list[str]:
    """Say in words what happens after `start` up to `layer`; the arms of a fork are one step."""
    if layer is start:
        return []
    sources = _sources(layer)
    if len(sources) > 1:
        fork = _meeting(sources)
        arms = [", then ".join(_steps(source, fork)) for source in sources]
        return [*_steps(fork, start), "\nand ".join(arms)]
    step = _step(layer)
    return [*_steps(sources[0], start), *([step] if step else [])]


def _step(layer: keras.Layer) -> str | None:
    """Say what a layer does; None for one that only belongs to a convolution."""
    if isinstance(layer, keras.layers.Conv2D):
        name = f"conv {_times(layer.kernel_size)}, {layer.filters}"
    elif isinstance(layer, keras.layers.MaxPooling2D):
        name = f"max pool {_times(layer.pool_size)}"
    elif isinstance(layer, keras.layers.AveragePooling2D):
        name = f"avg pool {_times(layer.pool_size)}"
    else:
        return None
    return name if max(layer.strides) == 1 else f"{name}, stride {max(layer.strides)}"


def _times(sizes: Sequence[int]) -> str:
    return "×".join(str(size) for size in sizes)


def _block(end: keras.Layer) -> Block:
    ends = _sources(end)
    start = _meeting(ends)
    branches = tuple(tuple(_steps(layer, start)) for layer in ends)
    return Block(end.name, tuple(end.output.shape)[1:], start, branches)


@styled
def inception_diagram(model: keras.Model, *, unfold: str = "mixed0") -> Figure:
    """Draw an InceptionV3 classifier from its own layers, with one block unfolded (Figure 3).

    Parameters
    ----------
    model
        As :func:`helpers.models.build` makes it: pixels, resizing, InceptionV3's body, a last layer.
    unfold
        Name of the block whose branches are shown below.

    Raises
    ------
    ValueError
        If the model holds no InceptionV3, or the block does not exist.
    """
    bodies = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    body = bodies[0] if bodies else model
    blocks = inception_blocks(body)
    if not blocks:
        raise ValueError(
            f"the model {model.name!r} holds no InceptionV3: no layers mixed0, mixed1 ..."
        )
    chosen = [block for block in blocks if block.name == unfold]
    if not chosen:
        raise ValueError(f"no block {unfold!r}; there are {', '.join(b.name for b in blocks)}")
    rows = _overview(model, body, blocks)
    lines = max(len(chosen[0].branches), 2)
    height = 0.95 * len(rows) + 0.62 * lines + 0.75
    figure, axes = _canvas(9.4, height)
    _draw_rows(axes, rows, height - 0.55)
    _draw_block(axes, chosen[0], 0.62 * lines)
    return figure


class _Part(NamedTuple):
    text: str
    fill: str
    columns: int = 1


def _overview(model: keras.Model, body: keras.Model, blocks: list[Block]) -> list[list[_Part]]:
    """What the diagram's rows show: the input and the stem, the blocks by size, the output."""

    def plain(layer: keras.Layer, name: str) -> _Part:
        return _Part(f"{name}\n{_times(layer.output.shape[1:])}", DATA)

    before, after = [], []
    if body is not model:
        place = model.layers.index(body)
        before, after = model.layers[:place], model.layers[place + 1 :]
    else:
        before = body.layers[:1]
    first = [plain(layer, type(layer).__name__.lower()) for layer in before[1:]]
    stem = _steps(blocks[0].start, body.layers[0])
    convolutions = sum(step.startswith("conv") for step in stem)
    text = f"stem: {convolutions} convolutions, {len(stem) - convolutions} max pools\n"
    text += _times(blocks[0].start.output.shape[1:])
    rows = [[plain(before[0], "pixels"), *first, _Part(text, LEARNED, 2)]]
    size = blocks[0].start.output.shape[1]
    for number, block in enumerate(blocks):
        halves = block.shape[0] < size
        if halves or number == 0:
            rows.append([])
        text = f"{block.name}\n{len(block.branches)} branches\n{_times(block.shape)}"
        rows[-1].append(_Part(text, HALVING if halves else LEARNED))
        size = block.shape[0]
    tail = body.layers[body.layers.index(body.get_layer(blocks[-1].name)) + 1 :]
    for layer in tail:
        pooled = isinstance(layer, keras.layers.GlobalAveragePooling2D)
        rows[-1].append(plain(layer, "global average\npooling" if pooled else layer.name))
    for layer in after:
        rows[-1].append(_Part(f"new last layer\n{layer.output.shape[-1]} classes", DECISION))
    return rows


def _draw_rows(axes: Axes, rows: list[list[_Part]], y: float) -> None:
    """Draw parts from left to right and row by row, joined by arrows; the first row is at `y`."""
    pitch, left, leave = 1.82, 0.15, None
    for row in rows:
        column = 0
        for number, part in enumerate(row):
            width = pitch * part.columns - 0.3
            x = left + pitch * column + width / 2
            if number:
                _arrow(axes, (x - width / 2 - 0.28, y), (x - width / 2 + 0.01, y))
            elif leave is not None:
                # From the end of the row above, down between the rows, to the first box of this one.
                turn = y + 0.475
                axes.plot(
                    [leave, leave, x, x], [y + 0.6, turn, turn, y + 0.42], color="#444444",
                    linewidth=1, solid_joinstyle="miter",
                )  # fmt: skip
                _arrow(axes, (x, y + 0.46), (x, y + 0.33))
            _box(axes, x, y, width, 0.7, part.text, part.fill)
            column += part.columns
            leave = x
        y -= 0.95


def _draw_block(axes: Axes, block: Block, height: float) -> None:
    """Unfold a block's branches in a frame at the bottom of the diagram."""
    axes.add_patch(
        Rectangle((0.15, 0.1), 9.1, height + 0.35, facecolor="none", edgecolor="#888888", ls=":")
    )
    axes.text(0.3, height + 0.28, f"{block.name}, unfolded", va="center", fontsize=9, weight="bold")
    middle = 0.12 + height / 2
    # As tall as all branches, so that every arrow into and out of them is level.
    start = block.start.name if block.start.name.startswith("mixed") else "the stem"
    _box(axes, 1.0, middle, 1.3, height - 0.12, f"from\n{start}", DATA)
    _box(axes, 8.35, middle, 1.5, height - 0.12, f"joined\n{_times(block.shape)}", LEARNED)
    pitch = 5.6 / max(*map(len, block.branches), 3)
    for line, branch in enumerate(block.branches):
        y = middle + ((len(block.branches) - 1) / 2 - line) * 0.62
        right = 1.67
        for step, text in enumerate(branch):
            x = 1.95 + pitch * (step + 0.5)
            _arrow(axes, (right, y), (x - pitch / 2 + 0.14, y))
            _box(axes, x, y, pitch - 0.26, 0.5, text, LEARNED if "conv" in text else DATA)
            right = x + pitch / 2 - 0.11
        _arrow(axes, (right, y), (7.6, y))
