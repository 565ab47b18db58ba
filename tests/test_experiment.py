"""The report's experiments, on very small trainings of the real networks."""

import numpy as np
import pytest

from helpers.experiment import experiment
from helpers.models import gradients
from helpers.experiment import store
from helpers.evaluation import Records, one
from helpers.experiment.experiment import Experiment, random_targets
from helpers.parameters import validate
from helpers.profiles import notebook_defaults

SMALL = {
    "n_train": 200, "n_test": 30, "epochs": 1, "epsilon": 0.2, "alpha": 0.05, "steps": 3,
    "lbfgs_n_test": 4, "lbfgs_c_steps": 2, "lbfgs_iterations": 3,
}  # fmt: skip
BEYOND = {"n_members": 2, "retrain_epochs": 1, "retrained_members": 1, "restarts": 1,
          "outside_n_test": 4, "outside_iterations": 10}  # fmt: skip


def experiment(folder, **changes):
    values = notebook_defaults("07_beyond") | SMALL | BEYOND
    values |= {"lbfgs_n_train": 4, "store_dir": str(folder / "store")} | changes
    return Experiment(validate("07_beyond", values))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("experiment")


@pytest.fixture(scope="module")
def first(folder):
    return experiment(folder)


def forbid(monkeypatch):
    def trained(*args, **options):
        raise AssertionError("this should have come from the store")

    monkeypatch.setattr(experiments_module.models, "train", trained)
    monkeypatch.setattr(Experiment, "_craft", trained)


def test_a_second_chapter_finds_everything_in_the_store(folder, first, monkeypatch):
    original = first.original()
    images = first.attacked("fgsm", original)
    logits = first.logits(original, images)
    forbid(monkeypatch)
    second = experiment(folder)
    again = second.attacked("fgsm", second.original())
    np.testing.assert_array_equal(again.x_adv, images.x_adv)
    np.testing.assert_array_equal(second.logits(second.original(), again), logits)


def test_what_is_followed_can_be_measured_before(first):
    original = first.original()
    row = first.followed(original)
    assert list(row) == ["clean", "fgsm", "bim", "pgd"]
    right = first.logits(original, first.attacked("bim", original)).argmax(-1) == first.data.y_test
    assert row["bim"] == right.mean()


def test_a_sweep_may_be_made_on_another_model(first, tmp_path):
    records = Records(tmp_path, "07_beyond", "digits", {"seed": 0})
    original, member = first.original(), first.member(1)
    (found,) = first.sweep(records, member, "fgsm", [0.1], original)
    assert found.parameters["source"] == "original"
    images = first.attacked("fgsm", original, epsilon=0.1)
    right = first.logits(member, images).argmax(-1) == first.data.y_test
    np.testing.assert_array_equal(found.arrays["correct"], right)
    assert [r.quantity for r in records.all] == ["accuracy"]  # the images are the original's


def test_another_parameter_is_another_piece(folder, first, monkeypatch):
    first.attacked("fgsm", first.original())
    forbid(monkeypatch)
    other = experiment(folder, epsilon=0.21)
    with pytest.raises(AssertionError, match="from the store"):
        other.attacked("fgsm", other.original())
    with pytest.raises(AssertionError, match="from the store"):
        experiment(folder, seed=1).original()
    with pytest.raises(AssertionError, match="from the store"):
        experiment(folder, n_train=210).original()


def test_every_attack_is_checked_and_says_its_parameters(first):
    original = first.original()
    for attack in ("fgsm", "bim", "pgd", "noise"):
        images = first.attacked(attack, original)
        assert images.parameters["epsilon"] == 0.2
        assert np.abs(images.x_adv - images.x).max() <= 0.2 + 1e-6
        assert images.success.all()
    found = first.attacked("lbfgs", original)
    assert len(found.y) == 4
    np.testing.assert_array_equal(found.x, first.data.x_test[first.lbfgs_rows])


def test_another_epsilon_keeps_the_steps_ratio(first):
    images = first.attacked("bim", first.original(), epsilon=0.1)
    assert images.parameters["alpha"] == pytest.approx(0.025)
    zero = first.attacked("bim", first.original(), epsilon=0.0)
    np.testing.assert_array_equal(zero.x_adv, zero.x)


