"""The diagram of InceptionV3, read from the layers of the model itself (Figure 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import keras
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.figures.diagrams import DATA, DECISION, HALVING, LEARNED, arrow, box, canvas
from helpers.figures.looks import styled


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
def inception_diagram(model: keras.Model) -> Figure:
    """Draw an InceptionV3 classifier from its own layers, the first block unfolded (Figure 3).

    Parameters
    ----------
    model
        As :func:`helpers.models.build` makes it: pixels, resizing, InceptionV3's body, a last layer.

    Raises
    ------
    ValueError
        If the model holds no InceptionV3.
    """
    bodies = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    blocks = inception_blocks(bodies[0]) if bodies else []
    if not blocks:
        raise ValueError(
            f"the model {model.name!r} holds no InceptionV3: no layers mixed0, mixed1 ..."
        )
    rows = _overview(model, bodies[0], blocks)
    lines = max(len(blocks[0].branches), 2)
    height = 0.95 * len(rows) + 0.62 * lines + 0.75
    figure, axes = canvas(9.4, height)
    _draw_rows(axes, rows, height - 0.55)
    _draw_block(axes, blocks[0], 0.62 * lines)
    return figure


class _Part(NamedTuple):
    text: str
    fill: str
    columns: int = 1


def _overview(model: keras.Model, body: keras.Model, blocks: list[Block]) -> list[list[_Part]]:
    """What the diagram's rows show: the input and the stem, the blocks by size, the output."""

    def plain(layer: keras.Layer, name: str) -> _Part:
        return _Part(f"{name}\n{_times(layer.output.shape[1:])}", DATA)

    place = model.layers.index(body)
    before, after = model.layers[:place], model.layers[place + 1 :]
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
                arrow(axes, (x - width / 2 - 0.28, y), (x - width / 2 + 0.01, y))
            elif leave is not None:
                # From the end of the row above, down between the rows, to the first box of this one.
                turn = y + 0.475
                axes.plot(
                    [leave, leave, x, x], [y + 0.6, turn, turn, y + 0.42], color="#444444",
                    linewidth=1, solid_joinstyle="miter",
                )  # fmt: skip
                arrow(axes, (x, y + 0.46), (x, y + 0.33))
            box(axes, x, y, width, 0.7, part.text, part.fill)
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
    box(axes, 1.0, middle, 1.3, height - 0.12, "from\nthe stem", DATA)
    box(axes, 8.35, middle, 1.5, height - 0.12, f"joined\n{_times(block.shape)}", LEARNED)
    pitch = 5.6 / max(*map(len, block.branches), 3)
    for line, branch in enumerate(block.branches):
        y = middle + ((len(block.branches) - 1) / 2 - line) * 0.62
        right = 1.67
        for step, text in enumerate(branch):
            x = 1.95 + pitch * (step + 0.5)
            arrow(axes, (right, y), (x - pitch / 2 + 0.14, y))
            box(axes, x, y, pitch - 0.26, 0.5, text, LEARNED if "conv" in text else DATA)
            right = x + pitch / 2 - 0.11
        arrow(axes, (right, y), (7.6, y))
