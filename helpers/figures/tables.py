"""Tables as data frames: classes, architectures, accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
from markupsafe import Markup

from helpers.data.datasets import DATASETS
from helpers.evaluation import Record, on_itself, plain, select
from helpers.evaluation.sanity import Check
from helpers.experiment.ladder import WORST_RUNG
from helpers.figures import attacks_of, name_of, percentages
from helpers.findings.verdicts import ABSENT, FAILS, HOLDS, UNDECIDED, Claim, Part, Verdict

# Never by colour alone: a sign and a word.
SIGNS = {HOLDS: "✓", FAILS: "✗", UNDECIDED: "?", ABSENT: "–"}

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
    order = attacks_of(groups)
    rows = []
    for name, records in groups.items():
        cells = {record.attack: _with_interval(record) for record in records}
        rows.append({"Model": name} | {name_of(attack): cells.get(attack) for attack in order})
    return pd.DataFrame(rows)


def variant_table(measured: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Set out ways to train an ensemble, a row each.

    Parameters
    ----------
    measured
        Name of the way to its accuracies (``none``, ``fgsm``, ``bim``, ``bim, itself``) and, with two
        members or more, ``alike``: how their mistakes and gradients agree.
    """
    return pd.DataFrame(
        {
            "Trained with": name,
            "clean": _with_interval(rows["none"]),
            "FGSM, transfer": _with_interval(rows["fgsm"]),
            "BIM, transfer": _with_interval(rows["bim"]),
            "BIM, itself": _with_interval(rows["bim, itself"]),
            "mistakes alike": rows.get("alike", {}).get("errors"),
            "gradients alike": rows.get("alike", {}).get("gradients"),
        }
        for name, rows in measured.items()
    )


def repeat_table(records: Sequence[Record]) -> pd.DataFrame:
    """Set out accuracies of models that were trained several times, in percent, a column for each seed.

    Parameters
    ----------
    records
        Records of one chapter; those of other quantities are passed over.
    """
    found: dict[tuple[str, str], dict[int, float]] = {}
    for r in (r for r in records if r.quantity == "repeat"):
        seed = r.parameters["training_seed"]
        found.setdefault((r.model, r.attack), {})[seed] = 100 * r.values["accuracy"]
    return pd.DataFrame(
        {"Model": model, "Attack": name_of(attack)}
        | {f"seed {seed}": f"{value:.2f}" for seed, value in sorted(by_seed.items())}
        | {"mean ± sd": f"{np.mean(v):.2f} ± {np.std(v, ddof=1):.2f}"}
        for (model, attack), by_seed in found.items()
        for v in [list(by_seed.values())]
    )


def summary_table(records: Sequence[Record]) -> pd.DataFrame:
    """Set out every model's accuracy without attack and under the attacks made on itself.

    Parameters
    ----------
    records
        Records of any chapters and data sets; those of other quantities, of transferred attacks and
        of sweeps and other series are passed over. Of series only the last rung of an ensemble's
        ladder is shown.

    Returns
    -------
    frame
        Columns Data, Model, Chapters and the attacks. What several chapters measured of a model of one
        name is joined in a row as long as they agree on what they share; otherwise, as where one of
        them retrained for longer or attacked harder, each has its own.
    """
    rows: dict[tuple[str, str], list[tuple[set[str], dict[str, Record]]]] = {}
    own = on_itself(plain(select(records, quantity="accuracy")))
    by_chapter: dict[tuple[str, str, str], dict[str, Record]] = {}
    for r in own:
        by_chapter.setdefault((r.dataset, r.model, r.chapter), {}).setdefault(r.attack, r)
    for r in select(records, quantity="accuracy", rung=WORST_RUNG):
        model = f"{r.model}, worst of its ladder"
        by_chapter.setdefault((r.dataset, model, r.chapter), {})[r.attack] = r
    for (dataset, model, chapter), found in by_chapter.items():
        held = rows.setdefault((dataset, model), [])
        for chapters, joined in held:
            if all(_same(found[a], joined[a]) for a in found.keys() & joined.keys()):
                chapters.add(chapter)
                joined |= found
                break
        else:
            held.append(({chapter}, dict(found)))
    if not rows:
        return pd.DataFrame({"Data": [], "Model": [], "Chapters": []})
    flat = [(*key, *row) for key, held in rows.items() for row in held]
    flat.sort(key=lambda row: list(DATASETS).index(row[0]) if row[0] in DATASETS else len(DATASETS))
    frame = group_table({str(k): list(found.values()) for k, (*_, found) in enumerate(flat)})
    frame["Model"] = [name_of(model) for _, model, *_ in flat]
    frame.insert(0, "Data", [dataset for dataset, *_ in flat])
    frame.insert(2, "Chapters", [", ".join(sorted(c[:2] for c in row[2])) for row in flat])
    return frame


