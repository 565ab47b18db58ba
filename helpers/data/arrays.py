"""Images of the user's own: arrays in an ``.npz`` file, checked before anything is done with them."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np

from helpers.data.dataset import DataError, Found, Spec, Split
from helpers.files import file_digest, no_file, too_large

TEST = ("x_test", "y_test")
TRAINING = ("x_train", "y_train")
KNOWN = (*TEST, *TRAINING, "class_names")
CHANNELS = (1, 3)
# A larger label is an identifier rather than a class.
MOST_CLASSES = 100_000
# What captions and axis labels would take for markup.
MARKUP = frozenset("<>$")

# Of a file's name, in the data set's: it stands in captions and in the names of files.
LONGEST_STEM = 24

DAMAGE = (OSError, EOFError, ValueError, BadZipFile, zlib.error, RuntimeError)


def is_path(name: str) -> bool:
    """Tell whether `name` means a file rather than one of the project's data sets."""
    return "/" in name or name.lower().endswith(".npz")


def name_of(path: Path, digest: str) -> str:
    """Name the data set after its file and what is in it.

    The prefix keeps it apart from the project's own, the digest from other files of that name, or of
    one that has the same ASCII letters: results are kept under the name. What is equal in both gives
    the same results.
    """
    stem = re.sub(r"[^A-Za-z0-9]+", "_", path.stem)[:LONGEST_STEM].strip("_")
    return f"own_{stem or 'arrays'}_{digest[:8]}"


def describe(path: Path, found: Found) -> Spec:
    """Make the row that the arrays of a file would have in the table."""
    name, shape = name_of(path, found.digest), found.test.pixels(np.arange(1)).shape[1:]
    sizes = len(found.class_names), len(found.train.labels), len(found.test.labels)
    return Spec(name, name, shape, *sizes, f"Arrays of the user's own, {path.name}.", "arrays")


def read(path: Path, *, training: bool = True) -> Found:
    """Read images and labels from an ``.npz`` file.

    Parameters
    ----------
    path
        The file. ``x_test`` and ``x_train`` hold images, (n, height, width) or (n, height, width,
        channels) with 1 or 3 channels, uint8 from 0 to 255 or floats from 0 to 1; ``y_test`` and
        ``y_train`` whole numbers from 0, (n,); ``class_names``, where there is one, text, a name
        for each label.
    training
        Whether training images are needed. If not, those in the file are left unread.

    Raises
    ------
    DataError
        If the file is absent or damaged, lacks an array, holds an unknown one, or an array does not
        fit; says which, and what would. Or if it would not fit into memory, which is known before
        it is unpacked. Pickles are never loaded.
    """
    arrays = _arrays(path, (*TEST, *(TRAINING if training else ())))
    for x, y in (TEST, TRAINING):
        if x in arrays:
            arrays[x] = _images(path, x, arrays[x])
            arrays[y] = _labels(path, y, arrays[y], len(arrays[x]))
    if not training:
        arrays |= {"x_train": arrays["x_test"][:0], "y_train": arrays["y_test"][:0]}
    elif arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        raise DataError(
            f"{path}: the images of x_train have shape {arrays['x_train'].shape[1:]}, those of "
            f"x_test {arrays['x_test'].shape[1:]}; they must be the same"
        )
    names = _class_names(path, arrays)
    if training:
        _check_every_class(path, arrays["y_train"], len(names))
    train, test = (Split(arrays[y], arrays[x].__getitem__) for x, y in (TRAINING, TEST))
    return Found(train, test, names, status="own", digest=file_digest(path))


def _arrays(path: Path, needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    if problem := no_file(path):
        raise DataError(f"{path}: {problem}; a relative path starts at the project's folder")
    how = "np.savez_compressed(path, x_test=..., y_test=...) writes such a file"
    if not is_zipfile(path):
        raise DataError(f"{path} is no .npz file, or a damaged one; {how}")
    fewer = "save fewer images, or as uint8"
    try:
        if problem := too_large(path):
            raise DataError(f"{path}: {problem}; {fewer}")
        with np.load(path, allow_pickle=False) as file:
            _check_names(path, file.files, needed)
            wanted = [name for name in file.files if name in (*needed, "class_names")]
            arrays = {name: _array(path, file, name) for name in wanted}
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{path} does not fit into memory ({error}); {fewer}") from error
    except DAMAGE as error:
        raise DataError(f"{path} is damaged ({error}); {how}") from error
    return arrays


def _check_names(path: Path, found: list[str], needed: tuple[str, ...]) -> None:
    unknown = [name for name in found if name not in KNOWN]
    if unknown:
        raise DataError(
            f"{path} holds an array {unknown[0]!r}, which nothing here reads; the names are "
            f"{', '.join(KNOWN)}"
        )
    missing = [name for name in needed if name not in found]
    if missing:
        trained = (
            "; a network is trained on them, only an attack on a model of your own needs none "
            "(03_attacks with the parameter model)"
        )
        raise DataError(
            f"{path}: {', '.join(missing)} missing (there are {', '.join(found) or 'no arrays'})"
            + (trained if set(missing) <= set(TRAINING) else "")
        )


def _array(path: Path, file, name: str) -> np.ndarray:
    try:
        array = file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"{path}: {name} holds Python objects, stored as a pickle, which is never loaded; store "
            "numbers, and names as np.array(names, dtype=str)"
        ) from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: {name} is no array of NumPy")
    return array


