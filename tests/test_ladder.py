"""The rungs of attacks on an ensemble."""

import numpy as np
import pytest

from helpers.evaluation.record import select
from helpers.evaluation.records import Records
from helpers.experiment import ladder
from helpers.experiment.scores import Scores


@pytest.fixture(scope="module")
def climbed(small, tmp_path_factory):
    records = Records(tmp_path_factory.mktemp("ladder"), "04_ensembles", "digits", {"seed": 0})
    rungs = ladder.climb(
        Scores(small, records), "fgsm", original=small.original(), members=small.members(2),
        rivals=small.members(1, team=2), attacked=1,
    )  # fmt: skip
    return rungs, records.all


def test_the_rungs_go_from_ignorance_to_knowledge(climbed):
    rungs, _ = climbed
    assert list(rungs) == [
        "the original model", "another ensemble", "member 1", "every member, worst",
        "itself, mean probability", "itself, mean loss", "itself, mean logits",
        "all of these, worst",
    ]  # fmt: skip
    white = [name for name, record in rungs.items() if record.white_box]
    assert white == list(ladder.WHITE_BOX)
    assert {str(record.model) for record in rungs.values()} == {"ensemble of 2"}
    made_on = [str(record.made_on) for record in rungs.values()]
    assert made_on[:4] == ["original model", "ensemble of 1, another team", "member 1", "None"]


def test_a_worst_rung_is_right_only_where_all_are(climbed):
    rungs, _ = climbed
    last = rungs["all of these, worst"].arrays["correct"]
    for name, record in rungs.items():
        assert (last <= record.arrays["correct"]).all(), name
    one, every = (rungs[name].arrays["correct"] for name in ("member 1", "every member, worst"))
    assert (every <= one).all()


def test_what_each_member_gives_away_is_recorded(climbed):
    rungs, records = climbed
    (each,) = select(records, quantity="ladder")
    values = each.values["made_on_each_member"]
    assert len(values) == 2
    assert values[0] == pytest.approx(rungs["member 1"].values["accuracy"])
    assert np.all(np.array(values) >= rungs["every member, worst"].values["accuracy"])
