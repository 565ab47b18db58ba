"""The files around the code: environment, notebooks, reported numbers, and what nobody may commit."""

import ast
import contextlib
import re
import subprocess
import tomllib
from collections import Counter

import nbformat
import papermill
import pytest
import yaml

from helpers.data import DATASETS
from helpers.findings.reported import read_reported
from helpers.parameters import CHAPTERS, VOCABULARY, left_to_profile, taken
from helpers.paths import NOTEBOOKS, PROJECT
from helpers.profiles import load_profile, notebook_defaults, notebook_parameters

PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
DIRECT = [
    re.split(r"[<>=]", requirement)[0]
    for requirement in [
        *PROJECT_TABLE["dependencies"],
        *PROJECT_TABLE["optional-dependencies"]["dev"],
    ]
]


def locked() -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for line in (PROJECT / "requirements.lock").read_text().splitlines():
        if match := re.match(r"([a-z0-9.-]+)==([^ ]+)", line):
            versions.setdefault(match[1], []).append(match[2])
    return versions


def test_the_lock_holds_every_dependency_with_hashes():
    versions = locked()
    assert set(DIRECT) <= set(versions)
    text = (PROJECT / "requirements.lock").read_text()
    assert text.count("--hash=sha256:") >= len(versions)
    assert "http://" not in text
    assert "https://" not in text


def test_environment_yml_agrees_with_the_lock():
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    pinned = environment["dependencies"][-1]["pip"]
    pairs = dict(item.split("==") for item in pinned if "==" in item)
    assert set(pairs) == set(DIRECT)
    assert "-e ." in pinned
    versions = locked()
    assert {name: version for name, version in pairs.items() if version not in versions[name]} == {}


@pytest.fixture(params=sorted(CHAPTERS))
def chapter(request):
    return request.param, nbformat.read(NOTEBOOKS / f"{request.param}.ipynb", as_version=4)


def test_there_are_no_other_notebooks():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(CHAPTERS)


def test_notebooks_are_stripped_and_valid(chapter):
    _, notebook = chapter
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_the_parameters_cell_holds_described_literals_only(chapter):
    name, notebook = chapter
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    for line in cell.source.splitlines():
        assert re.fullmatch(r"\w+: \w+ = [^=#]+  # [^=]+", line), line
    literals = {
        item.target.id: ast.literal_eval(item.value) for item in ast.parse(cell.source).body
    }
    assert set(literals) == set(taken(name)) - set(left_to_profile(name))


def test_papermill_knows_every_parameter_and_its_meaning(chapter, caplog):
    name, _ = chapter
    found = papermill.inspect_notebook(NOTEBOOKS / f"{name}.ipynb")
    told = {parameter: entry["help"] for parameter, entry in found.items()}
    cell = set(taken(name)) - set(left_to_profile(name))
    assert told == {parameter: VOCABULARY[parameter].meaning for parameter in cell}
    assert "Unable to parse" not in caplog.text


def test_the_first_cells_say_what_the_chapter_is(chapter):
    name, notebook = chapter
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert "parameters" in notebook.cells[1].metadata.get("tags", [])
    assert f'Chapter("{name}", globals())' in notebook.cells[2].source


