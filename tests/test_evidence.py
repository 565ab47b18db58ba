from dataclasses import replace

import numpy as np
import pytest
from made_up_run import (
    ORIGINAL,
    accuracy,
    again,
    bagging,
    ensemble,
    ladder,
    member,
    retrained,
    retraining,
    several,
)

from helpers.evaluation.model_id import ModelId
from helpers.evaluation.record import Record
from helpers.findings.evidence import Ambiguous, Evidence, UnknownName
from helpers.findings.gathering import Gathered

EVIDENCE = Evidence(bagging() + ladder() + retraining())


def test_an_accuracy_is_found_by_what_it_is():
    asked = {
        0.6: (ensemble(10), "bim", {"made_on": ORIGINAL}),
        0.5: ({"kind": "ensemble", "n_members": 10}, "bim", {"made_on": member(6)}),
        0.3: (ensemble(10), "bim", {"rung": "all of these, worst"}),
        0.7: ({"kind": "original", "retrained_on": "bim", "regenerate": "epoch"}, "bim", {}),
        0.85: (retrained("bim"), "bim", {"made_on": ORIGINAL}),
        0.01: (retrained("bim"), "bim", {"sweep": "epsilon"}),
    }
    for share, (of, under, about) in asked.items():
        assert EVIDENCE.accuracy("mnist", of, under, **about).values["accuracy"] == share
    assert EVIDENCE.accuracy("mnist", ensemble(10), "bim").made_on == ensemble(10)


def test_what_was_not_measured_is_none():
    assert EVIDENCE.accuracy("cifar10", ORIGINAL) is None
    assert EVIDENCE.accuracy("mnist", ensemble(7)) is None
    assert EVIDENCE.accuracy("mnist", ORIGINAL, "square") is None
    assert EVIDENCE.accuracy("mnist", ORIGINAL, chapter="06_tiny_imagenet") is None
    assert EVIDENCE.pair("mnist", {"of": ORIGINAL}, {"of": ensemble(7)}) is None
    assert Evidence([]).accuracy("mnist", ORIGINAL) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda e: e.accuracy("mnist", {"kind": "ensemble", "size": 10}),
        lambda e: e.accuracy("mnist", "original"),
        lambda e: e.accuracy("mnist", ORIGINAL, "bmi"),
        lambda e: e.accuracy("mnist", ORIGINAL, made_on="the original model"),
        lambda e: e.accuracy("mnist", ORIGINAL, chapter="07_beyond"),
        lambda e: e.accuracy("mnist", ORIGINAL, "bim", source="original"),
        lambda e: e.find("acuracy"),
    ],
)
def test_a_name_that_nothing_has_is_an_error_even_where_nothing_was_measured(ask):
    for evidence in (EVIDENCE, Evidence([])):
        with pytest.raises(UnknownName, match=r"there are|expected"):
            ask(evidence)


def test_a_model_that_cannot_be_is_an_error():
    with pytest.raises(ValueError, match="kind = 'orignal'"):
        EVIDENCE.accuracy("mnist", {"kind": "orignal"})


def test_ensembles_without_a_number_are_the_largest_and_none_of_one_member():
    def alone(*sizes):
        rows = [
            accuracy("07_attacks_on_defences", "mnist", ensemble(k), "none", k / 10) for k in sizes
        ]
        return Evidence(rows).accuracy("mnist", {"kind": "ensemble"})

    assert alone(2, 5).model == ensemble(5)
    assert alone(1) is None


def test_where_chapters_measured_the_same_the_most_images_count():
    few = accuracy("03_attacks", "mnist", ORIGINAL, "none", 0.9, 100)
    most = accuracy("02_models", "mnist", ORIGINAL, "none", 0.8, 500)
    assert Evidence([few, most]).accuracy("mnist", ORIGINAL) == most


def test_where_chapters_have_other_settings_one_must_be_named():
    one = accuracy("03_attacks", "mnist", ORIGINAL, "bim", 0.5, made_on=ORIGINAL, epsilon=0.1)
    evidence = Evidence([one, again(one, 0.2, chapter="04_ensembles", parameters={"epsilon": 0.2})])
    with pytest.raises(Ambiguous, match="epsilon"):
        evidence.accuracy("mnist", ORIGINAL, "bim")
    assert evidence.accuracy("mnist", ORIGINAL, "bim", epsilon=0.2).values["accuracy"] == 0.2
    assert evidence.accuracy("mnist", ORIGINAL, "bim", chapter="03_attacks") == one


