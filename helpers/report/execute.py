"""Execute one notebook with papermill."""

from __future__ import annotations

import json
import logging
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Any, TextIO

from helpers import paths
from helpers.report.kernel import KERNEL, ChapterFailed, MemoryWatch, kernel, memory_limit

ANSI = re.compile(r"\x1b\[[0-9;]*m")
TAIL = 12  # lines of an error or a log that a message shows


@dataclass
class Listener:
    """Passes on what the notebook prints, to its log file and to the progress line."""

    log: TextIO
    on_text: Callable[[str], None]

    def write(self, text: str) -> None:
        self.log.write(text)
        self.on_text(text)

    def flush(self) -> None:
        self.log.flush()


@contextmanager
def _logging_to(log: TextIO) -> Iterator[None]:
    """Keep the tools' own messages, as far as they are of this thread, out of the progress lines."""
    handler, logger, thread = (
        logging.StreamHandler(log),
        logging.getLogger("papermill"),
        get_ident(),
    )
    handler.addFilter(lambda record: record.thread == thread)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _last_lines(text: str) -> str:
    lines = [line.rstrip() for line in ANSI.sub("", text).splitlines() if line.strip()]
    return "\n".join(lines[-TAIL:])


def how_it_died(code: int, watch: MemoryWatch) -> str:
    """Say how a kernel ended, and blame memory only where it was short."""
    by = f"killed by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    text = f"the kernel died, {by}"
    total = memory_limit()
    if watch.peak:
        text += f", at {watch.mebibytes()} MiB of this machine's {total / 2**20:.0f} MiB"
    if code == -signal.SIGKILL:
        short = watch.peak > total / 4 or watch.least_available < total / 10
        text += (
            "; most often that is a lack of memory: free some, or make the run smaller, "
            "for example with --set batch_size=32"
            if short
            else "; there was memory left, so something else ended it: a person, a scheduler, a limit"
        )
    return text


def _refuse_early_end(notebook: Any) -> None:
    """papermill takes ``sys.exit(0)`` in a cell for success, and leaves out the cells after it."""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            raise ChapterFailed(
                f"cell {number} of {len(notebook.cells)}",
                "never ran: an earlier cell ended the notebook",
            )


def _run_cells(
    manager: Any,
    watch: MemoryWatch,
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    listener: Listener,
    on_cell: Callable[[int, int], None],
) -> Any:
    """Run papermill in a started kernel, and put whatever goes wrong in one kind of error."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    total, current = _cell_count(source), 0
    process = manager.provisioner.process

    def cell_starts(cell, cell_index):
        nonlocal current
        current = cell_index + 1
        on_cell(current, total)

    try:
        notebook = papermill.execute_notebook(
            source,
            target,
            dict(parameters),
            kernel_name=KERNEL,
            language="python",
            progress_bar=False,
            stdout_file=listener,
            stderr_file=listener,
            cwd=paths.PROJECT,
            km=manager,
            on_cell_start=cell_starts,
            coalesce_streams=True,
        )
    except PapermillExecutionError as error:
        first = next((line for line in error.source.splitlines() if line.strip()), "")
        raise ChapterFailed(
            f"cell {current} of {total}, In [{error.exec_count}]: {first.strip()}",
            _last_lines("\n".join(error.traceback)),
        ) from None
    except Exception as error:  # a kernel that dies or hangs shows as many kinds of exception
        code = process.poll()
        told = f"{type(error).__name__}: {error}" if code is None else how_it_died(code, watch)
        listener.flush()
        printed = _last_lines(Path(listener.log.name).read_text(encoding="utf-8", errors="replace"))
        where = f"cell {current} of {total}" if current else "the start of the kernel"
        raise ChapterFailed(where, f"{told}\n{printed}".strip()) from error
    _refuse_early_end(notebook)
    return notebook


def _cell_count(source: Path) -> int:
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    return len(cells) + 1  # papermill injects one


def execute(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    log: Path,
    lock: Path,
    *,
    on_cell: Callable[[int, int], None],
    on_text: Callable[[str], None],
) -> tuple[Any, float, int]:
    """Execute a notebook with other parameters.

    Parameters
    ----------
    source, target
        The notebook; where to write it as it is executed, cell by cell.
    parameters
        Values of the cell tagged ``parameters``.
    log
        File for everything that the notebook and its kernel print.
    lock
        File that the kernel holds as long as it lives.
    on_cell, on_text
        Called as a cell begins (its number from 1, the number of cells), and with printed text.

    Returns
    -------
    notebook, seconds, peak_memory_mib
        The executed notebook, the wall time, and the kernel's peak memory.

    Raises
    ------
    ChapterFailed
        If a cell raised an error, or the kernel died or could not start.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    begun, watch = time.monotonic(), None
    with log.open("w", encoding="utf-8") as file, _logging_to(file):
        try:
            with kernel(file, lock) as manager:
                watch = MemoryWatch(manager.provisioner.pid)
                watch.start()
                try:
                    notebook = _run_cells(
                        manager, watch, source, target, parameters, Listener(file, on_text), on_cell
                    )
                finally:
                    watch.stop()
        except ChapterFailed as failure:
            failure.seconds = time.monotonic() - begun
            failure.peak_memory_mib = watch.mebibytes() if watch else 0
            raise
    return notebook, time.monotonic() - begun, watch.mebibytes()
