"""MNIST: four idx files, plain or compressed, known by the checksums of what is in them."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from helpers.data.dataset import DataError, Found, Spec, Split
from helpers.data.folders import check_labels, combine, read_bytes, regular

# MD5 and bytes of the files, decompressed.
OFFICIAL = {
    "train-images-idx3-ubyte": ("6bbc9ace898e44ae57da46a324031adb", 47_040_016),
    "train-labels-idx1-ubyte": ("a25bea736e30d166cdddb491f175f624", 60_008),
    "t10k-images-idx3-ubyte": ("2646ac647ad5339dbf082846283269ea", 7_840_016),
    "t10k-labels-idx1-ubyte": ("27ae3e4e09519cfbb04c329615203637", 10_008),
}


def read(spec: Spec, folder: Path) -> Found:
    """Read all images; the checksums tell whether they are the official ones."""
    content = {name: _plain_or_gz(folder, name) for name in OFFICIAL}
    splits = []
    for split in ("train", "t10k"):
        images, labels = f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"
        x = _idx(folder / images, content[images], (28, 28))
        y = _idx(folder / labels, content[labels], ())
        if len(x) != len(y):
            raise DataError(f"{folder}: {images} holds {len(x):,} images, {labels} {len(y):,}")
        check_labels(folder / labels, y, spec.n_classes)
        splits.append(Split(y.astype(np.int32), x[..., None].__getitem__))
    official = all(hashlib.md5(content[name]).hexdigest() == OFFICIAL[name][0] for name in content)
    return Found(
        *splits,
        tuple("0123456789"),
        status="verified" if official else "unverified",
        digest=combine({name: hashlib.sha256(b).hexdigest() for name, b in content.items()}),
    )


def _plain_or_gz(folder: Path, name: str) -> bytes:
    _, most = OFFICIAL[name]
    if (folder / name).exists():
        return read_bytes(folder / name, most)
    path = regular(folder / f"{name}.gz")
    try:
        with gzip.open(path) as file:
            content = file.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: truncated or damaged gzip file ({error})") from error
    if len(content) > most:
        raise DataError(f"{path}: more than {most:,} bytes unpacked, which the official file has")
    return content


def _idx(path: Path, content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Parse an idx file of unsigned bytes: magic number, big-endian sizes, values."""
    n_axes = 1 + len(shape)
    header = 4 * (1 + n_axes)
    if len(content) < header:
        raise DataError(f"{path}: {len(content)} bytes are too few for the header of an idx file")
    magic, n, *rest = np.frombuffer(content[:header], ">u4").tolist()
    if magic != 0x0800 + n_axes:
        raise DataError(f"{path}: wrong magic number 0x{magic:08x}, not 0x{0x0800 + n_axes:08x}")
    if tuple(rest) != shape:
        raise DataError(f"{path}: images of {' x '.join(map(str, rest))} pixels, not 28 x 28")
    size = header + n * int(np.prod(shape))
    if len(content) != size or n == 0:
        raise DataError(
            f"{path}: {len(content):,} bytes, but {n:,} items, as the header says, take {size:,}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(n, *shape)
