"""Records: what was measured on what, as figures, tables and verdicts read it.

A run of a chapter keeps its records in memory and writes them when it is done, as two files that are
there together or not at all: a table (CSV, a row for each record) and, in one NumPy file, what was
measured image by image, so that later tests can be paired. Runs with other parameters have other files.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock

from helpers.evaluation.model_id import ModelId
from helpers.evaluation.record import MODELS, PLACE, Record, told_of
from helpers.evaluation.statistics import accuracy_values
from helpers.files import RECORDS, write_atomically

csv.field_size_limit(2**31 - 1)  # the confusions of some hundred classes are one cell

# Where things lie changes no result: these parameters do not tell one set of records from another.
FOLDERS = ("data_dir", "output_dir", "store_dir")

# What reading a damaged table or array file may meet.
DAMAGE = (
    OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, csv.Error, BadZipFile,
)  # fmt: skip

# Groups of further columns, `parameters.epsilon` for one: who was tested, on which model the attack was
# made, what else decides the result, and the result.
GROUPS = (*MODELS, "parameters", "values")


def records_name(chapter: str, dataset: str | None, parameters: Mapping[str, Any]) -> str:
    """Name the files of a run's records, without their endings: another run, another name.

    Parameters
    ----------
    chapter, dataset
        Whose records; `dataset` is None for a chapter about several.
    parameters
        Validated, plain JSON values; the folders among them do not count.
    """
    counted = {name: value for name, value in parameters.items() if name not in FOLDERS}
    text = json.dumps(counted, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return "-".join([chapter, *([dataset] if dataset else []), digest])


class Records:
    """The records of one run of one chapter, to be written when it is done.

    Parameters
    ----------
    output
        The build's folder.
    chapter, dataset
        Whose records; `dataset` is None for a chapter about several.
    parameters
        The chapter's, validated, as plain JSON values; ``seed`` among them is noted in each record.
    """

    def __init__(
        self, output: Path, chapter: str, dataset: str | None, parameters: Mapping[str, Any]
    ):
        self.chapter, self.dataset, self.seed = chapter, dataset, parameters["seed"]
        name = records_name(chapter, dataset, parameters)
        self.table = Path(output) / "records" / f"{name}.csv"
        self.all: list[Record] = []
        self._identities: set[str] = set()

    def add(
        self,
        quantity: str,
        *,
        model: ModelId | None = None,
        attack: str = "",
        made_on: ModelId | None = None,
        parameters: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        dataset: str | None = None,
    ) -> Record:
        """Take up a record and return it."""
        dataset = dataset or self.dataset
        if dataset is None:
            raise ValueError("this chapter has no data set of its own: name the record's")
        record = Record(
            self.chapter, dataset, quantity, model, attack, made_on, dict(parameters or {}),
            self.seed, dict(values or {}), dict(arrays or {}),
        )  # fmt: skip
        identity = record.identity
        if identity in self._identities:
            raise ValueError(f"the same result is recorded twice: {identity}")
        self._identities.add(identity)
        self.all.append(record)
        return record

    def accuracy(
        self,
        correct: np.ndarray,
        *,
        model: ModelId,
        attack: str = "none",
        made_on: ModelId | None = None,
        parameters: Mapping[str, Any] | None = None,
        **measures: float,
    ) -> Record:
        """Record correct answers, bool (n,), as an accuracy with its interval."""
        correct = np.asarray(correct, bool)
        values = accuracy_values(int(correct.sum()), len(correct))
        return self.add(
            "accuracy", model=model, attack=attack, made_on=made_on, parameters=parameters,
            values=values | measures, arrays={"correct": correct},
        )  # fmt: skip

    def data_set(self, data) -> Record:
        """Record which data the chapter used (a `Dataset`)."""
        values = {
            "label": data.label,
            "status": data.status,
            "digest": data.digest,
            "n_train": len(data.y_train),
            "n_test": len(data.y_test),
        }
        return self.add("data", dataset=data.name, values=values)

    def write(self) -> str:
        """Write all records; returns a sentence that says where, and what they replace."""
        return write_records(self.table, self.all)


def write_records(table: Path, records: list[Record]) -> str:
    """Write records as ``NAME.csv``, and their arrays beside it; as :meth:`Records.write`."""
    arrays = table.with_suffix(".npz")
    buffer = io.BytesIO()
    held = {f"{k}.{name}": a for k, r in enumerate(records) for name, a in r.arrays.items()}
    np.savez_compressed(buffer, **held)
    content = _as_csv(records)
    table.parent.mkdir(parents=True, exist_ok=True)
    # Two runs with the same parameters, at once: one after the other, never half of each.
    with FileLock(table.with_name(f".{table.stem}.lock")):
        former = table.stat().st_mtime if table.exists() else None
        table.unlink(missing_ok=True)  # the table vouches for the arrays, so it comes last
        write_atomically(arrays, buffer.getvalue())
        write_atomically(table, content)
    said = f"{len(records)} records: {table.parent.name}/{table.name}"
    if former is None:
        return said
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(former))
    return f"{said}, in place of those of {when} with the same parameters"


def _groups(record: Record) -> dict[str, Any]:
    """Flatten what decides a record and what it holds, by the columns of the table."""
    groups = {name: told_of(getattr(record, name)) for name in MODELS}
    groups |= {"parameters": record.parameters, "values": record.values}
    return {f"{group}.{name}": value for group in GROUPS for name, value in groups[group].items()}


def _as_csv(records: list[Record]) -> str:
    rows = [_groups(record) for record in records]
    order = {group: k for k, group in enumerate(GROUPS)}
    heads = dict.fromkeys(head for row in rows for head in row)
    heads = sorted(
        heads, key=lambda head: order[head.partition(".")[0]]
    )  # keeps their order within
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["row", *PLACE, *heads, "arrays"])
    for number, (record, row) in enumerate(zip(records, rows, strict=True)):
        cells = [_cell(row[head]) if head in row else "" for head in heads]
        place = [getattr(record, name) for name in PLACE]
        writer.writerow([number, *place, *cells, " ".join(record.arrays)])
    return buffer.getvalue()


def _cell(value: Any) -> str:
    """Write a JSON value so that it can be read back; text stands as it is where nothing is lost."""
    if isinstance(value, str) and _value(value) == value:
        return value
    return json.dumps(value)


def _value(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell or None


def read_records(output: Path) -> list[Record]:
    """Read the records of a build or of notebooks run by hand, sorted by file.

    Of several runs of a chapter on a data set, with other parameters each, the newest counts.

    Parameters
    ----------
    output
        The folder that holds ``records``.

    Raises
    ------
    ValueError
        If a table is damaged; names the file.
    """
    newest: dict[str, Path] = {}
    tables = (Path(output) / "records").glob("*-*.csv")
    tables = (table for table in tables if re.fullmatch(RECORDS, table.name))
    for table in sorted(tables, key=lambda path: (path.stat().st_mtime_ns, path.name)):
        newest[table.stem.rpartition("-")[0]] = table
    found: list[Record] = []
    for table in sorted(newest.values()):
        found += read_table(table)
    return found


def told(found: list[Record], output: Path) -> str:
    """Say which runs the records are from or, where there are none, which folders have some."""
    if found:
        runs = dict.fromkeys((r.chapter, r.dataset) for r in found)
        names = ", ".join(f"{chapter} ({dataset})" for chapter, dataset in runs)
        return f"{len(found)} records of {names}"
    tables = Path(output).resolve().parent.glob("*/records/*.csv")
    others = sorted({table.parent.parent for table in tables})
    there = f"; there are some in {', '.join(map(str, others))}: set output_dir" if others else ""
    return (
        f"There are no records in {Path(output) / 'records'}. Run the other chapters with the same "
        f"output_dir, or ./build_report.sh{there}."
    )


def read_table(table: Path, *, arrays: bool = True) -> list[Record]:
    """Read one run's records; with `arrays`, what was measured image by image too."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if (reader.fieldnames or [])[: 1 + len(PLACE)] != ["row", *PLACE]:
                raise ValueError("its columns are not those of records")
            rows = list(reader)
        held = _read_arrays(table.with_suffix(".npz")) if arrays else {}
        return [_record(row, held, arrays) for row in rows]
    except DAMAGE as error:
        raise ValueError(
            f"the records {table} are damaged ({error!r}); delete the file and run its chapter again"
        ) from None


def _record(row: dict[str, str], held: Mapping[str, np.ndarray], arrays: bool) -> Record:
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for head, cell in row.items():
        group, dot, name = head.partition(".")
        if dot and cell != "":
            groups[group][name] = _value(cell)
    names = row["arrays"].split() if arrays else []
    models = {name: ModelId(**about) if (about := groups.pop(name)) else None for name in MODELS}
    return Record(
        **{name: row[name] for name in PLACE if name != "seed"},
        seed=int(row["seed"]),
        **models,
        **groups,
        arrays={name: held[f"{row['row']}.{name}"] for name in names},
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
