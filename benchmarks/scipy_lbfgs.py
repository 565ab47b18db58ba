"""The L-BFGS attack as others have it: scipy's L-BFGS-B under the same search on c as ours.

One image at a time is the way of Foolbox 1 and 2; the whole batch as one joint problem is that of
CleverHans 3 and advertorch. Like ours, both keep the nearest success that they ever evaluate.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from scipy.optimize import fmin_l_bfgs_b

from helpers.attacks.lbfgs_attack import CSearch


def _gradient_call(model: keras.Model):
    """Cross-entropies, their input gradients and the logits, without the filling up of ours."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    images = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)

    @tf.function(input_signature=[images, tf.TensorSpec((None,), tf.int32)])
    def call(x, y):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            logits = model(x, training=False)
            losses = loss(y, logits)
            total = tf.reduce_sum(losses)
        return losses, tape.gradient(total, x), logits

    return lambda x, y: tuple(result.numpy() for result in call(x, y))


def one_at_a_time(model, x, targets, *, factr: float = 1e7, **search) -> np.ndarray:
    """L2 distance of each image's nearest success, NaN for none; one scipy problem per image and c."""
    call = _gradient_call(model)
    parts = [
        _search(call, x[[row]], targets[[row]], factr=factr, **search) for row in range(len(x))
    ]
    return np.concatenate(parts)


def joint(model, x, targets, *, factr: float = 1e7, **search) -> np.ndarray:
    """The same with all images in one problem for each step of the search."""
    return _search(_gradient_call(model), x, targets, factr=factr, **search)


def _search(call, x, targets, *, factr, c_init, c_steps, max_iterations) -> np.ndarray:
    n = len(x)
    best = np.full(n, np.inf)
    schedule = CSearch(n, c_init)
    flat = x.reshape(n, -1).astype(np.float64)

    def objective(z):
        nonlocal best
        points = z.reshape(flat.shape)
        losses, slopes, scores = call(points.reshape(x.shape).astype(np.float32), targets)
        change = points - flat
        squares = (change**2).sum(1)
        reached = scores.argmax(-1) == targets
        best = np.where(reached, np.minimum(best, np.sqrt(squares)), best)
        slope = 2 * schedule.c[:, None] * change + slopes.reshape(n, -1)
        return float((schedule.c * squares + losses).sum()), slope.ravel()

    for _ in range(c_steps):
        found, _, _ = fmin_l_bfgs_b(
            objective, flat.ravel(), bounds=[(0, 1)] * flat.size, maxiter=max_iterations,
            factr=factr,
        )  # fmt: skip
        scores = call(found.reshape(x.shape).astype(np.float32), targets)[2]
        schedule.note(scores.argmax(-1) == targets)
    return np.where(np.isinf(best), np.nan, best)
