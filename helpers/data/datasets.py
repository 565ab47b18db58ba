"""The data sets: ``load(name) -> Dataset``.

Three real ones (downloaded, or read from the official layouts), and for each a stand-in that needs
no download and is always called by its own name; and arrays of the user's own.
"""

from __future__ import annotations

import difflib
import hashlib
import operator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from helpers import paths
from helpers.data import arrays as own_data
from helpers.data import synthetic
from helpers.data.download import ARCHIVES, DataError, obtain
from helpers.data.readers import FOLDERS, READERS, Found, Split, fingerprints, is_absent, wanted
from helpers.files import trouble

__all__ = ["DATASETS", "DataError", "Dataset", "Spec", "load", "stand_in", "title"]


@dataclass(frozen=True)
class Spec:
    """What is known of a data set without loading it (of a real one: in its official form)."""

    title: str
    input_shape: tuple[int, int, int]
    n_classes: int
    n_train: int
    n_test: int
    source: str
    stands_in_for: str | None = None


DATASETS: dict[str, Spec] = {
    "mnist": Spec(
        "MNIST",
        (28, 28, 1),
        10,
        60_000,
        10_000,
        "The MNIST database of handwritten digits by Yann LeCun, Corinna Cortes and "
        "Christopher J. C. Burges.",
    ),
    "cifar10": Spec(
        "CIFAR-10",
        (32, 32, 3),
        10,
        50_000,
        10_000,
        "CIFAR-10, collected by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton (binary version).",
    ),
    "tiny_imagenet": Spec(
        "Tiny ImageNet",
        (64, 64, 3),
        200,
        100_000,
        10_000,
        "Tiny ImageNet of the Stanford course CS231n; its validation set is the test set here, "
        "because the labels of its test set were never published.",
    ),
    "digits": Spec(
        "digits",
        (28, 28, 1),
        10,
        1_297,
        500,
        "Real handwritten digits of 8×8 pixels (UCI Optical Recognition of Handwritten Digits), "
        "as shipped with scikit-learn, resized to 20×20 and centred in 28×28.",
        stands_in_for="mnist",
    ),
    "shapes": Spec(
        "shapes",
        (32, 32, 3),
        len(synthetic.CLASS_NAMES["shapes"]),
        4_000,
        1_000,
        "Ten shapes drawn by helpers/synthetic.py on uneven backgrounds.",
        stands_in_for="cifar10",
    ),
    "tiny_shapes": Spec(
        "tiny_shapes",
        (64, 64, 3),
        len(synthetic.CLASS_NAMES["tiny_shapes"]),
        4_000,
        1_000,
        "Five shapes in four colours, 20 classes, drawn by helpers/synthetic.py.",
        stands_in_for="tiny_imagenet",
    ),
}


