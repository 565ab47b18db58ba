"""The data sets, a row each: ``load(name) -> Dataset``.

Three real ones (downloaded, or read from the official layouts), and for each a stand-in that needs
no download and is always called by its own name; and arrays of the user's own. A new data set is a
file in this folder, a row of `DATASETS`, a row of the tests' table, and a section in a profile.
"""

from __future__ import annotations

import difflib
import operator
from importlib import import_module
from pathlib import Path

import numpy as np

from helpers import paths
from helpers.data import arrays
from helpers.data.dataset import Archive, DataError, Dataset, Found, Spec, choose, digest, frozen

__all__ = ["DATASETS", "DataError", "Dataset", "load"]

_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def _of_mnist(name: str, md5: str, size: int) -> Archive:
    return Archive(name, md5, size, tuple(mirror + name for mirror in _MNIST_MIRRORS))


# In the order of every table.
DATASETS: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        Spec(
            "mnist", "MNIST", (28, 28, 1), 10, 60_000, 10_000,
            "The MNIST database of handwritten digits by Yann LeCun, Corinna Cortes and "
            "Christopher J. C. Burges.",
            "mnist",
            folder="mnist",
            archives=(
                _of_mnist("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
                _of_mnist("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28_881),
                _of_mnist("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1_648_877),
                _of_mnist("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4_542),
            ),
        ),
        Spec(
            "cifar10", "CIFAR-10", (32, 32, 3), 10, 50_000, 10_000,
            "CIFAR-10, collected by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton (binary version).",
            "cifar10",
            folder="cifar-10-batches-bin",
            archives=(
                Archive(
                    "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", 170_052_171,
                    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                ),
            ),
            entries=(*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"),
        ),
        Spec(
            "tiny_imagenet", "Tiny ImageNet", (64, 64, 3), 200, 100_000, 10_000,
            "Tiny ImageNet of the Stanford course CS231n; its validation set is the test set here, "
            "because the labels of its test set were never published.",
            "tiny_imagenet",
            folder="tiny-imagenet-200",
            archives=(
                Archive(
                    "tiny-imagenet-200.zip", "90528d7ca1a48142e341f4ef8d21d0de", 248_100_043,
                    ("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
                ),
            ),
            entries=("wnids.txt", "words.txt", "train", "val/val_annotations.txt", "val/images"),
        ),
        Spec(
            "digits", "digits", (28, 28, 1), 10, 1_297, 500,
            "Real handwritten digits of 8×8 pixels (UCI Optical Recognition of Handwritten Digits), "
            "as shipped with scikit-learn, resized to 20×20 and centred in 28×28.",
            "digits",
            stands_in_for="mnist",
        ),
        Spec(
            "shapes", "shapes", (32, 32, 3), 10, 4_000, 1_000,
            "Ten shapes drawn by helpers/data/shapes.py on uneven backgrounds.",
            "shapes",
            stands_in_for="cifar10",
        ),
        Spec(
            "tiny_shapes", "tiny_shapes", (64, 64, 3), 20, 4_000, 1_000,
            "Five shapes in four colours, 20 classes, drawn by helpers/data/shapes.py.",
            "shapes",
            stands_in_for="tiny_imagenet",
        ),
    )
}  # fmt: skip


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
        Number of images; 0 for all, in their own order. Else a part has equal shares of all classes, up
        to rounding, and its images come class by class in turn: the first 100 images of a part are a
        fair part too, and the smaller part of two with the same seed is the beginning of the larger one.
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
    counts = {"n_train": n_train, "n_test": n_test, "n_classes": n_classes, "seed": seed}
    for what, value in counts.items():
        _check_count(what, value)
    if arrays.is_path(str(name)):
        path = paths.project_path(name)
        found = arrays.read(path, training=training)
        spec = arrays.describe(path, found)
        n_train = n_train if training else 0
    else:
        spec = _spec(name)
        found = _found(spec, data_dir, download)
    total = len(found.class_names)
    if n_classes > total or n_classes == 1:
        raise ValueError(
            f"n_classes = {n_classes}: {spec.title} has {total} classes; take 2 to {total}, "
            "or 0 for all"
        )
    n_classes = n_classes or total
    splits = (found.train, found.test)
    chosen = [  # of both, before the first image is decoded or drawn
        choose(split.labels, n, n_classes, seed=[seed, i], what=f"{what} of {spec.title}")
        for i, (split, n, what) in enumerate(
            zip(splits, (n_train, n_test), ("n_train", "n_test"), strict=True)
        )
    ]
    held = []
    for split, positions in zip(splits, chosen, strict=True):
        held += [split.pixels(positions), split.labels[positions].astype(np.int32)]
    x_train, y_train, x_test, y_test = (frozen(array) for array in held)
    whole = digest(held)
    return Dataset(
        spec.name,
        spec.title,
        x_train,
        y_train,
        x_test,
        y_test,
        class_names=found.class_names[:n_classes],
        status=found.status,
        label=_label(spec, found),
        digest=whole,
        full_digest=found.digest or whole,
        train_digest=digest(held[:2]),
        full_n_train=len(found.train.labels),
        full_n_test=len(found.test.labels),
        stands_in_for=spec.stands_in_for,
        source=spec.source,
    )


def _check_count(what: str, value: int) -> None:
    try:
        valid = not isinstance(value, bool) and operator.index(value) >= 0
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(f"{what} = {value!r}: expected a whole number, 0 or more")


def _spec(name: str) -> Spec:
    if name not in DATASETS:
        close = difflib.get_close_matches(str(name), DATASETS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(
            f"no data set {name!r}{hint}; there are {', '.join(DATASETS)}, or the path of an .npz "
            "file with arrays of your own"
        )
    return DATASETS[name]


def _found(spec: Spec, data_dir: str | Path | None, download: bool) -> Found:
    read = import_module(f"{__name__}.{spec.module}").read
    if not spec.folder:
        return read(spec)
    from helpers.data.folders import find, named

    data_dir = paths.project_path("data" if data_dir is None else data_dir)
    stand_in = next((row.name for row in DATASETS.values() if row.stands_in_for == spec.name), None)
    with named(data_dir / spec.folder):
        return read(spec, find(spec, data_dir, download=download, stand_in=stand_in))


def _label(spec: Spec, found: Found) -> str:
    if spec.stands_in_for:
        return f"{spec.title} (stands in for {DATASETS[spec.stands_in_for].title})"
    # Where only the digest says what the data are.
    unchecked = {"unverified": "unverified", "own": "own data"}.get(found.status)
    return f"{spec.title} ({unchecked}, digest {found.digest[:16]})" if unchecked else spec.title
