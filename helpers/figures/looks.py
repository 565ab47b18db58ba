"""How attacks and models look in every figure, and what all figures share.

Every attack and every model has one colour, marker and hatch in all figures. What they are called stands
elsewhere: attacks in their table, models in their ModelId.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import FIELDS, ModelId
from helpers.evaluation.record import Record

WIDTH, PHONE = 8.0, 4.2  # inches, of a figure that fills the page's column, or a phone's window
LETTER = 0.078  # inches, of an average letter at the smallest size used, 9 points
_narrow: ContextVar[bool] = ContextVar("narrow", default=False)


class Look(NamedTuple):
    """How an attack or a model is drawn."""

    colour: str
    marker: str
    hatch: str
    line: str = "-"
    label: str = ""


# Attacks: Okabe and Ito's colours and dark ones. Models: Tol's muted ones. Colour-blind readers tell
# both apart, and no model has the colour of an attack.
ATTACK_LOOKS = {
    "none": Look("#5a5a5a", "o", ""),
    "noise": Look("#56b4e9", "P", "..", ":"),
    "fgsm": Look("#0072b2", "s", "//", "--"),
    "bim": Look("#d55e00", "^", "\\\\", "-."),
    "momentum_bim": Look("#661100", ">", "||", "--"),
    "targeted_bim": Look("#e69f00", "<", "oo", "--"),
    "pgd": Look("#cc79a7", "v", "xx", ":"),
    "worst": Look("#7a0177", "*", "XX", "-."),
    "strongest": Look("#3d0c02", "8", "+x", ":"),
    "lbfgs": Look("#009e73", "D", "--", "--"),
    "untargeted_lbfgs": Look("#225522", "d", "-.", ":"),
    "joint_lbfgs": Look("#88b04b", "H", "/.", "-."),
    "square": Look("#6a3d9a", "h", "**", ":"),
    "auto_pgd": Look("#b15928", "X", "O.", "-."),
    "cw": Look("#1f9e9e", "p", "++", "--"),
}
# By kind, and by the attack of a retraining; a retrained member looks like the retrained original model.
MODEL_LOOKS = {
    ("original", ""): Look("#000000", "o", ""),
    ("member", ""): Look("#44aa99", "s", "//", "--"),
    ("ensemble", ""): Look("#332288", "D", "\\\\"),
    ("original", "fgsm"): Look("#cc6677", "^", "..", "--"),
    ("original", "bim"): Look("#882255", "v", "xx", "-."),
    ("original", "pgd"): Look("#aa4499", "<", "--", ":"),
    ("original", "lbfgs"): Look("#999933", ">", "++", ":"),
    ("ensemble", "fgsm"): Look("#117733", "P", "oo"),
    ("ensemble", "bim"): Look("#ddcc77", "X", "O.", "--"),
    ("ensemble", "pgd"): Look("#88ccee", "*", "**", ":"),
}
# For what has no look of its own or shares one, such as a new attack, or several members in one figure:
# in an order in which each differs from the one before in every way.
SPARE = tuple(
    Look(colour, marker, hatch, line)
    for colour, marker, hatch, line in zip(
        ("#4477aa", "#ee7733", "#228833", "#aa3377", "#997700", "#66ccee", "#cc3311", "#777777"),
        "os^DvP<>",
        ("", "//", "\\\\", "..", "xx", "++", "--", "oo"),
        ("-", "--") * 4,
        strict=True,
    )
)


def called(name: Any) -> str:
    """What people call an attack, by its name in the table; all else is called what it is."""
    return ATTACKS[name].label if isinstance(name, str) and name in ATTACKS else str(name)


def attack_look(attack: str) -> Look:
    """How an attack is drawn; a new one gets a spare look by its place in the table."""
    look = ATTACK_LOOKS.get(attack)
    if look is None:
        new = [name for name in ATTACKS if name not in ATTACK_LOOKS]
        look = SPARE[(new.index(attack) if attack in new else len(new)) % len(SPARE)]
    return look._replace(label=called(attack))


def model_look(model: ModelId | None) -> Look | None:
    """How a model is drawn, by its kind and retraining; None if it has no look of its own."""
    if model is None:
        return None
    kind = "original" if model.retrained_on and model.kind == "member" else model.kind
    look = MODEL_LOOKS.get((kind, model.retrained_on))
    return look and look._replace(label=str(model))


def looks(series: Mapping[str, Sequence[Record]]) -> dict[str, Look]:
    """Find the look of each series of records: its attack's if attacks are compared, else its model's.

    Parameters
    ----------
    series
        Name to records. A name that is an attack's is shown as its label, any other as it is.

    Returns
    -------
    looks
        By name. A series whose look is taken by an earlier one gets a spare look.
    """
    attacks = [{record.attack for record in records} for records in series.values()]
    several = len(set().union(*attacks)) > 1 or len(series) == 1 or set(series) <= set(ATTACKS)
    by_attack = several and all(len(found) == 1 for found in attacks)
    found: dict[str, Look] = {}
    for name, records in series.items():
        look = None
        if records:
            first = records[0]
            look = attack_look(first.attack) if by_attack else model_look(first.model)
        found[name] = _not_taken(look, found)._replace(label=called(name))
    return found


def _not_taken(look: Look | None, others: Mapping[str, Look]) -> Look:
    taken = {other.colour for other in others.values()}
    if look is not None and look.colour not in taken:
        return look
    free = [spare for spare in SPARE if spare.colour not in taken]
    return free[0] if free else SPARE[len(others) % len(SPARE)]


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
        "axes.prop_cycle": matplotlib.cycler(color=[spare.colour for spare in SPARE]),
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


def adapting(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Run a drawing function in the one style; its figures can be drawn again for a phone.

    ``figure.narrow()`` does so: meanwhile :func:`is_narrow` is true.
    """
    draw = styled(draw)

    def narrowly(*args, **kwargs):
        token = _narrow.set(True)
        try:
            return draw(*args, **kwargs)
        finally:
            _narrow.reset(token)

    @wraps(draw)
    def drawn(*args, **kwargs):
        figure = draw(*args, **kwargs)
        figure.narrow = partial(narrowly, *args, **kwargs)
        return figure

    return drawn


