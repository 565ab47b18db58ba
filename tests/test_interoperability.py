"""Our attacks as ART's users call them, and ART's classifiers as models of ours: to the pixel."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from art.defences.postprocessor import Rounded
from art.defences.trainer import AdversarialTrainer
from art.estimators import classification as art
from art.exceptions import EstimatorError
from small_models import art_classifier, images, linear_model, trained

from helpers.attacks import auto_pgd, bim, fgsm, lbfgs, pgd
from helpers.interoperability import BIM, FGSM, LBFGS, PGD, AutoPGD, as_model
from helpers.models import gradients

STEPS = {"epsilon": 0.1, "alpha": 0.03, "steps": 4}
SEARCH = {"c_steps": 4, "max_iterations": 20}
STARTS = {"epsilon": 0.1, "steps": 4, "restarts": 2, "seed": 3}
CASES = [
    (FGSM, fgsm, {"epsilon": 0.1}),
    (BIM, bim, STEPS),
    (PGD, pgd, STEPS | STARTS),
    (AutoPGD, auto_pgd, STARTS),
    (LBFGS, lbfgs, SEARCH),
]
each = pytest.mark.parametrize(("attack", "function", "settings"), CASES)


def crafted(function, *values, **settings):
    made = function(*values, **settings)
    return getattr(made, "x_adv", made)


@each
def test_pixels_are_those_of_our_own_call(attack, function, settings):
    model, x, y = trained()
    theirs = attack(art_classifier(model), **settings).generate(x, y)
    np.testing.assert_array_equal(theirs, crafted(function, model, x, y, **settings))
    assert theirs.dtype == np.float32
    assert (theirs != x).any()


@pytest.mark.parametrize(("attack", "function", "settings"), CASES[:3])
def test_targeted_pixels_too(attack, function, settings):
    model, x, y = trained()
    targets = ((y + 1) % 3).astype(np.int32)
    theirs = attack(art_classifier(model), targeted=True, **settings).generate(x, targets)
    ours = function(model, x, targets, targeted=True, **settings)
    np.testing.assert_array_equal(theirs, ours)


def test_lbfgs_reaches_the_classes_it_is_given():
    model, x, y = trained()
    targets = ((y + 1) % 3).astype(np.int32)
    attack = LBFGS(art_classifier(model), targeted=True, **SEARCH)
    x_adv, found = attack.generate(x, targets), lbfgs(model, x, y, targets=targets, **SEARCH)
    np.testing.assert_array_equal(x_adv, found.x_adv)
    assert (gradients.logits(model, x_adv).argmax(-1) == targets)[found.success].all()
    assert found.success.any()


def test_lbfgs_leaves_what_it_cannot_turn():
    model, x = linear_model(), images()
    kernel, bias = model.get_weights()
    kernel[:, 2], bias[2] = 0, -1000  # no image is of this class
    model.set_weights([kernel, bias])
    attack = LBFGS(art_classifier(model), targeted=True, **SEARCH)
    np.testing.assert_array_equal(attack.generate(x, np.full(12, 2)), x)


@pytest.mark.parametrize("form", [np.int64, "column", "one-hot", "lists", "own answers"])
def test_labels_as_art_takes_them(form):
    model, x, y = trained()
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)  # so that its answers are the labels
    forms = {
        "column": y[:, None],
        "one-hot": np.eye(3)[y],
        "lists": y.tolist(),
        "own answers": None,
    }
    given = y.astype(form) if form is np.int64 else forms[form]
    attack = FGSM(art_classifier(model), epsilon=0.1)
    np.testing.assert_array_equal(attack.generate(x, given), fgsm(model, x, y, epsilon=0.1))


def test_pixels_from_0_to_255():
    model, x, y = trained()
    scaled = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Rescaling(1 / 255), model])
    theirs = BIM(art_classifier(scaled, clip_values=(0, 255)), epsilon=20, alpha=5, steps=4)
    x_255 = np.round(255 * x)
    x_adv = theirs.generate(x_255, y)
    expected = bim(model, x_255 / 255, y, epsilon=20 / 255, alpha=5 / 255, steps=4)
    certain = np.abs(gradients.loss_and_gradient(model)(x_255 / 255, y)[1]) > 1e-6
    assert np.abs(x_adv - 255 * expected)[certain].max() < 1e-3
    assert (x_adv.min(), x_adv.max()) >= (0, x_255.min())
    assert x_adv.max() <= 255
    assert 19.9 < np.abs(x_adv - x_255).max() < 20.001
    still = BIM(art_classifier(scaled, clip_values=(0, 255)), epsilon=0, alpha=5, steps=1)
    np.testing.assert_array_equal(still.generate(x_255 + 0.123, y), (x_255 + 0.123).astype("f4"))


def test_preprocessing_is_part_of_the_model():
    model, x, y = linear_model(), images(), np.zeros(12, np.int32)
    theirs = art_classifier(model, preprocessing=(0.4, 0.2))
    np.testing.assert_allclose(
        gradients.logits(as_model(theirs), x), theirs.predict(x), rtol=1e-5, atol=1e-5
    )
    slopes = gradients.loss_and_gradient(as_model(theirs))(x, y)[1]
    plain = gradients.loss_and_gradient(model)(((x - 0.4) / 0.2).astype(np.float32), y)[1]
    np.testing.assert_allclose(slopes, plain / 0.2, rtol=1e-4, atol=1e-6)


class Foreign(art.classifier.ClassGradientsMixin, art.classifier.ClassifierMixin):
    """A linear classifier of no framework that ART or TensorFlow knows, channels first."""

    clip_values, input_shape, nb_classes, channels_first = (0.0, 1.0), (2, 4, 3), 3, True

    def __init__(self):
        self.weights = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)

    def predict(self, x):
        return x.reshape(len(x), 24) @ self.weights

    def class_gradient(self, x):
        return np.broadcast_to(self.weights.T.reshape(1, 3, 2, 4, 3), (len(x), 3, 2, 4, 3))


def test_any_classifier_with_gradients_is_a_model():
    theirs = Foreign()
    x = np.random.default_rng(1).uniform(0.3, 0.7, (5, 4, 3, 2)).astype(np.float32)
    first, model = np.moveaxis(x, -1, 1), as_model(theirs)
    assert model.input_shape == (None, 4, 3, 2)
    np.testing.assert_allclose(gradients.logits(model, x), theirs.predict(first), rtol=1e-5)
    same = keras.Sequential([keras.Input((4, 3, 2)), keras.layers.Flatten(), keras.layers.Dense(3)])
    kernel = theirs.weights.reshape(2, 4, 3, 3).transpose(1, 2, 0, 3).reshape(24, 3)
    same.set_weights([kernel, np.zeros(3, np.float32)])
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    for loss in ("cross_entropy", "dlr"):
        for ours, expected in zip(
            gradients.loss_and_gradient(model, loss)(x, y),
            gradients.loss_and_gradient(same, loss)(x, y),
            strict=True,
        ):
            np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
    found, expected = lbfgs(model, x, y, **SEARCH), lbfgs(same, x, y, **SEARCH)
    assert found.success.all()
    np.testing.assert_allclose(found.l2, expected.l2, rtol=1e-2)


def test_a_classifier_of_pytorch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 2), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Flatten(),
        torch.nn.Linear(24, 3),
    )  # fmt: skip
    theirs = art.PyTorchClassifier(
        network, torch.nn.CrossEntropyLoss(), (2, 4, 3), 3, clip_values=(0, 1),
        preprocessing=(0.5, 0.25), device_type="cpu",
    )  # fmt: skip
    x = np.random.default_rng(1).uniform(0.3, 0.7, (5, 2, 4, 3)).astype(np.float32)
    model, y = as_model(theirs), theirs.predict(x).argmax(-1).astype(np.int32)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(gradients.logits(model, last), theirs.predict(x), atol=1e-5)
    slopes = gradients.loss_and_gradient(model)(last, y)[1]
    expected = theirs.loss_gradient(x, np.eye(3, dtype=np.float32)[y]) * len(
        x
    )  # ART's is of the mean
    np.testing.assert_allclose(np.moveaxis(slopes, -1, 1), expected, atol=1e-4)
    x_adv = LBFGS(theirs, **SEARCH).generate(x)
    assert x_adv.shape == x.shape
    assert (theirs.predict(x_adv).argmax(-1) != y).all()


def test_arts_own_training_takes_our_attack():
    model, x, y = trained()
    theirs = art_classifier(keras.models.clone_model(model), optimizer=keras.optimizers.SGD(0.01))
    AdversarialTrainer(theirs, FGSM(theirs, epsilon=0.1), ratio=0.5).fit(
        x, np.eye(3)[y], nb_epochs=1
    )


@pytest.mark.parametrize(("options", "message"), [
    ({"clip_values": None}, r"clip_values = None; expected the two numbers"),
    ({"clip_values": (np.zeros(16), np.ones(16))}, "expected the two numbers"),
])  # fmt: skip
def test_classifiers_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        as_model(art_classifier(linear_model(), **options))


def test_other_classifiers_that_do_not_fit():
    with pytest.raises(ValueError, match="postprocessing_defences"):
        as_model(art_classifier(linear_model(), postprocessing_defences=Rounded()))
    flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"shape \(4,\); expected images"):
        as_model(art_classifier(flat))
    soft = keras.Sequential([linear_model(), keras.layers.Softmax()])
    soft.build((None, 4, 4, 1))
    with pytest.raises(ValueError, match="probabilities"):
        FGSM(art_classifier(soft), epsilon=0.1).generate(images(), np.zeros(12, int))
    with pytest.raises(EstimatorError):
        FGSM(linear_model(), epsilon=0.1)


@pytest.mark.parametrize(("attack", "settings", "error", "message"), [
    (BIM, {"epsilon": 0.1}, TypeError, "BIM: alpha is missing; there are targeted, verbose, epsilon"),
    (BIM, STEPS | {"step": 1}, TypeError, "BIM: step is unknown"),
    (BIM, STEPS | {"epsilon": -1}, ValueError, "epsilon = -1"),
    (BIM, STEPS | {"steps": 0}, ValueError, "steps = 0"),
    (BIM, STEPS | {"loss": "hinge"}, ValueError, "no loss 'hinge'"),
    (BIM, STEPS | {"targeted": 1}, ValueError, "targeted = 1: expected True or False"),
    (AutoPGD, STARTS | {"targeted": True}, ValueError, "untargeted"),
    (LBFGS, {"c_init": 0}, ValueError, "c_init = 0"),
    (LBFGS, {"n_candidates": 0}, ValueError, "n_candidates = 0"),
])  # fmt: skip
def test_settings_that_do_not_fit_are_refused_at_once(attack, settings, error, message):
    with pytest.raises(error, match=message):
        attack(art_classifier(linear_model()), **settings)


def test_images_and_labels_that_do_not_fit():
    attack, x = FGSM(art_classifier(linear_model()), epsilon=0.1), images()
    with pytest.raises(ValueError, match=r"x goes from .* clip_values are 0.0 and 1.0"):
        attack.generate(255 * x, np.zeros(12, int))
    with pytest.raises(ValueError, match="x holds images of shape"):
        attack.generate(x[:, 1:])
    with pytest.raises(ValueError, match="labels from 3 to 3"):
        attack.generate(x, np.full(12, 3))
    with pytest.raises(ValueError, match="y is missing"):
        FGSM(art_classifier(linear_model()), epsilon=0.1, targeted=True).generate(x)
    with pytest.raises(ValueError, match="epsilon = -1"):
        attack.set_params(epsilon=-1)


def test_a_function_of_tensorflow_is_a_model_too():
    model, x, y = trained()
    compiled = tf.function(model, reduce_retracing=True)
    theirs = art.TensorFlowV2Classifier(
        model=compiled, nb_classes=3, input_shape=x.shape[1:], clip_values=(0, 1)
    )
    x_adv = FGSM(theirs, epsilon=0.1).generate(x, y)
    np.testing.assert_array_equal(x_adv, fgsm(model, x, y, epsilon=0.1))
