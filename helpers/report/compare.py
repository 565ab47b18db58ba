"""Two builds side by side: the records they share, and whether their accuracies differ.

Differences are b - a. An accuracy's has a 95 % interval, paired where both builds tested the same
images; one whose interval holds zero is called "within", any other "apart".
"""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.evaluation import Record, independent_difference, paired_difference
from helpers.files import write_atomically
from helpers.parameters import ParameterError
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

Row = dict[str, Any]  # one number of both builds, by the columns of the CSV

WIDTH = 120
OF_ACCURACY = ("n", "n_correct", "accuracy", "low", "high")
NOT_COMPARED = ("seconds",)
NOT_MADE = ("waiting", "not built")  # a run's status in the manifest
COLUMNS = (
    "chapter", "dataset", "quantity", "model", "attack", "parameters", "differing", "seed_a", "seed_b",
    "value", "unit", "n_a", "a", "low_a", "high_a", "n_b", "b", "low_b", "high_b",
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
    if not rows:
        raise ParameterError(
            f"--compare {a} {b}: the two builds share no record that could be compared. "
            f"{a} has {first.places}; {b} has {second.places}"
        )
    folder = given_folder("--output", target or paths.PROJECT / "build")
    path = folder / f"compare-{first.folder.name}-{second.folder.name}.csv"
    try:
        write_atomically(path, _csv(rows))
    except OSError as error:
        raise ParameterError(
            f"--output {folder} cannot be written ({error.strerror}); choose a folder of your own"
        ) from None
    parts = [_heading(first, second), _counts(first, second, len(pairs), rows), _tables(rows)]
    return "\n".join(["\n".join(part) + "\n" for part in parts] + [f"Table: {path}"])


# The numbers ------------------------------------------------------------------------------------


def _rows(a: Record, b: Record, paired: bool) -> Iterator[Row]:
    differing = _differing(a, b)
    shared = {k: v for k, v in a.parameters.items() if k != "seed" and k not in differing}
    row = {
        "chapter": a.chapter,
        "dataset": a.dataset,
        "quantity": a.quantity,
        "model": a.model,
        "attack": a.attack,
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


def _differing(a: Record, b: Record) -> dict[str, str]:
    """Write the parameters that differ as ``epsilon 0.1 | 0.2``; the seed stands elsewhere."""
    texts = {}
    for name in dict.fromkeys([*a.parameters, *b.parameters]):
        x, y = plain(a.parameters.get(name)), plain(b.parameters.get(name))
        if x != y and name != "seed":
            texts[name] = f"{name} {x} | {y}"
    return texts


def _describe(record: Record, differing: dict[str, str]) -> str:
    """Say in a line what was measured, with the settings that differ; the CSV has all of them."""
    words = [] if record.quantity == "accuracy" else [record.quantity]
    words += [name for name in (record.model, record.attack) if name]
    for name, value in record.parameters.items():
        told = name == "epsilon" or (says_what(record, name) and value != record.model)
        if told and name not in differing:
            words.append(name if value is True else f"{name} {plain(value)}")
    return ", ".join([*words, *differing.values()])


def _accuracies(a: Record, b: Record, paired: bool) -> Row:
    if paired:
        difference = paired_difference(b.arrays["correct"], a.arrays["correct"])
    else:
        counts = [record.values[name] for record in (b, a) for name in ("n_correct", "n")]
        difference = independent_difference(*counts)
    row: Row = {
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


def _csv(rows: Iterable[Row]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


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
    differing = _differing_runs(a, b)
    if differing:
        yield "Parameters of the runs that differ (a | b):"
    for text, runs in differing.items():
        yield from _wrapped(f"   {text}: {', '.join(runs)}")


def _differing_runs(a: Build, b: Build) -> dict[str, list[str]]:
    """Say which parameters of the runs that both have made differ, and of which runs."""
    found: dict[str, list[str]] = {}
    for slug, run in a.manifest["runs"].items():
        other = b.manifest["runs"].get(slug, run)
        if not {run["status"], other["status"]}.isdisjoint(NOT_MADE):
            continue
        for name in dict.fromkeys([*run["parameters"], *other["parameters"]]):
            x, y = (plain(one["parameters"].get(name)) for one in (run, other))
            if x != y and name != "seed":
                found.setdefault(f"{name} {x} | {y}", []).append(run["name"])
    return found


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * 6)


def _counts(a: Build, b: Build, shared: int, rows: Sequence[Row]) -> Iterator[str]:
    accuracies = [row for row in rows if "verdict" in row]
    verdicts, tests = (Counter(row[name] for row in accuracies) for name in ("verdict", "test"))
    yield (
        f"{shared} shared records ({len(a.records) - shared} only in a, "
        f"{len(b.records) - shared} only in b): {len(accuracies)} accuracies, "
        f"{len(rows) - len(accuracies)} other numbers."
    )
    if accuracies:
        yield (
            f"Accuracies: {verdicts['within']} within, {verdicts['apart']} apart; by chance about 5 % "
            f"of independent comparisons are apart (here {0.05 * len(accuracies):.0f})."
        )
        yield (
            f"{tests['paired']} are compared image by image on the same images, "
            f"{tests['unpaired']} as if on independent ones."
        )
        yield NOTE


def _tables(rows: Sequence[Row]) -> Iterator[str]:
    accuracies = [row for row in rows if "verdict" in row]
    others = [row for row in rows if "verdict" not in row]
    changed = [row for row in others if row["difference"] != 0]
    # Of 1000 images, one is a tenth of a point.
    digits = 2 if any(max(row["n_a"], row["n_b"]) > 1000 for row in accuracies) else 1
    apart = [row for row in accuracies if row["verdict"] == "apart"]
    for title, chosen in (("ACCURACIES THAT ARE APART", apart), ("ALL ACCURACIES", accuracies)):
        if chosen:
            cells = [(row, _accuracy_cells(row, digits)) for row in chosen]
            yield from (title, *_aligned(("", "images", "a", "b", "difference", ""), cells), "")
    if changed:
        cells = [(row, _other_cells(row)) for row in changed]
        title = "OTHER NUMBERS THAT DIFFER"
        yield from (title, *_aligned(("", "a", "b", "difference"), cells), "")
    yield f"Other numbers that are equal: {len(others) - len(changed)}."


def _accuracy_cells(row: Row, digits: int) -> list[str]:
    n_a, n_b = row["n_a"], row["n_b"]
    cells = [row["what"], str(n_a) if n_a == n_b else f"{n_a} | {n_b}"]
    for names, sign in (
        (("a", "low_a", "high_a"), ""),
        (("b", "low_b", "high_b"), ""),
        (("difference", "low", "high"), "+"),
    ):
        value, low, high = (f"{row[name]:{sign}.{digits}f}" for name in names)
        cells.append(f"{value} [{low}, {high}]")
    return [*cells, row["verdict"]]


def _other_cells(row: Row) -> list[str]:
    numbers = [f"{row['a']:.4g}", f"{row['b']:.4g}", f"{row['difference']:+.4g}"]
    return [f"{row['what']}: {row['value']}", *numbers]


def _aligned(header: Sequence[str], rows: Sequence[tuple[Row, Sequence[str]]]) -> Iterator[str]:
    """Align cells in columns, under a line for each place; a long first cell goes on below."""
    table = [header, *(cells for _, cells in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - 2 * len(widths))
    places = ["", *(f"{row['chapter']}, {row['dataset']}" for row, _ in rows)]
    last = ""
    for place, cells in zip(places, table, strict=True):
        if place != last:
            yield place
        last = place
        first, *more = textwrap.wrap(cells[0], widths[0], subsequent_indent="  ") or [""]
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        yield "  ".join(["", first.ljust(widths[0]), *rest]).rstrip()
        yield from (f"  {line}" for line in more)
