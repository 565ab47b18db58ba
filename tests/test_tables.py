"""Tables: the right numbers in the right cells."""

import keras
import pandas as pd
import pytest

from helpers import models, tables
from helpers.evaluation import Record, wilson


def record(model, attack, n_correct, n=1000, **parameters):
    low, high = wilson(n_correct, n)
    values = {"n": n, "accuracy": n_correct / n, "low": low, "high": high}
    return Record("05", "digits", "accuracy", model, attack, parameters, 0, values)


def test_class_table():
    frame = tables.class_table(["airplane", "automobile"])
    assert frame.to_dict("list") == {
        "Class name": ["airplane", "automobile"],
        "Class number": [0, 1],
    }


def test_architecture_table_is_the_reports_table_2():
    model = models.build("table_2", (28, 28, 1), 10, seed=0)
    frame = tables.architecture_table(model)
    assert frame["Parameters"].tolist() == [
        "32 filters, 5x5 kernel", "64 filters, 5x5 kernel", "(2,2)", "0.25", "",
        "128 nodes", "0.5", "10 nodes", "",
    ]  # fmt: skip
    assert frame["Layer type"].iloc[0] == "2D convolutional layer"
    assert frame["Output shape"].iloc[0] == "24 × 24 × 32"
    assert frame["Weights"].iloc[0] == 5 * 5 * 32 + 32
    assert frame["Weights"].iloc[-1] == frame["Weights"].iloc[:-1].sum() == model.count_params()


def test_architecture_table_shows_a_nested_network_as_one_row():
    model = models.build("inception_v3", (64, 64, 3), 12, seed=0, input_size=75, width=0.1)
    frame = tables.architecture_table(model).set_index("Layer type")
    assert list(frame.index) == ["Resizing", "Rescaling", "InceptionV3", "Dense layer", "Total"]
    assert frame.loc["Resizing", "Parameters"] == "to 75x75 pixels"
    assert frame.loc["InceptionV3", "Parameters"].startswith("94 convolutions")
    assert frame.loc["Dense layer", "Parameters"] == "12 nodes"
    assert frame.loc["Total", "Weights"] == model.count_params()


def test_accuracy_table_sorts_attacks_and_names_models():
    records = [
        record("original", "fgsm", 300),
        record("original", "none", 984),
        record("member 6", "none", 970),
    ]
    frame = tables.accuracy_table(records)
    assert list(frame.columns) == ["Model", "no attack", "FGSM"]
    assert frame["Model"].tolist() == ["original model", "member 6"]
    assert frame["no attack"].tolist() == ["98.4 [97.4, 99.0]", "97.0 [95.7, 97.9]"]
    assert frame["FGSM"].iloc[0].startswith("30.0 [")
    assert pd.isna(frame["FGSM"].iloc[1])


def test_accuracy_table_takes_parameters_too():
    records = [
        record("ensemble", "fgsm", 500, sigma=s, n_members=n) for s in (0.1, 0.2) for n in (1, 5)
    ]
    frame = tables.accuracy_table(records, rows="sigma", columns="n_members")
    assert list(frame.columns) == ["Sigma", "1", "5"]
    assert frame["Sigma"].tolist() == ["0.1", "0.2"]


def test_group_table_has_a_row_for_each_group():
    groups = {
        "ensemble of 10": [record("ensemble", "fgsm", 500), record("ensemble", "none", 984)],
        "original model": [record("original", "none", 970)],
    }
    frame = tables.group_table(groups)
    assert list(frame.columns) == ["Model", "no attack", "FGSM"]
    assert frame["Model"].tolist() == ["ensemble of 10", "original model"]
    assert frame["no attack"].tolist() == ["98.4 [97.4, 99.0]", "97.0 [95.7, 97.9]"]
    assert pd.isna(frame["FGSM"].iloc[1])


def test_reported_table():
    reported = {"FGSM, clean": 98.36, "FGSM, adversarial": 96.68, "BIM": 50.0}
    measured = {
        "FGSM, clean": record("retrained fgsm", "none", 984),
        "FGSM, adversarial": record("retrained fgsm", "fgsm", 900),
        "PGD": record("retrained fgsm", "pgd", 100),
    }
    frame = tables.reported_table(reported, measured).set_index("Setting")
    assert list(frame.index) == ["FGSM, clean", "FGSM, adversarial", "BIM", "PGD"]
    clean, adversarial = frame.loc["FGSM, clean"], frame.loc["FGSM, adversarial"]
    low, high = wilson(984, 1000)
    assert clean["Measured (%)"] == 98.4
    assert clean["95 % interval"] == f"[{100 * low:.2f}, {100 * high:.2f}]"
    assert clean["Difference (points)"] == 0.04
    assert clean["Images"] == 1000
    assert clean["Within interval"] == "yes"
    assert adversarial["Difference (points)"] == -6.68
    assert adversarial["Within interval"] == "no"
    assert frame.loc["BIM"].isna().sum() == 5
    assert pd.isna(frame.loc["PGD", "Reported (%)"])
    assert frame.loc["PGD", "Measured (%)"] == 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tables.class_table([]), "at least one class name"),
        (lambda: tables.accuracy_table([]), "no records"),
        (
            lambda: tables.accuracy_table([record("original", "none", k) for k in (1, 2)]),
            "two records for model = 'original', attack = 'none'",
        ),
        (
            lambda: tables.accuracy_table([record("original", "none", 1, sigma=1)], rows="epsilon"),
            "no 'epsilon'; its parameters are .'sigma'",
        ),
        (lambda: tables.reported_table({}, {}), "nothing reported"),
        (lambda: tables.reported_table({"a": 0.98}, {}), "number in percent"),
        (
            lambda: tables.reported_table({}, {"a": Record("05", "digits", "count")}),
            "no accuracy with its interval",
        ),
        (lambda: tables.architecture_table(keras.Sequential()), "no layers to list"),
    ],
)
def test_what_makes_no_table_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
