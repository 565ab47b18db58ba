import numpy as np
import pytest
from made_up_run import history

from helpers.evaluation.record import Record
from helpers.findings.reported import (
    architecture_values,
    consistent_epsilons,
    counterparts,
    findings_table,
    kept_first,
    kept_note,
    read_reported,
    readings_table,
)
from helpers.models import networks

ENTRY = {
    "where": "Table 2", "what": "filters, first convolution", "reported": 32, "dataset": "mnist",
    "value": "conv_1", "match": {"chapter": "02_models", "quantity": "architecture"},
}  # fmt: skip


def measured(dataset="mnist"):
    return Record("02_models", dataset, "architecture", values={"conv_1": 16})


def rows(entry, records):
    return findings_table([entry], records).to_dict("records")


def test_a_number_is_matched_on_its_data_set_and_its_stand_in_only():
    records = [measured(name) for name in ("mnist", "digits", "cifar10", "shapes")]
    assert [record.dataset for record in counterparts(ENTRY, records)] == ["mnist", "digits"]


def test_the_size_of_a_stand_in_is_not_compared():
    entry = ENTRY | {"value": "full_n_train", "match": {"quantity": "size"}}
    records = [
        Record("01_data", name, "size", values={"full_n_train": n})
        for name, n in (("digits", 1297), ("mnist", 60_000))
    ]
    assert [record.dataset for record in counterparts(entry, records)] == ["mnist"]


def test_whether_the_first_epoch_was_kept():
    records = [history("fgsm", 1), history("bim", 2), history("fgsm", 1, regenerate="batch")]
    assert kept_first(records, "fgsm")
    assert not kept_first(records, "bim")
    assert not kept_first(records, "pgd")
    assert not kept_first(records, "fgsm", "batch")  # made anew within the epoch
    assert "(FGSM) the first epoch was the best" in kept_note(records, ("fgsm", "bim"))
    assert kept_note(records, ("bim",)) == ""


def test_measured_stands_beside_reported_under_its_own_name():
    (row,) = rows(ENTRY, [measured("digits")])
    assert list(row.values())[2:] == ["32", "16", "−16", "digits"]


def test_what_was_not_measured_is_missing():
    (row,) = rows(ENTRY, [])
    assert (row["Reported"], row["Measured"]) == ("32", None)


@pytest.mark.parametrize(("gain", "difference"), [(25.0, "0"), (12.0, "−8.0"), (31.5, "+1.5")])
def test_a_reported_range(gain, difference):
    entry = {**ENTRY, "reported": [20, 30], "value": "gain", "match": {"quantity": "bagging"}}
    (row,) = rows(entry, [Record("04_ensembles", "mnist", "bagging", values={"gain": gain})])
    assert (row["Reported"], row["Difference"]) == ("20 to 30", difference)


def test_every_reported_number_asks_for_what_could_be_there():
    for entry in read_reported():  # an unknown name would be an error
        records = [Record("01_data", entry["dataset"], "data")]
        if entry["where"] in ("Table 4", "Table 5"):
            readings_table([entry], records)
        else:
            assert counterparts(entry, records) == []


def test_every_reported_size_of_tables_2_and_3_is_what_the_models_have():
    for dataset, name, shape in (
        ("mnist", "table_2", (28, 28, 1)),
        ("cifar10", "table_3", (32, 32, 3)),
    ):
        values = architecture_values(networks.build(name, shape, 10, seed=0))
        record = Record("02_models", dataset, "architecture", values=values)
        entries = [
            entry
            for entry in read_reported()
            if entry["dataset"] == dataset and entry["where"] in ("Table 2", "Table 3")
        ]
        assert len(entries) >= 6
        np.testing.assert_array_equal(findings_table(entries, [record])["Difference"], "0")


def swept(*shares):
    records = []
    for k, share in enumerate(shares):
        values = {"accuracy": share, "low": share - 0.02, "high": share + 0.02}
        about = {"epsilon": 0.1 * k, "sweep": "epsilon"}
        records.append(
            Record("05_retraining", "mnist", "accuracy", None, "fgsm", None, about, 0, values)
        )
    return {"fgsm": records[::-1]}


def test_the_epsilons_that_fit_a_reported_accuracy():
    entry = {"reported": 80.0, "value": "accuracy", "match": {"under": "fgsm"}}
    found = consistent_epsilons(swept(1.0, 0.9, 0.5), [ENTRY, entry])
    # From 0.9 at 0.1 to 0.5 at 0.2 the interval of width 0.04 passes 0.8 around 0.125.
    assert found["fgsm"] == pytest.approx((0.12, 0.13), abs=2e-4)
    assert consistent_epsilons(swept(0.5, 0.4), [entry]) == {"fgsm": None}
    assert consistent_epsilons(swept(0.5, 0.4), [ENTRY]) == {}
