"""Training: early stopping, resuming, repeating."""

import keras
import numpy as np
import pytest
from small_models import blobs, small_network

from helpers.models import gradients, training

TRAINING = {
    "epochs": 4, "batch_size": 32, "learning_rate": 0.01, "patience": 9, "validation_fraction": 0.2,
    "seed": 0,
}  # fmt: skip


def test_validation_is_stratified_disjoint_and_repeatable():
    y = np.repeat(np.arange(4), [100, 50, 10, 2]).astype(np.int32)
    rows, validation = training.split_validation(y, 0.1, seed=0)
    assert sorted([*rows, *validation]) == list(range(162))
    np.testing.assert_array_equal(np.bincount(y[validation]), [10, 5, 1, 1])
    np.testing.assert_array_equal(training.split_validation(y, 0.1, seed=0)[1], validation)
    with pytest.raises(ValueError, match="at least two images"):
        training.split_validation(np.arange(3), 0.1, seed=0)


def test_training_learns_and_keeps_the_best_epoch():
    x, y = blobs()
    model = small_network()
    history = training.train(model, x, y, **TRAINING)
    assert len(history["loss"]) == 4
    assert history["loss"][-1] < history["loss"][0]
    best = history["best_epoch"][0]
    assert history["val_accuracy"][best - 1] == max(history["val_accuracy"]) > 0.8
    _, validation = training.split_validation(y, 0.2, 0)
    predicted = gradients.logits(model, x[validation]).argmax(-1)
    np.testing.assert_allclose((predicted == y[validation]).mean(), max(history["val_accuracy"]))


def test_what_is_watched_decides_the_best_epoch():
    x, y = blobs()
    watched = iter([0.0, 0.0, 9.0, 0.0])
    seen = []

    def watch(model, x_val, y_val):
        seen.append(len(y_val))
        return next(watched)

    history = training.train(small_network(), x, y, watch=watch, **TRAINING)
    assert history["best_epoch"] == [3]
    assert history["val_watched"] == [0.0, 0.0, 9.0, 0.0]
    assert seen == 4 * [len(training.split_validation(y, 0.2, 0)[1])]


def test_images_are_mirrored_and_shifted_anew_each_time_and_never_those_of_validation():
    x = np.random.default_rng(0).uniform(0.1, 1, (200, 8, 8, 3)).astype(np.float32)
    made = training.flipped_and_shifted(x, 0, seed=(0,))
    assert made.shape == x.shape
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, training.flipped_and_shifted(x, 0, seed=(0,)))
    assert (made != training.flipped_and_shifted(x, 1, seed=(0,))).any()
    inside = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    corners = [(i, j) for i in range(3) for j in range(3)]
    versions = np.stack([inside[:, i : i + 8, j : j + 8] for i, j in corners], axis=1)
    whole = np.pad(x[:, :, ::-1], [(0, 0), (1, 1), (1, 1), (0, 0)])
    mirrored = np.stack([whole[:, i : i + 8, j : j + 8] for i, j in corners], axis=1)
    straight, turned = ((made[:, None] == v).all((2, 3, 4)).any(1) for v in (versions, mirrored))
    assert (straight ^ turned).all()
    assert 0.35 < turned.mean() < 0.65

    seen = []
    x, y = blobs()
    training.train(
        small_network(), x, y, augment=True, per_batch=lambda m, x, y: seen.append(x) or x,
        watch=lambda m, x, y: seen.append(x) or 0.0, **TRAINING | {"epochs": 1},
    )  # fmt: skip
    known = {image.tobytes() for image in x}
    *trained, watched = seen
    assert {image.tobytes() for image in watched} <= known
    assert not {image.tobytes() for images in trained for image in images} <= known


def test_early_stopping():
    x, _ = blobs()
    y = np.random.default_rng(0).integers(0, 3, len(x)).astype(np.int32)  # nothing to learn
    history = training.train(
        small_network(), x, y, **{**TRAINING, "epochs": 60, "patience": 2, "learning_rate": 1e-6}
    )
    epochs, best = len(history["loss"]), history["best_epoch"][0]
    assert epochs == best + 2 < 60


