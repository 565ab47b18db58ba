"""From models and images to records."""

import numpy as np
import pytest

from helpers.evaluation.record import one, select
from helpers.evaluation.records import Records
from helpers.experiment.scores import Scores


@pytest.fixture
def scores(small, tmp_path):
    return Scores(small, Records(tmp_path, "04_ensembles", "digits", {"seed": 0}))


def test_a_score_names_the_model_and_where_the_images_come_from(small, scores):
    original, member = small.original(), small.member(1)
    images = small.attacked("fgsm", original)
    clean, record = scores.score(original, small.clean()), scores.score(member, images)
    assert (record.model, record.made_on, record.white_box) == (member.id, original.id, False)
    assert record.parameters["epsilon"] == 0.2
    assert 0 < record.values["linf"] <= 0.2 + 1e-6
    assert record.values["success"] == 1
    right = small.logits(member, images).argmax(-1) == small.data.y_test
    np.testing.assert_array_equal(record.arrays["correct"], right)
    assert one(scores.records.all, attack="none") is clean
    assert clean.parameters == {}
    assert "l2" not in clean.values


def test_a_score_of_other_predictions_is_of_the_model_that_made_them(small, scores):
    original, clean = small.original(), small.clean()
    record = scores.score(
        original, clean, predicted=clean.y, model=small.member(2).id, shared="all"
    )
    assert record.values["accuracy"] == 1
    assert str(record.model) == "member 2"
    assert record.parameters == {"shared": "all"}


def test_a_sweep_on_itself_measures_similarity_too(small, scores):
    original = small.original()
    found = scores.sweep(original, "fgsm", [0.0, 0.1])
    assert [r.parameters["epsilon"] for r in found] == [0.0, 0.1]
    assert all(r.white_box for r in found)
    same, less = select(scores.records.all, quantity="similarity")
    assert same.values["ssim_mean"] == pytest.approx(1)
    assert less.values["ssim_mean"] < 1


def test_a_sweep_may_be_made_on_another_model(small, scores):
    original, member = small.original(), small.member(1)
    (found,) = scores.sweep(member, "fgsm", [0.1], original)
    assert (found.model, found.made_on) == (member.id, original.id)
    images = small.attacked("fgsm", original, epsilon=0.1)
    right = small.logits(member, images).argmax(-1) == small.data.y_test
    np.testing.assert_array_equal(found.arrays["correct"], right)
    assert [r.quantity for r in scores.records.all] == ["accuracy"]  # the images are the original's


def test_a_repeat_tells_the_seed_of_its_training(small, scores):
    for again in (small, small.with_seed(1)):
        subject = again.original()
        Scores(again, scores.records).repeat(subject, again.attacked("fgsm", subject))
    assert [r.model.training_seed for r in scores.records.all] == [0, 1]
    assert {r.quantity for r in scores.records.all} == {"repeat"}


def test_what_retraining_follows_can_be_measured_before(small, scores):
    original = small.original()
    row = scores.followed(original)
    assert list(row) == ["clean", "fgsm", "bim", "pgd"]
    right = small.logits(original, small.attacked("bim", original)).argmax(-1) == small.data.y_test
    assert row["bim"] == right.mean()


def test_checks_are_recorded(small, scores):
    original = small.original()
    for attack in ("noise", "fgsm", "bim"):
        scores.score(original, small.attacked(attack, original))
    checks = scores.check()
    records = select(scores.records.all, quantity="sanity")
    assert [r.parameters["check"] for r in records] == [check.name for check in checks]
    assert {check.name: check.compared for check in checks}["zero gradients"] >= 1
