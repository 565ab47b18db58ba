import dataclasses

import numpy as np
import pytest

from helpers.data import DATASETS, load
from helpers.data.dataset import choose

STAND_INS = [name for name, spec in DATASETS.items() if spec.stands_in_for]


@pytest.mark.parametrize("name", STAND_INS)
def test_contracts(name):
    data, spec = load(name, n_train=60, n_test=40), DATASETS[name]
    for x, y, n in ((data.x_train, data.y_train, 60), (data.x_test, data.y_test, 40)):
        assert x.shape == (n, *spec.input_shape)
        assert (x.dtype, y.dtype, y.shape) == (np.float32, np.int32, (n,))
        assert x.min() >= 0
        assert 0.8 < x.max() <= 1
        assert not x.flags.writeable
        np.testing.assert_array_equal(np.bincount(y), n // spec.n_classes)
    assert data.input_shape == spec.input_shape
    assert data.n_classes == spec.n_classes == len(set(data.class_names))
    assert data.status == "generated"
    assert (data.full_n_train, data.full_n_test) == (spec.n_train, spec.n_test)
    assert data.label == f"{name} (stands in for {DATASETS[spec.stands_in_for].title})"
    assert data.role == spec.stands_in_for
    assert len(data.digest) == 64
    assert data.digest.startswith(data.short_digest)


def test_every_real_data_set_has_a_stand_in_of_the_same_shape():
    stand_ins = {DATASETS[name].stands_in_for: DATASETS[name].input_shape for name in STAND_INS}
    assert stand_ins == {
        name: spec.input_shape for name, spec in DATASETS.items() if spec.folder and spec.archives
    }
    assert len(STAND_INS) + len(stand_ins) == len(DATASETS)


def test_digits_split_shares_no_image():
    data = load("digits")
    assert (len(data.x_train), len(data.x_test)) == (1297, 500)
    train = {x.tobytes() for x in data.x_train}
    assert not any(x.tobytes() in train for x in data.x_test)
    assert np.bincount(data.y_test).tolist() == pytest.approx([50] * 10, abs=2)
    assert data.x_train[:, :4].max() == data.x_train[:, :, 24:].max() == 0


def test_same_arguments_give_the_same_data_and_the_seed_another_part():
    one, two, other = (load("digits", n_train=100, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.x_train, two.x_train)
    assert one.digest == two.digest != other.digest
    assert one.full_n_train == other.full_n_train == 1297


@pytest.mark.parametrize("name", STAND_INS)
def test_smaller_part_is_the_beginning_of_a_larger_one(name):
    small, large = (load(name, n_train=n, n_test=n, n_classes=5, seed=3) for n in (20, 53))
    np.testing.assert_array_equal(small.x_train, large.x_train[:20])
    np.testing.assert_array_equal(small.y_test, large.y_test[:20])


def test_the_full_number_gives_all_images_and_begins_as_fewer_do():
    whole, full, part = load("digits"), load("digits", n_test=500), load("digits", n_test=100)
    np.testing.assert_array_equal(full.x_test[:100], part.x_test)
    assert {x.tobytes() for x in full.x_test} == {x.tobytes() for x in whole.x_test}
    assert whole.train_digest == full.train_digest


def test_digest_covers_pixels_and_labels_of_both_splits():
    base = {"n_train": 50, "n_test": 50}
    digests = {
        load("shapes", **(base | change)).digest
        for change in ({}, {"n_train": 51}, {"n_test": 51}, {"seed": 1}, {"n_classes": 5})
    }
    assert len(digests) == 5


def test_choose_takes_equal_shares_and_fills_up_where_a_class_is_short():
    labels = np.array([0] * 30 + [1] * 3 + [2] * 30)
    for n in range(3, 63):
        counts = np.bincount(labels[choose(labels, n, 3, seed=0)], minlength=3)
        assert counts.sum() == n
        assert abs(counts[0] - counts[2]) <= 1
        assert counts[1] == min(3, -(-(n - 1) // 3))
    positions = choose(labels, 40, 3, seed=0)
    assert len(set(positions.tolist())) == 40


def test_choose_keeps_the_first_classes():
    labels = np.arange(40) % 4
    assert set(labels[choose(labels, 0, 2, seed=0)]) == {0, 1}
    assert set(labels[choose(labels, 9, 2, seed=0)]) == {0, 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_train": 1298}, "n_train of digits: 1,298 images wanted, but there are 1,297"),
        ({"n_test": 501}, "n_test of digits: 501 .* there are 500"),
        ({"n_train": 1000, "n_classes": 2}, r"there are \d+ in 2 classes"),
        ({"n_train": 9}, "10 classes need at least 10"),
        ({"n_classes": 11}, "digits has 10 classes"),
        ({"n_classes": 1}, "take 2 to 10"),
        ({"n_train": -1}, "n_train = -1: expected a whole number"),
        ({"n_test": 10.5}, "n_test = 10.5: expected"),
        ({"n_test": "10"}, "n_test = '10': expected"),
        ({"n_train": True}, "n_train = True: expected"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_impossible_sizes(arguments, message):
    with pytest.raises(ValueError, match=message):
        load("digits", **arguments)


def test_impossible_sizes_draw_nothing(monkeypatch):
    monkeypatch.setattr("helpers.data.shapes.draw", lambda *_: pytest.fail("drawn"))
    with pytest.raises(ValueError, match="there are 1,000"):
        load("shapes", n_test=1001)


def test_unknown_name():
    message = "did you mean 'mnist'.*there are mnist, cifar10, tiny_im.*path of an .npz"
    with pytest.raises(ValueError, match=message):
        load("mnits")


def test_dataset_cannot_be_changed():
    data = load("digits", n_train=10, n_test=10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "mnist"
    with pytest.raises(ValueError, match="read-only"):
        data.x_train[0] = 0
