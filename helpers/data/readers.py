"""Read the three real data sets from their official folder layouts, checking all that is read.

Each reader returns two splits: labels at once, pixels for the images asked for. What is incomplete
or damaged raises a :class:`~helpers.data.download.DataError` that names the file.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from helpers.data.download import ARCHIVES, DataError, matches_stamp
from helpers.files import file_digest, no_file, walk

FOLDERS = {
    "mnist": "mnist",
    "cifar10": "cifar-10-batches-bin",
    "tiny_imagenet": "tiny-imagenet-200",
}
MNIST_SIZES = {  # of the decompressed files, in bytes
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}
MNIST_MD5 = {  # of the decompressed files
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
CIFAR10_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
CIFAR10_IMAGES = 10_000  # in each file
CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
TINY_ENTRIES = ("wnids.txt", "words.txt", "train", "val/val_annotations.txt", "val/images")
TINY_SIDE = 64
LARGEST_TEXT = 10_000_000  # bytes; the largest official one has 2.7 million
LARGEST_IMAGE = 1_000_000


@dataclass(frozen=True)
class Split:
    """Labels of all images, and a function from positions to pixels (uint8, NHWC)."""

    labels: np.ndarray
    pixels: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Found:
    """A whole data set; `digest` is a SHA-256 of all that was found on disk."""

    train: Split
    test: Split
    class_names: tuple[str, ...]
    status: str
    digest: str


def is_absent(name: str, data_dir: Path) -> bool:
    """Tell whether nothing of a data set is there.

    Raises
    ------
    DataError
        If something is there, but not all: nothing of it is to be overwritten by a download.
    """
    folder = data_dir / FOLDERS[name]
    if _leads_nowhere(folder):
        raise DataError(f"{folder}: that is a link that leads nowhere; mend or remove it")
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: expected a folder, found a file")
    if not folder.is_dir() or not any(folder.iterdir()):
        if not missing(name, data_dir):
            raise DataError(
                f"the files of {name} lie in {data_dir} itself; they belong in a folder "
                f"{FOLDERS[name]} inside the folder given as data_dir"
            )
        return True
    absent = missing(name, folder)
    if absent:
        there = [entry for entry in wanted(name) if entry not in absent]
        absent = [
            entry + " (a link that leads nowhere)" * _leads_nowhere(folder / entry)
            for entry in absent
        ]
        raise DataError(
            f"{folder}: {', '.join(absent)} missing; there are {', '.join(there) or 'none'} of the "
            f"{len(wanted(name))} wanted. Add what is missing, or remove the folder to have it "
            "downloaded"
        )
    return False


def _leads_nowhere(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def wanted(name: str) -> tuple[str, ...]:
    """Name the files and folders that a data set's folder must hold."""
    if name == "mnist":
        return tuple(f"{file}.gz" for file in MNIST_MD5)
    return CIFAR10_FILES if name == "cifar10" else TINY_ENTRIES


def missing(name: str, folder: Path) -> list[str]:
    def there(entry: str) -> bool:
        return (folder / entry).exists() or (
            name == "mnist" and (folder / entry.removesuffix(".gz")).exists()
        )

    return [entry for entry in wanted(name) if not there(entry)]


def fingerprints(name: str, folder: Path) -> dict[str, str]:
    """Compute the SHA-256 of each file, and of each folder of images, that a reader reads."""
    return {
        entry: _tree_hash(folder / entry)
        if (folder / entry).is_dir()
        else file_digest(_regular(folder / entry))
        for entry in wanted(name)
    }


def _tree_hash(folder: Path) -> str:
    sha = hashlib.sha256()
    for path, _ in walk(folder):
        if path.endswith(".JPEG"):
            content = _read(folder / path, LARGEST_IMAGE)
            sha.update(f"{path} {len(content)}\n".encode())
            sha.update(content)
    return sha.hexdigest()


def _regular(path: Path) -> Path:
    if problem := no_file(path):
        raise DataError(f"{path}: {problem}")
    return path


def _read(path: Path, most: int) -> bytes:
    """Read a file of at most `most` bytes; larger ones, and what has no end, are refused unread."""
    size = _regular(path).stat().st_size
    if size > most:
        raise DataError(f"{path}: {size:,} bytes, expected at most {most:,}")
    return path.read_bytes()


