"""A classifier of the user's own: stripped of its softmax, fitted to the images, or refused."""

import json
import os
import warnings
import zipfile

import keras
import numpy as np
import pytest
from scipy.special import softmax

from helpers import files
from helpers.attacks.steps import fgsm
from helpers.defences.bagging import Ensemble
from helpers.models import answers, networks
from helpers.models.custom import SMALLEST, load_classifier, network_for
from helpers.models.gradients import logits

layers = keras.layers
SHAPE = (12, 12, 1)
CLASSES = 3


X = np.random.default_rng(0).uniform(size=(24, *SHAPE)).astype(np.float32)
Y = np.arange(24, dtype=np.int32) % CLASSES


def body(*last, shape=SHAPE):
    """Stack a small network in a Sequential model and put `last` at its end."""
    keras.utils.set_random_seed(0)
    hidden = [layers.Flatten(), layers.Dense(8, activation="relu")]
    return keras.Sequential([keras.Input(shape), *hidden, *last])


def functional(*last):
    inputs = keras.Input(SHAPE)
    outputs = layers.Flatten()(inputs)
    for layer in last:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def nested(*last):
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, body(*last)(layers.Rescaling(2.0)(inputs)))


def twice():
    """Use the last layer's softmax in the middle of the network too."""
    inputs = keras.Input(SHAPE)
    shared = layers.Dense(3, activation="softmax")
    return keras.Model(inputs, shared(shared(layers.Dense(3)(layers.Flatten()(inputs)))))


def averaged():
    inputs = keras.Input(SHAPE)
    flat = layers.Flatten()(inputs)
    votes = [layers.Dense(3, activation="softmax")(flat) for _ in range(2)]
    return keras.Model(inputs, layers.Average()(votes))


@pytest.fixture
def save(tmp_path):
    def save(model, name="classifier.keras"):
        model.save(tmp_path / name)
        return tmp_path / name

    return save


WITH_SOFTMAX = {
    "Dense": lambda: body(layers.Dense(3, activation="softmax")),
    "Activation": lambda: body(layers.Dense(3), layers.Activation("softmax")),
    "Softmax": lambda: body(layers.Dense(3), layers.Softmax()),
    "Dense, functional": lambda: functional(layers.Dense(3, activation="softmax")),
    "Activation, functional": lambda: functional(layers.Dense(3), layers.Activation("softmax")),
    "Softmax, functional": lambda: functional(layers.Dense(3), layers.Softmax()),
    "operation": lambda: functional(layers.Dense(3), keras.ops.softmax),
    "nested": lambda: nested(layers.Dense(3), layers.Softmax()),
    "nested, in place": lambda: nested(layers.Dense(3, activation="softmax")),
}


@pytest.mark.parametrize("make", WITH_SOFTMAX.values(), ids=WITH_SOFTMAX)
def test_a_softmax_at_the_end_is_taken_off(save, make):
    model = make()
    before = keras.ops.convert_to_numpy(model(X))
    own = load_classifier(save(model), X, CLASSES)
    after = logits(own.model, X)
    assert own.stripped
    np.testing.assert_allclose(softmax(after, axis=-1), before, atol=1e-6)
    np.testing.assert_array_equal(after.argmax(-1), before.argmax(-1))
    assert np.abs(after.sum(-1) - 1).max() > 0.01
    assert np.abs(fgsm(own.model, X, Y, epsilon=0.1) - X).max() == pytest.approx(0.1)


def test_logits_stay_as_they_are(save):
    model = body(layers.Dense(3))
    own = load_classifier(save(model), X, CLASSES)
    assert not own.stripped
    np.testing.assert_allclose(logits(own.model, X), model(X), atol=1e-6)
    assert own.values["outputs"] == 3
    assert own.values["weights"] == model.count_params()
    assert own.note.startswith("classifier.keras: 3 outputs")
    assert len(own.digest) == 64


def test_a_saturated_softmax_is_taken_off_too(save):
    model = body(layers.Dense(3, activation="softmax"))
    *others, kernel, bias = model.get_weights()
    model.set_weights([*others, 1000 * kernel, bias])
    own = load_classifier(save(model), X, CLASSES)
    assert np.abs(logits(own.model, X)).max() > 50


