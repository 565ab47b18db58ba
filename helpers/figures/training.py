"""Figures of trainings, of mistakes and of the sizes of perturbations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.attacks import ATTACKS
from helpers.figures.looks import (
    adapting,
    attack_look,
    full_width,
    is_narrow,
    legend_above,
    percent_axis,
)


def _epochs(axes: Axes, history: Mapping[str, Sequence[float]], n: int, first: int = 1) -> None:
    """Label the epochs, and mark the one whose weights were kept."""
    axes.set(xlabel="epoch", xlim=(first - 0.3, first + n - 0.7))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if "best_epoch" in history:
        best = int(np.ravel(history["best_epoch"])[0])
        axes.axvline(best, color="#666666", linestyle=":", zorder=1, label=f"best epoch ({best})")


def _by_epoch(
    history: Mapping[str, Sequence[float]], names: Sequence[str], first: int
) -> pd.DataFrame:
    there = {name: np.asarray(history[name], float) for name in names if len(history.get(name, ()))}
    frame = pd.DataFrame(there)
    frame.insert(0, "epoch", range(first, first + len(frame)))
    return frame


@adapting
def learning_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw loss and accuracy per epoch, for training and validation, with the best epoch marked.

    Parameters
    ----------
    history
        As :func:`helpers.models.train` returns it.
    """
    missing = [name for name in ("loss", "accuracy") if not len(history.get(name, ()))]
    if missing:
        raise ValueError(
            f"the history has no {missing[0]!r}; it has {', '.join(history) or 'none'}"
        )
    figure = Figure(figsize=(full_width(), 5.4 if is_narrow() else 3.4), layout="constrained")
    panels = figure.subplots(*((2, 1) if is_narrow() else (1, 2)))
    for axes, name, scale in zip(panels, ("loss", "accuracy"), (1, 100), strict=True):
        for key, label, colour, marker, line in (
            (name, "training", "#0072b2", "o", "-"),
            (f"val_{name}", "validation", "#d55e00", "s", "--"),
        ):
            values = scale * np.asarray(history.get(key, ()), float)
            epochs = np.arange(1, len(values) + 1)
            if len(values):
                axes.plot(epochs, values, line, color=colour, marker=marker, label=label)
        _epochs(axes, history, len(history["loss"]))
        axes.grid(True, axis="y")
    figure.data = _by_epoch(history, ("loss", "val_loss", "accuracy", "val_accuracy"), 1)
    panels[0].set_ylabel("cross-entropy")
    panels[0].set_ylim(bottom=0)
    percent_axis(panels[1])
    legend_above(figure, panels[0].get_legend_handles_labels()[0])
    return figure


@adapting
def epochs_figure(history: Mapping[str, Sequence[float]], *, first: int = 1) -> Figure:
    """Draw a retrained model's accuracy per epoch on clean and attacked images.

    Parameters
    ----------
    history
        Accuracies of 1 by epoch under ``clean`` and attacks' names; ``<name>_low`` and
        ``<name>_high``, where there are any, are drawn as intervals. Other entries are passed over.
    first
        The epoch of the first values; 0 if they were measured before the retraining.
    """
    names = [name for name in ("clean", *ATTACKS) if len(history.get(name, ()))]
    if not names:
        raise ValueError(
            f"the history has no accuracy on 'clean' or attacked images; it has {', '.join(history)}"
        )
    figure = Figure(figsize=(full_width(), 3.8), layout="constrained")
    axes = figure.subplots()
    for name in names:
        look = attack_look("none" if name == "clean" else name)
        values = 100 * np.asarray(history[name], float)
        epochs = np.arange(first, first + len(values))
        label = "clean images" if name == "clean" else look.label
        axes.plot(
            epochs, values, look.line, color=look.colour, marker=look.marker, label=label,
            clip_on=False, zorder=3,
        )  # fmt: skip
        if f"{name}_low" in history and f"{name}_high" in history:
            ends = [100 * np.asarray(history[f"{name}_{end}"], float) for end in ("low", "high")]
            axes.fill_between(epochs, *ends, color=look.colour, alpha=0.15, linewidth=0)
    ends = [f"{name}_{end}" for name in names for end in ("low", "high")]
    figure.data = _by_epoch(history, [*names, *ends], first)
    _epochs(axes, history, len(history[names[0]]), first)
    percent_axis(axes)
    legend_above(figure, axes.get_legend_handles_labels()[0])
    return figure


