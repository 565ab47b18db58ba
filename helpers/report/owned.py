"""What a build wrote, and its removal: by names that only a build gives, and never through a link."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from helpers import files
from helpers.experiment import sharing
from helpers.parameters import ParameterError
from helpers.profiles import Run
from helpers.report import stamps
from helpers.report.output import KERNELS, Output, is_slug

OWN = ("notebooks", "records", "logs", "figures", "tables", "store")
DRAWN = r"(?:figure|table)-\d+[\w-]*"
DRAWN_AS = ("svg", "png", "csv")  # a figure, and what it draws
FILE = rf"{DRAWN}\.(?:{'|'.join(DRAWN_AS)})"
# What write_atomically may have been killed at, in any of the folders.
WRITTEN = (
    rf"manifest\.json(?:\.bak)?|report(?:\.rejected)?\.html|[\w-]+\.ipynb|{files.RECORDS}"
    rf"|{files.PIECES}|{FILE}|(?:{files.PIECE})\.json"
)


def _own_folders(output: Output) -> Iterator[Path]:
    """Go through the build's folders; what a link stands for lies elsewhere and is left alone."""
    for name in OWN:
        folder = output.folder / name
        if folder.is_dir() and not folder.is_symlink():
            yield folder


def _unlink(output: Output, *paths: Path) -> None:
    folders = {output.folder, *_own_folders(output)}
    for path in paths:
        if path.parent in folders and (path.is_symlink() or path.is_file()):
            path.unlink()


def remove_run(output: Output, slug: str) -> None:
    """Remove everything of one run, the executed notebook first: what vouches for the rest.

    Raises
    ------
    ParameterError
        If no run can have this name, as it may stand in a manifest from elsewhere.
    """
    if not is_slug(slug):
        raise ParameterError(
            f"{slug!r}: a run is called by its chapter, or by chapter and data set, such as "
            "02_models-mnist; nothing of this one is removed"
        )
    notebooks = (output.notebook(slug), output.partial(slug), output.failed(slug))
    written = [path for notebook in notebooks for path in drawn(output, notebook)]
    for name in record_files(stamps.read(output, slug) or {}):
        if re.match(rf"{re.escape(slug)}-[0-9a-f]{{8}}\.", name):
            written += [output.folder / "records" / n for n in (name, f".{name[:-4]}.lock")]
    _unlink(output, *notebooks)
    _unlink(output, output.log(slug), *written)


def record_files(entry: Mapping[str, Any]) -> list[str]:
    """Name the files of a run's records, and of their cost, that its stamp or the manifest lists."""
    listed = [*(entry.get("records") or ()), (entry.get("pieces") or {}).get("file")]
    own = rf"{files.RECORDS}|{files.PIECES}"
    return [name for name in listed if re.fullmatch(own, str(name))]


def remove_records(output: Output, run: Run) -> None:
    """Remove what a run that failed has recorded: the findings would judge it."""
    table = output.records(run)
    lock = table.with_name(f".{table.stem}.lock")
    _unlink(output, table, table.with_suffix(".npz"), output.pieces(run), lock)


def drawn(output: Output, notebook: Path) -> Iterator[Path]:
    """Find the files of the figures and tables that an executed notebook shows."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        shown = json.dumps([cell["outputs"] for cell in cells if cell["cell_type"] == "code"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # killed while it was written: what it had drawn is drawn again
    for name in set(re.findall(rf'<figure id=\\"({DRAWN})\\"', shown, re.ASCII)):
        yield from (output.folder / "figures" / f"{name}.{kind}" for kind in DRAWN_AS)
        yield output.folder / "tables" / f"{name}.csv"


def _clear_store(store: Path) -> None:
    """Remove the pieces that have a card, and what trainings that were cut short had parked."""
    for path in sorted(store.iterdir()):
        if re.fullmatch(rf"(?:{files.PIECE})\.json", path.name) and _is_card(path):
            path.unlink()  # first: a piece without its card does not count
            path.with_suffix("").unlink(missing_ok=True)
        elif re.fullmatch(rf"(?:{files.PIECE})\.checkpoint", path.name):
            files.remove_checkpoint(path)
        elif re.fullmatch(rf"(?:{files.PIECE})\.lock", path.name):
            if not path.stat().st_size:
                path.unlink()
        elif re.fullmatch(sharing.NAMES, path.name):  # a data set, as workers share it
            path.unlink()


def _is_card(path: Path) -> bool:
    """Tell whether the store wrote a card: its key must give the name."""
    try:
        key = json.loads(path.read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    identity = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    return path.with_suffix("").stem.endswith(f"-{identity}")


def clear(output: Output, slugs: Iterable[str]) -> None:
    """Remove what builds wrote in the folder, and nothing else.

    The manifest goes last: a folder that still has one is recognised as a build's by a restart.
    """
    for slug in slugs:
        remove_run(output, slug)
    _unlink(output, output.page, output.rejected, output.log(KERNELS))
    if output.store in _own_folders(output):
        _clear_store(output.store)
    for folder in _own_folders(output):
        files.remove_if_empty(folder)
    _unlink(output, output.backup, output.manifest)


def remove_left_overs(output: Output) -> None:
    """Remove what killed builds had only begun to write."""
    files.remove_left_overs(output.folder, WRITTEN)
    for folder in _own_folders(output):
        files.remove_left_overs(folder, WRITTEN)
