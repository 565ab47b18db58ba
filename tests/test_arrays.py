"""Arrays of the user's own: every way in which they may not fit, and what becomes of those that do."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers import files
from helpers.data import DATASETS, DataError, load
from helpers.data.arrays import LONGEST_STEM, is_path, name_of
from helpers.paths import PROJECT

CLASSES = 3


def arrays(n_train=30, n_test=12, shape=(6, 5, 3), seed=0):
    """Make random uint8 images, their classes in turn."""
    generator = np.random.default_rng(seed)
    made = {}
    for part, n in (("train", n_train), ("test", n_test)):
        made[f"x_{part}"] = generator.integers(0, 256, (n, *shape)).astype(np.uint8)
        made[f"y_{part}"] = np.arange(n) % CLASSES
    return made


@pytest.fixture
def save(tmp_path):
    def save(name="images.npz", **changes):
        values = {name: x for name, x in (arrays() | changes).items() if x is not None}
        np.savez(tmp_path / name, **values)
        return str(tmp_path / name)

    return save


def test_bytes_become_floats_and_labels_int32(save):
    data, given = load(save()), arrays()
    np.testing.assert_array_equal(data.x_test, given["x_test"].astype(np.float32) / 255)
    np.testing.assert_array_equal(data.y_train, given["y_train"])
    assert (data.x_test.dtype, data.y_test.dtype) == (np.float32, np.int32)
    assert data.input_shape == (6, 5, 3)
    assert data.class_names == ("0", "1", "2")
    assert (data.full_n_train, data.full_n_test) == (30, 12)
    assert not data.x_test.flags.writeable


def test_floats_are_taken_as_they_are(save):
    x = np.random.default_rng(0).uniform(size=(12, 6, 5, 3))
    data = load(save(x_test=x))
    np.testing.assert_array_equal(data.x_test, x.astype(np.float32))


def test_grey_images_get_a_channel_and_labels_in_a_column_are_taken(save):
    given = arrays(shape=(6, 5))
    data = load(save(**given | {"y_test": given["y_test"][:, None]}))
    assert data.input_shape == (6, 5, 1)
    np.testing.assert_array_equal(data.y_test, given["y_test"])


def test_what_captions_and_files_call_it(save):
    data = load(save("mnist.npz"))
    digest = data.full_digest
    assert data.name == data.title == data.role == f"own_mnist_{digest[:8]}"
    assert data.status == "own"
    assert data.label == f"{data.name} (own data, digest {digest[:16]})"
    cats = name_of(Path("My cats & dogs.2.NPZ.npz"), digest)
    assert cats == f"own_My_cats_dogs_2_NPZ_{digest[:8]}"
    assert not {f"own_{name}" for name in DATASETS} & set(DATASETS)


def test_files_of_the_same_letters_are_two_data_sets(save, tmp_path):
    (tmp_path / "other").mkdir()
    found = [load(save("ä.npz")), load(save("ö.npz", **arrays(seed=1)))]
    found += [load(save("images.npz")), load(save("other/images.npz", **arrays(seed=1)))]
    names = [data.name for data in found]
    assert len(set(names)) == 4
    assert all(name.isascii() for name in names)
    assert load(save("images.npz")).name == names[2]


def test_a_long_name_is_cut():
    name = name_of(Path("x" * 200 + ".npz"), "0123456789abcdef")
    assert name == "own_" + "x" * LONGEST_STEM + "_01234567"


def test_class_names_name_the_labels_and_may_name_more(save):
    data = load(save(class_names=np.array(["cat", "dog", "eel"])))
    assert data.class_names == ("cat", "dog", "eel")
    names = np.array(["cat", "dog", "eel", "fox"])
    assert load(save(class_names=names), training=False).n_classes == 4


def test_parts_are_chosen_as_of_any_data_set(save):
    path = save()
    small, large = (load(path, n_train=n, n_test=6, seed=3) for n in (6, 15))
    np.testing.assert_array_equal(small.x_train, large.x_train[:6])
    np.testing.assert_array_equal(np.bincount(small.y_test), [2, 2, 2])
    assert load(path, seed=1, n_train=6).digest != small.digest
    with pytest.raises(
        ValueError, match=r"n_test of own_images_\w+: 200 .* are 12; .*n_test = 0 for all"
    ):
        load(path, n_test=200)


def test_without_training_no_training_images_are_needed_or_read(save):
    path = save(x_train=None, y_train=None)
    data = load(path, training=False, n_train=1000)
    assert data.x_train.shape == (0, 6, 5, 3)
    assert len(data.y_train) == 0
    assert len(data.digest) == 64
    bad = save("bad.npz", x_train=np.full((30, 6, 5, 3), np.nan))
    assert len(load(bad, training=False).y_test) == 12
    with pytest.raises(DataError, match=r"x_train, y_train missing.*trained on them.*03_attacks"):
        load(path)


def one_spoilt(value):
    x = np.ones((30, 6, 5, 3))
    x[7, 3, 2, 1] = value
    return x


BAD = {
    "no images": ({"x_test": None}, "x_test missing .there are x_train, y_train, y_test"),
    "no labels": ({"y_test": None}, "y_test missing"),
    "half a training set": ({"y_train": None}, "y_train missing"),
    "unknown": ({"x_val": np.zeros(3)}, "'x_val', which nothing here reads; the names are x_test"),
    "flat": ({"x_test": np.zeros((12, 9))}, r"x_test has shape \(12, 9\); expected .n, height"),
    "two channels": ({"x_test": np.zeros((12, 6, 5, 2))}, "1 or 3 channels"),
    "channels first": ({"x_test": np.zeros((12, 3, 6, 5))}, r"np.moveaxis\(x, 1, -1\)"),
    "empty": ({"x_test": np.zeros((0, 6, 5, 3)), "y_test": np.zeros(0, int)}, "holds no images"),
    "NaN": ({"x_test": np.full((12, 6, 5, 3), np.nan)}, "from nan to nan.*without NaN"),
    "infinite": ({"x_test": np.full((12, 6, 5, 3), np.inf)}, "from inf to inf.*expected floats"),
    "one NaN": ({"x_train": one_spoilt(np.nan)}, "x_train .*from nan to nan"),
    "one infinite": ({"x_train": one_spoilt(-np.inf)}, "x_train .*from -inf to 1"),
    "no pixels": ({"x_test": np.zeros((12, 0, 5, 3))}, r"holds no images, its shape is \(12, 0"),
    "bytes as floats": ({"x_test": np.full((12, 6, 5, 3), 255.0)}, "to 255.0; .*or uint8"),
    "negative": ({"x_test": np.full((12, 6, 5, 3), -1.0)}, "from -1.0"),
    "integers": ({"x_test": np.full((12, 6, 5, 3), 9)}, "is int64; expected uint8"),
    "zero and one": ({"x_test": np.ones((12, 6, 5, 3), np.uint8)}, "uint8 goes to 255"),
    "text": ({"x_test": np.full((12, 6, 5, 3), "a")}, "x_test"),
    "other shape": (
        {"x_train": np.zeros((30, 5, 5, 3))},
        r"\(5, 5, 3\), those of x_test \(6, 5, 3\)",
    ),
    "too few labels": ({"y_test": np.arange(11) % 3}, "11 labels for 12 images"),
    "float labels": ({"y_test": np.arange(12) % 3.0}, "float64 .*expected whole numbers"),
    "one-hot": ({"y_test": np.eye(3)[np.arange(12) % 3]}, r"y.argmax\(1\)"),
    "true or false": ({"y_test": np.arange(12) % 2 == 0}, "bool .*expected whole numbers"),
    "negative labels": (
        {"y_test": np.arange(12) % 3 - 1},
        "from -1 to 1; labels are numbered from 0",
    ),
    "identifiers": ({"y_test": np.arange(12) + 10**9}, "labels are numbered from 0"),
    "one class": (
        {"y_train": np.zeros(30, int), "y_test": np.zeros(12, int)},
        "every label is 0; at least two",
    ),
    "untrained class": (
        {"y_test": np.arange(12) % 4},
        r"1 of 4 classes \(labels 3\) have no training",
    ),
    "labels from 1": (
        {"y_train": np.arange(30) % 3 + 1, "y_test": np.arange(12) % 3 + 1},
        r"\(labels 0\).*number the labels from 0",
    ),
    "untrained name": ({"class_names": np.array(list("abcd"))}, r"\(labels 3\)"),
    "too few names": ({"class_names": np.array(["a", "b"])}, "2 names, but labels go up to 2"),
    "names as bytes": ({"class_names": np.array([b"a", b"b", b"c"])}, "expected text"),
    "names in a table": ({"class_names": np.array([["a", "b", "c"]])}, r"shape \(1, 3\)"),
    "markup": ({"class_names": np.array(["a", "<b>", "c"])}, "'<b>' cannot stand in a caption"),
    "no name": ({"class_names": np.array(["a", " ", "c"])}, "' ' cannot stand"),
    "pickle": ({"class_names": np.array(["a", "b", None])}, "a pickle, which is never loaded"),
    "pickled images": ({"x_test": np.array([{}] * 12)}, "x_test holds Python objects"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_arrays_that_do_not_fit_are_refused(save, changes, message):
    path = save(**changes)
    with pytest.raises(DataError, match=message) as caught:
        load(path)
    assert path in str(caught.value)


def test_files_that_hold_no_arrays_are_refused(save, tmp_path):
    path = tmp_path / "images.npz"
    with pytest.raises(DataError, match="no such file; a relative path starts at the project"):
        load(str(path))
    with pytest.raises(DataError, match="that is a folder"):
        load(f"{tmp_path}/")
    save()
    whole = path.read_bytes()
    for damaged in (b"", b"some text", whole[:-100], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"no \.npz file, or a damaged one"):
            load(str(path))
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    with pytest.raises(DataError, match="is damaged"):
        load(str(path))
    with path.open("wb") as file:
        np.save(file, arrays()["x_test"])
    with pytest.raises(DataError, match=r"no \.npz file"):
        load(str(path))


def test_circular_links_and_pipes_are_refused_at_once(tmp_path):
    path = tmp_path / "images.npz"
    path.symlink_to(path)
    with pytest.raises(DataError, match="a link that leads back to itself"):
        load(str(path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="a pipe or a device"):
        load(str(path))


def test_what_would_not_fit_into_memory_is_refused_unread(save, monkeypatch):
    path = save()
    monkeypatch.setattr(files, "most_unpacked", lambda: 3000)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("read"))
    with pytest.raises(DataError, match=r"takes 4,\d+ bytes unpacked, and at most 3,000 .*fewer"):
        load(path)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (1, 7, 3)])
def test_the_smallest_images_are_images(save, shape):
    given = arrays(shape=shape)
    assert load(save(**given)).input_shape[:2] == shape[:2]
    one = load(
        save(
            x_test=given["x_test"][:1],
            y_test=given["y_test"][:1],
            **{name: given[name] for name in ("x_train", "y_train")},
        )
    )
    assert (len(one.x_test), one.n_classes) == (1, 3)


def test_what_counts_as_a_path():
    for name in ("a/b", "images.npz", "IMAGES.NPZ", "~/images.npz"):
        assert is_path(name)
    for name in DATASETS:
        assert not is_path(name)
    with pytest.raises(DataError, match=f"^{PROJECT}/nowhere.npz: there is no such file"):
        load("nowhere.npz")
