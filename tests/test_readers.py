import dataclasses
import errno
import gzip
import hashlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import readers
from helpers.data.datasets import load
from helpers.data.download import ARCHIVES, DataError, write_stamp
from helpers.paths import PROJECT

SHARED = PROJECT.parent / "shared"
WNIDS = ("n03", "n01", "n02")


def idx(array):
    head = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for split, n in (("train", 40), ("t10k", 20)):
        x = idx(rng.integers(0, 256, (n, 28, 28)))
        y = idx(np.arange(n) % 10)
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(x))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(y))
    return folder


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "CIFAR10_IMAGES", 20)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in readers.CIFAR10_FILES:
        rows = rng.integers(0, 256, (20, 3073)).astype(np.uint8)
        rows[:, 0] = np.arange(20) % 10
        rows.tofile(folder / name)
    return folder


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "tiny-imagenet-200"
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
    return folder


def paint(path, level, mode="RGB", side=64):
    Image.new("RGB", (side, side), (level, level, level)).convert(mode).save(path, "JPEG")


def test_mnist_plain_and_compressed_are_the_same(mnist):
    compressed = load("mnist", data_dir=mnist.parent)
    for path in list(mnist.iterdir()):
        (mnist / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    plain = load("mnist", data_dir=mnist.parent)
    np.testing.assert_array_equal(plain.x_train, compressed.x_train)
    assert plain.full_digest == compressed.full_digest
    assert plain.x_train.shape == (40, 28, 28, 1)
    assert plain.y_test.tolist() == [*range(10)] * 2


def test_mnist_of_other_content_is_unverified(mnist):
    data = load("mnist", data_dir=mnist.parent)
    assert data.status == "unverified"
    assert data.label == f"MNIST (unverified, digest {data.full_digest[:16]})"
    part = load("mnist", data_dir=mnist.parent, n_train=10, n_test=10)
    assert part.label == data.label
    assert part.digest != data.digest


def regzip(path, change):
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("train-images-idx3", lambda b: b[:-1], "bytes, but 40 items"),
        ("train-images-idx3", lambda b: b + b"0", "bytes, but 40 items"),
        ("train-images-idx3", lambda b: b"\0\0\x08\x01" + b[4:], "wrong magic number 0x00000801"),
        ("train-images-idx3", lambda b: b[:11] + b"\x1b" + b[12:], "27 x 28 pixels"),
        ("train-images-idx3", lambda b: b[:5], "too few"),
        ("train-labels-idx1", lambda b: b[:-1] + b"\x0a", "labels up to 10"),
        ("train-labels-idx1", lambda b: b[:8] + b"\0" * 40, "no image of class 1, 2"),
        ("t10k-labels-idx1", lambda b: idx(np.arange(19) % 10), "20 images, .* 19"),
        ("t10k-labels-idx1", lambda b: idx(np.arange(0)), "bytes, but 0 items"),
    ],
)
def test_damaged_mnist_file_is_named(mnist, file, change, message):
    regzip(mnist / f"{file}-ubyte.gz", change)
    with pytest.raises(DataError, match=message) as error:
        load("mnist", data_dir=mnist.parent)
    assert file in str(error.value)


@pytest.mark.parametrize("change", [lambda b: b[:-9], lambda b: b[:100], lambda b: b"<html>"])
def test_truncated_gzip_is_named(mnist, change):
    path = mnist / "train-images-idx3-ubyte.gz"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: truncated"):
        load("mnist", data_dir=mnist.parent)


@pytest.mark.parametrize(
    ("name", "entry", "there"),
    [
        ("mnist", "t10k-labels-idx1-ubyte.gz", "train-images-idx3-ubyte.gz"),
        ("cifar10", "data_batch_3.bin", "test_batch.bin"),
        ("tiny", "words.txt", "wnids.txt"),
        ("tiny", "val/images", "val/val_annotations.txt"),
    ],
)
def test_missing_file_is_named_and_nothing_overwritten(request, name, entry, there):
    folder = request.getfixturevalue(name)
    if (folder / entry).is_dir():
        shutil.rmtree(folder / entry)
    else:
        (folder / entry).unlink()
    before = sorted(folder.rglob("*"))
    with pytest.raises(DataError, match=rf"(?s){entry} missing; there are .*{there}"):
        load(name.replace("tiny", "tiny_imagenet"), data_dir=folder.parent, download=True)
    assert sorted(folder.rglob("*")) == before


def in_place_of(path, kind):
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"dangling": "nowhere", "loop": path.name, "endless": "/dev/zero"}[kind])


ENTRIES = {
    "mnist": ["train-images-idx3-ubyte.gz"],
    "cifar10": ["data_batch_3.bin"],
    "tiny": ["words.txt", "val/val_annotations.txt", "train/n02/images/n02_1.JPEG"],
}


@pytest.mark.parametrize("kind", ["pipe", "dangling", "loop", "endless"])
@pytest.mark.parametrize(
    ("name", "entry"), [(name, entry) for name, found in ENTRIES.items() for entry in found]
)
def test_what_is_no_regular_file_is_named_at_once(request, name, entry, kind):
    folder = request.getfixturevalue(name)
    in_place_of(folder / entry, kind)
    words = "a pipe or a device" if kind in ("pipe", "endless") else r"a link that leads|back to"
    with pytest.raises(DataError, match=f"(?s){entry}.*({words})"):
        load(name.replace("tiny", "tiny_imagenet"), data_dir=folder.parent)


