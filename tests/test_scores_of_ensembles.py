"""Ensembles of every size from one answer of each member, and how alike members are."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.defences.bagging import vote
from helpers.evaluation.model_id import ModelId
from helpers.evaluation.records import Records
from helpers.experiment.scores import Scores
from helpers.experiment.subjects import Images

LOGITS = np.array(  # three members, two images, three classes
    [[[4, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 1]]], np.float32
)


@pytest.fixture
def scores(tmp_path):
    members = [SimpleNamespace(number=k) for k in range(3)]
    id = ModelId(kind="ensemble", n_members=3, combine="probabilities")
    experiment = SimpleNamespace(
        ensemble=lambda members: SimpleNamespace(id=id),
        logits=lambda member, images: LOGITS[member.number],
        make=lambda *wanted: None,
    )
    return members, Scores(experiment, Records(tmp_path, "04_ensembles", "digits", {"seed": 0}))


def clean(y):
    x = np.zeros((2, 2, 2, 1), np.float32)
    arrays = {"x_adv": x, "success": np.ones(2, bool)}
    return Images("none", None, x, np.array(y), {}, "", (), {}, lambda: arrays)


@pytest.mark.parametrize(("combine", "rule"), [("probabilities", "mean"), ("majority", "majority")])
def test_every_size_of_an_ensemble_is_scored_by_its_vote(scores, combine, rule):
    members, tally = scores
    found = tally.by_size(members, clean([0, 2]), combine=combine)
    assert [r.model.n_members for r in found] == [1, 2, 3]
    assert {r.model.combine for r in found} == {combine}
    for record, predicted in zip(found, vote(LOGITS, rule), strict=True):
        np.testing.assert_array_equal(record.arrays["correct"], predicted == [0, 2])
    assert found[-1].arrays["correct"].tolist() == [rule == "mean", True]
    assert tally.records.all == found
