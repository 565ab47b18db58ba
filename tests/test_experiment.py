"""What an experiment hands out, on very small trainings of the real networks."""

import json

import numpy as np
import pytest
from small_experiment import Small, experiment

from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import ORIGINAL
from helpers.experiment.experiment import Experiment
from helpers.experiment.pieces import Piece, Request, in_order
from helpers.models import gradients


@pytest.fixture
def folder(small):
    return small.store.root.parent


def made(experiment):
    """Names of what was made here and not loaded, in their order, without identities."""
    return [
        name.rpartition("-")[0].removeprefix(f"{experiment.data.name}-")
        for name, card in experiment.store.used.items()
        if card["made"]
    ]


def test_what_is_asked_for_is_there_at_once_and_made_when_it_is_used(tmp_path):
    new = experiment(tmp_path)
    images = new.attacked("fgsm", new.ensemble(new.members()))
    assert str(images.made_on) == "ensemble of 2"
    assert made(new) == []
    assert images.x_adv.shape == images.x.shape
    assert made(new) == ["member_1", "member_2", "fgsm"]


def test_making_makes_each_once_and_what_is_needed_first(tmp_path):
    new = experiment(tmp_path)
    member, original = new.member(1), new.original()
    images = [new.attacked("fgsm", subject) for subject in (member, original, member)]
    retrained = new.retrained("fgsm")
    new.make(retrained, {"a": images}, member)
    assert made(new) == [
        "original", "retrained_fgsm_epoch", "member_1", "fgsm", "fgsm",
    ]  # fmt: skip
    before = dict(new.store.used)
    new.make(images, retrained)
    assert new.store.used == before


def test_a_second_chapter_finds_everything_in_the_store(folder, small):
    images = small.attacked("bim", small.original())
    logits = small.logits(small.original(), images)
    second = experiment(folder)
    again = second.attacked("bim", second.original())
    np.testing.assert_array_equal(again.x_adv, images.x_adv)
    np.testing.assert_array_equal(second.logits(second.original(), again), logits)
    assert made(second) == []


def test_a_request_in_plain_json_makes_the_same_elsewhere(tmp_path):
    here = experiment(tmp_path)
    other = here.with_seed(1)  # whose data are still those of seed 0
    ensemble = here.ensemble([here.member(1), other.member(1)])
    images = here.attacked("fgsm", ensemble, epsilon=0.1)
    noise, retrained = here.attacked("noise"), other.retrained("fgsm", member=1)
    pieces = in_order([*images.pieces, *noise.pieces, *retrained.pieces])
    assert len(pieces) == 5
    for piece in pieces:
        told = json.loads(json.dumps(vars(piece.request)))
        request = Request(**told)
        there = Experiment(Small.model_validate(request.parameters))
        there.content(Piece(piece.name, piece.kind, piece.key, piece.code, piece.needs, request))
        assert here.store.has(piece)
    expected = here.ensemble([here.member(1), other.member(1)]).model
    slopes = gradients.loss_and_gradient(expected)(images.x, images.y)[1]
    np.testing.assert_array_equal(
        images.x_adv, np.clip(images.x + np.float32(0.1) * np.sign(slopes), 0, 1)
    )
    assert made(here) == []


def test_a_model_of_another_seed_is_another_wherever_it_is_asked(small):
    other = small.with_seed(1).original()
    assert other.identity != small.original().identity
    logits = small.logits(other, small.clean())
    np.testing.assert_allclose(logits, gradients.logits(other.model, small.data.x_test), atol=1e-5)
    assert (logits != small.logits(small.original(), small.clean())).any()
    assert small.with_seed(1).data is small.data
    assert small.p.seed == 0
    assert small.with_seed(1).with_seed(0).original().identity == small.original().identity


def test_a_model_is_loaded_once(folder):
    second = experiment(folder)
    assert second.member(1).model is second.member(1).model
    assert second.member(1, sigma=0.1).model is second.member(1).model  # the chapter's own sigma
    members = second.members()
    assert second.ensemble(members).model.members[0] is members[0].model


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 2}, {"seed": 1}, {"n_train": 110}, {"learning_rate": 0.002}, {"batch_size": 32}],
    ids=str,
)  # fmt: skip
def test_what_decides_a_training_makes_another_model(folder, small, changes):
    assert experiment(folder, **changes).original().identity != small.original().identity


@pytest.mark.parametrize("changes", [{"epsilon": 0.21}, {"n_members": 3}, {"sigma": 0.2}], ids=str)
def test_what_does_not_decide_it_makes_none(folder, small, changes):
    assert experiment(folder, **changes).original().identity == small.original().identity


def test_every_piece_of_an_ensembles_images_differs_by_what_it_depends_on(small):
    members = small.members()
    ways = [
        small.attacked("fgsm", members[0]),
        small.attacked("fgsm", members[1]),
        small.attacked("fgsm", members[0], epsilon=0.1),
        small.attacked("bim", members[0]),
        small.attacked("fgsm", small.ensemble(members)),
        small.attacked("fgsm", small.ensemble(members, combine="logits")),
        small.attacked("fgsm", small.retrained("fgsm")),
        small.attacked("fgsm", small.retrained("fgsm", regenerate="batch")),
        small.attacked("fgsm", small.retrained("bim")),
        small.attacked("fgsm", small.retrained("fgsm", member=1)),
    ]
    assert len({images.identity for images in ways}) == len(ways)


