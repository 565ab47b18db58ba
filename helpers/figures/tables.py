"""Tables as data frames, from records: none of them needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.attacks import ATTACKS
from helpers.data.dataset import Dataset
from helpers.evaluation.effects import crossed
from helpers.evaluation.model_id import ModelId
from helpers.evaluation.record import WORST_RUNG, Record, on_itself, plain, select
from helpers.figures.looks import attacks_of, called
from helpers.findings.headlines import place_of
from helpers.findings.verdicts import gap, points, share
from helpers.rounding import rounded


def class_table(class_names: Sequence[str]) -> pd.DataFrame:
    """List class names with their numbers (the report's Table 1)."""
    if not len(class_names):
        raise ValueError("a table of classes needs at least one class name")
    return pd.DataFrame({"Class name": list(class_names), "Class number": range(len(class_names))})


def data_table(datasets: Iterable[Dataset]) -> pd.DataFrame:
    """List data sets: images on disk, images loaded, their size, classes, and where they come from."""
    return pd.DataFrame(
        {
            "Data set": data.label,
            "Training images": data.full_n_train,
            "Test images": data.full_n_test,
            "Used here": f"{len(data.y_train):,} + {len(data.y_test):,}",
            "Size": " × ".join(map(str, data.input_shape)),
            "Classes": data.n_classes,
            "Source": data.source,
        }
        for data in datasets
    )


def group_table(groups: Mapping[Any, Sequence[Record]]) -> pd.DataFrame:
    """Set out groups of accuracies, a row each, in percent with their intervals.

    Parameters
    ----------
    groups
        Name of the row, or a model's identity, to its records, at most one for each attack.

    Returns
    -------
    frame
        First column ``Model``, then one for each attack in their fixed order.
    """
    order = attacks_of(groups)
    rows = []
    for name, records in groups.items():
        cells = {record.attack: share(record) for record in records}
        rows.append({"Model": called(name)} | {called(a): cells.get(a) for a in order})
    return pd.DataFrame(rows)


def variant_table(ways: Mapping[str, ModelId], records: Sequence[Record]) -> pd.DataFrame:
    """Set out ways to train an ensemble, a row each.

    Parameters
    ----------
    ways
        Name of the way to the ensemble trained so.
    records
        Among them the ensembles' accuracies and, with two members or more, ``diversity``: how their
        mistakes (``errors``) and gradients agree. Sweeps and other series are passed over.
    """
    rows = []
    for name, model in ways.items():
        row: dict[str, Any] = {"Trained with": name}
        for record in select(plain(records), quantity="accuracy", model=model):
            where = ", transfer" if record.made_on else ""
            row[called(record.attack) + (", itself" if record.white_box else where)] = record
        row |= dict.fromkeys(("mistakes alike", "gradients alike"))
        for record in select(plain(records), quantity="diversity", model=model):
            row["mistakes alike"] = record.values["errors"]
            row["gradients alike"] = record.values["gradients"]
        rows.append({k: share(v) if isinstance(v, Record) else v for k, v in row.items()})
    return pd.DataFrame(rows)


def gain_table(after: Sequence[Record], before: Sequence[Record]) -> pd.DataFrame:
    """Set out what a defence gains, a row for each attack that both models were tested under.

    Parameters
    ----------
    after, before
        Accuracies, at most one for each attack.

    Returns
    -------
    frame
        Columns Attack and gain in points, with its interval.
    """
    attacks = attacks_of({"after": after, "before": before})
    old, new = ({record.attack: record for record in found} for found in (before, after))
    return pd.DataFrame(
        {
            "Attack": called(attack),
            "gain in points": points(gap(new[attack], old[attack])),
        }
        for attack in attacks
        if attack in old and attack in new
    )


# What a mean over images is called, by its name in the records.
MEANS = {
    "l2_mean": "mean L2 norm",
    "linf_mean": "mean L∞ norm",
    "ssim_mean": "mean SSIM",
    "success": "found for",
}


def size_table(records: Sequence[Record]) -> pd.DataFrame:
    """Set out how large perturbations are, and how similar images stay (SSIM, 1: no difference).

    Parameters
    ----------
    records
        Those of the quantities ``distortion`` and ``similarity`` are shown, a row each.
    """
    found = [r for r in records if r.quantity in ("distortion", "similarity")]
    rows = [
        {
            "Model": str(r.model or r.made_on or ""),
            "Attack": called(r.attack),
            "ε": r.parameters.get("epsilon"),
            **{label: r.values.get(name) for name, label in MEANS.items()},
        }
        for r in found
    ]
    frame = pd.DataFrame(rows)
    # A column that says nothing, or the same of all, is left out.
    empty = [column for column in frame if frame[column].isna().all()]
    few = {"Model": 1, "Attack": 2}  # rows from which on it need not be said
    same = [c for c, n in few.items() if len(frame) >= n and frame[c].nunique() == 1]
    return frame.drop(columns=[*empty, *same])


def repeat_table(records: Sequence[Record]) -> pd.DataFrame:
    """Set out accuracies of models that were trained several times, in percent, a column for each seed.

    Their mean has an interval over trainings and images together: that of the mean of these trainings,
    and wider, where a single further training would fall (a prediction interval).

    Parameters
    ----------
    records
        Records of one chapter; those of other quantities are passed over.
    """
    found: dict[tuple, dict[int, Record]] = {}
    for r in select(records, quantity="repeat"):
        model, source = (replace(m, training_seed=-1) if m else m for m in (r.model, r.made_on))
        where = "" if source in (None, model) else f", made on {source}"
        about = model, called(r.attack) + where, r.parameters.get("epsilon")
        found.setdefault(about, {})[r.model.training_seed] = r
    frame = pd.DataFrame(
        {"Model": str(model), "Attack": attack, "ε": epsilon}
        | {f"seed {k}": f"{100 * r.values['accuracy']:.2f}" for k, r in sorted(by_seed.items())}
        | over_trainings([r.arrays["correct"] for r in by_seed.values()])
        for (model, attack, epsilon), by_seed in found.items()
    )
    # One ε for all is the chapter's.
    return frame if frame["ε"].nunique() > 1 else frame.drop(columns="ε")


def over_trainings(right: Sequence[np.ndarray]) -> dict[str, str]:
    """Mean accuracy over trainings, in percent, and what to expect of the mean and of one more."""
    beyond_half = np.array(right, np.float64) - 0.5  # towards a half an interval's middle is drawn
    found, one_more = (crossed(beyond_half, more=k) * 100 for k in (0, 1))
    ends = [(max(50 + e.low, 0.0), min(50 + e.high, 100.0)) for e in (found, one_more)]
    mean, more = ("[{:.1f}, {:.1f}]".format(*pair) for pair in ends)
    return {
        "mean": f"{50 + found.value:.2f}", "95 %": mean, "of one more": more,
        "trainings": str(found.n_trainings),
    }  # fmt: skip


IN_SUMMARY = ("none", "fgsm", "bim", "pgd", "lbfgs")  # the rest stands in the chapters


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
        Columns Data, Model, ε, the worst case within it over the attacks that saw the most images, with
        its interval, the attacks of ``IN_SUMMARY``, and Chapters; of each data set the model with the
        best worst case first. Models that were not attacked have no row, nor have members trained in
        ways of their own. What several chapters measured of a model of one name is joined in a row as
        long as they agree on what they share; otherwise, as where one of them retrained for longer or
        attacked harder, each has its own.
    """
    rows: dict[tuple[str, str], list[tuple[set[str], dict[str, Record]]]] = {}
    own = on_itself(plain(select(records, quantity="accuracy")))
    by_chapter: dict[tuple[str, str, str], dict[str, Record]] = {}
    for r in own:
        if r.model.recipe:
            continue  # these are compared among themselves
        by_chapter.setdefault((r.dataset, str(r.model), r.chapter), {}).setdefault(r.attack, r)
    for r in select(records, quantity="accuracy", rung=WORST_RUNG):
        beside = by_chapter.get((r.dataset, str(r.model), r.chapter), {}).get(r.attack)
        if beside is None or beside.parameters.get("epsilon") != r.parameters.get("epsilon"):
            continue  # a ladder at another ε than the chapter's
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
    # Of a model that nothing attacked it was not measured how robust it is.
    flat = [
        (*key, *row)
        for key, held in rows.items()
        for row in held
        if row[1].keys() - {"none", "noise"}
    ]
    if not flat:
        return pd.DataFrame({"Data": [], "Model": [], "Chapters": []})
    lowest = {id(row): _worst(row[3]) for row in flat}
    flat.sort(key=lambda row: _rank(row[0], lowest[id(row)]))
    shown = [attack for attack in IN_SUMMARY if any(attack in row[3] for row in flat)]
    return pd.DataFrame(
        {
            "Data": row[0],
            "Model": row[1],
            "ε": _epsilon(worst) if (worst := lowest[id(row)]) else None,
            "worst within ε": share(worst) if worst else None,
        }
        | {called(a): _share(row[3][a]) if a in row[3] else None for a in shown}
        | {"Chapters": ", ".join(sorted(chapter[:2] for chapter in row[2]))}
        for row in flat
    )


def _epsilon(record: Record) -> str | None:
    epsilon = record.parameters.get("epsilon")
    return None if epsilon is None else f"{epsilon:g}"


def _share(record: Record) -> str:
    return rounded(100 * record.values["accuracy"])


def _worst(found: Mapping[str, Record]) -> Record | None:
    """The lowest accuracy under attacks that stay within ε, of those that saw the most images."""
    within = [r for a, r in found.items() if ATTACKS[a].kind in ("bounded", "black box")]
    most = max((r.values["n"] for r in within), default=0)
    wide = [r for r in within if r.values["n"] == most]
    return min(wide, key=lambda r: r.values["accuracy"], default=None)


def _rank(dataset: str, worst: Record | None) -> tuple[Any, float]:
    return place_of(dataset), -worst.values["accuracy"] if worst else 1.0


def _same(a: Record, b: Record) -> bool:
    return all(a.values[name] == b.values[name] for name in ("n", "n_correct"))
