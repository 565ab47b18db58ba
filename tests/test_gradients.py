import keras
import numpy as np
import pytest
from small_models import SHAPE, images, linear_model, small_network

from helpers.defences.bagging import Ensemble
from helpers.models import gradients, networks


def test_cross_entropy_gradient_of_a_linear_model_is_exact():
    model = linear_model()
    x, y = images(), np.arange(12, dtype=np.int32) % 3
    losses, gradient, logits = gradients.loss_and_gradient(model)(x, y)
    weights = model.get_weights()[0].astype(np.float64)
    expected_logits = x.reshape(12, -1) @ weights
    shares = np.exp(expected_logits) / np.exp(expected_logits).sum(1, keepdims=True)
    expected = (shares - np.eye(3)[y]) @ weights.T
    np.testing.assert_allclose(logits, expected_logits, atol=1e-5)
    np.testing.assert_allclose(losses, -np.log(shares[np.arange(12), y]), atol=1e-5)
    np.testing.assert_allclose(gradient.reshape(12, -1), expected, atol=1e-5)


@pytest.mark.parametrize("network", ["small", "table_2"])
def test_an_images_results_differ_by_no_more_than_rounding_in_any_batch(network):
    if network == "small":
        model, x = small_network(), np.tile(images(), (3, 1, 1, 1))
    else:
        model = networks.build("table_2", (28, 28, 1), 10, seed=0)
        x = np.random.default_rng(0).uniform(size=(36, 28, 28, 1)).astype(np.float32)
    y = np.arange(36, dtype=np.int32) % 3
    call = gradients.loss_and_gradient(model)
    whole = call(x, y)
    for size in (1, 5, 17):
        parts = [call(x[i : i + size], y[i : i + size]) for i in range(0, 36, size)]
        for expected, part in zip(whole, zip(*parts, strict=True), strict=True):
            assert_rounded(np.concatenate(part), expected)
        assert_rounded(gradients.logits(model, x, batch_size=size), whole[2])
    order = np.random.default_rng(1).permutation(36)
    for expected, mixed in zip(whole, call(x[order], y[order]), strict=True):
        assert_rounded(mixed, expected[order])


def assert_rounded(found, expected):
    """Sums of float32 in another order: equal but for a small part of the largest value."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_compiled_once_for_all_batch_sizes():
    traces = []

    class Counting(keras.layers.Layer):
        def call(self, inputs):
            traces.append(1)
            return inputs

    model = keras.Sequential([linear_model().layers[0], Counting(), keras.layers.Dense(3)])
    model.build((None, *SHAPE))
    x, y = images(), np.zeros(12, np.int32)
    gradients.loss_and_gradient(model)(x, y)
    before = len(traces)
    for n in (1, 5, 12):
        gradients.loss_and_gradient(model)(x[:n], y[:n])
    assert len(traces) == before


def test_new_weights_are_seen():
    model = linear_model()
    before = gradients.logits(model, images())
    model.set_weights([2 * weight for weight in model.get_weights()])
    np.testing.assert_allclose(gradients.logits(model, images()), 2 * before, rtol=1e-4)


def team(seed):
    return Ensemble([small_network(seed=seed), small_network(seed=seed + 1)])


@pytest.mark.parametrize("make", [lambda seed: linear_model(seed=seed), team], ids=["one", "team"])
def test_models_that_share_calls_keep_their_own_weights(make):
    first, second = make(1), make(5)
    x, y = images(), np.zeros(12, np.int32)
    expected = gradients.loss_and_gradient(make(5))(x, y)
    gradients.loss_and_gradient(first)(x, y)
    gradients.share_calls(second, first)
    for got, value in zip(gradients.loss_and_gradient(second)(x, y), expected, strict=True):
        np.testing.assert_array_equal(got, value)
    with pytest.raises(ValueError, match="one architecture"):
        gradients.share_calls(small_network(), first)


def test_gradient_of_an_ensemble():
    members = [linear_model(seed=1), linear_model(seed=2)]
    ensemble = Ensemble(members)
    x, y = images(), np.zeros(12, np.int32)
    losses, gradient, _ = gradients.loss_and_gradient(ensemble)(x, y)
    nudged = x.copy()
    nudged[:, 0, 0, 0] += 1e-3
    slope = (gradients.loss_and_gradient(ensemble)(nudged, y)[0] - losses) / 1e-3
    np.testing.assert_allclose(gradient[:, 0, 0, 0], slope, atol=2e-3)


def dlr_parts(model, loss):
    """Losses, the margin computed by hand, and the logits of each image from the largest down."""
    x, y = images(), np.arange(12, dtype=np.int32) % model.output_shape[-1]
    losses, _, z = gradients.loss_and_gradient(model, loss)(x, y)
    order = np.sort(z, axis=1)[:, ::-1]
    own = z[np.arange(12), y]
    other = np.where(own == order[:, 0], order[:, 1], order[:, 0])
    return losses, other - own, order


def test_dlr_is_the_formula_and_does_not_depend_on_scale_or_shift():
    model = linear_model(n_classes=5)
    losses, margin, order = dlr_parts(model, "dlr")
    np.testing.assert_allclose(losses, margin / (order[:, 0] - order[:, 2]), rtol=1e-4)
    model.set_weights([7 * model.get_weights()[0], np.full(5, 3, np.float32)])
    scaled, _, _ = dlr_parts(model, "dlr")
    np.testing.assert_allclose(scaled, losses, rtol=1e-3)


def test_targeted_dlr_is_the_formula():
    model = linear_model(n_classes=6)
    losses, margin, order = dlr_parts(model, "dlr_targeted")
    scale = order[:, 0] - (order[:, 2] + order[:, 3]) / 2
    np.testing.assert_allclose(losses, margin / scale, rtol=1e-4)


@pytest.mark.parametrize(("loss", "n_classes"), [("dlr", 2), ("dlr_targeted", 3)])
def test_dlr_needs_enough_classes(loss, n_classes):
    with pytest.raises(ValueError, match=f"{loss} needs at least {n_classes + 1} classes"):
        gradients.loss_and_gradient(linear_model(n_classes=n_classes), loss)


def test_probabilities_are_told_from_logits():
    network = small_network()
    softmax = keras.Sequential([network, keras.layers.Softmax()])
    assert not gradients.returns_probabilities(network, images())
    assert gradients.returns_probabilities(softmax, images())
    # Log-probabilities are logits, and so is what a network without an opinion says.
    assert not gradients.returns_probabilities(Ensemble([network]), images())
    network.set_weights([0 * weight for weight in network.get_weights()])
    assert not gradients.returns_probabilities(network, images())


def test_a_model_whose_output_ignores_the_images_is_refused():
    class Rounding(keras.layers.Layer):
        def call(self, inputs):
            return keras.ops.cast(keras.ops.argmax(inputs, -1)[:, None], "float32") * [0.0, 1.0]

    model = keras.Sequential([linear_model(), Rounding()])
    model.build((None, *SHAPE))
    with pytest.raises(ValueError, match="cannot be differentiated"):
        gradients.loss_and_gradient(model)(images(), np.zeros(12, np.int32))


def test_unknown_loss_names_the_known_ones():
    with pytest.raises(ValueError, match="cross_entropy, likelihood, dlr"):
        gradients.loss_and_gradient(linear_model(), "crossentropy")
