"""Tables: the right numbers in the right cells."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from made_up_run import ENSEMBLE, RETRAINED, scored
from markupsafe import Markup
from small_models import inception

from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import WORST_RUNG, Record
from helpers.evaluation.sanity import EXPLAINED, Check
from helpers.figures import tables, verdict_tables
from helpers.figures.layers import architecture_table
from helpers.findings.claims import read_claims
from helpers.findings.verdicts import VERDICTS, Estimate, Part, Reading, Verdict
from helpers.models import networks

CLAIMS = read_claims()


def test_class_table():
    frame = tables.class_table(["airplane", "automobile"])
    assert frame.to_dict("list") == {
        "Class name": ["airplane", "automobile"],
        "Class number": [0, 1],
    }


def test_architecture_table_is_the_reports_table_2():
    model = networks.build("table_2", (28, 28, 1), 10, seed=0)
    frame = architecture_table(model)
    assert frame["Parameters"].tolist() == [
        "32 filters, 5x5 kernel", "64 filters, 5x5 kernel", "(2,2)", "0.25", "",
        "128 nodes", "0.5", "10 nodes", "",
    ]  # fmt: skip
    assert frame["Layer type"].iloc[0] == "2D convolutional layer"
    assert frame["Output shape"].iloc[0] == "24 × 24 × 32"
    assert frame["Weights"].iloc[0] == 5 * 5 * 32 + 32
    assert frame["Weights"].iloc[-1] == frame["Weights"].iloc[:-1].sum() == model.count_params()


def test_architecture_table_shows_a_nested_network_as_one_row():
    model = inception()
    frame = architecture_table(model).set_index("Layer type")
    assert list(frame.index) == ["Resizing", "Rescaling", "InceptionV3", "Dense layer", "Total"]
    assert frame.loc["Resizing", "Parameters"] == "to 75x75 pixels"
    assert frame.loc["InceptionV3", "Parameters"].startswith("94 convolutions")
    assert frame.loc["Dense layer", "Parameters"] == "10 nodes"
    assert frame.loc["Total", "Weights"] == model.count_params()


def test_group_table_has_a_row_for_each_group_and_the_attacks_in_their_order():
    groups = {
        "ensembles": [scored("lbfgs", 500, n=1000), scored("none", 984, n=1000)],
        ORIGINAL: [scored("none", 970, n=1000)],
    }
    frame = tables.group_table(groups)
    assert list(frame.columns) == ["Model", "no attack", "L-BFGS"]
    assert frame["Model"].tolist() == ["ensembles", "original model"]
    assert frame["no attack"].tolist() == ["98.4 [97.4, 99.0]", "97.0 [95.7, 97.9]"]
    assert frame["L-BFGS"].isna().tolist() == [False, True]


def test_gain_table_pairs_by_attack():
    few, many = np.arange(100) < 20, np.arange(100) < 80
    frame = tables.gain_table(
        [scored("none", 0, ENSEMBLE, correct=many), scored("fgsm", 90, ENSEMBLE, n=100)],
        [scored("fgsm", 40, n=100), scored("none", 0, correct=few), scored("bim", 3)],
    )
    assert frame["Attack"].tolist() == ["no attack", "FGSM"]
    assert [text.split()[0] for text in frame["gain in points"]] == ["+60.0", "+50.0"]


def test_variant_table_tells_transfer_from_attacks_on_the_ensemble_itself():
    bare = replace(ENSEMBLE, recipe="sigma=0")
    records = [
        scored("none", 190, bare),
        scored("bim", 120, bare, made_on=ORIGINAL),
        scored("bim", 40, bare, made_on=bare),
        scored("bim", 1, bare, made_on=bare, sweep="sigma"),
        Record("08", "digits", "diversity", bare, values={"errors": 0.5, "gradients": 0.25}),
        scored("none", 180, ENSEMBLE),
    ]
    with_noise, without = tables.variant_table({"noise": ENSEMBLE, "none": bare}, records).to_dict(
        "records"
    )
    assert without["no attack"].startswith("95.0")
    assert without["BIM, transfer"].startswith("60.0")
    assert without["BIM, itself"].startswith("20.0")
    assert (without["mistakes alike"], without["gradients alike"]) == (0.5, 0.25)
    assert with_noise["no attack"].startswith("90.0")
    assert pd.isna(with_noise["mistakes alike"])


def test_size_table_leaves_out_what_says_nothing():
    values = {"l2_mean": 1.5, "linf_mean": 0.1, "ssim_mean": 0.9}
    records = [
        Record("03", "digits", "distortion", ORIGINAL, "fgsm", values=values),
        scored("bim", 1),
    ]
    (row,) = tables.size_table(records).to_dict("records")
    assert row == {"Attack": "FGSM", "mean L2 norm": 1.5, "mean L∞ norm": 0.1, "mean SSIM": 0.9}
    assert tables.size_table([]).empty


def test_summary_keeps_attacks_made_on_the_model_itself():
    records = [
        scored("none", 198),
        scored("fgsm", 60, made_on=ORIGINAL),
        scored("fgsm", 20, made_on=ORIGINAL, sweep="epsilon"),
        scored("fgsm", 140, ENSEMBLE, made_on=ORIGINAL),
        scored("fgsm", 80, ENSEMBLE, made_on=ENSEMBLE),
        scored("noise", 190, ENSEMBLE),
        scored("square", 1, ENSEMBLE, made_on=ENSEMBLE, n=5),  # too few to rank by
        scored("bim", 90, replace(ENSEMBLE, recipe="sigma=0"), made_on=None),
        Record("01_data", "digits", "size"),
    ]
    frame = tables.summary_table(records).set_index("Model")
    assert frame.loc["original model", "FGSM"].startswith("30.0")
    assert frame.loc["ensemble of 3", "FGSM"].startswith("40.0")
    assert frame.loc["ensemble of 3", "worst within ε"].startswith("40.0 [")
    assert list(frame.index) == ["ensemble of 3", "original model"]
    assert list(frame.columns[3:]) == ["no attack", "FGSM", "Chapters"]
    assert tables.summary_table([]).empty


def test_summary_joins_the_chapters_that_agree_and_keeps_the_others_apart():
    def of(chapter, attack, n_correct):
        return scored(attack, n_correct, made_on=ORIGINAL, place=(chapter, "digits"))

    records = [
        of("02_models", "none", 198), of("05_retraining", "none", 198),
        of("05_retraining", "pgd", 60), of("07_more", "none", 198), of("07_more", "pgd", 62),
    ]  # fmt: skip
    frame = tables.summary_table(records)
    assert list(frame.columns[:3]) == ["Data", "Model", "ε"]
    assert frame["Chapters"].tolist() == ["07", "02, 05"]  # the best worst case first
    assert [cell[:4] for cell in frame["PGD"]] == ["31.0", "30.0"]


def test_summary_shows_the_last_rung_of_the_ladder():
    rungs = [
        scored("bim", 70, ENSEMBLE, made_on=ENSEMBLE, epsilon=0.1),
        scored("bim", 40, ENSEMBLE, rung=WORST_RUNG, epsilon=0.1),
        scored("bim", 4, ENSEMBLE, rung=WORST_RUNG, epsilon=0.2),  # of the curve over ε
        scored("bim", 80, ENSEMBLE, rung="x", epsilon=0.1),
    ]
    alone, row = tables.summary_table(rungs).to_dict("records")
    assert alone["BIM"].startswith("35.0")
    assert row["Model"].startswith("ensemble of 3, worst")
    assert row["BIM"].startswith("20.0")
    assert {alone["ε"], row["ε"]} == {"0.1"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tables.class_table([]), "at least one class name"),
        (lambda: architecture_table(None), "no layers"),
        (lambda: tables.group_table({}), "no groups"),
        (lambda: tables.group_table({"m": []}), "no records"),
        (lambda: tables.gain_table([], []), "no records"),
    ],
)
def test_what_makes_no_table_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_check_table_lists_what_could_be_compared():
    frame = verdict_tables.check_table(
        [Check("zero gradients", 3, ("here", "there")), Check("b", 2), Check("c", 0)]
    )
    assert list(frame["found"]) == [2, 0]
    assert list(frame["where"]) == ["here; there", ""]
    assert list(frame["what it means"]) == [EXPLAINED["zero gradients"], ""]
    assert "where" not in verdict_tables.check_table([Check("b", 2)])
    found = Check("zero gradients", 2, ("member 1: 5.0% left", "member 1: 7.0% left"))
    assert list(verdict_tables.check_table([found])["where"]) == ["member 1: 5.0%, 7.0% left"]


def test_sanity_table_sums_up_each_chapter_and_data_set():
    def sanity(chapter, dataset, check, compared, warnings=()):
        values = {"compared": compared, "warnings": list(warnings)}
        return Record(chapter, dataset, "sanity", parameters={"check": check}, values=values)

    records = [
        sanity("04", "digits", "zero gradients", 2, ["member 1: 5.0%", "member 1: 7.0%"]),
        sanity("03", "digits", "zero gradients", 1),
        sanity("04", "digits", "transfer", 3),
        scored("bim", 1),
    ]
    frame = verdict_tables.sanity_table(records)
    assert list(frame["Chapter"]) == ["04", "all others"]
    assert list(frame["compared"]) == [5, 1]
    assert list(frame["found"]) == [2, 0]
    told, none = frame["signs of a broken evaluation"]
    assert told == "zero gradients: member 1 (2 times)"
    assert none == ""
    assert verdict_tables.sanity_table([]).empty


def test_power_table_has_a_row_for_each_claim():
    row = {"claim": "C1", "matters": 3, "power": 0.1, "decides": 5.04}
    rows = [row, row | {"matters": 2, "decides": None}, row | {"claim": "C2"}]
    assert verdict_tables.power_table(rows).to_numpy().tolist() == [
        ["C1", "2 to 3", "10", "5.0 to –"], ["C2", "3", "10", "5.0"],
    ]  # fmt: skip


def test_verdicts_are_worded_signed_and_linked():
    gain = Estimate("<BIM>", 4.0, 3.0, 5.0, 1.0)
    beside = Part("digits", (Reading("", (gain,)),), secondary=True)
    parts = (Part("digits", (Reading("", (gain,)),)), beside)
    frame = verdict_tables.verdict_table([Verdict(CLAIMS[0], parts)])
    (row,) = frame.to_dict("records")
    assert row["Claim"] == Markup('<span id="claim-C1">C1</span>')
    assert row["The report says"].endswith(f"({CLAIMS[0].where})")
    assert row["Verdict"].striptags() == "✓ holds"
    assert row["Numbers"] == Markup("<b>digits</b>: &lt;BIM&gt; +4.0 [+3.0, +5.0] points")
    links = BeautifulSoup(row["Seen in"], "html.parser").find_all("a")
    assert [link["href"].replace(".ipynb", "") for link in links] == list(CLAIMS[0].seen)


def test_each_verdict_has_a_look_of_its_own():
    pills = [verdict_tables.pill(verdict) for verdict in VERDICTS]
    classes = [str(pill).split('"')[1] for pill in pills]
    assert classes == [
        "verdict holds", "verdict holds-under-one-reading-only", "verdict does-not-hold",
        "verdict not-decided", "verdict cannot-be-tested-here",
    ]  # fmt: skip
    assert len({pill.striptags()[0] for pill in pills}) == 5


def test_tests_and_slips_are_listed():
    assert verdict_tables.test_table(CLAIMS)["Claim"].tolist() == [claim.name for claim in CLAIMS]
    slips = [{"where": "§2", "said": "this", "read": "that"}]
    assert verdict_tables.slip_table(slips).to_numpy().tolist() == [["§2", "this", "that"]]


def test_repeat_table_has_a_column_for_each_seed():
    rows = [
        replace(
            scored("none", model=replace(model, training_seed=seed), correct=np.arange(200) < k),
            quantity="repeat",
        )
        for model, found in {ORIGINAL: (194, 198), RETRAINED: (196, 196)}.items()
        for seed, k in enumerate(found)
    ]
    frame = tables.repeat_table([*rows, scored("none", 194)])
    assert list(frame.columns[:4]) == ["Model", "Attack", "seed 0", "seed 1"]
    assert list(frame.columns[4:]) == ["mean", "95 %", "of one more", "trainings"]
    assert frame["Model"].tolist() == ["original model", "retrained on FGSM"]
    assert frame["seed 1"].tolist() == ["99.00", "98.00"]
    assert frame["mean"].tolist() == ["98.00", "98.00"]
    assert frame["trainings"].tolist() == ["2", "2"]
    made_on = replace(ORIGINAL, training_seed=0)
    other = replace(rows[2], attack="fgsm", made_on=made_on, parameters={"epsilon": 0.1})
    itself = replace(other, made_on=other.model, parameters={"epsilon": 0.2})
    apart = tables.repeat_table([other, itself])
    assert apart["Attack"].tolist() == ["FGSM, made on original model", "FGSM"]
    assert apart["ε"].tolist() == [0.1, 0.2]
    wide, narrow = ([float(end) for end in text[1:-1].split(", ")] for text in frame["95 %"])
    assert wide[0] < narrow[0] < 98 < narrow[1] < wide[1]
