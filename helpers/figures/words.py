"""What figures and tables say in words, made from their records: captions, alt texts, sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import ModelId
from helpers.evaluation.record import Record
from helpers.figures.looks import called, value_of
from helpers.findings.verdicts import gap, points
from helpers.rounding import percent as share

NUMBERS = ("n", "n_correct", "accuracy", "low", "high")  # of a record, for a figure's CSV
# What a curve may run along, and how it is called in a sentence.
ALONG = {"epsilon": "ε", "n_members": "members", "sigma": "σ", "steps": "steps"}


def percent(record: Record) -> str:
    """Write an accuracy in percent."""
    return share(record.values["accuracy"])


def flat(about: Any) -> list[Record]:
    """List the records in lists and mappings of any depth, each once; other values are passed over."""
    return list({id(record): record for record, _ in _walk(about, ())}.values())


def _walk(about: Any, names: tuple[str, ...]) -> Iterator[tuple[Record, tuple[str, ...]]]:
    if isinstance(about, Record):
        yield about, names
    elif isinstance(about, Mapping):
        for name, inner in about.items():
            yield from _walk(inner, (*names, str(name)))
    elif isinstance(about, Sequence) and not isinstance(about, str):
        for inner in about:
            yield from _walk(inner, names)


def caption(sentence: str, about: Any = (), label: str = "") -> str:
    """Add to an author's sentence the facts of what is shown.

    Parameters
    ----------
    sentence
        What is shown.
    about
        The records shown, in lists or mappings of any depth.
    label
        Name of the data.

    Returns
    -------
    caption
        The sentence, then the data, the number of test images, and epsilon where it has one value. All
        else stands in the figure's CSV and among the chapter's parameters.
    """
    if not sentence.strip():
        raise ValueError("a caption needs a sentence that says what is shown")
    told = "; ".join(filter(None, [label and f"Data: {label}", *facts(about)]))
    sentence = sentence.strip()
    sentence += "" if sentence.endswith((".", "?", "!")) else "."
    return f"{sentence} {told}." if told else sentence


def rows(about: Any) -> pd.DataFrame:
    """Set out the accuracies that a figure draws: what was tested under what, on how many images."""
    found = []
    for record in flat(about):
        if "accuracy" in record.values:
            row = {
                "data": record.dataset,
                "model": str(record.model),
                "attack": called(record.attack),
            }
            row["made on"] = "" if record.made_on is None else str(record.made_on)
            row |= {k: v for k, v in record.parameters.items() if isinstance(v, str | int | float)}
            row |= {k: record.values[k] for k in NUMBERS if k in record.values}
            found.append(row)
    return pd.DataFrame(found)


def facts(about: Any) -> list[str]:
    """Say on how many images accuracies were measured, and how far the attacks went."""
    records = [r for r in flat(about) if "accuracy" in r.values]
    if not records:
        return []
    return [text for text in (images(records), _epsilon(records)) if text]


def images(records: Sequence[Record]) -> str:
    """Say on how many test images: ``200 test images, 20 for L-BFGS``."""
    sizes: dict[int, list[str]] = {}
    for record in records:
        sizes.setdefault(record.values["n"], []).append(record.attack)
    most = max(sizes, key=lambda n: (len(sizes[n]), n))
    text = f"{most:,} test image{'' if most == 1 else 's'}"
    for n in sorted(set(sizes) - {most}, reverse=True):
        text += f", {n:,} for {_list(map(called, dict.fromkeys(sizes[n])))}"
    return text


def _epsilon(records: Sequence[Record]) -> str:
    sizes = {r.parameters["epsilon"] for r in records if "epsilon" in r.parameters}
    return f"ε = {sizes.pop():g}" if len(sizes) == 1 else ""


def _list(names) -> str:
    # "BIM, targeted" would read as two: "targeted BIM".
    *most, last = (" ".join(reversed(name.split(", "))) for name in names)
    return f"{', '.join(most)} and {last}" if most else last


def alt_text(figure: Figure, about: Any) -> str:
    """Say what a figure of accuracies shows: for each attack the range, or how its curve runs.

    Parameters
    ----------
    figure
        The figure; its axes' labels are named.
    about
        The records drawn.

    Returns
    -------
    text
        Empty if there is no accuracy among the records.
    """
    parts = [sentence.removesuffix(".") for sentence in said(about)]
    if not parts:
        return ""
    axes = figure.axes[0] if figure.axes else None
    what, against = (axes.get_ylabel(), axes.get_xlabel()) if axes else ("", "")
    named = [what if "%" in what else "accuracy (%)", "" if "%" in against else against]
    head = " against ".join(filter(None, named))
    return f"{head[:1].upper()}{head[1:]}. {'; '.join(parts)}."


def said(about: Any) -> list[str]:
    """Say what accuracies came out, a sentence for each attack.

    Parameters
    ----------
    about
        Records, in lists or mappings of any depth; the mappings' names are used.

    Returns
    -------
    sentences
        ``FGSM: 84.7 % with 1 member, 90.1 % with 10.`` of records that differ in one thing to run along
        (epsilon, the number of members, sigma), for each group of them; otherwise the lowest and the
        highest, with their groups' or models' names.
    """
    by_attack: dict[str, dict[str, list[Record]]] = {}
    for record, names in _walk(about, ()):
        if "accuracy" in record.values:
            known = (record.attack, called(record.attack))
            group = ", ".join(name for name in names if name not in known)
            by_attack.setdefault(record.attack, {}).setdefault(group, []).append(record)
    order = [*(a for a in ATTACKS if a in by_attack), *sorted(by_attack.keys() - ATTACKS.keys())]
    sentences = []
    for attack in order:
        groups, name = by_attack[attack], called(attack)
        if all(along(records) for records in groups.values()):
            sentences += [f"{_titled(name, g)}: {_course(rs)}." for g, rs in groups.items()]
        else:
            named = [(group or str(r.model), r) for group, rs in groups.items() for r in rs]
            sentences.append(f"{name}: {_range(named)}.")
    return sentences


def gains(after: Sequence[Record], before: Sequence[Record]) -> list[str]:
    """Say what a defence gains: ``FGSM: +3.2 [+1.1, +5.3] points``, a sentence for each shared attack.

    Parameters
    ----------
    after, before
        Accuracies, at most one for each attack.
    """
    old = {record.attack: record for record in before}
    return [
        f"{called(record.attack)}: {points(gap(record, old[record.attack]))} points."
        for record in after
        if record.attack in old
    ]


def took(model: Any, history: Mapping[str, Sequence[float]]) -> str:
    """Say what a training took: ``original model: 12 epochs, best 9, 40 s of processor time.``"""
    epochs, best = len(history["loss"]), int(history["best_epoch"][0])
    return (
        f"{model}: {epochs} epochs, best {best}, {history['seconds'][0]:.0f} s of processor time."
    )


def _titled(attack: str, group: str) -> str:
    return f"{attack}, {group}" if group else attack


def along(records: Sequence[Record]) -> str:
    """Name what records of one attack run along: the one thing in which they all differ, or nothing."""
    models = {record.model for record in records}
    if len(models) > 1 and len({_without_size(model) for model in models}) > 1:
        return ""
    for name in ALONG if len(models) == 1 else ("n_members",):
        values = [value_of(record, name) for record in records]
        if len(values) > 1 and None not in values and len(set(values)) == len(values):
            return name
    return ""


def _without_size(model: ModelId | None) -> Any:
    return replace(model, n_members=1) if model and model.kind == "ensemble" else model


def _course(records: Sequence[Record]) -> str:
    """Say how a curve runs: its ends, and its extremes where they lie between."""
    name = along(records)
    line = sorted(records, key=lambda record: value_of(record, name))
    lowest, highest = (f(line, key=lambda r: r.values["accuracy"]) for f in (min, max))
    ends = {line[0].values["accuracy"], line[-1].values["accuracy"]}
    shown = {id(r): r for r in (line[0], line[-1])}
    shown |= {id(r): r for r in (lowest, highest) if r.values["accuracy"] not in ends}
    parts = [f"{percent(r)} {_at(name, value_of(r, name))}" for r in line if id(r) in shown]
    return ", ".join(parts)


def _at(name: str, value: Any) -> str:
    if name == "n_members":
        return f"with {value} member{'' if value == 1 else 's'}"
    return f"at {ALONG[name]} = {value:g}" if name != "steps" else f"with {value} steps"


def _range(named: Sequence[tuple[str, Record]]) -> str:
    low, high = (f(named, key=lambda pair: pair[1].values["accuracy"]) for f in (min, max))
    if len({pair[1].values["accuracy"] for pair in named}) == 1:
        return percent(low[1]) + (" in all cases" if len(named) > 1 else "")
    return f"from {percent(low[1])} ({low[0]}) to {percent(high[1])} ({high[0]})"
