"""What a module's code does, as a digest: the modules it imports included, layout and words not."""

from __future__ import annotations

import ast
import hashlib
import os
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent


@cache
def code_digest(*modules: str) -> str:
    """Digest what modules of this library do.

    Each module counts with all that it imports from the library, directly or not. Comments, layout and
    docstrings do not count, nor do the ``__init__`` files of folders: they only list.

    Parameters
    ----------
    modules
        Names with dots, such as ``helpers.attacks.steps``.
    """
    found = sorted(closure(modules))
    return hashlib.sha256("".join(map(_digest, found)).encode()).hexdigest()[:16]


def closure(modules: tuple[str, ...]) -> set[str]:
    """Find the modules and all those of this library that they import."""
    found, waiting = set(), list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += imports(module)
    return found


@cache
def imports(module: str) -> tuple[str, ...]:
    """Name the modules of this library that a module imports, wherever in its text."""
    names = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                names.add(below if _file(below) else node.module)
        elif isinstance(node, ast.Import):
            names |= {a.name for a in node.names if a.name.split(".")[0] == "helpers"}
    return tuple(sorted(name for name in names if _file(name)))


def _file(module: str) -> Path | None:
    path = LIBRARY.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return path if path.is_file() else None


@cache
def _tree(module: str) -> ast.Module:
    path = _file(module)
    if path is None:
        raise ValueError(f"{module} is no module of this library")
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _digest(module: str) -> str:
    return text_digest(_tree(module))


def text_digest(tree: ast.Module) -> str:
    """Digest a syntax tree without its docstrings."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    stripped = ast.parse(ast.unparse(tree))
    for node in ast.walk(stripped):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(stripped).encode()).hexdigest()


# With them oneDNN, which does TensorFlow's arithmetic on processors, sums in another order.
ONEDNN = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")


def onednn() -> dict[str, str]:
    """Give the settings that results depend on as they were made, never the kind of machine."""
    return {name: os.environ.get(name, "") for name in ONEDNN}