def test_an_outside_attack_tells_where_it_found_nothing(first):
    original = first.original()
    images = first.attacked("cw", original)
    assert len(images.x) == 4
    fooled = first.logits(original, images).argmax(-1) != images.y
    np.testing.assert_array_equal(images.success, fooled)
    assert first.attacked("square", original).success.all()


@pytest.mark.parametrize(("attack", "module"), [("cw", "outside_attacks"), ("lbfgs", "solver")])
def test_new_code_of_an_attack_makes_new_predictions_too(
    folder, first, monkeypatch, attack, module
):
    original = first.original()
    first.logits(original, first.attacked(attack, original))
    digest = store_module.code_digest

    def changed(name):
        return "changed" if name == f"helpers.{module}" else digest(name)

    def blank(self, attack, model, x, *others):
        return np.zeros_like(x), np.ones(len(x), bool)

    monkeypatch.setattr(store_module, "code_digest", changed)
    monkeypatch.setattr(Experiment, "_craft", blank)
    later = experiment(folder)
    images = later.attacked(attack, later.original())
    expected = gradients.logits(original.model, np.zeros_like(images.x))
    np.testing.assert_allclose(later.logits(original, images), expected, atol=1e-5)


def test_noise_is_the_same_for_all_models(first):
    sources = first.original(), first.member(1)
    made = [first.attacked("noise", source) for source in sources]
    np.testing.assert_array_equal(made[0].x_adv, made[1].x_adv)


def test_members_and_their_ensemble(first):
    members = first.members()
    assert [member.name for member in members] == ["member 1", "member 2"]
    assert members[0].key != members[1].key
    ensemble = first.ensemble(members)
    clean = first.clean()
    shares = [np.exp(first.logits(member, clean)) for member in members]
    shares = [share / share.sum(-1, keepdims=True) for share in shares]
    np.testing.assert_allclose(
        np.exp(first.logits(ensemble, clean)), np.mean(shares, axis=0), atol=1e-5
    )


@pytest.mark.parametrize("attack", ["fgsm", "lbfgs"])
def test_retraining_starts_from_the_original_and_changes_it(first, attack):
    original = first.original()
    before = [weight.copy() for weight in original.model.get_weights()]
    retrained = first.retrained(attack, follow=attack == "fgsm")
    assert retrained.name == f"retrained {attack}"
    assert (retrained.model.get_weights()[0] != before[0]).any()
    for one_weight, other in zip(original.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one_weight, other)
    if attack == "fgsm":
        assert {"clean", "fgsm", "bim"} <= set(retrained.history)


def test_a_member_is_retrained_on_its_own_replicate(first):
    subject = first.retrained("fgsm", member=1)
    assert subject.name == "member 1 retrained fgsm"
    assert subject.key != first.retrained("fgsm").key


def test_scores_become_records_that_name_their_source(first, tmp_path):
    records = Records(tmp_path, "07_beyond", "digits", {"seed": 0})
    original, member = first.original(), first.member(1)
    first.score(records, original, first.clean())
    record = first.score(records, member, first.attacked("fgsm", original))
    assert record.parameters["source"] == "original"
    assert record.parameters["epsilon"] == 0.2
    assert record.values["l2"] > 0
    predicted = first.logits(member, first.attacked("fgsm", original)).argmax(-1)
    assert record.values["n_correct"] == (predicted == first.data.y_test).sum()
    assert one(records.all, attack="none").parameters == {}


def test_another_seed_trains_again_on_the_same_images(first, tmp_path):
    records = Records(tmp_path, "05_retraining", first.data.name, {"seed": 0})
    again = first.with_seed(1)
    assert again.data is first.data
    for experiment in (first, again):
        subject = experiment.original()
        experiment.repeat(records, subject, experiment.attacked("fgsm", subject))
    assert [r.parameters["training_seed"] for r in records.all] == [0, 1]
    assert first.original().key != again.original().key
    assert first.p.seed == 0


def test_an_unknown_attack_is_refused(first):
    with pytest.raises(ValueError, match="none, noise, fgsm, bim, targeted_bim, pgd, lbfgs"):
        first.attacked("deepfool", first.original())


def test_random_targets_are_never_the_label_and_reach_every_class():
    y = np.arange(500, dtype=np.int32) % 5
    targets = random_targets(y, 5, seed=0)
    assert (targets != y).all()
    assert targets.dtype == np.int32
    assert set(targets) == set(range(5))
    np.testing.assert_array_equal(targets, random_targets(y, 5, seed=0))
