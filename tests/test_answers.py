"""Models whose answers are not fit to be attacked."""

import keras
import numpy as np
from small_models import SHAPE, images, linear_model, small_network

from helpers.models import answers, gradients

Y = np.arange(12, dtype=np.int32) % 3


def test_vanishing_gradients_are_counted():
    model = linear_model()
    assert answers.vanishing_gradients(model, images(), Y) == 0
    weights, bias = model.get_weights()
    model.set_weights([1e4 * weights, bias])  # a softmax that is exactly 0 and 1 in float32
    y = gradients.logits(model, images()).argmax(-1).astype(np.int32)
    assert answers.vanishing_gradients(model, images(), y) > 0.5


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
