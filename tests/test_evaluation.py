import numpy as np
import pytest
from small_models import images

from helpers import evaluation
from helpers.evaluation import (
    Records,
    check_adversarial,
    distortion,
    mcnemar,
    one,
    read_records,
    select,
    wilson,
)


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [(0, 10, (0.0, 0.2775)), (5, 10, (0.2366, 0.7634)), (1000, 1000, (0.99617, 1.0))],
)
def test_wilson_against_published_values(k, n, expected):
    np.testing.assert_allclose(wilson(k, n), expected, atol=5e-5)


def test_wilson_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        wilson(0, 0)


def test_mcnemar_is_the_exact_binomial_test_of_the_disagreements():
    a = np.array([1] * 10 + [0] * 2 + [1] * 5, bool)
    b = np.array([0] * 10 + [1] * 2 + [1] * 5, bool)
    # 2 or fewer of 12 at 1/2, both sides
    assert mcnemar(a, b) == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert mcnemar(a, a) == 1.0
    with pytest.raises(ValueError, match="same images"):
        mcnemar(a, b[:3])


def test_paired_difference_against_the_published_formula():
    a = np.array([1] * 10 + [0] * 2 + [1] * 5 + [0] * 3, bool)
    b = np.array([0] * 10 + [1] * 2 + [1] * 5 + [0] * 3, bool)
    found = evaluation.paired_difference(a, b)
    # Agresti & Min: 10.5 and 2.5 of 22
    middle, variance = 8 / 22, (13 - 8**2 / 22) / 22**2
    assert found.value == pytest.approx(8 / 20)
    assert found.low == pytest.approx(middle - 1.959964 * variance**0.5)
    assert found.high == pytest.approx(middle + 1.959964 * variance**0.5)
    same = evaluation.paired_difference(a, a)
    assert same.low < same.value == 0 < same.high
    with pytest.raises(ValueError, match="same images"):
        evaluation.paired_difference(a, b[:3])


def test_independent_difference_against_published_values():
    # Newcombe 1998, Table II (a), (b), (h), method 10
    for counts, ends in (
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ):
        found = evaluation.independent_difference(*counts)
        assert (found.low, found.high) == pytest.approx(ends, abs=5e-5)


def test_paired_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        u = generator.random(100)
        a, b = u < 0.7, (u + 0.3 * generator.random(100)) % 1 < 0.6
        found = evaluation.paired_difference(a, b)
        inside += found.low <= 0.1 <= found.high
    assert inside / 400 > 0.92


@pytest.mark.parametrize("side", [28, 11, 8, 3])
def test_similarity_of_images_falls_with_their_difference(side):
    x = np.random.default_rng(0).random((4, 28, side, 3)).astype(np.float32)
    assert evaluation.similarity(x, x) == pytest.approx(np.ones(4))
    near, far = (
        evaluation.similarity(x, np.clip(x + c * np.sign(x - 0.5), 0, 1)) for c in (0.05, 0.4)
    )
    assert (far < near).all()
    assert (near < 1).all()


def test_distortion_by_hand():
    x = np.zeros((2, 1, 2, 1), np.float32)
    x_adv = x.copy()
    x_adv[1] = [[[0.3], [-0.4]]]
    sizes = distortion(x, x_adv)
    np.testing.assert_allclose(sizes["l2"], [0, 0.5], rtol=1e-6)
    np.testing.assert_allclose(sizes["linf"], [0, 0.4], rtol=1e-6)
    assert {name: size.shape for name, size in distortion(x[:0], x[:0]).items()} == {
        "l2": (0,),
        "linf": (0,),
    }


def change(x, **where):
    x = x.copy()
    x[0, 0, 0, 0] = where["to"]
    return x


@pytest.mark.parametrize(
    ("x_adv", "message"),
    [
        (images()[:3], "float32"),
        (images().astype(np.float64), "float64"),
        (change(images(), to=np.nan), "NaN"),
        (change(images(), to=1.2), "leave"),
        (change(images(), to=0.99), "more than epsilon = 0.1"),
    ],
)
def test_images_that_are_no_fair_attack_are_refused(x_adv, message):
    with pytest.raises(ValueError, match=message):
        check_adversarial(images(), x_adv, epsilon=0.1)


def test_fair_images_pass():
    check_adversarial(images(), np.clip(images() + np.float32(0.1), 0, 1), epsilon=0.1)
    check_adversarial(images(), np.ones_like(images()))


def records(folder):
    return Records(folder, "03_attacks", "digits", seed=7)


def test_a_record_comes_back_from_disk(tmp_path):
    made = records(tmp_path).accuracy(
        np.array([True, True, False, True]), model="original", attack="fgsm",
        parameters={"epsilon": 0.1, "source": "original"}, l2=1.5,
    )  # fmt: skip
    assert made.values["n"] == 4
    assert made.values["n_correct"] == 3
    assert made.values["low"] < made.values["accuracy"] == 0.75 < made.values["high"]
    (read,) = read_records(tmp_path)
    assert (read.values, read.parameters, read.seed) == (made.values, made.parameters, 7)
    (arrays,) = (tmp_path / "records" / "03_attacks-digits").glob("*.npz")
    with np.load(arrays, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["correct"], [True, True, False, True])


def test_records_are_found_by_attribute_and_parameter(tmp_path):
    writer = records(tmp_path)
    for epsilon in (0.1, 0.2):
        writer.accuracy(np.ones(3, bool), model="m", attack="fgsm", parameters={"epsilon": epsilon})
    assert len(select(writer.all, attack="fgsm")) == 2
    assert one(writer.all, epsilon=0.2).parameters == {"epsilon": 0.2}
    with pytest.raises(ValueError, match="2 records match"):
        one(writer.all, model="m")
    with pytest.raises(ValueError, match="0 records match"):
        one(writer.all, epsilon=0.3)


def test_the_same_result_twice_is_refused(tmp_path):
    writer = records(tmp_path)
    writer.accuracy(np.ones(3, bool), model="m")
    with pytest.raises(ValueError, match="recorded twice"):
        writer.accuracy(np.zeros(3, bool), model="m")


def test_a_new_run_voids_the_old_one(tmp_path):
    records(tmp_path).accuracy(np.ones(3, bool), model="old")
    records(tmp_path).accuracy(np.ones(3, bool), model="new")
    assert [record.model for record in read_records(tmp_path)] == ["new"]


def test_a_damaged_record_is_named(tmp_path):
    writer = records(tmp_path)
    record = writer.accuracy(np.ones(3, bool), model="m")
    (writer.folder / f"{record.name}.json").write_text("{")
    with pytest.raises(ValueError, match=record.name):
        read_records(tmp_path)


def test_no_records_are_no_error(tmp_path):
    assert read_records(tmp_path / "nowhere") == []


def test_a_chapter_without_a_data_set_must_name_one(tmp_path):
    writer = Records(tmp_path, "01_data", None, 0)
    with pytest.raises(ValueError, match="name the record's"):
        writer.add("size", values={"n": 1})
    assert writer.add("size", dataset="digits").dataset == "digits"


def test_an_interrupted_write_leaves_no_record(tmp_path, monkeypatch):
    writer = records(tmp_path)
    real = evaluation.write_atomically

    def interrupted(path, content):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(evaluation, "write_atomically", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.accuracy(np.ones(3, bool), model="m")
    assert read_records(tmp_path) == []
