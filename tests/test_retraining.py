import itertools

import numpy as np
import pytest
from small_models import blobs, small_network

from helpers.attacks import steps
from helpers.defences.retraining import adversarial_retrain
from helpers.models import gradients, training

TRAINING = {"batch_size": 32, "learning_rate": 0.01, "patience": 20, "validation_fraction": 0.2}


@pytest.fixture(scope="module")
def trained():
    x, y = blobs()
    model = small_network()
    training.train(model, x, y, epochs=8, seed=0, **TRAINING)
    return model, x, y


@pytest.fixture
def start(trained):
    """Give a copy of the trained model, to be retrained, and its images."""
    original, x, y = trained
    model = small_network()
    model.set_weights(original.get_weights())
    return model, x, y


def fgsm(model, x, y):
    return steps.fgsm(model, x, y, epsilon=0.12)


def recording(seen, original=None):
    """An attack that changes nothing; notes images, weights, and whether it is on `original`."""

    def attack(current, x, y):
        seen.append((x.copy(), current.get_weights()[0].copy(), current is original))
        return x

    return attack


def robust_accuracy(model, x, y):
    return (gradients.logits(model, fgsm(model, x, y)).argmax(-1) == y).mean()


def test_retraining_raises_accuracy_under_its_attack(start):
    model, x, y = start
    before = robust_accuracy(model, x, y)
    history = adversarial_retrain(model, x, y, attack=fgsm, epochs=12, seed=0, **TRAINING)
    assert len(history["loss"]) == 12
    assert robust_accuracy(model, x, y) > before + 0.1


def test_images_are_made_anew_from_the_current_model_and_kept_apart_from_validation(start):
    model, x, y = start
    weights, seen = model.get_weights(), []
    adversarial_retrain(model, x, y, attack=recording(seen), epochs=2, seed=0, **TRAINING)
    rows, validation = training.split_validation(y, 0.2, 0)
    # Before each epoch the training images, after it those that early stopping watches.
    for call, expected in zip(seen, (rows, validation, rows, validation), strict=True):
        np.testing.assert_array_equal(call[0], x[expected])
    np.testing.assert_array_equal(seen[0][1], weights[0])
    assert (seen[2][1] != weights[0]).any()


def test_validation_images_that_were_set_aside_are_watched_and_never_trained_on(start):
    model, x, y = start
    seen = []
    adversarial_retrain(
        model, x[:200], y[:200], attack=recording(seen), validation=(x[200:], y[200:]), epochs=1,
        seed=0, **TRAINING,
    )  # fmt: skip
    for call, expected in zip(seen, (x[:200], x[200:]), strict=True):
        np.testing.assert_array_equal(call[0], expected)


def test_going_on_with_clean_images_only_takes_as_many_images_and_updates(start, monkeypatch):
    trained, x, y = start
    shown = {}
    for name, attack in (("clean", lambda model, x, y: x), ("fgsm", fgsm)):
        model = small_network()
        model.set_weights(trained.get_weights())
        batches = shown.setdefault(name, [])
        with monkeypatch.context() as patch:
            patch.setattr(training, "_trainer", _noting(training._trainer, batches))
            adversarial_retrain(model, x, y, attack=attack, epochs=2, seed=0, **TRAINING)
    assert [len(batch) for batch in shown["clean"]] == [len(batch) for batch in shown["fgsm"]]
    for clean, fgsm_too in zip(shown["clean"], shown["fgsm"], strict=True):
        half = len(clean) // 2
        np.testing.assert_array_equal(clean[:half], clean[half:])
        np.testing.assert_array_equal(clean[:half], fgsm_too[:half])


def _noting(trainer, batches):
    def noted(*given):
        optimizer, step = trainer(*given)
        return optimizer, lambda x, y: batches.append(x) or step(x, y)

    return noted


def test_a_part_of_the_images_is_drawn_anew_each_epoch(start):
    calls = []
    adversarial_retrain(
        *start, attack=recording(calls), n_adversarial=20, epochs=2, seed=0, **TRAINING
    )
    seen = [x for x, *_ in calls]
    assert [len(part) for part in seen] == [20, 20, 20, 20]
    assert (seen[0] != seen[2]).any()
    np.testing.assert_array_equal(seen[1], seen[3])


def test_an_impossible_number_is_refused(start):
    with pytest.raises(ValueError, match=r"from 0 \(all\) to 240"):
        adversarial_retrain(*start, attack=fgsm, n_adversarial=241, epochs=1, seed=0, **TRAINING)


def collected(trained, start, regenerate, **options):
    """What the attack was called with during a short retraining."""
    original, seen = trained[0], []
    history = adversarial_retrain(
        *start, attack=recording(seen, original), start=original, regenerate=regenerate, epochs=2,
        seed=0, **TRAINING, **options,
    )  # fmt: skip
    assert len(history["loss"]) == 2
    return [(len(x), weights, on_original) for x, weights, on_original in seen]


def test_stale_examples_are_made_once_on_the_original_model(trained, start):
    seen = collected(trained, start, "never")
    made = [n for n, _, on_original in seen if on_original]
    assert made == [192]
    # What early stopping watches is always attacked on the model itself.
    assert [n for n, _, on_original in seen if not on_original] == [48, 48]


def test_examples_of_each_batch_are_made_on_the_model_as_it_then_stands(trained, start):
    seen = collected(trained, start, "batch")
    assert [n for n, _, _ in seen] == 2 * ([32] * 6 + [48])
    weights = [w for _, w, _ in seen[:6]]
    assert all((a != b).any() for a, b in itertools.pairwise(weights))


def test_impossible_ways_to_regenerate_are_refused(trained, start):
    with pytest.raises(ValueError, match="epoch, batch, never"):
        collected(trained, start, "daily")
    with pytest.raises(ValueError, match="n_adversarial must be 0"):
        collected(trained, start, "batch", n_adversarial=5)
