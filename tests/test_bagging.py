"""Bagging with noise, the ensemble as one model, and votes."""

import keras
import numpy as np
import pytest
from small_models import SHAPE, blobs, images, linear_model, small_network

from helpers.attacks import steps
from helpers.defences import bagging
from helpers.defences.bagging import (
    Ensemble,
    add_noise,
    bootstrap,
    member_seed,
    replicate,
    set_aside,
    train_member,
    vote,
)
from helpers.models import gradients
from helpers.models.training import split_validation

TRAINING = {
    "epochs": 2, "batch_size": 32, "learning_rate": 0.01, "patience": 3, "validation_fraction": 0.2,
}  # fmt: skip


def test_noise_has_its_standard_deviation_and_stays_in_range():
    x = np.full((50, 8, 8, 1), 0.5, np.float32)
    noisy = add_noise(x, 0.1, seed=0)
    assert abs((noisy - x).std() - 0.1) < 0.005
    assert noisy.dtype == np.float32
    black = add_noise(np.zeros_like(x), 0.5, seed=0)
    assert black.min() >= 0
    assert black.max() <= 1
    np.testing.assert_array_equal(add_noise(x, 0.0, seed=0), x)
    np.testing.assert_array_equal(add_noise(x, 0.1, seed=1), add_noise(x, 0.1, seed=1))


@pytest.mark.parametrize("sigma", [-0.1, np.nan])
def test_bad_noise_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma"):
        add_noise(images(), sigma, seed=0)


def test_a_replicate_holds_632_permille_of_the_images():
    shares = [len(np.unique(bootstrap(1000, seed))) / 1000 for seed in range(50)]
    assert abs(np.mean(shares) - (1 - np.exp(-1))) < 0.005
    with pytest.raises(ValueError, match="at least one image"):
        bootstrap(0, 0)


def test_members_share_noise_or_do_not():
    x, y = np.full((40, *SHAPE), 0.5, np.float32), np.arange(40, dtype=np.int32)

    def versions(noise):
        """Noisy version of each image that both members drew."""
        (xa, ya), (xb, yb) = (
            replicate(x, y, member=k, sigma=0.1, seed=0, noise=noise) for k in (1, 2)
        )
        shared = np.intersect1d(ya, yb)
        return (np.array([z[labels == i][0] for i in shared]) for z, labels in ((xa, ya), (xb, yb)))

    first, second = versions("once")
    np.testing.assert_array_equal(first, second)
    first, second = versions("per_member")
    assert (first != second).any()


def test_each_member_has_its_own_seed_and_replicate():
    assert len({member_seed(s, k) for s in range(5) for k in range(1, 11)}) == 50
    x, y = blobs()
    first, second = (replicate(x, y, member=k, sigma=0, seed=0)[1] for k in (1, 2))
    assert (first != second).any()
    with pytest.raises(ValueError, match="numbered from 1"):
        replicate(x, y, member=0, sigma=0, seed=0)
    with pytest.raises(ValueError, match="per_member"):
        replicate(x, y, member=1, sigma=0, seed=0, noise="twice")


def test_an_ensemble_agrees_with_the_mean_vote_and_can_be_attacked_and_saved(tmp_path):
    members = [small_network(seed=k) for k in range(3)]
    ensemble = Ensemble(members)
    logits = np.stack([gradients.logits(member, images()) for member in members])
    predicted = gradients.logits(ensemble, images()).argmax(-1)
    np.testing.assert_array_equal(predicted, vote(logits)[-1])
    y = predicted.astype(np.int32)
    x_adv = steps.fgsm(ensemble, images(), y, epsilon=0.2)
    call = gradients.loss_and_gradient(ensemble)
    assert (call(x_adv, y)[0] > call(images(), y)[0]).all()
    ensemble.save(tmp_path / "e.keras")
    again = keras.models.load_model(tmp_path / "e.keras")
    np.testing.assert_allclose(
        gradients.logits(again, images()), gradients.logits(ensemble, images()), atol=1e-6
    )


def test_a_confident_ensemble_keeps_its_gradient():
    members = [linear_model(seed=k, scale=100.0) for k in range(2)]
    ensemble = Ensemble(members)
    y = gradients.logits(ensemble, images()).argmax(-1).astype(np.int32)
    assert np.isfinite(gradients.loss_and_gradient(ensemble)(images(), (y + 1) % 3)[1]).all()


def test_unfit_members_are_refused():
    with pytest.raises(ValueError, match="at least one member"):
        Ensemble([])
    with pytest.raises(ValueError, match="differ"):
        Ensemble([linear_model(3), linear_model(4)])


