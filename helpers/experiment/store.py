"""Atomic, resumable storage of pieces: trained models and computed arrays, each with a card.

A piece's file is there only together with its card, which says what it is and where, when, how long and
with what it was made. No pickles are written or read.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
from filelock import Timeout

from helpers import files
from helpers.experiment import sharing
from helpers.experiment.pieces import Piece
from helpers.experiment.provenance import provenance
from helpers.files import file_digest, write_atomically


class Store:
    """A folder of pieces.

    Parameters
    ----------
    root
        The folder; made if it is not there.

    Attributes
    ----------
    used
        The cards of the pieces that were made or loaded here, by file name; ``made`` tells which.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self.used: dict[str, dict[str, Any]] = {}
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"the store {self.root} cannot be made: {error.strerror}") from None
        if not os.access(self.root, os.W_OK):
            raise ValueError(
                f"the store {self.root} cannot be written to; choose another store_dir"
            )
        files.remove_left_overs(self.root, rf"(?:{files.PIECE})\.json|{sharing.NAMES}")

    def has(self, piece: Piece) -> bool:
        """Tell whether a piece is there; whether it is whole is seen when it is loaded."""
        path = self.root / piece.file_name
        return path.is_file() and card_file(path).is_file()

    def look_for(self, piece: Piece) -> bool:
        """Tell whether a piece is there, and count it among those that were used."""
        there = self.has(piece)
        if there and piece.file_name not in self.used:
            with suppress(OSError, ValueError, TypeError):  # damaged: seen when it is loaded
                self.used[piece.file_name] = self.card(piece) | {"made": False}
        return there

    def model(
        self, piece: Piece, make: Callable[[Path], tuple[keras.Model, Mapping[str, Any]]]
    ) -> tuple[keras.Model, dict[str, Any]]:
        """Load a model and what its training told or, if it is not there, make and keep it.

        Parameters
        ----------
        make
            Called with a folder for checkpoints, returns the model and JSON information about it.
        """

        return self._get(piece, make, lambda model, path: model.save(path), _load_model)

    def arrays(
        self, piece: Piece, make: Callable[[], Mapping[str, np.ndarray]]
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Load arrays and their shapes or, if they are not there, compute and keep them."""

        def make_and_tell(_):
            made = make()
            return made, {name: list(value.shape) for name, value in made.items()}

        def save(made, path):
            np.savez_compressed(path, **made)

        return self._get(piece, make_and_tell, save, _load_arrays)

    def _get(self, piece: Piece, make, save, load) -> tuple[Any, dict[str, Any]]:
        path = self.root / piece.file_name
        # Two builds that want the same piece: the second waits, then finds it.
        with _waiting_for(path):
            if card_file(path).is_file():
                try:
                    card = json.loads(card_file(path).read_text(encoding="utf-8"))
                    info = card["info"]
                    if file_digest(path) != card["sha256"]:
                        raise ValueError("its content does not match its checksum")
                    content = load(path)
                    self.used[path.name] = card | {
                        "made": self.used.get(path.name, {}).get("made", False)
                    }
                    return content, info
                except (OSError, ValueError, KeyError, TypeError) as error:
                    self._set_aside(path, error)
            checkpoint = self.root / f"{path.name}.checkpoint"
            note = provenance()
            content, info = make(checkpoint)
            part = self.root / f"{path.stem}.{os.getpid()}.part{path.suffix}"
            save(content, part)
            took = note()
            # What a training took before it was interrupted counts, too.
            whole = info.get("seconds", [0.0])[0] if piece.kind == "model" else 0.0
            took["processor_seconds"] = max(took["processor_seconds"], whole)
            card = {
                "key": piece.full_key,
                "info": dict(info),
                "size": dict(piece.size),
                "sha256": file_digest(part),
                **took,
            }
            part.replace(path)
            # The card comes last: a piece without one does not count.
            write_atomically(card_file(path), json.dumps(card, indent=1))
            files.remove_checkpoint(checkpoint)
            self.used[path.name] = card | {"made": True}
            return content, card["info"]

    def card(self, piece: Piece) -> dict[str, Any]:
        """Read the card of a piece that is there."""
        return json.loads(card_file(self.root / piece.file_name).read_text(encoding="utf-8"))

    def _set_aside(self, path: Path, error: Exception) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for file in (path, card_file(path)):
            if file.exists():
                file.replace(file.with_name(f"{file.name}.damaged-{stamp}"))
        warnings.warn(
            f"{path} is damaged ({error}); it was set aside as *.damaged-{stamp} and is made again",
            stacklevel=4,
        )


def card_file(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".json")


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
