from dataclasses import replace

import numpy as np
import pytest

from helpers.evaluation import Record, wilson
from helpers.findings.reported import (
    architecture_values,
    consistent_epsilons,
    counterparts,
    findings_table,
    kept_first,
    kept_note,
    read_reported,
)
from helpers.models import networks

ENTRY = {
    "where": "Table 4", "what": "FGSM retraining, normal data", "reported": 98.36,
    "dataset": "mnist", "value": "accuracy",
    "match": {"quantity": "accuracy", "model": "retrained fgsm", "attack": "none"},
}  # fmt: skip


def accuracy(dataset, k=990, n=1000):
    low, high = wilson(k, n)
    values = {"n": n, "n_correct": k, "accuracy": k / n, "low": low, "high": high}
    return Record("05_retraining", dataset, "accuracy", "retrained fgsm", "none", values=values)


def test_a_number_is_matched_on_its_data_set_and_its_stand_in_only():
    records = [accuracy("mnist"), accuracy("digits"), accuracy("cifar10"), accuracy("shapes")]
    assert [record.dataset for record in counterparts(ENTRY, records)] == ["mnist", "digits"]


def test_a_sweep_is_not_the_number_that_was_reported():
    swept = replace(accuracy("mnist", 10), parameters={"sweep": "epsilon", "epsilon": 0.5})
    assert counterparts(ENTRY, [swept, accuracy("mnist")]) == [accuracy("mnist")]


def test_a_model_retrained_with_examples_of_each_batch_stands_beside_the_other():
    other = replace(accuracy("mnist", 970), model="retrained fgsm per batch")
    first, second = findings_table([ENTRY], [accuracy("mnist"), other]).to_dict("records")
    assert (first["Measured"], first["Data"]) == ("99.00", "mnist")
    assert (second["Measured"], second["Data"]) == ("97.00", "mnist, per batch")


def test_images_made_on_the_original_model_are_another_reading():
    match = ENTRY["match"] | {"attack": "fgsm", "source": "retrained fgsm"}
    records = [
        replace(accuracy("mnist", k), attack="fgsm", parameters={"source": source})
        for k, source in ((900, "retrained fgsm"), (950, "original"), (100, "another"))
    ]
    rows = findings_table([ENTRY | {"match": match}], records).to_dict("records")
    assert [(row["Measured"], row["Data"]) for row in rows] == [
        ("90.00", "mnist"), ("95.00", "mnist, made on the original"),
    ]  # fmt: skip


def test_whether_the_first_epoch_was_kept():
    def history(model, best):
        values = {"best_epoch": [best]}
        return Record("05_retraining", "mnist", "history", model, values=values)

    records = [history("retrained fgsm", 1), history("retrained bim", 2)]
    records.append(history("retrained fgsm per batch", 1))
    assert kept_first(records, "retrained fgsm")
    assert not kept_first(records, "retrained bim")
    assert not kept_first(records, "retrained pgd")
    assert not kept_first(records, "retrained fgsm per batch")  # made anew within the epoch
    assert "(FGSM) the first epoch was kept" in kept_note(records, ("fgsm", "bim"))
    assert kept_note(records, ("bim",)) == ""


def test_measured_stands_beside_reported_under_its_own_name():
    (row,) = findings_table([ENTRY], [accuracy("digits")]).to_dict("records")
    assert row["Reported"] == "98.36"
    assert row["Measured"] == "99.00"
    assert row["Difference"] == "+0.64"
    assert row["95 % interval"] == "[98.17, 99.46]"
    assert row["Data"] == "digits"


def test_what_was_not_measured_is_missing():
    (row,) = findings_table([ENTRY], []).to_dict("records")
    assert row["Reported"] == "98.36"
    assert row["Measured"] is None


@pytest.mark.parametrize(("gain", "difference"), [(25.0, "0"), (12.0, "−8.0"), (31.5, "+1.5")])
def test_a_reported_range(gain, difference):
    entry = {**ENTRY, "reported": [20, 30], "value": "gain", "match": {"quantity": "bagging"}}
    record = Record("04_ensembles", "mnist", "bagging", values={"gain": gain})
    (row,) = findings_table([entry], [record]).to_dict("records")
    assert row["Reported"] == "20 to 30"
    assert row["Difference"] == difference


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
        frame = findings_table(entries, [record])
        np.testing.assert_array_equal(frame["Difference"], "0")


def swept(*accuracies):
    records = []
    for k, share in enumerate(accuracies):
        values = {"accuracy": share, "low": share - 0.02, "high": share + 0.02}
        about = {"epsilon": 0.1 * k, "sweep": "epsilon"}
        records.append(
            Record("05_retraining", "mnist", "accuracy", "m", "fgsm", about, values=values)
        )
    return {"fgsm": records[::-1]}


def test_the_epsilons_that_fit_a_reported_accuracy():
    entry = ENTRY | {"reported": 80.0, "match": {"attack": "fgsm"}}
    found = consistent_epsilons(swept(1.0, 0.9, 0.5), [ENTRY, entry])
    # From 0.9 at 0.1 to 0.5 at 0.2 the interval of width 0.04 passes 0.8 around 0.125.
    assert found["fgsm"] == pytest.approx((0.12, 0.13), abs=2e-4)
    assert consistent_epsilons(swept(0.5, 0.4), [entry]) == {"fgsm": None}
    assert consistent_epsilons(swept(0.5, 0.4), [ENTRY]) == {}
