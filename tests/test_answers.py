"""Models whose answers are not fit to be attacked."""

import keras
import numpy as np
from small_models import SHAPE, images, linear_model

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
