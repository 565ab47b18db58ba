"""Tiny ImageNet: a folder of JPEG files for each class; the validation images are the test set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from helpers.data.dataset import DataError, Found, Spec, Split
from helpers.data.folders import identify, read_bytes

SIDE = 64
LARGEST_TEXT = 10_000_000  # bytes; the largest official one has 2.7 million


def read(spec: Spec, folder: Path) -> Found:
    """Index the folders of images, which are decoded when they are chosen.

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
    status, digest = identify(spec, folder)
    names = tuple(words[wnid].split(",")[0].strip() for wnid in wnids)
    return Found(_split(train), _split(test), names, status, digest)


def _text(path: Path) -> str:
    try:
        return read_bytes(path, LARGEST_TEXT).decode("utf-8")
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


def _split(files: list[tuple[Path, int]]) -> Split:
    def pixels(positions: np.ndarray) -> np.ndarray:
        x = np.empty((len(positions), SIDE, SIDE, 3), np.uint8)
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
            if (width, height) != (SIDE, SIDE):
                raise DataError(f"{path}: {width} x {height} pixels, not 64 x 64")
            return np.asarray(image.convert("RGB"))  # some are greyscale
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded as an image ({error})") from error
