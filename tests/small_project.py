"""A small project for the tests of the report: three chapters, kernels that do little.

``python small_project.py ROOT ...`` is its command line in a process of its own.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import nbformat
import pytest
from click.testing import CliRunner

from helpers import parameters, paths, vocabulary

CHAPTERS = ("01_data", "02_models", "09_findings")
MODES = Literal["good", "error", "die", "leave", "slow"]
TAKEN = {
    "dataset": "2", "allow_expensive": "2", "seed": "1-2 9", "data_dir": "1-2 9",
    "output_dir": "1-2 9", "store_dir": "1-2 9",
}  # fmt: skip
VOCABULARY = {
    name: replace(vocabulary.VOCABULARY[name], chapters=those) for name, those in TAKEN.items()
} | {
    "size": vocabulary.Parameter(vocabulary.Count, "1-2", "how many", 1000),
    "mode": vocabulary.Parameter(MODES, "2", "what to do"),
}
REPORT_ITEMS = ("figure-1", "figure-2", "table-1")
IN_PLACE = {"CHAPTERS": CHAPTERS, "FINDINGS": CHAPTERS[-1], "VOCABULARY": VOCABULARY,
            "REPORT_ITEMS": REPORT_ITEMS, "IMPORTED": ()}  # fmt: skip

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M/w"
    "HwAEBgIApD5fRAAAAABJRU5ErkJggg=="
)

PARAMETERS = """\
data_dir: str = "data"  # folder of the real data sets
output_dir: str = "build"  # records
store_dir: str = "build/store"  # models
seed: int = 0  # seed
"""

SAVE = """\
import os, sys
from pathlib import Path
sys.path = [path for path in sys.path if path]  # this project's helpers/ holds no library
from IPython.display import HTML, display
from helpers.evaluation.records import Records

counted = ("dataset", "size", "mode", "allow_expensive", "seed")
counted = {name: globals()[name] for name in counted if name in globals()}

def save(chapter, quantity, **values):
    records = Records(Path(output_dir), chapter, counted.get("dataset"), counted)
    records.add(quantity, values=values, dataset="digits" if chapter == "01_data" else None)
    records.write()
    return records.table

def figure(number, dataset):
    return HTML(f'<figure id="figure-{number}-{dataset}" class="figure"><img alt="A pixel." '
                f'src="PIXEL"><figcaption><b>Figure {number} ({dataset}).</b> One.</figcaption>'
                '</figure>')
""".replace("PIXEL", PIXEL)

PIECES = """\
name,made,seconds,processor_seconds,cpu,threads,revision
digits-original-0123456789abcdef.keras,loaded,40.5,70.25,Some CPU (avx2),2,abc
digits-bim-0123456789abcdef.npz,made,2.0,3.0,Some CPU (avx2),1,
"""

DATA = [
    "# 1. Data\n\nSee [Figure 2](#figure-2) and [the models](02_models.ipynb).",
    PARAMETERS + "size: int = 1  # how many",
    SAVE,
    "## What is there\n\nThe radius $\\varepsilon \\le \\frac{1}{2}$ is small.",
    "save('01_data', 'data', label='digits', status='generated', digest='ab12', n_train=1597,"
    " n_test=200)\n"
    "figure(1, 'digits')",
]

MODELS = [
    "# Models\n\nWith [Figure 2](#figure-2), [Table 1](#table-1), [below](#Accuracy), "
    "[the data](01_data.ipynb#What-is-there).",
    PARAMETERS + 'dataset: str = "digits"  # data set\nsize: int = 1  # how many\n'
    'mode: str = "good"  # what to do\nallow_expensive: bool = False  # large sizes',
    SAVE,
    "## Accuracy\n\n$$ \\hat{y} = \\argmin_k \\|x - c_k\\|_2 $$",
    "print('\\r 10%|#    | epoch 1/10', file=sys.stderr)\n"
    "import time\n"
    "if mode == 'slow' and not (Path(output_dir) / 'hurry').exists():\n"
    "    (Path(output_dir) / 'pid').write_text(str(os.getpid()))\n"
    "    save('02_models', 'half')\n"
    "    time.sleep(600)\n"
    "if mode == 'error' and dataset == 'digits':\n"
    "    raise ValueError('size is too good')\n"
    "if mode == 'die':\n"
    "    os.kill(os.getpid(), 9)\n"
    "if mode == 'leave':\n"
    "    sys.exit(0)",
    "table = save('02_models', 'accuracy', accuracy=0.5 * size)\n"
    f"table.with_suffix('.pieces.csv').write_text({PIECES!r})\n"
    "file = Path(output_dir) / 'tables' / f'table-1-{dataset}.csv'\n"
    "file.parent.mkdir(exist_ok=True)\n"
    "file.write_text('Model,Accuracy\\nCNN,99.1 %\\n')\n"
    "display(figure(2, dataset))\n"
    'display(HTML(f\'<figure id="table-1-{dataset}" class="table"><figcaption><b>Table 1 '
    "({dataset}).</b> Accuracy.</figcaption><table><thead><tr><th>Model</th><th>Accuracy</th></tr>"
    "</thead><tbody><tr><td>CNN</td><td>99.1 %</td></tr></tbody></table></figure>'))",
]

FINDINGS = [
    "# Findings\n\nReads what is there.",
    PARAMETERS,
    SAVE,
    "from helpers.evaluation.record import select\n"
    "from helpers.evaluation.records import read_records\n"
    "found = select(read_records(Path(output_dir)), quantity='accuracy')\n"
    "print('accuracies:', [record.values['accuracy'] for record in found])",
]

PROFILE = """\
purpose: a small one for the tests
common: {seed: 1}
datasets: {digits: {size: 2}, shapes: {}}
chapters: {}
runs: ["01_data", "02_models:digits", "02_models:shapes", "09_findings"]
"""


def write_notebook(path: Path, cells: list[str]) -> None:
    """Write a notebook whose second cell holds the parameters; markdown begins with ``#``."""
    notebook = nbformat.v4.new_notebook()
    for position, text in enumerate(cells):
        new = nbformat.v4.new_markdown_cell if text[0] == "#" else nbformat.v4.new_code_cell
        cell = new(text)
        if position == 1:
            cell.metadata["tags"] = ["parameters"]
        notebook.cells.append(cell)
    nbformat.write(notebook, path)


