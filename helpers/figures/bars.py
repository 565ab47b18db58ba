"""Accuracies of several models under several attacks: as bars, or in rows."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from helpers.figures.accuracies import Groups, reach
from helpers.figures.looks import (
    LETTER,
    adapting,
    attack_look,
    attacks_of,
    called,
    full_width,
    is_narrow,
    legend_above,
    percent_axis,
    percentages,
    scale,
)
from helpers.rounding import rounded

MOST_BARS = 20  # in one figure; more stand in rows
Band = tuple[str, str, float, float]
BAND = {"color": "#f0c419", "alpha": 0.5, "linewidth": 0, "label": "the report's range"}


@adapting
def grouped_bars(groups: Groups, *, xlabel: str = "", band: Band | None = None) -> Figure:
    """Draw one bar for each attack in each group, with intervals and values (Figures 8, 10, 11).

    What has no room for bars, or only one group, stands in rows: a dot with its interval for each.

    Parameters
    ----------
    groups
        Model setting to its records, at most one for each attack.
    band
        A group, one that it is compared with, and from how many to how many points above that one it
        should be: drawn under each attack as a shaded range.
    """
    order = attacks_of(groups)
    if is_narrow() or len(groups) == 1 or len(groups) * len(order) > MOST_BARS:
        return _rows(groups, order, _ranges(groups, band))
    total = len(groups) * (len(order) + 1)
    width = float(np.clip(0.42 * total, 7.5, 10))
    figure = Figure(figsize=(width, 4.4), layout="constrained")
    axes = figure.subplots()
    one_bar = (width - 0.7) / total
    narrow = one_bar < 0.33  # inches: values would run into each other and stand upright instead
    for group, records in enumerate(groups.values()):
        accuracy, low, high = percentages(records)
        for record, value, bottom, top in zip(records, accuracy, low, high, strict=True):
            look = attack_look(record.attack)
            at = group + (order.index(record.attack) - (len(order) - 1) / 2) / (len(order) + 1)
            axes.bar(
                at, value, 0.92 / (len(order) + 1), color=look.colour, hatch=look.hatch,
                edgecolor="white", linewidth=0,
            )  # fmt: skip
            interval = axes.errorbar(
                at, value, yerr=reach(value, bottom, top).reshape(2, 1), color="black",
                elinewidth=1, capsize=2.5, clip_on=False,
            )  # fmt: skip
            for part in interval.get_children():
                part.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
            axes.text(
                at, top + 1, rounded(value), ha="center", va="bottom", fontsize=9,
                rotation=90 if narrow else 0,
            )  # fmt: skip
    ranges = _ranges(groups, band)
    for (name, attack), (start, end) in ranges.items():
        at = list(groups).index(name) + (order.index(attack) - (len(order) - 1) / 2) / (
            len(order) + 1
        )
        axes.bar(at, end - start, 1 / (len(order) + 1), bottom=start, zorder=2.5, **BAND)
    # Room above the highest bars for their values.
    highest = scale(max(percentages(records)[2].max() for records in groups.values()))
    percent_axis(axes, top=highest * (1.14 if narrow else 1.08))
    letters = max(8, int(one_bar * (len(order) + 1) / LETTER) - 2)
    axes.set_xticks(range(len(groups)), [textwrap.fill(called(n), letters) for n in groups])
    axes.tick_params(axis="x", length=0)
    axes.set(xlim=(-0.55, len(groups) - 0.45), xlabel=xlabel)
    handles = [
        Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="white", label=look.label)
        for look in map(attack_look, order)
    ]
    legend_above(figure, handles + ([Patch(**BAND)] if ranges else []))
    return figure


def _ranges(groups: Groups, band: Band | None) -> dict[tuple[str, str], tuple[float, float]]:
    """Find where the band lies, in percent: group and attack to its ends."""
    if band is None:
        return {}
    name, reference, least, most = band
    before = dict(
        zip([r.attack for r in groups[reference]], percentages(groups[reference])[0], strict=True)
    )
    return {
        (name, r.attack): (min(before[r.attack] + least, 100), min(before[r.attack] + most, 100))
        for r in groups[name]
        if r.attack != "none" and r.attack in before
    }


def _rows(
    groups: Groups,
    order: Sequence[str],
    ranges: Mapping[tuple[str, str], tuple[float, float]],
) -> Figure:
    """Draw accuracies below each other, those of a group under its name."""
    names = {name: textwrap.wrap(called(name), 48) for name in groups} if len(groups) > 1 else {}
    n = sum(len(names.get(name, [])) + len(records) for name, records in groups.items())
    figure = Figure(figsize=(min(full_width(), 6.4), 0.7 + 0.19 * n), layout="constrained")
    axes, place, ticks = figure.subplots(), 0, {}
    for name, records in groups.items():
        for line in names.get(name, []):
            axes.text(0, place, line, va="center", fontsize=9, fontweight="bold")
            place += 1
        accuracies = sorted(
            zip(records, *percentages(records), strict=True), key=lambda r: order.index(r[0].attack)
        )
        for record, value, low, high in accuracies:
            look = attack_look(record.attack)
            if (name, record.attack) in ranges:
                start, end = ranges[name, record.attack]
                axes.barh(place, end - start, 0.8, left=start, zorder=1, **BAND)
            axes.errorbar(
                value, place, xerr=reach(value, low, high).reshape(2, 1), color=look.colour,
                marker=look.marker, capsize=2, clip_on=False,
            )  # fmt: skip
            axes.annotate(
                rounded(value), (1, place), (10, 0), xycoords=axes.get_yaxis_transform(),
                textcoords="offset points", va="center", fontsize=9,
            )  # fmt: skip
            ticks[place] = look.label
            place += 1
    highest = max(percentages(records)[2].max() for records in groups.values())
    axes.set(xlim=(0, scale(highest)), xlabel="accuracy (%)")
    axes.set_ylim(place - 0.4, -0.7)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="y", length=0, pad=9)
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    if ranges:
        legend_above(figure, [Patch(**BAND)])
    return figure
