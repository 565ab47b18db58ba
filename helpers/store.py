"""Keyed, atomic, resumable storage of trained models and computed arrays.

A piece is named by a key, a dictionary of everything that it depends on; the versions of the numerical
libraries and the code of the named modules are added here. The same key always finds the same piece;
any difference makes another. No pickles are written or read.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from filelock import Timeout

from helpers import files
from helpers.files import file_digest, write_atomically

VERSIONS = {name: version(name) for name in ("tensorflow", "keras", "numpy")}


@dataclass(frozen=True)
class StoredModel:
    """A model, what its maker told about it (such as the learning history), and its identity."""

    model: keras.Model
    info: dict[str, Any]
    key: str


@cache
def code_digest(module: str) -> str:
    """Digest what a module does: its syntax tree without comments, layout and docstrings."""
    path = Path(importlib.util.find_spec(module).origin)
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(getattr(body[0], "value", None), ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            node.body = body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


class Store:
    """A folder of models and arrays.

    Parameters
    ----------
    root
        The folder; made if it is not there.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"the store {self.root} cannot be made: {error.strerror}") from None
        if not os.access(self.root, os.W_OK):
            raise ValueError(
                f"the store {self.root} cannot be written to; choose another store_dir"
            )
        files.remove_left_overs(self.root, rf"(?:{files.PIECE})\.json")

    def model(
        self,
        name: str,
        key: Mapping[str, Any],
        make: Callable[[Path], tuple[keras.Model, Mapping[str, Any]]],
        *,
        code: Iterable[str],
    ) -> StoredModel:
        """Load the model of this key, or make and keep it.

        Parameters
        ----------
        name
            First part of the file name, for people.
        key
            What the model depends on; plain JSON values.
        make
            Called with a folder for checkpoints, returns the model and JSON information about it.
        code
            Modules of ``helpers`` whose code the model depends on.
        """

        def save(made, path):
            made[0].save(path)
            return dict(made[1])

        return StoredModel(*self._piece(name, key, code, ".keras", make, save, _load_model))

    def arrays(
        self,
        name: str,
        key: Mapping[str, Any],
        make: Callable[[], Mapping[str, np.ndarray]],
        *,
        code: Iterable[str],
    ) -> dict[str, np.ndarray]:
        """Load the arrays of this key, or compute and keep them; as :meth:`model` otherwise."""

        def save(made, path):
            np.savez_compressed(path, **made)
            return {name: list(value.shape) for name, value in made.items()}

        arrays, _, _ = self._piece(name, key, code, ".npz", lambda _: make(), save, _load_arrays)
        return arrays

    def _piece(self, name, key, code, suffix, make, save, load):
        key = dict(key) | {
            "versions": VERSIONS,
            "code": {module: code_digest(f"helpers.{module}") for module in code},
        }
        identity = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        path = self.root / f"{name}-{identity}{suffix}"
        card = path.with_suffix(path.suffix + ".json")
        # Two builds that want the same piece: the second waits, then finds it.
        with _waiting_for(path):
            if card.is_file():
                try:
                    info = json.loads(card.read_text())
                    if file_digest(path) != info["sha256"]:
                        raise ValueError("its content does not match its checksum")
                    return load(path), info["info"], identity
                except (OSError, ValueError, KeyError, TypeError) as error:
                    self._set_aside(path, card, error)
            checkpoint = self.root / f"{path.name}.checkpoint"
            made = make(checkpoint)
            part = self.root / f"{path.stem}.{os.getpid()}.part{suffix}"
            info = save(made, part)
            digest = file_digest(part)
            part.replace(path)
            # The card comes last: a piece without one does not count.
            content = {"key": key, "info": info, "sha256": digest}
            write_atomically(card, json.dumps(content, indent=1))
            files.remove_checkpoint(checkpoint)
            return (load(path) if suffix == ".npz" else made[0]), info, identity

    def _set_aside(self, path: Path, card: Path, error: Exception) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for file in (path, card):
            if file.exists():
                file.replace(file.with_name(f"{file.name}.damaged-{stamp}"))
        warnings.warn(
            f"{path} is damaged ({error}); it was set aside as *.damaged-{stamp} and is made again",
            stacklevel=4,
        )


@contextmanager
def _waiting_for(path: Path) -> Iterator[None]:
    """Hold the lock of a piece; a longer wait for another process is not a silent one."""
    lock = files.file_lock(path.with_name(f"{path.name}.lock"))
    began = time.strftime("%H:%M:%S")
    try:
        lock.acquire(timeout=files.LOCK_PATIENCE)
    except Timeout:
        print(
            f"Since {began} waiting for {path.name}, which another process is making or loading in "
            f"{path.parent}; it goes on when that one is done or ended.",
            file=sys.stderr,
            flush=True,
        )
        lock.acquire(timeout=-1)
    try:
        yield
    finally:
        lock.release()


def _load_model(path: Path) -> keras.Model:
    return keras.models.load_model(path, compile=False, safe_mode=True)


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