def takes_part(module: str) -> bool:
    """Whether a module shall take the small project for the project; claims stay the report's own."""
    return module.startswith("helpers") and not module.startswith("helpers.findings")


@contextmanager
def in_place_of_the_real_one(root: Path) -> Iterator[None]:
    """Let the library take the small project for the project."""
    for name in ("cli", "compare", "publish", "stitch"):  # with all that they import
        importlib.import_module(f"helpers.report.{name}")
    with pytest.MonkeyPatch.context() as patch:
        for folder in ("notebooks", "profiles"):
            patch.setattr(paths, folder.upper(), root / folder)
        patch.setattr(paths, "PROJECT", root)
        for name, module in list(sys.modules.items()):
            for constant in IN_PLACE.keys() & vars(module).keys() if takes_part(name) else ():
                patch.setattr(module, constant, IN_PLACE[constant])
        # Chapters of the same names take other parameters.
        parameters._model.cache_clear()
        yield
    parameters._model.cache_clear()


@dataclass(frozen=True)
class Sandbox:
    """The small project, and the command line run in it."""

    root: Path

    @property
    def output(self) -> Path:
        return self.root / "build" / "quick"

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run the command line in this process: importing it anew would take seconds."""
        from helpers.report import stamps
        from helpers.report.cli import command

        stamps.look_again()
        with in_place_of_the_real_one(self.root), chdir(self.root):
            done = CliRunner().invoke(command, arguments, prog_name="build_report.sh")
        told = done.stderr
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            told += "".join(traceback.format_exception(done.exception))
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, told)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Run the command line in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-P", __file__, str(self.root), *arguments],
            cwd=self.root,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def copy(self, root: Path) -> Sandbox:
        shutil.copytree(self.root, root)
        return Sandbox(root)


def make_sandbox(root: Path) -> Sandbox:
    for name in ("notebooks", "profiles", "helpers", "data"):
        (root / name).mkdir(parents=True)
    (root / "README.md").write_text("# A small project\n")
    (root / "helpers" / "lib.py").write_text('"""Words."""\nanswer = 42\n')
    for package in ("figures", "report"):
        (root / "helpers" / package).mkdir()
        (root / "helpers" / package / "part.py").write_text("width = 1\n")
    for name, cells in zip(CHAPTERS, (DATA, MODELS, FINDINGS), strict=True):
        write_notebook(root / "notebooks" / f"{name}.ipynb", cells)
    (root / "profiles" / "quick.yaml").write_text(PROFILE)
    (root / "profiles" / "pair.yaml").write_text(
        PROFILE.replace(
            PROFILE[PROFILE.index("runs:") :], 'runs: ["01_data", "02_models:digits"]\n'
        )
    )
    return Sandbox(root)


if __name__ == "__main__":
    import signal

    from helpers.report.cli import command

    # Ignored if the tests run in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with in_place_of_the_real_one(Path(sys.argv[1])):
        command(sys.argv[2:], prog_name="build_report.sh")