def test_an_ensemble_is_taken_as_it_is(save):
    members = [body(layers.Dense(3)), body(layers.Dense(3))]
    own = load_classifier(save(Ensemble(members)), X, CLASSES)
    assert not own.stripped
    np.testing.assert_allclose(logits(own.model, X), logits(Ensemble(members), X), atol=1e-6)


def any_size():
    inputs = keras.Input((None, None, 1))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(pooled))


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (lambda: body(layers.Dense(3, activation="softmax"), shape=(12, 12)), (12, 12)),
        (lambda: body(layers.Dense(3), shape=(144,)), (144,)),
        (any_size, SHAPE),
    ],
    ids=["grey without a channel", "flat", "any size"],
)
def test_a_model_is_fitted_to_the_form_of_the_images(save, make, form):
    model = make()
    own = load_classifier(save(model), X, CLASSES)
    assert own.model.input_shape == (None, *SHAPE)
    found = logits(own.model, X)
    expected = keras.ops.convert_to_numpy(model(X.reshape(-1, *form)))
    found = softmax(found, axis=-1) if own.stripped else found
    np.testing.assert_allclose(found, expected, atol=1e-5)


def two_inputs():
    inputs = [keras.Input(SHAPE), keras.Input(SHAPE)]
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(layers.Add()(inputs))))


def two_outputs():
    inputs = keras.Input(SHAPE)
    flat = layers.Flatten()(inputs)
    return keras.Model(inputs, [layers.Dense(3)(flat), layers.Dense(3)(flat)])


def fixed_batch():
    inputs = keras.Input(batch_shape=(4, *SHAPE))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inputs)))


def broken():
    model = body(layers.Dense(3))
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    return model


BAD = {
    "images of another size": (lambda: body(layers.Dense(3), shape=(8, 8, 1)), "shape .8, 8, 1."),
    "colour": (lambda: body(layers.Dense(3), shape=(12, 12, 3)), r"data set are \(12, 12, 1\)"),
    "too few outputs": (lambda: body(layers.Dense(2)), r"2 output\(s\), but .* 3 classes"),
    "one output": (lambda: body(layers.Dense(1, activation="sigmoid")), r"1 output\(s\)"),
    "sigmoid": (lambda: body(layers.Dense(3, activation="sigmoid")), "ends in a sigmoid"),
    "sigmoid, layer": (
        lambda: body(layers.Dense(3), layers.Activation("sigmoid")),
        "ends in a sigmoid",
    ),
    "softmax in the middle": (averaged, "softmax at its very end"),
    "shared softmax": (twice, "softmax at its very end"),
    "a map": (
        lambda: keras.Sequential([keras.Input(SHAPE), layers.Dense(3)]),
        "expected .None, cl",
    ),
    "two inputs": (two_inputs, "several inputs"),
    "two outputs": (two_outputs, "several inputs or outputs"),
    "fixed batch": (fixed_batch, "batches of exactly 4"),
    "half precision": (lambda: functional(layers.Dense(3, dtype="float16")), "in float16"),
    "NaN": (broken, "NaN or infinite"),
    "code": (
        lambda: body(layers.Lambda(lambda x: x), layers.Dense(3)),
        "cannot be loaded.*never code",
    ),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_models_that_cannot_be_attacked_are_refused(save, make, message):
    path = save(make())
    with pytest.raises(ValueError, match=message) as caught:
        load_classifier(path, X, CLASSES)
    assert str(path) in str(caught.value)


def always(layer, *last):
    """Call `layer` as in training, also when the model is used."""
    inputs = keras.Input(SHAPE)
    outputs = layers.Flatten()(layer(inputs, training=True))
    for other in (layers.Dense(3), *last):
        outputs = other(outputs)
    return keras.Model(inputs, outputs)


def inside(model):
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, model(inputs))


