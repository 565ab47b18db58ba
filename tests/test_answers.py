"""Models whose answers are not fit to be attacked."""

import keras
import numpy as np
from small_models import SHAPE, images, linear_model, small_network

from helpers.models import answers, gradients

Y = np.arange(12, dtype=np.int32) % 3


def test_vanishing_gradients_are_counted():
    model = linear_model()
    y = gradients.logits(model, images()).argmax(-1).astype(np.int32)
    assert (answers.vanishing_gradients(model, images(), y) == 0).all()
    assert np.isnan(answers.vanishing_gradients(model, images(), (y + 1) % 3)).all()
    weights, bias = model.get_weights()
    model.set_weights([1e4 * weights, bias])  # a softmax that is exactly 0 and 1 in float32
    blind, dlr = answers.vanishing_gradients(model, images(), y)
    assert blind > 0.5
    assert dlr == 0  # no scaling of the logits changes it
    model.set_weights([0 * weights, bias])
    constant = np.full(12, np.argmax(bias), np.int32)
    assert (answers.vanishing_gradients(model, images(), constant) == 1).all()


def test_a_loss_for_more_classes_than_there_are_has_no_gradient_to_look_at():
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(2)])
    cross_entropy, dlr = answers.vanishing_gradients(model, images(), Y % 2)
    assert cross_entropy == 0
    assert np.isnan(dlr)


def test_a_model_that_draws_at_random_does_not_repeat():
    steady, x = small_network(), images()
    assert answers.repeats(steady, x, gradients.logits(steady, x))

    class Noise(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.generator = keras.random.SeedGenerator(0)

        def call(self, inputs):
            return inputs + keras.random.normal(keras.ops.shape(inputs), seed=self.generator)

    shaky = keras.Sequential([keras.Input(SHAPE), Noise(), *small_network().layers])
    first = gradients.logits(shaky, x)
    assert not answers.repeats(shaky, x, first)


def test_a_layer_that_acts_as_in_training_is_named():
    inputs = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(inputs)
    dropped = keras.layers.Dropout(0.5, name="always")(flat, training=True)
    model = keras.Model(inputs, keras.layers.Dense(3)(dropped))
    quiet = gradients.logits(model, images())
    assert answers.acts_in_training(model, images(), quiet) == ["always"]
    steady = small_network()
    assert answers.acts_in_training(steady, images(), gradients.logits(steady, images())) == []
