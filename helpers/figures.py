"""Figures: records or arrays in, matplotlib figures out. Nothing here computes a result.

Every attack and every model has one colour, marker and hatch in all figures. Every proportion that
comes as a record is drawn with its 95 % interval.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from helpers.evaluation import Record

WIDTH = 8.0  # inches, of a figure that fills the page's column
LETTER = 0.078  # inches, of an average letter at the smallest size used, 9 points


class Look(NamedTuple):
    """How an attack or a model is drawn and called."""

    label: str
    colour: str
    marker: str
    hatch: str
    line: str = "-"


# Attacks: Okabe and Ito's colours. Models: Tol's muted ones. Colour-blind readers tell both apart,
# and no model has the colour of an attack.
ATTACKS = {
    "none": Look("no attack", "#5a5a5a", "o", ""),
    "noise": Look("random noise", "#56b4e9", "P", "..", ":"),
    "fgsm": Look("FGSM", "#0072b2", "s", "//", "--"),
    "bim": Look("BIM", "#d55e00", "^", "\\\\", "-."),
    "pgd": Look("PGD", "#cc79a7", "v", "xx", ":"),
    "lbfgs": Look("L-BFGS", "#009e73", "D", "--", "--"),
}
MODELS = {
    "original": Look("original model", "#000000", "o", ""),
    "member": Look("one member", "#44aa99", "s", "//", "--"),
    "ensemble": Look("ensemble", "#332288", "D", "\\\\"),
    "retrained fgsm": Look("retrained on FGSM", "#cc6677", "^", "..", "--"),
    "retrained bim": Look("retrained on BIM", "#882255", "v", "xx", "-."),
    "retrained pgd": Look("retrained on PGD", "#aa4499", "<", "--", ":"),
    "retrained lbfgs": Look("retrained on L-BFGS", "#999933", ">", "++", ":"),
    "ensemble of retrained": Look("ensemble of retrained models", "#117733", "P", "oo"),
}
# For what has no colour of its own, such as several members in one figure.
SPARE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d", "#999933")
MARKERS, HATCHES, LINES = "os^DvP<>", ("", "//", "\\\\", "..", "xx", "++", "--", "oo"), ("-", "--")

ATTACK_NAMES = {name: look.label for name, look in ATTACKS.items()}
MODEL_NAMES = {name: look.label for name, look in MODELS.items()}


def style() -> dict[str, Any]:
    """Give the one style of all figures, for ``matplotlib.rc_context``."""
    ink = "#222222"
    return {
        "figure.facecolor": "white",
        "axes.facecolor": "white",
        "axes.edgecolor": ink,
        "axes.labelcolor": ink,
        "text.color": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.labelsize": 10,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.fontsize": 9,
        "legend.frameon": False,
        "legend.handlelength": 3,
        "axes.grid": False,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": matplotlib.cycler(color=SPARE),
        "grid.color": "#dddddd",
        "grid.linewidth": 0.8,
        "hatch.linewidth": 0.7,
        "lines.linewidth": 1.6,
        "lines.markersize": 5.5,
        # Letters as paths look alike everywhere, and a fixed salt gives the same file every time.
        "svg.fonttype": "path",
        "svg.hashsalt": "adversarial-examples-report",
    }


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Run a drawing function in the one style."""

    @wraps(draw)
    def drawn(*args, **kwargs):
        with matplotlib.rc_context(style()):
            return draw(*args, **kwargs)

    return drawn


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Find each name's look; a name that has none, or shares one, gets a spare colour.

    ``member 3`` looks like a member, ``member 3 retrained fgsm`` like a retrained model.
    """
    known = ATTACKS | MODELS
    found: dict[str, Look] = {}
    for place, name in enumerate(names):
        short = re.sub(r"^member \d+ (?=retrained)", "", name)
        bases = [base for base in known if short == base or short.startswith(base + " ")]
        look = known[max(bases, key=len)] if bases else None
        taken = {other.colour for other in found.values()}
        if look is None or look.colour in taken:
            free = [colour for colour in SPARE if colour not in taken] or SPARE
            look = Look(
                name, free[0], MARKERS[place % 8], HATCHES[place % 8], LINES[place // 8 % 2]
            )
        found[name] = look._replace(label=name_of(name))
    return found


def name_of(name: str) -> str:
    """Give the display name of an attack or model; others are called as they are."""
    return (ATTACK_NAMES | MODEL_NAMES).get(name, name)


def percentages(records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read accuracies and the ends of their intervals from records, in percent.

    Raises
    ------
    ValueError
        If there are no records, or one is no accuracy with an interval.
    """
    if not len(records):
        raise ValueError("no records: at least one accuracy is needed")
    for record in records:
        if not {"accuracy", "low", "high"} <= set(record.values):
            raise ValueError(
                f"the record {record.name} is no accuracy with its interval; it holds "
                f"{', '.join(sorted(record.values)) or 'nothing'}"
            )
    table = 100 * np.array([[r.values[k] for k in ("accuracy", "low", "high")] for r in records])
    return table[:, 0], table[:, 1], table[:, 2]


