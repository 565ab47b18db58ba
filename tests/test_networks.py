"""The report's three networks, layer by layer."""

import keras
import numpy as np
import pytest
from small_models import inception

from helpers.models import gradients, networks


def test_table_3():
    model = networks.build("table_3", (32, 32, 3), 10, seed=0)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(c.filters, c.kernel_size) for c in convolutions] == [
        (32, (5, 5)), (32, (5, 5)), (64, (3, 3)), (64, (3, 3)),
    ]  # fmt: skip
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.25, 0.25, 0.5]
    assert model.get_layer("logits").units == 10


@pytest.mark.parametrize(("name", "shape"), [("table_2", (28, 28, 1)), ("table_3", (32, 32, 3))])
def test_width_scales_all_but_the_last_layer(name, shape):
    whole, half = (networks.build(name, shape, 10, seed=0, width=w) for w in (1.0, 0.5))
    for one, other in zip(whole.layers, half.layers, strict=True):
        if isinstance(one, keras.layers.Conv2D):
            assert other.filters == one.filters / 2
        elif isinstance(one, keras.layers.Dense):
            assert other.units == (10 if one.name == "logits" else one.units / 2)
    assert whole.layers[-1].activation is keras.activations.linear
    assert networks.build(name, shape, 10, seed=0, width=0.001).layers[1].filters == 1


@pytest.mark.slow
def test_inception_is_keras_own_at_full_width_and_smaller_below():
    full = networks.build("inception_v3", (64, 64, 3), 200, seed=0, input_size=75)
    own = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(75, 75, 3))
    assert full.count_params() == own.count_params() + 2048 * 200 + 200
    quarter = inception()
    assert quarter.count_params() < own.count_params() / 10
    assert quarter.output_shape == (None, 10)
    x = np.random.default_rng(0).uniform(size=(2, 64, 64, 3)).astype(np.float32)
    _, gradient, _ = gradients.loss_and_gradient(quarter)(x, np.zeros(2, np.int32))
    assert gradient.shape == x.shape
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("lenet", (28, 28, 1), 10), {}, "table_2, table_3, inception_v3"),
        (("table_2", (28, 28, 1), 1), {}, "at least 2 classes"),
        (("table_2", (28, 28, 1), 10), {"weights": "none"}, "takes no option but width"),
        (("inception_v3", (64, 64, 3), 10), {"input_size": 64}, "at least 75"),
        (("inception_v3", (64, 64, 3), 10), {"weights": "cifar"}, "'none' or 'imagenet'"),
        (("inception_v3", (64, 64, 3), 10), {"weights": "imagenet", "width": 0.5}, "width = 1"),
    ],
)
def test_bad_architectures_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        networks.build(*arguments, seed=0, **options)


def test_architecture_for():
    assert networks.architecture_for((32, 32, 3)) == "table_3"
    with pytest.raises(ValueError, match=r"table_2 for \(28, 28, 1\)"):
        networks.architecture_for((17, 17, 2))


def test_the_same_seed_builds_the_same_weights():
    first, again, other = (networks.build("table_2", (28, 28, 1), 10, seed=s) for s in (3, 3, 4))
    assert (first.get_weights()[0] == again.get_weights()[0]).all()
    assert (first.get_weights()[0] != other.get_weights()[0]).any()


def test_other_threads_that_draw_do_not_change_the_weights():
    import random
    import threading

    expected = networks.build("table_2", (28, 28, 1), 10, seed=3).get_weights()
    ended = threading.Event()

    def draw():
        while not ended.is_set():
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        found = networks.build("table_2", (28, 28, 1), 10, seed=3).get_weights()
    finally:
        ended.set()
        thread.join()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
