"""How near retrained models come to the numbers of a table whose settings are not printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import Record, select

CLOSE = 1.0  # points: as near as two trainings of one network may lie


def how_near(records: Sequence[Record], reported: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Set each setting beside the two numbers that a table prints for its attack.

    Parameters
    ----------
    records
        Of :func:`helpers.experiment.inverse.measure`.
    reported
        The table's entries in ``data/reported.yaml``.

    Returns
    -------
    frame
        A row for each setting and reading of the test: attack, epsilon, reach (NaN: one step), examples
        (``epoch`` or ``batch``), made_on (``itself`` or ``original``); clean and adversarial accuracy,
        and how far they are ``off`` the report's, the larger of both, in points; ``fits``: ``yes`` if
        both lie within `CLOSE` points of it, ``maybe`` if their 95 % intervals do, else ``no``.
    """
    wanted: dict[str, dict[str, float]] = {}
    for entry in reported:
        part = "clean" if entry["match"]["under"] == "none" else "adversarial"
        wanted.setdefault(entry["match"]["of"]["retrained_on"], {})[part] = entry["reported"]
    rows = []
    for record in select(records, quantity="accuracy", sweep="fit"):
        if record.attack == "none" or record.attack not in wanted:
            continue
        (clean,) = select(records, sweep="fit", model=record.model, attack="none")
        pair, target = {"clean": clean, "adversarial": record}, wanted[record.attack]
        off = [_off(pair[part], target[part]) for part in target]
        worst, least = max(abs(value) for value, _ in off), max(nearest for _, nearest in off)
        rows.append(
            {
                "attack": record.attack,
                "epsilon": record.parameters["trained"],
                "reach": record.parameters["reach"],
                "examples": record.model.regenerate,
                "made_on": "original" if record.made_on == ORIGINAL else "itself",
                **{part: 100 * pair[part].values["accuracy"] for part in pair},
                "off": worst,
                "fits": "yes" if worst <= CLOSE else "maybe" if least <= CLOSE else "no",
            }
        )
    return pd.DataFrame(rows)


def _off(record: Record, target: float) -> tuple[float, float]:
    """How far an accuracy is from a number in percent, and its interval at the nearest, in points."""
    value, low, high = (100 * record.values[k] for k in ("accuracy", "low", "high"))
    return value - target, max(low - target, target - high, 0.0)


def best_readings(frame: pd.DataFrame) -> pd.DataFrame:
    """Join the attacks: settings that all of a table's numbers could come from, the nearest first.

    Returns
    -------
    frame
        Columns epsilon, reach, examples, made_on, the number that is furthest ``off`` in points, and
        ``fits``, the worse of the attacks'.
    """
    order = {"no": 0, "maybe": 1, "yes": 2}
    rows = []
    for (epsilon, examples, made_on), group in frame.groupby(["epsilon", "examples", "made_on"]):
        one_step, more = group[group["reach"].isna()], group[group["reach"].notna()]
        for _, row in more.iterrows():
            both = [row, *(other for _, other in one_step.iterrows())]
            rows.append(
                {
                    "epsilon": epsilon,
                    "reach": row["reach"],
                    "examples": examples,
                    "made_on": made_on,
                    "off": max(part["off"] for part in both),
                    "fits": min((part["fits"] for part in both), key=order.__getitem__),
                }
            )
    found = pd.DataFrame(rows, columns=["epsilon", "reach", "examples", "made_on", "off", "fits"])
    return found.sort_values("off", ignore_index=True)
