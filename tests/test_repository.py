"""The files around the code: environment, notebooks, reported numbers, and what nobody may commit."""

import ast
import contextlib
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml

from helpers.paths import NOTEBOOKS, PROJECT
from helpers.profiles import notebook_defaults, notebook_parameters
from helpers.vocabulary import CHAPTERS, VOCABULARY, left_to_profile, taken

PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DIRECT = [
    re.split(r"[<>=]", requirement)[0]
    for requirement in [
        *PROJECT_TABLE["dependencies"],
        *PROJECT_TABLE["optional-dependencies"]["dev"],
    ]
]


def locked() -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for line in (PROJECT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([a-z0-9.-]+)==([^ ]+)", line):
            versions.setdefault(match[1], []).append(match[2])
    return versions


def test_ci_names_files_that_exist():
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    named = re.findall(r"\btests/[\w./]+", script)
    assert [name for name in named if not (PROJECT / name).exists()] == []
    assert "./run_tests.sh\n" in script


def test_the_lock_holds_every_dependency_with_hashes():
    versions = locked()
    assert set(DIRECT) <= set(versions)
    text = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    assert text.count("--hash=sha256:") >= len(versions)
    assert "http://" not in text
    assert "https://" not in text


def test_environment_yml_agrees_with_the_lock():
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
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


# The library's rooms: its folders, and the modules at its top.
LIBRARY = PROJECT / "helpers"
MODULES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(LIBRARY.rglob("*.py"))
    if path != LIBRARY / "__init__.py"
}


def room(path):
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported(tree):
    """Name all that a module imports, wherever in its text; ``helpers.room`` of its own library."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "helpers":
            yield from (f"helpers.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def importers(package):
    return {
        path.relative_to(LIBRARY).as_posix()
        for path, tree in MODULES.items()
        if any(f"{name}.".startswith(f"{package}.") for name in imported(tree))
    }


def test_imports_run_one_way():
    above = {room(path): set() for path in MODULES}
    for path, tree in MODULES.items():
        names = {name.split(".")[1] for name in imported(tree) if name.startswith("helpers.")}
        above[room(path)] |= names - {room(path)}
    TopologicalSorter(above).prepare()  # raises, and names the circle


def test_nothing_below_figures_knows_how_anything_looks():
    for package in ("matplotlib", "helpers.figures"):
        assert {Path(name).parts[0] for name in importers(package)} <= {
            "figures",
            "chapter.py",
            "report",
        }


def test_only_gradients_and_the_bridges_to_art_import_tensorflow():
    bridges = {"attacks/art.py", "interoperability/models.py"}
    assert importers("tensorflow") == {"models/gradients.py", *bridges}


def test_only_builds_need_posix():
    """The rooms that scripts and notebooks use can be imported on Windows."""
    posix = {"fcntl", "grp", "pwd", "pty", "resource", "termios"}
    needing = {
        room(path)
        for path, tree in MODULES.items()
        if any(posix & set(imported(node)) for node in tree.body if is_import(node))
    }
    assert needing == {"report"}


def is_import(node):
    return isinstance(node, ast.Import | ast.ImportFrom)


JUDGING = [f"helpers.findings.{path.stem}" for path in (LIBRARY / "findings").glob("[a-z]*.py")]
NETWORKS = {"keras", "tensorflow", "matplotlib"}
LIGHT = {
    "helpers.data": NETWORKS | {"sklearn", "PIL", "requests", "pandas"},
    "helpers.report.cli, helpers.report.compare": NETWORKS | {"papermill", "nbconvert", "nbformat"},
    ", ".join(["helpers.evaluation.records", *JUDGING]): NETWORKS,
    "helpers.figures.tables, helpers.chapter": {"keras"},
}
IDS = ["data", "command line", "judging", "tables"]


@pytest.mark.parametrize(("modules", "heavy"), LIGHT.items(), ids=IDS)
def test_what_must_answer_at_once_imports_nothing_heavy(modules, heavy):
    code = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert not heavy & {*done.stdout.split()}


def test_files_of_the_library_are_short():
    lengths = {p.name: len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    assert {name: n for name, n in lengths.items() if n > 350} == {}


def test_text_is_read_and_written_as_utf_8():
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and opens_text(node):
                assert "encoding" in {word.arg for word in node.keywords}, (path, node.lineno)


def opens_text(call):
    """Tell calls that read or write text: of a path, or `open` without a mode for bytes."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("read_text", "write_text"):
        return True
    owner = getattr(getattr(call.func, "value", None), "id", "")
    if name != "open" or owner in ("os", "gzip", "tarfile", "Image"):
        return False
    modes = [n.value for a in call.args for n in ast.walk(a) if isinstance(n, ast.Constant)]
    return not any("b" in str(mode) for mode in modes)


def test_the_reports_tables_are_copied_right():
    text = (PROJECT / "data" / "reported.yaml").read_text(encoding="utf-8")
    tables = {}
    for entry in yaml.safe_load(text):
        tables.setdefault(entry["where"], []).append(entry["reported"])
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


def test_names_of_files_are_ascii():
    assert [name for name in listed("--cached") if not name.isascii()] == []


def test_a_notebook_run_by_hand_makes_nothing_dirty():
    assert "out.ipynb" not in listed("--others", "--exclude-standard")
    ignored = ["git", "-C", str(PROJECT), "check-ignore", "-q", "out.ipynb"]
    assert subprocess.run(ignored, check=False).returncode in (0, 128)  # 128: not a git checkout


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