# Images -----------------------------------------------------------------------------------------


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
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="nearest", **place)
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
    width: float = WIDTH,
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
    width
        In inches.
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
    letters = max(6, int((width - left) / columns / LETTER))
    wrapped = [_wrapped(title, letters) for title in (titles if titles is not None else [])]
    lines = max((text.count("\n") + 1 for text in wrapped), default=0)
    ratio = images.shape[1] / images.shape[2]
    figure, grid = _cells(rows, columns, ratio, width, lines, left)
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
    return float(f"{np.floor(factor / unit + 1e-6) * unit:.2g}")


@styled
def before_and_after(
    original: tuple[str, np.ndarray],
    attacked: Sequence[tuple[str, np.ndarray]],
    *,
    magnify: float | None = None,
) -> Figure:
    """Show an image, its adversarial versions, and below them what each one changed (Figures 4-6).

    Parameters
    ----------
    original
        Title, such as ``original: 0 (99 %)``, and image (height, width, channels) in [0, 1].
    attacked
        Title and image of each version.
    magnify
        Factor on the changes, which are shown around mid-grey; None: one for each version, as large
        as its changes allow. The figure says the factor.
    """
    if not attacked:
        raise ValueError("no adversarial image to show beside the original")
    images = check_images(np.stack([original[1], *(image for _, image in attacked)]))
    titles = [original[0], *(title for title, _ in attacked)]
    columns = len(images)
    ratio = images.shape[1] / images.shape[2]
    width = min(10.0, 2.5 * columns)
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
        factor = magnification(change) if magnify is None else magnify
        show_image(bottom, np.clip(0.5 + factor * change, 0, 1))
        text = f"change × {factor:g}" if change.any() else "no change"
        bottom.set_title(text, fontsize=10, pad=4)
    return figure


# Accuracies -------------------------------------------------------------------------------------


def _percent_axis(axes: Axes, label: str = "accuracy (%)", top: float = 100) -> None:
    axes.set(ylim=(0, top), yticks=range(0, 101, 20), ylabel=label)
    axes.grid(True, axis="y")