def _same(a: Record, b: Record) -> bool:
    return all(a.values[name] == b.values[name] for name in ("n", "n_correct"))


def _with_interval(record: Record) -> str:
    accuracy, low, high = percentages([record])
    return f"{accuracy[0]:.1f} [{low[0]:.1f}, {high[0]:.1f}]"


def check_table(checks: Sequence[Check]) -> pd.DataFrame:
    """List validity checks: in how many cases each was looked for, and in how many found."""
    return pd.DataFrame(
        {
            "Sign of a broken evaluation": check.name,
            "looked for": check.compared,
            "found": len(check.warnings),
            "where": _places(check.compared, check.warnings),
        }
        for check in checks
    )


def validity_table(records: Sequence[Record]) -> pd.DataFrame:
    """Sum up the recorded validity checks, a row for each chapter and data set."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        if record.quantity != "validity":
            continue
        place = record.chapter, record.dataset
        row = rows.setdefault(place, {"compared": 0, "warnings": []})
        row["compared"] += record.values["compared"]
        name = record.parameters["check"]
        row["warnings"] += [f"{name}: {text}" for text in record.values["warnings"]]
    return pd.DataFrame(
        {
            "Chapter": chapter,
            "Data": dataset,
            "compared": row["compared"],
            "found": len(row["warnings"]),
            "signs of a broken evaluation": _places(row["compared"], row["warnings"]),
        }
        for (chapter, dataset), row in sorted(rows.items())
    )


def _places(compared: int, warnings: Sequence[str]) -> str:
    return "; ".join(warnings) or ("none" if compared else "nothing to compare")


def verdict_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """List the claims with their verdicts, the numbers behind them, and links to where they are seen."""
    return pd.DataFrame(
        {
            "Claim": Markup('<span id="claim-{}">{}</span>').format(v.claim.name, v.claim.name),
            "The report says": f"{v.claim.statement} ({v.claim.where})",
            "Verdict": pill(v.verdict),
            "Numbers": Markup("<br>").join(_part(part, v) for part in v.parts) if v.parts else None,
            "Seen in": _places_shown(v.claim),
        }
        for v in verdicts
    )


def pill(verdict: str) -> Markup:
    """Draw a verdict as a sign and its words, for the page to colour."""
    kind = verdict.split(" at ")[0].split(" in ")[0].replace(" ", "-")
    return Markup('<span class="verdict {}">{}\N{NO-BREAK SPACE}{}</span>').format(
        kind, SIGNS[verdict], verdict
    )


def _part(part: Part, whole: Verdict) -> Markup:
    # Said again only where one part came out otherwise than another.
    said = f" {part.verdict}" if any(part.verdict != p.verdict for p in whole.parts) else ""
    return Markup("<b>{}</b>{}: {}").format(part.dataset, said, part.numbers)


def _places_shown(claim: Claim) -> Markup:
    links = []
    for place in claim.seen:
        chapter, _, item = place.partition("#")
        kind, _, key = item.partition("-")
        # What the report has has its number; all else, the chapter's and a word.
        anchor = item if key.isdigit() else f"{kind}-{chapter[:2]}-{key}"
        text = f"{kind.capitalize()} {key}" if key.isdigit() else f"{chapter[:2]}, {key}"
        links.append(Markup('<a href="{}.ipynb#{}">{}</a>').format(chapter, anchor, text))
    return Markup(", ").join(links)


def test_table(claims: Sequence[Claim]) -> pd.DataFrame:
    """List how each claim is judged."""
    return pd.DataFrame(
        {"Claim": claim.name, "Where": claim.where, "It holds if": claim.criterion}
        for claim in claims
    )


def slip_table(slips: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """List slips of the report, and how they are read here (data/slips.yaml)."""
    return pd.DataFrame(
        {"Where": slip["where"], "In the report": slip["said"], "Read here as": slip["read"]}
        for slip in slips
    )
