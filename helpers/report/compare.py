"""Two builds side by side: the records they share, and whether their accuracies differ.

Differences are b - a. An accuracy's has a 95 % interval, paired where both builds tested the same
images; one whose interval holds zero is called "within", any other "apart".
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import paths
from helpers.attacks import ATTACKS
from helpers.evaluation.record import Record
from helpers.evaluation.statistics import independent_difference, paired_difference
from helpers.files import write_atomically
from helpers.parameters import ParameterError
from helpers.report.manifest import LEFT_OUT
from helpers.report.output import given_folder
from helpers.report.pairs import (
    Build,
    is_number,
    pair_up,
    plain,
    read_build,
    same_images,
    says_what,
)

WIDTH = 120
OF_ACCURACY = ("n", "n_correct", "accuracy", "low", "high")
NOT_COMPARED = ("seconds",)
NOT_MADE = ("waiting", LEFT_OUT)  # a run's status in the manifest
COLUMNS = (
    "chapter", "dataset", "quantity", "model", "attack", "made_on", "parameters", "differing", "seed_a",
    "seed_b", "value", "unit", "n_a", "a", "low_a", "high_a", "n_b", "b", "low_b", "high_b",
    "difference", "low", "high", "test", "verdict",
)  # fmt: skip
NOTE = """\
Differences are b - a, in points, with 95 % intervals; "within" are those whose interval holds 0.
The intervals cover the choice of test images, not the chance in training: models of different seeds
may be apart more often."""


def compare(a: Path, b: Path, target: Path | None = None) -> str:
    """Compare two builds; write the table as CSV and return the text to print.

    Parameters
    ----------
    a, b
        Folders of builds.
    target
        Folder for ``compare-<a>-<b>.csv``; the project's build/ unless given.

    Raises
    ------
    ValueError
        If a folder is missing, holds no build or no records, a record is damaged, both are the same
        folder, they share no number, or the table cannot be written.
    """
    first, second = read_build(a), read_build(b)
    if first.folder == second.folder:
        raise ParameterError(f"--compare {a} {b}: both are the same folder; give two builds")
    pairs = pair_up(first.records, second.records)
    rows = [row for pair in pairs for row in _rows(*pair, same_images(*pair, first, second))]
    table = pd.DataFrame(rows, columns=[*COLUMNS, "what"], dtype=object)  # counts stay whole
    if table.empty:
        raise ParameterError(
            f"--compare {a} {b}: the two builds share no record that could be compared. "
            f"{a} has {first.places}; {b} has {second.places}"
        )
    folder = given_folder("--output", target or paths.PROJECT / "build")
    path = folder / f"compare-{first.folder.name}-{second.folder.name}.csv"
    try:
        write_atomically(path, table.to_csv(columns=COLUMNS, index=False))
    except OSError as error:
        raise ParameterError(
            f"--output {folder} cannot be written ({error.strerror}); choose a folder of your own"
        ) from None
    told = table["verdict"].notna()
    accuracies, others = table[told], table[~told]
    parts = [
        _heading(first, second),
        _counts(first, second, len(pairs), accuracies, len(others)),
        _tables(accuracies, others),
    ]
    return "\n".join(["\n".join(part) + "\n" for part in parts] + [f"Table: {path}"])


# The numbers ------------------------------------------------------------------------------------


def _rows(a: Record, b: Record, paired: bool) -> Iterator[dict[str, Any]]:
    """Set the numbers of two records side by side, by the columns of the CSV."""
    differing = _differing(a.parameters, b.parameters)
    shared = {k: v for k, v in a.parameters.items() if k != "seed" and k not in differing}
    row = {
        "chapter": a.chapter,
        "dataset": a.dataset,
        "quantity": a.quantity,
        "model": a.model and str(a.model),
        "attack": a.attack,
        "made_on": a.made_on and str(a.made_on),
        "parameters": json.dumps(shared),
        "differing": "; ".join(differing.values()),
        "seed_a": a.seed,
        "seed_b": b.seed,
        "what": _describe(a, differing),
    }
    accuracy = a.quantity == "accuracy"
    if accuracy:
        yield row | _accuracies(a, b, paired)
    for name, one in a.values.items():
        other = b.values.get(name)
        told = name in NOT_COMPARED or (accuracy and name in OF_ACCURACY)
        if not told and is_number(one) and is_number(other):
            yield row | {"value": name, "a": one, "b": other, "difference": other - one}


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, str]:
    """Write the parameters that differ as ``epsilon 0.1 | 0.2``; the seed stands elsewhere."""
    pairs = {name: (plain(a.get(name)), plain(b.get(name))) for name in dict.fromkeys([*a, *b])}
    return {n: f"{n} {x} | {y}" for n, (x, y) in pairs.items() if x != y and n != "seed"}


def _describe(record: Record, differing: Mapping[str, str]) -> str:
    """Say in a line what was measured, with the settings that differ; the CSV has all of them."""
    words = [] if record.quantity == "accuracy" else [record.quantity]
    words += [str(record.model)] if record.model else []
    if record.attack:
        words.append(ATTACKS[record.attack].label if record.attack in ATTACKS else record.attack)
    if record.made_on and not record.white_box:
        words[-1] += f" made on {record.made_on}"
    for name, value in record.parameters.items():
        if (name == "epsilon" or says_what(record, name)) and name not in differing:
            words.append(name if value is True else f"{name} {plain(value)}")
    return ", ".join([*words, *differing.values()])


def _accuracies(a: Record, b: Record, paired: bool) -> dict[str, Any]:
    if paired:
        difference = paired_difference(b.arrays["correct"], a.arrays["correct"])
    else:
        counts = [record.values[name] for record in (b, a) for name in ("n_correct", "n")]
        difference = independent_difference(*counts)
    row: dict[str, Any] = {
        "value": "accuracy",
        "unit": "%",
        "difference": 100 * difference.value,
        "low": 100 * difference.low,
        "high": 100 * difference.high,
        "test": "paired" if paired else "unpaired",
        "verdict": "within" if difference.low <= 0 <= difference.high else "apart",
    }
    for side, values in (("a", a.values), ("b", b.values)):
        row[f"n_{side}"], row[side] = values["n"], 100 * values["accuracy"]
        row[f"low_{side}"], row[f"high_{side}"] = 100 * values["low"], 100 * values["high"]
    return row


# The text ---------------------------------------------------------------------------------------


def _heading(a: Build, b: Build) -> Iterator[str]:
    for letter, build in (("a", a), ("b", b)):
        made = build.manifest
        data = dict.fromkeys(f"{entry['name']} {entry['status']}" for entry in made["datasets"])
        seeds = ", ".join(map(str, sorted({record.seed for record in build.records})))
        yield f"{letter}: {build.folder}"
        yield (
            f"   profile {made['profile']}, revision {made['revision'] or 'unknown'}, "
            f"started {made['started'][:16].replace('T', ' ')}, {made['status']}, seed {seeds}"
        )
        yield from _wrapped(f"   data: {', '.join(data) or 'none noted'}")
    differing: dict[str, list[str]] = {}
    for slug, run in a.manifest["runs"].items():
        other = b.manifest["runs"].get(slug, run)
        if {run["status"], other["status"]}.isdisjoint(NOT_MADE):
            for text in _differing(run["parameters"], other["parameters"]).values():
                differing.setdefault(text, []).append(run["name"])
    if differing:
        yield "Parameters of the runs that differ (a | b):"
    for text, runs in differing.items():
        yield from _wrapped(f"   {text}: {', '.join(runs)}")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * 6)


def _counts(
    a: Build, b: Build, shared: int, accuracies: pd.DataFrame, others: int
) -> Iterator[str]:
    yield (
        f"{shared} shared records ({len(a.records) - shared} only in a, "
        f"{len(b.records) - shared} only in b): {len(accuracies)} accuracies, {others} other numbers."
    )
    if not accuracies.empty:
        apart, paired = (
            (accuracies["verdict"] == "apart").sum(),
            (accuracies["test"] == "paired").sum(),
        )
        n = len(accuracies)
        yield (
            f"Accuracies: {n - apart} within, {apart} apart; by chance about 5 % of independent "
            f"comparisons are apart (here {0.05 * n:.0f})."
        )
        yield (
            f"{paired} are compared image by image on the same images, {n - paired} as if on "
            "independent ones."
        )
        yield NOTE


def _tables(accuracies: pd.DataFrame, others: pd.DataFrame) -> Iterator[str]:
    # Of 1000 images, one is a tenth of a point.
    digits = 2 if (accuracies[["n_a", "n_b"]] > 1000).any(axis=None) else 1
    apart, changed = accuracies[accuracies["verdict"] == "apart"], others[others["difference"] != 0]
    for title, chosen in (("ACCURACIES THAT ARE APART", apart), ("ALL ACCURACIES", accuracies)):
        cells = [_accuracy_cells(row, digits) for row in chosen.itertuples()]
        yield from _aligned(title, ["images", "a", "b", "difference", ""], chosen, cells)
    cells = [
        [f"{row.what}: {row.value}", f"{row.a:.4g}", f"{row.b:.4g}", f"{row.difference:+.4g}"]
        for row in changed.itertuples()
    ]
    yield from _aligned("OTHER NUMBERS THAT DIFFER", ["a", "b", "difference"], changed, cells)
    yield f"Other numbers that are equal: {len(others) - len(changed)}."


def _accuracy_cells(row: Any, digits: int) -> list[str]:
    def shown(sign: str, *numbers: float) -> str:
        value, low, high = (f"{number:{sign}.{digits}f}" for number in numbers)
        return f"{value} [{low}, {high}]"

    return [
        row.what,
        str(row.n_a) if row.n_a == row.n_b else f"{row.n_a} | {row.n_b}",
        shown("", row.a, row.low_a, row.high_a),
        shown("", row.b, row.low_b, row.high_b),
        shown("+", row.difference, row.low, row.high),
        row.verdict,
    ]


def _aligned(
    title: str, header: Sequence[str], rows: pd.DataFrame, cells: Sequence[Sequence[str]]
) -> Iterator[str]:
    """Align cells in columns, under a line for each place; a long first cell goes on below."""
    if rows.empty:
        return
    yield title
    table = [["", *header], *cells]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - 2 * len(widths))
    places = ["", *(rows["chapter"] + ", " + rows["dataset"])]
    last = ""
    for place, (what, *numbers) in zip(places, table, strict=True):
        if place != last:
            yield place
        last = place
        first, *more = textwrap.wrap(what, widths[0], subsequent_indent="  ") or [""]
        rest = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        yield "  ".join(["", first.ljust(widths[0]), *rest]).rstrip()
        yield from (f"  {line}" for line in more)
    yield ""
