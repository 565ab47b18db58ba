"""A data set's arrays as files of the store, which all processes on a machine map and none copies."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import fields
from pathlib import Path

import numpy as np

from helpers.data.dataset import Dataset, digest
from helpers.files import write_atomically

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
CONTENT = "content"  # digest of the arrays as they lie there
NAMES = rf"data-[0-9a-f]{{16}}(?:\.json|-(?:{'|'.join(ARRAYS)})\.npy)"


def share(store: Path, data: Dataset) -> None:
    """Keep the data set in the store's folder, unless it is there."""
    about = _about(store, data.digest)
    if about.is_file():
        return
    for name in ARRAYS:
        path = _array(store, data.digest, name)
        # Named as write_atomically does, which would need all of it in memory twice.
        part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        with part.open("wb") as file:
            np.save(file, getattr(data, name), allow_pickle=False)
        part.replace(path)
    others = {f.name: getattr(data, f.name) for f in fields(data) if f.name not in ARRAYS}
    about_all = others | {CONTENT: digest([getattr(data, name) for name in ARRAYS])}
    write_atomically(about, json.dumps(about_all))  # last: it says that the arrays are there


def shared(store: Path, wanted: str) -> Dataset:
    """Map the data set of this digest from the store's folder, read-only.

    Raises
    ------
    ValueError
        If it is not there, or its arrays are not those that the digest was made of.
    """
    try:
        others = json.loads(_about(store, wanted).read_text(encoding="utf-8"))
        content = others.pop(CONTENT)
        held = {
            name: np.load(_array(store, wanted, name), mmap_mode="r").view(np.ndarray)
            for name in ARRAYS
        }
        data = Dataset(**(others | held | {"class_names": tuple(others["class_names"])}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"the data set {wanted[:16]} is not in the store {store} ({error})"
        ) from None
    if data.digest != wanted or digest(list(held.values())) != content:
        raise ValueError(
            f"the store {store} holds other data than were asked for: remove data-{wanted[:16]}*, and "
            "the same command writes them again"
        )
    return data


def _about(store: Path, digest: str) -> Path:
    return store / f"data-{digest[:16]}.json"


def _array(store: Path, digest: str, name: str) -> Path:
    return store / f"data-{digest[:16]}-{name}.npy"