def test_votes_by_hand():
    strong, weak = [4.0, 0.0, 0.0], [0.0, 0.5, 0.0]
    logits = np.array([[strong], [weak], [weak]])
    np.testing.assert_array_equal(vote(logits, "mean")[:, 0], [0, 0, 0])
    # One against one is a tie, which the larger mean probability decides; then two against one.
    np.testing.assert_array_equal(vote(logits, "majority")[:, 0], [0, 0, 1])


def test_a_ballot_outweighs_any_probability():
    sure = np.array([[[50.0, 0.0, 0.0]]])
    doubtful = np.array([[[0.0, 1e-3, 0.0]]])
    assert vote(np.concatenate([sure, doubtful, doubtful]), "majority")[-1, 0] == 1


def test_bad_votes_are_refused():
    with pytest.raises(ValueError, match="mean, majority"):
        vote(np.zeros((1, 1, 3)), "median")
    with pytest.raises(ValueError, match="members, images, classes"):
        vote(np.zeros((1, 3)))


def test_no_validation_image_is_in_the_replicate_or_seen_in_training():
    x, y = blobs(60)
    x = (
        x + np.arange(60, dtype=np.float32)[:, None, None, None] * 1e-3
    )  # each image is one of a kind
    for member in (1, 2, 3):
        (x_member, y_member), (x_val, y_val) = set_aside(
            x, y, 0.2, member=member, sigma=0.0, seed=0
        )
        assert len(x_member) + len(x_val) == len(y_member) + len(y_val) == 60
        assert not {image.tobytes() for image in x_member} & {image.tobytes() for image in x_val}
    # All members of a team set the same images aside, as a model of the same seed does, without noise.
    _, held = split_validation(y, 0.2, 0)
    for sigma in (0.0, 0.1):
        _, (watched, _) = set_aside(x, y, 0.2, member=2, sigma=sigma, seed=0)
        np.testing.assert_array_equal(watched, x[held])


def test_a_member_is_trained_on_its_replicate_and_watches_what_was_set_aside(monkeypatch):
    x, y = blobs(60)
    given, seeds = {}, []
    monkeypatch.setattr(
        bagging, "train", lambda model, *data, **more: given.update(more, data=data)
    )
    train_member(seeds.append, x, y, member=2, sigma=0.1, seed=0, **TRAINING)
    assert seeds == [given["seed"]] == [member_seed(0, 2)]
    replicate, validation = set_aside(x, y, 0.2, member=2, sigma=0.1, seed=0)
    for made, expected in zip(
        (*given["data"], *given["validation"]), (*replicate, *validation), strict=True
    ):
        np.testing.assert_array_equal(made, expected)


def test_without_resampling_a_member_gets_every_image_once():
    x, y = blobs(60)
    x_member, y_member = replicate(x, y, member=2, sigma=0.0, seed=0, resample=False)
    np.testing.assert_array_equal(x_member, x)
    np.testing.assert_array_equal(y_member, y)
    noisy, _ = replicate(x, y, member=2, sigma=0.1, seed=0, resample=False)
    np.testing.assert_array_equal(noisy, add_noise(x, 0.1, 0))


def test_combinations_are_the_means_they_say():
    x = images()
    members = [small_network(seed=seed) for seed in (0, 1, 2)]
    logits = np.stack([gradients.logits(m, x) for m in members]).astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = {
        "probabilities": np.log(np.exp(logs).mean(0)),
        "log_probabilities": logs.mean(0),
        "logits": logits.mean(0),
    }
    for combine, values in expected.items():
        np.testing.assert_allclose(
            gradients.logits(Ensemble(members, combine), x), values, atol=1e-5
        )
    with pytest.raises(ValueError, match="probabilities, log_probabilities, logits"):
        Ensemble(members, "votes")


def test_the_likelihood_of_the_mean_log_probabilities_is_the_mean_loss_of_the_members():
    x, y = images(), np.arange(12, dtype=np.int32) % 3
    members = [small_network(seed=seed) for seed in (0, 1)]
    whole = Ensemble(members, "log_probabilities")
    losses, slopes, _ = gradients.loss_and_gradient(whole, "likelihood")(x, y)
    parts = [gradients.loss_and_gradient(m)(x, y) for m in members]
    np.testing.assert_allclose(losses, np.mean([p[0] for p in parts], axis=0), rtol=1e-5)
    np.testing.assert_allclose(slopes, np.mean([p[1] for p in parts], axis=0), atol=1e-6)