@adapting
def confusion(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix: true classes in rows, predicted ones in columns.

    Shades show the share of the row; the counts are written into the cells up to 20 classes.
    """
    counts = np.asarray(counts)
    n = len(class_names)
    if n < 2 or counts.shape != (n, n) or (counts < 0).any():
        raise ValueError(
            f"counts have shape {counts.shape}; expected a count for each pair of {n} classes"
        )
    size = float(np.clip(2.2 + 0.42 * n, 4.2, full_width() if is_narrow() else 10))
    figure = Figure(figsize=(size, size * 0.88), layout="constrained")
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    if n <= 20:
        for (row, column), count in np.ndenumerate(counts):
            ink = "white" if share[row, column] > 0.55 else "black"
            text = str(count) if count else "·"
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=9)
    figure.data = pd.DataFrame(counts, columns=list(map(str, class_names)))
    figure.data.insert(0, "true class", list(map(str, class_names)))
    step = -(-n // 25)
    ticks = range(0, n, step)
    axes.set_xticks(ticks, [class_names[k] for k in ticks])
    axes.set_yticks(ticks, [class_names[k] for k in ticks])
    if max(map(len, map(str, class_names))) > 2:
        axes.tick_params(axis="x", rotation=90)
    axes.tick_params(length=0)
    axes.set(xlabel="predicted class", ylabel="true class")
    figure.colorbar(image, ax=axes, label="share of the true class (%)", shrink=0.8, pad=0.02)
    return figure


def _box(values: np.ndarray) -> dict[str, float]:
    """Say what a box shows."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    shares = (5, 25, 50, 75, 95)
    told = np.percentile(values, shares) if len(values) else [np.nan] * len(shares)
    return {"images": len(values)} | {
        f"{p} % lie below": value for p, value in zip(shares, told, strict=True)
    }


@adapting
def distortions(
    sizes: Mapping[str, Mapping[str, np.ndarray]], *, epsilon: float | None = None
) -> Figure:
    """Draw how large each attack's perturbations are, image by image, in both norms.

    Boxes hold the middle half of the images, with the median; whiskers go from the 5th to the 95th
    percentile; each dot is an image.

    Parameters
    ----------
    sizes
        Attack to ``{"l2": (n,), "linf": (n,)}``, as :func:`helpers.evaluation.distortion` returns it;
        rows of NaN are passed over, and an attack without any finite one is marked as such.
    epsilon
        Largest change allowed, drawn as a line.
    """
    if not any(np.isfinite(norms["l2"]).any() for norms in sizes.values()):
        raise ValueError("no perturbations to draw: no attack has an image of finite size")
    order = {attack: attack_look(attack) for attack in sizes}
    shape = (2, 1) if is_narrow() else (1, 2)
    height = (1.3 + (0.4 if is_narrow() else 0.55) * len(sizes)) * shape[0]
    figure = Figure(figsize=(full_width(), height), layout="constrained")
    panels = figure.subplots(*shape, sharey=True)
    figure.data = pd.DataFrame(
        {"attack": look.label, "norm": norm, **_box(sizes[attack][norm])}
        for attack, look in order.items()
        for norm in ("l2", "linf")
    )
    titles = {"l2": "$L_2$ norm", "linf": "$L_\\infty$ norm: largest change of a pixel"}
    for axes, (norm, title) in zip(panels, titles.items(), strict=True):
        for place, (attack, look) in enumerate(order.items()):
            values = np.asarray(sizes[attack][norm], float)
            values = values[np.isfinite(values)]
            if not len(values):
                axes.text(
                    0.02, place, "no image", va="center", transform=axes.get_yaxis_transform()
                )
                continue
            # Dots spread evenly, not at random, so that the figure is the same every time.
            spread = 0.3 * (np.arange(len(values)) * 0.618034 % 1 - 0.5)
            axes.plot(
                values, place + spread, ".", color=look.colour, alpha=0.35, markersize=3,
                rasterized=len(values) > 100,
            )  # fmt: skip
            axes.boxplot(
                values, positions=[place], orientation="horizontal", widths=0.55,
                whis=(5, 95), showfliers=False, medianprops={"color": "black", "linewidth": 1.8},
            )  # fmt: skip
        axes.set(title=title, ylim=(len(order) - 0.5, -0.5))
        axes.set_xlim(left=0)
        axes.grid(axis="x")
        axes.set_yticks(range(len(order)), [look.label for look in order.values()])
    if epsilon is not None:
        panels[1].axvline(epsilon, color="#666666", linestyle=":", zorder=0)
        panels[1].set_xlabel(f"dotted: ε = {epsilon:.4g}")
    panels[0].set_xlabel("in units of the pixels' range [0, 1]")
    return figure
