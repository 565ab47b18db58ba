from test_claims import accuracy, bagging, history, per_batch, retraining

from helpers.evaluation import Record
from helpers.findings import claims
from helpers.findings.headlines import headlines, stand_ins


def checks(*warnings):
    values = {"compared": 40, "warnings": list(warnings)}
    return [Record("03_attacks", "mnist", "validity", values=values)]


def said(records):
    return headlines(records, claims.judge_all(records))


def test_headlines_quote_the_records():
    records = bagging(ensemble=0.6, white_box=0.3) + retraining() + checks()
    original = Record(
        "05_retraining", "mnist", "accuracy", "original", "bim", {"source": "original"},
        values={"n": 2000, "n_correct": 800, "accuracy": 0.4},
    )  # fmt: skip
    verdicts, ensemble, retrained, sound = said([*records, original])
    assert "19 claims" in verdicts
    assert '<a href="#claim-C3">C3</a>' in verdicts
    assert "40.0 %" in ensemble
    assert "60.0 %" in ensemble
    assert "30.0 %" in ensemble
    assert "from 40.0 % to 70.0 % with examples made for each epoch" in retrained
    assert "for each batch" not in retrained
    assert "+5.0 [" in retrained
    assert "40 cases; they found none" in sound


def test_clean_accuracies_are_told_first():
    records = [accuracy("02_models", "mnist", "original", "none", 0.9, n=50)]
    records.append(accuracy("06_tiny_imagenet", "tiny_imagenet", "original", "none", 0.2, n=10))
    assert "get right: mnist 90.0 % of 50, tiny_imagenet 20.0 % of 10." in said(records)[1]


def test_both_ways_of_retraining_are_told():
    original = Record(
        "05_retraining", "mnist", "accuracy", "original", "bim", {"source": "original"},
        values={"n": 2000, "n_correct": 800, "accuracy": 0.4},
    )  # fmt: skip
    other = per_batch(retraining(bim=0.8, clean=0.92))
    retrained = said([*bagging(), *retraining(), *other, original])[2]
    assert "to 70.0 % with examples made for each epoch (clean accuracy +5.0 [" in retrained
    assert "to 80.0 % with examples made for each batch (clean accuracy +2.0 [" in retrained


def test_the_worst_rung_of_the_ladder_is_told():
    about = {"rung": "all of these, worst", "epsilon": 0.1}
    worst = accuracy("04_ensembles", "mnist", "ensemble", "bim", 0.25, **about)
    assert "if every BIM of its ladder counts, on 25.0 %" in said([*bagging(), worst])[1]
    assert "ladder" not in said(bagging())[1]


def test_a_first_epoch_that_was_kept_is_told():
    records = [*bagging(), *retraining()]
    records.append(
        accuracy("05_retraining", "mnist", "original", "bim", 0.4, source="original", epsilon=0.1)
    )
    assert "first epoch" not in said([*records, history("bim", 2)])[2]
    assert "(BIM) the first epoch was kept" in said([*records, history("bim", 1)])[2]


def test_each_verdict_is_counted_once():
    verdicts = said(bagging())[0]
    names = [f">C{number}<" for number in range(1, 20)]
    assert all(verdicts.count(name) == 1 for name in names)


def test_warnings_are_counted_at_the_head_of_the_page():
    assert "they found 2" in said(checks("a", "b"))[-1]


def test_nothing_measured_says_only_that():
    (only,) = said([])
    assert "not run in this profile:</b> 19" in only


def test_stand_ins_are_named_with_what_they_stand_for():
    assert "digits for MNIST" in stand_ins([Record("c", "digits", "accuracy")])
    assert stand_ins([Record("c", "mnist", "accuracy")]) == ""