def _legend_above(figure: Figure, handles: Sequence) -> None:
    """Put the legend above the axes, where no data can be, in rows as even as possible."""
    letters = max(len(handle.get_label()) for handle in handles) + 9
    rows = -(-len(handles) // max(1, int(figure.get_figwidth() / LETTER / letters)))
    columns = -(-len(handles) // rows)
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, columnspacing=1.5)


def _lines(axes: Axes, series: Mapping[str, Sequence[Record]], x: str) -> list:
    """Draw a line with its intervals for each series; returns the legend's handles."""
    if not series:
        raise ValueError("no series to draw")
    handles = []
    for name, look in looks(list(series)).items():
        for record in series[name]:
            if x not in record.parameters:
                raise ValueError(
                    f"the record {record.name} has no parameter {x!r}; it has "
                    f"{', '.join(sorted(record.parameters)) or 'none'}"
                )
        records = sorted(series[name], key=lambda record: record.parameters[x])
        accuracy, low, high = percentages(records)
        at = np.array([record.parameters[x] for record in records], float)
        axes.fill_between(at, low, high, color=look.colour, alpha=0.15, linewidth=0)
        handles.append(
            axes.errorbar(
                at, accuracy, yerr=_reach(accuracy, low, high), label=look.label,
                color=look.colour, marker=look.marker, linestyle=look.line,
                elinewidth=0.9, capsize=2, clip_on=False, zorder=3,
            )
        )  # fmt: skip
    return handles


def _reach(accuracy: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Turn the ends of intervals into matplotlib's distances, none below 0 by rounding."""
    return np.maximum([accuracy - low, high - accuracy], 0)


@styled
def curves(
    series: Mapping[str, Sequence[Record]],
    *,
    x: str,
    xlabel: str,
    ylabel: str = "accuracy (%)",
    chance: float | None = None,
) -> Figure:
    """Draw accuracy against a parameter, one line with intervals for each attack or model.

    Parameters
    ----------
    series
        Attack or model to its records, in any order.
    x
        The records' parameter on the horizontal axis, such as ``epsilon``.
    xlabel, ylabel
        Axes' labels, with units.
    chance
        Accuracy of guessing, of 1; drawn as a dotted line.
    """
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    axes = figure.subplots()
    handles = _lines(axes, series, x)
    _percent_axis(axes, ylabel)
    axes.set_xlabel(xlabel)
    if all(float(r.parameters[x]).is_integer() for records in series.values() for r in records):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if chance is not None:
        line = axes.axhline(100 * chance, color="#666666", linestyle=":", linewidth=1.2)
        line.set_label(f"guessing ({100 * chance:g} %)")
        handles.append(line)
    _legend_above(figure, handles)
    return figure


@styled
def members_figure(
    left: Mapping[str, Sequence[Record]],
    right: Mapping[str, Sequence[Record]],
    left_title: str,
    right_title: str,
) -> Figure:
    """Draw accuracy against the number of members in two panels (Figures 7 and 9).

    Parameters
    ----------
    left, right
        Attack to its records, which have the parameter ``n_members``.
    left_title, right_title
        Say on which model the adversarial images were made.
    """
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    handles = {}
    for axes, series, title in zip(panels, (left, right), (left_title, right_title), strict=True):
        drawn = _lines(axes, series, "n_members")
        handles |= {handle.get_label(): handle for handle in drawn}
        _percent_axis(axes, "accuracy (%)" if axes is panels[0] else "")
        axes.set(xlabel="members of the ensemble", title=textwrap.fill(title, 48))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _legend_above(figure, list(handles.values()))
    return figure


@styled
def grouped_bars(
    groups: Mapping[str, Sequence[Record]], *, ylabel: str = "accuracy (%)", xlabel: str = ""
) -> Figure:
    """Draw one bar for each attack in each group, with intervals and values (Figures 8, 10, 11).

    Parameters
    ----------
    groups
        Model setting to its records, at most one for each attack.
    """
    order = attacks_of(groups)
    total = len(groups) * (len(order) + 1)
    width = float(np.clip(0.42 * total, 7.5, 10))
    figure = Figure(figsize=(width, 4.4), layout="constrained")
    axes = figure.subplots()
    one_bar = (width - 0.7) / total
    narrow = one_bar < 0.33  # inches: values would run into each other and stand upright instead
    for group, records in enumerate(groups.values()):
        accuracy, low, high = percentages(records)
        for record, value, bottom, top in zip(records, accuracy, low, high, strict=True):
            look = looks(order)[record.attack]
            at = group + (order.index(record.attack) - (len(order) - 1) / 2) / (len(order) + 1)
            axes.bar(
                at, value, 0.92 / (len(order) + 1), color=look.colour, hatch=look.hatch,
                edgecolor="white", linewidth=0,
            )  # fmt: skip
            interval = axes.errorbar(
                at, value, yerr=_reach(value, bottom, top).reshape(2, 1), color="black",
                elinewidth=1, capsize=2.5, clip_on=False,
            )  # fmt: skip
            for part in interval.get_children():
                part.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
            axes.text(
                at, top + 1.5, f"{value:.1f}", ha="center", va="bottom", fontsize=9,
                rotation=90 if narrow else 0,
            )  # fmt: skip
    # Room above 100 % for the values of the highest bars.
    _percent_axis(axes, ylabel, top=114 if narrow else 108)
    letters = max(8, int(one_bar * (len(order) + 1) / LETTER) - 2)
    axes.set_xticks(range(len(groups)), [textwrap.fill(name_of(n), letters) for n in groups])
    axes.tick_params(axis="x", length=0)
    axes.set(xlim=(-0.55, len(groups) - 0.45), xlabel=xlabel)
    handles = [
        Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="white", label=look.label)
        for look in looks(order).values()
    ]
    _legend_above(figure, handles)
    return figure


def attacks_of(groups: Mapping[str, Sequence[Record]]) -> list[str]:
    """List the attacks of grouped records in their fixed order.

    Raises
    ------
    ValueError
        If there are no groups, or one holds no records, something else than accuracies, or several
        for one attack.
    """
    if not groups:
        raise ValueError("no groups of records to show")
    for name, records in groups.items():
        percentages(records)
        attacks = [record.attack for record in records]
        if len(set(attacks)) < len(attacks):
            raise ValueError(f"the group {name!r} has several records for an attack: {attacks}")
    used = {record.attack for records in groups.values() for record in records}
    return [*(name for name in ATTACKS if name in used), *sorted(used - set(ATTACKS))]


def matrix(groups: Mapping[str, Sequence[Record]]) -> Figure:
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


@styled
def heat_map(
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    row_names: Sequence[str],
    column_names: Sequence[str],
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
        Models and attacks; known ones are shown by their display names.
    """
    values, low, high = (100 * np.asarray(part, float) for part in (values, low, high))
    shape = (len(row_names), len(column_names))
    if not values.size or not values.shape == low.shape == high.shape == shape:
        raise ValueError(
            f"values {values.shape}, low {low.shape} and high {high.shape} do not all have one cell "
            f"for each of {shape[0]} rows and {shape[1]} columns"
        )
    figure = Figure(figsize=(WIDTH, 1.3 + 0.55 * shape[0]), layout="constrained")
    axes = figure.subplots()
    shades = matplotlib.colormaps["cividis"].with_extremes(bad="#eeeeee")
    image = axes.imshow(values, cmap=shades, vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = "–"
        if not np.isnan(value):
            text = f"{value:.1f}\n[{low[row, column]:.1f}, {high[row, column]:.1f}]"
        ink = "white" if value < 50 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=ink)
    axes.set_xticks(range(shape[1]), [textwrap.fill(name_of(n), 16) for n in column_names])
    axes.set_yticks(range(shape[0]), [textwrap.fill(name_of(n), 26) for n in row_names])
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, label="accuracy (%)", pad=0.02)
    return figure


# Training, mistakes, sizes ----------------------------------------------------------------------


def _epochs(axes: Axes, history: Mapping[str, Sequence[float]], n: int) -> None:
    """Label the epochs, and mark the one whose weights were kept."""
    axes.set(xlabel="epoch", xlim=(0.7, n + 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if "best_epoch" in history:
        best = int(np.ravel(history["best_epoch"])[0])
        axes.axvline(best, color="#666666", linestyle=":", zorder=1, label=f"best epoch ({best})")


@styled
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
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
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
    panels[0].set_ylabel("cross-entropy")
    panels[0].set_ylim(bottom=0)
    _percent_axis(panels[1])
    _legend_above(figure, panels[0].get_legend_handles_labels()[0])
    return figure


@styled
def epochs_figure(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw a retrained model's accuracy per epoch on clean and attacked images.

    Parameters
    ----------
    history
        Accuracies of 1 by epoch under ``clean`` and attacks' names; ``<name>_low`` and
        ``<name>_high``, where there are any, are drawn as intervals. Other entries are passed over.
    """
    names = [name for name in ("clean", *ATTACKS) if len(history.get(name, ()))]
    if not names:
        raise ValueError(
            f"the history has no accuracy on 'clean' or attacked images; it has {', '.join(history)}"
        )
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    axes = figure.subplots()
    for name in names:
        look = ATTACKS["none" if name == "clean" else name]
        values = 100 * np.asarray(history[name], float)
        epochs = np.arange(1, len(values) + 1)
        label = "clean images" if name == "clean" else look.label
        axes.plot(
            epochs, values, look.line, color=look.colour, marker=look.marker, label=label,
            clip_on=False, zorder=3,
        )  # fmt: skip
        if f"{name}_low" in history and f"{name}_high" in history:
            ends = [100 * np.asarray(history[f"{name}_{end}"], float) for end in ("low", "high")]
            axes.fill_between(epochs, *ends, color=look.colour, alpha=0.15, linewidth=0)
    _epochs(axes, history, len(history[names[0]]))
    _percent_axis(axes)
    _legend_above(figure, axes.get_legend_handles_labels()[0])
    return figure


@styled
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
    size = float(np.clip(2.2 + 0.42 * n, 5, 10))
    figure = Figure(figsize=(size, size * 0.88), layout="constrained")
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    if n <= 20:
        for (row, column), count in np.ndenumerate(counts):
            ink = "white" if share[row, column] > 0.55 else "#222222"
            text = str(count) if count else "·"
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=9)
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


@styled
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
    order = looks(list(sizes))
    figure = Figure(figsize=(WIDTH, 1.3 + 0.55 * len(sizes)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
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