# Where only the digest says what the data are, in the words of captions.
UNCHECKED = {"unverified": "unverified", "own": "own data"}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, and what they are.

    Attributes
    ----------
    name, title
        Key of `DATASETS` (of the user's own arrays: ``own_``, the file's name and a digest of its
        content), and what captions call it.
    x_train, x_test
        Images, float32 of shape (n, height, width, channels) in [0, 1].
    y_train, y_test
        Labels, int32 of shape (n,), from 0.
    class_names
        Name of each label.
    status
        ``verified`` (the content is the official one), ``unverified`` (it is not, or nothing tells),
        ``generated`` (a stand-in) or ``own`` (the user's arrays).
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
    def label(self) -> str:
        """Name for captions: says that a stand-in is one, and what is unverified."""
        if self.stands_in_for:
            return f"{self.title} (stands in for {DATASETS[self.stands_in_for].title})"
        if self.status in UNCHECKED:
            return f"{self.title} ({UNCHECKED[self.status]}, digest {self.full_digest[:16]})"
        return self.title

    @property
    def short_digest(self) -> str:
        return self.digest[:16]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.x_train.shape[1:]

    @property
    def n_classes(self) -> int:
        return len(self.class_names)


def title(name: str) -> str:
    """Name of a data set for captions, without loading it."""
    return _spec(name).title


def stand_in(name: str) -> str | None:
    """Name the data set that needs no download and stands in for this one, if there is one."""
    _spec(name)
    return next((other for other, spec in DATASETS.items() if spec.stands_in_for == name), None)


def load(
    name: str,
    *,
    data_dir: str | Path | None = None,
    n_train: int = 0,
    n_test: int = 0,
    n_classes: int = 0,
    seed: int = 0,
    download: bool = True,
    training: bool = True,
) -> Dataset:
    """Load a data set, or a part of it.

    Parameters
    ----------
    name
        A key of `DATASETS`, or the path of an ``.npz`` file with arrays of the user's own
        (:func:`helpers.data.arrays.read`); a relative one starts at the project's root.
    data_dir
        Folder that holds the real data sets' folders (None: the project's ``data``); a relative
        one starts at the project's root. Stand-ins need none.
    n_train, n_test
        Number of images, 0 for all. A part has equal shares of all classes, up to rounding, and its
        images come class by class in turn: the first 100 images of a part are a fair part too, and
        the smaller part of two with the same seed is the beginning of the larger one.
    n_classes
        Number of classes, the first ones; 0 for all.
    seed
        Which images a part holds. The stand-ins themselves do not change with it.
    download
        Whether to download a real data set of which nothing is there.
    training
        Whether training images are needed. If not, the user's own arrays may lack them, and come
        without.

    Returns
    -------
    Dataset
        Its arrays are read-only.

    Raises
    ------
    ValueError
        If there is no such data set, or not as many images or classes.
    DataError
        If files are missing or damaged, or cannot be downloaded.
    """
    own = own_data.is_path(str(name))
    spec = None if own else _spec(name)
    for what, value in (
        ("n_train", n_train), ("n_test", n_test), ("n_classes", n_classes), ("seed", seed)
    ):  # fmt: skip
        _check_count(what, value)
    if own:
        path = paths.project_path(name)
        found = own_data.read(path, training=training)
        name = own_data.name_of(path, found.digest)
        spec, n_train = _own_spec(path, name, found), n_train if training else 0
    elif name in READERS:
        found = _find(name, data_dir, download)
    else:
        found = _digits() if name == "digits" else _drawn(name)
    total = len(found.class_names)
    if n_classes > total or n_classes == 1:
        raise ValueError(
            f"n_classes = {n_classes}: {spec.title} has {total} classes; take 2 to {total}, "
            "or 0 for all"
        )
    n_classes = n_classes or total
    chosen = [
        choose(split.labels, n, n_classes, seed=[seed, i], what=f"{what} of {spec.title}")
        for i, (split, n, what) in enumerate(
            ((found.train, n_train, "n_train"), (found.test, n_test, "n_test"))
        )
    ]
    arrays = []
    for split, positions in zip((found.train, found.test), chosen, strict=True):
        arrays += [split.pixels(positions), split.labels[positions].astype(np.int32)]
    digest = _digest(arrays)
    x_train, y_train, x_test, y_test = (_frozen(array) for array in arrays)
    return Dataset(
        name,
        spec.title,
        x_train,
        y_train,
        x_test,
        y_test,
        class_names=found.class_names[:n_classes],
        status=found.status,
        digest=digest,
        full_digest=found.digest or digest,
        train_digest=_digest(arrays[:2]),
        full_n_train=len(found.train.labels),
        full_n_test=len(found.test.labels),
        stands_in_for=spec.stands_in_for,
        source=spec.source,
    )


def _spec(name: str) -> Spec:
    if name not in DATASETS:
        close = difflib.get_close_matches(str(name), DATASETS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(
            f"no data set {name!r}{hint}; there are {', '.join(DATASETS)}, or the path of an .npz "
            "file with arrays of your own"
        )
    return DATASETS[name]


def _own_spec(path: Path, name: str, found: Found) -> Spec:
    shape = found.test.pixels(np.arange(1)).shape[1:]
    sizes = len(found.class_names), len(found.train.labels), len(found.test.labels)
    return Spec(name, shape, *sizes, f"Arrays of the user's own, {path.name}.")


def _check_count(what: str, value: int) -> None:
    try:
        valid = not isinstance(value, bool) and operator.index(value) >= 0
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(f"{what} = {value!r}: expected a whole number, 0 or more")


def _find(name: str, data_dir: str | Path | None, download: bool) -> Found:
    """Read a real data set, after downloading it if nothing of it is there."""
    data_dir = paths.project_path("data" if data_dir is None else data_dir)
    folder = data_dir / FOLDERS[name]
    try:
        if not data_dir.is_dir():
            raise DataError(f"data_dir = {str(data_dir)!r}: there is no such folder")
        if is_absent(name, data_dir):
            _obtain(name, folder, download)
        return READERS[name](folder)
    except OSError as error:
        raise DataError(f"{error.filename or folder}: {trouble(error)}") from error


def _obtain(name: str, folder: Path, download: bool) -> None:
    try:
        if not download:
            raise DataError("nothing is to be downloaded")
        obtain(name, folder, partial(fingerprints, name))
    except DataError as error:
        archives = [archive.name for archive in ARCHIVES[name]]
        raise DataError(
            f"{DATASETS[name].title} is not in {folder}, and {error}. Put "
            f"{', '.join(wanted(name))} into {folder}"
            + (f" (or {archives[0]} into {folder.parent})" if len(archives) == 1 else "")
            + f", or use the stand-in {stand_in(name)!r}, which needs no download"
        ) from error


def choose(
    labels: np.ndarray, n: int, n_classes: int, *, seed: int | list[int], what: str = "n"
) -> np.ndarray:
    """Choose positions of images of the first `n_classes` classes, in equal shares.

    All of them (`n` = 0) stay in their order. Of fewer, one image of each class comes in turn; where
    a class has no more, the others fill up.

    Raises
    ------
    ValueError
        If there are fewer than `n` images, or `n` is less than one for each class.
    """
    positions = np.flatnonzero(labels < n_classes)
    if n == 0 or n == len(positions):
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


def _digits() -> Found:
    """Read scikit-learn's digits, split once and for all into 1,297 + 500."""
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x = np.zeros((len(digits.images), 28, 28, 1), np.uint8)
    for i, image in enumerate(digits.images):
        small = Image.fromarray(np.uint8(image * 255 / 16 + 0.5))
        x[i, 4:24, 4:24, 0] = np.asarray(small.resize((20, 20), Image.Resampling.BICUBIC))
    y = digits.target.astype(np.int32)
    parts = train_test_split(np.arange(len(y)), test_size=500, stratify=y, random_state=0)
    train, test = (Split(y[part], x[part].__getitem__) for part in parts)
    names = tuple(str(digit) for digit in range(10))
    return Found(train, test, names, status="generated", digest="")


def _drawn(name: str) -> Found:
    """Lay out a drawn data set, class by class in turn; only what is chosen is drawn."""
    spec = DATASETS[name]

    def split(which: str, n: int) -> Split:
        def pixels(positions: np.ndarray) -> np.ndarray:
            return synthetic.draw(
                name, which, positions % spec.n_classes, positions // spec.n_classes
            )

        return Split(np.arange(n, dtype=np.int32) % spec.n_classes, pixels)

    return Found(
        split("train", spec.n_train),
        split("test", spec.n_test),
        synthetic.CLASS_NAMES[name],
        status="generated",
        digest="",
    )


def _digest(arrays: list[np.ndarray]) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def _frozen(array: np.ndarray) -> np.ndarray:
    """Turn bytes into float32 of [0, 1], and make any array read-only."""
    if array.dtype == np.uint8:
        array = array.astype(np.float32)
        array /= 255
    array.flags.writeable = False
    return array
