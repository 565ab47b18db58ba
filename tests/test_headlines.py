from made_up import ORIGINAL, TINY, accuracy, bagging, history, ladder, retraining

from helpers.evaluation.records import Record
from helpers.findings.claims import judge_all
from helpers.findings.headlines import headlines, stand_ins

BIM = accuracy("05_retraining", "mnist", ORIGINAL, "bim", 0.4, made_on=ORIGINAL, epsilon=0.1)


def checks(*warnings):
    values = {"compared": 40, "warnings": list(warnings)}
    return [Record("03_attacks", "mnist", "sanity", values=values)]


def said(records, about=""):
    return next(text for text in headlines(records, judge_all(records)) if about in text)


def test_headlines_quote_the_records():
    records = [*bagging(ensemble=0.6, itself=0.3), *retraining(), BIM, *checks()]
    verdicts = said(records, "19 claims")
    assert all(verdicts.count(f">C{number}<") == 1 for number in range(1, 20))
    assert '<a href="#claim-C3">C3</a>' in verdicts
    ensemble = said(records, "the ensemble of 10")
    assert all(share in ensemble for share in ("right on 40.0 %", "on 60.0 %", "on 30.0 %"))
    assert "ladder" not in ensemble
    retrained = said(records, "retraining on BIM")
    assert "from 40.0 % to 70.0 % with examples made for each epoch" in retrained
    assert "+5.0 [" in retrained
    assert "each batch" not in retrained
    assert "40 cases; they found none" in said(records, "broken evaluation")


def test_clean_accuracies_are_told_of_the_most_images():
    records = [accuracy("02_models", "mnist", ORIGINAL, "none", 0.9, n=50)]
    records += [accuracy("03_attacks", "mnist", ORIGINAL, "none", 0.8, n=10)]
    records += [accuracy(*TINY, ORIGINAL, "none", 0.2, n=10)]
    assert "get right: mnist 90.0 % of 50, tiny_imagenet 20.0 % of 10." in said(
        records, "get right"
    )


def test_both_ways_of_retraining_are_told():
    other = retraining(bim=0.8, clean=0.92, regenerate="batch")[1:]
    text = said([*bagging(), *retraining(), *other, BIM], "retraining on BIM")
    assert "to 70.0 % with examples made for each epoch (clean accuracy +5.0 [" in text
    assert "to 80.0 % with examples made for each batch (clean accuracy +2.0 [" in text


def test_the_worst_rung_of_the_ladder_is_told():
    records = bagging() + ladder(share=0.25)
    assert "if every BIM of its ladder counts, on 25.0 %" in said(records, "the ensemble of 10")


def test_a_first_epoch_that_was_kept_is_told():
    records = [*bagging(), *retraining(), BIM]
    assert "first epoch" not in said([*records, history("bim", 2)], "retraining on BIM")
    assert "(BIM) the first epoch was kept" in said(
        [*records, history("bim", 1)], "retraining on BIM"
    )


def test_warnings_are_counted():
    assert "they found 2" in said(checks("a", "b"), "broken evaluation")


def test_nothing_measured_says_only_that():
    (only,) = headlines([], judge_all([]))
    assert "not run in this profile:</b> 19" in only


def test_stand_ins_are_named_with_what_they_stand_for():
    assert "digits for MNIST" in stand_ins([Record("c", "digits", "accuracy")])
    assert stand_ins([Record("c", "mnist", "accuracy")]) == ""
