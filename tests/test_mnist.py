import gzip

import numpy as np
import pytest
from small_data import idx, lay_out

from helpers.data import DataError, load
from helpers.data.mnist import OFFICIAL
from helpers.paths import PROJECT


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    return lay_out("mnist", tmp_path, monkeypatch)


def test_plain_and_compressed_are_the_same(mnist):
    compressed = load("mnist", data_dir=mnist.parent)
    for path in list(mnist.iterdir()):
        (mnist / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    plain = load("mnist", data_dir=mnist.parent)
    np.testing.assert_array_equal(plain.x_train, compressed.x_train)
    assert plain.full_digest == compressed.full_digest
    assert plain.x_train.shape == (40, 28, 28, 1)
    assert plain.y_test.tolist() == [*range(10)] * 2


def test_other_content_is_unverified(mnist):
    data = load("mnist", data_dir=mnist.parent)
    assert data.status == "unverified"
    assert data.label == f"MNIST (unverified, digest {data.full_digest[:16]})"
    part = load("mnist", data_dir=mnist.parent, n_train=10, n_test=10)
    assert part.label == data.label
    assert part.digest != data.digest


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
def test_damaged_file_is_named(mnist, file, change, message):
    path = mnist / f"{file}-ubyte.gz"
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))
    with pytest.raises(DataError, match=message) as error:
        load("mnist", data_dir=mnist.parent)
    assert file in str(error.value)


@pytest.mark.parametrize("change", [lambda b: b[:-9], lambda b: b[:100], lambda b: b"<html>"])
def test_truncated_gzip_is_named(mnist, change):
    path = mnist / "train-images-idx3-ubyte.gz"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: truncated"):
        load("mnist", data_dir=mnist.parent)


def test_a_compressed_file_is_unpacked_no_further_than_it_may_go(mnist, monkeypatch):
    path = mnist / "train-labels-idx1-ubyte.gz"
    _, size = OFFICIAL[path.stem]
    path.write_bytes(gzip.compress(bytes(3 * size)))
    read = []
    whole = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda file, n=-1: read.append(n) or whole(file, n))
    with pytest.raises(DataError, match="more than 60,008 bytes unpacked"):
        load("mnist", data_dir=mnist.parent)
    assert max(read) > size  # of the images before it
    assert read[-1] == size + 1


def test_official_files_are_verified():
    if not (PROJECT / "data" / "mnist").is_dir():
        pytest.skip("MNIST is not in data/")
    data = load("mnist", n_train=1000)
    assert (data.status, data.label) == ("verified", "MNIST")
    assert (data.full_n_train, data.full_n_test, len(data.x_test)) == (60_000, 10_000, 10_000)
    assert np.bincount(data.y_train).tolist() == [100] * 10
    assert data.y_test[:5].tolist() == [7, 2, 1, 0, 4]
