"""The numbers that the report prints, beside the records of the same quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import yaml
from markupsafe import Markup

from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import ORIGINAL, ModelId
from helpers.evaluation.record import Record, select
from helpers.findings.evidence import ITSELF, Evidence
from helpers.findings.verdicts import share
from helpers.paths import PROJECT
from helpers.rounding import rounded

REPORTED = PROJECT / "data" / "reported.yaml"
SLIPS = PROJECT / "data" / "slips.yaml"


def read_reported() -> list[dict[str, Any]]:
    """Read the report's numbers: where, what, reported, dataset, match, value (data/reported.yaml)."""
    return yaml.safe_load(REPORTED.read_text(encoding="utf-8"))


def read_slips() -> list[dict[str, str]]:
    """Read the report's slips: where, said, read (data/slips.yaml)."""
    return yaml.safe_load(SLIPS.read_text(encoding="utf-8"))


def counterparts(entry: Mapping[str, Any], records: Sequence[Record] | Evidence) -> list[Record]:
    """Find the records of a reported quantity, on the report's data set or its stand-in.

    The size of a data set has none on a stand-in, which is meant to be smaller.
    """
    evidence = records if isinstance(records, Evidence) else Evidence(records)
    standing = evidence.standing_for(entry["dataset"])
    if entry["match"]["quantity"] == "size":
        standing = [name for name in standing if name == entry["dataset"]]
    return [r for name in standing for r in evidence.find(**entry["match"], dataset=name)]


def kept_first(records: Sequence[Record], attack: str, regenerate: str = "epoch") -> bool:
    """Tell whether of a model retrained with examples for each epoch the first epoch was kept.

    The examples of that epoch are made on the model which the retraining starts from: what was made on
    the retrained model itself came later, and is not in the weights that were kept.

    Parameters
    ----------
    records
        Of one data set.
    attack, regenerate
        What the model was retrained on, and when its examples were made.
    """
    if regenerate != "epoch":
        return False
    id = ModelId(kind="original", retrained_on=attack, regenerate=regenerate)
    histories = select(records, quantity="history", model=id)
    return any(int(record.values["best_epoch"][0]) == 1 for record in histories)


def kept_note(records: Sequence[Record], attacks: Sequence[str]) -> str:
    """Say of which retrained models the first epoch was kept, and what that means; maybe nothing."""
    kept = [ATTACKS[attack].label for attack in attacks if kept_first(records, attack)]
    if not kept:
        return ""
    return (
        f"Of the models retrained per epoch ({', '.join(kept)}) the first epoch was the best and was "
        "kept: they have seen examples of the original model only."
    )


def findings_table(reported: Sequence[dict[str, Any]], records: Sequence[Record]) -> pd.DataFrame:
    """Set each reported number beside what was measured; a row more where several data sets were.

    Returns
    -------
    frame
        Columns Where, What, Reported, Measured, Difference, Data. A reported range differs by its
        distance from the measured number.
    """
    evidence = Evidence(records)
    return pd.DataFrame(
        _row(entry, record)
        for entry in reported
        for record in counterparts(entry, evidence) or [None]
    )


READINGS = {
    "each epoch, attacked itself": ("epoch", ITSELF),
    "each batch, attacked itself": ("batch", ITSELF),
    "each epoch, images of the original": ("epoch", ORIGINAL),
    "each batch, images of the original": ("batch", ORIGINAL),
}


def readings_table(reported: Sequence[dict[str, Any]], records: Sequence[Record]) -> pd.DataFrame:
    """Set the numbers of a table on retraining beside what each reading of the report gives.

    Returns
    -------
    frame
        As the report's own table: a row for each retraining, and columns Retraining, normal data,
        adversarial data. Each cell has the reported number, and a line for each reading: when the
        examples were made, and on which model the tested images; percent with 95 % intervals.
    """
    evidence = Evidence(records)
    cells: dict[str, dict[str, Markup]] = {}
    for entry in reported:
        match, (row, column) = entry["match"], entry["what"].split(", ")
        lines = [Markup("<b>{}</b> reported").format(_plain(entry["reported"]))]
        for name, (when, source) in READINGS.items():
            clean = match["under"] == "none"
            found = [
                record
                for dataset in evidence.standing_for(entry["dataset"])
                for record in evidence.find(
                    **match | {"of": match["of"] | {"regenerate": when}},
                    made_on=None if clean else source,
                    dataset=dataset,
                )
            ]
            if found and (not clean or source == ITSELF):
                about = name.partition(",")[0] if clean else name
                lines.append(Markup("{} {}").format(share(found[0]), about))
        cells.setdefault(row, {"Retraining": row.removesuffix(" retraining")})[column] = Markup(
            "<br>"
        ).join(lines)
    return pd.DataFrame(list(cells.values()))


def _row(entry: dict[str, Any], record: Record | None) -> dict[str, Any]:
    said = entry["reported"]
    row = {
        "Where": entry["where"],
        "What": entry["what"],
        "Reported": f"{said[0]} to {said[1]}" if isinstance(said, list) else _plain(said),
        "Measured": None,
        "Difference": None,
        "Data": None,
    }
    value = None if record is None else record.values.get(entry["value"])
    if value is None:
        return row
    low, high = said if isinstance(said, list) else (said, said)
    difference = value - high if value > high else min(value - low, 0)
    gain = entry["value"].startswith("gain_")
    return row | {
        "Measured": rounded(value, 2) if gain else _plain(value),
        "Difference": _plain(round(difference, 4), sign=True),
        "Data": record.dataset,
    }


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
            if e["match"].get("under") == attack and e["value"] == "accuracy"
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
