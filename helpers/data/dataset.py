"""What a data set is: its row in the table, what its file finds, and what `load` makes of that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


class DataError(ValueError):
    """A data set that is absent, incomplete or damaged, or cannot be downloaded."""


@dataclass(frozen=True)
class Archive:
    """One file of the official source: its MD5 checksum, its bytes, the addresses that serve it."""

    name: str
    md5: str
    size: int
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Spec:
    """What is known of a data set without loading it (of a real one: in its official form).

    Attributes
    ----------
    name, title
        In code and records, and for people.
    input_shape, n_classes, n_train, n_test
        Shape of an image, and how many classes and images there are.
    source
        Where it comes from, in a sentence.
    module
        Module of this folder whose ``read`` returns what it `Found`: ``read(spec)`` of what needs no
        files, ``read(spec, folder)`` of a real one.
    stands_in_for
        Name of the real data set in whose place this one stands, or None.
    folder, archives, entries
        Of a real one: its folder inside ``data_dir``, what is downloaded to make it, and the files and
        folders it must hold, if they are not those archives themselves.
    """

    name: str
    title: str
    input_shape: tuple[int, int, int]
    n_classes: int
    n_train: int
    n_test: int
    source: str
    module: str
    stands_in_for: str | None = None
    folder: str = ""
    archives: tuple[Archive, ...] = ()
    entries: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        """What a real one's folder must hold; a file ``.gz`` may lie there unpacked."""
        return self.entries or tuple(archive.name for archive in self.archives)


@dataclass(frozen=True)
class Split:
    """Labels of all images, and a function from positions to pixels, NHWC (uint8, or own floats)."""

    labels: np.ndarray
    pixels: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Found:
    """A whole data set; `digest` is a SHA-256 of all that was found on disk, ``""`` if nothing was."""

    train: Split
    test: Split
    class_names: tuple[str, ...]
    status: str = "generated"
    digest: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, and what they are.

    Attributes
    ----------
    name, title
        Key in the table (of the user's own arrays: ``own_``, the file's name and a digest of its
        content), and what people call it.
    x_train, x_test
        Images, float32 of shape (n, height, width, channels) in [0, 1].
    y_train, y_test
        Labels, int32 of shape (n,), from 0.
    class_names
        Name of each label.
    status
        ``verified`` (the content is the official one), ``unverified`` (it is not, or nothing tells),
        ``generated`` (a stand-in) or ``own`` (the user's arrays).
    label
        Name for captions: says that a stand-in is one, and what is unverified.
    digest
        SHA-256 of the pixels and labels held here, as bytes: it changes with the subset.
    full_digest
        SHA-256 of the content found on disk, before any subset; of a stand-in, `digest`.
    train_digest
        As `digest`, of the training part alone: what a trained model depends on.
    full_n_train, full_n_test
        Number of images before any subset.
    stands_in_for
        Name of the real data set in whose place this one stands, or None.
    source
        Where it comes from, in a sentence.
    """

    name: str
    title: str
    x_train: np.ndarray = field(repr=False)
    y_train: np.ndarray = field(repr=False)
    x_test: np.ndarray = field(repr=False)
    y_test: np.ndarray = field(repr=False)
    class_names: tuple[str, ...] = field(repr=False)
    status: str
    label: str
    digest: str
    full_digest: str
    train_digest: str
    full_n_train: int
    full_n_test: int
    stands_in_for: str | None
    source: str = field(repr=False)

    @property
    def role(self) -> str:
        """The report's data set that this one is, or stands in for."""
        return self.stands_in_for or self.name

    @property
    def short_digest(self) -> str:
        return self.digest[:16]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.x_train.shape[1:]

    @property
    def n_classes(self) -> int:
        return len(self.class_names)


def choose(
    labels: np.ndarray, n: int, n_classes: int, *, seed: int | list[int], what: str = "n"
) -> np.ndarray:
    """Choose positions of images of the first `n_classes` classes, in equal shares.

    With `n` = 0 all of them stay in their order. Else one image of each class comes in turn; where a
    class has no more, the others fill up. Fewer images are the beginning of more.

    Raises
    ------
    ValueError
        If there are fewer than `n` images, or `n` is less than one for each class.
    """
    positions = np.flatnonzero(labels < n_classes)
    if n == 0:
        return positions
    if n > len(positions):
        classes = f" in {n_classes} classes" if len(positions) < len(labels) else ""
        raise ValueError(
            f"{what}: {n:,} images wanted, but there are {len(positions):,}{classes}; pass a smaller "
            f"number, or {what.split()[0]} = 0 for all of them"
        )
    if n < n_classes:
        raise ValueError(
            f"{what}: {n} images wanted, but {n_classes} classes need at least {n_classes}"
        )
    mixed = np.random.default_rng(seed).permutation(positions)
    turn = np.empty(len(mixed), np.int64)
    for c in range(n_classes):
        of_class = np.flatnonzero(labels[mixed] == c)
        turn[of_class] = np.arange(len(of_class))
    return mixed[np.lexsort((labels[mixed], turn))][:n]


def digest(arrays: list[np.ndarray]) -> str:
    """SHA-256 of types, shapes and content, in hexadecimal."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def frozen(array: np.ndarray) -> np.ndarray:
    """Turn bytes into float32 of [0, 1], and make any array read-only."""
    if array.dtype == np.uint8:
        array = array.astype(np.float32)
        array /= 255
    array.flags.writeable = False
    return array
