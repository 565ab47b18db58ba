"""Signs of a broken evaluation: each is seen where it is, and not where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_run import MEMBER, RETRAINED, ensemble

from helpers.evaluation import sanity
from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.records import Records

N, CLASSES = 40, 10
ENSEMBLE = ensemble(2)


@pytest.fixture
def records(tmp_path):
    return Records(tmp_path, "03_attacks", "digits", {"seed": 0})


def add(records, attack, n_correct, *, model=ORIGINAL, made_on=None, n=N, epsilon=0.1, **more):
    """Record an accuracy; the attack is made on the model itself unless said otherwise."""
    parameters = {"epsilon": epsilon, **more}
    if attack in ("bim", "pgd"):
        parameters = {"alpha": 0.05, "steps": 5} | parameters  # reaches across the ball
    if attack != "noise":
        made_on = made_on or model
    return records.accuracy(
        np.arange(n) < n_correct, model=model, attack=attack, made_on=made_on, parameters=parameters
    )


def found(records):
    return {check.name: check.warnings for check in sanity.compare(records.all, CLASSES)}


def test_a_sound_evaluation_gives_no_warning(records):
    for attack, n_correct in (("noise", 38), ("fgsm", 20), ("bim", 10), ("pgd", 9)):
        add(records, attack, n_correct)
    add(records, "fgsm", 30, made_on=MEMBER)
    checks = sanity.compare(records.all, CLASSES)
    assert all(check.warnings == () for check in checks)
    assert [check.compared for check in checks] == [3, 3, 0, 1, 0, 0]


def test_a_larger_epsilon_that_helps_the_defender(records):
    for epsilon, n_correct in ((0.0, 38), (0.1, 10), (0.2, 30), (0.3, 31)):
        for attack in ("fgsm", "bim"):  # for one long step, overstepping is no fault
            add(records, attack, n_correct, epsilon=epsilon, sweep="epsilon")
    (warning,) = found(records)["a larger ε helps the defender"]
    assert "under BIM: 25.0% at ε = 0.1, but 75.0% at 0.2" in warning


def test_a_larger_epsilon_may_bring_a_model_back_to_guessing(records):
    for epsilon, n_correct in ((0.1, 0), (0.5, 7)):
        add(records, "bim", n_correct, epsilon=epsilon)
    assert found(records)["a larger ε helps the defender"] == ()


def test_a_result_that_stands_twice_is_compared_once(records):
    for n_correct, attack in ((20, "fgsm"), (10, "bim")):
        add(records, attack, n_correct)
        add(records, attack, n_correct, sweep="epsilon")
    assert sanity.compare(records.all, CLASSES)[0].compared == 1


@pytest.mark.parametrize(
    ("attack", "after", "signs"),
    [
        ("fgsm", {"clean": 0.9, "fgsm": 0.8, "bim": 0.5, "pgd": 0.5}, []),
        ("fgsm", {"clean": 0.9, "fgsm": 0.8, "bim": 0.1, "pgd": 0.1}, ["overfits to one step"]),
        ("fgsm", {"clean": 0.9, "fgsm": 0.95, "bim": 0.5, "pgd": 0.5}, ["labels leak"]),
        ("fgsm", {"clean": 0.9, "fgsm": 0.3, "bim": 0.1, "pgd": 0.1}, ["its examples no longer fit it"]),
        ("bim", {"clean": 0.9, "fgsm": 0.8, "bim": 0.1, "pgd": 0.1}, ["its examples no longer fit it"]),
    ],
)  # fmt: skip
def test_signs_of_a_retraining_gone_wrong(attack, after, signs):
    before = {"clean": 0.95, "fgsm": 0.5, "bim": 0.3, "pgd": 0.3}
    assert sanity.retraining_signs(attack, before, after) == signs


def test_more_steps_that_help_the_defender(records):
    add(records, "fgsm", 10)
    add(records, "bim", 25)
    (warning,) = found(records)["more effort helps the defender"]
    assert "62.5% under BIM, but 25.0% under FGSM" in warning


def test_a_few_images_more_are_chance(records):
    add(records, "fgsm", 10)
    add(records, "bim", 12)
    assert found(records)["more effort helps the defender"] == ()


def test_steps_that_cannot_reach_the_rim_are_not_more_effort(records):
    add(records, "fgsm", 10)
    add(records, "bim", 25, alpha=0.01)
    assert sanity.compare(records.all, CLASSES)[0].compared == 0


def test_noise_that_does_as_much(records):
    add(records, "noise", 30)
    add(records, "fgsm", 30)
    (warning,) = found(records)["noise does as much as the attack"]
    assert "75.0% under FGSM, but 75.0% under random noise" in warning


@pytest.mark.parametrize(("epsilon", "n_correct"), [(0.0, 30), (0.5, 0)])
def test_nothing_is_said_of_no_attack_or_of_a_total_one(records, epsilon, n_correct):
    add(records, "noise", n_correct, epsilon=epsilon)
    add(records, "fgsm", n_correct, epsilon=epsilon)
    assert found(records)["noise does as much as the attack"] == ()


def test_a_transfer_that_beats_white_box(records):
    add(records, "bim", 30, model=ENSEMBLE)
    add(records, "bim", 10, model=ENSEMBLE, made_on=ORIGINAL)
    (warning,) = found(records)["transfer beats white-box"]
    assert "75.0% when attacked itself, but 25.0% on images made on original model" in warning


def test_only_equal_epsilon_and_images_are_compared(records):
    add(records, "bim", 30, model=ENSEMBLE)
    add(records, "bim", 10, model=ENSEMBLE, made_on=ORIGINAL, epsilon=0.2)
    assert sanity.compare(records.all, CLASSES)[2].compared == 0


def test_an_ensembles_transfer_is_compared_with_the_attack_on_itself_and_its_parts_are_not(records):
    add(records, "bim", 30, model=ENSEMBLE)
    for size, n_correct in ((1, 5), (2, 10), (3, 5)):  # of three: members beyond the ensemble
        model = replace(ENSEMBLE, n_members=size)
        add(records, "bim", n_correct, model=model, made_on=ORIGINAL)
    transfer = sanity.compare(records.all, CLASSES)[3]
    assert transfer.compared == 1
    (warning,) = transfer.warnings
    assert "25.0% on images made on original model" in warning


def test_an_attack_through_another_of_its_means_is_no_transfer(records):
    add(records, "bim", 30, model=ENSEMBLE)
    add(records, "bim", 5, model=ENSEMBLE, made_on=replace(ENSEMBLE, combine="logits"))
    assert sanity.compare(records.all, CLASSES)[3].compared == 0


def test_the_worst_of_several_attacks_is_no_transfer(records):
    add(records, "bim", 30, model=ENSEMBLE)
    about = {"epsilon": 0.1, "rung": "every member, worst"}
    records.accuracy(np.arange(N) < 5, model=ENSEMBLE, attack="bim", parameters=about)
    assert sanity.compare(records.all, CLASSES)[3].compared == 0


@pytest.mark.parametrize(("n_correct", "n_warnings"), [(0, 0), (6, 0), (30, 1)])
def test_a_model_right_where_all_images_can_be_grey(records, n_correct, n_warnings):
    add(records, "bim", n_correct, epsilon=0.5, alpha=0.2)
    warnings = found(records)["boundless attacks leave more than chance"]
    assert len(warnings) == n_warnings
    assert not warnings or "original model under BIM, ε = 0.5: 75.0%" in warnings[0]


def test_boundless_is_said_of_iterated_attacks_with_room_enough_only(records):
    add(records, "fgsm", 30, epsilon=0.5)
    add(records, "bim", 30, epsilon=0.5, alpha=0.01)
    add(records, "bim", 30, epsilon=0.3, alpha=0.2)
    assert sanity.compare(records.all, CLASSES)[4].compared == 0


@pytest.mark.parametrize(("n_correct", "n_warnings"), [(20, 0), (4, 1)])
def test_a_black_box_that_beats_the_gradient_on_the_same_images(records, n_correct, n_warnings):
    add(records, "pgd", 30)
    for model in (ORIGINAL, MEMBER):  # the other has no PGD to be compared with
        add(records, "square", n_correct, model=model, n=20)
    checks = {check.name: check for check in sanity.compare(records.all, CLASSES)}
    check = checks["black box beats white-box"]
    assert (check.compared, len(check.warnings)) == (1, n_warnings)
    assert not n_warnings or "100.0% under PGD, but 20.0% under Square" in check.warnings[0]


@pytest.mark.parametrize("attack", ["lbfgs", "untargeted_lbfgs", "cw"])
def test_an_attack_without_bound_that_fails_is_no_defence(records, attack):
    add(records, attack, 0)
    add(records, attack, 30, model=RETRAINED)
    add(records, attack, 30, model=ENSEMBLE, made_on=ORIGINAL)
    (warning,) = found(records)["boundless attacks leave more than chance"]
    assert warning.startswith("retrained on FGSM under ")
    assert "75.0%" in warning


@pytest.mark.parametrize(
    ("n_correct", "success", "n_warnings"), [(0, 1, 0), (1, 1, 1), (0, 0.85, 1)]
)
def test_an_attack_without_bound_converges_on_an_undefended_model_or_is_called_unconverged(
    records, n_correct, success, n_warnings
):
    """One image in forty is left (2.5 %), or none is found for 15 %: neither was a warning once."""
    records.accuracy(
        np.arange(N) < n_correct, model=ORIGINAL, attack="lbfgs", made_on=ORIGINAL, success=success
    )
    warnings = found(records)["boundless attacks leave more than chance"]
    assert len(warnings) == n_warnings
    assert all("unconverged" in warning for warning in warnings)


def test_every_sign_is_explained():
    names = {check.name for check in sanity.compare([], CLASSES)}
    assert names < sanity.EXPLAINED.keys()
    assert sanity.EXPLAINED.keys() - names == {"zero gradients", "predictions that do not repeat"}
