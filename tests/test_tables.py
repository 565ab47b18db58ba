"""Tables: the right numbers in the right cells."""

from dataclasses import replace

import pandas as pd
import pytest
from markupsafe import Markup

from helpers.models import networks, training
from helpers.figures import tables
from helpers.findings.claims import read_claims
from helpers.evaluation import Record, wilson
from helpers.experiment.ladder import WORST_RUNG
from helpers.findings.reported import read_slips
from helpers.evaluation.sanity import Check
from helpers.findings.verdicts import VERDICTS, Part, Verdict


def record(model, attack, n_correct, n=1000, **parameters):
    low, high = wilson(n_correct, n)
    values = {"n": n, "n_correct": n_correct, "accuracy": n_correct / n, "low": low, "high": high}
    return Record("05", "digits", "accuracy", model, attack, parameters, 0, values)


def test_class_table():
    frame = tables.class_table(["airplane", "automobile"])
    assert frame.to_dict("list") == {
        "Class name": ["airplane", "automobile"],
        "Class number": [0, 1],
    }


def test_architecture_table_is_the_reports_table_2():
    model = networks.build("table_2", (28, 28, 1), 10, seed=0)
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
    model = networks.build("inception_v3", (64, 64, 3), 12, seed=0, input_size=75, width=0.1)
    frame = tables.architecture_table(model).set_index("Layer type")
    assert list(frame.index) == ["Resizing", "Rescaling", "InceptionV3", "Dense layer", "Total"]
    assert frame.loc["Resizing", "Parameters"] == "to 75x75 pixels"
    assert frame.loc["InceptionV3", "Parameters"].startswith("94 convolutions")
    assert frame.loc["Dense layer", "Parameters"] == "12 nodes"
    assert frame.loc["Total", "Weights"] == model.count_params()


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


def test_group_table_keeps_the_attacks_order_and_leaves_gaps():
    frame = tables.group_table(
        {"first": [record("m", "lbfgs", 10)], "second": [record("m", "none", 900)]}
    )
    assert list(frame.columns) == ["Model", "no attack", "L-BFGS"]
    assert frame["L-BFGS"].isna().tolist() == [False, True]


def test_summary_keeps_attacks_made_on_the_model_itself():
    records = [
        record("original", "none", 980),
        record("original", "fgsm", 300, source="original"),
        record("original", "fgsm", 100, source="original", sweep="epsilon"),
        record("ensemble", "fgsm", 700, source="original"),
        record("ensemble", "fgsm", 600, n_members=3, made_on="original"),
        record("ensemble", "fgsm", 400, source="ensemble"),
        record("ensemble", "noise", 950, source="original"),
        Record("01_data", "digits", "size"),
    ]
    frame = tables.summary_table(records).set_index("Model")
    assert frame.loc["original model", "FGSM"].startswith("30.0")
    assert frame.loc["ensemble", "FGSM"].startswith("40.0")
    assert frame.loc["ensemble", "random noise"].startswith("95.0")
    assert tables.summary_table([]).empty


def test_summary_joins_the_chapters_that_agree_and_keeps_the_others_apart():
    records = [
        replace(record("original", "none", 980), chapter="02_models"),
        replace(record("original", "none", 980), chapter="05_retraining"),
        replace(record("original", "pgd", 300, source="original"), chapter="05_retraining"),
        replace(record("original", "none", 980), chapter="07_beyond"),
        replace(record("original", "pgd", 310, source="original"), chapter="07_beyond"),
    ]
    frame = tables.summary_table(records)
    assert list(frame.columns[:3]) == ["Data", "Model", "Chapters"]
    assert frame["Chapters"].tolist() == ["02, 05", "07"]
    assert [cell[:4] for cell in frame["PGD"]] == ["30.0", "31.0"]


