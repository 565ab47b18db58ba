"""The numbers that the report prints, beside the records of the same quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import yaml

from helpers.data.datasets import DATASETS
from helpers.evaluation import Record, plain, select
from helpers.figures import name_of
from helpers.paths import PROJECT

REPORTED = PROJECT / "data" / "reported.yaml"
SLIPS = PROJECT / "data" / "slips.yaml"
PER_BATCH = " per batch"  # ends the name of a model that was retrained so


def read_reported() -> list[dict[str, Any]]:
    """Read the report's numbers: where, what, reported, dataset, match, value (data/reported.yaml)."""
    return yaml.safe_load(REPORTED.read_text(encoding="utf-8"))


def read_slips() -> list[dict[str, str]]:
    """Read the report's slips: where, said, read (data/slips.yaml)."""
    return yaml.safe_load(SLIPS.read_text(encoding="utf-8"))


def counterparts(entry: dict[str, Any], records: Sequence[Record]) -> list[Record]:
    """Find the records of a reported quantity, on the report's data set or its stand-in.

    Of retraining there may be four for each: the report describes it with examples for each epoch and
    for each batch, and does not say which of them its tables are about, nor whether the images that
    it tests with were made on the retrained model or on the original one.
    """
    names = {
        name for name, spec in DATASETS.items() if (spec.stands_in_for or name) == entry["dataset"]
    }
    match = entry["match"]
    wanted = [match]
    if match.get("model", "").startswith("retrained"):
        other = {key: match[key] + PER_BATCH for key in ("model", "source") if key in match}
        wanted.append(match | other)
        wanted += [way | {"source": "original"} for way in wanted if "source" in way]
    found = [record for way in wanted for record in select(records, **way)]
    return [r for r in plain(found) if r.dataset in names]


def kept_first(records: Sequence[Record], model: str) -> bool:
    """Tell whether of a model retrained with examples for each epoch the first epoch was kept.

    The examples of that epoch are made on the model which the retraining starts from: what was made on
    the retrained model itself came later, and is not in the weights that were kept.

    Parameters
    ----------
    records
        Of one data set.
    model
        Its name in them.
    """
    if model.endswith(PER_BATCH):
        return False
    histories = select(records, quantity="history", model=model)
    return any(int(record.values["best_epoch"][0]) == 1 for record in histories)


def kept_note(records: Sequence[Record], attacks: Sequence[str]) -> str:
    """Say of which retrained models the first epoch was kept, and what that means; maybe nothing."""
    kept = [name_of(a) for a in attacks if kept_first(records, f"retrained {a}")]
    if not kept:
        return ""
    return (
        f"Of retraining with examples for each epoch ({', '.join(kept)}) the first epoch was kept: "
        "what it saw are examples of the original model only."
    )


def findings_table(reported: Sequence[dict[str, Any]], records: Sequence[Record]) -> pd.DataFrame:
    """Set each reported number beside what was measured; a row more where several data sets were.

    Returns
    -------
    frame
        Columns Where, What, Reported, Measured, 95 % interval, Difference, Data. Accuracies are in
        percent; a reported range differs by its distance from the measured number.
    """
    rows = []
    for entry in reported:
        found = counterparts(entry, records) or [None]
        for record in found:
            rows.append(_row(entry, record))
    return pd.DataFrame(rows)


def _row(entry: dict[str, Any], record: Record | None) -> dict[str, Any]:
    said = entry["reported"]
    row = {
        "Where": entry["where"],
        "What": entry["what"],
        "Reported": f"{said[0]} to {said[1]}" if isinstance(said, list) else _plain(said),
        "Measured": None,
        "95 % interval": None,
        "Difference": None,
        "Data": None,
    }
    value = None if record is None else record.values.get(entry["value"])
    if value is None:
        return row
    percent = record.quantity == "accuracy"
    value = 100 * value if percent else value
    low, high = said if isinstance(said, list) else (said, said)
    difference = value - high if value > high else min(value - low, 0)
    row |= {
        "Measured": f"{value:.2f}".replace("-", "−")
        if percent or entry["value"].startswith("gain_")
        else _plain(value),
        "Difference": _plain(round(difference, 2 if percent else 4), sign=True),
        "Data": record.dataset
        + (", per batch" if record.model.endswith(PER_BATCH) else "")
        + (", made on the original" if _from_original(record) else ""),
    }
    if percent:
        row["95 % interval"] = "[{:.2f}, {:.2f}]".format(
            100 * record.values["low"], 100 * record.values["high"]
        )
    return row


def _from_original(record: Record) -> bool:
    return record.parameters.get("source", record.model) == "original" != record.model


def _plain(number: float, sign: bool = False) -> str:
    if number == 0:
        return "0"
    return f"{number:{'+' if sign else ''},}".replace("-", "−")


def consistent_epsilons(
    swept: Mapping[str, Sequence[Record]], entries: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[float, float] | None]:
    """Find for which epsilons the reported accuracy lies within the measured interval.

    Parameters
    ----------
    swept
        Attack to accuracies of the model retrained on it, by their parameter ``epsilon``.
    entries
        Reported numbers (Table 4 or 5); the one on adversarial data of each attack counts.

    Returns
    -------
    dict
        For each attack with a reported number: smallest and largest such epsilon, or None. Between
        two measured ones, the ends of the intervals are taken to lie on straight lines.
    """
    found: dict[str, tuple[float, float] | None] = {}
    for attack, records in swept.items():
        wanted = [
            e["reported"] / 100
            for e in entries
            if e["match"].get("attack") == attack and e["value"] == "accuracy"
        ]
        if not wanted:
            continue
        records = sorted(records, key=lambda record: record.parameters["epsilon"])
        at = np.array([record.parameters["epsilon"] for record in records])
        fine = np.linspace(at[0], at[-1], 2001)
        low, high = (
            np.interp(fine, at, [r.values[end] for r in records]) for end in ("low", "high")
        )
        inside = fine[(low <= wanted[0]) & (wanted[0] <= high)]
        found[attack] = (float(inside.min()), float(inside.max())) if len(inside) else None
    return found


def architecture_values(model) -> dict[str, float]:
    """Number the sizes of a network's layers: conv_1 (filters), dense_1 (nodes), dropout_1 (rate)..."""
    found: dict[str, float] = {}
    for layer in model.layers:
        config = layer.get_config()
        for kind, size in (("conv", "filters"), ("dense", "units"), ("dropout", "rate")):
            if size in config:
                number = 1 + sum(name.startswith(kind) for name in found)
                found[f"{kind}_{number}"] = config[size]
    return found
