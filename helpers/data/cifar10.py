"""CIFAR-10 in its binary version: six files, a label and 3 x 32 x 32 bytes for each image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.data.dataset import DataError, Found, Spec, Split
from helpers.data.folders import check_labels, identify, regular

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
RECORD = 1 + 3 * 32 * 32  # bytes of an image


def read(spec: Spec, folder: Path) -> Found:
    """Read all images; whether they are the official ones, the download's stamp tells."""
    parts = [_file(folder / name, spec.n_test) for name in spec.entries]  # all of one size
    status, digest = identify(spec, folder)
    train, test = _split(np.concatenate(parts[:-1])), _split(parts[-1])
    return Found(train, test, CLASSES, status, digest)


def _file(path: Path, n: int) -> np.ndarray:
    found, size = regular(path).stat().st_size, n * RECORD
    if found != size:
        raise DataError(f"{path}: {found:,} bytes, expected {size:,} ({n:,} images)")
    rows = np.fromfile(path, np.uint8).reshape(-1, RECORD)
    check_labels(path, rows[:, 0], len(CLASSES))
    return rows


def _split(rows: np.ndarray) -> Split:
    def pixels(positions: np.ndarray) -> np.ndarray:
        planes = rows[positions, 1:].reshape(-1, 3, 32, 32)
        return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))

    return Split(rows[:, 0].astype(np.int32), pixels)
