"""Figures of accuracies, each drawn with its 95 % interval."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.evaluation.record import Record
from helpers.figures.looks import (
    adapting,
    attacks_of,
    called,
    full_width,
    is_narrow,
    legend_above,
    looks,
    percent_axis,
    percentages,
    value_of,
)
from helpers.rounding import rounded

# Name, or ModelId, to records.
Groups = Mapping[Any, Sequence[Record]]
SHOWN = ("accuracy", "low", "high")


def _lines(axes: Axes, series: Groups, x: str) -> list:
    """Draw a line with its intervals for each series; returns the legend's handles."""
    if not series:
        raise ValueError("no series to draw")
    handles = []
    for name, look in looks(series).items():
        for record in series[name]:
            if value_of(record, x) is None:
                raise ValueError(
                    f"the record {record.identity} has no {x!r}; its parameters are "
                    f"{', '.join(sorted(record.parameters)) or 'none'}"
                )
        records = sorted(series[name], key=lambda record: value_of(record, x))
        accuracy, low, high = percentages(records)
        at = np.array([value_of(record, x) for record in records], float)
        axes.fill_between(at, low, high, color=look.colour, alpha=0.15, linewidth=0)
        handles.append(
            axes.errorbar(
                at, accuracy, yerr=reach(accuracy, low, high), label=look.label,
                color=look.colour, marker=look.marker, linestyle=look.line,
                elinewidth=0.9, capsize=2, clip_on=False, zorder=3,
            )
        )  # fmt: skip
    return handles