def test_summary_shows_the_last_rung_of_the_ladder():
    rungs = [
        record("ensemble", "bim", 200, rung=WORST_RUNG), record("ensemble", "bim", 400, rung="it"),
    ]  # fmt: skip
    (row,) = tables.summary_table(rungs).to_dict("records")
    assert row["Model"] == "ensemble, worst of its ladder"
    assert row["BIM"].startswith("20.0")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tables.class_table([]), "at least one class name"),
        (lambda: tables.architecture_table(None), "no layers"),
        (lambda: tables.group_table({}), "no groups"),
        (lambda: tables.group_table({"m": []}), "no records"),
    ],
)
def test_what_makes_no_table_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_check_table_tells_nothing_found_from_nothing_to_compare():
    frame = tables.check_table([Check("a", 3, ("here", "there")), Check("b", 2), Check("c", 0)])
    assert list(frame["found"]) == [2, 0, 0]
    assert list(frame["where"]) == ["here; there", "none", "nothing to compare"]


def test_validity_table_sums_up_each_chapter_and_data_set():
    def validity(chapter, dataset, check, compared, warnings=()):
        values = {"compared": compared, "warnings": list(warnings)}
        return Record(chapter, dataset, "validity", parameters={"check": check}, values=values)

    records = [
        validity("04", "digits", "zero gradients", 2, ["member 1"]),
        validity("03", "digits", "zero gradients", 1),
        validity("04", "digits", "transfer", 3),
        Record("03", "digits", "accuracy"),
    ]
    frame = tables.validity_table(records)
    assert list(frame["Chapter"]) == ["03", "04"]
    assert list(frame["compared"]) == [1, 5]
    assert list(frame["signs of a broken evaluation"]) == ["none", "zero gradients: member 1"]
    assert tables.validity_table([]).empty


def test_verdicts_are_worded_signed_and_linked():
    parts = (Part("digits", "holds", "BIM +1 <2> points"),)
    frame = tables.verdict_table([Verdict(read_claims()[0], "holds", parts)])
    (row,) = frame.to_dict("records")
    assert row["Claim"] == Markup('<span id="claim-C1">C1</span>')
    assert row["The report says"].endswith("(§6, Figure 7)")
    assert row["Verdict"].striptags() == "✓ holds"
    assert row["Numbers"] == Markup("<b>digits</b>: BIM +1 &lt;2&gt; points")
    assert row["Seen in"] == Markup(
        '<a href="04_ensembles.ipynb#figure-7">Figure 7</a>, '
        '<a href="04_ensembles.ipynb#figure-9">Figure 9</a>'
    )


def test_each_verdict_has_a_look_of_its_own():
    pills = [tables.pill(verdict) for verdict in VERDICTS]
    classes = [str(pill).split('"')[1] for pill in pills]
    assert classes == [
        "verdict holds", "verdict does-not-hold", "verdict not-decided", "verdict not-run",
    ]  # fmt: skip
    assert len({pill.striptags()[0] for pill in pills}) == 4


def test_tests_and_slips_are_listed():
    assert len(tables.test_table(read_claims())) == len(read_claims())
    slips = read_slips()
    assert len(slips) > 10
    assert all(set(slip) == {"where", "said", "read"} for slip in slips)
    assert len(tables.slip_table(slips)) == len(slips)


def test_repeat_table_has_a_column_for_each_seed():
    rows = [
        Record(
            "05", "digits", "repeat", model, "none", {"training_seed": seed}, 0, {"accuracy": share}
        )
        for model, shares in {"original": (0.97, 0.99), "retrained fgsm": (0.98, 0.98)}.items()
        for seed, share in enumerate(shares)
    ]
    frame = tables.repeat_table([*rows, record("original", "none", 970)])
    assert list(frame.columns) == ["Model", "Attack", "seed 0", "seed 1", "mean ± sd"]
    assert frame["seed 1"].tolist() == ["99.00", "98.00"]
    assert frame["mean ± sd"].tolist() == ["98.00 ± 1.41", "98.00 ± 0.00"]
