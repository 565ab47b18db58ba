"""A small project of its own for the tests of the report: three chapters, kernels that do little."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M/w"
    "HwAEBgIApD5fRAAAAABJRU5ErkJggg=="
)

# Puts the small project in the place of the real one, then runs the command line.
DRIVER = """
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal
from helpers import parameters, paths

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in the background

paths.PROJECT = Path(__file__).parent
paths.NOTEBOOKS = paths.PROJECT / "notebooks"
paths.PROFILES = paths.PROJECT / "profiles"
parameters.CHAPTERS = ("01_data", "02_models", "09_findings")
mode = Literal["good", "error", "die", "leave", "slow"]
takes = {"dataset": "2", "allow_expensive": "2", "seed": "129", "data_dir": "129", "output_dir": "129",
         "store_dir": "129"}
parameters.VOCABULARY = {
    name: replace(parameters.VOCABULARY[name], chapters=digits) for name, digits in takes.items()
} | {
    "size": parameters.Parameter(parameters.Count, "12", "how many", 1000),
    "mode": parameters.Parameter(mode, "2", "what to do"),
}

from helpers.report import check
from helpers.report.cli import command

check.REPORT_ITEMS = ("figure-1", "figure-2", "table-1")
command(prog_name="build_report.sh")
"""

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
    "    time.sleep(60)\n"
    "if mode == 'error' and dataset == 'digits':\n"
    "    raise ValueError('size is too good')\n"
    "if mode == 'die':\n"
    "    os.kill(os.getpid(), 9)\n"
    "if mode == 'leave':\n"
    "    sys.exit(0)",
    "table = save('02_models', 'accuracy', accuracy=0.5 * size)\n"
    f"table.with_suffix('.pieces.csv').write_text({PIECES!r})\n"
    "display(figure(2, dataset))\n"
    'display(HTML(f\'<figure id="table-1-{dataset}" class="table"><figcaption><b>Table 1 '
    "({dataset}).</b> Accuracy.</figcaption><table><thead><tr><th>Model</th><th>Accuracy</th></tr>"
    "</thead><tbody><tr><td>CNN</td><td>99.1 %</td></tr></tbody></table></figure>'))",
]

FINDINGS = [
    "# Findings\n\nReads what is there.",
    PARAMETERS,
    SAVE,
    "from helpers.evaluation.records import read_records, select\n"
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


@dataclass(frozen=True)
class Sandbox:
    """The small project, and the command line run in it."""

    root: Path

    @property
    def output(self) -> Path:
        return self.root / "build" / "quick"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", str(self.root / "driver.py"), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments), cwd=self.root, capture_output=True, text=True, timeout=240
        )

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(*arguments),
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
    (root / "driver.py").write_text(DRIVER, encoding="utf-8")
    (root / "helpers" / "lib.py").write_text('"""Words."""\nanswer = 42\n')
    for package in ("figures", "report"):
        (root / "helpers" / package).mkdir()
        (root / "helpers" / package / "part.py").write_text("width = 1\n")
    for name, cells in (("01_data", DATA), ("02_models", MODELS), ("09_findings", FINDINGS)):
        write_notebook(root / "notebooks" / f"{name}.ipynb", cells)
    (root / "profiles" / "quick.yaml").write_text(PROFILE)
    (root / "profiles" / "pair.yaml").write_text(
        PROFILE.replace(
            PROFILE[PROFILE.index("runs:") :], 'runs: ["01_data", "02_models:digits"]\n'
        )
    )
    return Sandbox(root)


@pytest.fixture
def sandbox(tmp_path) -> Sandbox:
    """Make the small project, nothing built yet."""
    return make_sandbox(tmp_path / "project")


@pytest.fixture(scope="session")
def built_once(tmp_path_factory) -> tuple[Sandbox, subprocess.CompletedProcess]:
    """Build the small project's report; to be read, not changed."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("built") / "project")
    return sandbox, sandbox.run()


@pytest.fixture
def built(built_once, tmp_path) -> Sandbox:
    """Copy the built project, to be changed freely."""
    return built_once[0].copy(tmp_path / "project")


@pytest.fixture(scope="session")
def quick_build() -> tuple[Path, subprocess.CompletedProcess]:
    """The quick build where users have it: what is there already is reused, and then tested."""
    project = Path(__file__).resolve().parents[1]
    command = [project / "build_report.sh", "quick"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    return project / "build" / "quick", done
