"""Pieces: what an experiment makes, named before it is made.

A piece is a trained model or some computed arrays. Its identity follows from everything that it depends
on: its key, the code that makes it, the versions of the numerical libraries, and the identities of the
pieces that it needs. Its request says in plain data how to make it, here or in another process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import Any

from helpers.code import code_digest, onednn

VERSIONS = {name: version(name) for name in ("tensorflow", "keras", "numpy")}
# Where pieces are made side by side: environment variable, an address or the file of a Dask scheduler.
SCHEDULER = "DASK_SCHEDULER_ADDRESS"
ENDINGS = {"model": ".keras", "arrays": ".npz"}


@dataclass(frozen=True)
class Request:
    """How to make a piece anywhere.

    Attributes
    ----------
    maker
        Name of a function in :mod:`helpers.experiment.making`.
    arguments
        Its arguments; plain JSON values.
    seed
        What the experiment is asked with (:meth:`Experiment.with_seed`).
    chapter, parameters
        The chapter and its validated parameters that the experiment was made with, as plain JSON values.
    """

    maker: str
    arguments: Mapping[str, Any]
    seed: int
    chapter: str
    parameters: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Piece:
    """One thing to be made once.

    Attributes
    ----------
    name
        For people, and the first part of its file's name: ASCII letters, digits, ``_`` and ``-``.
    kind
        ``model`` or ``arrays``.
    key
        Everything but code, versions and `needs` that decides what it is; plain JSON values.
    code
        What makes it, as :func:`helpers.code.code_digest` takes it.
    needs
        The pieces that it is made from.
    request
        How to make it.
    size
        How much work it is (:mod:`helpers.experiment.costs`); no part of its identity.
    """

    name: str
    kind: str
    key: Mapping[str, Any] = field(repr=False)
    code: tuple[str, ...] = field(repr=False)
    needs: tuple[Piece, ...] = field(repr=False)
    request: Request = field(repr=False)
    size: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @cached_property
    def full_key(self) -> dict[str, Any]:
        return {
            **self.key,
            "versions": VERSIONS,
            "onednn": onednn(),
            "code": code_digest(*self.code),
            "needs": [piece.identity for piece in self.needs],
        }

    @cached_property
    def identity(self) -> str:
        text = json.dumps(self.full_key, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.identity}{ENDINGS[self.kind]}"


def in_order(pieces: Iterable[Piece]) -> list[Piece]:
    """List pieces with all that they need, each once, what is needed before what needs it."""
    found: dict[str, Piece] = {}

    def visit(piece: Piece) -> None:
        if piece.identity not in found:
            for needed in piece.needs:
                visit(needed)
            found[piece.identity] = piece

    for piece in pieces:
        visit(piece)
    return list(found.values())