@keras.saving.register_keras_serializable("tests")
class Dice(layers.Layer):
    """Draws whatever it is told about training."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(0)

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs), 0, 0.1, seed=self.generator)


AT_RANDOM = {
    "noise": (lambda: always(layers.GaussianNoise(0.1, name="hiss")), "hiss was called with tr"),
    "dropout": (lambda: always(layers.Dropout(0.3, name="hiss")), "hiss was called with training"),
    "softmax": (
        lambda: always(layers.GaussianNoise(0.1, name="hiss"), layers.Softmax()),
        "hiss was",
    ),
    "nested": (lambda: inside(always(layers.GaussianNoise(0.1, name="hiss"))), "hiss was called"),
    "whatever is said": (lambda: body(Dice(), layers.Dense(3)), "something in it draws at random"),
    "and in probabilities": (
        lambda: body(Dice(), layers.Dense(3, activation="softmax")),
        "something in it draws at random",
    ),
}


@pytest.mark.parametrize(("make", "message"), AT_RANDOM.values(), ids=AT_RANDOM)
def test_a_model_that_answers_at_random_is_refused(save, make, message):
    model = make()
    assert not answers.repeats(model, X, logits(model, X))
    path = save(model)
    with pytest.raises(
        ValueError, match=f"answers differently when asked again: {message}"
    ) as caught:
        load_classifier(path, X, CLASSES)
    assert str(path) in str(caught.value)


def augmented():
    inputs = keras.Input(SHAPE)
    outputs = layers.Flatten()(layers.GaussianNoise(0.1)(layers.RandomFlip()(inputs)))
    return keras.Model(inputs, layers.Dense(3)(layers.Dropout(0.5)(outputs)))


@pytest.mark.parametrize(
    "make",
    [augmented, lambda: inside(augmented()), lambda: always(body(layers.Dense(3), shape=SHAPE))],
)
def test_layers_that_draw_in_training_only_are_taken(save, make):
    own = load_classifier(save(make()), X, CLASSES)
    assert answers.repeats(own.model, X, logits(own.model, X))


def test_a_model_without_an_input_shape_is_refused(save):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of the same
        path = save(keras.Sequential([layers.Flatten(), layers.Dense(3)]))
    with pytest.raises(ValueError, match="no input shape yet"):
        load_classifier(path, X, CLASSES)


def test_files_that_hold_no_model_are_refused(save, tmp_path):
    path = tmp_path / "classifier.keras"
    path.write_bytes(b"weights")
    with pytest.raises(ValueError, match=r"no \.keras file, or a damaged one"):
        load_classifier(path, X, CLASSES)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Model"}))
    with pytest.raises(ValueError, match="cannot be loaded"):
        load_classifier(path, X, CLASSES)
    whole = save(body(layers.Dense(3))).read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(ValueError, match="damaged one"):
        load_classifier(path, X, CLASSES)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match="a pipe or a device, a regular file was expected"):
        load_classifier(path, X, CLASSES)


def test_a_model_that_would_not_fit_into_memory_is_not_loaded(save, monkeypatch):
    path = save(body(layers.Dense(3)))
    monkeypatch.setattr(files, "most_unpacked", lambda: 3000)
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(ValueError, match=r"takes [\d,]+ bytes unpacked, and at most 3,000"):
        load_classifier(path, X, CLASSES)


# Networks of the report on other images.


def test_the_report_has_networks_for_its_own_images_only():
    assert network_for("", (28, 28, 1)) == "table_2"
    assert network_for("table_3", (28, 28, 1)) == "table_3"
    for shape, choice in (
        ((40, 30, 3), "parameter architecture which to train: table_2, table_3, inception_v3$"),
        ((40, 12, 1), "which to train: table_2$"),
        ((8, 8, 1), "none of them fits these"),
    ):
        with pytest.raises(ValueError, match=choice):
            network_for("", shape)


@pytest.mark.parametrize("name", ["table_2", "table_3"])
def test_the_smallest_images_are_just_large_enough(name):
    side = SMALLEST[name]
    assert network_for(name, (side, side + 9, 5)) == name
    assert networks.build(name, (side, side + 9, 5), 4, seed=0).output_shape == (None, 4)
    with pytest.raises(ValueError, match=f"at least {side} pixels a side, these have {side - 1}"):
        network_for(name, (side + 9, side - 1, 3))
    with pytest.raises(ValueError, match=r"zero or negative|must be positive"):
        networks.build(name, (side + 9, side - 1, 3), 4, seed=0)


def test_inception_takes_colour_images_only():
    assert set(SMALLEST) == set(networks.ARCHITECTURES)
    with pytest.raises(ValueError, match="needs images of 3 channels, these have 1"):
        network_for("inception_v3", (64, 64, 1))
