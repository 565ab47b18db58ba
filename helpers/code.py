"""What a module's code does, as a digest: the modules it imports included, layout and words not."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
from collections.abc import Sequence
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent


@cache
def code_digest(*sources: str) -> str:
    """Digest what parts of this library do.

    A module counts with all that it imports from the library, directly or not. Comments, layout and
    docstrings do not count, nor do the ``__init__`` files of folders: they only list.

    Parameters
    ----------
    sources
        Modules with dots, such as ``helpers.attacks.steps``; or one function of a module by itself,
        such as ``helpers.experiment.making:images``.
    """
    parts = [_function(*source.split(":")) for source in sorted(sources) if ":" in source]
    modules = closure([source for source in sources if ":" not in source])
    parts += [_digest(ast.dump(_tree(module))) for module in sorted(modules)]
    return _digest("".join(parts))[:16]


def closure(modules: Sequence[str]) -> set[str]:
    """Find the modules and all those of this library that they import, wherever in their text."""
    found, waiting = set(), list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module)
    return found


def _imports(module: str) -> set[str]:
    names = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("helpers.") and _file(name).is_file()}


def _file(module: str) -> Path:
    return LIBRARY.joinpath(*module.split(".")[1:]).with_suffix(".py")


@cache
def _tree(module: str) -> ast.Module:
    if not _file(module).is_file():
        raise ValueError(f"{module} is no module of this library")
    return _parsed(_file(module).read_text(encoding="utf-8"))


@cache
def text_digest(text: str) -> str:
    """Digest what a text of Python does: neither comments, nor layout, nor docstrings count."""
    return _digest(ast.dump(_parsed(text)))


def library_digest(folder: Path = LIBRARY) -> str:
    """Digest what the whole library does, but for the report package, which only shows results."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    digests = {
        name: text_digest(path.read_text(encoding="utf-8"))
        for name, path in sorted(files.items())
        if not name.startswith("report/")
    }
    return _digest(repr(digests))[:16]


def _parsed(text: str) -> ast.Module:
    """Parse a module and take its docstrings out."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        owner = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if owner and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return tree


def _function(module: str, name: str) -> str:
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _digest(ast.dump(node))
    raise ValueError(f"{module} has no function {name}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# With them oneDNN, which does TensorFlow's arithmetic on processors, sums in another order.
ONEDNN = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")
# With these all x86-64 processors with AVX2 sum alike, whatever else they can do. One thread, since sums
# are cut into as many parts as there are threads: in matrix products and in gradients of convolutions.
PORTABLE = {
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "TF_NUM_INTRAOP_THREADS": "1",
}


def onednn() -> dict[str, str]:
    """Give the settings that results depend on as they were made, never the kind of machine."""
    found = {name: os.environ.get(name, "") for name in ONEDNN}
    # Who caps the instructions wants the same digits elsewhere, and those depend on the threads, too.
    capped = ("TF_NUM_INTRAOP_THREADS",) if found["ONEDNN_MAX_CPU_ISA"] else ()
    return found | {name: os.environ.get(name, "") for name in capped}


def make_portable() -> None:
    """Let what this process starts compute the digits of any x86-64 processor with AVX2, of any cores.

    Raises
    ------
    ValueError
        If this processor cannot, or the environment asks for something else.
    """
    if missing := not_portable():
        raise ValueError(f"--portable: {missing}")
    for name, value in PORTABLE.items():
        if os.environ.get(name, value) != value:
            raise ValueError(f"--portable needs {name}={value}, and it is {os.environ[name]}")
    os.environ.update(PORTABLE)


def not_portable() -> str:
    """Say why this processor has not the arithmetic of `PORTABLE`; empty if it has."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return f"this is no x86-64 processor but {platform.machine()}"
    info = Path("/proc/cpuinfo")  # elsewhere than on Linux nothing tells
    if info.is_file() and " avx2 " not in info.read_text(encoding="utf-8"):
        return "this processor has no AVX2"
    return ""
