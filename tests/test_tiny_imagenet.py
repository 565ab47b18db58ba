import shutil

import numpy as np
import pytest
from PIL import Image
from small_data import lay_out, paint

from helpers.data import DataError, load


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    return lay_out("tiny_imagenet", tmp_path, monkeypatch)


def test_classes_follow_wnids(tiny):
    data = load("tiny_imagenet", data_dir=tiny.parent)
    assert data.class_names == ("boat", "cat", "dog")
    assert data.x_train.shape == (12, 64, 64, 3)
    assert data.y_train.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    for x, y in ((data.x_train[::4], data.y_train[::4]), (data.x_test, data.y_test)):
        np.testing.assert_allclose(x.mean(axis=(1, 2, 3)) * 255, 60 * y, atol=2)


def test_only_what_is_chosen_is_decoded(tiny, monkeypatch):
    opened, whole = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or whole(path))
    data = load("tiny_imagenet", data_dir=tiny.parent, n_train=3, n_test=2, n_classes=2)
    assert len(opened) == 5
    assert data.class_names == ("boat", "cat")
    assert (data.full_n_train, data.full_n_test) == (12, 6)


def test_an_image_of_another_size_is_not_decoded(tiny, monkeypatch):
    paint(tiny / "train/n03/images/n03_0.JPEG", 0, side=2000)  # the first of all
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match="2000 x 2000 pixels, not 64 x 64"):
        load("tiny_imagenet", data_dir=tiny.parent)


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
        (
            lambda t: (t / "words.txt").write_bytes(b"n01\t\xff"),
            "words.txt: expected text in UTF-8",
        ),
        (lambda t: (t / "val/images/val_0x.JPEG").unlink(), r"val_0x\.JPEG listed, but not in"),
        (lambda t: paint(t / "val/images/z.JPEG", 0), r"z\.JPEG in images/, but not listed"),
        (
            lambda t: (t / "val/val_annotations.txt").write_text("val_0x.JPEG\tn09\n"),
            r"no class of wnids\.txt given for val_0x",
        ),
    ],
)
def test_what_is_damaged_is_named(tiny, damage, message):
    damage(tiny)
    with pytest.raises(DataError, match=message):
        load("tiny_imagenet", data_dir=tiny.parent)