def is_narrow() -> bool:
    """Tell whether a figure is drawn for a phone."""
    return _narrow.get()


def full_width() -> float:
    """Width of a figure that fills the column, in inches."""
    return PHONE if is_narrow() else WIDTH


def value_of(record: Record, name: str) -> Any:
    """Read a parameter of a record or a field of its model; None if it has neither."""
    if name == "n_members" and record.model is not None:
        return record.model.n_members or 1
    return record.parameters.get(
        name, getattr(record.model, name, None) if name in FIELDS else None
    )


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


def scale(highest: float) -> float:
    """Choose where an axis of accuracies ends, in percent: low ones must not lie at its foot."""
    return next(end for end in (25, 50, 100) if highest <= end or end == 100)


def percent_axis(axes: Axes, label: str = "accuracy (%)", top: float = 100) -> None:
    step = 20 if top > 60 else 10 if top > 30 else 5
    axes.set(ylim=(0, top), yticks=range(0, int(min(top, 100)) + 1, step), ylabel=label)
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


def grouped(records: Sequence[Record], by: str) -> dict[Any, list[Record]]:
    """Group records by an attribute, a parameter, or a field of their models, in the order found.

    Parameters
    ----------
    by
        ``attack``, ``model``, ``made_on``, ``rung``, ``n_members`` ...; models are keys as identities.
    """
    groups: dict[Any, list[Record]] = {}
    for record in records:
        key = getattr(record, by) if hasattr(record, by) else value_of(record, by)
        groups.setdefault(key, []).append(record)
    return groups
