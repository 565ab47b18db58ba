"""The digest of code, on a small library of its own, and what of ours it could miss."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import code

LIBRARY = Path(code.__file__).parent
ALONE = '''
"""Doc."""

def f(x):
    """Doc."""
    return x

def g(x):
    return x + 1
'''
SMALL = {
    "__init__": "",
    "top": "from helpers.room.low import add as plus\n\ndef f(x):\n    return plus(x, 1)\n",
    "late": "def f(x):\n    from helpers.room import low\n    return low.add(x, 1)\n",
    "plain": "import helpers.room.low\n",
    "alone": ALONE,
    "room/__init__": "from helpers.room.low import add\n",
    "room/low": "def add(x, y):\n    return x + y\n",
}


@pytest.fixture
def small(tmp_path):
    """A library with the real code.py in it; the function digests anew, after files were changed."""
    files = SMALL | {"code": (LIBRARY / "code.py").read_text()}
    for name, text in files.items():
        write(tmp_path, name, text)

    def digests(*calls):
        lines = [f"print(code_digest({', '.join(map(repr, call))}))" for call in calls]
        program = "\n".join(["from helpers.code import code_digest", *lines])
        command = [sys.executable, "-B", "-c", program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()

    return digests


def write(folder, name, text):
    path = folder / "helpers" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def changed(small, folder, name, text, *calls):
    """Tell for each call whether the digest is another after a file was written anew."""
    before = small(*calls)
    write(folder, name, text)
    return [one != other for one, other in zip(before, small(*calls), strict=True)]


IMPORTERS = [("helpers.top",), ("helpers.late",), ("helpers.plain",)]


def test_an_edit_is_seen_by_all_that_import_the_module_and_by_no_other(small, tmp_path):
    text = SMALL["room/low"].replace("x + y", "x - y")
    calls = (*IMPORTERS, ("helpers.room.low",), ("helpers.alone",))
    assert changed(small, tmp_path, "room/low", text, *calls) == [True] * 4 + [False]


def test_layout_comments_and_docstrings_do_not_count(small, tmp_path):
    text = '"""Other."""\n\n# why\ndef add(x,\n        y):\n    """Doc."""\n    return (x + y)\n'
    assert changed(small, tmp_path, "room/low", text, *IMPORTERS) == [False] * 3


def test_lists_of_names_do_not_count(small, tmp_path):
    assert changed(small, tmp_path, "room/__init__", "x = 1\n", *IMPORTERS) == [False] * 3


def test_a_function_counts_by_itself(small, tmp_path):
    text = SMALL["alone"].replace("x + 1", "x + 2")
    calls = [("helpers.alone:f",), ("helpers.alone:g",), ("helpers.top", "helpers.alone:g")]
    assert changed(small, tmp_path, "alone", text, *calls) == [False, True, True]


def test_the_order_of_the_sources_does_not_count(small):
    one, other, fewer = small(
        ("helpers.top", "helpers.alone"), ("helpers.alone", "helpers.top"), ("helpers.alone",)
    )
    assert one == other != fewer


@pytest.mark.parametrize("source", ["helpers.nowhere", "helpers.code:nothing", "numpy"])
def test_what_is_not_there_is_refused(source):
    with pytest.raises(ValueError, match=source.partition(":")[0]):
        code.code_digest(source)


def test_the_closure_follows_our_imports():
    found = code.closure(["helpers.attacks.momentum"])
    assert {"helpers.attacks.steps", "helpers.attacks.inputs", "helpers.models.gradients"} <= found
    assert "helpers.attacks.lbfgs_attack" not in found


DIGESTED = ("data", "models", "attacks", "defences", "evaluation", "experiment")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.level, node.module, [alias.name for alias in node.names]


@pytest.mark.parametrize("room", DIGESTED)
def test_no_module_takes_from_a_folder_what_stands_in_a_module(room):
    """The digest would not see where it comes from."""
    for path in sorted((LIBRARY / room).glob("*.py")):
        if path.name == "__init__.py":
            continue
        for level, module, names in imported(path):
            assert level == 0, f"{path}: a relative import"
            if not module or not (module + ".").startswith("helpers."):
                continue
            folder = LIBRARY.joinpath(*module.split(".")[1:])
            if folder.is_dir():
                own = defined(folder / "__init__.py")
                for name in names:
                    there = (folder / f"{name}.py").is_file() or (folder / name).is_dir()
                    assert there or name in own, f"{path} takes {name} from {module}"


def defined(path):
    """Names that a file gives a meaning itself, without importing it."""
    if not path.is_file():
        return set()
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found
