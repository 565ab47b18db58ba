"""The real data sets in their official layouts, of a few random images each."""

import dataclasses
import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.data import DATASETS

REAL = [name for name, spec in DATASETS.items() if spec.folder]
WNIDS = ("n03", "n01", "n02")
CIFAR10_IMAGES = 20  # in each file


def lay_out(name: str, data_dir: Path, monkeypatch) -> Path:
    """Write the folder of a small data set, and return it."""
    folder = data_dir / DATASETS[name].folder
    folder.mkdir()
    if name == "cifar10":  # its files are measured
        small = dataclasses.replace(DATASETS[name], n_test=CIFAR10_IMAGES)
        monkeypatch.setitem(DATASETS, name, small)
    {"mnist": _mnist, "cifar10": _cifar10, "tiny_imagenet": _tiny_imagenet}[name](folder)
    return folder


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def paint(path: Path, level: int, mode: str = "RGB", side: int = 64) -> None:
    Image.new("RGB", (side, side), (level, level, level)).convert(mode).save(path, "JPEG")


def _mnist(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, n in (("train", 40), ("t10k", 20)):
        x = idx(rng.integers(0, 256, (n, 28, 28)))
        y = idx(np.arange(n) % 10)
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(x))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(y))


def _cifar10(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in DATASETS["cifar10"].wanted:
        rows = rng.integers(0, 256, (CIFAR10_IMAGES, 3073)).astype(np.uint8)
        rows[:, 0] = np.arange(CIFAR10_IMAGES) % 10
        rows.tofile(folder / name)


def _tiny_imagenet(folder: Path) -> None:
    (folder / "val/images").mkdir(parents=True)
    (folder / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    (folder / "words.txt").write_text("n01\tcat, house cat\nn02\tdog\nn03\tboat, ship\nn04\tx\n")
    rows = []
    for label, wnid in enumerate(WNIDS):
        images = folder / "train" / wnid / "images"
        images.mkdir(parents=True)
        for i in range(4):
            paint(images / f"{wnid}_{i}.JPEG", 60 * label + 10 * i)
        for i in range(2):
            name = f"val_{3 * i + label}x.JPEG"
            paint(folder / "val/images" / name, 60 * label, mode="L" if i else "RGB")
            rows.append(f"{name}\t{wnid}\t0\t0\t63\t63")
    (folder / "val/val_annotations.txt").write_text("\n".join(rows) + "\n")
