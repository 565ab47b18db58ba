"""Tables as data frames: classes, architectures, accuracies, and the reported beside the measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import pandas as pd

from helpers.evaluation import Record
from helpers.figures import ATTACK_NAMES, name_of, percentages

LAYER_TYPES = {
    "Conv2D": "2D convolutional layer",
    "MaxPooling2D": "Max pooling",
    "AveragePooling2D": "Average pooling",
    "Dense": "Dense layer",
    "InputLayer": "Input",
}


def class_table(class_names: Sequence[str]) -> pd.DataFrame:
    """List class names with their numbers (the report's Table 1)."""
    if not len(class_names):
        raise ValueError("a table of classes needs at least one class name")
    return pd.DataFrame({"Class name": list(class_names), "Class number": range(len(class_names))})


def architecture_table(model: keras.Model) -> pd.DataFrame:
    """List a network's layers as the report does (Tables 2 and 3), with shapes and weights.

    A network nested in the model, such as InceptionV3's body, is one row that counts its layers.
    The last row sums the weights up.
    """
    rows = []
    for layer in getattr(model, "layers", []):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        kind = type(layer).__name__
        shape = tuple(layer.output.shape)[1:]
        rows.append(
            {
                "Layer type": _nested_name(layer)
                if isinstance(layer, keras.Model)
                else LAYER_TYPES.get(kind, kind),
                "Parameters": _layer_parameters(layer),
                "Output shape": " × ".join(str(size) for size in shape),
                "Weights": layer.count_params(),
            }
        )
    if not rows:
        raise ValueError(f"{model!r} has no layers to list; a Keras model with layers is needed")
    rows.append(
        {
            "Layer type": "Total",
            "Parameters": "",
            "Output shape": "",
            "Weights": model.count_params(),
        }
    )
    return pd.DataFrame(rows)


def _nested_name(body: keras.Model) -> str:
    return "InceptionV3" if body.name.startswith("inception_v3") else body.name


def _layer_parameters(layer: keras.Layer) -> str:
    """Describe what a layer was made with, in the report's words."""
    config = layer.get_config()
    if isinstance(layer, keras.Model):
        count = [type(inner).__name__ for inner in layer.layers].count
        return (
            f"{count('Conv2D')} convolutions, {count('Concatenate')} concatenations, "
            f"{count('MaxPooling2D') + count('AveragePooling2D')} poolings"
        )
    if "filters" in config:
        return f"{config['filters']} filters, {'x'.join(map(str, config['kernel_size']))} kernel"
    if "units" in config:
        return f"{config['units']} nodes"
    if "pool_size" in config:
        return f"({','.join(map(str, config['pool_size']))})"
    if "rate" in config:
        return f"{config['rate']:g}"
    if isinstance(layer, keras.layers.Resizing):
        return f"to {config['height']}x{config['width']} pixels"
    if isinstance(layer, keras.layers.Rescaling):
        return f"{config['scale']:g} x pixel {config['offset']:+g}"
    return ""


def accuracy_table(
    records: Sequence[Record], *, rows: str = "model", columns: str = "attack"
) -> pd.DataFrame:
    """Set accuracies out in percent with their 95 % intervals, as ``98.4 [97.1, 99.2]``.

    Parameters
    ----------
    records
        Accuracies, at most one for each cell.
    rows, columns
        Attribute or parameter of the records that names the rows and the columns.

    Returns
    -------
    frame
        First column the row's name, then one column a value of `columns`; attacks stand in their
        fixed order, everything else as it comes. A cell without a record is missing.
    """
    percentages(records)
    cells: dict[tuple, str] = {}
    for record in records:
        place = (_value(record, rows), _value(record, columns))
        if place in cells:
            raise ValueError(
                f"two records for {rows} = {place[0]!r}, {columns} = {place[1]!r}: select one, or "
                "choose rows and columns that tell them apart"
            )
        cells[place] = _with_interval(record)
    names = list(dict.fromkeys(row for row, _ in cells))
    heads = list(dict.fromkeys(column for _, column in cells))
    if columns == "attack":
        order = list(ATTACK_NAMES)
        heads.sort(key=lambda name: order.index(name) if name in order else len(order))
    table = [
        {rows.replace("_", " ").capitalize(): _shown(name)}
        | {_shown(head): cells.get((name, head)) for head in heads}
        for name in names
    ]
    return pd.DataFrame(table)


def group_table(groups: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """Set out groups of accuracies, a row each, in percent with their intervals.

    Parameters
    ----------
    groups
        Name of the row to its records, at most one for each attack.

    Returns
    -------
    frame
        First column ``Model``, then one for each attack in their fixed order.
    """
    order = list(ATTACK_NAMES)
    rows = []
    for name, records in groups.items():
        attacks = sorted((record.attack for record in records), key=order.index)
        if len(set(attacks)) < len(attacks):
            raise ValueError(f"the group {name!r} has several records for an attack: {attacks}")
        cells = {record.attack: _with_interval(record) for record in records}
        rows.append({"Model": name} | {ATTACK_NAMES[attack]: cells[attack] for attack in attacks})
    return pd.DataFrame(rows)


def summary_table(records: Sequence[Record]) -> pd.DataFrame:
    """Set out every model's accuracy without attack and under the attacks made on itself.

    Parameters
    ----------
    records
        Records of any chapters and data sets; those of other quantities, of transferred attacks and
        of sweeps are passed over, and of the same result in two chapters the first is kept.
    """
    rows: dict[tuple[str, str], dict[str, Record]] = {}
    for record in records:
        about = record.parameters
        own = about.get("source") in (None, record.model) or record.attack == "noise"
        swept = "sweep" in about or "n_members" in about
        if record.quantity == "accuracy" and own and not swept:
            rows.setdefault((record.dataset, record.model), {}).setdefault(record.attack, record)
    frame = group_table({f"{d}|{m}": list(found.values()) for (d, m), found in rows.items()})
    if frame.empty:
        return pd.DataFrame({"Data": [], "Model": []})
    names = frame["Model"].str.split("|", n=1)
    frame.insert(0, "Data", names.str[0])
    frame["Model"] = [name_of(name) for name in names.str[1]]
    order = ["Data", "Model", *(name for name in ATTACK_NAMES.values() if name in frame)]
    return frame[order]


def _value(record: Record, name: str):
    if name in record.__dataclass_fields__:
        return getattr(record, name)
    if name in record.parameters:
        return record.parameters[name]
    raise ValueError(
        f"the record {record.name} has no {name!r}; its parameters are {sorted(record.parameters)}"
    )


def _shown(value) -> str:
    return name_of(value) if isinstance(value, str) else str(value)


def _with_interval(record: Record) -> str:
    accuracy, low, high = percentages([record])
    return f"{accuracy[0]:.1f} [{low[0]:.1f}, {high[0]:.1f}]"


def reported_table(reported: Mapping[str, float], measured: Mapping[str, Record]) -> pd.DataFrame:
    """Set the report's numbers beside ours.

    Parameters
    ----------
    reported
        What was measured in words to the report's number, in percent as printed (98.36).
    measured
        The same words to the record of our accuracy. A setting that stands on one side only gets
        a row with the other side missing.

    Returns
    -------
    frame
        The difference is ours minus the report's, in percentage points; ``Within interval`` says
        whether the reported number lies in our 95 % interval.
    """
    if not reported and not measured:
        raise ValueError("nothing reported and nothing measured: there is no table to make")
    rows = []
    for setting in [*reported, *(name for name in measured if name not in reported)]:
        row: dict[str, object] = {"Setting": setting, "Reported (%)": reported.get(setting)}
        said = reported.get(setting)
        if said is not None and not (said == 0 or 1 < said <= 100):
            raise ValueError(f"reported {setting!r} is {said}: a number in percent is expected")
        if setting in measured:
            accuracy, low, high = (values[0] for values in percentages([measured[setting]]))
            row["Measured (%)"] = round(accuracy, 2)
            row["95 % interval"] = f"[{low:.2f}, {high:.2f}]"
            row["Images"] = measured[setting].values["n"]
            if said is not None:
                row["Difference (points)"] = round(accuracy - said, 2)
                row["Within interval"] = "yes" if low <= said <= high else "no"
        rows.append(row)
    columns = ["Setting", "Reported (%)", "Measured (%)", "95 % interval", "Images"]
    columns += ["Difference (points)", "Within interval"]
    frame = pd.DataFrame(rows).reindex(columns=columns)
    # Whole numbers, although some may be missing.
    return frame.astype({"Images": "Int64"})