@pytest.mark.parametrize("target", ["nowhere", "mnist"])
def test_a_folder_that_is_a_broken_link_is_not_downloaded_over(tmp_path, target):
    (tmp_path / "mnist").symlink_to(target)
    with pytest.raises(DataError, match="mnist: that is a link that leads nowhere; mend or remove"):
        load("mnist", data_dir=tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        load("mnist", data_dir=tmp_path / "mnist")


@pytest.mark.parametrize("method", ["is_dir", "iterdir"])
def test_a_folder_that_may_not_be_read_is_named(mnist, monkeypatch, method):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, method, refuse)  # the superuser may read everything
    with pytest.raises(DataError, match="its permissions, or those of a folder above it"):
        load("mnist", data_dir=mnist.parent)


def test_a_compressed_file_is_unpacked_no_further_than_it_may_go(mnist, monkeypatch):
    path = mnist / "train-images-idx3-ubyte.gz"
    size = readers.MNIST_SIZES[path.stem]
    path.write_bytes(gzip.compress(bytes(3 * size)))
    read = []
    whole = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda file, n=-1: read.append(n) or whole(file, n))
    with pytest.raises(DataError, match="more than 47,040,016 bytes unpacked"):
        load("mnist", data_dir=mnist.parent)
    assert read == [size + 1]


@pytest.mark.parametrize(
    ("name", "entry"),
    [("mnist", "t10k-labels-idx1-ubyte"), *[("tiny", e) for e in ENTRIES["tiny"]]],
)
def test_a_file_that_is_too_large_is_not_read(request, monkeypatch, name, entry):
    folder = request.getfixturevalue(name)
    with (folder / entry).open("ab") as file:
        file.truncate(20_000_000_000)  # takes no room on disk
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=f"{entry}: 20,000,000,000 bytes, expected at most"):
        load(name.replace("tiny", "tiny_imagenet"), data_dir=folder.parent)


def test_an_image_of_another_size_is_not_decoded(tiny, monkeypatch):
    paint(tiny / "train/n02/images/n02_1.JPEG", 0, side=2000)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match="2000 x 2000 pixels, not 64 x 64"):
        readers._decode(tiny / "train/n02/images/n02_1.JPEG")


def test_images_behind_a_link_to_their_folder_count(tiny):
    before = readers.fingerprints("tiny_imagenet", tiny)
    (tiny / "train/n01").rename(tiny.parent / "moved")
    (tiny / "train/n01").symlink_to(tiny.parent / "moved")
    assert readers.fingerprints("tiny_imagenet", tiny) == before


def test_text_that_is_none_is_named(tiny):
    (tiny / "words.txt").write_bytes(b"n01\t\xff")
    with pytest.raises(DataError, match=r"words\.txt: expected text in UTF-8"):
        load("tiny_imagenet", data_dir=tiny.parent)


def test_files_one_folder_too_high(mnist):
    with pytest.raises(DataError, match="belong in a folder mnist"):
        load("mnist", data_dir=mnist)


def test_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "mnist").write_text("")
    with pytest.raises(DataError, match="expected a folder"):
        load("mnist", data_dir=tmp_path)


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("name", list(readers.FOLDERS))
def test_absent_without_download_names_files_and_stand_in(tmp_path, name, empty):
    if empty:
        (tmp_path / readers.FOLDERS[name]).mkdir()
    with pytest.raises(DataError) as error:
        load(name, data_dir=tmp_path, download=False)
    for text in (*readers.wanted(name), str(tmp_path / readers.FOLDERS[name]), "stand-in"):
        assert text in str(error.value)


