import numpy as np
import pytest
from small_data import lay_out

from helpers.data import DataError, load


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    return lay_out("cifar10", tmp_path, monkeypatch)


def test_planes_become_channels(cifar10):
    data = load("cifar10", data_dir=cifar10.parent)
    row = np.fromfile(cifar10 / "data_batch_1.bin", np.uint8)[:3073]
    assert data.x_train.shape == (100, 32, 32, 3)
    assert data.y_train[0] == row[0]
    for channel in range(3):
        plane = row[1 + 1024 * channel :][:1024].reshape(32, 32)
        np.testing.assert_allclose(data.x_train[0, ..., channel], plane / 255, atol=1e-6)


def test_the_last_file_holds_the_test_images(cifar10):
    data = load("cifar10", data_dir=cifar10.parent)
    rows = np.fromfile(cifar10 / "test_batch.bin", np.uint8).reshape(20, 3073)
    np.testing.assert_allclose(data.x_test[:, 0, 0, 0] * 255, rows[:, 1], atol=1e-4)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("data_batch_4.bin", lambda b: b[:-3073], "58,387 bytes, expected 61,460"),
        ("test_batch.bin", lambda b: b"\x0b" + b[1:], "labels up to 11"),
        ("test_batch.bin", lambda b: (b"\x00" + b[1:3073]) * 20, "no image of class 1, 2"),
    ],
)
def test_damaged_file_is_named(cifar10, file, change, message):
    path = cifar10 / file
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=f"{file}: {message}"):
        load("cifar10", data_dir=cifar10.parent)
