"""Records: what identifies them, how they come back from disk, and that none is ever half."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from helpers.evaluation import records as records_module
from helpers.evaluation.model_id import ORIGINAL, ModelId
from helpers.evaluation.record import on_itself, one, plain, select
from helpers.evaluation.records import Records, read_records, read_table, told

MEMBER = ModelId(kind="member", member=2)
ENSEMBLE = ModelId(kind="ensemble", n_members=3, combine="probabilities")


def members(n):
    return [ModelId(kind="member", member=k) for k in range(1, n + 1)]


def records(folder, **parameters):
    return Records(folder, "03_attacks", "digits", {"seed": 7} | parameters)


def test_a_record_comes_back_from_disk(tmp_path):
    writer = records(tmp_path)
    made = writer.accuracy(
        np.array([True, True, False, True]), model=ENSEMBLE, attack="fgsm",
        made_on=MEMBER, parameters={"epsilon": 0.1}, l2=1.5,
    )  # fmt: skip
    assert made.values["n"] == 4
    assert made.values["n_correct"] == 3
    assert made.values["low"] < made.values["accuracy"] == 0.75 < made.values["high"]
    assert read_records(tmp_path) == []
    writer.write()
    (read,) = read_records(tmp_path)
    assert (read.values, read.parameters, read.seed) == (made.values, made.parameters, 7)
    assert (read.model, read.made_on, read.attack) == (ENSEMBLE, MEMBER, "fgsm")
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


def test_a_cell_may_be_long(tmp_path):
    counts = list(range(60_000))  # as the confusions of 250 classes
    writer = records(tmp_path)
    writer.add("confusion", values={"counts": counts})
    writer.write()
    assert read_records(tmp_path)[0].values["counts"] == counts


def test_records_are_found_by_attribute_and_parameter(tmp_path):
    writer = records(tmp_path)
    for epsilon in (0.1, 0.2):
        writer.accuracy(
            np.ones(3, bool), model=MEMBER, attack="fgsm", parameters={"epsilon": epsilon}
        )
    assert len(select(writer.all, attack="fgsm")) == 2
    assert one(writer.all, epsilon=0.2).parameters == {"epsilon": 0.2}
    with pytest.raises(ValueError, match="2 records match"):
        one(writer.all, model=MEMBER)
    with pytest.raises(ValueError, match="0 records match"):
        one(writer.all, epsilon=0.3)


def test_a_model_is_found_by_its_fields(tmp_path):
    writer = records(tmp_path)
    for model in (ORIGINAL, MEMBER, ENSEMBLE):
        writer.accuracy(np.ones(3, bool), model=model)
    writer.add("count", values={"n": 1})  # of no model
    assert one(writer.all, kind="ensemble", n_members=3).model == ENSEMBLE
    assert one(writer.all, member=2).model == MEMBER
    assert len(select(writer.all, retrained_on="")) == 3


def test_an_attack_on_the_model_itself_is_white_box(tmp_path):
    writer = records(tmp_path)
    same = replace(ENSEMBLE, combine="logits")  # through another of its means
    for made_on in (ENSEMBLE, same, MEMBER, None):
        writer.accuracy(np.ones(3, bool), model=ENSEMBLE, attack="bim", made_on=made_on)
    assert [r.white_box for r in writer.all] == [True, True, False, False]
    assert len(select(writer.all, white_box=True)) == 2


def test_series_are_left_out_and_only_attacks_on_itself_kept(tmp_path):
    writer = records(tmp_path)
    clean = writer.accuracy(np.ones(3, bool), model=MEMBER)
    noise = writer.accuracy(np.ones(3, bool), model=MEMBER, attack="noise")
    own = writer.accuracy(np.ones(3, bool), model=MEMBER, attack="bim", made_on=MEMBER)
    other = writer.accuracy(np.ones(3, bool), model=MEMBER, attack="bim", made_on=ORIGINAL)
    for name in ("sweep", "rung", "shared"):
        about = {name: "x"}
        writer.accuracy(
            np.ones(3, bool), model=MEMBER, attack="bim", made_on=MEMBER, parameters=about
        )
    assert plain(writer.all) == [clean, noise, own, other]
    assert on_itself(plain(writer.all)) == [clean, noise, own]


def test_the_same_result_twice_is_refused(tmp_path):
    writer = records(tmp_path)
    writer.accuracy(np.ones(3, bool), model=MEMBER)
    with pytest.raises(ValueError, match="recorded twice"):
        writer.accuracy(np.zeros(3, bool), model=MEMBER)


def test_the_same_parameters_replace_and_say_so_others_stand_beside(tmp_path):
    old, new, other = members(3)
    for model, epsilon in ((old, 0.1), (new, 0.1), (other, 0.2)):
        writer = records(tmp_path, epsilon=epsilon)
        writer.accuracy(np.ones(3, bool), model=model)
        told = writer.write()
        assert ("in place of those of" in told) == (model == new)
    tables = sorted((tmp_path / "records").glob("*.csv"))
    assert {read_table(table)[0].model for table in tables} == {new, other}
    # Of several runs of one chapter, the findings read the newest.
    assert [record.model for record in read_records(tmp_path)] == [other]


def test_where_things_lie_does_not_make_another_set(tmp_path):
    one, other = (records(tmp_path, store_dir=folder) for folder in ("a", "b"))
    assert one.table == other.table


def test_two_runs_at_once_are_both_whole(tmp_path):
    def run(k):
        writer = records(tmp_path, epsilon=k % 2)
        for n, model in enumerate(members(20)):
            writer.accuracy(np.arange(50) < n, model=model, parameters={"epsilon": k % 2})
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
    writer.accuracy(np.ones(3, bool), model=MEMBER)
    writer.write()
    writer.table.with_suffix(f".{ending}").write_bytes(content)
    with pytest.raises(ValueError, match=writer.table.stem):
        read_records(tmp_path)


def test_no_records_are_no_error(tmp_path):
    assert read_records(tmp_path / "nowhere") == []


def test_a_chapter_without_a_data_set_must_name_one(tmp_path):
    writer = Records(tmp_path, "01_data", None, {"seed": 0})
    with pytest.raises(ValueError, match="name the record's"):
        writer.add("size", values={"n": 1})
    assert writer.add("size", dataset="digits").dataset == "digits"


def test_an_interrupted_write_leaves_no_half(tmp_path, monkeypatch):
    writer = records(tmp_path)
    writer.accuracy(np.ones(3, bool), model=MEMBER)
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
    writer.accuracy(np.ones(3, bool), model=MEMBER)
    writer.write()
    text = told(read_records(tmp_path / "notebooks"), tmp_path / "notebooks")
    assert str(tmp_path / "quick") in text
    assert "output_dir" in text
    assert "03_attacks (digits)" in told(read_records(tmp_path / "quick"), tmp_path / "quick")