def reach(accuracy: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Turn the ends of intervals into matplotlib's distances, none below 0 by rounding."""
    return np.maximum([accuracy - low, high - accuracy], 0)


@adapting
def curves(
    series: Groups,
    *,
    x: str,
    xlabel: str,
    chance: float | None = None,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Draw accuracy against a parameter, one line with intervals for each attack or model.

    Parameters
    ----------
    series
        Attack or model to its records, in any order.
    x
        What is on the horizontal axis: a parameter of the records, or a field of their models, such as
        ``epsilon`` or ``n_members``.
    xlabel
        The horizontal axis' label, with its unit.
    chance
        Accuracy of guessing, of 1; drawn as a dotted line.
    levels
        Further accuracies, of 1, by name, such as those that the report prints; drawn as lines across.
    """
    figure = Figure(figsize=(full_width(), 3.8 if is_narrow() else 4.4), layout="constrained")
    axes = figure.subplots()
    handles = _lines(axes, series, x)
    percent_axis(axes)
    axes.set_xlabel(xlabel)
    places = sorted({float(value_of(r, x)) for records in series.values() for r in records})
    if all(place.is_integer() for place in places):
        _whole_ticks(axes, places)
    elif places[0] >= 0 and places[-1] >= 4 * places[len(places) // 2]:
        # Most was measured at small values, where most happens: square roots give them room.
        axes.set_xscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
        axes.set_xticks(_apart(places), [f"{place:g}" for place in _apart(places)])
        axes.set_xlim(left=0 if places[0] == 0 else None)
    if chance is not None:
        line = axes.axhline(100 * chance, color="#666666", linestyle=":", linewidth=1.2)
        line.set_label(f"guessing ({100 * chance:g} %)")
        handles.append(line)
    for (name, level), dashes in zip(
        (levels or {}).items(), ((6, 2), (2, 2), (6, 2, 2, 2)), strict=False
    ):
        line = axes.axhline(100 * level, color="#222222", linewidth=1.2, dashes=dashes)
        line.set_label(f"{name} ({100 * level:g} %)")
        handles.append(line)
    legend_above(figure, handles)
    return figure


def _whole_ticks(axes: Axes, places: Sequence[float]) -> None:
    """Mark the first and the last number, and some between."""
    first, last = int(min(places)), int(max(places))
    step = max(1, -(-(last - first) // 10))
    between = [n for n in range(0, last, step) if first + step / 2 < n < last - step / 2]
    axes.set_xticks(sorted({first, last, *between}))


def _apart(places: Sequence[float]) -> list[float]:
    """Choose the numbers whose square roots are far enough from each other to be written."""
    chosen = [places[-1]]
    for place in reversed(places[:-1]):
        if np.sqrt(chosen[-1]) - np.sqrt(place) > 0.08 * np.sqrt(places[-1]):
            chosen.append(place)
    return chosen[::-1]


@adapting
def members_figure(
    left: Groups,
    right: Groups,
    left_title: str,
    right_title: str,
) -> Figure:
    """Draw accuracy against the number of members in two panels (Figures 7 and 9).

    Parameters
    ----------
    left, right
        Attack to its records, of ensembles of several sizes.
    left_title, right_title
        Say on which model the adversarial images were made.
    """
    size, shape = ((full_width(), 6.6), (2, 1)) if is_narrow() else ((9.0, 4.2), (1, 2))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(*shape, sharey=True)
    handles = {}
    for axes, series, title in zip(panels, (left, right), (left_title, right_title), strict=True):
        drawn = _lines(axes, series, "n_members")
        handles |= {handle.get_label(): handle for handle in drawn}
        percent_axis(axes, "accuracy (%)" if axes is panels[0] or is_narrow() else "")
        axes.set(xlabel="members of the ensemble", title=textwrap.fill(title, 48))
        _whole_ticks(axes, [value_of(r, "n_members") for rs in series.values() for r in rs])
    legend_above(figure, list(handles.values()))
    return figure


def matrix(groups: Groups) -> Figure:
    """Draw accuracies as a heat map, a row for each group of records and a column for each attack.

    Parameters
    ----------
    groups
        Model to its records, at most one for each attack; what is missing stays empty.
    """
    attacks = attacks_of(groups)
    cells = np.full((3, len(groups), len(attacks)), np.nan)
    for row, records in enumerate(groups.values()):
        columns = [attacks.index(record.attack) for record in records]
        cells[:, row, columns] = np.array(percentages(records)) / 100
    return heat_map(*cells, list(groups), attacks)


@adapting
def heat_map(
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    row_names: Sequence[Any],
    column_names: Sequence[Any],
    *,
    xlabel: str = "attack",
    ylabel: str = "model",
) -> Figure:
    """Draw accuracies of models (rows) under attacks (columns) as an annotated heat map.

    Parameters
    ----------
    values, low, high
        Accuracies and their intervals' ends, of 1, (rows, columns); NaN where nothing was measured.
    row_names, column_names
        Models and attacks; attacks' names in the table are shown as their labels.
    """
    values, low, high = (100 * np.asarray(part, float) for part in (values, low, high))
    shape = (len(row_names), len(column_names))
    if not values.size or not values.shape == low.shape == high.shape == shape:
        raise ValueError(
            f"values {values.shape}, low {low.shape} and high {high.shape} do not all have one cell "
            f"for each of {shape[0]} rows and {shape[1]} columns"
        )
    row = 0.42 if is_narrow() else 0.55
    figure = Figure(figsize=(full_width(), 1.3 + row * shape[0]), layout="constrained")
    axes = figure.subplots()
    shades = matplotlib.colormaps["cividis"].with_extremes(bad="#eeeeee")
    image = axes.imshow(values, cmap=shades, vmin=0, vmax=100, aspect="auto")
    has_room = (full_width() - 2.6) / shape[1] > 0.75  # inches, for an interval below each number
    for (row, column), value in np.ndenumerate(values):
        text = "–"
        if not np.isnan(value):
            ends = (rounded(end[row, column]) for end in (low, high))
            text = rounded(value) + (f"\n[{', '.join(ends)}]" if has_room else "")
        ink = "white" if value < 50 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=ink)
    letters = 16
    axes.set_xticks(range(shape[1]), [textwrap.fill(called(n), letters) for n in column_names])
    axes.set_yticks(
        range(shape[0]), [textwrap.fill(called(n), 18 if is_narrow() else 26) for n in row_names]
    )
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.tick_params(length=0)
    axes.tick_params(axis="x", rotation=90 if is_narrow() else 0)
    if not is_narrow():
        figure.colorbar(image, ax=axes, label="accuracy (%)", pad=0.02)
    return figure


@adapting
def costs(costs: Mapping[str, Mapping[str, float]], accuracies: Mapping[str, Record]) -> Figure:
    """Draw accuracy against what training took, a dot with its interval for each model.

    Parameters
    ----------
    costs
        Model to its ``training_seconds`` and ``calls_per_image``; the latter is the size of its dot.
    accuracies
        Model to one accuracy.
    """
    if set(costs) != set(accuracies) or not costs:
        raise ValueError(
            f"costs of {', '.join(costs) or 'nothing'}, but accuracies of "
            f"{', '.join(accuracies) or 'nothing'}; expected the same models"
        )
    figure = Figure(figsize=(full_width(), 4.6), layout="constrained")
    axes = figure.subplots()
    handles = []
    for name, look in looks({name: [accuracies[name]] for name in costs}).items():
        accuracy, low, high = percentages([accuracies[name]])
        cost = costs[name]
        handles.append(
            axes.errorbar(
                cost["training_seconds"], accuracy, yerr=reach(accuracy, low, high),
                color=look.colour, marker=look.marker, linestyle="none", capsize=3, label=look.label,
                markersize=5 + 2 * np.sqrt(cost["calls_per_image"]), clip_on=False,
            )
        )  # fmt: skip
    figure.data = pd.DataFrame(
        {"model": str(name), **costs[name], **{k: accuracies[name].values[k] for k in SHOWN}}
        for name in costs
    )
    percent_axis(axes)
    axes.set_xlabel("training, seconds of processor time")
    axes.set_xlim(left=0)
    legend_above(figure, handles)
    return figure