def _combine(hashes: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{k} {v}\n" for k, v in hashes.items()).encode()).hexdigest()


def _status(official: bool) -> str:
    return "verified" if official else "unverified"


def read_mnist(folder: Path) -> Found:
    """Read the four idx files, plain or compressed."""
    content = {name: _plain_or_gz(folder, name) for name in MNIST_MD5}
    splits = {}
    for split in ("train", "t10k"):
        images, labels = f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"
        x = _idx(folder / images, content[images], (28, 28))
        y = _idx(folder / labels, content[labels], ())
        if len(x) != len(y):
            raise DataError(f"{folder}: {images} holds {len(x):,} images, {labels} {len(y):,}")
        _check_labels(folder / labels, y, 10)
        splits[split] = Split(y.astype(np.int32), x[..., None].__getitem__)
    return Found(
        splits["train"],
        splits["t10k"],
        tuple("0123456789"),
        status=_status(
            all(hashlib.md5(content[k]).hexdigest() == md5 for k, md5 in MNIST_MD5.items())
        ),
        digest=_combine({k: hashlib.sha256(v).hexdigest() for k, v in content.items()}),
    )


def _plain_or_gz(folder: Path, name: str) -> bytes:
    most = MNIST_SIZES[name]
    if (folder / name).exists():
        return _read(folder / name, most)
    path = _regular(folder / f"{name}.gz")
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


def _check_labels(path: Path, y: np.ndarray, n_classes: int) -> None:
    if y.max() >= n_classes:
        raise DataError(f"{path}: labels up to {y.max()}, expected 0 to {n_classes - 1}")
    absent = sorted(set(range(n_classes)) - set(np.unique(y).tolist()))
    if absent:
        raise DataError(f"{path}: no image of class {', '.join(map(str, absent))}")


def read_cifar10(folder: Path) -> Found:
    """Read the six files of the binary version: a label and 3 x 32 x 32 bytes for each image."""
    parts = []
    for name in CIFAR10_FILES:
        path, size = _regular(folder / name), CIFAR10_IMAGES * 3073
        if path.stat().st_size != size:
            raise DataError(
                f"{path}: {path.stat().st_size:,} bytes, expected {size:,} "
                f"({CIFAR10_IMAGES:,} images)"
            )
        parts.append(np.fromfile(path, np.uint8).reshape(-1, 3073))
        _check_labels(path, parts[-1][:, 0], 10)
    hashes = fingerprints("cifar10", folder)
    return Found(
        _records(np.concatenate(parts[:5])),
        _records(parts[5]),
        CIFAR10_CLASSES,
        status=_status(matches_stamp(folder, ARCHIVES["cifar10"][0], hashes)),
        digest=_combine(hashes),
    )


def _records(rows: np.ndarray) -> Split:
    def pixels(positions: np.ndarray) -> np.ndarray:
        planes = rows[positions, 1:].reshape(-1, 3, 32, 32)
        return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))

    return Split(rows[:, 0].astype(np.int32), pixels)


def read_tiny_imagenet(folder: Path) -> Found:
    """Index the folders of images; the validation images are the test set.

    Classes stand in the order of ``wnids.txt``; a class is called by the first name that
    ``words.txt`` gives it.
    """
    wnids = _text(folder / "wnids.txt").split()
    lines = _text(folder / "words.txt").splitlines()
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    unnamed = [wnid for wnid in wnids if wnid not in words]
    if len(set(wnids)) != len(wnids) or len(wnids) < 2:
        raise DataError(f"{folder / 'wnids.txt'}: expected different classes, one on each line")
    if unnamed:
        raise DataError(f"{folder / 'words.txt'}: no name for {_some(unnamed)}")
    train = [
        (path, label)
        for label, wnid in enumerate(wnids)
        for path in _jpegs(folder / "train" / wnid / "images")
    ]
    _check_equal(folder / "train", train, wnids)
    test = _validation(folder / "val", wnids)
    _check_equal(folder / "val", test, wnids)
    hashes = fingerprints("tiny_imagenet", folder)
    return Found(
        _images(train),
        _images(test),
        tuple(words[wnid].split(",")[0].strip() for wnid in wnids),
        status=_status(matches_stamp(folder, ARCHIVES["tiny_imagenet"][0], hashes)),
        digest=_combine(hashes),
    )


def _text(path: Path) -> str:
    try:
        return _read(path, LARGEST_TEXT).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text in UTF-8 ({error})") from error


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _jpegs(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder, but wnids.txt lists its class")
    return sorted(folder.glob("*.JPEG"), key=lambda path: (len(path.name), path.name))


def _check_equal(folder: Path, files: list[tuple[Path, int]], wnids: list[str]) -> None:
    counts = Counter(label for _, label in files)
    numbers = [counts[label] for label in range(len(wnids))]
    if min(numbers) != max(numbers) or min(numbers) == 0:
        few, many = numbers.index(min(numbers)), numbers.index(max(numbers))
        raise DataError(
            f"{folder}: classes with unequal numbers of images, from {min(numbers)} "
            f"({wnids[few]}) to {max(numbers)} ({wnids[many]}): is the folder half-copied?"
        )


def _validation(folder: Path, wnids: list[str]) -> list[tuple[Path, int]]:
    annotations = folder / "val_annotations.txt"
    rows = [line.split("\t") for line in _text(annotations).splitlines() if line.strip()]
    wrong = [row[0] for row in rows if len(row) < 2 or row[1] not in wnids]
    if wrong:
        raise DataError(f"{annotations}: no class of wnids.txt given for {_some(wrong)}")
    there = {path.name for path in _jpegs(folder / "images")}
    named = [row[0] for row in rows]
    for problem, names in (
        ("listed twice", [name for name, n in Counter(named).items() if n > 1]),
        ("listed, but not in images/", [name for name in named if name not in there]),
        ("in images/, but not listed", sorted(there - set(named))),
    ):
        if names:
            raise DataError(f"{annotations}: {_some(names)} {problem}")
    label = {wnid: i for i, wnid in enumerate(wnids)}
    return [(folder / "images" / row[0], label[row[1]]) for row in rows]


def _images(files: list[tuple[Path, int]]) -> Split:
    def pixels(positions: np.ndarray) -> np.ndarray:
        x = np.empty((len(positions), TINY_SIDE, TINY_SIDE, 3), np.uint8)
        quiet = len(positions) < 5000
        for i, position in enumerate(
            tqdm(positions.tolist(), desc="read images", leave=False, disable=quiet)
        ):
            x[i] = _decode(files[position][0])
        return x

    return Split(np.array([label for _, label in files], np.int32), pixels)


def _decode(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            width, height = image.size  # known before any pixel is decoded
            if (width, height) != (TINY_SIDE, TINY_SIDE):
                raise DataError(f"{path}: {width} x {height} pixels, not 64 x 64")
            return np.asarray(image.convert("RGB"))  # some are greyscale
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded as an image ({error})") from error


READERS = {"mnist": read_mnist, "cifar10": read_cifar10, "tiny_imagenet": read_tiny_imagenet}