def test_cells_are_short(chapter):
    _, notebook = chapter
    lengths = [
        len([line for line in cell.source.splitlines() if line.strip()])
        for cell in notebook.cells[3:]  # after the parameters and the imports
        if cell.cell_type == "code"
    ]
    assert max(lengths) <= 15
    assert sorted(lengths)[len(lengths) // 2] <= 10


def test_every_chapter_ends_with_exercises_whose_commands_work(chapter):
    name, notebook = chapter
    last = notebook.cells[-1]
    assert last.cell_type == "markdown"
    assert "## Exercises" in last.source
    commands = re.findall(r"`(papermill [^`]+)`", last.source)
    for command in commands:
        _, path, out, *options = command.split()
        assert (path, out) == (f"notebooks/{name}.ipynb", "out.ipynb")
        assert options[::3] == ["-p"] * (len(options) // 3)
        given = dict(zip(options[1::3], map(parse_value, options[2::3]), strict=True))
        notebook_parameters(name, {**notebook_defaults(name), **given})
    assert commands or "./build_report.sh" in last.source


def parse_value(text):
    """Read a value as papermill's -p does."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def test_only_gradients_and_the_bridge_to_art_import_tensorflow():
    guilty = {
        path.name
        for path in (PROJECT / "helpers").rglob("*.py")
        if re.search(r"^\s*(import|from) tensorflow", path.read_text(), re.M)
    }
    assert guilty == {"gradients.py", "outside_attacks.py"}


# The order in which data flows; a module imports only from those named before it.
ORDER = [
    "files",
    "paths",
    "parameters",
    "profiles",
    "synthetic",
    "downloads",
    "readers",
    "own_data",
    "datasets",
    "gradients",
    "models",
    "store",
    "attacks",
    "outside_attacks",
    "solver",
    "lbfgs",
    "ensembles",
    "retraining",
    "diversity",
    "evaluation",
    "validity",
    "own_model",
    "experiments",
    "ladder",
    "figures",
    "reported",
    "verdicts",
    "claims",
    "headlines",
    "tables",
    "display",
]


def sources(name):
    file = PROJECT / "helpers" / f"{name}.py"
    return [file] if file.is_file() else sorted((PROJECT / "helpers" / name).glob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("name", ORDER)
def test_imports_run_one_way(name):
    allowed = {*ORDER[: ORDER.index(name)], name}
    for path in sources(name):
        assert set(imported(path)) <= allowed


def test_every_module_has_its_place():
    folder = PROJECT / "helpers"
    found = {path.stem for path in folder.glob("*.py")}
    found |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert found == {*ORDER, "__init__", "report"}


def test_reported_numbers_can_be_matched():
    entries = read_reported()
    assert len(entries) > 40
    for entry in entries:
        assert set(entry) == {"where", "what", "reported", "dataset", "match", "value"}
        assert entry["dataset"] in DATASETS
    tables = {e["where"]: [] for e in entries}
    for entry in entries:
        tables[entry["where"]].append(entry["reported"])
    assert tables["Table 4"] == [98.36, 96.68, 98.86, 93.16]
    assert tables["Table 5"] == [74.56, 66.78, 73.65, 58.97]


def listed(*options):
    """List names of files as git does."""
    found = subprocess.run(
        ["git", "ls-files", "-z", *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        pytest.skip("not a git checkout")
    return set(filter(None, found.stdout.split("\0")))


def test_nothing_that_the_library_reads_is_ignored():
    known = listed("--cached", "--others", "--exclude-standard")
    for folder, pattern in (("data", "*.yaml"), ("helpers", "**/*.*"), ("profiles", "*.yaml")):
        for path in (PROJECT / folder).glob(pattern):
            if "__pycache__" not in path.parts:
                assert str(path.relative_to(PROJECT)) in known


def test_no_large_or_foreign_file_is_committed():
    for name in listed("--cached"):
        path = PROJECT / name
        if path.is_file() and not name.startswith("reports/"):
            assert path.stat().st_size < 1_000_000, name
            assert path.suffix not in (".keras", ".npz", ".pkl", ".zip", ".gz"), name


COMPARED = (
    "n_train", "n_test", "epochs", "steps", "n_members", "n_rivals", "n_more", "variant_members",
    "n_seeds", "retrain_epochs", "retrain_steps", "retrained_members", "restarts", "outside_n_test",
    "outside_iterations", "lbfgs_n_test", "n_classes", "input_size",
)  # fmt: skip


def profile_table():
    """What each profile changes, as the README shows it: values of its data sets, in their order."""
    rows = []
    for name in COMPARED:
        cells = []
        for profile in ("quick", "smoke-real", "standard", "paper"):
            values = {}
            for run in load_profile(profile).runs:
                if run.dataset and name in run.parameters:
                    values.setdefault(run.dataset, []).append(run.parameters[name])
            # Single chapters may differ; what most of them take is shown, the first where they tie.
            usual = (Counter(found).most_common(1)[0][0] for found in values.values())
            cells.append(", ".join(map(str, usual)))
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def test_the_readme_says_what_each_profile_changes():
    assert profile_table() in (PROJECT / "README.md").read_text()
