from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from small_models import images

from helpers.evaluation import (
    Records,
    check_adversarial,
    distortion,
    independent_difference,
    mcnemar,
    one,
    paired_difference,
    read_records,
    select,
    similarity,
    told,
    wilson,
)
from helpers.evaluation import records as records_module
from helpers.evaluation.records import read_table


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
    found = paired_difference(a, b)
    # Agresti & Min: 10.5 and 2.5 of 22
    middle, variance = 8 / 22, (13 - 8**2 / 22) / 22**2
    assert found.value == pytest.approx(8 / 20)
    assert found.low == pytest.approx(middle - 1.959964 * variance**0.5)
    assert found.high == pytest.approx(middle + 1.959964 * variance**0.5)
    same = paired_difference(a, a)
    assert same.low < same.value == 0 < same.high
    with pytest.raises(ValueError, match="same images"):
        paired_difference(a, b[:3])


def test_independent_difference_against_published_values():
    # Newcombe 1998, Table II (a), (b), (h), method 10
    for counts, ends in (
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ):
        found = independent_difference(*counts)
        assert (found.low, found.high) == pytest.approx(ends, abs=5e-5)


def test_paired_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        u = generator.random(100)
        a, b = u < 0.7, (u + 0.3 * generator.random(100)) % 1 < 0.6
        found = paired_difference(a, b)
        inside += found.low <= 0.1 <= found.high
    assert inside / 400 > 0.92


@pytest.mark.parametrize("side", [28, 11, 8, 3])
def test_similarity_of_images_falls_with_their_difference(side):
    x = np.random.default_rng(0).random((4, 28, side, 3)).astype(np.float32)
    assert similarity(x, x) == pytest.approx(np.ones(4))
    near, far = (
        similarity(x, np.clip(x + c * np.sign(x - 0.5), 0, 1)) for c in (0.05, 0.4)
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


def records(folder, **parameters):
    return Records(folder, "03_attacks", "digits", {"seed": 7} | parameters)


def test_a_record_comes_back_from_disk(tmp_path):
    writer = records(tmp_path)
    made = writer.accuracy(
        np.array([True, True, False, True]), model="original", attack="fgsm",
        parameters={"epsilon": 0.1, "source": "original"}, l2=1.5,
    )  # fmt: skip
    assert made.values["n"] == 4
    assert made.values["n_correct"] == 3
    assert made.values["low"] < made.values["accuracy"] == 0.75 < made.values["high"]
    assert read_records(tmp_path) == []
    writer.write()
    (read,) = read_records(tmp_path, arrays=True)
    assert (read.values, read.parameters, read.seed) == (made.values, made.parameters, 7)
    np.testing.assert_array_equal(read.arrays["correct"], [True, True, False, True])
    assert read.arrays["correct"].dtype == bool


def test_every_plain_value_comes_back_as_it_was(tmp_path):
    values = {
        "text": "a, b\n\"c\"", "number_like": "12", "empty": "", "none": None, "yes": True, "whole": 3,
        "float": 0.1 + 0.2, "small": 1e-300, "list": [1, 2.5, "x"], "name": "null", "unit": "σ",
    }  # fmt: skip
    writer = records(tmp_path)
    writer.add("count", parameters=values, values=values)
    writer.add("count", parameters={"other": 1})
    writer.write()
    first, second = read_records(tmp_path)
    assert first.values == first.parameters == values
    assert [type(v) for v in first.values.values()] == [type(v) for v in values.values()]
    assert (second.values, second.parameters) == ({}, {"other": 1})


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


def test_the_same_parameters_replace_and_say_so_others_stand_beside(tmp_path):
    for model, epsilon in (("old", 0.1), ("new", 0.1), ("other", 0.2)):
        writer = records(tmp_path, epsilon=epsilon)
        writer.accuracy(np.ones(3, bool), model=model)
        told = writer.write()
        assert ("in place of those of" in told) == (model == "new")
    tables = sorted((tmp_path / "records").glob("*.csv"))
    assert sorted(read_table(table)[0].model for table in tables) == ["new", "other"]
    # Of several runs of one chapter, the findings read the newest.
    assert [record.model for record in read_records(tmp_path)] == ["other"]


def test_where_things_lie_does_not_make_another_set(tmp_path):
    one, other = (records(tmp_path, store_dir=folder) for folder in ("a", "b"))
    assert one.table == other.table


def test_two_runs_at_once_are_both_whole(tmp_path):
    def run(k):
        writer = records(tmp_path, epsilon=k % 2)
        for n in range(20):
            writer.accuracy(np.arange(50) < n, model=f"m{n}", parameters={"epsilon": k % 2})
        writer.write()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(40)))
    for table in (tmp_path / "records").glob("*.csv"):
        held = read_table(table, arrays=True)
        assert [r.values["n_correct"] for r in held] == list(range(20))
        assert [r.arrays["correct"].sum() for r in held] == list(range(20))


@pytest.mark.parametrize("ending", ["csv", "npz"])
@pytest.mark.parametrize("content", [b"", b"row,chapter\n1", b'\xff\x00"', b"PK\x03\x04half"])
def test_damaged_records_are_named(tmp_path, ending, content):
    writer = records(tmp_path)
    writer.accuracy(np.ones(3, bool), model="m")
    writer.write()
    writer.table.with_suffix(f".{ending}").write_bytes(content)
    with pytest.raises(ValueError, match=writer.table.stem):
        read_records(tmp_path, arrays=True)


def test_no_records_are_no_error(tmp_path):
    assert read_records(tmp_path / "nowhere") == []


def test_a_chapter_without_a_data_set_must_name_one(tmp_path):
    writer = Records(tmp_path, "01_data", None, {"seed": 0})
    with pytest.raises(ValueError, match="name the record's"):
        writer.add("size", values={"n": 1})
    assert writer.add("size", dataset="digits").dataset == "digits"


def test_an_interrupted_write_leaves_no_half(tmp_path, monkeypatch):
    writer = records(tmp_path)
    writer.accuracy(np.ones(3, bool), model="m")
    real = records_module.write_atomically

    def interrupted(path, content):
        if path.suffix == ".csv":
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(records_module, "write_atomically", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.write()
    assert read_records(tmp_path) == []


def test_findings_without_records_name_the_folders_that_have_some(tmp_path):
    writer = records(tmp_path / "quick")
    writer.accuracy(np.ones(3, bool), model="m")
    writer.write()
    text = told(read_records(tmp_path / "notebooks"), tmp_path / "notebooks")
    assert str(tmp_path / "quick") in text
    assert "output_dir" in text
    assert "03_attacks (digits)" in told(read_records(tmp_path / "quick"), tmp_path / "quick")
