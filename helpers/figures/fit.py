"""Fits: settings against the numbers of a report that gives none, and curves through ensembles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.figures.looks import (
    adapting,
    attack_look,
    called,
    full_width,
    is_narrow,
    legend_above,
    percent_axis,
)
from helpers.rounding import rounded

FURTHEST = 20.0  # points; beyond them all is equally far


@adapting
def fit_map(frame: pd.DataFrame, *, close: float) -> Figure:
    """Draw how far each setting is off the report's numbers, a panel for each attack.

    Parameters
    ----------
    frame
        Of :func:`helpers.findings.fit.how_near`.
    close
        Points within which a setting fits; its field gets a frame.
    """
    if frame.empty:
        raise ValueError("there is no setting to draw")
    attacks = list(dict.fromkeys(frame["attack"]))
    epsilons = sorted(set(frame["epsilon"]))
    panels = {attack: _columns(frame[frame["attack"] == attack]) for attack in attacks}
    widths = [len(columns) + 1 for columns in panels.values()]
    narrow, height = is_narrow(), 2.1 + 0.5 * len(epsilons)
    places = (
        (len(attacks), 1) if narrow else (1, len(attacks))
    )  # a phone has them one below another
    figure = Figure(figsize=(full_width(), height * places[0]), layout="constrained")
    shades = matplotlib.colormaps["cividis_r"]
    ratios = None if narrow else widths
    every = figure.subplots(*places, sharey=True, width_ratios=ratios, squeeze=False).ravel()
    for axes, (attack, columns) in zip(every, panels.items(), strict=True):
        values = np.array(
            [[column.get(e, np.nan) for column in columns.values()] for e in epsilons]
        )
        image = axes.imshow(
            np.minimum(values, FURTHEST), cmap=shades, vmin=0, vmax=FURTHEST, aspect="auto"
        )
        for (row, place), value in np.ndenumerate(values):
            if np.isnan(value):
                continue
            ink = "white" if value > FURTHEST / 2 else "black"
            axes.text(place, row, rounded(value), ha="center", va="center", fontsize=8, color=ink)
            if value <= close:
                axes.add_patch(
                    matplotlib.patches.Rectangle(
                        (place - 0.5, row - 0.5), 1, 1, fill=False, lw=2.5, ec="#d62728"
                    )
                )
        names = [name.replace("\n", " ") for name in columns] if narrow else list(columns)
        axes.set_xticks(range(len(names)), names, fontsize=7, rotation=90 if narrow else 0)
        axes.set_yticks(range(len(epsilons)), [f"{e:g}" for e in epsilons])
        axes.set(title=called(attack), xlabel="steps' reach, of ε" if attack != "fgsm" else "")
        axes.tick_params(length=0)
    every[0].set_ylabel("ε in training and test")
    figure.colorbar(image, ax=list(every), label="points off the report's numbers", shrink=0.9,
                    location="bottom" if narrow else "right")  # fmt: skip
    return figure


def _columns(frame: pd.DataFrame) -> dict[str, dict[float, float]]:
    """The columns of a panel: reading of the test, when examples are made, and reach."""
    found: dict[str, dict[float, float]] = {}
    for _, row in frame.sort_values(["made_on", "examples", "reach"]).iterrows():
        reach = "" if np.isnan(row["reach"]) else f"{row['reach']:g}"
        name = f"{row['made_on']}\n{row['examples']}\n{reach}"
        found.setdefault(name, {})[row["epsilon"]] = row["off"]
    return found


@adapting
def subset_curves(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw accuracy against the number of members, over random subsets, with the curves fitted to it.

    Parameters
    ----------
    found
        Attack to what :func:`helpers.evaluation.subsets.extrapolate` says.
    """
    if not found:
        raise ValueError("no curve to draw")
    figure = Figure(figsize=(full_width(), 3.8), layout="constrained")
    axes, handles = figure.subplots(), []
    for name, values in found.items():
        look = attack_look(name)
        mean, spread = (100 * np.asarray(values[key], float) for key in ("mean", "sd"))
        sizes = np.arange(1, len(mean) + 1)
        handles.append(
            axes.errorbar(
                sizes, mean, yerr=spread, label=look.label, color=look.colour, marker=look.marker,
                linestyle="", elinewidth=0.9, capsize=2, zorder=3,
            )
        )  # fmt: skip
        axes.plot(sizes, 100 * (values["a"] + values["b"] / sizes), look.line, color=look.colour)
        axes.axvline(values["seen"], color="#666666", linewidth=0.8, linestyle=":")
    axes.set_xlabel("members (dotted: fitted up to here)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    percent_axis(axes)
    legend_above(figure, handles)
    return figure