def test_missing_data_dir(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load("mnist", data_dir=tmp_path / "nowhere")


def test_cifar10_planes_become_channels(cifar10):
    data = load("cifar10", data_dir=cifar10.parent)
    row = np.fromfile(cifar10 / "data_batch_1.bin", np.uint8)[:3073]
    assert data.x_train.shape == (100, 32, 32, 3)
    assert data.y_train[0] == row[0]
    for channel in range(3):
        plane = row[1 + 1024 * channel :][:1024].reshape(32, 32)
        np.testing.assert_allclose(data.x_train[0, ..., channel], plane / 255, atol=1e-6)


def test_cifar10_stamp_is_checked_again_on_every_load(cifar10):
    assert load("cifar10", data_dir=cifar10.parent).status == "unverified"
    hashes = readers.fingerprints("cifar10", cifar10)
    write_stamp(cifar10, ARCHIVES["cifar10"][0], hashes)
    verified = load("cifar10", data_dir=cifar10.parent)
    assert (verified.status, verified.label) == ("verified", "CIFAR-10")
    path = cifar10 / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    changed = load("cifar10", data_dir=cifar10.parent)
    assert changed.status == "unverified"
    assert changed.full_digest != verified.full_digest


@pytest.mark.parametrize(("name", "kind"), [("cifar10", "gztar"), ("tiny", "zip")])
def test_official_archive_put_into_data_dir_is_verified(request, monkeypatch, name, kind):
    folder = request.getfixturevalue(name)
    name = name.replace("tiny", "tiny_imagenet")
    base = folder.parent / "official"
    path = Path(shutil.make_archive(str(base), kind, folder.parent, folder.name))
    shutil.rmtree(folder)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    urls = ("http://127.0.0.1:9/",)
    monkeypatch.setitem(
        ARCHIVES,
        name,
        (dataclasses.replace(ARCHIVES[name][0], name=path.name, md5=md5, urls=urls),),
    )
    for _ in range(2):
        assert load(name, data_dir=folder.parent).status == "verified"


def test_cifar10_wrong_size(cifar10):
    path = cifar10 / "data_batch_4.bin"
    path.write_bytes(path.read_bytes()[:-3073])
    with pytest.raises(DataError, match=r"data_batch_4\.bin: 58,387 bytes, expected 61,460"):
        load("cifar10", data_dir=cifar10.parent)


def test_cifar10_label_out_of_range(cifar10):
    path = cifar10 / "test_batch.bin"
    path.write_bytes(b"\x0b" + path.read_bytes()[1:])
    with pytest.raises(DataError, match=r"test_batch\.bin: labels up to 11"):
        load("cifar10", data_dir=cifar10.parent)


def test_tiny_imagenet_classes_follow_wnids(tiny):
    data = load("tiny_imagenet", data_dir=tiny.parent)
    assert data.class_names == ("boat", "cat", "dog")
    assert data.x_train.shape == (12, 64, 64, 3)
    assert data.y_train.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    for x, y in ((data.x_train[::4], data.y_train[::4]), (data.x_test, data.y_test)):
        np.testing.assert_allclose(x.mean(axis=(1, 2, 3)) * 255, 60 * y, atol=2)


def test_tiny_imagenet_decodes_only_what_is_chosen(tiny, monkeypatch):
    opened = []
    decode = readers._decode
    monkeypatch.setattr(readers, "_decode", lambda path: opened.append(path) or decode(path))
    data = load("tiny_imagenet", data_dir=tiny.parent, n_train=3, n_test=2, n_classes=2)
    assert len(opened) == 5
    assert data.class_names == ("boat", "cat")
    assert (data.full_n_train, data.full_n_test) == (12, 6)


def test_tiny_imagenet_stamp(tiny):
    write_stamp(tiny, ARCHIVES["tiny_imagenet"][0], readers.fingerprints("tiny_imagenet", tiny))
    assert load("tiny_imagenet", data_dir=tiny.parent).status == "verified"
    paint(tiny / "train/n01/images/n01_2.JPEG", 77)
    assert load("tiny_imagenet", data_dir=tiny.parent, n_train=3).status == "unverified"


def jpeg(tiny):
    return tiny / "train/n02/images/n02_1.JPEG"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: shutil.rmtree(t / "train/n02"), "train/n02/images: no such folder"),
        (lambda t: jpeg(t).unlink(), r"unequal numbers of images, from 3 \(n02\) to 4"),
        (lambda t: jpeg(t).write_bytes(jpeg(t).read_bytes()[:200]), r"n02_1\.JPEG: cannot"),
        (lambda t: jpeg(t).write_bytes(b""), r"n02_1\.JPEG: cannot"),
        (lambda t: paint(jpeg(t), 0, side=32), r"n02_1\.JPEG: 32 x 32 pixels"),
        (lambda t: (t / "wnids.txt").write_text("n01\nn01\n"), "wnids.txt: expected different"),
        (lambda t: (t / "words.txt").write_text("n01\tcat\n"), "words.txt: no name for n03, n02"),
        (lambda t: (t / "val/images/val_0x.JPEG").unlink(), r"val_0x\.JPEG listed, but not in"),
        (lambda t: paint(t / "val/images/z.JPEG", 0), r"z\.JPEG in images/, but not listed"),
        (
            lambda t: (t / "val/val_annotations.txt").write_text("val_0x.JPEG\tn09\n"),
            r"no class of wnids\.txt given for val_0x",
        ),
    ],
)
def test_damaged_tiny_imagenet_is_named(tiny, damage, message):
    damage(tiny)
    with pytest.raises(DataError, match=message):
        load("tiny_imagenet", data_dir=tiny.parent)


def test_official_mnist_is_verified(tmp_path):
    if not (SHARED / "prepare_data.py").exists():
        pytest.skip("the real data sets are not beside the project")
    command = [sys.executable, str(SHARED / "prepare_data.py"), str(tmp_path), "mnist"]
    subprocess.run(command, check=True)
    data = load("mnist", data_dir=tmp_path, n_train=1000)
    assert (data.status, data.label) == ("verified", "MNIST")
    assert (data.full_n_train, data.full_n_test, len(data.x_test)) == (60_000, 10_000, 10_000)
    assert np.bincount(data.y_train).tolist() == [100] * 10
    assert data.y_test[:5].tolist() == [7, 2, 1, 0, 4]
