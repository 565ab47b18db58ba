"""How attacks and models look and are called in every figure, and what all figures share.

Every attack and every model has one colour, marker and hatch in all figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    "targeted_bim": Look("BIM, targeted", "#e69f00", "<", "oo", "--"),
    "pgd": Look("PGD", "#cc79a7", "v", "xx", ":"),
    "lbfgs": Look("L-BFGS", "#009e73", "D", "--", "--"),
    "square": Look("Square", "#6a3d9a", "h", "**", ":"),
    "auto_pgd": Look("AutoPGD", "#b15928", "X", "O.", "-."),
    "cw": Look("Carlini-Wagner", "#1f9e9e", "p", "++", "--"),
}
MODELS = {
    "original": Look("original model", "#000000", "o", ""),
    "member": Look("one member", "#44aa99", "s", "//", "--"),
    "ensemble": Look("ensemble", "#332288", "D", "\\\\"),
    "retrained fgsm": Look("retrained on FGSM", "#cc6677", "^", "..", "--"),
    "retrained bim": Look("retrained on BIM", "#882255", "v", "xx", "-."),
    "retrained pgd": Look("retrained on PGD", "#aa4499", "<", "--", ":"),
    "retrained lbfgs": Look("retrained on L-BFGS", "#999933", ">", "++", ":"),
    "ensemble of retrained fgsm": Look("ensemble, retrained on FGSM", "#117733", "P", "oo"),
    "ensemble of retrained bim": Look("ensemble, retrained on BIM", "#ddcc77", "X", "O.", "--"),
    "ensemble of retrained pgd": Look("ensemble, retrained on PGD", "#88ccee", "*", "**", ":"),
}
# For what has no colour of its own, such as several members in one figure.
SPARE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d", "#999933")
MARKERS, HATCHES, LINES = "os^DvP<>", ("", "//", "\\\\", "..", "xx", "++", "--", "oo"), ("-", "--")

ATTACK_NAMES = {name: look.label for name, look in ATTACKS.items()}
MODEL_NAMES = {name: look.label for name, look in MODELS.items()}
MODEL_NAMES |= {
    f"retrained {a} per batch": f"retrained on {ATTACK_NAMES[a]}, per batch" for a in ATTACKS
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the one style of all figures, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_style())
        yield


def _style() -> dict[str, Any]:
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
        with style():
            return draw(*args, **kwargs)

    return drawn


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Find each name's look; a name that has none, or shares one, gets a spare colour.

    ``member 3`` looks like a member, ``member 3 retrained fgsm`` like a retrained model, and
    ``ensemble of 2 retrained fgsm`` like one of any size.
    """
    known = ATTACKS | MODELS
    found: dict[str, Look] = {}
    for place, name in enumerate(names):
        short = re.sub(r"^member \d+ (?=retrained)", "", name)
        short = re.sub(r"^ensemble of \d+ (?=retrained)", "ensemble of ", short)
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
    if found := re.fullmatch(r"(ensemble of \d+) (retrained \w+)", name):
        return f"{found[1]}, {MODEL_NAMES.get(found[2], found[2])}"
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
                f"the record {record.identity} is no accuracy with its interval; it holds "
                f"{', '.join(sorted(record.values)) or 'nothing'}"
            )
    table = 100 * np.array([[r.values[k] for k in ("accuracy", "low", "high")] for r in records])
    return table[:, 0], table[:, 1], table[:, 2]


def percent_axis(axes: Axes, label: str = "accuracy (%)", top: float = 100) -> None:
    axes.set(ylim=(0, top), yticks=range(0, 101, 20), ylabel=label)
    axes.grid(True, axis="y")


def legend_above(figure: Figure, handles: Sequence) -> None:
    """Put the legend above the axes, where no data can be, in rows as even as possible."""
    letters = max(len(handle.get_label()) for handle in handles) + 9
    rows = -(-len(handles) // max(1, int(figure.get_figwidth() / LETTER / letters)))
    columns = -(-len(handles) // rows)
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, columnspacing=1.5)


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