def _images(path: Path, name: str, x: np.ndarray) -> np.ndarray:
    """Check images and return them as uint8 or float32, (n, height, width, channels)."""
    given = x.shape
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.shape[-1] not in CHANNELS:
        first = x.ndim == 4 and x.shape[1] in CHANNELS
        raise DataError(
            f"{path}: {name} has shape {given}; expected (n, height, width), or (n, height, width, "
            "channels) with 1 or 3 channels"
            + ("; np.moveaxis(x, 1, -1) puts the channels last" if first else "")
        )
    if not x.size:
        raise DataError(f"{path}: {name} holds no images, its shape is {given}")
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(
            f"{path}: {name} is {x.dtype}; expected uint8 from 0 to 255, or floats from 0 to 1"
        )
    what = f"{path}: {name} is {x.dtype} and goes from {x.min()} to {x.max()}"
    if x.dtype == np.uint8:
        if x.max() <= 1:
            raise DataError(f"{what}; uint8 goes to 255, store such images as floats")
        return x
    if not (x.min() >= 0 and x.max() <= 1):  # false for NaN too
        raise DataError(f"{what}; expected floats from 0 to 1 without NaN, or uint8 from 0 to 255")
    return x.astype(np.float32, copy=False)


def _labels(path: Path, name: str, y: np.ndarray, n: int) -> np.ndarray:
    """Check labels and return them as int32 (n,)."""
    given = f"{path}: {name} is {y.dtype} of shape {y.shape}"
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iu":
        hint = "y.argmax(1) makes them of one-hot rows" if y.ndim == 2 else "y.astype(int) if whole"
        raise DataError(f"{given}; expected whole numbers of shape ({n},); {hint}")
    if len(y) != n:
        raise DataError(f"{path}: {name} holds {len(y):,} labels for {n:,} images")
    if y.min() < 0 or y.max() >= MOST_CLASSES:
        raise DataError(
            f"{path}: {name} goes from {y.min()} to {y.max()}; labels are numbered from 0 to the "
            "number of classes - 1"
        )
    return y.astype(np.int32)


def _class_names(path: Path, arrays: dict[str, np.ndarray]) -> tuple[str, ...]:
    """Take the names of the classes from the file, or the labels themselves."""
    used = np.unique(np.concatenate([arrays["y_train"], arrays["y_test"]]))
    if len(used) < 2:
        raise DataError(f"{path}: every label is {used[0]}; at least two classes are needed")
    n_classes = int(used[-1]) + 1
    if "class_names" not in arrays:
        return tuple(str(k) for k in range(n_classes))
    names = arrays["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(
            f"{path}: class_names is {names.dtype} of shape {names.shape}; expected text of shape "
            "(classes,): np.array(names, dtype=str)"
        )
    if len(names) < n_classes:
        raise DataError(
            f"{path}: class_names holds {len(names)} names, but labels go up to {n_classes - 1}"
        )
    for name in names.tolist():
        if not name.strip() or not name.isprintable() or MARKUP & set(name):
            raise DataError(
                f"{path}: the class name {name!r} cannot stand in a caption; expected printable text "
                f"without {' '.join(sorted(MARKUP))}"
            )
    return tuple(names.tolist())


def _check_every_class(path: Path, y_train: np.ndarray, n_classes: int) -> None:
    absent = np.setdiff1d(np.arange(n_classes), y_train).tolist()
    if absent:
        some = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
        raise DataError(
            f"{path}: {len(absent)} of {n_classes} classes (labels {some}) have no training image; "
            "number the labels from 0 without gaps, and name and test no class that is not trained"
        )