@pytest.mark.parametrize("attack", [name for name, row in ATTACKS.items() if "art:" not in row.run])
def test_every_attack_can_be_asked_for(small, attack):
    original = small.original()
    images = small.attacked(attack, original)
    assert images.made_on == (None if attack in ("none", "noise") else ORIGINAL)
    assert len(images.x) == len(images.y) == len(images.x_adv) == len(images.success)
    few = ATTACKS[attack].kind == "unbounded" or attack == "auto_pgd"  # which take long
    assert len(images.y) == (4 if few else 30)
    if ATTACKS[attack].bounded:
        assert images.parameters.get("epsilon", 0.2) == 0.2
        assert np.abs(images.x_adv - images.x).max() <= 0.2 + 1e-6
    assert small.logits(original, images).shape == (len(images.y), 3)


def test_another_epsilon_keeps_the_steps_ratio(small):
    images = small.attacked("bim", small.original(), epsilon=0.1)
    assert images.parameters["alpha"] == pytest.approx(0.025)
    zero = small.attacked("bim", small.original(), epsilon=0.0)
    np.testing.assert_array_equal(zero.x_adv, zero.x)


def test_noise_is_the_same_for_all_models(small):
    made = [small.attacked("noise", source) for source in (small.original(), None)]
    assert made[0].identity == made[1].identity


def test_teams_and_recipes_share_nothing_but_the_data(small):
    one = small.member(1)
    others = [small.member(1, team=2), small.member(1, sigma=0.0), small.member(1, resample=False)]
    assert [str(subject) for subject in others] == [
        "member 1 of another team", "member 1, sigma=0", "member 1, resample=False",
    ]  # fmt: skip
    weights = one.model.get_weights()[0]
    assert all((weights != other.model.get_weights()[0]).any() for other in others)


def test_an_ensemble_is_the_mean_of_its_members(small):
    members, clean = small.members(), small.clean()
    shares = [np.exp(small.logits(member, clean)) for member in members]
    shares = [share / share.sum(-1, keepdims=True) for share in shares]
    np.testing.assert_allclose(
        np.exp(small.logits(small.ensemble(members), clean)), np.mean(shares, axis=0), atol=1e-5
    )


@pytest.mark.parametrize("attack", ["fgsm", "momentum_bim", "lbfgs"])
def test_retraining_starts_from_the_original_and_changes_it(small, attack):
    original = small.original()
    before = original.model.get_weights()
    retrained = small.retrained(attack)
    assert str(retrained) == f"retrained on {ATTACKS[attack].label}"
    assert (retrained.model.get_weights()[0] != before[0]).any()
    for weight, other in zip(original.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, other)
    followed = {"clean", "fgsm", "bim", "pgd"}
    assert (followed <= set(retrained.history)) == (attack != "lbfgs")


def test_models_of_every_seed_are_attacked_on_the_same_images(small):
    other = small.with_seed(1)
    one, two = (e.attacked("lbfgs", e.original()) for e in (small, other))
    np.testing.assert_array_equal(one.x, two.x)
    assert one.identity != two.identity


def test_the_control_goes_on_with_clean_images_and_is_followed_too(small):
    control = small.retrained("none")
    assert str(control) == "retrained on clean images only"
    assert {"clean", "fgsm", "bim", "pgd"} <= set(control.history)
    start = small.original().model.get_weights()
    assert (control.model.get_weights()[0] != start[0]).any()
    (piece,) = control.pieces
    assert piece.request.arguments["settings"] == {}


def test_retraining_with_another_epsilon_keeps_the_reach_of_its_steps(small):
    (usual,), (other,), (given,) = (
        small.retrained("bim", **changes).pieces
        for changes in ({}, {"epsilon": 0.1}, {"epsilon": 0.1, "alpha": 0.05, "epochs": 3})
    )
    settings = other.request.arguments["settings"]
    assert settings["epsilon"] == 0.1
    assert settings["alpha"] == usual.request.arguments["settings"]["alpha"] / 2
    assert given.request.arguments["settings"]["alpha"] == 0.05
    assert given.request.arguments["epochs"] == given.key["training"]["epochs"] == 3
    assert usual.request.arguments["follow"]
    assert not other.request.arguments["follow"]
    assert len({usual.identity, other.identity, given.identity}) == 3
    again = small.subject(small.retrained("bim", epsilon=0.1, alpha=0.05, epochs=3).spec)
    assert again.identity == given.identity
    assert str(again) == "retrained on BIM, epochs=3 epsilon=0.1 alpha=0.05"


def test_retraining_takes_fewer_and_longer_steps_that_go_as_far(small):
    (piece,) = small.retrained("pgd").pieces
    settings = piece.request.arguments["settings"]
    assert settings["steps"] == 2
    assert settings["alpha"] * 2 == pytest.approx(0.05 * 3)
    assert settings["restarts"] == 1


def test_signs_are_told_of_each_model_that_was_used(folder):
    second = experiment(folder)
    original, member = second.original(), second.member(1)
    assert second.attacked("fgsm", original).success.all()
    second.logits(member, second.clean())
    signs = second.signs()  # two losses, one model; two models
    assert signs == {"zero gradients": [False] * 2, "predictions that do not repeat": [False]}


def test_what_is_seen_is_said_in_words(small):
    logits = np.array([[-50, -50, 50]], np.float32)
    assert small.seen(logits) == ["2 (100 %)"]


def test_what_cannot_be_is_refused_at_once(small):
    with pytest.raises(ValueError, match=r"deepfool.*none, noise, fgsm"):
        small.attacked("deepfool", small.original())
    with pytest.raises(ValueError, match="deepfool"):
        small.retrained("deepfool")
    with pytest.raises(ValueError, match="FGSM attacks a model"):
        small.attacked("fgsm")
    with pytest.raises(ValueError, match=r"sigma, noise, resample, no noises"):
        small.member(1, noises="once")
    with pytest.raises(ValueError, match="at least one member"):
        small.ensemble(small.members(0))