def test_a_pair_is_of_the_same_images_and_size():
    clean = [
        accuracy(c, "mnist", ORIGINAL, "none", 0.9, n)
        for c, n in (("02_models", 500), ("03_attacks", 99))
    ]
    bim = accuracy("03_attacks", "mnist", ORIGINAL, "bim", 0.5, 99, ORIGINAL, epsilon=0.1)
    questions = {"of": ORIGINAL}, {"of": ORIGINAL, "under": "bim"}
    a, b = Evidence([*clean, bim]).pair("mnist", *questions)
    assert (a, b) == (clean[1], bim)
    fgsm = again(bim, attack="fgsm", parameters={"epsilon": 0.2})
    asked = {"of": ORIGINAL, "under": "fgsm"}
    assert Evidence([bim, fgsm]).pair("mnist", questions[1], asked) is None


def test_an_accuracy_is_gathered_at_every_epsilon_and_of_every_training():
    evidence = Gathered(several("mnist", ensemble(10), "bim", 0.5, ORIGINAL))
    asked = ("mnist", {"kind": "ensemble", "n_members": 10}, "bim")
    found = evidence.everywhere(*asked, ORIGINAL)
    sizes = [(r.parameters["epsilon"], r.model.training_seed) for r in found]
    assert sorted(sizes) == [(e, seed) for e in (0.1, 0.2) for seed in (-1, 1, 2)]
    assert evidence.everywhere(*asked) == []


def test_an_ensemble_attacked_itself_may_be_so_through_any_of_its_means():
    tested, logits = ensemble(10), replace(ensemble(10), combine="logits")
    rows = several("mnist", tested, "bim", 0.5, logits)
    assert len(Gathered(rows).everywhere("mnist", tested, "bim")) == len(rows)


def test_members_attacked_elsewhere_are_not_those_attacked_themselves():
    rows = [accuracy("04_ensembles", "mnist", member(k), "bim", 0.5, made_on=member(6), epsilon=0.1)
            for k in (1, 6)]  # fmt: skip
    evidence, all_members = Gathered(rows), {"kind": "member"}
    assert evidence.everywhere("mnist", all_members, "bim", member(6)) == rows[:1]
    assert evidence.everywhere("mnist", all_members, "bim") == rows[1:]


def test_places_are_rows_of_the_tables():
    rows = [accuracy("c", data, ORIGINAL, "none", 0.5) for data in ("mnist", "cifar10", "mnist")]
    evidence = Gathered(rows)
    assert [evidence.place(r) for r in rows] == ["c/mnist/0", "c/cifar10/0", "c/mnist/1"]
    assert evidence.n_test("c", "mnist") == 2000


def test_data_sets_stand_for_the_reports():
    rows = [Record("c", name, "data") for name in ("shapes", "digits", "mnist", "mine")]
    assert Evidence(rows).standing_for("mnist") == ["mnist", "digits"]
    assert Evidence(rows[:2]).standing_for("mnist") == ["digits"]
    assert Evidence(rows).standing_for("tiny_imagenet") == []


def test_a_model_of_ones_own_is_left_out_with_all_that_its_chapter_measured():
    own = Record("03_attacks", "mnist", "own_model")
    other = accuracy("04_ensembles", "mnist", ORIGINAL, "none", 0.5)
    mine = accuracy("03_attacks", "mnist", ORIGINAL, "none", 0.4)
    assert Evidence([own, mine, other]).without_own_models().records == [other]


def test_answers_image_by_image_come_with_a_pair():
    a, b = EVIDENCE.pair("mnist", {"of": ensemble(10)}, {"of": ensemble(1)})
    assert np.array_equal(a.arrays["correct"] & b.arrays["correct"], b.arrays["correct"])


def test_a_model_id_and_its_fields_ask_the_same():
    id = ModelId(kind="member", member=6)
    asked = {"under": "bim", "made_on": {"kind": "original"}}
    first, second = (
        EVIDENCE.accuracy("mnist", of, **asked) for of in (id, {"kind": "member", "member": 6})
    )
    assert first == second is not None
