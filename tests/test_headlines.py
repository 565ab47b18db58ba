from made_up_run import ORIGINAL, accuracy, bagging, ensemble, ladder, retrained, retraining

from helpers.evaluation.record import FLOOR, Record
from helpers.findings.claims import judge_all, read_claims
from helpers.findings.evidence import Evidence
from helpers.findings.headlines import headlines, stand_ins, stories, title

NOTHING_JUDGED = judge_all([])  # headlines count verdicts, and ask nothing else of them
BIM = accuracy("05_retraining", "mnist", ORIGINAL, "bim", 0.4, made_on=ORIGINAL, epsilon=0.1)


def checks(*warnings):
    values = {"compared": 40, "warnings": list(warnings)}
    return [Record("03_attacks", "mnist", "sanity", values=values)]


def said(records, about=""):
    return next(text for text in headlines(records, NOTHING_JUDGED) if about in text)


def test_headlines_quote_the_records():
    records = [*bagging(ensemble=0.6, itself=0.3), *retraining(), BIM, *checks()]
    ensemble = said(records, "ensemble of 10")
    assert ensemble.startswith("MNIST, BIM with ε = 0.1")
    assert all(share in ensemble for share in ("40.0 %", "60.0 %", "30.0 %"))
    assert "by the worst of" not in ensemble
    retrained = said(records, "Retraining on BIM")
    assert "70.0 % on MNIST" in retrained
    assert "+5.0 [" in retrained
    assert "40 checks looked for signs of broken attacks and found none" in said(records, "checks")
    assert f"{len(read_claims())} claims" in said(records, "claims")


def test_the_better_way_of_retraining_is_told():
    other = retraining(bim=0.8, clean=0.92, regenerate="batch")[1:]
    records = [*bagging(), *retraining(), *other, BIM]
    assert "80.0 % on MNIST, with new examples for each batch (on clean images +2.0 [" in said(
        records, "Retraining on BIM"
    )


def test_the_worst_rung_of_the_ladder_is_told():
    records = bagging() + ladder(share=0.25)
    assert "25.0 % by the worst of several ways" in said(records, "ensemble of 10")


def test_floors_are_told_beside_that_of_the_original_model():
    floor = {"made_on": ORIGINAL, "rung": FLOOR, "epsilon": 0.1}
    floors = [
        accuracy("07_attacks_on_defences", "mnist", model, "strongest", share, 50, **floor)
        for model, share in ((ensemble(10), 0.2), (ORIGINAL, 0.1), (retrained("bim"), 0.3))
    ]
    records = [*bagging(), *retraining(), BIM, *floors]
    assert (
        "(20.0 % of 50 images under everything that was tried, without a defence 10.0 %)"
        in said(records, "ensemble of 10")
    )  # fmt: skip
    assert "(30.0 % of 50 images under everything" in said(records, "Retraining on BIM")


def test_warnings_are_counted():
    assert "found 2" in said(checks("a", "b"), "broken attacks")


def test_the_title_says_what_the_records_support():
    falls = [*bagging(ensemble=0.6, itself=0.3), *retraining(), BIM]
    stays = [*bagging(ensemble=0.6, itself=0.6), *retraining(), BIM]
    partly = [*bagging(ensemble=0.8, itself=0.65), *retraining(), BIM]
    told = [stories(Evidence(records)) for records in (falls, stays, [], partly)]
    assert "only look robust" in title(told[0])
    assert "only look robust" not in title(told[1])
    assert "look more robust than they are" in title(told[3])
    assert len({title(story) for story in told}) == 4


def test_the_chart_has_a_bar_for_each_defence():
    (story,) = stories(Evidence([*bagging(ensemble=0.6, itself=0.3), *retraining(), BIM]))
    shares = [record.values["accuracy"] for _, record in story.bars]
    assert shares == [0.4, 0.6, 0.3, 0.7]


def test_nothing_measured_says_only_that():
    first, *_ = headlines([], NOTHING_JUDGED)
    assert f"{len(read_claims())} cannot be tested here" in first


def test_stand_ins_are_named_with_what_they_stand_for():
    assert "digits for MNIST" in stand_ins([Record("c", "digits", "accuracy")])
    assert stand_ins([Record("c", "mnist", "accuracy")]) == ""
    of_claims = said([Record("c", "digits", "accuracy")], "claims")
    assert of_claims.startswith("On these stand-ins, of the report's")
    assert said([Record("c", "mnist", "accuracy")], "claims").startswith("Of the report's")