def test_training_a_model_again_is_training_it_anew():
    x, y = blobs()
    used, fresh = small_network(), small_network()
    start = fresh.get_weights()
    training.train(used, 1 - x, y, **TRAINING)
    used.set_weights(start)
    histories = [training.train(model, x, y, **TRAINING) for model in (used, fresh)]
    assert histories[0]["loss"] == histories[1]["loss"]
    for one, two in zip(used.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_extra_images_are_trained_on_and_called_each_epoch():
    x, y = blobs()
    epochs = []

    def extra(model, epoch):
        epochs.append(epoch)
        return 1 - x[:50], (2 - y[:50]).astype(np.int32)

    model = small_network()
    training.train(model, x, y, extra=extra, **{**TRAINING, "epochs": 8})
    assert epochs == list(range(8))
    inverted = gradients.logits(model, 1 - x[50:]).argmax(-1) == 2 - y[50:]
    assert inverted.mean() > 0.6


def test_the_learning_rate_falls_along_half_a_cosine():
    x, y = blobs()
    rates, model = [], small_network()

    def rate(model):
        optimizer, _ = gradients.compiled(model).trainers[TRAINING["learning_rate"]]
        rates.append(float(optimizer.learning_rate.numpy()))
        return {}

    steady = training.train(model, x, y, after_epoch=rate, **TRAINING)
    falling = training.train(small_network(), x, y, after_epoch=rate, decay=True, **TRAINING)
    again = training.train(model, x, y, after_epoch=rate, **TRAINING)
    along = [0.01, 0.01 * (1 + 0.5**0.5) / 2, 0.005, 0.01 * (1 - 0.5**0.5) / 2]
    assert rates == pytest.approx([*[0.01] * 4, *along, *[0.01] * 4])
    assert falling["loss"] != steady["loss"]
    assert again["loss"][0] < steady["loss"][0]


def test_an_interrupted_training_resumes_to_the_same_result(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL", 0.0)
    x, y = blobs()
    whole = small_network()
    expected = training.train(whole, x, y, decay=True, **TRAINING)

    class Killed(Exception):
        pass

    done = []

    def kill(model):
        done.append(1)
        if len(done) == 3:
            raise Killed
        return {}

    folder = tmp_path / "checkpoint"
    with pytest.raises(Killed):
        training.train(
            small_network(), x, y, after_epoch=kill, checkpoint=folder, decay=True, **TRAINING
        )
    epochs = []
    model = small_network(seed=9)  # whatever a new process would start from
    history = training.train(
        model, x, y, checkpoint=folder, decay=True, **TRAINING,
        after_epoch=lambda model: epochs.append(1) or {},
    )  # fmt: skip
    assert len(epochs) == 2
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6)
    for one, two in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_damaged_checkpoint_is_not_used(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "state.json").write_text("{")
    x, y = blobs()
    history = training.train(small_network(), x, y, checkpoint=folder, **TRAINING)
    assert len(history["loss"]) == 4


def test_labels_must_fit_the_images():
    x, y = blobs()
    with pytest.raises(ValueError, match="240 images, but 5 labels"):
        training.train(small_network(), x, y[:5], **TRAINING)


class Heard(keras.callbacks.Callback):
    """Notes what it is told, and ends the training after its second epoch."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_train_begin(self, logs=None):
        self.told.append("begin")

    def on_epoch_end(self, epoch, logs=None):
        self.told.append((epoch, sorted(logs)))
        self.model.stop_training = epoch == 1

    def on_train_end(self, logs=None):
        self.told.append("end")


def test_keras_callbacks_hear_of_each_epoch_and_can_end_the_training(tmp_path):
    x, y = blobs()
    heard, table = Heard(), keras.callbacks.CSVLogger(tmp_path / "epochs.csv")
    history = training.train(small_network(), x, y, callbacks=[heard, table], **TRAINING)
    numbers = ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert heard.told == ["begin", (0, numbers), (1, numbers), "end"]
    assert len(history["loss"]) == 2
    assert len((tmp_path / "epochs.csv").read_text().splitlines()) == 3
    alone = training.train(small_network(), x, y, **TRAINING | {"epochs": 2})
    assert alone["loss"] == history["loss"]
